//! A database with power, the store's commit on it, and whoever runs it. What it has in memory is gone when
//! its power goes; the file stays.
use crate::random::Random;
use fleet::operation::Call;
use fleet::permission::{Permission, Permitted, Session};
use fleet::refusal::{Refusal, Sort};
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::tx::{Fault, Tx};
use serde_json::Value as Json;
use store::{Ask, Engine, Lane, Outcome, Place, commit, run_read};
use tempfile::TempDir;

/// A hub's only lane.
const LANE: i64 = 1;

/// The one way to a simulated hub's fleet.
pub struct Desk {
    /// Gone while there is no power.
    running: Option<Running>,
    place: Place,
    random: Random,
    _folder: TempDir,
}

struct Running {
    engine: Box<dyn Engine>,
    lane: Lane,
}

/// The session of whoever runs a simulated hub.
pub(crate) fn operator() -> Session {
    Session {
        actor: "operator".into(),
        organisation: Slug::main(),
        permission: Permission::Administer,
        credential: None,
    }
}

impl Desk {
    /// An empty database, with power.
    pub(crate) fn new(seed: u64) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|why| why.to_string())?;
        let place = Place::Sqlite(folder.path().join("state.db"));
        let mut engine = place.writer().map_err(|why| why.detail)?;
        store::migrate::migrate(&mut *engine, fleet::MIGRATIONS).map_err(|why| why.detail)?;
        drop(engine);
        let mut desk = Self { running: None, place, random: Random::new(seed), _folder: folder };
        desk.start().map_err(|why| why.detail)?;
        Ok(desk)
    }

    /// Whether it has power.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Power comes.
    ///
    /// # Errors
    /// A [`Fault`] of the database.
    pub fn start(&mut self) -> Result<(), Fault> {
        let mut engine = self.place.writer()?;
        let lane = Lane::open(&mut *engine, LANE)?;
        self.running = Some(Running { engine, lane });
        Ok(())
    }

    /// Power goes.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Asks as the operator.
    ///
    /// # Errors
    /// The operation's refusal.
    pub fn ask(&mut self, operation: &str, arguments: Json, now: i64) -> Outcome {
        let unknown = || Refusal::new(Sort::NotFound, "operation-unknown", operation.to_string());
        let (noun, verb) = operation.split_once(' ').ok_or_else(unknown)?;
        let row = fleet::operation(noun, verb).ok_or_else(unknown)?;
        let call = (row.parse)(arguments)?;
        let permitted = operator().permit(call)?;
        if permitted.writes() {
            return self.commit_permitted(permitted, now);
        }
        self.look(|tx| run_read(tx, Millis(now), &Env::default(), &permitted))
    }

    /// Runs a door's call, on the disk when this returns.
    pub fn commit(&mut self, session: &Session, call: Box<dyn Call>, now: i64) -> Outcome {
        let permitted = session.permit(call)?;
        if permitted.writes() {
            return self.commit_permitted(permitted, now);
        }
        self.look(|tx| run_read(tx, Millis(now), &Env::default(), &permitted))
    }

    /// Does something to the tables behind the rules' back: for tests that break an invariant.
    ///
    /// # Errors
    /// A [`Fault`] of `work` or of the database.
    pub fn tamper(&mut self, mut work: impl FnMut(&mut dyn Tx) -> Result<(), Fault>) -> Result<(), Fault> {
        let Some(running) = &mut self.running else { return Err(dark()) };
        running.engine.batch(&mut |tx| work(tx))
    }

    fn commit_permitted(&mut self, permitted: Permitted, now: i64) -> Outcome {
        let seed = self.random.bytes();
        let Some(Running { engine, lane }) = &mut self.running else { return Err(dark().into()) };
        let ask = Ask { permitted, seed, idempotency_key: None };
        let mut outcomes = commit(&mut **engine, lane, Millis(now), &Env::default(), &[ask]);
        outcomes.pop().unwrap_or_else(|| Err(dark().into()))
    }

    pub(crate) fn look<T>(
        &mut self,
        mut look: impl FnMut(&mut dyn Tx) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Some(running) = &mut self.running else { return Err(dark().into()) };
        let mut found = None;
        running.engine.snapshot(&mut |tx| {
            found = Some(look(tx));
            Ok(())
        })?;
        found.unwrap_or_else(|| Err(dark().into()))
    }
}

fn dark() -> Fault {
    Fault::new(fleet::tx::FaultKind::Unavailable, "the hub has no power")
}
