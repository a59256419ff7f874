//! A process that writes is killed at random moments: what it acknowledged is there.
use crate::support::{World, expect_device, on_postgres, read};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use store::{Place, Store};

const CHILD: &str = "STEWARD_TEST_KILL";
const ROUND: &str = "STEWARD_TEST_KILL_ROUND";
const SEED: &str = "STEWARD_TEST_SEED";
const ROUNDS: u64 = 10;
/// What a line of the child begins with.
const DONE: &str = "DONE ";

#[test]
fn what_was_acknowledged_survives_kill_9_on_sqlite() {
    what_was_acknowledged_survives(&World::sqlite());
}

#[test]
fn what_was_acknowledged_survives_kill_9_on_postgres() {
    on_postgres("kill -9", what_was_acknowledged_survives);
}

fn what_was_acknowledged_survives(world: &World) {
    let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let mut random = seed;
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let position = next(&mut random) % 200;
        let before = acknowledged.len();
        acknowledged.extend(killed(world, round, position as usize));
        println!(
            "seed {seed} round {round}: killed after {position}, {} acknowledged",
            acknowledged.len() - before
        );
        // Each round asks for its own, and the last one for all.
        let from = if round + 1 < ROUNDS { before } else { 0 };
        judge(world, &acknowledged[from..], &format!("{SEED}={seed} round {round}"));
    }
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Starts a child that writes, kills it after `position` acknowledgements, and returns all that it
/// got out.
fn killed(world: &World, round: u64, position: usize) -> Vec<String> {
    let place = match &world.place {
        Place::Sqlite(path) => format!("sqlite {}", path.display()),
        Place::Postgres(config) => format!("postgres {config}"),
    };
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "kills::child_that_writes", "--nocapture", "--test-threads=1"])
        .env(CHILD, place)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    // The harness writes before the child's first line.
    let mut done = lines.filter_map(|line| line.split_once(DONE).map(|(_, name)| name.to_string()));
    let mut acknowledged: Vec<String> = done.by_ref().take(position).collect();
    child.kill().expect("killed");
    acknowledged.extend(done);
    assert_eq!(child.wait().expect("ended").signal(), Some(9), "the child ended by itself");
    acknowledged
}

fn judge(world: &World, acknowledged: &[String], when: &str) {
    let store = world.store();
    for operation in ["audit verify", "audit check"] {
        let found = read(&store, operation, "{}");
        assert!(found.is_ok(), "{when}: {operation}: {found:?}");
    }
    for name in acknowledged {
        let found = read(&store, "device show", &format!(r#"{{"device":"{name}"}}"#));
        assert!(found.is_ok(), "{when}: {name} was acknowledged: {found:?}");
    }
}

#[test]
fn child_that_writes() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let round = std::env::var(ROUND).expect("a round");
    let place = match place.split_once(' ').expect("an engine and a place") {
        ("sqlite", path) => Place::Sqlite(path.into()),
        (_, config) => Place::Postgres(config.into()),
    };
    let world = World::sqlite();
    let mut settings = world.settings();
    settings.place = place;
    let store = Store::open(settings).expect("the store opens");
    let mut waiting = VecDeque::new();
    for i in 0.. {
        let name = format!("r{round}-{i}");
        waiting.push_back((store.write(expect_device(&name)).expect("room"), name));
        if waiting.len() == 8 {
            let (answer, name) = waiting.pop_front().expect("eight");
            answer.blocking_recv().expect("an answer").expect("expected");
            println!("{DONE}{name}");
        }
    }
}
