//! What gates ask: the set of their site's plans, held until there is another one, and each plan by its digest.
//!
//! Waiting costs no reader and no thread. Whatever changes a plan wakes every gate, and each looks for itself.
use crate::desk::Desk;
use crate::limits::{GATE_LOOK_MILLIS_MIN, HELD_GATES_MAX};
use fleet::access::Access;
use fleet::access::gate::Gate;
use fleet::access::gate::view::{OnePlan, Plans};
use fleet::audit::rules::Link;
use fleet::door::{Answer, answered};
use fleet::onboarding::door::{Peer, Request};
use fleet::onboarding::view::Proof;
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::room::Room;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};
use wire::digest::{hex, sha256};
use wire::plan::set::{MEDIA_TYPE, PLANS_PATH};

/// The hub's gates.
pub struct Gates {
    hold: Duration,
    /// Counts changes of plans; nothing when the hub stops.
    changes: watch::Sender<Option<u64>>,
    held: Semaphore,
}

/// An answer, and what names it.
pub struct Told {
    /// The answer.
    pub answer: Answer,
    /// For `ETag`; empty for a plan, whose name is in its path.
    pub set: String,
}

impl Gates {
    /// Gates that are answered after `hold` at the latest.
    pub fn new(hold: Duration) -> Self {
        Gates { hold, changes: watch::Sender::new(Some(0)), held: Semaphore::new(HELD_GATES_MAX) }
    }

    /// Whether a request is one of a gate's.
    pub fn are_asked(request: &Request) -> bool {
        request.path.strip_prefix(PLANS_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a gate, at once or later; `enforced` is its `If-None-Match`.
    ///
    /// # Errors
    /// The refusal of the room or the store; `NotPermitted` ends the connection.
    pub async fn answer(
        &self,
        desk: &Desk,
        session: &Session,
        request: Request,
        enforced: &str,
    ) -> Result<Told, Refusal> {
        let Peer::Device { proof: Proof::Ldevid { serial }, .. } = request.peer else {
            let detail = "plans are fetched with the identity that the gate got here";
            return Err(Refusal::new(Sort::NotPermitted, "not-an-ldevid", detail));
        };
        if request.post {
            return Err(Refusal::new(Sort::Malformed, "wrong-method", "plans are asked for with GET"));
        }
        let name = request.path.strip_prefix(PLANS_PATH).unwrap_or_default().trim_start_matches('/');
        if name.is_empty() {
            return self.set(desk, session, &serial, enforced.trim_matches('"')).await;
        }
        let no_plan = |_| Refusal::new(Sort::NotFound, "no-plan", format!("`{name}` is no plan's digest"));
        let call = OnePlan { serial, digest: name.parse().map_err(no_plan)? };
        let plan: String = answered(desk.own(session, call).await)?;
        Ok(Told { answer: Answer::of(200, MEDIA_TYPE, plan.into_bytes()), set: String::new() })
    }

    async fn set(
        &self,
        desk: &Desk,
        session: &Session,
        serial: &str,
        enforced: &str,
    ) -> Result<Told, Refusal> {
        // Before the first look, so that nothing is missed in between.
        let mut changes = self.changes.subscribe();
        let until = Instant::now() + self.hold;
        let _held = self.held.try_acquire().map_err(|_| {
            let detail = "too many gates wait for their answers; ask again later";
            Refusal::new(Sort::Later, "busy", detail).blaming(Blame::Environment)
        })?;
        loop {
            let stopping = changes.borrow_and_update().is_none();
            let call = Plans { serial: serial.to_owned() };
            let plans: String = answered(desk.own(session, call).await)?;
            let set = hex(&sha256(plans.as_bytes()));
            if set != enforced {
                return Ok(Told { answer: Answer::of(200, MEDIA_TYPE, plans.into_bytes()), set });
            }
            if stopping || !matches!(timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
                return Ok(Told { answer: Answer::text(304, ""), set });
            }
            // Plans are made one after the other: what is a moment old brings its neighbours.
            sleep(Duration::from_millis(GATE_LOOK_MILLIS_MIN)).await;
        }
    }

    /// Wakes the gates if `links` tell of plans. The store calls it when the disk has them.
    pub fn committed(&self, links: &[Link]) {
        if links.iter().any(|link| [Access::NAME, Gate::NAME].contains(&link.entry.room.as_str())) {
            self.changes.send_modify(|count| *count = count.map(|count| count + 1));
        }
    }

    /// Answers every gate that waits, and none waits any more.
    pub fn stop(&self) {
        self.changes.send_replace(None);
    }

    /// How many gates wait.
    pub fn waiting(&self) -> u64 {
        HELD_GATES_MAX.saturating_sub(self.held.available_permits()) as u64
    }
}
