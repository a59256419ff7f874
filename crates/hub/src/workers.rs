//! What the hub does by itself: signed checkpoints, ending what is late, noting contact, forgetting old
//! idempotency keys, and letting go of blobs that nobody holds.
use crate::blobs::Blobs;
use crate::checkin::{self, CheckIns};
use crate::desk::Desk;
use crate::devices::Connections;
use fleet::audit::rules::{Head, checkpoint_message};
use fleet::audit::store::lane_list;
use fleet::audit::view::{ForgetKeys, KeepCheckpoint};
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::text::Slug;
use fleet::time::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use wire::Signer;

/// How often a moved lane gets a signed checkpoint.
const CHECKPOINT_EVERY_SECONDS: u64 = 60;
/// How often what is tried in vain is followed by what is next.
const TRIES_EVERY_SECONDS: u64 = 1;
/// How often it is noted when devices were last heard of.
const CONTACT_EVERY_SECONDS: u64 = 5;
/// How often old idempotency keys are forgotten, and blobs that nobody holds.
const FORGET_EVERY_SECONDS: u64 = 3_600;

/// Runs the hub's own work that has its times, until it is dropped.
pub async fn run(
    desk: Desk,
    signer: Arc<dyn Signer>,
    organisation: Slug,
    connections: Arc<Connections>,
    check_ins: Arc<CheckIns>,
) {
    let mut contact = interval(Duration::from_secs(CONTACT_EVERY_SECONDS));
    contact.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tries = interval(Duration::from_secs(TRIES_EVERY_SECONDS));
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checkpoint = interval(Duration::from_secs(CHECKPOINT_EVERY_SECONDS));
    checkpoint.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut signed = BTreeMap::new();
    loop {
        let (work, done) = tokio::select! {
            _ = checkpoint.tick() => {
                connections.sweep();
                let expired = checkin::expire(&desk, &organisation).await;
                let signed = sign_heads(&desk, signer.as_ref(), &organisation, &mut signed).await;
                ("checkpoint", signed.and(expired))
            }
            _ = contact.tick() => {
                let tried = desk.try_to_write(&Session::of_hub("try-to-write", organisation.clone())).await;
                ("contact", check_ins.note(&desk, &organisation).await.and(tried))
            }
            _ = tries.tick() => ("tries", checkin::try_on(&desk, &organisation).await),
        };
        told(work, done);
    }
}

/// Forgets what is of no use any more, until it is dropped: nothing else waits for that.
pub async fn forget(desk: Desk, organisation: Slug, blobs: Blobs) {
    let session = Session::of_hub("forget-keys", organisation);
    let mut forget = interval(Duration::from_secs(FORGET_EVERY_SECONDS));
    forget.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        forget.tick().await;
        told("forget-keys", desk.own(&session, ForgetKeys {}).await.map(drop));
        told("sweep-blobs", blobs.sweep().await);
    }
}

fn told(work: &str, done: Result<(), Refusal>) {
    if let Err(refusal) = done {
        tracing::warn!(work, code = refusal.code, detail = refusal.detail, "the hub's own work was refused");
    }
}

/// Signs the head of every lane that moved since it was last signed. Signing happens outside of the
/// transaction.
pub async fn sign_heads(
    desk: &Desk,
    signer: &dyn Signer,
    organisation: &Slug,
    signed: &mut BTreeMap<i64, i64>,
) -> Result<(), Refusal> {
    let (heads, at) = desk.look(|tx, now| Ok((lane_list(tx)?, now))).await?;
    let session = Session::of_hub("checkpoint", organisation.clone());
    for head in heads.into_iter().filter(|head| head.seq > 0) {
        if signed.get(&head.lane) == Some(&head.seq) {
            continue;
        }
        desk.own(&session, checkpoint(head, at, signer)?).await?;
        signed.insert(head.lane, head.seq);
    }
    Ok(())
}

fn checkpoint(head: Head, at: Millis, signer: &dyn Signer) -> Result<KeepCheckpoint, Refusal> {
    let signature = signer.sign(&checkpoint_message(&head, at)).map_err(|why| {
        Refusal::new(Sort::Later, "signer-failed", why.to_string()).blaming(Blame::Environment)
    })?;
    let Head { lane, seq, hash } = head;
    Ok(KeepCheckpoint { lane, seq, hash, at, signature })
}
