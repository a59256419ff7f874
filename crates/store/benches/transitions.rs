//! How many journalled transitions a second an engine takes, beside bare inserts by the same driver.
//!
//! `transitions` measures SQLite, and PostgreSQL where `STEWARD_BENCH_POSTGRES` says how to reach an empty
//! database; it prints one JSON line each. Both sides take turns, so that whatever else the machine does
//! meets both; the figures are medians of the rounds, the ratio of the pairs. What is asked is parsed and
//! permitted before the clock runs: that is a hub's own work, on other threads than the writer's.
//! `transitions fill FILE N` fills a new database with N devices, for whoever measures a hub.
//! `cargo xtask bench house` calls both.
use fleet::operation::Call;
use fleet::permission::Session;
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};
use store::{Ask, Engine, Lane, Place, commit};

/// Turns of each measurement. An odd number has a median.
const ROUNDS: usize = 15;
/// Transitions of a turn with one command a batch, and with full ones.
const SINGLE: usize = 100;
const BATCHED: usize = 3_200;
/// Commands of a full batch.
const FULL: usize = store::limits::BATCH_COMMANDS_MAX;
/// When a measurement begins, for the rules. Their clock goes on, so that new ids grow as they do in a hub.
const BEGUN: i64 = 1_795_349_461_000;
/// What a bare insert holds: about as much as a journal entry.
const TEXT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    // cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fill", file, number] => fill(Path::new(file), number.parse()?),
        [] => measure(),
        _ => Err("transitions [fill FILE N]".into()),
    }
}

fn measure() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let files =
        |batch| (folder.path().join(format!("{batch}.db")), folder.path().join(format!("bare-{batch}.db")));
    for (batch, number) in [(1, SINGLE), (FULL, BATCHED)] {
        let (ours, bare) = files(batch);
        let writer = Writer::open(&Place::Sqlite(ours), batch)?;
        turns("sqlite", batch, number, writer, Sqlite::open(&bare)?)?;
    }
    let Ok(config) = std::env::var("STEWARD_BENCH_POSTGRES") else { return Ok(()) };
    for (batch, number) in [(1, SINGLE), (FULL, BATCHED)] {
        let writer = Writer::open(&Place::Postgres(config.clone()), batch)?;
        turns("postgresql", batch, number, writer, Postgres::open(&config)?)?;
    }
    Ok(())
}

/// Something that takes batches, and says how long each took.
trait Taker {
    fn take(&mut self, number: usize, batch: usize) -> Result<Vec<Duration>, Failed>;
}

fn turns(
    engine: &str,
    batch: usize,
    number: usize,
    mut ours: impl Taker,
    mut bare: impl Taker,
) -> Result<(), Failed> {
    // What is prepared once is not measured.
    ours.take(batch, batch)?;
    bare.take(batch, batch)?;
    let (mut transitions, mut inserts, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut batches = Vec::new();
    for _ in 0..ROUNDS {
        let (ours, bare) = (ours.take(number, batch)?, bare.take(number, batch)?);
        let all = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64();
        transitions.push(number as f64 / all(&ours));
        inserts.push(number as f64 / all(&bare));
        ratios.push(all(&bare) / all(&ours));
        batches.extend(ours.iter().map(|took| took.as_secs_f64() * 1000.0));
    }
    println!(
        "{}",
        json!({"engine": engine, "batch": batch, "n": number * ROUNDS, "rounds": ROUNDS,
               "transitions_per_s": at(50, transitions).round(), "bare_inserts_per_s": at(50, inserts).round(),
               "ratio": (at(50, ratios) * 100.0).round() / 100.0,
               "batch_ms_median": at(50, batches.clone()), "batch_ms_p99": at(99, batches)})
    );
    Ok(())
}

/// What so many of a hundred figures are not above.
fn at(percent: usize, mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() * percent / 100]
}

/// The writer of the product, without its threads.
struct Writer {
    engine: Box<dyn Engine>,
    lane: Lane,
    asked: u64,
    prefix: String,
    opened: Instant,
}

impl Writer {
    fn open(place: &Place, batch: usize) -> Result<Self, Failed> {
        let said = |fault: fleet::tx::Fault| fault.detail;
        let mut engine = place.writer().map_err(said)?;
        store::migrate::migrate(&mut *engine, fleet::MIGRATIONS).map_err(said)?;
        let lane = Lane::open(&mut *engine, 1).map_err(said)?;
        // PostgreSQL's database is the same for both sizes of a batch.
        Ok(Writer { engine, lane, asked: 0, prefix: format!("device{batch}"), opened: Instant::now() })
    }

    fn ask(&mut self) -> Result<Ask, fleet::refusal::Refusal> {
        self.asked += 1;
        let name = format!("{}-{:06}", self.prefix, self.asked);
        let mut seed = [0; 32];
        seed[..name.len()].copy_from_slice(name.as_bytes());
        let permitted = Session::of_hub("bench", Slug::main()).permit(device(&name)?)?;
        Ok(Ask { permitted, seed, idempotency_key: None })
    }
}

impl Taker for Writer {
    /// Expects as many devices.
    fn take(&mut self, number: usize, batch: usize) -> Result<Vec<Duration>, Failed> {
        let (mut left, mut took) = (number, Vec::new());
        while left > 0 {
            let asks: Result<Vec<Ask>, _> = (0..batch.min(left)).map(|_| self.ask()).collect();
            let asks = asks.map_err(|refusal| refusal.detail)?;
            left -= asks.len();
            let begin = Instant::now();
            let now = Millis(BEGUN + i64::try_from(self.opened.elapsed().as_millis())?);
            let outcomes = commit(&mut *self.engine, &mut self.lane, now, &Env::default(), &asks);
            took.push(begin.elapsed());
            for outcome in outcomes {
                outcome.map_err(|refusal| refusal.detail)?;
            }
        }
        Ok(took)
    }
}

fn device(name: &str) -> Result<Box<dyn Call>, fleet::refusal::Refusal> {
    let row = fleet::operation::row::<fleet::device::view::Expect>();
    (row.parse)(json!({"name": name, "serial_number": name, "maker": "lumen", "model": "lamp 7"}))
}

/// Bare inserts into SQLite, which waits for the disk as ours does.
struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(file: &Path) -> Result<Self, Failed> {
        let connection = rusqlite::Connection::open(file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT NOT NULL);",
        )?;
        Ok(Sqlite(connection))
    }
}

impl Taker for Sqlite {
    fn take(&mut self, number: usize, batch: usize) -> Result<Vec<Duration>, Failed> {
        let one = |_| {
            let begin = Instant::now();
            let transaction = self.0.transaction()?;
            for _ in 0..batch {
                transaction.prepare_cached("INSERT INTO bare (text) VALUES (?1)")?.execute([TEXT])?;
            }
            transaction.commit()?;
            Ok(begin.elapsed())
        };
        (0..number / batch).map(one).collect()
    }
}

/// Bare inserts into PostgreSQL, one statement and one round trip each.
struct Postgres(postgres::Client, postgres::Statement);

impl Postgres {
    fn open(config: &str) -> Result<Self, Failed> {
        let mut client = postgres::Client::connect(config, postgres::NoTls)?;
        client.batch_execute(
            "CREATE TABLE IF NOT EXISTS bare (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)",
        )?;
        let insert = client.prepare("INSERT INTO bare (text) VALUES ($1)")?;
        Ok(Postgres(client, insert))
    }
}

impl Taker for Postgres {
    fn take(&mut self, number: usize, batch: usize) -> Result<Vec<Duration>, Failed> {
        let one = |_| {
            let begin = Instant::now();
            let mut transaction = self.0.transaction()?;
            for _ in 0..batch {
                transaction.execute(&self.1, &[&TEXT])?;
            }
            transaction.commit()?;
            Ok(begin.elapsed())
        };
        (0..number / batch).map(one).collect()
    }
}

fn fill(file: &Path, number: usize) -> Result<(), Failed> {
    Writer::open(&Place::Sqlite(file.to_owned()), FULL)?.take(number, FULL).map(drop)
}
