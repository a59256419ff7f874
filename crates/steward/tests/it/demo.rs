//! The demo, headless and killed, and every invariant seen false.

use crate::support::{Done, Process, program, run, skip};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

/// So many that the firmware's third wave is not empty.
const DEVICES: usize = 8;
/// The rollout that is stopped, and the one that finishes.
const FLAWED: &str = "lamp-7-1-1";
const MENDED: &str = "lamp-7-1-2";

fn play(words: &[&str]) -> Done {
    play_with(5, words)
}

fn play_with(devices: usize, words: &[&str]) -> Done {
    run(&[&["demo", "--headless", "--json", "--devices", &devices.to_string()], words].concat())
}

fn summary(done: &Done) -> Json {
    serde_json::from_str(done.out.lines().last().expect("a last line")).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The names of the invariants, as the program lists them to who asks for another one.
fn invariants() -> Vec<String> {
    let refused = play(&["--break", "nonsense"]).exits(2).err;
    let (_, list) = refused.split_once("[possible values: ").expect("a list");
    let (list, _) = list.split_once(']').expect("its end");
    list.split(", ").map(String::from).collect()
}

/// An entry of the export: its room, its subject, and its event.
fn told(entry: &Json) -> Option<(&str, &str, Json)> {
    let event = serde_json::from_str(entry["detail"].as_str()?).ok()?;
    Some((entry["room"].as_str()?, entry["subject"].as_str()?, event))
}

#[test]
fn the_story_is_true_and_recomputed_from_the_export_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("demo");
    let done = play_with(DEVICES, &["--seed", "3", "--data", text(&data)]);
    let summary = summary(&done.exits(0));
    let keys: Vec<&str> = summary.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "access",
            "chapters",
            "devices",
            "hub_rss_bytes",
            "invariants",
            "journal_entries",
            "onboarded",
            "quarantined",
            "replaced",
            "retired",
            "rollout_stopped",
            "seed",
            "upgraded",
            "wall_s"
        ]
    );
    let held = summary["invariants"].as_object().expect("an object");
    assert_eq!(held.len(), invariants().len());
    assert!(held.values().all(|holds| *holds == true), "{held:?}");
    assert_eq!(summary["seed"], 3);
    assert!(summary["hub_rss_bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000));

    let operator = data.join("operator");
    let export = run(&["audit", "export", "--all", "--json", "--data", text(&operator)]).exits(0).out;
    let entries: Vec<Json> = export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(summary["journal_entries"], entries.len());
    let events: Vec<(&str, &str, Json)> = entries.iter().filter_map(told).collect();
    let all = |room: &str, event: &str| -> Vec<(&str, &Json)> {
        let is_it = |(of, _, told): &&(&str, &str, Json)| *of == room && told["event"] == event;
        events.iter().filter(is_it).map(|(_, subject, told)| (*subject, told)).collect()
    };
    let count = |event: &str| all("device", event).len();
    let devices = |room: &str, event: &str, subject: &str| -> BTreeSet<String> {
        let of_subject = all(room, event).into_iter().filter(|(of, _)| *of == subject);
        of_subject.filter_map(|(_, told)| told["device"].as_str().map(String::from)).collect()
    };
    assert_eq!((count("expected"), &summary["devices"]), (4, &DEVICES.into()), "half of them are announced");
    assert_eq!((count("discovered"), count("admitted"), count("enrolled")), (DEVICES, DEVICES, DEVICES));
    assert_eq!(summary["onboarded"], DEVICES);
    assert_eq!(summary["retired"], count("retired") - count("claimed"));
    assert_eq!((count("held"), count("given-up"), &summary["quarantined"]), (1, 1, &1.into()));
    assert_eq!((all("remediation", "took-over").len(), &summary["replaced"]), (1, &1.into()));

    // 1.1 was stopped after its two failures, and the third wave was never offered it; 1.2 runs everywhere.
    let waves = all("rollout", "started").into_iter().find(|(subject, _)| *subject == FLAWED).unwrap().1;
    let third: Vec<&str> =
        waves["waves"][2].as_array().unwrap().iter().filter_map(|place| place["device"].as_str()).collect();
    let offered = devices("rollout", "offered", FLAWED);
    assert_eq!((third.len(), offered.len()), (2, 6));
    assert!(third.iter().all(|device| !offered.contains(*device)), "{third:?} {offered:?}");
    assert_eq!(devices("rollout", "not-kept", FLAWED).len(), 2);
    let stopped = all("rollout", "stopped").iter().any(|(subject, _)| *subject == FLAWED);
    assert_eq!((stopped, &summary["rollout_stopped"]), (true, &true.into()));
    assert_eq!(devices("rollout", "succeeded", MENDED).len(), summary["upgraded"]);
    published_in_time(&data, &summary);
    assert_eq!(summary["upgraded"], DEVICES);

    run(&["audit", "verify", "--data", text(&operator)]).exits(0);
    run(&["check", "--data", text(&operator)]).exits(0);
    openssl_accepts_what_it_leaves(&data);
}

/// 1.0 and 1.1 are signed at the factory; the operator's hub has 1.2 and the signed way back before 1.2 goes out.
fn published_in_time(data: &Path, summary: &Json) {
    let entries = |hub: &str| -> Vec<Json> {
        let hub = data.join(hub);
        let export = run(&["audit", "export", "--all", "--json", "--data", text(&hub)]).exits(0).out;
        export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let maker = entries("manufacturer");
    let of_chapter = |name: &str| {
        let mut chapters = summary["chapters"].as_array().expect("chapters").iter();
        chapters.find(|chapter| chapter["name"] == name).expect("the chapter")["manufacturer"].as_i64()
    };
    let mut signed: Vec<(i64, String)> = Vec::new();
    for entry in maker.iter().filter(|entry| entry["room"] == "published-release") {
        let event: Json = serde_json::from_str(entry["detail"].as_str().unwrap()).unwrap();
        if event["event"] == "release-published" {
            signed.push((entry["seq"].as_i64().unwrap(), entry["subject"].as_str().unwrap().to_owned()));
        }
    }
    let before = |chapter: &str| signed.iter().filter(|(seq, _)| Some(*seq) <= of_chapter(chapter)).count();
    assert_eq!((before("discovery"), before("response"), signed.len()), (2, 4, 4), "{signed:?}");
    let operator = entries("operator");
    let seq = |room: &str, subject: &str, event: &str| {
        let is_it = |entry: &&Json| {
            told(entry)
                .is_some_and(|(of, about, told)| of == room && about == subject && told["event"] == event)
        };
        let found = operator.iter().find(is_it).and_then(|entry| entry["seq"].as_i64());
        found.unwrap_or_else(|| panic!("{subject} has no {event}"))
    };
    let begun = seq("rollout", MENDED, "started");
    for release in [MENDED, "lamp-7-back-to-1-0"] {
        assert!(seq("release", release, "release-kept") < begun, "{release}");
    }
}

/// `openssl cms -verify` of the description, of every device's voucher and voucher-request, and of what proves
/// the end of a life, and not with
/// one byte changed.
fn openssl_accepts_what_it_leaves(data: &Path) {
    let hub = data.join("manufacturer");
    let accepts = |authority: &Path, words: &[&str], file: &Path| {
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["cms", "-verify", "-inform", "DER", "-purpose", "any", "-out", "/dev/null", "-CAfile"]);
        openssl.arg(authority).args(words).arg(file).stderr(Stdio::null());
        openssl.status().expect("openssl runs").success()
    };
    let check_by = |authority: &Path, words: &[&str], file: &Path, changed_at: usize| {
        assert!(accepts(authority, words, file), "{}", file.display());
        let mut bytes = std::fs::read(file).expect("read");
        bytes[changed_at] ^= 1;
        let changed = data.join("changed");
        std::fs::write(&changed, &bytes).expect("written");
        assert!(!accepts(authority, words, &changed), "{} with one byte changed", file.display());
    };
    let factory = hub.join("factory.pem");
    let check = |words: &[&str], file: &Path, changed_at| check_by(&factory, words, file, changed_at);
    for name in ["certificate-of-decommission.cms", "last-report.cms"] {
        let file = data.join("end-of-life").join(name);
        check_by(&data.join("operator/ca.pem"), &["-in"], &file, 100);
    }
    let devices: Vec<_> = std::fs::read_dir(data.join("devices")).expect("devices").collect();
    assert_eq!(devices.len(), DEVICES);
    for device in devices {
        for name in ["voucher.vcj", "voucher-request.vcj"] {
            // Within the signed JSON, which begins after some 60 bytes of CMS.
            check(&["-in"], &device.as_ref().expect("a device").path().join(name), 200);
        }
    }
    let published =
        run(&["product", "description", "lamp-7", "--json", "--data", text(&hub)]).exits(0).json();
    let blob = |name: &str| hub.join("blobs").join(published[name].as_str().expect("a digest"));
    let (file, signature) = (blob("file"), blob("signature"));
    check(&["-binary", "-in", text(&signature), "-content"], &file, 100);
    check(&["-binary", "-content", text(&file), "-in"], &signature, 100);
}

#[test]
fn the_kernel_enforces_the_plan_that_was_explained() {
    let done = play(&["--enforce", "nft"]);
    if done.code != 0 {
        // Without root or a program there is no namespace, and the demo says so.
        let why = done
            .err
            .lines()
            .find(|line| line.contains("namespaces need root") || line.contains("is not installed"));
        let why = why.unwrap_or_else(|| panic!("{}", done.err));
        return skip("the_kernel_enforces_the_plan_that_was_explained", why);
    }
    let access = &summary(&done)["access"];
    assert!(access["plan"].as_str().is_some_and(|digest| digest.len() == 64), "{access}");
    assert_eq!(access["loaded"], access["plan"]);
    assert!(done.err.contains("5 of 10 packets came through"), "{}", done.err);
}

/// Stories that are told at once, and then damaged by turns: each mostly waits.
const AT_ONCE: usize = 5;

/// What is damaged is a story that has been told, so each of a few is told once, and kept as it was then. Its
/// hubs' addresses are its own: it is put back where it was, and none stands twice.
#[test]
fn every_invariant_is_seen_false() {
    let names = Mutex::new(invariants().into_iter());
    let next = || names.lock().expect("the names").next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let folder = tempfile::tempdir().expect("a folder");
                let (data, told) = (folder.path().join("demo"), folder.path().join("told"));
                play_with(DEVICES, &["--data", text(&data)]).exits(0);
                std::fs::rename(&data, &told).expect("put aside");
                std::iter::from_fn(next).for_each(|name| {
                    copy(&told, &data);
                    is_seen_false(&data, &name);
                    std::fs::remove_dir_all(&data).expect("removed");
                });
            });
        }
    });
}

/// Copies a folder with what is in it. A file's permissions go with it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (here, there) = (entry.path(), to.join(entry.file_name()));
        if here.is_dir() {
            copy(&here, &there);
        } else {
            std::fs::copy(&here, &there).expect("copied");
        }
    }
}

/// Which invariants look at more than one thing, and what is said of each of these when it is damaged.
const SEVERAL: &[(&str, &[&str])] = &[
    ("journal-verifies", &["the operator's hub: ", "the manufacturer's hub: "]),
    ("rows-equal-journal", &["the operator's hub: ", "the manufacturer's hub: "]),
    ("described-makes-no-finding", &["is a finding: "]),
    ("given-up-once", &["given up: ", "was tried 3 times, not 2"]),
    (
        "retired-get-no-byte",
        &["a new connection was", "an open connection was", "a connection that would resume was"],
    ),
];

fn is_seen_false(data: &Path, name: &str) {
    let done = play_with(DEVICES, &["--data", text(data), "--break", name]).exits(1);
    let held = summary(&done)["invariants"].take();
    assert_eq!(held[name], false, "{name}: {held} {}", done.err);
    assert!(done.err.contains("invariants that do not hold") && done.err.contains(name));
    for (_, said) in SEVERAL.iter().filter(|(of, _)| *of == name) {
        said.iter()
            .for_each(|said| assert!(done.err.contains(said), "{name}: `{said}` is not said: {}", done.err));
    }
    if name == "described-makes-no-finding" {
        // The plan is for another address than the one with which it got its LDevID.
        assert_eq!(held["plans-precede-ldevids"], false, "{held}");
    }
}

/// A pipe that nobody reads.
fn unread() -> Stdio {
    std::io::pipe().map(|(_, writer)| writer.into()).expect("a pipe")
}

#[test]
fn who_reads_nothing_changes_no_outcome() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |words: &[&str], expect: i32| {
        let status = program().args(words).stdout(unread()).stderr(unread()).status().expect("it runs");
        assert_eq!(status.code(), Some(expect), "{words:?}");
    };
    let data = folder.path().join("broken");
    let broken =
        ["demo", "--headless", "--devices", "2", "--break", "ready-files-private", "--data", text(&data)];
    check(&broken, 1);
    check(&[&broken[..], &["--json"]].concat(), 1);
    let data = folder.path().join("whole");
    check(&["demo", "--headless", "--json", "--devices", "2", "--data", text(&data)], 0);
    // It was played to its end.
    let operator = data.join("operator");
    let counts = run(&["device", "count", "--json", "--data", text(&operator)]).exits(0).json();
    assert_eq!(counts["retired"], 1);
    check(&["demo", "--devices", "3", "--data", text(&data)], 2);
    check(&["device", "show", "nobody", "--json", "--data", text(&operator)], 1);
    check(&["device", "list", "--hub", text(&operator.join("ready.json"))], 3);
    // A list that nobody reads to its end is nobody's fault.
    check(&["device", "list", "--data", text(&operator)], 0);
}

#[test]
fn it_plays_in_no_folder_of_somebody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("letters.txt"), "dear").expect("written");
    let done = run(&["demo", "--headless", "--devices", "1", "--data", text(folder.path())]).exits(2);
    assert!(done.err.contains("neither empty nor an earlier demo's"), "{}", done.err);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

/// A story of five devices is over, as it is whether it was killed or not.
#[track_caller]
fn is_at_its_end(summary: &Json) {
    let ends = ["devices", "onboarded", "upgraded", "rollout_stopped", "quarantined", "replaced", "retired"];
    let expect: [Json; 7] = [5.into(), 5.into(), 5.into(), true.into(), 1.into(), 1.into(), 1.into()];
    assert_eq!(ends.map(|end| summary[end].clone()), expect, "{summary}");
}

#[test]
fn killed_and_started_again_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("demo");
    let mut command = program();
    command.args(["demo", "--headless", "--devices", "5", "--pace", "500", "--data", text(&data)]);
    let mut demo = Process::start(command.stderr(Stdio::null()));
    // The devices are there; none is retired yet.
    demo.line(|line| line.ends_with("support has ended.")).expect("it comes so far");
    demo.signal("-KILL");
    demo.ended();
    is_at_its_end(&summary(&play(&["--data", text(&data)]).exits(0)));
    // And once more, after its end.
    is_at_its_end(&summary(&play(&["--data", text(&data)]).exits(0)));
    run(&["demo", "--headless", "--devices", "6", "--data", text(&data)]).exits(2);
}

/// Three stories, each killed twice at a random moment of its 7 seconds or so. `STEWARD_KILL_SEED`
/// repeats the moments of a run that failed.
#[test]
fn killed_at_random_moments_it_finishes() {
    let given = std::env::var("STEWARD_KILL_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let mut seed: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("STEWARD_KILL_SEED={seed}");
    for round in 0..3 {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("demo");
        for _ in 0..2 {
            // Knuth's generator MMIX (The Art of Computer Programming 2, section 3.3.4).
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let moment = Duration::from_millis((seed >> 33) % 7_000);
            let mut command = program();
            command.args(["demo", "--headless", "--devices", "5", "--data", text(&data)]);
            let ended = Process::start(command.stderr(Stdio::null())).kill_after(moment);
            println!("round {round}: killed after {moment:?}; it had ended: {ended}");
        }
        is_at_its_end(&summary(&play(&["--data", text(&data)]).exits(0)));
    }
}

#[test]
fn watched_it_stays_up_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("demo");
    let mut command = program();
    command.args(["demo", "--devices", "3", "--pace", "0", "--data", text(&data)]);
    let mut demo = Process::start(&mut command);
    let link = demo.line(|line| line.contains("/sign-in/steward_")).expect("a link");
    assert!(link.contains("https://127.0.0.1:"));
    let up = demo.line(|line| line.contains("stay up")).expect("it stays up");
    assert!(up.contains(text(&data)), "{up}");
    // What is told then makes another link.
    let told = demo.line(|line| line.contains("A new link: ")).expect("how to make one");
    let (words, place) =
        told.trim().trim_start_matches("A new link: ").split_once("; ").expect("a command line");
    let mut words = words.split(' ');
    assert_eq!(words.next(), program().get_program().to_str());
    let issued = run(&words.chain(["--json"]).collect::<Vec<_>>()).exits(0).json();
    let secret = issued["secret"].as_str().expect("a secret");
    let (_, page) = place.split_once("behind ").expect("where it goes");
    let (_, path) = page.split_once("/sign-in/").expect("the page");
    assert!(secret.starts_with("steward_") && path.is_empty(), "{told}");
    let ready = data.join("operator/ready.json");
    let counts = run(&["device", "count", "--json", "--hub", text(&ready)]).exits(0).json();
    assert_eq!(counts["total"], 3);
    demo.signal("-INT");
    assert_eq!(demo.ended(), Some(0));
    run(&["device", "count", "--hub", text(&ready)]).exits(3);
}

#[test]
fn a_temporary_folder_is_gone_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let played =
        program().args(["demo", "--headless", "--devices", "1"]).env("TMPDIR", folder.path()).output();
    Done::of(played.expect("it runs")).exits(0);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}
