//! What the faces show of the journal.
use super::rules::{Broken, Checkpoint, Head, Link, What, checkpoint_message};
use super::store;
use crate::limits::{FILTERED_ENTRIES_MAX, IDEMPOTENCY_HOURS_MAX, STEP_ROWS_MAX};
use crate::operation::{Kind, Operation};
use crate::page::{self, Page};
use crate::permission::Permission;
use crate::refusal::{Refusal, Sort};
use crate::room::{Cx, Fold};
use crate::text::{Cursor, Label, Slug};
use crate::time::{Millis, Shown};
use crate::words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::PublicKey;
pub use wire::digest::hex;

/// An entry of the journal.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct EntryView {
    /// When, by the hub's clock.
    pub at: Shown,
    /// Who: an account, or `hub:` and the name of a worker.
    pub actor: String,
    /// Which operation.
    pub action: String,
    /// The event; for a refusal its code.
    pub detail: String,
    /// The room whose subject changed; `refusal` for a "no".
    pub room: String,
    /// The subject's id.
    pub subject: String,
    /// The subject's version after it.
    pub version: i64,
    /// The site, if it belongs to one.
    pub site: String,
    /// The writer's lane.
    pub lane: i64,
    /// The place in the lane.
    pub seq: i64,
    /// SHA-256 over the entry before it and this one.
    pub hash: String,
}

impl From<Link> for EntryView {
    fn from(link: Link) -> Self {
        EntryView {
            at: Shown(link.at),
            actor: link.entry.actor,
            action: link.action,
            room: link.entry.room,
            site: link.entry.subject.site,
            subject: link.entry.subject.id,
            version: link.entry.version,
            detail: link.entry.detail,
            lane: link.lane,
            seq: link.seq,
            hash: hex(&link.hash),
        }
    }
}

/// Show the journal, newest entry first
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Only what this account, device or worker did
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Label>,
    /// Only what came of this operation, as `noun verb`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Label>,
    /// Only entries of this room; `refusal` for every "no"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Slug>,
    /// Only entries about the subject with this id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Cursor>,
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for List {
    const NAME: &'static str = "audit list";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<EntryView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<EntryView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let [at, lane, seq] = page::cursor(self.after.as_ref(), [i64::MAX; 3])?;
        let organisation = cx.session.organisation.as_str();
        let rows = if self.is_filtered() { STEP_ROWS_MAX } else { limit + 1 };
        let (mut place, mut looked_at, mut items) = ((at, lane, seq), 0, Vec::new());
        loop {
            let links = store::journal_list(cx.tx, organisation, place, rows)?;
            let is_last = links.len() < usize::from(rows);
            looked_at += links.len();
            for link in links {
                let here = (link.at.0, link.lane, link.seq);
                if self.wants(&link) {
                    if items.len() == usize::from(limit) {
                        return Ok(Page { items, next: Some(cursor(place)) });
                    }
                    items.push(EntryView::from(link));
                }
                place = here;
            }
            if is_last {
                return Ok(Page { items, next: None });
            }
            if looked_at >= FILTERED_ENTRIES_MAX {
                return Ok(Page { items, next: Some(cursor(place)) });
            }
        }
    }
}

/// The place of an entry: its time, lane and number.
fn place(entry: &EntryView) -> (i64, i64, i64) {
    (entry.at.0.0, entry.lane, entry.seq)
}

/// The place after an entry.
fn cursor((at, lane, seq): (i64, i64, i64)) -> String {
    format!("{at}.{lane}.{seq}")
}

impl List {
    fn is_filtered(&self) -> bool {
        let List { actor, action, room, subject, .. } = self;
        actor.is_some() || action.is_some() || room.is_some() || subject.is_some()
    }

    fn wants(&self, link: &Link) -> bool {
        let is = |wanted: Option<&str>, text: &str| wanted.is_none_or(|wanted| wanted == text);
        is(self.actor.as_ref().map(Label::as_str), &link.entry.actor)
            && is(self.action.as_ref().map(Label::as_str), &link.action)
            && is(self.room.as_ref().map(Slug::as_str), &link.entry.room)
            && is(self.subject.as_ref().map(Cursor::as_str), &link.entry.subject.id)
    }
}

/// Export the journal, oldest entry first, as it is chained
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Continue after this place: the `next` of the page before
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Cursor>,
    /// At most so many
    #[serde(default = "page::usual")]
    #[schemars(range(min = 1, max = 500))]
    pub limit: u16,
}

impl Operation for Export {
    const NAME: &'static str = "audit export";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Page<EntryView>;

    fn run(&self, cx: &mut Cx) -> Result<Page<EntryView>, Refusal> {
        let limit = page::checked(self.limit)?;
        let [lane, seq] = page::cursor(self.after.as_ref(), [0; 2])?;
        let organisation = cx.session.organisation.as_str();
        let found = store::journal_export(cx.tx, organisation, (lane, seq), limit + 1)?;
        let items = found.into_iter().map(EntryView::from).collect();
        Ok(Page::new(items, limit, |e: &EntryView| format!("{}.{}", e.lane, e.seq)))
    }
}

words! {
    /// What a checkpoint's signature is worth.
    pub enum Signature {
        /// It is the hub's, over the entry that the journal has there.
        Good = "good",
        /// It is not the hub's, or the journal has another entry there.
        Wrong = "wrong",
        /// The hub's key was not at hand.
        NotJudged = "not-judged",
    }
}

/// How far a lane of the journal goes, and how far it is signed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct HeadView {
    /// The writer's lane.
    pub lane: i64,
    /// Its newest entry.
    pub seq: i64,
    /// That entry's hash.
    pub hash: String,
    /// The entry that the newest checkpoint vouches for; 0 without one.
    pub signed: i64,
    /// When it was signed; nothing without one.
    pub signed_at: Option<Shown>,
    /// What that signature is worth; nothing without one.
    pub signature: Option<Signature>,
}

/// The lanes of the journal.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Heads {
    /// Every lane.
    pub items: Vec<HeadView>,
}

/// Show how far the journal goes, and how far it is signed; `audit verify` looks at all of it
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowHead {}

impl Operation for ShowHead {
    const NAME: &'static str = "audit head";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Heads;

    fn run(&self, cx: &mut Cx) -> Result<Heads, Refusal> {
        let key = cx.env.checkpoint_key.clone();
        let mut items = Vec::new();
        for Head { lane, seq, hash } in store::lane_list(cx.tx)? {
            let newest = store::checkpoint_newest(cx.tx, lane)?;
            let signature = match &newest {
                Some(checkpoint) => Some(worth(cx, checkpoint, key.as_ref())?),
                None => None,
            };
            let (signed, signed_at) = newest.map(|it| (it.head.seq, Shown(it.at))).unzip();
            let (hash, signed) = (hex(&hash), signed.unwrap_or_default());
            items.push(HeadView { lane, seq, hash, signed, signed_at, signature });
        }
        Ok(Heads { items })
    }
}

fn worth(cx: &mut Cx, checkpoint: &Checkpoint, key: Option<&PublicKey>) -> Result<Signature, Refusal> {
    let Head { lane, seq, .. } = checkpoint.head;
    let entry = store::journal_walk(cx.tx, lane, seq - 1, 1)?.pop().filter(|link| link.seq == seq);
    let fits = entry.is_some_and(|link| {
        let head = Head { lane, seq, hash: link.hash };
        judge(checkpoint, &head, key).is_ok()
    });
    Ok(match (fits, key) {
        (false, _) => Signature::Wrong,
        (true, None) => Signature::NotJudged,
        (true, Some(_)) => Signature::Good,
    })
}

/// Verify the chain of the whole journal and its signed checkpoints
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {}

/// What `audit verify` found good.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Verified {
    /// Lanes of writers.
    pub lanes: i64,
    /// Entries whose hash fits.
    pub entries: i64,
    /// Signed checkpoints that fit.
    pub checkpoints: i64,
    /// Whether the signatures of the checkpoints could be judged: the hub's key was at hand.
    pub signatures_judged: bool,
}

impl Operation for Verify {
    const NAME: &'static str = "audit verify";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    const IS_LONG: bool = true;
    type Answer = Verified;

    fn run(&self, cx: &mut Cx) -> Result<Verified, Refusal> {
        let key = cx.env.checkpoint_key.clone();
        let mut verified = Verified { signatures_judged: key.is_some(), ..Verified::default() };
        let heads = store::lane_list(cx.tx)?;
        for lane in store::lane_numbers(cx.tx)? {
            let gone = Broken { lane, seq: 0, what: What::Head };
            let head = heads.iter().find(|head| head.lane == lane).ok_or_else(|| broken(gone))?;
            verified.lanes += 1;
            verify_lane(cx, head, key.as_ref(), &mut verified)?;
        }
        if verified.entries == 0 {
            emptied(cx, verified.lanes)?;
        }
        Ok(verified)
    }
}

/// A journal without entries is one that nobody has written to yet, unless its hub has begun: a writer makes its
/// lane before anything else, and nothing gets a row without an entry.
fn emptied(cx: &mut Cx, lanes: i64) -> Result<(), Refusal> {
    let empty = |but: String| {
        let detail = format!(
            "the journal is empty, but {but}: entries 1 and after are missing; restore a backup of before"
        );
        Err(Refusal::new(Sort::Failed, "journal-broken", detail))
    };
    for fold in crate::FOLDS {
        match (fold.count)(cx.tx)? {
            0 => {}
            rows => return empty(format!("the room {} has {rows} rows", fold.room)),
        }
    }
    if lanes == 0 {
        return empty("it has no lane either, which every hub that ran has".into());
    }
    Ok(())
}

fn verify_lane(
    cx: &mut Cx,
    stored: &Head,
    key: Option<&PublicKey>,
    verified: &mut Verified,
) -> Result<(), Refusal> {
    let mut head = Head::genesis(stored.lane);
    loop {
        let links = store::journal_walk(cx.tx, head.lane, head.seq, STEP_ROWS_MAX)?;
        let (Some(first), Some(last)) = (links.first(), links.last()) else { break };
        let mut checkpoints = store::checkpoint_list(cx.tx, head.lane, first.seq, last.seq, STEP_ROWS_MAX)?
            .into_iter()
            .peekable();
        for link in &links {
            head.follow(link).map_err(broken)?;
            verified.entries += 1;
            if let Some(checkpoint) = checkpoints.next_if(|c| c.head.seq == head.seq) {
                judge(&checkpoint, &head, key).map_err(broken)?;
                verified.checkpoints += 1;
            }
        }
    }
    let beyond = store::checkpoint_list(cx.tx, head.lane, head.seq + 1, i64::MAX, 1)?;
    if stored.seq > head.seq || !beyond.is_empty() {
        return Err(broken(Broken { lane: head.lane, seq: head.seq + 1, what: What::Missing }));
    }
    if *stored != head {
        return Err(broken(Broken { lane: head.lane, seq: head.seq, what: What::Head }));
    }
    Ok(())
}

fn judge(checkpoint: &Checkpoint, head: &Head, key: Option<&PublicKey>) -> Result<(), Broken> {
    let broken = |what| Err(Broken { lane: head.lane, seq: head.seq, what });
    let message = checkpoint_message(&checkpoint.head, checkpoint.at);
    if key.is_some_and(|key| key.verify(&message, &checkpoint.signature).is_err()) {
        return broken(What::CheckpointSignature);
    }
    if checkpoint.head.hash != head.hash {
        return broken(What::CheckpointHash);
    }
    Ok(())
}

fn broken(broken: Broken) -> Refusal {
    let detail = format!("{broken}; compare with a backup or an exported journal from before");
    Refusal::new(Sort::Failed, "journal-broken", detail)
}

/// Fold the journal of every subject and compare it with its row, and every blob's row with its file
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {}

/// What `audit check` found equal.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Checked {
    /// Rooms whose rows were compared.
    pub rooms: i64,
    /// Subjects whose row equals the fold of their journal.
    pub subjects: i64,
    /// Blobs whose file is what their row says; nothing where no files are at hand.
    pub blobs: Option<i64>,
    /// Files of blobs without a row: a crash left them, and the hub removes them at its next start, or they are on
    /// their way in.
    pub leftovers: Option<i64>,
}

impl Operation for Check {
    const NAME: &'static str = "audit check";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    const IS_LONG: bool = true;
    type Answer = Checked;

    fn run(&self, cx: &mut Cx) -> Result<Checked, Refusal> {
        let mut checked = Checked::default();
        for fold in crate::FOLDS {
            checked.rooms += 1;
            checked.subjects += check_room(cx, fold)?;
        }
        Ok(checked)
    }
}

fn check_room(cx: &mut Cx, fold: &Fold) -> Result<i64, Refusal> {
    let unequal = |detail: String| Refusal::new(Sort::Failed, "fold-differs", detail);
    let (mut subjects, mut organisation, mut id) = (0, String::new(), String::new());
    while let Some(subject) = store::journal_next_subject(cx.tx, fold.room, (&organisation, &id))? {
        if let Some(why) = (fold.differs)(cx.tx, &subject)? {
            return Err(unequal(format!("{} {subject}: {why}", fold.room)));
        }
        subjects += 1;
        (organisation, id) = (subject.organisation, subject.id);
    }
    match (fold.count)(cx.tx)? {
        rows if rows == subjects => Ok(subjects),
        rows => {
            Err(unequal(format!("{}: {rows} rows, but the journal knows {subjects} subjects", fold.room)))
        }
    }
}

/// The journal of one subject in several rooms, newest first: what is shown as a timeline. Each room is asked for no
/// more than the page has.
///
/// # Errors
/// A malformed page, or a fault of the store.
pub fn timeline(
    cx: &mut Cx,
    rooms: &[&str],
    id: &str,
    after: Option<&Cursor>,
    limit: u16,
) -> Result<Page<EntryView>, Refusal> {
    let limit = page::checked(limit)?;
    let [at, lane, seq] = page::cursor(after, [i64::MAX; 3])?;
    let organisation = cx.session.organisation.as_str();
    let mut found = Vec::new();
    for room in rooms {
        let links = store::journal_timeline(cx.tx, room, organisation, id, (at, lane, seq), limit + 1)?;
        found.extend(links.into_iter().map(EntryView::from));
    }
    found.sort_by_key(|entry| std::cmp::Reverse(place(entry)));
    Ok(Page::new(found, limit, |entry: &EntryView| cursor(place(entry))))
}

/// Keep a checkpoint that the hub signed: its own work, asked by nobody else
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepCheckpoint {
    /// The lane.
    pub lane: i64,
    /// The entry that it vouches for.
    pub seq: i64,
    /// That entry's hash.
    pub hash: [u8; 32],
    /// When it was signed.
    pub at: Millis,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Operation for KeepCheckpoint {
    const NAME: &'static str = "audit keep-checkpoint";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let head = Head { lane: self.lane, seq: self.seq, hash: self.hash };
        let checkpoint = Checkpoint { head, at: self.at, signature: self.signature.clone() };
        judge(&checkpoint, &head, cx.env.checkpoint_key.as_ref()).map_err(broken)?;
        store::checkpoint_add(cx.tx, &checkpoint)?;
        Ok(true)
    }
}

/// Forget old idempotency keys: the hub's own work
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetKeys {}

impl Operation for ForgetKeys {
    const NAME: &'static str = "audit forget-keys";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = u64;

    fn run(&self, cx: &mut Cx) -> Result<u64, Refusal> {
        let before = cx.sound_now()?.plus_seconds(-IDEMPOTENCY_HOURS_MAX * 3_600);
        Ok(store::idempotency_forget(cx.tx, before)?)
    }
}
