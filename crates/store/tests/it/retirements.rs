//! Ends of lives on both engines: a device that joined by the rules is told to wipe itself, and reports
//! with its LDevID's signature.
use crate::support::{World, Writer, ask, code, holds, on_both, own};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use fleet::control::view::{Expire, Hear, Heard, Look};
use fleet::device::rules::{Command, Identity};
use fleet::device::{Device, rules::Stage};
use fleet::onboarding::rules::{Introduction, Ldevid};
use fleet::onboarding::{Onboarding, rules as onboarding};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::retirement::view::{Archive, HearReport, LookAtReport, Spoken, Wanted, Work};
use fleet::room::{Cx, Room};
use fleet::time::{Millis, Shown};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use store::Outcome;
use wire::certificate::profile::{Profile, Validity, issue};
use wire::control::{Desired, Report};
use wire::digest::sha256;
use wire::retirement::LastReport;
use wire::{Certificate, PublicKey, Signer, SignerFailed};

/// A key in memory.
struct TestKey(EcdsaKeyPair);

impl TestKey {
    fn new() -> Self {
        TestKey(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"))
    }
}

impl Signer for TestKey {
    fn public_point(&self) -> [u8; 65] {
        self.0.public_key().as_ref().try_into().expect("65 bytes")
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerFailed> {
        let signature = self.0.sign(&SystemRandom::new(), message);
        signature.map(|it| it.as_ref().to_vec()).map_err(|_| SignerFailed("a test's key".into()))
    }
}

/// A device joins, by the rules alone.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Join {
    device: String,
    certificate: String,
    again: bool,
}

impl Operation for Join {
    const NAME: &'static str = "test join";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let subject = cx.subject("main", &self.device);
        let serial_number = self.device.clone();
        let identity = Identity {
            name: self.device.clone(),
            serial_number: serial_number.clone(),
            maker: "x".into(),
            ..Identity::default()
        };
        if !self.again {
            cx.change::<Device>(&subject, Command::Expect(identity))?;
        }
        let introduction: Introduction =
            serde_json::from_value(json!({"anchor": "x", "serial_number": serial_number, "key": "k"}))
                .expect("an introduction");
        let (not_before, not_after) = (Millis(0), Millis(i64::MAX));
        let serial = format!("{}{}", self.device, if self.again { "-again" } else { "" });
        let key = serial.clone();
        let ldevid =
            Ldevid { key: key.clone(), not_before, not_after, certificate: self.certificate.clone() };
        for command in [
            onboarding::Command::Introduce(introduction),
            onboarding::Command::Admit,
            onboarding::Command::Want { key },
            onboarding::Command::Issue { serial, ldevid },
            onboarding::Command::Report { good: true, reason: String::new(), matched: true },
        ] {
            cx.change::<Onboarding>(&subject, command)?;
        }
        let (state, _) = Device::load(cx.tx, &subject)?.expect("a device");
        assert_eq!(state.stage, Some(Stage::Operational));
        Ok(())
    }
}

struct Lamp {
    id: &'static str,
    key: TestKey,
    ldevid: Certificate,
}

impl Lamp {
    fn joins(writer: &mut Writer, id: &'static str) -> Self {
        Self::enrols(writer, id, false)
    }

    /// In a new life, with a key and an LDevID of that.
    fn joins_again(&self, writer: &mut Writer) -> Self {
        Self::enrols(writer, self.id, true)
    }

    fn enrols(writer: &mut Writer, id: &'static str, again: bool) -> Self {
        let (key, authority) = (TestKey::new(), TestKey::new());
        let profile = Profile::LdevId { serial_number: id.into(), device_id: id.into() };
        let validity = Validity { not_before: 0, not_after: None };
        let root = Profile::Root { common_name: "Domain".into(), organisation: "Test".into() };
        let public = |key: &TestKey| PublicKey::of(key).expect("a key");
        let root = issue(&root, &public(&authority), None, [1; 16], validity, &authority).expect("a root");
        let ldevid = issue(&profile, &public(&key), Some(&root), [2; 16], validity, &authority);
        let lamp = Lamp { id, key, ldevid: ldevid.expect("a certificate") };
        let join = Join { device: id.into(), certificate: lamp.ldevid.to_pem(), again };
        writer.commit(&[ask(own(join))]).remove(0).expect("joined");
        lamp
    }

    /// One check-in, as a hub would make it.
    fn checks_in(&self, writer: &mut Writer) -> Desired {
        let report = String::from_utf8(Report::default().to_json()).expect("text");
        let came = writer.now;
        let (serial, look) =
            (self.id.to_owned(), Look { serial: self.id.into(), report: report.clone(), came });
        let heard =
            |outcome: Outcome| serde_json::from_value::<Heard>(outcome.expect("heard")).expect("heard");
        let mut answer = heard(writer.look(own(look)));
        if answer.changes {
            answer = heard(run(writer, Hear { serial, report, came }));
        }
        answer.desired.map(|text| Desired::from_json(text.as_bytes()).expect("desired")).unwrap_or_default()
    }

    fn says(&self, at: &str) -> LastReport {
        LastReport {
            at: at.into(),
            serial_number: self.id.into(),
            certificate: sha256(self.ldevid.der()),
            wiped: vec!["configuration".into(), "keys".into()],
        }
    }

    fn reports(&self, at: &str) -> Spoken {
        Spoken::read(&self.says(at).sign(&self.ldevid, &self.key).expect("signed")).expect("read")
    }
}

fn run(writer: &mut Writer, operation: impl Operation) -> Outcome {
    writer.commit(&[ask(own(operation))]).remove(0)
}

fn shows(writer: &mut Writer, operation: &str, device: &str, least: Json) {
    let shown = writer.read(operation, &json!({"device": device}).to_string()).expect(operation);
    assert!(holds(&shown, &least), "{operation}: {shown:#}");
}

/// Whether some room holds the blob.
fn is_held(writer: &mut Writer, digest: &str) -> bool {
    let mut held = false;
    let look = writer.engine.snapshot(&mut |tx| {
        for holds in fleet::BLOB_HOLDERS {
            held |= holds(tx, "main", digest)?;
        }
        Ok(())
    });
    look.expect("a snapshot");
    held
}

fn wanted(writer: &mut Writer) -> Vec<Work> {
    serde_json::from_value(writer.look(own(Wanted {})).expect("asked")).expect("work")
}

#[test]
fn a_life_ends_with_the_devices_own_word() {
    on_both("a life ends with the device's own word", |world: &World| {
        let mut writer = world.writer();
        let (lamp, other) = (Lamp::joins(&mut writer, "lamp"), Lamp::joins(&mut writer, "other"));
        let begin = r#"{"device":"lamp","why":"old"}"#;
        let begun = writer.write("retirement begin", begin).expect("begun");
        assert_eq!((&begun["phase"], &begun["ended_at"]), (&json!("requested"), &Json::Null));
        assert_eq!(code(&writer.write("retirement begin", begin)), "decommission-begun");
        let at = begun["asked_at"].as_str().expect("a time").to_owned();
        let wipe = lamp.checks_in(&mut writer).wipe.expect("the order to wipe");
        assert_eq!(wipe.at, at);
        assert_eq!(lamp.checks_in(&mut writer).wipe, Some(wipe), "an answer that was lost is given again");
        assert_eq!(other.checks_in(&mut writer).wipe, None);
        shows(&mut writer, "retirement show", "lamp", json!({"phase": "wiping"}));
        let running = json!({"items": [{"kind": "wipe", "phase": "running"}]});
        shows(&mut writer, "operation list", "lamp", running);
        let early = writer.write("retirement force", r#"{"device":"lamp","why":"lost"}"#);
        assert_eq!(code(&early), "deadline-ahead");
        let called_off = writer.write("operation cancel", r#"{"device":"lamp","operation":1,"why":"no"}"#);
        assert_eq!(code(&called_off), "already-wiping");
        assert!(wanted(&mut writer).is_empty());

        // What is nobody's last report changes nothing.
        let check = |writer: &mut Writer, spoken: Spoken| {
            let looked = writer.look(own(LookAtReport { spoken: spoken.clone() }));
            assert_eq!(code(&looked), "last-report-unknown", "{spoken:?}");
            assert_eq!(code(&run(writer, HearReport { spoken })), "last-report-unknown");
        };
        check(&mut writer, lamp.reports("2001-01-01T00:00:00Z"));
        check(&mut writer, other.reports(&at));
        let posing = LastReport { serial_number: "other".into(), ..lamp.says(&at) };
        let posing = posing.sign(&lamp.ldevid, &lamp.key).expect("signed");
        check(&mut writer, Spoken::read(&posing).expect("read"));
        let forged = Lamp::joins(&mut world.another().writer(), "lamp");
        check(&mut writer, forged.reports(&at));
        shows(&mut writer, "device show", "lamp", json!({"stage": "operational"}));

        let spoken = lamp.reports(&at);
        assert_eq!(writer.look(own(LookAtReport { spoken: spoken.clone() })), Ok(json!("lamp")));
        let heard = run(&mut writer, HearReport { spoken: spoken.clone() }).expect("heard");
        assert_eq!(heard["wiped"], json!(["configuration", "keys"]));
        run(&mut writer, HearReport { spoken: spoken.clone() }).expect("told twice");
        shows(&mut writer, "device show", "lamp", json!({"stage": "retired"}));
        shows(&mut writer, "onboarding show", "lamp", json!({"ldevids": []}));
        shows(&mut writer, "operation list", "lamp", json!({"items": [{"phase": "succeeded"}]}));
        let exported = writer.read("retirement export", r#"{"device":"lamp"}"#);
        assert_eq!(code(&exported), "not-archived");

        let work = wanted(&mut writer).remove(0);
        let text: Json = serde_json::from_str(&work.text).expect("JSON");
        let least = json!({
            "certificate-of-decommission": 1, "serial_number": "lamp", "why": "old", "is_wiped": true,
            "last_report": spoken.report, "ldevids": [wire::digest::hex(&sha256(lamp.ldevid.der()))],
            "journal": [{"lane": 1}],
        });
        assert!(holds(&text, &least), "{text:#}");
        let certificate = "ab".repeat(32).parse().expect("a digest");
        run(&mut writer, Archive { site: work.site, device: work.device, certificate }).expect("archived");
        assert!(wanted(&mut writer).is_empty());
        let exported = writer.read("retirement export", r#"{"device":"lamp"}"#).expect("exported");
        let least = json!({"last_report": spoken.report, "ldevid": lamp.ldevid.to_pem()});
        assert!(holds(&exported, &least), "{exported:#}");
        let proofs = [spoken.report.as_str(), &"ab".repeat(32)];
        assert!(proofs.into_iter().all(|digest| is_held(&mut writer, digest)));
        assert!(!is_held(&mut writer, &"cd".repeat(32)));
        let again = writer.write("retirement begin", begin);
        assert_eq!(code(&again), "not-at-work");
        writer.sound();
    });
}

#[test]
fn a_device_that_never_answers() {
    on_both("a device that never answers", |world: &World| {
        let mut writer = world.writer();
        let lamp = Lamp::joins(&mut writer, "lamp");
        let begin = r#"{"device":"lamp","why":"old","within_minutes":1}"#;
        let at = writer.write("retirement begin", begin).expect("begun")["asked_at"].clone();
        assert!(lamp.checks_in(&mut writer).wipe.is_some());
        writer.now = writer.now.plus_seconds(61);
        assert_eq!(run(&mut writer, Expire {}), Ok(json!(1)));
        shows(&mut writer, "retirement show", "lamp", json!({"phase": "overdue"}));
        assert_eq!(lamp.checks_in(&mut writer).wipe, None, "nobody waits for it any more");
        let forced = writer.write("retirement force", r#"{"device":"lamp","why":"lost"}"#).expect("forced");
        let least = json!({"phase": "forced", "why": "lost", "wiped": [], "last_report": ""});
        assert!(holds(&forced, &least), "{forced:#}");
        shows(&mut writer, "device show", "lamp", json!({"stage": "retired"}));
        shows(&mut writer, "onboarding show", "lamp", json!({"ldevids": []}));
        let text: Json = serde_json::from_str(&wanted(&mut writer).remove(0).text).expect("JSON");
        assert_eq!(text["is_wiped"], json!(false));
        writer.sound();

        // Its word was under way: it counts, and the certificate that did not know of it is replaced.
        let first = "ab".repeat(32);
        archive(&mut writer, &first);
        let at = at.as_str().expect("a time");
        writer.now = writer.now.plus_seconds(3600);
        let (late, again) = (lamp.reports(at), lamp.reports(at));
        let heard = run(&mut writer, HearReport { spoken: late.clone() }).expect("heard");
        let least = json!({"phase": "wiped", "why": "lost", "ended_at": forced["ended_at"],
            "heard_at": Shown(writer.now), "last_report": late.report, "ldevid": lamp.ldevid.to_pem(),
            "certificate": "", "replaces": first});
        assert!(holds(&heard, &least), "{heard:#}");
        run(&mut writer, HearReport { spoken: late.clone() }).expect("told twice");
        // One word is enough: nothing else is kept.
        assert_eq!(code(&writer.look(own(LookAtReport { spoken: again.clone() }))), "decommission-over");
        assert_eq!(code(&run(&mut writer, HearReport { spoken: again })), "decommission-over");
        let work = wanted(&mut writer).remove(0);
        let text: Json = serde_json::from_str(&work.text).expect("JSON");
        let least = json!({"is_wiped": true, "why": "lost", "ended_at": forced["ended_at"],
            "heard_at": Shown(writer.now), "last_report": late.report, "replaces": first});
        assert!(holds(&text, &least), "{text:#}");
        assert_eq!(work.at, writer.now, "it is signed when it was heard");
        let second = "cd".repeat(32);
        archive(&mut writer, &second);
        let exported = writer.read("retirement export", r#"{"device":"lamp"}"#).expect("exported");
        assert!(holds(&exported, &json!({"certificate": second, "last_report": late.report})), "{exported}");
        let proofs = [late.report.as_str(), &first, &second];
        assert!(proofs.into_iter().all(|digest| is_held(&mut writer, digest)));
        shows(&mut writer, "device show", "lamp", json!({"stage": "retired"}));
        writer.sound();
    });
}

#[test]
fn a_late_word_ends_no_new_life() {
    on_both("a late word ends no new life", |world: &World| {
        let mut writer = world.writer();
        let lamp = Lamp::joins(&mut writer, "lamp");
        let begun = writer.write("retirement begin", r#"{"device":"lamp","why":"old"}"#).expect("begun");
        let at = begun["asked_at"].as_str().expect("a time").to_owned();
        writer.write("device retire", r#"{"device":"lamp","why":"stolen"}"#).expect("retired");
        writer.write("device claim", r#"{"device":"lamp","proof":"a bill"}"#).expect("claimed");
        // Its certificate of now says nothing of the life before.
        let renewed = lamp.joins_again(&mut writer);
        let unknown = writer.look(own(LookAtReport { spoken: renewed.reports(&at) }));
        assert_eq!(code(&unknown), "last-report-unknown");
        run(&mut writer, HearReport { spoken: lamp.reports(&at) }).expect("heard");
        shows(&mut writer, "retirement show", "lamp", json!({"phase": "wiped"}));
        shows(&mut writer, "device show", "lamp", json!({"stage": "operational"}));
        shows(&mut writer, "onboarding show", "lamp", json!({"ldevids": [{}]}));
        writer.sound();
    });
}

/// Keeps the certificate of decommission that is wanted.
fn archive(writer: &mut Writer, certificate: &str) {
    let work = wanted(writer).remove(0);
    let certificate = certificate.parse().expect("a digest");
    run(writer, Archive { site: work.site, device: work.device, certificate }).expect("archived");
}

#[test]
fn a_device_that_is_retired_at_once_or_not_at_all() {
    on_both("a device that is retired at once or not at all", |world: &World| {
        let mut writer = world.writer();
        let lamp = Lamp::joins(&mut writer, "lamp");
        writer.write("retirement begin", r#"{"device":"lamp","why":"old"}"#).expect("begun");
        writer
            .write("operation cancel", r#"{"device":"lamp","operation":1,"why":"no"}"#)
            .expect("called off");
        shows(&mut writer, "retirement show", "lamp", json!({"phase": "cancelled"}));
        assert_eq!(lamp.checks_in(&mut writer).wipe, None);
        writer.write("retirement begin", r#"{"device":"lamp","why":"old"}"#).expect("begun anew");
        writer.write("device retire", r#"{"device":"lamp","why":"stolen"}"#).expect("retired");
        shows(&mut writer, "retirement show", "lamp", json!({"phase": "forced", "why": "stolen"}));
        shows(&mut writer, "operation list", "lamp", json!({"items": [{"phase": "cancelled"}, {}]}));
        writer.sound();
    });
}

#[test]
fn posture_names_the_devices_that_fall_short() {
    on_both("posture names the devices that fall short", |world: &World| {
        let mut writer = world.writer();
        Lamp::joins(&mut writer, "a");
        Lamp::joins(&mut writer, "b");
        let check = |writer: &mut Writer, arguments: &str, least: Json| {
            let checked = writer.read("posture check", arguments).expect("checked");
            assert!(holds(&checked, &least), "{arguments}: {checked:#}");
        };
        check(&mut writer, r#"{"requirement":"identified"}"#, json!({"looked_at": 2, "failing": []}));
        let undescribed = json!({"looked_at": 2, "failing": [{"name": "a"}, {"name": "b"}]});
        check(&mut writer, r#"{"requirement":"described"}"#, undescribed);
        let first = json!({"looked_at": 1, "failing": [{"name": "a"}], "next": "a"});
        check(&mut writer, r#"{"requirement":"described","limit":1}"#, first);
        check(&mut writer, r#"{"requirement":"described","after":"a"}"#, json!({"failing": [{"name": "b"}]}));
        check(&mut writer, r#"{"requirement":"supported"}"#, json!({"looked_at": 2, "failing": []}));
        writer.write("support set", r#"{"maker":"x","until":"2001-01-01T00:00:00Z"}"#).expect("set");
        let unsupported = json!({"failing": [{"name": "a"}, {"name": "b"}]});
        check(&mut writer, r#"{"requirement":"supported"}"#, unsupported);
        shows(&mut writer, "device show", "a", json!({"conditions": ["unsupported"]}));
        writer.write("onboarding revoke", r#"{"device":"a","why":"leaked"}"#).expect("revoked");
        check(&mut writer, r#"{"requirement":"identified"}"#, json!({"looked_at": 1, "failing": []}));
    });
}

/// The lamp, whose certificates were revoked, is admitted and enrolled again.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Rejoin {}

impl Operation for Rejoin {
    const NAME: &'static str = "test rejoin";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let subject = cx.subject("main", "aa");
        let introduction =
            serde_json::from_value(json!({"anchor": "x", "serial_number": "aa", "key": "aa"})).expect("one");
        let (not_before, not_after) = (Millis(0), Millis(i64::MAX));
        let key = String::from("new");
        let ldevid = Ldevid { key: key.clone(), not_before, not_after, certificate: String::new() };
        for command in [
            onboarding::Command::Introduce(introduction),
            onboarding::Command::Admit,
            onboarding::Command::Want { key },
            onboarding::Command::Issue { serial: "aa".into(), ldevid },
            onboarding::Command::Report { good: true, reason: String::new(), matched: true },
        ] {
            cx.change::<Onboarding>(&subject, command)?;
        }
        Ok(true)
    }
}

#[test]
fn an_order_to_wipe_does_not_outlive_the_certificate_that_it_was_given_for() {
    for told in [false, true] {
        on_both("an order to wipe and its certificate", |world: &World| {
            let mut writer = world.writer();
            let mut lamp = crate::checkins::Lamp::of(&mut writer, crate::checkins::Join::lamp());
            lamp.settles();
            let begin = json!({"device": "lamp", "why": "sold", "within_minutes": 40320});
            lamp.expect("retirement begin", begin, json!({"phase": "requested"}));
            assert!(!told || lamp.checks_in().0.wipe.is_some());
            let revoke = json!({"device": "lamp", "why": "its key leaked"});
            lamp.expect("onboarding revoke", revoke, json!({"admitted": false}));
            lamp.expect("device show", json!({"device": "lamp"}), json!({"stage": "expected"}));
            lamp.expect("retirement show", json!({"device": "lamp"}), json!({"phase": "cancelled"}));
            lamp.expect(
                "operation list",
                json!({"device": "lamp"}),
                json!({"items": [{"phase": "cancelled"}]}),
            );
            // A person admits it again.
            lamp.own(Rejoin {}).expect("joined again");
            assert!(lamp.checks_in().0.wipe.is_none(), "its first check-in tells it to wipe itself");
            lamp.writer.sound();
        });
    }
}

#[test]
fn a_device_that_comes_back_late_can_still_be_wiped() {
    on_both("a device that comes back late", |world: &World| {
        let mut writer = world.writer();
        let lamp = Lamp::joins(&mut writer, "lamp");
        let begin = r#"{"device":"lamp","why":"old","within_minutes":1}"#;
        let overdue = |writer: &mut Writer| {
            let at = writer.write("retirement begin", begin).expect("begun")["asked_at"].clone();
            writer.now = writer.now.plus_seconds(61);
            assert_eq!(run(writer, Expire {}), Ok(json!(1)));
            shows(writer, "retirement show", "lamp", json!({"phase": "overdue"}));
            at.as_str().expect("a time").to_owned()
        };
        overdue(&mut writer);
        let cancelled = writer.write("retirement cancel", r#"{"device":"lamp"}"#).expect("called off");
        assert_eq!(cancelled["phase"], "cancelled");
        let first = overdue(&mut writer);
        let begun = writer.write("retirement begin", begin).expect("it gets a new deadline");
        assert_eq!(begun["phase"], "requested");
        let wipe = lamp.checks_in(&mut writer).wipe.expect("the order to wipe");
        assert_eq!(json!(wipe.at), begun["asked_at"]);
        assert_eq!(code(&writer.write("retirement begin", begin)), "decommission-begun");
        assert_eq!(code(&writer.write("retirement cancel", r#"{"device":"lamp"}"#)), "already-wiping");
        // It had wiped itself by the order before.
        let heard = run(&mut writer, HearReport { spoken: lamp.reports(&first) }).expect("heard");
        assert_eq!(heard["phase"], "wiped");
        writer.sound();
    });
}

#[test]
fn proofs_of_an_end_outlive_a_new_life() {
    use fleet::retirement::{Retirement, rules};
    /// A device is decommissioned, and comes back to be decommissioned again.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct TwoLives {}
    impl Operation for TwoLives {
        const NAME: &'static str = "test two-lives";
        const KIND: Kind = Kind::Write;
        const NEEDS: Permission = Permission::Operate;
        type Answer = bool;

        fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
            let subject = cx.subject("main", "gone");
            let begin =
                || rules::Command::Begin { why: "old".into(), deadline: Millis(9), ldevids: String::new() };
            let said = rules::Said { report: "aa".repeat(32), wiped: vec![], ldevid: String::new() };
            let archive = rules::Command::Archive { certificate: "bb".repeat(32) };
            for command in [begin(), rules::Command::Hear(said), archive, begin()] {
                cx.change::<Retirement>(&subject, command)?;
            }
            Ok(true)
        }
    }
    on_both("proofs of an end outlive a new life", |world: &World| {
        let mut writer = world.writer();
        run(&mut writer, TwoLives {}).expect("two lives");
        for digest in ["aa", "bb"] {
            assert!(is_held(&mut writer, &digest.repeat(32)), "{digest}: nobody holds it");
        }
        assert!(!is_held(&mut writer, &"cc".repeat(32)));
    });
}
