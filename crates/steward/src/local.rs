//! Looking into a hub's folder without a hub: the same operations, on a store opened for looking.
use crate::failure::{Failure, failed};
use fleet::audit::view::Check;
use fleet::operation::{Call, Operation, OperationRow};
use fleet::permission::Session;
use fleet::refusal::{Refusal, Sort};
use fleet::room::Env;
use fleet::text::Slug;
use io::blobs::BlobFolder;
use serde_json::Value as Json;
use std::path::Path;
use std::sync::Arc;
use store::{Place, Store};

/// The name in `hub:NAME` of who looks.
const ACTOR: &str = "local";

/// An open folder.
pub struct Local {
    store: Store,
    blobs: BlobFolder,
    env: Arc<Env>,
}

impl Local {
    /// Opens the folder of a hub, whose state may be in a PostgreSQL. It blocks, and may be done beside a
    /// running hub.
    ///
    /// # Errors
    /// [`Failure::Failed`] when it is no hub's folder, or its state is elsewhere.
    pub fn open(data: &Path, postgres: Option<&String>) -> Result<Self, Failure> {
        let key = hub::folder::checkpoint_key(data)
            .map_err(|why| failed(format!("{} is not the folder of a hub: {why}", data.display())))?;
        let store = Store::open_read_only(place(data, postgres)?, hub::clock())
            .map_err(|fault| failed(format!("{}: {}", data.display(), fault.detail)))?;
        let blobs = BlobFolder::to_look_into(&hub::folder::blobs_path(data));
        Ok(Local { store, blobs, env: Arc::new(Env { checkpoint_key: Some(key) }) })
    }

    /// Runs the operation of `row`, which must be one that looks.
    ///
    /// # Errors
    /// [`Failure::Refused`].
    pub fn call(&self, row: &OperationRow, arguments: &Json) -> Result<Json, Failure> {
        self.run(row, arguments).map_err(|refusal| Failure::Refused(refusal.into()))
    }

    fn run(&self, row: &OperationRow, arguments: &Json) -> Result<Json, Refusal> {
        let answer = self.ask((row.parse)(arguments.clone())?)?;
        match row.name {
            Check::NAME => hub::blobs::compared(&self.blobs, &|call| self.ask(call), answer),
            _ => Ok(answer),
        }
    }

    fn ask(&self, call: Box<dyn Call>) -> Result<Json, Refusal> {
        let session = Session::of_hub(ACTOR, Slug::main());
        let permitted = session.permit(call)?;
        let env = self.env.clone();
        let answer = self.store.read(move |tx, now| store::run_read(tx, now, &env, &permitted))?;
        let ended = |_| Refusal::new(Sort::Failed, "reader-ended", "the reader ended without an answer");
        answer.blocking_recv().map_err(ended)?
    }
}

fn place(data: &Path, postgres: Option<&String>) -> Result<Place, Failure> {
    if let Some(config) = postgres {
        return Ok(Place::Postgres(config.clone()));
    }
    let path = hub::folder::database_path(data);
    if path.exists() {
        return Ok(Place::Sqlite(path));
    }
    Err(failed(format!(
        "{} is missing; is the state of this hub in a PostgreSQL? --postgres",
        path.display()
    )))
}
