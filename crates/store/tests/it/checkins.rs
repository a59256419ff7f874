//! Check-ins on both engines: a device that joined by the rules alone reports, and is told.
use crate::support::{World, Writer, code, holds, on_both, own};
use fleet::control::view::{Contact, Expire, Hear, Heard, Look, NoteContacts};
use fleet::device::rules::{Command, Identity};
use fleet::device::{Device, rules::Stage};
use fleet::onboarding::rules::{Introduction, Ldevid};
use fleet::onboarding::{Onboarding, rules as onboarding};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::room::{Cx, Room};
use fleet::time::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use store::{Outcome, run_read};
use wire::control::{Desired, NotKept, Report};
use wire::digest::sha256;

/// A device joins, without certificates; its LDevID has this serial number.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Join {
    pub name: String,
    pub serial: String,
}

impl Join {
    pub fn lamp() -> Self {
        Join { name: "lamp".into(), serial: "aa".into() }
    }
}

impl Operation for Join {
    const NAME: &'static str = "test join";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let subject = cx.subject("main", &self.serial);
        let identity = Identity {
            name: self.name.clone(),
            serial_number: self.serial.clone(),
            maker: "x".into(),
            ..Identity::default()
        };
        cx.change::<Device>(&subject, Command::Expect(identity))?;
        let introduction: Introduction =
            serde_json::from_value(json!({"anchor": "x", "serial_number": self.serial, "key": self.serial}))
                .expect("one");
        let key = format!("l{}", self.serial);
        let (not_before, not_after) = (Millis(0), Millis(i64::MAX));
        let ldevid = Ldevid { key: key.clone(), not_before, not_after, certificate: String::new() };
        for command in [
            onboarding::Command::Introduce(introduction),
            onboarding::Command::Admit,
            onboarding::Command::Want { key },
            onboarding::Command::Issue { serial: self.serial.clone(), ldevid },
            onboarding::Command::Report { good: true, reason: String::new(), matched: true },
        ] {
            cx.change::<Onboarding>(&subject, command)?;
        }
        let (state, _) = Device::load(cx.tx, &subject)?.expect("a device");
        assert_eq!(state.stage, Some(Stage::Operational));
        Ok(subject.id)
    }
}

/// The device: what its file holds and what it says.
pub struct Lamp<'a> {
    pub writer: &'a mut Writer,
    pub file: &'static str,
    pub report: Report,
    serial: String,
}

impl<'a> Lamp<'a> {
    pub fn new(writer: &'a mut Writer) -> Self {
        Self::of(writer, Join::lamp())
    }

    pub fn of(writer: &'a mut Writer, join: Join) -> Self {
        let serial = join.serial.clone();
        writer.commit(&[crate::support::ask(own(join))]).remove(0).expect("joined");
        Lamp { writer, file: r#"{"interval":60}"#, report: Report::default(), serial }
    }

    /// One check-in, as a hub would make it; what it was answered, and whether that was written.
    pub fn checks_in(&mut self) -> (Desired, bool) {
        self.report.configuration.digest = Some(sha256(self.file.as_bytes()));
        let report = String::from_utf8(self.report.to_json()).expect("text");
        let came = self.writer.now;
        let (serial, look) =
            (self.serial.clone(), Look { serial: self.serial.clone(), report: report.clone(), came });
        let mut heard = heard(self.look(look));
        let changes = heard.changes;
        if changes {
            heard = self::heard(self.own(Hear { serial, report, came }));
            assert!(!heard.changes, "what was heard is not new any more");
        }
        self.report.configuration.document = None;
        let desired = heard.desired.map(|text| Desired::from_json(text.as_bytes()).expect("an answer"));
        (desired.unwrap_or_default(), changes)
    }

    /// Asks what only looks.
    pub fn look(&mut self, look: impl Operation) -> Outcome {
        let (now, env, permitted) = (self.writer.now, self.writer.env.clone(), own(look));
        let mut found = None;
        let looked = self.writer.engine.snapshot(&mut |tx| {
            found = Some(run_read(tx, now, &env, &permitted));
            Ok(())
        });
        looked.expect("a snapshot");
        found.expect("a snapshot runs its body")
    }

    pub fn own(&mut self, call: impl Operation) -> Outcome {
        self.writer.commit(&[crate::support::ask(own(call))]).remove(0)
    }

    /// Checks in until nothing is wanted, and does nothing but send its document.
    pub fn settles(&mut self) {
        loop {
            let (desired, changes) = self.checks_in();
            if desired.send_configuration {
                self.report.configuration.document = Some(self.file.as_bytes().to_vec());
            } else if !changes {
                assert_eq!(desired, Desired::default());
                return;
            }
        }
    }

    pub fn expect(&mut self, operation: &str, arguments: Json, least: Json) {
        let (noun, verb) = operation.split_once(' ').expect("noun verb");
        let outcome = match fleet::operation(noun, verb).expect("an operation").kind {
            Kind::Write => self.writer.write(operation, &arguments.to_string()),
            Kind::Read => self.writer.read(operation, &arguments.to_string()),
        };
        let good = match (&outcome, least.as_str()) {
            (Ok(answer), None) => holds(answer, &least),
            (outcome, Some(refused)) => code(outcome) == refused,
            (Err(_), None) => false,
        };
        assert!(good, "{operation} {arguments}: {outcome:#?}");
    }

    fn shows(&mut self, least: Json) {
        self.expect("configuration show", json!({"device": "lamp"}), least);
    }

    pub fn waits(&mut self, seconds: i64) {
        self.writer.now = self.writer.now.plus_seconds(seconds);
    }
}

fn heard(outcome: Outcome) -> Heard {
    serde_json::from_value(outcome.expect("heard")).expect("what was heard")
}

#[test]
fn a_first_backup_is_taken() {
    on_both("a first backup is taken", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.expect(
            "configuration set",
            json!({"device": "lamp", "document": "{}"}),
            json!("configuration-unknown"),
        );
        lamp.shows(json!({"applied": 0, "document": ""}));
        let (desired, changes) = lamp.checks_in();
        assert!(desired.send_configuration && !changes);
        lamp.report.configuration.document = Some(b"another".to_vec());
        assert_eq!(lamp.checks_in(), (desired, false), "a document that is not the one that was named");
        lamp.settles();
        lamp.shows(json!({"applied": 1, "drifted": false, "difference": "", "document": lamp.file}));
        lamp.expect("configuration backup", json!({"device": "lamp"}), json!({"applied": 1}));
        lamp.expect("operation list", json!({"device": "lamp"}), json!({"items": []}));
        lamp.writer.sound();
    });
}

#[test]
fn a_new_configuration_is_tried_confirmed_and_kept() {
    on_both("a new configuration is tried, confirmed and kept", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let new = r#"{"interval":5}"#;
        let set = |dry_run: bool| json!({"device": "lamp", "document": new, "dry_run": dry_run});
        let difference = "  {\n-   \"interval\": 60\n+   \"interval\": 5\n  }\n";
        lamp.expect("configuration set", set(true), json!({"version": 0, "difference": difference}));
        lamp.shows(json!({"ordered": 0}));
        lamp.expect("configuration set", set(false), json!({"version": 2, "difference": difference}));
        lamp.shows(json!({"applied": 1, "ordered": 2, "difference": difference}));
        let (desired, changes) = lamp.checks_in();
        let order = desired.configuration.clone().expect("an order");
        assert!(changes, "it begins");
        assert_eq!((order.order, &order.document[..], order.confirm_seconds), (1, new.as_bytes(), 60));
        assert_eq!(order.over, Some(sha256(lamp.file.as_bytes())));
        assert_eq!(lamp.checks_in(), (desired, false), "an answer that was lost is given again");
        lamp.expect("operation list", json!({"device": "lamp"}), json!({"items": [{"phase": "running"}]}));

        lamp.file = new;
        lamp.report.configuration.trial = Some(1);
        let confirmed = Desired { confirmed: Some(1), ..Desired::default() };
        assert_eq!(lamp.checks_in(), (confirmed.clone(), false));
        assert_eq!(lamp.checks_in(), (confirmed, false));
        lamp.shows(json!({"applied": 1, "ordered": 2}));
        lamp.report.configuration.trial = None;
        lamp.report.configuration.applied = 1;
        assert_eq!(lamp.checks_in(), (Desired::default(), true));
        lamp.shows(json!({"applied": 2, "ordered": 0, "difference": "", "document": new}));
        let done = json!({"items": [{"phase": "succeeded", "about": "2", "kind": "apply-configuration"}]});
        lamp.expect("operation list", json!({"device": "lamp"}), done);
        lamp.expect("configuration set", set(false), json!("configuration-unchanged"));
        lamp.expect("configuration restore", json!({"device": "lamp"}), json!("configuration-unchanged"));
        lamp.expect(
            "configuration restore",
            json!({"device": "lamp", "version": 7}),
            json!("version-unknown"),
        );
        lamp.expect(
            "configuration versions",
            json!({"device": "lamp"}),
            json!({"items": [{"version": 2, "source": "person", "applied": true}, {"version": 1, "source": "device"}]}),
        );
        lamp.writer.sound();
    });
}

#[test]
fn what_a_device_takes_back_or_refuses_is_said() {
    on_both("what a device takes back is said", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let set = json!({"device": "lamp", "document": "{\"hub\":\"https://nowhere.example\"}"});
        for (order, reverted) in [(1, true), (2, false)] {
            lamp.expect("configuration set", set.clone(), json!({"version": order + 1}));
            assert!(lamp.checks_in().0.configuration.is_some());
            let why = "no check-in in time".into();
            lamp.report.configuration.last = Some(NotKept { order, reverted, why });
            assert_eq!(lamp.checks_in(), (Desired::default(), true));
            assert_eq!(lamp.checks_in(), (Desired::default(), false));
            lamp.shows(json!({"applied": 1, "ordered": 0, "trouble": "no check-in in time"}));
            let failed = json!({"phase": "failed", "why": "no check-in in time"});
            let list = json!({"device": "lamp", "limit": 1});
            lamp.expect("operation list", list, json!({"items": [failed]}));
        }
        // What it said of an earlier order means nothing for the next.
        lamp.expect("configuration restore", json!({"device": "lamp", "version": 2}), json!({"version": 2}));
        assert!(lamp.checks_in().0.configuration.is_some());
        lamp.shows(json!({"ordered": 2, "trouble": ""}));
        lamp.writer.sound();
    });
}

#[test]
fn a_change_from_outside_is_drift_and_a_person_decides() {
    on_both("a change from outside is drift", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let (first, foreign) = (lamp.file, r#"{"interval":1}"#);
        lamp.file = foreign;
        let (desired, changes) = lamp.checks_in();
        assert!(changes && desired.send_configuration);
        lamp.settles();
        let difference = "  {\n-   \"interval\": 60\n+   \"interval\": 1\n  }\n";
        lamp.shows(json!({"applied": 1, "drifted": true, "difference": difference}));
        lamp.expect("configuration diff", json!({"device": "lamp"}), json!({"difference": difference}));
        lamp.expect("device show", json!({"device": "lamp"}), json!({"conditions": ["config-drift"]}));
        let journal = lamp.writer.read("audit list", r#"{"limit":500}"#).expect("the journal").to_string();
        assert_eq!(journal.matches("drifted").count(), 1, "{journal}");

        // Restored over exactly what was seen.
        lamp.expect("configuration restore", json!({"device": "lamp"}), json!({"version": 1}));
        let order = lamp.checks_in().0.configuration.expect("an order");
        assert_eq!((order.over, &order.document[..]), (Some(sha256(foreign.as_bytes())), first.as_bytes()));
        lamp.file = first;
        lamp.settles();
        lamp.shows(json!({"applied": 1, "drifted": false, "difference": "", "trouble": ""}));
        lamp.expect("device show", json!({"device": "lamp"}), json!({"conditions": []}));

        // Changed back from outside: once, however often it is said; and soon after it waits.
        lamp.file = foreign;
        assert!(!lamp.checks_in().1, "too soon after the last drift");
        lamp.waits(1);
        lamp.settles();
        // Kept this time.
        lamp.expect(
            "configuration backup",
            json!({"device": "lamp"}),
            json!({"applied": 2, "drifted": false}),
        );
        lamp.settles();
        lamp.expect(
            "configuration diff",
            json!({"device": "lamp", "from": 1, "to": 2}),
            json!({"difference": difference}),
        );
        lamp.writer.sound();
    });
}

#[test]
fn nothing_unseen_is_overwritten() {
    on_both("nothing unseen is overwritten", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        lamp.expect("configuration set", json!({"device": "lamp", "document": "{}"}), json!({"version": 2}));
        lamp.file = r#"{"interval":1}"#;
        let (desired, changes) = lamp.checks_in();
        assert!(changes && desired.configuration.is_none());
        let meanwhile = "its configuration was changed from outside meanwhile";
        lamp.shows(json!({"ordered": 0, "drifted": true, "trouble": meanwhile}));
        lamp.writer.sound();
    });
}

#[test]
fn orders_end_in_time_and_by_hand() {
    on_both("orders end in time and by hand", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let set =
            |n: u32| json!({"device": "lamp", "document": format!("{{\"n\":{n}}}"), "within_minutes": 1});
        lamp.expect("configuration set", set(1), json!({"version": 2}));
        lamp.expect("configuration set", set(2), json!({"version": 3}));
        let replaced =
            json!([{"operation": 2, "phase": "requested"}, {"operation": 1, "phase": "cancelled"}]);
        lamp.expect("operation list", json!({"device": "lamp"}), json!({"items": replaced}));
        lamp.shows(json!({"ordered": 3}));
        let cancel = |operation: u32| json!({"device": "lamp", "operation": operation, "why": "no"});
        lamp.expect("operation cancel", cancel(1), json!("operation-over"));
        lamp.expect("operation cancel", cancel(9), json!("operation-unknown"));
        lamp.expect("operation cancel", cancel(2), json!({"phase": "cancelled", "why": "no"}));
        lamp.shows(json!({"ordered": 0}));
        assert_eq!(lamp.checks_in(), (Desired::default(), false));

        lamp.expect("configuration set", set(3), json!({"version": 4}));
        lamp.waits(61);
        assert_eq!(lamp.checks_in(), (Desired::default(), false), "late, and not yet ended");
        assert_eq!(lamp.own(Expire {}).expect("expired"), 1);
        assert_eq!(lamp.own(Expire {}).expect("expired"), 0);
        lamp.shows(json!({"ordered": 0}));
        let list = json!({"device": "lamp", "limit": 1});
        lamp.expect("operation list", list, json!({"items": [{"phase": "expired"}], "next": "3"}));

        lamp.expect("configuration set", set(4), json!({"version": 5}));
        lamp.expect("device retire", json!({"device": "lamp", "why": "old"}), json!({}));
        lamp.shows(json!({"ordered": 0}));
        lamp.expect("configuration set", set(5), json!("not-at-work"));
        lamp.writer.sound();
    });
}

#[test]
fn old_versions_make_room() {
    on_both("old versions make room", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        for n in 0..40 {
            let document = format!("{{\"n\":{n}}}");
            let set = json!({"device": "lamp", "document": document});
            lamp.expect("configuration set", set, json!({"version": n + 2}));
        }
        let list = lamp.writer.read("configuration versions", r#"{"device":"lamp"}"#).expect("versions");
        let numbers: Vec<_> =
            list["items"].as_array().expect("items").iter().map(|v| v["version"].as_u64()).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[15]), (16, Some(41), Some(1)), "the one in use stays");
        let documents = lamp.writer.rows("SELECT digest FROM configuration_document", &[]);
        assert_eq!(documents.len(), 16);
        lamp.writer.sound();
    });
}

#[test]
fn bad_reports_store_nothing() {
    on_both("bad reports store nothing", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        for (serial, report, refused) in [
            ("aa", "", "bad-report"),
            ("aa", "{}", "bad-report"),
            ("aa", r#"{"version":1,"configuration":{"digest":"x"}}"#, "bad-report"),
            ("bb", r#"{"version":1,"configuration":{}}"#, "ldevid-ended"),
        ] {
            let (serial, report) = (serial.to_owned(), report.to_owned());
            let looked = lamp.look(Look { serial: serial.clone(), report: report.clone(), came: Millis(0) });
            assert_eq!(
                (code(&looked), code(&lamp.own(Hear { serial, report, came: Millis(0) }))),
                (refused, refused)
            );
        }
        lamp.expect("audit check", json!({}), json!({"subjects": 2}));
    });
}

/// Contact is outside of the journal, and makes a silent device.
#[test]
fn contact_is_noted_and_its_end_shows() {
    on_both("contact is noted", |world: &World| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        let show = json!({"device": "lamp"});
        lamp.expect("device show", show.clone(), json!({"conditions": [], "last_seen": null}));
        let entries = lamp.writer.lane.tally().entries;
        let contact = |device: &str, seen| Contact {
            organisation: "main".into(),
            site: "main".into(),
            device: device.into(),
            seen,
            digest: String::new(),
        };
        let now = lamp.writer.now;
        for seen in [Millis(5), now] {
            let contacts = vec![contact("1", seen), contact("aa", seen)];
            assert_eq!(lamp.own(NoteContacts { contacts }).expect("noted"), 2);
        }
        assert_eq!(lamp.writer.lane.tally().entries, entries);
        lamp.expect("device show", show.clone(), json!({"conditions": [], "last_seen": now.to_string()}));
        lamp.waits(121);
        lamp.expect("device show", show, json!({"conditions": ["silent"]}));
    });
}
