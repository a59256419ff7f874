//! Group commit: many commands, one transaction, one wait for the disk. Plain functions: threads and
//! queues stand in `writer.rs`.
use crate::engine::{Batch, Engine};
use crate::refusals::{answer_not_kept, bad_key, caught, key_reused, lane_lost, wrong_door};
use crate::watched::Watched;
use fleet::account::confirm;
use fleet::audit::rules::{Entry, Head, Link};
use fleet::audit::store::{
    idempotency_add, idempotency_find, journal_add, journal_newest, lane_advance, lane_open,
};
use fleet::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use fleet::permission::Permitted;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::room::{Cx, Env};
use fleet::time::Millis;
use fleet::tx::{Fault, FaultKind, Tx};
use serde_json::Value as Json;

/// What is kept instead of an answer that holds a secret. It is no JSON, so no answer is like it.
const NOT_KEPT: &str = "";

/// A command on its way to the writer.
pub struct Ask {
    /// The operation, let through.
    pub permitted: Permitted,
    /// Fresh randomness, from which the operation draws.
    pub seed: [u8; 32],
    /// A key that its asker chose, so that a repeated request is done once.
    pub idempotency_key: Option<String>,
}

/// What came of a command.
pub type Outcome = Result<Json, Refusal>;

/// A refusal that deserves its line in the journal.
pub(crate) struct Note {
    pub(crate) action: &'static str,
    pub(crate) entry: Entry,
}

/// A writer's place in the journal: where it appends, and whether it still may.
#[derive(Debug)]
pub struct Lane {
    head: Head,
    newest: Millis,
    standing: Standing,
    tally: Tally,
}

/// How sure a writer is of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The head is what the database has, unless another process wrote it.
    Sure,
    /// A batch failed: look before the next. When the connection was lost while committing, the head
    /// may also be the one that this batch was moving to.
    Unsure(Option<Head>),
    /// Another process writes here.
    Lost,
}

/// What a writer has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands that were answered or refused.
    pub commands: u64,
    /// Commands among them that were refused.
    pub refusals: u64,
    /// Commands among those that met a full disk.
    pub disk_full: u64,
    /// Transactions that reached the disk.
    pub batches: u64,
    /// Batches that failed and were repeated command by command.
    pub retried_batches: u64,
    /// Entries that were added to the journal.
    pub entries: u64,
}

impl Lane {
    /// Opens `lane`, which is made if it is new.
    ///
    /// # Errors
    /// A [`Fault`] of the engine.
    pub fn open(engine: &mut dyn Engine, lane: i64) -> Result<Self, Fault> {
        let (mut head, mut newest) = (Head::genesis(lane), Millis(0));
        engine.batch(&mut |tx| {
            head = held(tx, lane)?;
            newest = journal_newest(tx)?;
            Ok(())
        })?;
        Ok(Lane { head, newest, standing: Standing::Sure, tally: Tally::default() })
    }

    /// What this writer has done.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The head, read again if there is doubt.
    fn settled(&mut self, tx: &mut dyn Tx) -> Result<Head, Fault> {
        let Standing::Unsure(attempted) = self.standing else { return Ok(self.head) };
        let stored = held(tx, self.head.lane)?;
        if stored != self.head && Some(stored) != attempted {
            self.standing = Standing::Lost;
            return Err(Fault::new(FaultKind::Conflict, "the lane's head is another writer's"));
        }
        (self.head, self.standing) = (stored, Standing::Sure);
        Ok(stored)
    }
}

/// The stored head of `lane`, held until the transaction ends. A connection that was lost a moment
/// ago may still be committing on the server: then the first hold waits for it, finds that the head
/// has moved, and the second has the new one.
fn held(tx: &mut dyn Tx, lane: i64) -> Result<Head, Fault> {
    let head = lane_open(tx, lane)?;
    if lane_advance(tx, &head, &head).is_ok() {
        return Ok(head);
    }
    let head = lane_open(tx, lane)?;
    lane_advance(tx, &head, &head)?;
    Ok(head)
}

/// Commits `asks` together and answers each, in their order. A refused or failed command is undone
/// and the others are kept. A batch that fails as a whole is repeated with a mark before each command,
/// and if that fails too, once, command by command. Whatever the answers say is on the disk when this returns.
pub fn commit(
    engine: &mut dyn Engine,
    lane: &mut Lane,
    now: Millis,
    env: &Env,
    asks: &[Ask],
) -> Vec<Outcome> {
    commit_noting(engine, &mut Frame { lane, now, env, links: Vec::new() }, asks, &[])
}

/// What all commands of a batch share.
pub(crate) struct Frame<'a> {
    pub(crate) lane: &'a mut Lane,
    pub(crate) now: Millis,
    pub(crate) env: &'a Env,
    /// What was committed, in the order of the journal.
    pub(crate) links: Vec<Link>,
}

/// [`commit`], with refusals to note in the same transaction. Notes are not repeated.
pub(crate) fn commit_noting(
    engine: &mut dyn Engine,
    frame: &mut Frame,
    asks: &[Ask],
    notes: &[Note],
) -> Vec<Outcome> {
    let mut tried = attempt(engine, frame, asks, notes, Marks::None);
    if let Err(Failed::Repeat(_)) = tried {
        tried = attempt(engine, frame, asks, notes, Marks::Each);
    }
    let outcomes = match tried {
        Ok(outcomes) => outcomes,
        Err(Failed::Repeat(_)) => {
            frame.lane.tally.retried_batches += 1;
            asks.iter().map(|ask| alone(engine, frame, ask)).collect()
        }
        Err(Failed::Refuse(why)) => asks.iter().map(|_| Err(why.clone())).collect(),
    };
    count(&mut frame.lane.tally, &outcomes);
    outcomes
}

/// What a batch can undo.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// Only itself: a command that fails after it wrote spoils it. Marks cost as much as a short
    /// command, and most commands that are refused have written nothing yet.
    None,
    /// Each of its commands.
    Each,
}

fn alone(engine: &mut dyn Engine, frame: &mut Frame, ask: &Ask) -> Outcome {
    match attempt(engine, frame, std::slice::from_ref(ask), &[], Marks::Each) {
        // One command has one outcome.
        Ok(mut outcomes) => outcomes.remove(0),
        Err(Failed::Repeat(why) | Failed::Refuse(why)) => Err(why),
    }
}

fn count(tally: &mut Tally, outcomes: &[Outcome]) {
    let refused = || outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    tally.commands += outcomes.len() as u64;
    tally.refusals += refused().count() as u64;
    tally.disk_full += refused().filter(|why| why.code == "disk-full").count() as u64;
}

/// A batch of which nothing was kept.
enum Failed {
    /// Each command by itself may fare better.
    Repeat(Refusal),
    /// None would.
    Refuse(Refusal),
}

/// One transaction with all of `asks`.
fn attempt(
    engine: &mut dyn Engine,
    frame: &mut Frame,
    asks: &[Ask],
    notes: &[Note],
    marks: Marks,
) -> Result<Vec<Outcome>, Failed> {
    if frame.lane.standing == Standing::Lost {
        return Err(Failed::Refuse(lane_lost(frame.lane.head.lane)));
    }
    let mut done = None;
    let committed = engine.batch(&mut |tx| {
        let (head, newest) = (frame.lane.head, frame.lane.newest);
        let draft = done.insert(Draft { head, newest, links: Vec::new(), outcomes: Vec::new() });
        draft.head = frame.lane.settled(tx)?;
        draft.fill(tx, frame, asks, notes, marks)
    });
    match (committed, done) {
        (Ok(()), Some(draft)) => Ok(draft.kept(frame)),
        (Ok(()), None) => Err(Failed::Refuse(wrong_door("commit", "an engine that did not run it"))),
        (Err(fault), begun) => Err(failed(frame.lane, fault, begun.map(|draft| draft.head))),
    }
}

/// What a failed batch leaves: doubt about the lane, if it had begun at all.
fn failed(lane: &mut Lane, fault: Fault, attempted: Option<Head>) -> Failed {
    let Some(attempted) = attempted else { return Failed::Refuse(fault.into()) };
    if lane.standing == Standing::Lost {
        return Failed::Refuse(lane_lost(lane.head.lane));
    }
    let is_lost = fault.kind == FaultKind::Unavailable;
    // Doubt that this batch did not come to settle stays.
    if !matches!(lane.standing, Standing::Unsure(Some(_))) {
        lane.standing = Standing::Unsure(is_lost.then_some(attempted));
    }
    if !is_lost {
        return Failed::Repeat(fault.into());
    }
    let detail = format!(
        "{}; whether it was done is not known: look, or ask again with the same idempotency key",
        fault.detail
    );
    Failed::Refuse(Fault::new(FaultKind::Unavailable, detail).into())
}

/// A batch in the making.
struct Draft {
    head: Head,
    newest: Millis,
    links: Vec<Link>,
    outcomes: Vec<Outcome>,
}

impl Draft {
    fn fill(
        &mut self,
        tx: &mut dyn Batch,
        frame: &Frame,
        asks: &[Ask],
        notes: &[Note],
        marks: Marks,
    ) -> Result<(), Fault> {
        let old = self.head;
        for ask in asks {
            let done = command(tx, frame, self.newest, ask, marks)?;
            let outcome = done.map(|Done { answer, entries, newest }| {
                self.newest = newest;
                let action = ask.permitted.row().name;
                self.links
                    .extend(entries.into_iter().map(|entry| self.head.append(frame.now, action, entry)));
                answer
            });
            self.outcomes.push(outcome);
        }
        for Note { action, entry } in notes {
            self.links.push(self.head.append(frame.now, action, entry.clone()));
        }
        if self.links.is_empty() && self.outcomes.iter().all(Result::is_err) {
            return Ok(());
        }
        // First the head: whoever has lost the lane waits and fails here, before the journal.
        lane_advance(tx, &old, &self.head)?;
        journal_add(tx, &self.links)
    }

    fn kept(self, frame: &mut Frame) -> Vec<Outcome> {
        let Frame { lane, now, links, .. } = frame;
        lane.head = self.head;
        if !self.links.is_empty() {
            lane.newest = self.newest.max(*now);
        }
        lane.tally.batches += 1;
        lane.tally.entries += self.links.len() as u64;
        links.extend(self.links);
        self.outcomes
    }
}

/// What a command did.
struct Done {
    answer: Json,
    entries: Vec<Entry>,
    /// The time of the newest entry that counts.
    newest: Millis,
}

/// One command. A fault means that the whole batch is lost.
fn command(
    tx: &mut dyn Batch,
    frame: &Frame,
    newest: Millis,
    ask: &Ask,
    marks: Marks,
) -> Result<Result<Done, Refusal>, Fault> {
    let name = ask.permitted.row().name;
    if !ask.permitted.writes() {
        return Ok(Err(wrong_door(name, "the writer")));
    }
    if marks == Marks::Each {
        tx.mark()?;
    }
    let mut watched = Watched::new(tx);
    let done = caught(name, || {
        let done = once(&mut watched, frame, newest, ask)?;
        watched.checked()?;
        Ok(done)
    });
    match (marks, &done) {
        (Marks::None, Ok(_)) => {}
        (Marks::None, Err(_)) => watched.untouched()?,
        (Marks::Each, Ok(_)) => tx.keep()?,
        (Marks::Each, Err(_)) => tx.back()?,
    }
    Ok(done)
}

/// Runs a command, unless its key says that it has been done.
fn once(tx: &mut dyn Tx, frame: &Frame, newest: Millis, ask: &Ask) -> Result<Done, Refusal> {
    confirm(tx, ask.permitted.session(), frame.now.max(newest))?;
    let Some(key) = ask.idempotency_key.as_deref() else { return run(tx, frame, newest, ask) };
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad_key());
    }
    let session = ask.permitted.session();
    // Two organisations may have an account of the same name; a slug has no `/`.
    let actor = format!("{}/{}", session.organisation, session.actor);
    let digest = ask.permitted.digest();
    if let Some((seen, answer)) = idempotency_find(tx, &actor, key)? {
        let again = || Ok(Done { answer: again(&answer)?, entries: Vec::new(), newest });
        return if seen == digest { again() } else { Err(key_reused()) };
    }
    let done = run(tx, frame, newest, ask)?;
    let kept = if ask.permitted.row().secret { NOT_KEPT.to_string() } else { done.answer.to_string() };
    idempotency_add(tx, &actor, key, &digest, frame.now, &kept)?;
    Ok(done)
}

/// The answer to a request that was done before.
fn again(answer: &str) -> Result<Json, Refusal> {
    if answer == NOT_KEPT {
        return Err(answer_not_kept());
    }
    Ok(serde_json::from_str(answer).map_err(|e| Fault::corrupt(format!("a kept answer: {e}")))?)
}

fn run(tx: &mut dyn Tx, frame: &Frame, newest: Millis, ask: &Ask) -> Result<Done, Refusal> {
    let session = ask.permitted.session();
    let mut cx = Cx::new(tx, frame.now, newest, ask.seed, session, frame.env);
    let answer = ask.permitted.run(&mut cx)?;
    let newest = cx.newest();
    Ok(Done { answer, entries: cx.into_entries(), newest })
}

/// Runs an operation that only looks, in a reader's transaction.
///
/// # Errors
/// The operation's refusal; `fault-of-ours` for an operation that writes.
pub fn run_read(tx: &mut dyn Tx, now: Millis, env: &Env, permitted: &Permitted) -> Outcome {
    let name = permitted.row().name;
    if permitted.writes() {
        return Err(wrong_door(name, "a reader"));
    }
    // Looking issues nothing, so there is nothing to draw, and no newest entry to hold the clock against.
    let mut cx = Cx::new(tx, now, now, [0; 32], permitted.session(), env);
    let answer = permitted.run(&mut cx)?;
    if cx.into_entries().is_empty() {
        return Ok(answer);
    }
    let detail = format!("`{name}` says that it only looks, and it changed something; report this");
    Err(Refusal::new(Sort::Failed, "fault-of-ours", detail).blaming(Blame::Us))
}
