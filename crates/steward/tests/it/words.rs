//! `steward noun verb` against a hub: words, answers, exit codes.

use crate::support::{Hub, program, run};
use serde_json::Value as Json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn private(path: PathBuf, text: &str, mode: u32) -> PathBuf {
    let mut file =
        std::fs::OpenOptions::new().create_new(true).write(true).mode(mode).open(&path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_fleet_by_words() {
    let hub = Hub::start();
    let lamp = hub.json(&["device", "expect", "s-1", "--name", "lamp-1", "--maker", "Example Devices"]);
    assert_eq!((&lamp["name"], &lamp["stage"]), (&"lamp-1".into(), &"expected".into()));
    hub.run(&["device", "expect", "s-2", "--name", "lamp-2"]).exits(0);

    let table = hub.run(&["device", "list"]).exits(0).out;
    let [head, first, second] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
    assert!(head.starts_with("NAME    STAGE     SITE  MAKER"), "{head}");
    assert!(first.starts_with("lamp-1  expected  main  Example Devices") && second.starts_with("lamp-2"));

    let lines = hub.run(&["device", "show", "lamp-1"]).exits(0).out;
    assert!(lines.contains("name:          lamp-1\n") && lines.contains("maker:         Example Devices\n"));

    let list = hub.json(&["device", "list", "--limit", "1"]);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["next"], "lamp-1");
    let after = hub.json(&["device", "list", "--after", "lamp-1"]);
    assert_eq!(after["items"][0]["name"], "lamp-2");

    hub.run(&["device", "retire", "lamp-2", "--why", "support has ended"]).exits(0);
    assert_eq!(hub.json(&["device", "count"])["retired"], 1);
    assert_eq!(hub.json(&["check"])["subjects"], 3);
    assert_eq!(hub.json(&["audit", "verify"])["signatures_judged"], true);
}

#[test]
fn all_follows_the_pages() {
    let hub = Hub::start();
    for number in 1..=7 {
        hub.run(&["device", "expect", &format!("lamp-{number}")]).exits(0);
    }
    let lines = hub.run(&["device", "list", "--all", "--json", "--limit", "3"]).exits(0).out;
    let names: Vec<Json> =
        lines.lines().map(|l| serde_json::from_str::<Json>(l).expect("JSON")["name"].take()).collect();
    assert_eq!(names, (1..=7).map(|n| format!("lamp-{n}")).collect::<Vec<_>>());
    let table = hub.run(&["device", "list", "--all", "--limit", "3"]).exits(0).out;
    assert_eq!(table.lines().count(), 8, "one head and seven devices: {table}");
    let more = hub.run(&["device", "list", "--limit", "3"]).exits(0);
    assert!(more.err.contains("--after 'lamp-3'"), "{}", more.err);
}

#[test]
fn refusals_are_1() {
    let hub = Hub::start();
    let unknown = hub.run(&["device", "show", "nobody"]).exits(1);
    assert!(unknown.err.starts_with("refused: device-unknown: "), "{}", unknown.err);
    assert_eq!(unknown.out, "");
    let unknown = hub.run(&["device", "show", "nobody", "--json"]).exits(1);
    assert_eq!((&unknown.json()["code"], &unknown.json()["status"]), (&"device-unknown".into(), &404.into()));
    let malformed = hub.run(&["device", "list", "--limit", "501", "--json"]).exits(1);
    assert_eq!(malformed.json()["code"], "limit-out-of-range");
}

#[test]
fn wrong_words_are_2() {
    let hub = Hub::start();
    let check = |words: &[&str], expect: &str| {
        let done = hub.run(words).exits(2);
        assert!(done.err.contains(expect), "{words:?}: {}", done.err);
    };
    check(&["nonsense"], "nonsense");
    check(&["device", "nonsense"], "nonsense");
    check(&["device", "expect"], "<SERIAL-NUMBER>");
    check(&["device", "list", "--stage", "lost"], "expected, discovered");
    check(&["device", "list", "--token", "secret"], "--token");
    check(&["device", "list", "--url", "https://127.0.0.1:1"], "--token-file");
    check(&["device", "expect", "a", "--data", "x"], "--data");
    let exposed = private(hub.folder.path().join("exposed"), "steward_x", 0o644);
    check(&["device", "list", "--url", hub.people(), "--token-file", text(&exposed)], "chmod 600");
    let empty = private(hub.folder.path().join("empty"), "\n", 0o600);
    check(&["device", "list", "--url", hub.people(), "--token-file", text(&empty)], "holds no token");
    let no_ready = private(hub.folder.path().join("no-ready"), "{}", 0o600);
    check(&["device", "list", "--hub", text(&no_ready)], "is no ready-file");
}

#[test]
fn nobody_there_is_3() {
    let hub = Hub::start();
    let token = private(hub.folder.path().join("token"), hub.token(), 0o600);
    let ca = hub.data().join("ca.pem");
    let check = |url: &str, ca: &Path, expect: &str| {
        let words = ["device", "count", "--url", url, "--token-file", text(&token), "--ca-file", text(ca)];
        let done = run(&words).exits(3);
        assert!(done.err.starts_with("unreachable: ") && done.err.contains(expect), "{}", done.err);
    };
    check("https://no-such-host.invalid", &ca, "cannot be reached");
    check("https://127.0.0.1:1", &ca, "cannot be reached");
    let other = Hub::start();
    check(hub.people(), &other.data().join("ca.pem"), "its TLS was refused");
    let missing =
        program().args(["device", "list"]).current_dir(hub.folder.path()).output().expect("it runs");
    assert_eq!(missing.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no ready-file at steward-data/ready.json"));
}

#[test]
fn a_hub_by_its_address_and_a_token() {
    let hub = Hub::start();
    let good = private(hub.folder.path().join("good"), &format!("{}\n", hub.token()), 0o600);
    let bad = private(hub.folder.path().join("bad"), "steward_0123", 0o600);
    let ca = hub.data().join("ca.pem");
    let words = |token: &Path| {
        let words = ["session", "show", "--json", "--url", hub.people(), "--token-file", text(token)];
        words.map(String::from)
    };
    let ask = |token: &Path, ca: Option<&Path>| {
        let mut command = program();
        command.args(words(token));
        if let Some(ca) = ca {
            command.arg("--ca-file").arg(ca);
        }
        crate::support::Done::of(command.env("STEWARD_HUB", hub.ready_file()).output().expect("it runs"))
    };
    assert_eq!(ask(&good, Some(&ca)).exits(0).json()["account"], "admin");
    // Without a CA file, the ready-file that is at hand says whom to believe.
    assert_eq!(ask(&good, None).exits(0).json()["permission"], "administer");
    assert_eq!(ask(&bad, Some(&ca)).exits(1).json()["code"], "not-signed-in");
}

#[test]
fn a_key_does_it_once() {
    let hub = Hub::start();
    let expect = |serial_number: &str, key: &str| {
        hub.run(&["device", "expect", serial_number, "--idempotency-key", key, "--json"])
    };
    let first = expect("lamp-1", "k1").exits(0).json();
    assert_eq!(expect("lamp-1", "k1").exits(0).json(), first);
    assert_eq!(expect("lamp-1", "k2").exits(1).json()["code"], "device-known");
    assert_eq!(expect("lamp-2", "k1").exits(1).json()["code"], "idempotency-key-reused");
    assert_eq!(hub.json(&["device", "count"])["total"], 1);
}

#[test]
fn permissions_are_the_tokens() {
    let hub = Hub::start();
    let token = private(hub.folder.path().join("viewer"), &hub.token_of("vera", "view"), 0o600);
    let ask = |words: &[&str]| {
        let more = ["--json", "--url", hub.people(), "--token-file", text(&token)];
        hub.run(&words.iter().copied().chain(more).collect::<Vec<_>>())
    };
    ask(&["device", "count"]).exits(0);
    let refused = ask(&["device", "expect", "lamp-1"]).exits(1).json();
    assert_eq!((&refused["code"], &refused["status"]), (&"not-permitted".into(), &403.into()));
    let noted = hub.json(&["audit", "list", "--limit", "1"]);
    assert_eq!(
        (&noted["items"][0]["actor"], &noted["items"][0]["detail"]),
        (&"vera".into(), &"not-permitted".into())
    );
}

#[test]
fn a_folder_is_looked_into_without_a_hub() {
    let mut hub = Hub::start();
    hub.run(&["device", "expect", "lamp-1"]).exits(0);
    let exported = hub.json(&["audit", "export"]);
    let data = hub.data();
    let look = |words: &[&str]| run(&[words, &["--data", text(&data), "--json"]].concat());
    // Beside the running hub, and after it.
    assert_eq!(look(&["audit", "export"]).exits(0).json(), exported);
    hub.process.signal("-TERM");
    assert_eq!(hub.process.ended(), Some(0));
    assert_eq!(look(&["audit", "export"]).exits(0).json(), exported);
    let verified = look(&["audit", "verify"]).exits(0).json();
    assert_eq!(verified["entries"], exported["items"].as_array().map_or(0, Vec::len));
    assert_eq!(verified["signatures_judged"], true);
    assert_eq!(look(&["check"]).exits(0).json()["subjects"], 2);
    assert_eq!(look(&["device", "list"]).exits(0).json()["items"][0]["name"], "lamp-1");
    assert_eq!(look(&["device", "show", "lamp-2"]).exits(1).json()["code"], "device-unknown");
    assert_eq!(look(&["audit", "list", "--all"]).exits(0).out.lines().count(), 3);
    let nothing = run(&["audit", "verify", "--data", text(hub.folder.path())]).exits(1);
    assert!(nothing.err.contains("is not the folder of a hub"), "{}", nothing.err);
}

/// Every row is compared with its file, beside a running hub and without one.
#[test]
fn a_blob_that_is_not_what_its_row_says_is_found() {
    let mut hub = Hub::start();
    let (data, file) = (hub.data(), hub.folder.path().join("file"));
    let put = |bytes: &str| {
        std::fs::write(&file, bytes).expect("written");
        let put = hub.json(&["blob", "put", text(&file)]);
        data.join("blobs").join(put["digest"].as_str().expect("a digest"))
    };
    let (first, second) = (put("abc"), put(&"more than a piece".repeat(10_000)));
    let sound = |answer: Json| assert_eq!((&answer["blobs"], &answer["leftovers"]), (&2.into(), &1.into()));
    // What a crash left has no row; what has no digest for a name is somebody else's.
    std::fs::write(data.join("blobs").join("0f".repeat(32)), "left").expect("written");
    std::fs::write(data.join("blobs/notes"), "mine").expect("written");
    let beside = || run(&["check", "--data", text(&data), "--json"]);
    sound(hub.json(&["audit", "check"]));
    sound(beside().exits(0).json());
    let check = |path: &Path, damage: &dyn Fn(&Path), expect: &str| {
        let whole = std::fs::read(path).expect("a blob");
        damage(path);
        for refused in [hub.run(&["audit", "check", "--json"]), beside()] {
            let refused = refused.exits(1).json();
            let detail = refused["detail"].as_str().expect("a detail");
            assert_eq!(refused["code"], "blob-differs", "{detail}");
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            assert!(detail.contains(name) && detail.contains(expect), "{detail}");
        }
        std::fs::write(path, whole).expect("mended");
    };
    check(&first, &|path| std::fs::write(path, "x").expect("written"), "SHA-256");
    check(&second, &|path| std::fs::remove_file(path).expect("removed"), "cannot open");
    sound(hub.json(&["audit", "check"]));
    hub.process.signal("-TERM");
    assert_eq!(hub.process.ended(), Some(0));
    std::fs::write(&first, "x").expect("written");
    assert_eq!(beside().exits(1).json()["code"], "blob-differs");
}

#[test]
fn completion_scripts() {
    let check = |shell: &str, expect: &str| {
        let script = run(&["completion", shell]).exits(0).out;
        assert!(script.contains(expect) && script.contains("idempotency-key"), "{shell}");
    };
    check("bash", "complete -F _steward");
    check("zsh", "#compdef steward");
    check("fish", "complete -c steward");
    run(&["completion", "tcsh"]).exits(2);
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let hub = Hub::start();
    hub.run(&["device", "expect", "lamp-1"]).exits(0);
    let mut child = program()
        .args(["device", "list"])
        .env("STEWARD_HUB", hub.ready_file())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Relays one connection to `hub` and cuts it when the answer to its first request comes; later
/// connections it relays whole.
fn cutting_relay(hub: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let server = TcpStream::connect(&hub).expect("connected");
            let asked = Arc::new(AtomicBool::new(false));
            let (from, to, noted) = (clone(&client), clone(&server), asked.clone());
            std::thread::spawn(move || relay_records(from, to, &noted));
            std::thread::spawn(move || {
                relay_until(server, client, &|| number == 0 && asked.load(Ordering::SeqCst))
            });
        }
    });
    port
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a second handle")
}

/// Relays TLS records, and notes the second one of application data: after the client's Finished (RFC 8446
/// section 5.2 hides it in one), the request.
fn relay_records(mut from: TcpStream, mut to: TcpStream, asked: &AtomicBool) {
    const APPLICATION_DATA: u8 = 23;
    let (mut head, mut hidden) = ([0; 5], 0);
    while from.read_exact(&mut head).is_ok() {
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        if from.read_exact(&mut record).is_err() || to.write_all(&[&head[..], &record].concat()).is_err() {
            return;
        }
        hidden += u32::from(head[0] == APPLICATION_DATA);
        asked.store(hidden >= 2, Ordering::SeqCst);
    }
}

fn relay_until(mut from: TcpStream, mut to: TcpStream, cut: &dyn Fn() -> bool) {
    let mut piece = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if cut() || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let hub = Hub::start();
    let token = private(hub.folder.path().join("token"), hub.token(), 0o600);
    let relay = cutting_relay(hub.people().replace("https://", ""));
    let url = format!("https://127.0.0.1:{relay}");
    let words = ["device", "expect", "lamp-1", "--json", "--url", &url, "--token-file", text(&token)];
    assert_eq!(hub.run(&words).exits(0).json()["name"], "lamp-1");
    assert_eq!(hub.json(&["device", "count"])["total"], 1);
}

#[test]
fn a_world_is_lived_again_from_its_seed() {
    let lived = || run(&["simulate", "--seed", "7", "--devices", "3", "--json"]).exits(0).json();
    let (once, again) = (lived(), lived());
    let held = once["invariants"].as_object().unwrap();
    assert!(held.len() > 10 && held.values().all(|held| *held == true), "{held:?}");
    assert!(once["lost"].as_u64() > Some(0) && once["virtual_s"].as_u64() > Some(1_000_000));
    assert_eq!(
        (&once["requests"], &once["journal_entries"]),
        (&again["requests"], &again["journal_entries"])
    );
    run(&["simulate", "--devices", "0"]).exits(2);
}

#[test]
fn what_is_empty_is_named() {
    let hub = Hub::start();
    let refused = hub.run(&["device", "expect", ""]).exits(2);
    assert_eq!(
        refused.err,
        "error: serial-number is empty, and it has to be given: Its maker's serial number\n"
    );
}

#[test]
fn help_is_a_word_too() {
    assert_eq!(run(&["help"]).exits(0).out, run(&["--help"]).exits(0).out);
    let listed = run(&["help", "gate"]).exits(0).out;
    assert!(
        listed.starts_with("A site's network side, which enforces plans (appoint, dismiss, list, run)\n"),
        "{listed}"
    );
}

#[test]
fn people_see_what_a_certificate_is() {
    let hub = Hub::start();
    let file = concat!("@", env!("CARGO_MANIFEST_DIR"), "/../fleet/src/onboarding/anchor/example.pem");
    let added = hub.run(&["anchor", "add", "lumen", "--certificate", file]).exits(0).out;
    assert!(added.contains("certificate of Lumen example authority, good until 2126-10-29"), "{added}");
    assert!(
        !added.contains("BEGIN")
            && hub.json(&["anchor", "show", "lumen"])["certificate"].to_string().contains("BEGIN")
    );
}
