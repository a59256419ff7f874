//! Where requests go: reads to a snapshot, writes to the one writer, both with permission only.
use crate::limits::LONG_READS_MAX;
use fleet::account::authenticate;
use fleet::audit::view::hex;
use fleet::control::view::NoteContacts;
use fleet::operation::{Call, Kind, Operation, OperationRow};
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::room::Env;
use fleet::time::Millis;
use fleet::tx::Tx;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Ask, Store, run_read};
use tokio::sync::{Semaphore, oneshot};

/// The hub's one way to its fleet.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    env: Env,
    /// Places of reads that take as long as the journal is.
    long: Arc<Semaphore>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// What keeps the writer from writing: the hub's surroundings, and not what it was asked.
const TROUBLES: [&str; 5] = ["disk-full", "lane-lost", "store-unavailable", "store-corrupt", "store-fault"];

/// The writer's last outcome was that it could not write.
struct Trouble {
    code: &'static str,
    detail: String,
    /// The journal's entries until then: one more, and it is over.
    entries: u64,
}

impl Desk {
    /// A desk over an open store; `env` is what looking operations may know of the hub.
    pub fn new(store: Store, env: Env) -> Self {
        let long = Arc::new(Semaphore::new(LONG_READS_MAX));
        Desk { store, env, long, trouble: Arc::default() }
    }

    /// What keeps the writer from writing, as far as its last outcome tells: a code, and what to do.
    pub fn trouble(&self) -> Option<(&'static str, String)> {
        let entries = self.store.figures().tally.entries;
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.as_ref().is_some_and(|trouble| trouble.entries != entries) {
            *trouble = None;
        }
        trouble.as_ref().map(|trouble| (trouble.code, trouble.detail.clone()))
    }

    /// While the writer is in trouble and nobody asks it for anything: writes a word, to see whether the trouble
    /// is over.
    ///
    /// # Errors
    /// It is not.
    pub async fn try_to_write(&self, session: &Session) -> Result<(), Refusal> {
        if self.trouble().is_none() {
            return Ok(());
        }
        // The key of the request is what is written; old keys are forgotten.
        let key = format!("try-{}", hex(&io::random::fill::<16>()));
        self.call(session, Box::new(NoteContacts { contacts: Vec::new() }), Some(key)).await?;
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn note_trouble(&self, refusal: &Refusal) {
        if TROUBLES.contains(&refusal.code) {
            let entries = self.store.figures().tally.entries;
            let trouble = Trouble { code: refusal.code, detail: refusal.detail.clone(), entries };
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        }
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
                    self.note_trouble(refusal);
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
