//! The readers' threads: each job looks at the state as it is at one moment.
use crate::engine::{Engine, Place};
use crate::limits::READ_QUEUE_JOBS_MAX;
use crate::refusals::{busy, caught, stopping};
use crate::{Clock, Spawned, locked, spawned};
use fleet::refusal::Refusal;
use fleet::time::Millis;
use fleet::tx::{Fault, FaultKind, Tx};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A job with its answer's way back: given a reader, or why there is none.
type Job = Box<dyn FnOnce(Result<&mut dyn Engine, Fault>, Millis) + Send>;

/// The way to the readers' threads, which end when this is dropped.
pub(crate) struct Readers {
    jobs: SyncSender<Job>,
    _threads: Vec<Spawned>,
}

impl Readers {
    pub(crate) fn start(place: &Place, clock: &Clock, threads: usize) -> Result<Self, Fault> {
        let (jobs, waiting) = sync_channel(READ_QUEUE_JOBS_MAX);
        let waiting = Arc::new(Mutex::new(waiting));
        let thread = |_| {
            let (place, clock, waiting) = (place.clone(), clock.clone(), waiting.clone());
            spawned("store-reader", move || run(&place, &clock, &waiting))
        };
        let threads = (0..threads).map(thread).collect::<Result<_, _>>()?;
        Ok(Readers { jobs, _threads: threads })
    }

    pub(crate) fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Tx, Millis) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Refusal>>, Refusal> {
        let (answer, outcome) = oneshot::channel();
        let job: Job = Box::new(move |engine, now| {
            // Nobody is shown what nobody waits for any more.
            if !answer.is_closed() {
                let _ = answer.send(engine.map_err(Refusal::from).and_then(|engine| look(engine, now, job)));
            }
        });
        self.jobs.try_send(job).map_err(|why| match why {
            TrySendError::Full(_) => busy("questions"),
            TrySendError::Disconnected(_) => stopping(),
        })?;
        Ok(outcome)
    }
}

/// Serves until nobody can send any more. Who holds the lock waits for the next job.
fn run(place: &Place, clock: &Clock, waiting: &Mutex<Receiver<Job>>) {
    let mut open = None;
    let next = || locked(waiting).recv();
    while let Ok(job) = next() {
        match connected(&mut open, place) {
            Ok(engine) => job(Ok(engine), clock()),
            Err(fault) => job(Err(fault), clock()),
        }
    }
}

/// The thread's engine, opened when it is first needed.
fn connected<'a>(open: &'a mut Option<Box<dyn Engine>>, place: &Place) -> Result<&'a mut dyn Engine, Fault> {
    let engine = match open.take() {
        Some(engine) => engine,
        None => place.reader()?,
    };
    Ok(&mut **open.insert(engine))
}

/// One snapshot for one job.
fn look<T>(
    engine: &mut dyn Engine,
    now: Millis,
    job: impl FnOnce(&mut dyn Tx, Millis) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let (mut job, mut found) = (Some(job), None);
    let done = engine.snapshot(&mut |tx| {
        found = job.take().map(|job| caught("a question", || job(tx, now)));
        Ok(())
    });
    let missing = || Fault::new(FaultKind::Sql, "an engine that did not run its job");
    match found {
        Some(found) => found,
        None => Err(done.err().unwrap_or_else(missing).into()),
    }
}
