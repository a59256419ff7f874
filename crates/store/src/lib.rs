//! The state and the journal, on SQLite or PostgreSQL: one writer with group commit, many readers.
//!
//! A command enters [`Store::write`] as an [`Ask`], waits in a bounded queue, and is committed by the
//! one writer's thread together with whatever else waits ([`commit`]); its answer is sent when the
//! disk has it. A question enters [`Store::read`] and sees the state as it is at one moment. The
//! store blocks; whoever must not block waits for the answer's channel.
//!
//! Absent: rooms (their tables, rules and operations are data and functions of `fleet`), waiting
//! within async code, a clock of its own.
pub mod commit;
mod copy;
pub mod engine;
pub mod limits;
pub mod migrate;
mod postgres;
mod readers;
mod refusals;
mod sqlite;
mod watched;
mod writer;

pub use commit::{Ask, Lane, Outcome, Tally, commit, run_read};
pub use engine::{Engine, Place};

use commit::Note;
use fleet::audit::rules::{Entry, Link};
use fleet::permission::Session;
use fleet::refusal::Refusal;
use fleet::room::{Env, Subject};
use fleet::time::Millis;
use fleet::tx::{Fault, FaultKind, Tx};
use limits::{BATCH_COMMANDS_MAX, READERS_MAX};
use readers::Readers;
use refusals::Minute;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use writer::Writer;

/// What time it is: asked once per batch and once per question.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// Told of the entries of every batch when the disk has them and before anybody is answered. It runs
/// on the writer's thread: it must be quick and must not ask the store.
pub type Committed = Arc<dyn Fn(&[Link]) + Send + Sync>;

/// Readers, when nobody says how many.
const READERS: usize = 4;

/// How a store is opened.
#[derive(Clone)]
pub struct Settings {
    /// Where the state is.
    pub place: Place,
    /// The writer's lane in the journal; each process that writes to one database has its own.
    pub lane: i64,
    /// Threads that read: 1 to [`READERS_MAX`].
    pub readers: usize,
    /// Commands that share one transaction: 1 to [`BATCH_COMMANDS_MAX`].
    pub batch_max: usize,
    /// What operations may know of the hub.
    pub env: Env,
    /// What time it is.
    pub clock: Clock,
    /// Who is told of what was committed.
    pub committed: Option<Committed>,
}

impl Settings {
    /// The usual settings: lane 1, 4 readers, full batches.
    pub fn new(place: Place, env: Env, clock: Clock) -> Self {
        Settings {
            place,
            lane: 1,
            readers: READERS,
            batch_max: BATCH_COMMANDS_MAX,
            env,
            clock,
            committed: None,
        }
    }
}

/// Counters since the store was opened, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// What the writer has done.
    pub tally: Tally,
    /// Commands and notes that wait for the writer.
    pub waiting: usize,
}

/// A handle on the state. Clones share it; when the last one goes, its threads end.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    /// `None` when it was opened for looking only.
    writer: Option<Writer>,
    readers: Readers,
    clock: Clock,
    minute: Mutex<Minute>,
}

impl Store {
    /// Opens the state, makes the tables that are missing, and starts one writer and the readers.
    /// It waits for the database, so do not call it where nothing may block.
    ///
    /// # Errors
    /// The database does not answer, is newer than this program, or had a migration edited.
    pub fn open(mut settings: Settings) -> Result<Self, Fault> {
        settings.batch_max = settings.batch_max.clamp(1, BATCH_COMMANDS_MAX);
        let writer = Writer::start(&settings)?;
        Self::with(Some(writer), &settings.place, settings.clock, settings.readers)
    }

    /// Opens the state for looking only: nothing is made or migrated, and a write is refused
    /// `read-only`. For tools that work beside a hub, or without one.
    ///
    /// # Errors
    /// The database does not answer, or is older or newer than this program.
    pub fn open_read_only(place: Place, clock: Clock) -> Result<Self, Fault> {
        // PostgreSQL's client wants a plain thread, and the caller's may be one of tokio's.
        let there = place.clone();
        let looked = std::thread::spawn(move || {
            let mut engine = there.reader()?;
            engine.snapshot(&mut |tx| migrate::look(tx, fleet::MIGRATIONS))
        });
        let stopped = |_| Err(Fault::new(FaultKind::Unavailable, "it stopped while it was opened"));
        looked.join().unwrap_or_else(stopped)?;
        Self::with(None, &place, clock, 1)
    }

    fn with(writer: Option<Writer>, place: &Place, clock: Clock, readers: usize) -> Result<Self, Fault> {
        let readers = Readers::start(place, &clock, readers.clamp(1, READERS_MAX))?;
        Ok(Store(Arc::new(Inner { writer, readers, clock, minute: Mutex::default() })))
    }

    /// Hands a command to the writer. It never waits for room. The answer comes when the disk has
    /// what it says.
    ///
    /// # Errors
    /// `busy` when the queue is full, `read-only`, or `stopping`.
    pub fn write(&self, ask: Ask) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        self.0.writer.as_ref().ok_or_else(refusals::read_only)?.write(ask)
    }

    /// Hands a job to the readers. It runs in a transaction that sees one moment and keeps nothing;
    /// [`run_read`] runs an operation in it.
    ///
    /// # Errors
    /// `busy` when the queue is full, or `stopping`.
    pub fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Tx, Millis) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Refusal>>, Refusal> {
        self.0.readers.read(job)
    }

    /// Writes a refusal of a known principal to the journal, once per actor, action and code in a
    /// minute, and not at all when there is no room: a refusal must not cost more than a word.
    pub fn note_refusal(&self, session: &Session, action: &'static str, refusal: &Refusal) {
        let Some(writer) = &self.0.writer else { return };
        let organisation = session.organisation.as_str();
        let actor = format!("{organisation}/{}", session.actor);
        if !locked(&self.0.minute).first((self.0.clock)(), actor, action, refusal.code) {
            return;
        }
        let subject = Subject { organisation: organisation.into(), site: String::new(), id: action.into() };
        let entry = Entry {
            actor: session.actor.clone(),
            room: "refusal".into(),
            subject,
            version: 0,
            detail: refusal.code.into(),
        };
        // A full queue drops it.
        let _ = writer.note(Note { action, entry });
    }

    /// Counters for `/metrics`.
    pub fn figures(&self) -> Figures {
        let (tally, waiting) = self.0.writer.as_ref().map(Writer::figures).unwrap_or_default();
        Figures { tally, waiting }
    }
}

/// What a lock guards here is whole between two statements, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that is waited for when this is dropped, so that whoever closed the store knows that its
/// files are at rest. What the thread waits on has to be dropped before.
struct Spawned(Option<JoinHandle<()>>);

impl Drop for Spawned {
    fn drop(&mut self) {
        let Some(thread) = self.0.take() else { return };
        // A thread does not wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            // It catches what panics in it; were there more, it ended all the same.
            let _ = thread.join();
        }
    }
}

fn spawned(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Spawned, Fault> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    spawned
        .map(|thread| Spawned(Some(thread)))
        .map_err(|e| Fault::new(FaultKind::Unavailable, format!("no thread for {name}: {e}")))
}
