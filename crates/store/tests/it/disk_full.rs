//! A full disk under SQLite: writes are refused, reads answer, and with space writes pass again.
use crate::operations::Spill;
use crate::support::{World, ask, code, expect_device, own, permitted, read, skip, write};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::process::Command;
use store::{Place, Settings, Store};

/// Writes until the disk is full, looks, makes room, and writes again.
fn play(store: &Store, make_room: impl FnOnce()) {
    write(store, expect_device("first")).expect("there is room");
    let mut kept = 1;
    let refusal = loop {
        assert!(kept < 100_000, "the disk never filled");
        match write(store, expect_device(&format!("d{kept}"))) {
            Ok(_) => kept += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code, "disk-full", "{refusal:?}");
    let batch: Vec<_> =
        (0..100).map(|i| store.write(expect_device(&format!("b{i}"))).expect("room")).collect();
    for answer in batch {
        let outcome = answer.blocking_recv().expect("an answer");
        kept += usize::from(outcome.is_ok());
        assert!(["", "disk-full"].contains(&code(&outcome)), "{outcome:?}");
    }
    assert!(store.figures().tally.disk_full > 1);
    assert_eq!(read(store, "device count", "{}").expect("reads answer")["total"], kept);
    read(store, "device list", "{}").expect("lists answer");
    let spill = store.write(ask(own(Spill { name: "spilt".into() }))).expect("room");
    let beside = store.write(expect_device("beside")).expect("room");
    let spilt = spill.blocking_recv().expect("an answer");
    assert_eq!(code(&spilt), "disk-full", "{spilt:?}");
    kept += usize::from(beside.blocking_recv().expect("an answer").is_ok());
    make_room();
    let retire = permitted("device retire", r#"{"device":"first","why":"lost"}"#).expect("good");
    write(store, ask(retire)).expect("there is room again");
    for operation in ["audit verify", "audit check"] {
        let found = read(store, operation, "{}");
        assert!(found.is_ok(), "{operation}: {found:?}");
    }
    assert_eq!(read(store, "device count", "{}").expect("counts")["total"], kept);
}

const CHILD: &str = "STEWARD_TEST_FILE_SIZE";

#[test]
fn a_limit_of_file_size_fills_the_disk() {
    // A shell lets the signal be ignored that would otherwise end the process at the limit.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact disk_full::child_with_a_limit --nocapture"])
        .arg(std::env::current_exe().expect("this program"))
        .env(CHILD, "1")
        .status()
        .expect("a child");
    assert!(status.success(), "the child failed: {status}");
}

#[test]
fn child_with_a_limit() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let world = World::sqlite();
    let store = world.store();
    let before = getrlimit(Resource::Fsize);
    let limit = |current| setrlimit(Resource::Fsize, Rlimit { current, ..before }).expect("a limit");
    limit(Some(1_000_000));
    play(&store, || limit(before.current));
}

/// A small file system, gone at the end.
struct Small<'a>(&'a Path);

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "{} stays mounted", self.0.display());
    }
}

#[test]
fn a_small_disk_is_full() {
    let name = "a small disk";
    let folder = tempfile::tempdir().expect("a folder");
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(folder.path()).output();
    match mount {
        Ok(output) if output.status.success() => {}
        _ => return skip(name, "mounting a tmpfs needs root"),
    }
    let small = Small(folder.path());
    let filler = folder.path().join("filler");
    std::fs::write(&filler, vec![0; 1_000_000]).expect("a filler");
    let world = World::sqlite();
    let place = Place::Sqlite(folder.path().join("steward.db"));
    let store = Store::open(Settings { place, ..world.settings() }).expect("open");
    play(&store, || std::fs::remove_file(&filler).expect("room"));
    drop(store);
    drop(small);
}
