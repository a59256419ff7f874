//! Who may tell this process to stop: a signal, or the end of its standard input.
use crate::failure::{Failure, failed};
use std::future::Future;
use std::io::Read;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What may tell the process to stop.
pub struct Told {
    terminate: Signal,
    interrupt: Signal,
    input_ended: Option<oneshot::Receiver<()>>,
}

impl Told {
    /// Listens, from now on; within a runtime.
    ///
    /// # Errors
    /// [`Failure::Failed`] when this process may not listen to signals.
    pub fn new(until_input_ends: bool) -> Result<Self, Failure> {
        Ok(Told {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            input_ended: until_input_ends.then(input_ended).transpose()?,
        })
    }

    /// Waits for it, and says what it was.
    pub async fn stopped(mut self) -> &'static str {
        let input_ended = async {
            match self.input_ended {
                Some(ended) => ended.await.unwrap_or_default(),
                None => std::future::pending().await,
            }
        };
        first(self.terminate.recv(), self.interrupt.recv(), input_ended).await
    }
}

async fn first(
    terminate: impl Future<Output = Option<()>>,
    interrupt: impl Future<Output = Option<()>>,
    input_ended: impl Future<Output = ()>,
) -> &'static str {
    tokio::select! {
        _ = terminate => "SIGTERM",
        _ = interrupt => "SIGINT",
        () = input_ended => "standard input has ended",
    }
}

/// A thread of its own: nothing else here waits for standard input.
fn input_ended() -> Result<oneshot::Receiver<()>, Failure> {
    let (ended, receiver) = oneshot::channel();
    let read = move || {
        let mut bytes = [0; 256];
        while matches!(std::io::stdin().read(&mut bytes), Ok(1..)) {}
        // Nobody waits any more when the process is stopping already.
        let _ = ended.send(());
    };
    std::thread::Builder::new().name("input".into()).spawn(read).map_err(failed)?;
    Ok(receiver)
}
