//! Keys in files, with openssl as the judge.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use io::FileKey;
use io::key::KeyError;
use wire::Signer;

use crate::support::{has, openssl};

fn refused(folder: &Path, name: &str, expect: &str) {
    let path = folder.join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
    let text = FileKey::open(&path).expect_err("refused").to_string();
    assert!(text.contains(expect) && text.contains(name), "{text}");
}

#[test]
fn openssl_verifies_what_a_new_key_signs() {
    if !has("openssl_verifies_what_a_new_key_signs", "openssl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let key = FileKey::open_or_create(&at("key.pem")).expect("made");
    let mode = fs::metadata(at("key.pem")).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);

    openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem"]);
    let spki = openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout", "-outform", "DER"]);
    assert!(spki.ends_with(&key.public_point()));
    fs::write(at("message"), b"hello").expect("written");
    fs::write(at("signature"), key.sign(b"hello").expect("signed")).expect("written");
    let judge = ["dgst", "-sha256", "-verify", "pub.pem", "-signature", "signature", "message"];
    assert_eq!(openssl(folder.path(), &judge), b"Verified OK\n");
}

#[test]
fn a_key_is_made_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.pem");
    let missing = FileKey::open(&path).expect_err("not there yet");
    assert!(matches!(missing, KeyError::File(error) if error.is_missing()));
    let points: Vec<_> = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| FileKey::open_or_create(&path).map(|k| k.public_point())))
            .collect();
        openers.into_iter().map(|o| o.join().expect("no panic").expect("opened")).collect()
    });
    assert!(points.iter().all(|point| *point == points[0]));
    assert_eq!(FileKey::open(&path).expect("opened").public_point(), points[0]);
}

#[test]
fn what_is_no_private_p256_key_is_refused() {
    if !has("what_is_no_private_p256_key_is_refused", "openssl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let curve = |name| ["genpkey", "-algorithm", "EC", "-pkeyopt", name, "-out"];
    let make = |curve: [&'static str; 6], out| openssl(folder, &[&curve[..], &[out]].concat());
    make(curve("ec_paramgen_curve:P-256"), "ours.pem");
    make(curve("ec_paramgen_curve:P-384"), "p384.pem");
    openssl(folder, &["ec", "-in", "ours.pem", "-out", "sec1.pem"]);
    let text = fs::read(folder.join("ours.pem")).expect("read");
    fs::write(folder.join("cut.pem"), &text[..text.len() / 2]).expect("written");
    fs::write(folder.join("empty.pem"), b"").expect("written");
    fs::write(folder.join("large.pem"), vec![b'a'; 20_000]).expect("written");

    fs::set_permissions(folder.join("ours.pem"), fs::Permissions::from_mode(0o600)).expect("set");
    FileKey::open(&folder.join("ours.pem")).expect("openssl's key is good");
    refused(folder, "p384.pem", "no P-256 key");
    refused(folder, "sec1.pem", "openssl pkcs8 -topk8");
    refused(folder, "cut.pem", "no PEM file");
    refused(folder, "empty.pem", "no PEM file");
    refused(folder, "large.pem", "larger than");

    fs::set_permissions(folder.join("ours.pem"), fs::Permissions::from_mode(0o640)).expect("set");
    let text = FileKey::open(&folder.join("ours.pem")).expect_err("readable").to_string();
    assert!(text.contains("chmod 600"), "{text}");
}
