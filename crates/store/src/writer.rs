//! The writer's thread: it takes what is waiting, commits it together, and answers afterwards.
use crate::commit::{Ask, Frame, Lane, Note, Outcome, Tally, commit_noting};
use crate::engine::Engine;
use crate::limits::QUEUE_COMMANDS_MAX;
use crate::refusals::{busy, caught, stopping};
use crate::{Settings, Spawned, locked, migrate, spawned};
use fleet::refusal::Refusal;
use fleet::tx::{Fault, FaultKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// What waits for the writer.
enum Job {
    Command(Ask, oneshot::Sender<Outcome>),
    Note(Note),
}

/// The way to the writer's thread, which ends when this is dropped.
pub(crate) struct Writer {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
    _thread: Spawned,
}

/// What the thread tells of itself.
#[derive(Default)]
struct Shared {
    tally: Mutex<Tally>,
    waiting: AtomicUsize,
}

impl Writer {
    /// Makes the tables, opens the lane and starts the thread, on which all of that happens.
    pub(crate) fn start(settings: &Settings) -> Result<Self, Fault> {
        let (jobs, waiting) = sync_channel(QUEUE_COMMANDS_MAX);
        let (ready, opened) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let (settings, theirs) = (settings.clone(), shared.clone());
        let thread = spawned("store-writer", move || {
            let work = open(&settings).map(|(engine, lane)| Work { engine, lane, shared: theirs, settings });
            // The opener waits for this one message, so there is somebody to take it.
            let _ = match work {
                Ok(work) => ready.send(Ok(())).map(|()| work.run(&waiting)),
                Err(fault) => ready.send(Err(fault)),
            };
        })?;
        let ended = |_| Err(Fault::new(FaultKind::Unavailable, "the writer ended while it was opened"));
        opened.recv().unwrap_or_else(ended)?;
        Ok(Writer { jobs, shared, _thread: thread })
    }

    pub(crate) fn write(&self, ask: Ask) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let (answer, outcome) = oneshot::channel();
        self.send(Job::Command(ask, answer))?;
        Ok(outcome)
    }

    pub(crate) fn note(&self, note: Note) -> Result<(), Refusal> {
        self.send(Job::Note(note))
    }

    fn send(&self, job: Job) -> Result<(), Refusal> {
        // Counted before it is sent, so that the thread never takes away what was not added.
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|why| {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            match why {
                TrySendError::Full(_) => busy("changes"),
                TrySendError::Disconnected(_) => stopping(),
            }
        })
    }

    /// What the writer has done, and how many jobs wait for it.
    pub(crate) fn figures(&self) -> (Tally, usize) {
        (*locked(&self.shared.tally), self.shared.waiting.load(Ordering::Relaxed))
    }
}

fn open(settings: &Settings) -> Result<(Box<dyn Engine>, Lane), Fault> {
    let mut engine = settings.place.writer()?;
    migrate::migrate(&mut *engine, fleet::MIGRATIONS)?;
    let lane = Lane::open(&mut *engine, settings.lane)?;
    Ok((engine, lane))
}

/// What the thread has.
struct Work {
    engine: Box<dyn Engine>,
    lane: Lane,
    shared: Arc<Shared>,
    settings: Settings,
}

impl Work {
    /// Serves until nobody can send any more.
    fn run(mut self, waiting: &Receiver<Job>) {
        while let Ok(first) = waiting.recv() {
            // Company is what came while the last batch went to the disk; nobody waits for more.
            let company = waiting.try_iter().take(self.settings.batch_max - 1);
            let group: Vec<Job> = std::iter::once(first).chain(company).collect();
            self.shared.waiting.fetch_sub(group.len(), Ordering::Relaxed);
            self.serve(group);
        }
    }

    fn serve(&mut self, group: Vec<Job>) {
        let (mut asks, mut answers, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for job in group {
            match job {
                Job::Command(ask, answer) => {
                    asks.push(ask);
                    answers.push(answer);
                }
                Job::Note(note) => notes.push(note),
            }
        }
        let Settings { clock, env, committed, .. } = &self.settings;
        let mut frame = Frame { lane: &mut self.lane, now: clock(), env, links: Vec::new() };
        let outcomes = commit_noting(&mut *self.engine, &mut frame, &asks, &notes);
        if let Some(committed) = committed {
            // What was committed is answered, whatever becomes of the telling.
            let _ = caught("telling of a commit", || {
                committed(&frame.links);
                Ok(())
            });
        }
        *locked(&self.shared.tally) = self.lane.tally();
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Whoever asked may have gone; what was done stays done.
            let _ = answer.send(outcome);
        }
    }
}
