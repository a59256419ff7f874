//! How many journalled transitions a second an engine takes, beside bare inserts by the same driver.
//!
//! `transitions` measures SQLite, and PostgreSQL where `STEWARD_BENCH_POSTGRES` says how to reach an empty
//! database; it prints one JSON line each. `transitions fill FILE N` fills a new database with N devices, for
//! whoever measures a hub. `cargo xtask bench house` calls both.
use fleet::operation::Call;
use fleet::permission::Session;
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use store::{Ask, Engine, Lane, Place, commit};

/// Transitions of each measurement with one command a batch, and with a full one.
const SINGLE: usize = 1_000;
const BATCHED: usize = 32_000;
/// Commands of a full batch.
const FULL: usize = store::limits::BATCH_COMMANDS_MAX;
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
    for (batch, number) in [(1, SINGLE), (FULL, BATCHED)] {
        let ours = transitions(Place::Sqlite(folder.path().join(format!("{batch}.db"))), batch, number)?;
        let bare = sqlite(&folder.path().join(format!("bare-{batch}.db")), batch, number)?;
        print("sqlite", batch, number, ours, bare);
    }
    let Ok(config) = std::env::var("STEWARD_BENCH_POSTGRES") else { return Ok(()) };
    for (batch, number) in [(1, SINGLE), (FULL, BATCHED)] {
        let ours = transitions(Place::Postgres(config.clone()), batch, number)?;
        print("postgresql", batch, number, ours, postgresql(&config, batch, number)?);
    }
    Ok(())
}

fn print(engine: &str, batch: usize, number: usize, ours: f64, bare: f64) {
    println!(
        "{}",
        json!({"engine": engine, "batch": batch, "n": number, "transitions_per_s": ours.round(),
               "bare_inserts_per_s": bare.round(), "ratio": (ours / bare * 100.0).round() / 100.0})
    );
}

fn per_second(number: usize, begin: Instant) -> f64 {
    number as f64 / begin.elapsed().as_secs_f64()
}

/// The writer of the product, without its threads.
struct Writer {
    engine: Box<dyn Engine>,
    lane: Lane,
    asked: u64,
}

impl Writer {
    fn open(place: &Place) -> Result<Self, Failed> {
        let said = |fault: fleet::tx::Fault| fault.detail;
        let mut engine = place.writer().map_err(said)?;
        store::migrate::migrate(&mut *engine, fleet::MIGRATIONS).map_err(said)?;
        let lane = Lane::open(&mut *engine, 1).map_err(said)?;
        Ok(Writer { engine, lane, asked: 0 })
    }

    /// Expects as many devices, in batches.
    fn expect(&mut self, number: usize, batch: usize, prefix: &str) -> Result<(), Failed> {
        let session = Session::of_hub("bench", Slug::main());
        let mut left = number;
        while left > 0 {
            let asks: Result<Vec<Ask>, fleet::refusal::Refusal> = (0..batch.min(left))
                .map(|_| {
                    self.asked += 1;
                    let mut seed = [0; 32];
                    seed[..8].copy_from_slice(&self.asked.to_be_bytes());
                    // PostgreSQL's database is the same for both sizes of a batch.
                    seed[8..16].copy_from_slice(&batch.to_be_bytes());
                    Ok(Ask {
                        permitted: session.permit(device(prefix, self.asked)?)?,
                        seed,
                        idempotency_key: None,
                    })
                })
                .collect();
            let asks = asks.map_err(|refusal| refusal.detail)?;
            left -= asks.len();
            let now = Millis(1_795_349_461_000);
            for outcome in commit(&mut *self.engine, &mut self.lane, now, &Env::default(), &asks) {
                outcome.map_err(|refusal| refusal.detail)?;
            }
        }
        Ok(())
    }
}

fn device(prefix: &str, number: u64) -> Result<Box<dyn Call>, fleet::refusal::Refusal> {
    let row = fleet::operation::row::<fleet::device::view::Expect>();
    (row.parse)(json!({
        "name": format!("{prefix}-{number:06}"), "serial_number": format!("{prefix}{number:06}"),
        "maker": "lumen", "model": "lamp 7",
    }))
}

fn transitions(place: Place, batch: usize, number: usize) -> Result<f64, Failed> {
    let mut writer = Writer::open(&place)?;
    let prefix = format!("batch{batch}");
    // What is prepared once is not measured.
    writer.expect(batch, batch, &prefix)?;
    let begin = Instant::now();
    writer.expect(number, batch, &prefix)?;
    Ok(per_second(number, begin))
}

fn sqlite(file: &Path, batch: usize, number: usize) -> Result<f64, Failed> {
    let mut connection = rusqlite::Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT NOT NULL);",
    )?;
    let begin = Instant::now();
    for _ in 0..number / batch {
        let transaction = connection.transaction()?;
        for _ in 0..batch {
            transaction.prepare_cached("INSERT INTO bare (text) VALUES (?1)")?.execute([TEXT])?;
        }
        transaction.commit()?;
    }
    Ok(per_second(number, begin))
}

fn postgresql(config: &str, batch: usize, number: usize) -> Result<f64, Failed> {
    let mut client = postgres::Client::connect(config, postgres::NoTls)?;
    client.batch_execute("CREATE TABLE IF NOT EXISTS bare (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)")?;
    let insert = client.prepare("INSERT INTO bare (text) VALUES ($1)")?;
    let begin = Instant::now();
    for _ in 0..number / batch {
        let mut transaction = client.transaction()?;
        for _ in 0..batch {
            transaction.execute(&insert, &[&TEXT])?;
        }
        transaction.commit()?;
    }
    Ok(per_second(number, begin))
}

fn fill(file: &Path, number: usize) -> Result<(), Failed> {
    Writer::open(&Place::Sqlite(file.to_owned()))?.expect(number, FULL, "device")
}
