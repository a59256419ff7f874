//! What a hub orders for a firmware: to start it anew, and to install it anew although it runs.
use crate::upgrade::{Dying, GOOD, Maker, Payload, SILENT, large, run, run_or_die, running, state};
use agent::control::FirmwareOrder;
use agent::upgrade::{Order, Settings};
use std::path::Path;
use tokio::sync::watch;
use wire::control::{FirmwareReport, OrderReport, Progress};
use wire::digest::sha256;

/// Answers, runs on, and leaves the id of its process in the slot's folder.
const NOTED: &str = "#!/bin/sh\necho $$ >> processes\nread line\necho healthy\nread line\n";

/// What ordered, as long as the sender lives.
type Ordering = watch::Sender<Option<Order>>;

fn ordered(settings: Settings, number: u32, install: Option<Vec<u8>>) -> (Settings, Ordering) {
    let (order, orders) = watch::channel(None);
    order.send_replace(Some(Order::Do(FirmwareOrder { number, install })));
    (Settings { orders, ..settings }, order)
}

fn is_over(report: &FirmwareReport) -> bool {
    report.order.is_some()
}

fn is_done(number: u32) -> Option<OrderReport> {
    Some(OrderReport { order: number, progress: Progress::Done })
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(String::from).collect()
}

#[tokio::test]
async fn a_firmware_is_started_anew() {
    let maker = Maker::new();
    let folder = maker.folder();
    agent::upgrade::lay(folder.path(), &maker.device, &maker.envelope(2, NOTED.as_bytes()), NOTED.as_bytes())
        .unwrap();
    let (settings, _order) = ordered(maker.settings(), 7, None);
    let report = run(folder.path(), settings, None, Payload::of(b""), is_over).await.unwrap();
    assert_eq!((report.order.clone(), running(&report)), (is_done(7), Some(2)));
    let processes = lines(&folder.path().join("slots/a/processes"));
    assert_eq!(processes.len(), 2, "{processes:?}");
    assert!(!Path::new("/proc").join(&processes[0]).exists(), "the first one was ended");
}

#[tokio::test]
async fn what_runs_is_installed_anew() {
    let maker = Maker::new();
    let folder = maker.folder();
    let (image, envelope) = (large(GOOD), maker.envelope(2, &large(GOOD)));
    let offer = Some(envelope.clone());
    run(folder.path(), maker.settings(), offer, Payload::of(&image), |it| running(it) == Some(2))
        .await
        .unwrap();
    // Each time all of it is fetched, and the other slot is written.
    for (number, slot) in [(1, "a"), (2, "b"), (3, "a")] {
        let (settings, _order) = ordered(maker.settings(), number, Some(envelope.clone()));
        let source = Payload::of(&image);
        let report = run(folder.path(), settings, None, source.clone(), is_over).await.unwrap();
        assert_eq!((report.order.clone(), running(&report)), (is_done(number), Some(2)));
        assert_eq!(source.asked(), [(0, 256 * 1024), (256 * 1024, image.len() as u64 - 256 * 1024)]);
        assert_eq!(state(folder.path()), format!("confirmed {slot} 2\n"));
        assert_eq!(std::fs::read(folder.path().join("slots").join(slot).join("image")).unwrap(), image);
    }
}

#[tokio::test]
async fn a_slot_that_was_changed_is_written_anew_or_emptied() {
    let maker = Maker::new();
    let (image, envelope) = (large(GOOD), maker.envelope(2, &large(GOOD)));
    for restarted in [true, false] {
        let folder = maker.folder();
        let offer = Some(envelope.clone());
        let payload = || Payload::of(&image);
        run(folder.path(), maker.settings(), offer, payload(), |it| running(it) == Some(2)).await.unwrap();
        let suspected = folder.path().join("slots/b/image");
        let change = || std::fs::write(&suspected, [&image[..], b"# changed\n"].concat()).unwrap();
        if restarted {
            change();
            // It is not started, and the other slot helps.
            let (settings, _order) = ordered(maker.settings(), 1, None);
            let report = run(folder.path(), settings, None, Payload::of(b""), is_over).await.unwrap();
            assert_eq!((report.order.clone(), running(&report)), (is_done(1), Some(1)));
            assert!(report.not_kept.unwrap().why.starts_with("suit-condition-image-match failed"));
        }
        let (settings, order) = ordered(maker.settings(), 2, Some(envelope.clone()));
        if !restarted {
            // It runs from there while it is changed.
            order.send_replace(None);
            let runs = |it: &FirmwareReport| {
                if running(it) == Some(2) && !is_over(it) {
                    change();
                    let install = Some(envelope.clone());
                    order.send_replace(Some(Order::Do(FirmwareOrder { number: 2, install })));
                }
                is_over(it)
            };
            let report = run(folder.path(), settings, None, payload(), runs).await.unwrap();
            assert_eq!((report.order.clone(), running(&report)), (is_done(2), Some(2)));
            assert!(!suspected.exists(), "what is not right is no way back");
            assert_eq!(state(folder.path()), "confirmed a 2\n");
            continue;
        }
        let report = run(folder.path(), settings, None, payload(), is_over).await.unwrap();
        assert_eq!((report.order.clone(), running(&report)), (is_done(2), Some(2)));
        assert_eq!(std::fs::read(&suspected).unwrap(), image);
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let maker = Maker::new();
    let check = |name: &'static str, envelope: Vec<u8>, payload: Vec<u8>, why: &'static str| {
        (name, envelope, payload, why)
    };
    let silent = SILENT.as_bytes();
    for (name, envelope, payload, why) in [
        check("silent", maker.envelope(2, silent), silent.to_vec(), "it did not answer within 4000 ms"),
        check("other bytes", maker.envelope(2, b"#!/bin/sh"), b"#!/bin/zz".to_vec(), "image-match failed"),
        check("a stranger's", b"firmware".to_vec(), vec![], "malformed"),
    ] {
        let folder = maker.folder();
        let mut settings = maker.settings();
        settings.patience.health = 4000;
        let (settings, _order) = ordered(settings, 5, Some(envelope));
        let back = |it: &FirmwareReport| is_over(it) && running(it) == Some(1);
        let report = run(folder.path(), settings, None, Payload::of(&payload), back).await.unwrap();
        let Some(OrderReport { order: 5, progress: Progress::Failed(said) }) = report.order else {
            panic!("{name}: {:?}", report.order);
        };
        assert!(said.contains(why), "{name}: {said}");
    }
}

/// What failed once is tried again by order, and by order alone.
#[tokio::test]
async fn what_was_tried_in_vain_is_tried_by_order() {
    let maker = Maker::new();
    let folder = maker.folder();
    // Healthy as soon as somebody repaired what it needs.
    let image = b"#!/bin/sh\nread line\n[ -e ../../repaired ] && echo healthy\nread line\n";
    let envelope = maker.envelope(2, image);
    let mut settings = maker.settings();
    settings.patience.health = 1000;
    let back = |it: &FirmwareReport| running(it) == Some(1) && it.not_kept.is_some();
    run(folder.path(), settings, Some(envelope.clone()), Payload::of(image), back).await.unwrap();
    std::fs::write(folder.path().join("repaired"), b"").unwrap();
    let (settings, _order) = ordered(maker.settings(), 6, Some(envelope));
    let report = run(folder.path(), settings, None, Payload::of(image), is_over).await.unwrap();
    assert_eq!((report.order.clone(), running(&report)), (is_done(6), Some(2)));
}

/// Power goes at every step of installing anew; ordered again, it is done.
#[tokio::test]
async fn power_may_go_while_it_is_installed_anew() {
    let maker = Maker::new();
    let (image, envelope) = (large(GOOD), maker.envelope(2, &large(GOOD)));
    for done_last in [false, true] {
        for steps in 0.. {
            let folder = maker.folder();
            let offer = Some(envelope.clone());
            run(folder.path(), maker.settings(), offer, Payload::of(&image), |it| running(it) == Some(2))
                .await
                .unwrap();
            // What runs was changed on the disk; what is written anew goes to the other slot.
            let (disk, death) = Dying::after(steps, done_last);
            let settings = Settings { disk: disk.clone(), ..maker.settings() };
            let (settings, _order) = ordered(settings, 1, Some(envelope.clone()));
            let payload = Payload::of(&image);
            run_or_die(folder.path(), settings, None, payload, is_over, death).await.unwrap();
            let some = |it: &FirmwareReport| it.running.is_some();
            let alone = run(folder.path(), maker.settings(), None, Payload::of(b""), some).await.unwrap();
            assert!(alone.not_kept.is_none(), "step {steps}: {alone:?}");
            let (settings, _order) = ordered(maker.settings(), 1, Some(envelope.clone()));
            let report = run(folder.path(), settings, None, Payload::of(&image), is_over).await.unwrap();
            assert_eq!((report.order.clone(), running(&report)), (is_done(1), Some(2)), "step {steps}");
            for slot in ["a", "b"] {
                let left = std::fs::read(folder.path().join("slots").join(slot).join("image"));
                let is_whole =
                    left.map(|left| [sha256(&image), sha256(GOOD.as_bytes())].contains(&sha256(&left)));
                assert!(is_whole.unwrap_or(true), "step {steps}: slot {slot}");
            }
            if !disk.is_dead() {
                // No old image, envelope, two pieces, on trial, started, confirmed.
                assert_eq!(steps, 7);
                break;
            }
        }
    }
}
