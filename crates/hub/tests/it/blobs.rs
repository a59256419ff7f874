//! Blobs over the people's listener, with curl; what a crash leaves; what is swept.
use crate::support::{Running, have, output};
use fleet::permission::Session;
use fleet::text::Slug;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::process::{Child, Command, Stdio};

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const OTHER: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn token(hub: &Running, account: &str, permission: &str) -> String {
    hub.ask("account add", json!({"account": account, "permission": permission})).expect("added");
    let issued = hub.ask("token issue", json!({"account": account, "label": "test"})).expect("issued");
    issued["secret"].as_str().expect("a secret").into()
}

/// The status, and what was answered.
fn curl(hub: &Running, token: &str, digest: &str, upload: Option<&str>) -> (String, Vec<u8>) {
    let url = format!("https://{}/api/v1/blobs/{digest}", hub.people);
    let bearer = format!("Authorization: Bearer {token}");
    let mut words = vec!["--silent", "--max-time", "10", "--cacert", "hub/ca.pem", "--header", &bearer];
    words.extend(["--write-out", "%{http_code}", "--output", "answer"]);
    if let Some(file) = upload {
        words.extend(["--upload-file", file]);
    }
    words.push(&url);
    let status = output(hub.folder.path(), "curl", &words).stdout;
    (String::from_utf8_lossy(&status).into_owned(), std::fs::read(hub.path("answer")).unwrap_or_default())
}

fn code(answer: &[u8]) -> String {
    let json: Json = serde_json::from_slice(answer).unwrap_or_default();
    json["code"].as_str().unwrap_or_default().into()
}

#[test]
fn blobs_are_brought_and_fetched_by_their_digest() {
    if !have("blobs::blobs_are_brought", &["curl"]) {
        return;
    }
    let hub = Running::start();
    std::fs::write(hub.path("abc"), "abc").expect("written");
    let (operator, viewer) = (token(&hub, "olga", "operate"), token(&hub, "vera", "view"));
    let (status, answer) = curl(&hub, &operator, ABC, None);
    assert_eq!((status.as_str(), code(&answer).as_str()), ("404", "blob-unknown"));
    let refused = |token: &str, digest: &str, expect: (&str, &str)| {
        let (status, answer) = curl(&hub, token, digest, Some("abc"));
        assert_eq!((status.as_str(), code(&answer).as_str()), expect, "{digest}");
        assert!(!hub.path("hub/blobs").join(digest).exists());
    };
    refused(&operator, OTHER, ("400", "digest-differs"));
    refused(&operator, &ABC.to_uppercase(), ("400", "bad-digest"));
    refused(&operator, "..%2fstate.db", ("400", "bad-digest"));
    refused(&viewer, ABC, ("403", "not-permitted"));
    refused("nobody", ABC, ("401", "not-signed-in"));
    for _ in 0..2 {
        let (status, answer) = curl(&hub, &operator, ABC, Some("abc"));
        let answer: Json = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!((status.as_str(), answer), ("200", json!({"digest": ABC, "bytes": 3})));
    }
    assert_eq!(curl(&hub, &viewer, ABC, None), ("200".into(), b"abc".to_vec()));
    assert_eq!(curl(&hub, "nobody", ABC, None).0, "401");
    let large: Vec<u8> = (0..700_000_u32).flat_map(u32::to_be_bytes).collect();
    let session = Session::of_hub("test", Slug::main());
    let digest = hub.runtime.block_on(hub.blobs.put(&session, large.clone())).expect("kept");
    assert!(curl(&hub, &viewer, digest.as_str(), None) == ("200".into(), large.clone()), "many pieces");
    let read = hub.runtime.block_on(hub.blobs.get(&session, digest.clone(), large.len()));
    assert_eq!(read.expect("read"), large);
    let refusal = hub.runtime.block_on(hub.blobs.get(&session, digest, 7)).expect_err("too large");
    assert_eq!(refusal.code, "blob-too-large");
}

#[test]
fn a_start_removes_what_a_crash_left_and_keeps_what_has_a_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = folder.path().join("hub/blobs");
    io::files::create_private_dir(&folder.path().join("hub")).expect("a folder");
    io::files::create_private_dir(&blobs).expect("a folder");
    // A crash before the file had its name; and one between its name and its row.
    std::fs::write(blobs.join(format!(".{ABC}.0123456789abcdef.partial")), "ab").expect("written");
    std::fs::write(blobs.join(ABC), "abc").expect("written");
    std::fs::write(blobs.join("somebody's notes"), "").expect("written");
    let hub = Running::start_in(folder);
    let session = Session::of_hub("test", Slug::main());
    // The second look waits for the one at the start.
    hub.runtime.block_on(hub.blobs.sweep_orphans()).expect("swept");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&blobs).expect("a list").collect();
        names.sort_by_key(|entry| entry.as_ref().expect("an entry").file_name());
        names.into_iter().map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect()
    };
    let found: Vec<String> = names();
    assert_eq!(found, ["somebody's notes"]);
    hub.runtime.block_on(hub.blobs.put(&session, b"abc".to_vec())).expect("kept");
    hub.runtime.block_on(hub.blobs.sweep_orphans()).expect("swept");
    hub.runtime.block_on(hub.blobs.sweep()).expect("swept");
    let found: Vec<String> = names();
    assert_eq!(found, [ABC, "somebody's notes"]);
}

/// An upload whose end waits for ours.
fn slow(hub: &Running, token: &str, digest: &str) -> Child {
    let url = format!("https://{}/api/v1/blobs/{digest}", hub.people);
    let bearer = format!("Authorization: Bearer {token}");
    let words = ["--silent", "--max-time", "20", "--cacert", "hub/ca.pem", "--header", &bearer];
    let mut curl = Command::new("curl");
    curl.current_dir(hub.folder.path()).args(words).args(["--upload-file", ".", "--fail", &url]);
    let mut child =
        curl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("curl");
    child.stdin.as_mut().expect("a pipe").write_all(b"ab").expect("written");
    child
}

#[test]
fn slow_uploads_keep_nobody_else_waiting() {
    if !have("blobs::slow_uploads", &["curl"]) {
        return;
    }
    let hub = Running::start();
    let operator = token(&hub, "olga", "operate");
    let mut uploads: Vec<Child> = (0..4).map(|_| slow(&hub, &operator, ABC)).collect();
    let begun = || {
        let names = std::fs::read_dir(hub.path("hub/blobs")).expect("a list");
        names.filter(|it| it.as_ref().is_ok_and(|it| it.file_name().to_string_lossy().contains(ABC))).count()
    };
    hub.until("four uploads", || begun() == 4);
    std::fs::write(hub.path("abc"), "abc").expect("written");
    let (status, answer) = curl(&hub, &operator, ABC, Some("abc"));
    assert_eq!((status.as_str(), code(&answer).as_str()), ("503", "busy"), "one more is refused");
    let session = Session::of_hub("test", Slug::main());
    hub.runtime
        .block_on(hub.blobs.put(&session, b"its own".to_vec()))
        .expect("the hub has places of its own");
    hub.runtime.block_on(hub.blobs.sweep()).expect("swept");
    hub.runtime.block_on(hub.blobs.sweep_orphans()).expect("swept");
    for upload in &mut uploads {
        assert!(upload.try_wait().expect("a child").is_none(), "nobody waited for the uploads");
        upload.stdin.take().expect("a pipe").write_all(b"c").expect("written");
    }
    for mut upload in uploads {
        assert!(upload.wait().expect("a child").success(), "the sweep took nothing from them");
    }
    assert_eq!(curl(&hub, &operator, ABC, None), ("200".into(), b"abc".to_vec()));
}

#[test]
fn slow_downloads_are_bounded_for_each_peer() {
    if !have("blobs::slow_downloads", &["curl"]) {
        return;
    }
    let hub = Running::start();
    let viewer = token(&hub, "vera", "view");
    // More than the buffers of both ends take.
    let digest = hub.put(&vec![0; 32 * 1024 * 1024]);
    let (url, bearer) =
        (format!("https://{}/api/v1/blobs/{digest}", hub.people), format!("Authorization: Bearer {viewer}"));
    let slow = |n: usize| {
        let (mut curl, taken) = (Command::new("curl"), format!("taken-{n}"));
        curl.current_dir(hub.folder.path()).args(["--silent", "--cacert", "hub/ca.pem", "--header", &bearer]);
        curl.args(["--limit-rate", "1k", "--no-buffer", "--output", &taken, &url]).spawn().expect("curl")
    };
    let mut downloads: Vec<Child> = (0..hub::limits::PEER_DOWNLOADS_MAX).map(slow).collect();
    let begun = |n| std::fs::metadata(hub.path(&format!("taken-{n}"))).is_ok_and(|it| it.len() > 0);
    hub.until("all downloads", || (0..downloads.len()).all(begun));
    let (status, answer) = curl(&hub, &viewer, &digest, None);
    assert_eq!((status.as_str(), code(&answer).as_str()), ("503", "busy"), "one more is refused");
    let mut first = downloads.remove(0);
    first.kill().expect("it ran");
    first.wait().expect("a child");
    hub.until("its place", || curl(&hub, &viewer, &digest, None).0 == "200");
    for mut download in downloads {
        download.kill().expect("it ran");
        download.wait().expect("a child");
    }
}
