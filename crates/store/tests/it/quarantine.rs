//! Quarantine on both engines: packets are judged, a device is held, its plan is made narrow and wide again.
use crate::checkins::Join;
use crate::plans::{Stage, URL, digest};
use crate::support::{World, ask, code, holds, on_both, own};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::room::Cx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// A device at work with an active plan that lets it talk to its bridge.
fn at_work(world: &World) -> Stage {
    let mut stage = Stage(world.writer());
    stage.0.commit(&[ask(own(Join::lamp()))]).remove(0).expect("joined");
    let located = json!({"device": "lamp", "addresses": "192.0.2.1", "macs": "02:00:5e:00:53:01"});
    stage.ask("access locate", located);
    stage.ask("controller add", json!({"class": "https://maker.example/bridge", "hosts": "192.0.2.60"}));
    stage.lead("lamp", digest("d"));
    assert_eq!(stage.make(), 1);
    stage
}

/// UDP from the device to 192.0.2.`last`.
fn packet(last: u8) -> String {
    format!(
        "02000000000902005e00530108004500001c00004000401100\
         00c0000201c00002{last:02x}0001000200080000"
    )
}

impl Stage {
    fn observe(&mut self, last: u8) -> Json {
        self.ask("quarantine observe", json!({"device": "lamp", "packet": packet(last)}))
    }

    fn judge(&mut self, last: u8) -> String {
        let judge = json!({"device": "lamp", "packet": packet(last)}).to_string();
        self.0.read("access judge", &judge).expect("a verdict")["by"].as_str().expect("a text").into()
    }

    fn expect(&mut self, operation: &str, arguments: Json, least: Json) {
        let answer = self.0.read(operation, &arguments.to_string()).expect(operation);
        assert!(holds(&answer, &least), "{operation}: {answer} does not hold {least}");
    }

    fn stands(&mut self, least: Json) {
        self.expect("device show", json!({"device": "lamp"}), least);
    }
}

#[test]
fn a_packet_outside_of_the_description_holds_its_device() {
    on_both("a_packet_outside_of_the_description_holds_its_device", |world| {
        let mut stage = at_work(world);
        let described = json!({"outside": false, "by": "from/bridge", "finding": null, "level": null});
        assert_eq!(stage.observe(60), described);
        stage.expect("finding list", json!({}), json!({"items": []}));
        let outside =
            json!({"outside": true, "by": "default/from-device", "finding": 1, "level": "update-only"});
        assert_eq!(stage.observe(61), outside);
        assert_eq!(stage.observe(61), outside, "one finding for one kind of packet");
        stage.stands(json!({"stage": "quarantined", "conditions": ["outside-description"]}));
        let found =
            json!({"name": "lamp", "finding": 1, "what": "UDP to 192.0.2.61, port 2", "settled": false});
        stage.expect("finding list", json!({}), json!({"items": [found]}));
        stage.expect("finding show", json!({"device": "lamp", "finding": 1}), found);
        // The plan follows, and takes away what was described.
        assert_eq!(stage.wanted().remove(0).description, None, "no description counts");
        assert_eq!(stage.make(), 1);
        assert_eq!(stage.show("lamp")["level"], "update-only");
        assert_eq!(stage.judge(60), "quarantine/update-only");
        assert_eq!(stage.observe(60)["outside"], false, "what its level takes away is no finding");
        // Released, it has its old plan again, and its findings are settled.
        let wide = stage.show("lamp")["description"].clone();
        stage.ask("quarantine release", json!({"device": "lamp", "why": "a service call"}));
        stage.stands(json!({"stage": "operational", "conditions": []}));
        assert_eq!(stage.make(), 1);
        assert_eq!(
            (stage.judge(60), stage.show("lamp")["description"].clone()),
            ("from/bridge".into(), wide)
        );
        stage.expect("finding list", json!({}), json!({"items": []}));
        stage.expect("finding list", json!({"settled": true}), json!({"items": [{"finding": 1}]}));
        stage.0.sound();
    });
}

#[test]
fn a_person_holds_a_device_as_far_as_they_say() {
    on_both("a_person_holds_a_device_as_far_as_they_say", |world| {
        let mut stage = at_work(world);
        let hold = |level: &str| json!({"device": "lamp", "level": level, "why": "odd"}).to_string();
        stage.0.write("quarantine hold", &hold("watched")).expect("held");
        assert_eq!(stage.make(), 1);
        stage.stands(json!({"stage": "quarantined"}));
        assert_eq!(stage.judge(60), "from/bridge", "to be watched takes nothing away");
        assert_eq!(stage.observe(61)["level"], "watched");
        assert_eq!(code(&stage.0.write("quarantine hold", &hold("watched"))), "already-held");
        stage.0.write("quarantine hold", &hold("dark")).expect("held");
        assert_eq!(stage.make(), 1);
        assert_eq!(stage.judge(60), "quarantine/dark");
        // A newer description waits for a person, also when its device is released.
        stage.lead("lamp", digest("e"));
        assert_eq!(stage.make(), 1);
        stage.ask("quarantine release", json!({"device": "lamp", "why": "well"}));
        assert_eq!(stage.make(), 1);
        assert_eq!(stage.judge(60), "quarantine/dark", "until then nothing is let through");
        stage.ask("access activate", json!({"device": "lamp"}));
        assert_eq!(stage.judge(60), "from/bridge");
        assert_eq!(stage.show("lamp")["mud_url"], URL);
        // With its life here, its quarantine ends.
        stage.0.write("quarantine hold", &hold("isolated")).expect("held");
        stage.observe(61);
        stage.ask("device retire", json!({"device": "lamp", "why": "lost"}));
        stage.expect("quarantine show", json!({"device": "lamp"}), json!({"level": null, "findings": 0}));
        assert_eq!((stage.wanted().len(), stage.plans()), (0, 0));
        stage.0.sound();
    });
}

#[test]
fn what_a_device_sends_while_it_is_mended_holds_it_longer_than_its_playbook() {
    on_both("what_a_device_sends_while_it_is_mended", |world| {
        let mut stage = at_work(world);
        stage.ask("remediation begin", json!({"device": "lamp", "playbook": "restart:1:60"}));
        assert_eq!(stage.observe(61)["level"], "update-only");
        stage.0.commit(&[ask(own(Well {}))]).remove(0).expect("it is well");
        stage.expect("finding list", json!({}), json!({"items": [{"settled": false}]}));
        stage.stands(json!({"stage": "quarantined", "conditions": ["outside-description"]}));
        stage.ask("quarantine release", json!({"device": "lamp", "why": "a service call"}));
        stage.stands(json!({"stage": "operational", "conditions": []}));
        stage.0.sound();
    });
}

/// The lamp says that it is well.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Well {}

impl Operation for Well {
    const NAME: &'static str = "test well";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let subject = cx.subject("main", "aa");
        fleet::remediation::well(cx, &subject)
    }
}
