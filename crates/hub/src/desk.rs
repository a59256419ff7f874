//! Where requests go: reads to a snapshot, writes to the one writer, both with permission only.
use crate::limits::LONG_READS_MAX;
use fleet::account::authenticate;
use fleet::operation::{Call, Kind, Operation, OperationRow};
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::room::Env;
use fleet::time::Millis;
use fleet::tx::Tx;
use serde_json::Value as Json;
use std::sync::Arc;
use store::{Ask, Store, run_read};
use tokio::sync::{Semaphore, oneshot};

/// The hub's one way to its fleet.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    env: Env,
    /// Places of reads that take as long as the journal is.
    long: Arc<Semaphore>,
}

impl Desk {
    /// A desk over an open store; `env` is what looking operations may know of the hub.
    pub fn new(store: Store, env: Env) -> Self {
        Desk { store, env, long: Arc::new(Semaphore::new(LONG_READS_MAX)) }
    }

    /// The store, for its figures.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who holds `secret`.
    ///
    /// # Errors
    /// `not-signed-in`, or a fault of the store.
    pub async fn session(&self, secret: String) -> Result<Session, Refusal> {
        self.look(move |tx, now| authenticate(tx, &secret, now)).await
    }

    /// Runs the operation of `row` for `session`. A repeated request with the same `key` is done once.
    ///
    /// # Errors
    /// The refusal of the arguments, the permission, the rules or the store.
    pub async fn run(
        &self,
        session: &Session,
        row: &OperationRow,
        arguments: Json,
        key: Option<String>,
    ) -> Result<Json, Refusal> {
        self.call(session, (row.parse)(arguments)?, key).await
    }

    /// Runs an operation of the hub's own, which no face offers.
    ///
    /// # Errors
    /// The refusal of the rules or the store.
    pub async fn own(&self, session: &Session, call: impl Operation) -> Result<Json, Refusal> {
        self.call(session, Box::new(call), None).await
    }

    /// Looks at a snapshot, for the hub's own work.
    ///
    /// # Errors
    /// The refusal of `look`, or a fault of the store.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut dyn Tx, Millis) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        answer(self.store.read(look)?).await
    }

    /// Runs a call that is parsed already.
    ///
    /// # Errors
    /// The refusal of the permission, the rules or the store.
    pub async fn call(
        &self,
        session: &Session,
        call: Box<dyn Call>,
        key: Option<String>,
    ) -> Result<Json, Refusal> {
        let row = call.row();
        let permitted = match session.permit(call) {
            Ok(permitted) => permitted,
            Err(refusal) => {
                self.note(session, row.name, &refusal);
                return Err(refusal);
            }
        };
        match row.kind {
            Kind::Read => {
                let env = self.env.clone();
                let place = row.is_long.then(|| self.long.clone().try_acquire_owned()).transpose();
                let place = place.map_err(|_| busy(row.name))?;
                self.look(move |tx, now| {
                    // Held as long as it reads, whether or not somebody still waits for the answer.
                    let _place = place;
                    run_read(tx, now, &env, &permitted)
                })
                .await
            }
            Kind::Write => {
                let ask = Ask { permitted, seed: io::random::fill(), idempotency_key: key };
                let outcome = answer(self.store.write(ask)?).await;
                if let Err(refusal) = &outcome {
                    self.note(session, row.name, refusal);
                }
                outcome
            }
        }
    }
}

impl Desk {
    /// A "no" to somebody known is written to the journal; what is malformed or may pass later is not.
    fn note(&self, session: &Session, action: &'static str, refusal: &Refusal) {
        if matches!(refusal.sort, Sort::NotPermitted | Sort::NotFound | Sort::Conflict | Sort::TooMuch) {
            self.store.note_refusal(session, action, refusal);
        }
    }
}

fn busy(name: &str) -> Refusal {
    let detail =
        format!("`{name}` reads the whole journal, and somebody is reading it; ask again in a moment");
    Refusal::new(Sort::Later, "busy", detail)
}

async fn answer<T>(waiting: oneshot::Receiver<Result<T, Refusal>>) -> Result<T, Refusal> {
    waiting.await.unwrap_or_else(|_| {
        Err(Refusal::new(Sort::Later, "stopping", "the hub is stopping; ask again when it is back")
            .blaming(Blame::Environment))
    })
}
