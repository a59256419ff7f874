//! Remediation on both engines: what is tried, when it ends, and who takes over a post.
use crate::checkins::{Join, Lamp};
use crate::support::{code, on_both};
use fleet::remediation::view::Expire;
use serde_json::{Value as Json, json};

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
        lamp.begin("re-install:1:60", json!("action-not-yet"));
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
