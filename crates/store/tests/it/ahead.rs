//! Devices that are ahead of a restored state, on both engines: what becomes of each, and what is said of it.
use crate::checkins::{Join, Lamp};
use crate::support::{Writer, ask, code, on_both, own};
use fleet::onboarding::restoration::view::{Meet, Note};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::room::Cx;
use fleet::time::Millis;
use fleet::upgrade::release::Release;
use fleet::upgrade::release::rules::{Command as Fetch, Fetched, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use store::Outcome;
use wire::control::{FirmwareReport, Running};

/// A device showed a certificate that no row knows.
fn meet(writer: &mut Writer, device: &str, serial_number: &str, serial: &str, since: i64) -> Outcome {
    let (not_before, not_after) = (Millis(since), Millis(i64::MAX));
    let (device, serial_number, serial) = (device.into(), serial_number.into(), serial.into());
    let (key, certificate) = ("k".into(), "PEM".into());
    let meet = Meet { device, serial_number, serial, key, not_before, not_after, certificate };
    writer.commit(&[ask(own(meet))]).remove(0)
}

/// What became of it, or why not; and how many entries that cost.
fn check(writer: &mut Writer, outcome: impl FnOnce(&mut Writer) -> Outcome, expect: &str, entries: u64) {
    let before = writer.lane.tally().entries;
    let outcome = outcome(writer);
    let said = outcome.as_ref().map_or(code(&outcome), |it| it.as_str().expect("a word"));
    assert_eq!((said, writer.lane.tally().entries - before), (expect, entries), "{outcome:?}");
}

/// A maker of this name whose devices a person admits, or a rule does.
fn anchor(writer: &mut Writer, admission: &str) {
    let known: Json = writer.read("anchor list", "{}").expect("a list");
    if known["items"].as_array().is_some_and(Vec::is_empty) {
        let pem = include_str!("../../../fleet/src/onboarding/anchor/example.pem");
        let add = json!({"anchor": "x", "certificate": pem, "admission": admission});
        writer.write("anchor add", &add.to_string()).expect("added");
    } else {
        let by = json!({"anchor": "x", "admission": admission});
        writer.write("anchor admit-by", &by.to_string()).expect("changed");
    }
}

fn show(writer: &mut Writer, device: &str) -> Json {
    writer.read("onboarding show", &json!({"device": device}).to_string()).expect("shown")
}

#[test]
fn each_is_adopted_waits_or_enrols_again() {
    on_both("ahead::each_is_adopted_waits_or_enrols_again", |world| {
        let mut writer = world.writer();
        for serial in ["aa", "bb", "cc"] {
            Lamp::of(&mut writer, Join { name: serial.into(), serial: serial.into() });
        }
        writer.commit(&[ask(own(Note {}))]).remove(0).expect("noted");
        let gaps = writer.read("restoration list", "{}").expect("listed");
        assert_eq!(gaps["items"].as_array().map(Vec::len), Some(1), "{gaps}");
        anchor(&mut writer, "automatic");
        // By rule; the second time it is known.
        check(&mut writer, |it| meet(it, "aa", "aa", "a2", 9_000), "adopted", 3);
        check(&mut writer, |it| meet(it, "aa", "aa", "a2", 9_000), "adopted", 0);
        check(&mut writer, |it| meet(it, "aa", "aa", "a1", 8_000), "ldevid-ended", 0);
        check(&mut writer, |it| meet(it, "aa", "zz", "a3", 10_000), "ldevid-ended", 0);
        // By a person.
        anchor(&mut writer, "ask");
        check(&mut writer, |it| meet(it, "bb", "bb", "b2", 9_000), "wait", 2);
        check(&mut writer, |it| meet(it, "bb", "bb", "b2", 9_000), "wait", 0);
        assert_eq!(show(&mut writer, "bb")["ahead"]["serial"], "b2");
        let adopted = writer.write("onboarding adopt", r#"{"device":"bb"}"#).expect("adopted");
        assert_eq!((&adopted["ahead"], adopted["ldevids"].as_array().map(Vec::len)), (&Json::Null, Some(2)));
        check(&mut writer, |it| meet(it, "bb", "bb", "b2", 9_000), "adopted", 0);
        assert_eq!(code(&writer.write("onboarding adopt", r#"{"device":"bb"}"#)), "not-ahead");
        // What a person revoked no rule brings back.
        anchor(&mut writer, "automatic");
        writer.write("onboarding revoke", r#"{"device":"bb","why":"its key leaked"}"#).expect("revoked");
        check(&mut writer, |it| meet(it, "bb", "bb", "b2", 9_000), "ldevid-ended", 0);
        // A retired device stays retired, and that it came back is a finding.
        writer.write("device retire", r#"{"device":"cc","why":"sold"}"#).expect("retired");
        check(&mut writer, |it| meet(it, "cc", "cc", "c2", 9_000), "ended", 2);
        check(&mut writer, |it| meet(it, "cc", "cc", "c2", 9_000), "ended", 0);
        // One that was never heard of is expected under its id, and one with another id is the one that is known.
        let id = "0190163d-8694-739b-aea5-966c26f8ad91";
        check(&mut writer, |it| meet(it, id, "dd", "d1", 9_000), "enrol-again", 3);
        check(&mut writer, |it| meet(it, id, "dd", "d1", 9_000), "enrol-again", 0);
        let device = writer.read("device show", r#"{"device":"dd"}"#).expect("known");
        assert_eq!((&device["device"], &device["stage"]), (&json!(id), &json!("expected")));
        check(&mut writer, |it| meet(it, "another", "aa", "e1", 11_000), "enrol-again", 1);
        let found = writer.read("finding list", "{}").expect("findings");
        let found: Vec<_> = found["items"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
        assert_eq!(found, ["dd", "aa", "cc"], "once for each device");
        writer.sound();
    });
}

/// A release of the devices' maker is known.
#[derive(Serialize, Deserialize, JsonSchema)]
struct KeepRelease {
    sequence_number: i64,
}

impl Operation for KeepRelease {
    const NAME: &'static str = "test keep-release";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let release = cx.subject("", "new");
        let source = Source { maker: "x".into(), ..Source::default() };
        cx.change::<Release>(&release, Fetch::Want(source))?;
        let fetched = Fetched { sequence_number: self.sequence_number, ..Fetched::default() };
        cx.change::<Release>(&release, Fetch::Keep(Box::new(fetched))).map(drop)
    }
}

/// The lamp says what it runs, and so many findings are open then.
fn runs(lamp: &mut Lamp, sequence_number: u64, findings: usize) {
    let running = Some(Running { sequence_number, manifest: [7; 32] });
    lamp.report.firmware = Some(FirmwareReport { running, ..FirmwareReport::default() });
    lamp.checks_in();
    let (_, changes) = lamp.checks_in();
    assert!(!changes, "it is said once");
    let found = lamp.writer.read("finding list", "{}").expect("findings");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(findings), "{sequence_number}: {found}");
}

#[test]
fn a_firmware_that_nobody_knows_is_a_finding_of_a_restored_hub() {
    on_both("ahead::a_firmware_that_nobody_knows_is_a_finding_of_a_restored_hub", |world| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        runs(&mut lamp, 9, 0);
        lamp.writer.commit(&[ask(own(KeepRelease { sequence_number: 5 }))]).remove(0).expect("kept");
        runs(&mut lamp, 9, 0);
        lamp.writer.commit(&[ask(own(Note {}))]).remove(0).expect("noted");
        runs(&mut lamp, 5, 0);
        runs(&mut lamp, 6, 1);
        runs(&mut lamp, 7, 1);
        let settle = r#"{"device":"lamp","finding":1,"why":"seen"}"#;
        lamp.writer.write("finding settle", settle).expect("settled");
        runs(&mut lamp, 6, 0);
        runs(&mut lamp, 7, 1);
        lamp.writer.sound();
    });
}
