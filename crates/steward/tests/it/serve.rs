//! A hub's process: its ready-file, its settings, its ends.

use crate::support::{Hub, Process, program, run};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn serve(data: &Path) -> Command {
    let mut command = program();
    command.args(["serve", "--data"]).arg(data).env("STEWARD_LOG", "off");
    command
}

#[test]
fn the_ready_file_is_private_and_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = folder.path().join("elsewhere.json");
    let mut command = serve(&folder.path().join("hub"));
    command.arg("--ready-file").arg(&elsewhere);
    let hub = Hub::with(command, folder);
    for file in [hub.ready_file(), elsewhere] {
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{}", file.display());
        let ready: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).expect("read")).expect("JSON");
        assert_eq!(ready, hub.ready);
    }
    let port = hub.people().strip_prefix("https://127.0.0.1:").expect("loopback");
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0));
    assert!(Path::new(hub.ready["ca"].as_str().expect("a path")).is_absolute());
    assert_eq!(hub.json(&["session", "show"])["account"], "admin");
}

#[test]
fn one_hub_to_a_folder() {
    let hub = Hub::start();
    let second = crate::support::Done::of(serve(&hub.data()).output().expect("it runs")).exits(1);
    assert!(second.err.contains("is in use by process") && second.err.contains("choose another folder"));
    // The first one is not disturbed, not even its ready-file.
    assert_eq!(hub.json(&["session", "show"])["account"], "admin");
}

#[test]
fn an_address_that_is_taken() {
    let hub = Hub::start();
    let address = hub.people().strip_prefix("https://").expect("https");
    let data = hub.folder.path().join("second");
    let second = serve(&data).args(["--listen", address]).output().expect("it runs");
    let second = crate::support::Done::of(second).exits(1);
    assert!(second.err.contains("--listen"), "{}", second.err);
}

#[test]
fn signals_end_it_cleanly() {
    for signal in ["-TERM", "-INT"] {
        let mut hub = Hub::start();
        hub.run(&["device", "expect", "lamp-1"]).exits(0);
        hub.process.signal(signal);
        assert_eq!(hub.process.ended(), Some(0), "{signal}");
        // Its last words to the journal are a checkpoint on the last entry.
        let data = hub.data();
        let verify =
            run(&["audit", "verify", "--json", "--data", data.to_str().expect("UTF-8")]).exits(0).json();
        assert_eq!(verify["entries"], 3);
        assert!(verify["checkpoints"].as_i64().is_some_and(|n| n >= 1));
        hub.run(&["device", "count"]).exits(3);
    }
}

#[test]
fn the_end_of_its_input_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = serve(&folder.path().join("hub"));
    command.arg("--until-input-ends").stdin(std::process::Stdio::piped());
    let mut hub = Hub::with(command, folder);
    hub.json(&["session", "show"]);
    drop(hub.process.child.stdin.take());
    assert_eq!(hub.process.ended(), Some(0));
}

#[test]
fn killed_and_started_again() {
    let mut hub = Hub::start();
    hub.run(&["device", "expect", "lamp-1"]).exits(0);
    let old = hub.token().to_owned();
    hub.process.signal("-KILL");
    assert_eq!(hub.process.ended(), None);
    let Hub { folder, process, .. } = hub;
    drop(process);
    let command = serve(&folder.path().join("hub"));
    let hub = Hub::with(command, folder);
    assert_eq!(hub.json(&["device", "count"])["total"], 1);
    hub.json(&["audit", "verify"]);
    hub.json(&["check"]);
    // The token of the ready-file before is good no more.
    assert_ne!(hub.token(), old);
    let mut http = hub.http();
    let answer = http.send(&crate::support::bearing(hub.get("/api/v1/session/show"), &old));
    assert_eq!(answer.status, 401);
}

#[test]
fn settings_from_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("steward.toml");
    let data = folder.path().join("hub");
    let text = format!("data = {data:?}\nnames = [\"hub.example\"]\nlog = \"json\"\n");
    std::fs::write(&settings, text).expect("written");
    let mut command = program();
    command.args(["serve", "--config"]).arg(&settings).stderr(std::process::Stdio::piped());
    let mut hub = Hub::with(command, folder);
    let pem = std::fs::read_to_string(hub.data().join("server.pem")).expect("a certificate");
    let certificate = wire::certificate::Certificate::from_pem(&pem).expect("a certificate");
    assert_eq!(certificate.dns_names(), ["hub.example", "localhost"]);
    hub.process.signal("-TERM");
    assert_eq!(hub.process.ended(), Some(0));
    let log = std::io::read_to_string(hub.process.child.stderr.take().expect("a log")).expect("UTF-8");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("one JSON object a line");
    }
    assert!(log.contains("stopping"));
}

#[test]
fn settings_that_are_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("steward.toml");
    std::fs::write(&settings, "listen = \"127.0.0.1:0\"\nlissen = 1\n").expect("written");
    let path = settings.to_str().expect("UTF-8");
    let unknown = run(&["serve", "--config", path]).exits(2);
    assert!(unknown.err.contains("line 2") && unknown.err.contains("lissen"), "{}", unknown.err);
    run(&["serve", "--config", "/nonexistent/steward.toml"]).exits(2);
    run(&["serve", "--listen", "everywhere"]).exits(2);
    let folder = folder.path().join("hub");
    let log = serve(&folder).env("STEWARD_LOG", "loud").output().expect("it runs");
    assert_eq!(log.status.code(), Some(2));
}

#[test]
fn a_full_disk_refuses_writes_and_answers_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    // A limit on the size of each file, in blocks of 512 bytes: 1 MiB.
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -f 2048; exec \"$0\" serve --data \"$1\"", env!("CARGO_BIN_EXE_steward")])
        .arg(folder.path().join("hub"))
        .env("STEWARD_LOG", "off");
    let hub = Hub::with(command, folder);
    let mut http = hub.http();
    let mut expect = |number: usize| {
        let body = format!("{{\"serial_number\": \"lamp-{number:04}\"}}");
        http.send(&hub.post("/api/v1/device/expect", "application/json", body))
    };
    let full = (0..2_000).map(&mut expect).find(|answer| answer.status != 200).expect("the limit is met");
    assert_eq!(full.status, 503, "{}", String::from_utf8_lossy(&full.body));
    assert_eq!(full.header(&io::http::header::RETRY_AFTER), Some("1"));
    let problem = crate::support::body(&full);
    assert_eq!((&problem["code"], &problem["blame"]), (&"disk-full".into(), &"environment".into()));
    let counts = hub.json(&["device", "count"]);
    assert!(counts["total"].as_i64().is_some_and(|total| total > 0));
    assert_eq!(
        hub.run(&["device", "list", "--all", "--json"]).exits(0).out.lines().count() as i64,
        counts["total"]
    );
    hub.json(&["check"]);
}

#[test]
fn a_broken_journal_is_named_without_a_hub() {
    let mut hub = Hub::start();
    hub.run(&["device", "expect", "lamp-unmistakable"]).exits(0);
    hub.process.signal("-TERM");
    assert_eq!(hub.process.ended(), Some(0));
    let path = hub.data().join("state.db");
    // Opening and closing it folds the write-ahead log into the file.
    let engine = store::Place::Sqlite(path.clone()).writer();
    drop(engine.unwrap_or_else(|fault| panic!("{}", fault.detail)));
    let mut bytes = std::fs::read(&path).expect("read");
    let (old, new) = (b"lamp-unmistakable", b"lamp-unmistakeble");
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
        }
    }
    std::fs::write(&path, bytes).expect("written");
    let data = hub.data();
    let broken = run(&["audit", "verify", "--json", "--data", data.to_str().expect("UTF-8")]).exits(1);
    assert_eq!(broken.json()["code"], "journal-broken");
    assert!(broken.json()["detail"].as_str().is_some_and(|d| d.contains("entry 3")), "{}", broken.out);
}

#[test]
fn a_stale_ready_file_is_gone_while_a_hub_starts() {
    let mut hub = Hub::start();
    hub.process.signal("-KILL");
    hub.process.ended();
    assert!(hub.ready_file().exists());
    // A port that cannot be taken stops the start after the folder was opened.
    let failed = serve(&hub.data()).args(["--listen", "192.0.2.1:1"]).output().expect("it runs");
    assert_eq!(failed.status.code(), Some(1));
    assert!(!hub.ready_file().exists());
    drop(Process::start(&mut serve(&hub.data())));
}
