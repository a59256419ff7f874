//! A hub's folder as one file, and back.

use crate::support::{Hub, program, run};
use std::path::Path;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_running_hub_is_backed_up_and_goes_on_elsewhere() {
    let mut hub = Hub::start();
    hub.run(&["device", "expect", "lamp-1"]).exits(0);
    let folder = tempfile::tempdir().expect("a folder");
    let (file, again) = (folder.path().join("hub.backup"), folder.path().join("hub"));
    let created =
        run(&["backup", "create", text(&file), "--data", text(&hub.data()), "--json"]).exits(0).json();
    assert!(created["files"].as_u64().is_some_and(|files| files > 5), "{created}");
    hub.run(&["device", "expect", "lamp-2"]).exits(0);
    hub.process.signal("-TERM");
    assert_eq!(hub.process.ended(), Some(0));

    run(&["backup", "restore", text(&file), "--dry-run"]).exits(0);
    assert!(!again.exists());
    run(&["backup", "restore", text(&file), "--data", text(&again)]).exits(0);
    run(&["audit", "verify", "--data", text(&again)]).exits(0);
    run(&["check", "--data", text(&again)]).exits(0);
    let mut command = program();
    command.args(["serve", "--data", text(&again)]);
    let restored = Hub::with(command, folder);
    let devices = restored.json(&["device", "list"]);
    assert_eq!(devices["items"].as_array().map(Vec::len), Some(1), "{devices}");
    assert_eq!(devices["items"][0]["name"], "lamp-1");
    // The keys are the same: whoever believed the hub believes it still.
    let ca = |data: &Path| std::fs::read(data.join("ca.pem")).expect("an authority");
    assert_eq!(ca(&again), ca(&hub.data()));
    restored.run(&["device", "expect", "lamp-3"]).exits(0);
}

#[test]
fn what_is_damaged_makes_nothing() {
    let hub = Hub::start();
    let folder = tempfile::tempdir().expect("a folder");
    let (file, bad) = (folder.path().join("hub.backup"), folder.path().join("bad.backup"));
    run(&["backup", "create", text(&file), "--data", text(&hub.data())]).exits(0);
    let whole = std::fs::read(&file).expect("a backup");
    let into = folder.path().join("new");
    let check = |bytes: &[u8], what: &str| {
        std::fs::write(&bad, bytes).expect("written");
        let refused = run(&["backup", "restore", text(&bad), "--data", text(&into)]).exits(1);
        assert!(!into.exists(), "{what}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 2, "{what}: {}", refused.err);
    };
    for part in 1..40 {
        let mut flipped = whole.clone();
        // Within a file: the database is the first, and its header is 512 bytes.
        let at = 512 + part * 997 % 4096;
        flipped[at] ^= 1;
        check(&flipped, &format!("byte {at}"));
        check(&whole[..whole.len() * part / 40], &format!("{part} of 40 parts"));
    }
    check(b"", "nothing");
    check(&[whole.as_slice(), b"more"].concat()[1..], "shifted");
}

#[test]
fn what_is_no_backup_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |file: &Path| {
        let refused =
            run(&["backup", "restore", text(file), "--data", text(&folder.path().join("new"))]).exits(1);
        let expected =
            format!("error: {} is no backup of a hub; `steward backup create` makes one\n", text(file));
        assert_eq!((refused.err.as_str(), refused.out.as_str()), (expected.as_str(), ""));
    };
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "root:x:0:0:root:/root:/bin/bash\n".repeat(40)).expect("written");
    check(&secret);
    std::fs::write(&secret, "").expect("written");
    check(&secret);
    // An archive of something else.
    let other = folder.path().join("other.tar");
    let mut tar = std::process::Command::new("tar");
    tar.args(["-cf", text(&other), "-C", text(folder.path()), "secret"]);
    assert!(tar.status().expect("tar runs").success());
    check(&other);
}

#[test]
fn wrong_places_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hub.backup");
    let none = run(&["backup", "create", text(&file), "--data", text(folder.path())]).exits(2);
    assert!(none.err.contains("no hub's folder") && !file.exists(), "{}", none.err);
    let hub = Hub::start();
    run(&["backup", "create", text(&file), "--data", text(&hub.data())]).exits(0);
    let taken = run(&["backup", "restore", text(&file), "--data", text(&hub.data())]).exits(2);
    assert!(taken.err.contains("not empty"), "{}", taken.err);
    run(&["backup", "restore", "/nonexistent/file", "--data", text(&folder.path().join("new"))]).exits(2);
}
