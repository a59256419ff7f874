//! A full disk, by a limit of file size: what is written is refused `disk-full`, lists answer, nothing half
//! done stays, and with room all goes on without a restart.
use crate::support::{Done, Hub, PATIENCE, body, program, run};
use io::http::Method;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use wire::digest::{hex, sha256};

/// How large a file of a process may become.
fn limit(hub: &Hub, bytes: &str) {
    let (process, bytes) = (hub.process.child.id().to_string(), format!("--fsize={bytes}:"));
    let done = Command::new("prlimit").args(["--pid", &process, &bytes]).status().expect("prlimit runs");
    assert!(done.success());
}

/// Runs the program, whose files may not become larger than these blocks of 512 bytes.
fn run_within(blocks: &str, words: &[&str]) -> Done {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f \"$1\"; shift; exec \"$@\"", "sh", blocks]);
    command.arg(program().get_program()).args(words).env("STEWARD_LOG", "off");
    Done::of(command.output().expect("it runs"))
}

/// Every file below a folder that a write left half done.
fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(leftovers(&path));
        } else if io::files::is_leftover(&path) || path.to_string_lossy().contains(".database-") {
            found.push(path.display().to_string());
        }
    }
    found
}

fn put(hub: &Hub, bytes: &[u8]) -> (u16, Json) {
    let mut request = hub.request(Method::PUT, &format!("/api/v1/blobs/{}", hex(&sha256(bytes))));
    request.body = bytes.to_vec().into();
    let answer = hub.http().send(&request);
    (answer.status.as_u16(), body(&answer))
}

#[test]
fn a_full_disk_is_named_and_passes() {
    let hub = Hub::start();
    let (small, large) = (vec![1; 1000], vec![2; 5_000_000]);
    assert_eq!(put(&hub, &small).0, 200);
    hub.run(&["device", "expect", "lamp-1"]).exits(0);
    let mut http = hub.http();
    let mut ready = || {
        let answer = http.send(&hub.get("/readyz"));
        (answer.status.as_u16(), body(&answer))
    };
    assert_eq!(ready().0, 200);
    limit(&hub, "4096");
    let refused = |words: &[&str]| {
        let said = hub.run(&[words, &["--json"]].concat()).exits(1).json();
        assert_eq!(said["code"], "disk-full", "{said}");
    };
    refused(&["device", "expect", "lamp-2"]);
    let (status, said) = put(&hub, &large);
    assert_eq!((status, &said["code"]), (503, &json!("disk-full")), "{said}");
    let (status, said) = ready();
    assert_eq!(
        (status, &said["checks"]["writer"], &said["checks"]["store"]),
        (503, &json!(false), &json!(true))
    );
    assert!(said["why"][0].as_str().is_some_and(|why| why.starts_with("disk-full: ")), "{said}");
    hub.json(&["device", "list"]);
    hub.json(&["audit", "list"]);
    assert_eq!(hub.json(&["device", "count"])["total"], 1);
    assert_eq!(leftovers(&hub.data()), Vec::<String>::new());
    limit(&hub, "unlimited");
    // The hub finds out by itself, without being asked to write.
    let end = Instant::now() + PATIENCE;
    while ready().0 != 200 {
        assert!(Instant::now() < end, "it does not find out");
    }
    hub.run(&["device", "expect", "lamp-2"]).exits(0);
    assert_eq!(put(&hub, &large).0, 200);
    hub.json(&["audit", "verify"]);
    hub.json(&["audit", "check"]);
}

#[test]
fn a_backup_and_a_start_without_room_leave_nothing() {
    let hub = Hub::start();
    let folder = tempfile::tempdir().expect("a folder");
    let (file, new) = (folder.path().join("hub.backup"), folder.path().join("new"));
    let (file, new) = (file.to_str().expect("UTF-8"), new.to_str().expect("UTF-8"));
    let data = hub.data();
    let create = ["backup", "create", file, "--data", data.to_str().expect("UTF-8")];
    let files = || std::fs::read_dir(folder.path()).expect("listed").count();
    // No room for the database; and room for it, but not for the archive.
    let database = std::fs::metadata(data.join("state.db")).expect("a database").len();
    for blocks in [8, database / 512 + 200] {
        let no = run_within(&blocks.to_string(), &create).exits(1);
        assert!(no.err.contains("disk-full"), "{blocks}: {}", no.err);
        assert_eq!(files(), 0, "{blocks}");
    }
    // What a backup that was killed left goes with the next one.
    std::fs::write(folder.path().join("hub.backup.database-999999999"), "").expect("written");
    std::fs::write(folder.path().join("hub.backup.database-999999999-wal"), "").expect("written");
    run(&create).exits(0);
    assert_eq!(files(), 1);
    let would = run(&[&create[..], &["--dry-run", "--json"]].concat()).exits(0).json();
    assert!(would["files"].as_u64().is_some_and(|files| files > 5), "{would}");
    let no = run_within("8", &["backup", "restore", file, "--data", new]).exits(1);
    assert!(no.err.contains("disk-full") && files() == 1, "{}", no.err);
    // A hub that cannot write its ready-file does not start, and does when it can.
    let no = run_within("0", &["serve", "--data", new]).exits(1);
    assert!(no.err.contains("full"), "{}", no.err);
    assert_eq!(leftovers(folder.path()), Vec::<String>::new());
}
