//! Crash-safe files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use io::files::{
    FileError, FolderLock, PendingFile, create_private_dir, read_limited, read_private, remove_durably,
    remove_leftovers, survive_file_size_limit, write_atomic,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder lists")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_with_its_mode_and_nothing_is_left_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    for (bytes, wanted) in [(&b"one"[..], 0o600), (b"", 0o644), (b"three", 0o666)] {
        write_atomic(&path, bytes, wanted).expect("written");
        assert_eq!(fs::read(&path).expect("read"), bytes);
        assert_eq!(mode(&path), wanted);
    }
    assert_eq!(names(folder.path()), ["state"]);
}

#[test]
fn an_unfinished_file_is_never_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("blob");
    let mut pending = PendingFile::create(&path, 0o600).expect("begun");
    pending.write_all(b"half").expect("written");
    assert!(!path.exists());
    drop(pending);
    assert!(names(folder.path()).is_empty());

    let crashed = PendingFile::create(&path, 0o600).expect("begun");
    std::mem::forget(crashed);
    fs::write(folder.path().join("kept.partial"), b"").expect("written");
    assert_eq!(remove_leftovers(folder.path()).expect("swept"), 1);
    assert_eq!(names(folder.path()), ["kept.partial"]);
}

#[test]
fn a_new_file_never_replaces_an_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    for (bytes, expect) in [(b"first", true), (b"later", false)] {
        let mut pending = PendingFile::create(&path, 0o600).expect("begun");
        pending.write_all(bytes).expect("written");
        assert_eq!(pending.commit_new().expect("committed"), expect);
    }
    assert_eq!(fs::read(&path).expect("read"), b"first");
    assert_eq!(names(folder.path()), ["key"]);
}

#[test]
fn reading_stops_at_the_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    fs::write(&path, b"12345").expect("written");
    assert_eq!(read_limited(&path, 5).expect("read"), b"12345");
    let error = read_limited(&path, 4).expect_err("too large");
    assert!(matches!(error, FileError::TooLarge { bytes_max: 4, .. }));
    assert!(error.to_string().contains("file is larger than the 4 bytes"));
    let missing = read_limited(&folder.path().join("none"), 4).expect_err("missing");
    assert!(missing.is_missing());
    assert!(missing.to_string().contains("none"));
}

#[test]
fn a_private_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    for (wanted, ok) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        write_atomic(&path, b"secret", wanted).expect("written");
        let read = read_private(&path, 100);
        assert_eq!(read.is_ok(), ok, "mode {wanted:o}");
        if let Err(error) = read {
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
}

#[test]
fn private_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("a/b/c");
    create_private_dir(&deep).expect("made");
    create_private_dir(&deep).expect("stands already");
    for part in ["a", "a/b", "a/b/c"] {
        assert_eq!(mode(&folder.path().join(part)), 0o700);
    }
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o775)).expect("opened up");
    let error = create_private_dir(&deep).expect_err("others may write");
    assert!(error.to_string().contains("chmod go-w"), "{error}");
    fs::write(folder.path().join("file"), b"").expect("written");
    create_private_dir(&folder.path().join("file")).expect_err("a file is in the way");
}

#[test]
fn the_second_holder_of_a_folder_is_told_who_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = FolderLock::take(folder.path()).expect("free");
    let text = FolderLock::take(folder.path()).expect_err("held").to_string();
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(text.contains("stop it"), "{text}");
    drop(first);
    FolderLock::take(folder.path()).expect("free again");
}

#[test]
fn files_and_folders_are_removed_and_links_are_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("tree/deep")).expect("made");
    fs::write(at("tree/deep/file"), b"").expect("written");
    fs::create_dir(at("kept")).expect("made");
    std::os::unix::fs::symlink(at("kept"), at("link")).expect("linked");
    for name in ["tree", "link", "never there"] {
        remove_durably(&at(name)).expect("removed");
    }
    assert_eq!(names(folder.path()), ["kept"]);
}

const CHILD_FOLDER: &str = "IO_TEST_DISK_FULL_FOLDER";
const OLD: &[u8] = b"the old file, whole";

#[test]
fn a_full_disk_is_named_and_the_old_file_stands() {
    if let Some(folder) = std::env::var_os(CHILD_FOLDER) {
        return write_beyond_the_limit(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_atomic(&folder.path().join("state"), OLD, 0o600).expect("written");
    let this = std::env::current_exe().expect("a test binary");
    let child = Command::new(this)
        .args(["--exact", "files::a_full_disk_is_named_and_the_old_file_stands"])
        .env(CHILD_FOLDER, folder.path())
        .output()
        .expect("the child runs");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(fs::read(folder.path().join("state")).expect("read"), OLD);
    assert_eq!(names(folder.path()), ["state"]);
}

/// In a process of its own, for the limit cannot be taken back.
fn write_beyond_the_limit(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { survive_file_size_limit() }).expect("the signal is taken");
    let limit = rustix::process::Rlimit { current: Some(4096), maximum: Some(4096) };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).expect("limited");
    let path = folder.join("state");
    let error = write_atomic(&path, &[7; 8192], 0o600).expect_err("beyond the limit");
    assert!(error.is_disk_full(), "{error}");
    assert!(error.to_string().contains("state"), "{error}");
    assert_eq!(fs::read(&path).expect("read"), OLD);
    write_atomic(&path, OLD, 0o600).expect("what fits is still written");
}

#[test]
fn a_full_file_system_is_named_too() {
    // /dev/full answers every write with ENOSPC.
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let Ok(mut full) = full else {
        return crate::support::skip("a_full_file_system_is_named_too", "no /dev/full");
    };
    let error = std::io::Write::write_all(&mut full, b"x").expect_err("full");
    assert!(io::files::is_disk_full(&error));
}
