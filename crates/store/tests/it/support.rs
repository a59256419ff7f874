//! A fresh place for each test on each engine, and short ways to ask.
use fleet::operation::{Call, Operation};
use fleet::permission::{Permission, Permitted, Session};
use fleet::refusal::Refusal;
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::tx::{Row, Value};
use serde_json::Value as Json;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use store::{Ask, Clock, Engine, Lane, Outcome, Place, Settings, Store, commit, run_read};
use tempfile::TempDir;

/// 2026-11-22, when a test does not care.
pub const NOW: i64 = 1_795_349_461_000;

/// How to reach a server of PostgreSQL.
const POSTGRES: &str = "STEWARD_TEST_POSTGRES";

/// Says that a test did not run, and why.
pub fn skip(name: &str, why: &str) {
    let line = format!("SKIP {name}: {why}");
    eprintln!("{line}");
    let Some(file) = std::env::var_os("STEWARD_SKIPS") else { return };
    let mut file =
        std::fs::OpenOptions::new().append(true).create(true).open(file).expect("the file of skips");
    writeln!(file, "{line}").expect("a line of skips");
}

/// Runs `test` on SQLite and on PostgreSQL.
pub fn on_both(name: &str, test: impl Fn(&World)) {
    test(&World::sqlite());
    on_postgres(name, test);
}

/// Runs `test` on PostgreSQL alone.
pub fn on_postgres(name: &str, test: impl Fn(&World)) {
    match std::env::var(POSTGRES) {
        Ok(server) => test(&World::postgres(&server)),
        Err(_) => skip(name, &format!("no PostgreSQL: {POSTGRES} is not set")),
    }
}

/// An empty place with a clock that stands still.
pub struct World {
    /// Where.
    pub place: Place,
    /// What the clock says.
    pub time: Arc<AtomicI64>,
    home: Home,
}

/// What is removed afterwards.
enum Home {
    Folder { _removed: TempDir },
    Schema { server: String, name: String },
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Home::Schema { server, name } = self {
            administer(server, &format!("DROP SCHEMA {name} CASCADE"));
        }
    }
}

fn administer(server: &str, sql: &str) {
    let mut client = postgres::Client::connect(server, postgres::NoTls).expect("the server of the tests");
    client.batch_execute(sql).expect(sql);
}

impl World {
    /// A file in a new folder.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::Sqlite(folder.path().join("steward.db"));
        World { place, time: Arc::new(AtomicI64::new(NOW)), home: Home::Folder { _removed: folder } }
    }

    fn postgres(server: &str) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("steward_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        administer(server, &format!("CREATE SCHEMA {name}"));
        let place =
            Place::Postgres(format!("{server} application_name={name} options='-c search_path={name}'"));
        let home = Home::Schema { server: server.into(), name };
        World { place, time: Arc::new(AtomicI64::new(NOW)), home }
    }

    /// Another empty place on the same engine.
    pub fn another(&self) -> Self {
        match &self.home {
            Home::Folder { .. } => Self::sqlite(),
            Home::Schema { server, .. } => Self::postgres(server),
        }
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        let time = self.time.clone();
        Arc::new(move || Millis(time.load(Ordering::Relaxed)))
    }

    /// Settings for this place.
    pub fn settings(&self) -> Settings {
        Settings::new(self.place.clone(), Env::default(), self.clock())
    }

    /// A store with its threads.
    pub fn store(&self) -> Store {
        Store::open(self.settings()).expect("the store opens")
    }

    /// A writer without threads, on lane 1, with its tables made.
    pub fn writer(&self) -> Writer {
        self.writer_on(1)
    }

    /// A writer without threads.
    pub fn writer_on(&self, lane: i64) -> Writer {
        let mut engine = self.engine();
        store::migrate::migrate(&mut *engine, fleet::MIGRATIONS).expect("the tables");
        let lane = Lane::open(&mut *engine, lane).expect("the lane");
        Writer { engine, lane, now: Millis(NOW), env: Env::default() }
    }

    /// A bare engine.
    pub fn engine(&self) -> Box<dyn Engine> {
        self.place.writer().expect("the engine")
    }
}

/// A writer without threads.
pub struct Writer {
    /// Its engine.
    pub engine: Box<dyn Engine>,
    /// Its lane.
    pub lane: Lane,
    /// What its clock says.
    pub now: Millis,
    /// What its hub knows.
    pub env: Env,
}

impl Writer {
    /// Commits a batch.
    pub fn commit(&mut self, asks: &[Ask]) -> Vec<Outcome> {
        commit(&mut *self.engine, &mut self.lane, self.now, &self.env, asks)
    }

    /// Commits one command of the administrator `tester`.
    pub fn write(&mut self, operation: &str, arguments: &str) -> Outcome {
        let permitted = permitted(operation, arguments)?;
        self.commit(&[ask(permitted)]).remove(0)
    }

    /// Answers a question of the administrator `tester`.
    pub fn read(&mut self, operation: &str, arguments: &str) -> Outcome {
        self.look(permitted(operation, arguments)?)
    }

    /// Answers a question that is let through.
    pub fn look(&mut self, permitted: Permitted) -> Outcome {
        let (now, env) = (self.now, self.env.clone());
        let mut found = None;
        self.engine.snapshot(&mut |tx| {
            found = Some(run_read(tx, now, &env, &permitted));
            Ok(())
        })?;
        found.expect("a snapshot runs its body")
    }

    /// Sees that `audit verify` and `audit check` hold.
    pub fn sound(&mut self) {
        self.read("audit verify", "{}").expect("the chain holds");
        self.read("audit check", "{}").expect("the rows are the fold of the journal");
    }

    /// Does something to the tables behind the rules' back.
    pub fn tamper(&mut self, sql: &'static str, args: &[Value]) -> u64 {
        let mut touched = 0;
        let done = self.engine.batch(&mut |tx| {
            touched = tx.exec(sql, args)?;
            Ok(())
        });
        done.expect(sql);
        touched
    }

    /// Rows of a query.
    pub fn rows(&mut self, sql: &'static str, args: &[Value]) -> Vec<Row> {
        let mut found = Vec::new();
        let done = self.engine.snapshot(&mut |tx| {
            tx.rows(sql, args, &mut |row| {
                found.push(row);
                Ok(())
            })
        });
        done.expect(sql);
        found
    }
}

/// The administrator of the tests.
pub fn tester() -> Session {
    Session {
        actor: "tester".into(),
        organisation: Slug::main(),
        permission: Permission::Administer,
        credential: None,
    }
}

/// An operation of the table, let through for `tester`.
pub fn permitted(operation: &str, arguments: &str) -> Result<Permitted, Refusal> {
    let (noun, verb) = operation.split_once(' ').expect("noun verb");
    let row = fleet::operation(noun, verb).expect(operation);
    tester().permit((row.parse)(serde_json::from_str(arguments).expect(arguments))?)
}

/// An operation of the tests' own, let through for `tester`.
pub fn own(operation: impl Operation) -> Permitted {
    let call: Box<dyn Call> = Box::new(operation);
    tester().permit(call).expect("an administrator may")
}

/// A command without a key, with a seed that nobody else has.
pub fn ask(permitted: Permitted) -> Ask {
    Ask { permitted, seed: seed(), idempotency_key: None }
}

/// `device expect` of a serial number.
pub fn expect_device(serial_number: &str) -> Ask {
    let arguments = format!(r#"{{"serial_number":"{serial_number}"}}"#);
    ask(permitted("device expect", &arguments).expect("well-formed"))
}

fn seed() -> [u8; 32] {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    seed[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    seed
}

/// Asks a store's writer and waits for the answer.
pub fn write(store: &Store, ask: Ask) -> Outcome {
    store.write(ask)?.blocking_recv().expect("the writer lives")
}

/// Asks a store's readers and waits for the answer.
pub fn read(store: &Store, operation: &str, arguments: &str) -> Outcome {
    let permitted = permitted(operation, arguments)?;
    let answer = store.read(move |tx, now| run_read(tx, now, &Env::default(), &permitted))?;
    answer.blocking_recv().expect("the readers live")
}

/// The code of a refusal; empty for an answer.
pub fn code(outcome: &Outcome) -> &'static str {
    outcome.as_ref().err().map_or("", |refusal| refusal.code)
}

/// Whether `actual` holds at least `expected`: objects member by member, arrays item by item.
pub fn holds(actual: &Json, expected: &Json) -> bool {
    match (actual, expected) {
        (Json::Object(actual), Json::Object(expected)) => {
            expected.iter().all(|(name, value)| actual.get(name).is_some_and(|found| holds(found, value)))
        }
        (Json::Array(actual), Json::Array(expected)) => {
            actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, e)| holds(a, e))
        }
        _ => actual == expected,
    }
}
