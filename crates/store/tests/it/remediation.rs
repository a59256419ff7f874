//! Remediation on both engines: what is tried, when it ends, and who takes over a post.
use crate::checkins::{Join, Lamp};
use crate::support::{World, code, on_both};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::remediation::view::Expire;
use fleet::room::Cx;
use fleet::upgrade::release::Release;
use fleet::upgrade::release::rules::{Command as Fetch, Fetched, Source};
use fleet::upgrade::view::MayFetch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use wire::control::{FirmwareReport, OrderReport, Progress, Running};

const FOREIGN: &str = r#"{"interval":1}"#;

impl Lamp<'_> {
    fn stands(&mut self, stage: &str, conditions: Json) {
        self.expect(
            "device show",
            json!({"device": "lamp"}),
            json!({"stage": stage, "conditions": conditions}),
        );
    }

    fn hold(&mut self) {
        let hold = json!({"device": "lamp", "level": "isolated", "why": "odd"});
        self.expect("quarantine hold", hold, json!({"level": "isolated"}));
    }

    fn begin(&mut self, playbook: &str, least: Json) {
        self.expect("remediation begin", json!({"device": "lamp", "playbook": playbook}), least);
    }

    fn expires(&mut self) -> Json {
        self.own(Expire {}).expect("it expires")
    }
}

#[test]
fn a_playbook_gives_back_the_configuration_and_the_device_is_released() {
    on_both("a_playbook_gives_back_the_configuration", |world| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let first = lamp.file;
        lamp.file = FOREIGN;
        lamp.settles();
        lamp.hold();
        lamp.stands("quarantined", json!(["config-drift"]));
        let tried = json!({"action": "re-apply-configuration", "attempt": 1});
        lamp.begin("re-apply-configuration:2:60,give-up", tried);
        lamp.begin("give-up", json!("remediation-running"));
        lamp.stands("remediation", json!(["config-drift"]));
        let order = lamp.checks_in().0.configuration.expect("it is ordered");
        assert_eq!(order.document, first.as_bytes());
        lamp.stands("remediation", json!(["config-drift"]));
        lamp.file = first;
        lamp.settles();
        lamp.stands("operational", json!([]));
        lamp.expect("quarantine show", json!({"device": "lamp"}), json!({"level": null}));
        lamp.expect("remediation show", json!({"device": "lamp"}), json!({"playbook": "", "action": null}));
        lamp.writer.sound();
    });
}

#[test]
fn a_report_from_before_says_nothing() {
    on_both("a_report_from_before_says_nothing", |world| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        lamp.begin("re-apply-configuration:1:60", json!({"attempt": 1}));
        lamp.writer.now.0 -= 1;
        assert!(!lamp.checks_in().1, "it came before the try");
        lamp.writer.now.0 += 1;
        lamp.stands("remediation", json!([]));
        assert!(lamp.checks_in().1);
        lamp.stands("operational", json!([]));
        lamp.writer.sound();
    });
}

#[test]
fn what_does_not_help_is_given_up_in_time_and_a_spare_takes_the_post() {
    on_both("what_does_not_help_is_given_up_in_time", |world| {
        let mut writer = world.writer();
        let mut spare = Lamp::of(&mut writer, Join { name: "spare".into(), serial: "ab".into() });
        spare.file = FOREIGN;
        spare.settles();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let first = lamp.file;
        lamp.begin("factory-reset:1:60", json!("action-not-yet"));
        lamp.begin("re-install:1:60", json!("nothing-to-install"));
        lamp.begin("re-apply-configuration:2:60", json!({"attempt": 1}));
        assert_eq!(lamp.expires(), 0);
        lamp.waits(61);
        assert_eq!(lamp.expires(), 1);
        lamp.expect("remediation show", json!({"device": "lamp"}), json!({"attempt": 2}));
        lamp.waits(61);
        assert_eq!((lamp.expires(), lamp.expires()), (json!(1), json!(0)));
        lamp.expect("device show", json!({"device": "lamp"}), json!({"stage": "quarantined"}));
        let shown = lamp.writer.read("device show", r#"{"device":"lamp"}"#).expect("shown");
        assert!(shown["conditions"].to_string().contains("needs-attention"), "{shown}");
        lamp.expect("quarantine show", json!({"device": "lamp"}), json!({"level": "update-only"}));
        // Its post goes to the spare: the name and the configuration.
        lamp.expect("device replace", json!({"device": "spare", "by": "lamp"}), json!("not-a-spare"));
        let taken = json!({"device": "ab", "stands_for": "aa", "replaced_by": ""});
        lamp.expect("device replace", json!({"device": "lamp", "by": "spare"}), taken);
        lamp.expect("device show", json!({"device": "ab"}), json!({"name": "lamp", "stage": "operational"}));
        lamp.expect("device show", json!({"device": "aa"}), json!({"name": "lamp-replaced"}));
        lamp.expect("configuration show", json!({"device": "lamp"}), json!({"ordered": 2}));
        let again = lamp.writer.write("device replace", r#"{"device":"aa","by":"ab"}"#);
        assert_eq!(code(&again), "already-replaced");
        let list = json!({"device": "lamp", "from": 1, "to": 2});
        let diff = lamp.writer.read("configuration diff", &list.to_string()).expect("a difference");
        assert!(
            first.contains("60") && diff["difference"].to_string().contains("+   \\\"interval\\\": 60"),
            "{diff}"
        );
        lamp.writer.sound();
    });
}

/// A release for the lamp.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Released {}

impl Operation for Released {
    const NAME: &'static str = "test released";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let release = cx.subject("", "new");
        let source = Source { maker: "x".into(), ..Source::default() };
        cx.change::<Release>(&release, Fetch::Want(source))?;
        let (envelope, manifest, image) = ("AAEC".into(), "02".repeat(32), "ff".repeat(32));
        let fetched = Fetched { envelope, manifest, image, sequence_number: 2, ..Fetched::default() };
        cx.change::<Release>(&release, Fetch::Keep(Box::new(fetched))).map(drop)
    }
}

impl Lamp<'_> {
    /// Its firmware has this sequence number, which its manifest repeats.
    fn runs(&mut self, sequence_number: u64) {
        let manifest = [u8::try_from(sequence_number).expect("small"); 32];
        let running = Some(Running { sequence_number, manifest });
        self.report.firmware = Some(FirmwareReport { running, ..FirmwareReport::default() });
    }

    fn says(&mut self, order: u32, progress: Progress) {
        let firmware = self.report.firmware.get_or_insert_default();
        firmware.order = Some(OrderReport { order, progress });
    }

    /// Takes the release by a rollout.
    fn upgrades(&mut self) {
        self.own(Released {}).expect("released");
        self.runs(1);
        self.settles();
        self.expect("rollout start", json!({"release": "new"}), json!({"started": true}));
        assert_eq!(self.checks_in().0.firmware, Some(vec![0, 1, 2]));
        self.runs(2);
        self.settles();
    }

    fn may_fetch(&mut self) -> bool {
        let call = MayFetch { serial: "aa".into(), image: "ff".repeat(32).parse().expect("a digest") };
        self.look(call).expect("answered") == json!(true)
    }

    fn tries(&mut self, action: &str, attempt: u8) {
        let least = json!({"action": action, "attempt": attempt});
        self.expect("remediation show", json!({"device": "lamp"}), least);
    }
}

#[test]
fn a_playbook_starts_anew_installs_anew_and_gives_back() {
    on_both("a_playbook_starts_anew_installs_anew", |world| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let first = lamp.file;
        lamp.upgrades();
        assert!(!lamp.may_fetch(), "it has it");
        lamp.file = FOREIGN;
        lamp.settles();
        lamp.begin("restart:2:60,re-install:2:60,re-apply-configuration:3:60", json!({"action": "restart"}));
        let restart = lamp.checks_in().0.restart.expect("ordered");
        assert_eq!(lamp.checks_in().0.restart, Some(restart), "an answer may be lost");
        lamp.says(restart, Progress::UnderWay);
        assert_eq!(lamp.checks_in(), Default::default());
        // It started, and from another slot: that did not help.
        lamp.runs(1);
        lamp.says(restart, Progress::Done);
        assert!(lamp.checks_in().1);
        lamp.tries("re-install", 1);
        assert!(lamp.may_fetch());
        let told = lamp.checks_in().0;
        let order = told.reinstall.expect("ordered");
        assert_eq!((told.firmware, told.restart), (Some(vec![0, 1, 2]), None));
        assert_ne!(order, restart);
        lamp.says(order, Progress::Failed("the line was cut".into()));
        lamp.checks_in();
        lamp.tries("re-install", 2);
        let order = lamp.checks_in().0.reinstall.expect("ordered again");
        lamp.runs(2);
        lamp.says(order, Progress::Done);
        lamp.checks_in();
        lamp.tries("re-apply-configuration", 1);
        assert!(!lamp.may_fetch());
        assert_eq!(lamp.checks_in().0.configuration.expect("ordered").document, first.as_bytes());
        lamp.file = first;
        lamp.settles();
        lamp.stands("operational", json!([]));
        let listed = lamp.writer.read("operation list", r#"{"device":"lamp"}"#).expect("a list");
        let all =
            listed["items"].as_array().expect("items").iter().rev().skip_while(|o| o["kind"] != "restart");
        let told: Vec<String> =
            all.map(|o| format!("{} {}", o["kind"], o["phase"]).replace('"', "")).collect();
        let expect = [
            "restart succeeded",
            "re-install failed",
            "re-install succeeded",
            "apply-configuration succeeded",
        ];
        assert_eq!(told, expect);
        lamp.writer.sound();
    });
}

#[test]
fn who_runs_something_older_is_not_well() {
    on_both("who_runs_something_older_is_not_well", |world| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        lamp.upgrades();
        lamp.runs(1);
        lamp.begin("restart:1:60,give-up", json!({"attempt": 1}));
        let restart = lamp.checks_in().0.restart.expect("ordered");
        lamp.says(restart, Progress::Done);
        lamp.checks_in();
        lamp.stands("remediation", json!([]));
        // What it should run was offered by another way.
        lamp.runs(2);
        lamp.says(restart, Progress::Done);
        assert!(lamp.checks_in().1);
        lamp.stands("operational", json!([]));
        // A try that ends takes its order along.
        lamp.begin("restart:1:60,give-up", json!({"attempt": 1}));
        lamp.waits(61);
        assert_eq!(lamp.expires(), 1);
        let ended =
            json!({"items": [{"kind": "restart", "phase": "cancelled", "why": "its playbook ended"}]});
        lamp.expect("operation list", json!({"device": "lamp", "limit": 1}), ended);
        assert_eq!(lamp.checks_in().0.restart, None);
        lamp.writer.sound();
    });
}

#[test]
fn nothing_is_desired_of_a_device_whose_life_is_over() {
    on_both("nothing_is_desired_of_a_device_whose_life_is_over", |world| {
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        lamp.upgrades();
        lamp.begin("re-install:1:60", json!({"action": "re-install"}));
        let set = json!({"device": "lamp", "document": FOREIGN});
        lamp.expect("configuration set", set, json!({"version": 2}));
        assert!(lamp.may_fetch());
        for _ in 0..2 {
            let retire = json!({"device": "lamp", "why": "sold"});
            lamp.expect("device retire", retire, json!({"stage": "retired"}));
            let device = json!({"device": "lamp"});
            let nothing = json!({"applied": 0, "ordered": 0, "drifted": false, "document": ""});
            lamp.expect("configuration show", device.clone(), nothing.clone());
            lamp.expect("configuration versions", device.clone(), json!({"items": []}));
            let open = lamp.writer.read("operation list", &device.to_string()).expect("a list").to_string();
            assert!(!open.contains("requested") && !open.contains("running"), "{open}");
            lamp.expect("device claim", json!({"device": "lamp", "proof": "a bill"}), json!({}));
            lamp.expect("configuration show", device, nothing);
        }
        lamp.writer.sound();
    });
}

#[test]
fn every_try_of_a_playbook_gives_the_configuration() {
    let world = World::sqlite();
    let mut writer = world.writer();
    let mut lamp = Lamp::new(&mut writer);
    lamp.settles();
    lamp.file = r#"{"interval":1}"#;
    lamp.settles();
    let begin = json!({"device": "lamp", "playbook": "re-apply-configuration:2:60,give-up"});
    lamp.expect("remediation begin", begin, json!({"attempt": 1}));
    lamp.waits(61);
    // The hub looks at tries each second, and at the deadlines of operations each minute.
    lamp.own(Expire {}).expect("the second try");
    lamp.own(fleet::control::view::Expire {}).expect("what is late");
    lamp.expect("remediation show", json!({"device": "lamp"}), json!({"attempt": 2}));
    let order = lamp.checks_in().0.configuration.expect("the second try offers it");
    assert_eq!(order.order, 2);
    lamp.own(fleet::control::view::Expire {}).expect("what is late");
    assert!(lamp.checks_in().0.configuration.is_some(), "the second try has its own time");
    lamp.writer.sound();
}

#[test]
fn a_released_device_needs_no_attention() {
    let world = World::sqlite();
    let mut writer = world.writer();
    let mut lamp = Lamp::new(&mut writer);
    lamp.settles();
    lamp.expect("remediation begin", json!({"device": "lamp"}), json!({"attempt": 1}));
    lamp.expect("remediation give-up", json!({"device": "lamp", "why": "seen"}), json!({"attempt": 0}));
    lamp.expect(
        "quarantine release",
        json!({"device": "lamp", "why": "mended by hand"}),
        json!({"level": null}),
    );
    lamp.expect("device show", json!({"device": "lamp"}), json!({"stage": "operational", "conditions": []}));
    lamp.writer.sound();
}

/// A device, held or not, gets a playbook and is held or not while that is tried; then it is well.
#[test]
fn a_playbook_ends_the_hold_that_led_into_it_and_no_other() {
    let check = |world: &World, before: Option<&str>, meanwhile: Option<&str>, expect: Option<&str>| {
        let world = world.another();
        let mut writer = world.writer();
        let mut lamp = Lamp::new(&mut writer);
        lamp.settles();
        let hold = |lamp: &mut Lamp, level: Option<&str>| {
            let Some(level) = level else { return };
            let hold = json!({"device": "lamp", "level": level, "why": "odd"});
            lamp.expect("quarantine hold", hold, json!({"level": level}));
        };
        hold(&mut lamp, before);
        lamp.begin("re-apply-configuration:1:60", json!({"attempt": 1}));
        hold(&mut lamp, meanwhile);
        lamp.stands("remediation", json!([]));
        assert!(lamp.checks_in().1, "it is well");
        lamp.expect("remediation show", json!({"device": "lamp"}), json!({"action": null}));
        lamp.expect("quarantine show", json!({"device": "lamp"}), json!({"level": expect}));
        lamp.stands(if expect.is_some() { "quarantined" } else { "operational" }, json!([]));
        if expect.is_some() {
            // What is held now leads into the next playbook.
            lamp.begin("re-apply-configuration:1:60", json!({"attempt": 1}));
            assert!(lamp.checks_in().1, "it is well again");
            lamp.stands("operational", json!([]));
        }
        lamp.writer.sound();
    };
    on_both("a_playbook_ends_the_hold_that_led_into_it", |world| {
        check(world, None, None, None);
        check(world, Some("isolated"), None, None);
        check(world, None, Some("isolated"), Some("isolated"));
        check(world, Some("update-only"), Some("isolated"), Some("isolated"));
        check(world, Some("isolated"), Some("watched"), Some("watched"));
        // A person says so once more.
        check(world, Some("isolated"), Some("isolated"), Some("isolated"));
    });
}
