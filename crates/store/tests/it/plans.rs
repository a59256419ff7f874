//! Plans of devices: made outside of the transaction, kept by their digest, active before the LDevID.
use crate::checkins::Join;
use crate::support::{Writer, ask, code, on_both, own, skip};
use fleet::access::compile::{Surroundings, compile};
use fleet::access::rules::{Command, Description};
use fleet::access::store::surroundings;
use fleet::access::view::{Propose, Wanted, Work};
use fleet::access::{Access, lacks_plan};
use fleet::discovery::description;
use fleet::discovery::description::rules::{Command as Fetch, Verified};
use fleet::limits::WANTED_PLANS_MAX;
use fleet::onboarding::Onboarding;
use fleet::onboarding::rules::{Command as Onboard, Introduction};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::room::{Cx, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::path::Path;
use wire::mud::MudFile;

/// What other rooms do to a device's access, as one operation of the tests.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Lead {
    device: String,
    step: Step,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub enum Step {
    Introduce,
    Admit,
    Describe(String),
    Verify(String),
    Look,
}

impl Operation for Lead {
    const NAME: &'static str = "test lead";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// Whether the device must wait for a plan.
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        let (subject, _) = fleet::device::find(cx, &self.device)?;
        match &self.step {
            Step::Introduce => {
                let introduction = Introduction {
                    anchor: "maker".into(),
                    serial_number: self.device.clone(),
                    key: "00".into(),
                    mud_url: URL.into(),
                    mud_signer: SIGNER.into(),
                };
                cx.change::<Onboarding>(&subject, Onboard::Introduce(introduction)).map(drop)?;
            }
            Step::Admit => cx.change::<Onboarding>(&subject, Onboard::Admit).map(drop)?,
            Step::Describe(digest) => {
                let description = Description { mud_url: URL.into(), digest: digest.clone() };
                cx.change::<Access>(&subject, Command::Describe(description)).map(drop)?;
            }
            Step::Verify(signer) => {
                let maker = description::subject(&subject, "maker", URL);
                let verified = Verified {
                    file: "d".repeat(64),
                    signer: signer.clone(),
                    cache_validity_hours: 48,
                    ..Verified::default()
                };
                for command in [Fetch::Ask, Fetch::Verify(verified)] {
                    cx.change::<description::Description>(&maker, command).map(drop)?;
                }
            }
            Step::Look => {}
        }
        lacks_plan(cx, &subject)
    }
}

/// Who must sign the description, by the devices' certificates.
const SIGNER: &str = "CN=Descriptions";
pub const URL: &str = "https://maker.example/lamp";

/// A file that lets its device talk to its controller and to its own kind.
fn file() -> MudFile {
    let entry = |name: &str, class: Json| {
        json!({"name": name, "matches": {"ietf-mud:mud": class, "ipv4": {"protocol": 17}},
            "actions": {"forwarding": "accept"}})
    };
    let aces = [
        entry("bridge", json!({"controller": "https://maker.example/bridge"})),
        entry("peers", json!({"same-manufacturer": [null]})),
        entry("mine", json!({"my-controller": [null]})),
        entry("near", json!({"local-networks": [null]})),
        entry("kind", json!({"model": URL})),
        json!({"name": "service", "matches": {"ipv4": {"ietf-acldns:dst-dnsname": "service.example.com"}},
            "actions": {"forwarding": "accept"}}),
    ];
    let text = json!({
        "ietf-mud:mud": {"mud-version": 1, "mud-url": URL, "last-update": "2026-01-01T00:00:00Z",
            "is-supported": true, "from-device-policy": {"access-lists": {"access-list": [{"name": "from"}]}}},
        "ietf-access-control-list:acls": {"acl": [
            {"name": "from", "type": "ipv4-acl-type", "aces": {"ace": aces}}
        ]}
    });
    MudFile::from_json(text.to_string().as_bytes()).expect("a MUD file")
}

/// A stage of the tests: a writer, and what the hub's worker would do.
pub struct Stage(pub Writer);

impl Stage {
    pub fn lead(&mut self, device: &str, step: Step) -> bool {
        let lead = Lead { device: device.into(), step };
        self.0.commit(&[ask(own(lead))]).remove(0).expect("it is led").as_bool().expect("a bool")
    }

    pub fn ask(&mut self, operation: &str, arguments: Json) -> Json {
        self.0.write(operation, &arguments.to_string()).expect(operation)
    }

    pub fn show(&mut self, device: &str) -> Json {
        self.0.read("access show", &json!({"device": device}).to_string()).expect("it is shown")
    }

    pub fn wanted(&mut self) -> Vec<Work> {
        let asked = self.0.look(own(Wanted {})).expect("what is wanted");
        serde_json::from_value(asked).expect("work")
    }

    fn propose(&mut self, work: Work, compiled: Result<(), &str>) -> Result<bool, Refusal> {
        let subject =
            Subject { organisation: "main".into(), site: work.site.clone(), id: work.device.clone() };
        let mut around = None;
        let file = work.description.as_ref().map(|_| file());
        self.0
            .engine
            .snapshot(&mut |tx| {
                around = Some(surroundings(tx, &subject, file.as_ref())?);
                Ok(())
            })
            .expect("a snapshot");
        let made = compile(&work.device, file.as_ref(), &around.expect("surroundings"));
        let compiled = compiled.map(|()| made.expect("a plan")).map_err(String::from);
        let proposed = self.0.commit(&[ask(own(Propose::new(work, compiled)))]).remove(0)?;
        Ok(proposed.as_bool().expect("a bool"))
    }

    /// Makes every plan that is wanted, and says how many.
    pub fn make(&mut self) -> usize {
        let wanted = self.wanted();
        let count = wanted.len();
        for work in wanted {
            self.propose(work, Ok(())).expect("it is made");
        }
        count
    }

    pub fn plans(&mut self) -> usize {
        self.0.rows("SELECT digest FROM access_plan", &[]).len()
    }
}

fn stage(world: &crate::support::World) -> Stage {
    let mut stage = Stage(world.writer());
    for device in ["a", "b"] {
        stage.ask("device expect", json!({"serial_number": device, "maker": "maker", "name": device}));
    }
    stage
}

pub fn digest(letter: &str) -> Step {
    Step::Describe(letter.repeat(64))
}

#[test]
fn a_plan_is_active_before_its_device_may_have_an_ldevid() {
    on_both("a_plan_is_active_before_its_device_may_have_an_ldevid", |world| {
        let mut stage = stage(world);
        stage.lead("a", Step::Introduce);
        assert!(stage.wanted().is_empty());
        assert!(stage.lead("a", digest("d")), "described, and no plan yet");
        assert_eq!(stage.make(), 1);
        assert_eq!(stage.show("a")["enforcement"], "proposed");
        assert!(stage.lead("a", Step::Look), "nobody admitted it");
        assert!(!stage.lead("a", Step::Admit), "admitted: the plan is active");
        assert_eq!(stage.show("a")["enforcement"], "active");
        // The other way round.
        stage.lead("b", Step::Introduce);
        stage.lead("b", Step::Admit);
        assert!(stage.lead("b", digest("d")));
        let work = stage.wanted().remove(0);
        assert_eq!(stage.propose(work, Ok(())), Ok(true));
        assert!(!stage.lead("b", Step::Look));
        stage.0.sound();
    });
}

#[test]
fn plans_follow_their_devices_network() {
    on_both("plans_follow_their_devices_network", |world| {
        let mut stage = stage(world);
        for device in ["a", "b"] {
            stage.lead(device, Step::Introduce);
            stage.lead(device, Step::Admit);
            stage.lead(device, digest("d"));
        }
        stage.ask("access locate", json!({"device": "b", "addresses": "192.0.2.2,2001:db8::2"}));
        assert_eq!(stage.make(), 2);
        let first = stage.show("a")["active"].clone();
        stage.ask(
            "access locate",
            json!({"device": "a", "addresses": "192.0.2.1", "macs": "02:00:5e:00:53:01"}),
        );
        stage.ask("controller add", json!({"class": "https://maker.example/bridge", "hosts": "192.0.2.60"}));
        stage.ask("controller add", json!({"class": URL, "hosts": "192.0.2.70"}));
        stage.ask("controller add", json!({"class": "local-networks", "hosts": "198.51.100.0/24"}));
        stage.ask("controller add", json!({"class": "urn:ietf:params:mud:dns", "hosts": "192.0.2.53"}));
        stage.ask("controller add", json!({"class": "service.example.com", "hosts": "203.0.113.5"}));
        assert_eq!(stage.make(), 2, "both, once");
        assert!(stage.wanted().is_empty());
        let shown = stage.show("a");
        assert_ne!(shown["active"], first);
        let lines = shown["lines"].to_string();
        let expect = [
            "class https://maker.example/bridge (192.0.2.60/32)",
            "class my-controller (192.0.2.70/32)",
            "the name service.example.com (203.0.113.5/32)",
            "class local-networks (198.51.100.0/24)",
            "class urn:ietf:params:mud:dns (192.0.2.53/32)",
            "class same-manufacturer (192.0.2.1/32 and 1 more)",
            "class model https://maker.example/lamp (192.0.2.1/32 and 1 more)",
        ];
        for line in expect {
            assert!(lines.contains(line), "{line}: {lines}");
        }
        let plan = stage.0.read("access plan", r#"{"device":"a"}"#).expect("a plan");
        let read =
            wire::plan::Plan::from_json(plan["plan"].as_str().expect("text").as_bytes()).expect("a plan");
        assert_eq!(
            (&plan["digest"], json!(read.digest().expect("a digest"))),
            (&shown["active"], shown["active"].clone())
        );
        // Of each device one plan is left.
        assert_eq!(stage.plans(), 2);
        // UDP from 192.0.2.1 to 192.0.2.60.
        let packet = "02000000000902005e005301080045000024000040004011000\
                      0c0000201c000023c00010002000800000000000000000000";
        let judge = json!({"device": "a", "packet": packet}).to_string();
        let verdict = stage.0.read("access judge", &judge).expect("a verdict");
        assert_eq!(verdict, json!({"action": "accept", "by": "from/bridge", "plan": shown["active"]}));
        let verdict = stage.0.read("access judge", &json!({"device": "a", "packet": "0200"}).to_string());
        assert_eq!(code(&verdict), "bad-packet");
        stage.0.sound();
    });
}

#[test]
fn a_new_description_waits_for_a_person() {
    on_both("a_new_description_waits_for_a_person", |world| {
        let mut stage = stage(world);
        stage.lead("a", Step::Introduce);
        stage.lead("a", Step::Admit);
        stage.lead("a", digest("d"));
        let old = stage.wanted().remove(0);
        stage.make();
        assert!(!stage.lead("a", digest("e")), "it has an active plan");
        assert_eq!(code(&stage.propose(old, Ok(())).map(Json::from)), "another-description");
        stage.ask("access locate", json!({"device": "a", "addresses": "192.0.2.1"}));
        let work = stage.wanted().remove(0);
        assert_eq!(stage.propose(work, Err("the description is too large")), Ok(false));
        assert!(stage.wanted().is_empty(), "it waits for a change");
        assert!(
            stage.show("a")["notes"].to_string().contains("no plan could be made: the description is too")
        );
        stage.ask("access remake", json!({}));
        assert_eq!(stage.make(), 1);
        let shown = stage.show("a");
        assert_eq!(shown["enforcement"], "active");
        assert_ne!(shown["proposed"], "");
        let activated = stage.ask("access activate", json!({"device": "a"}));
        assert_eq!((&activated["active"], &activated["proposed"]), (&shown["proposed"], &json!("")));
        assert_eq!(code(&stage.0.write("access activate", r#"{"device":"a"}"#)), "plan-active");
        stage.ask("device retire", json!({"device": "a", "why": "lost"}));
        assert_eq!(stage.show("a")["enforcement"], "none");
        assert_eq!(stage.plans(), 0);
        stage.0.sound();
    });
}

/// Devices that are at work and described, with their plans made.
fn at_work(world: &crate::support::World, devices: usize) -> Stage {
    let mut stage = Stage(world.writer());
    for number in 0..devices {
        let serial = format!("{number:02}");
        let join = Join { name: format!("lamp-{serial}"), serial: serial.clone() };
        stage.0.commit(&[ask(own(join))]).remove(0).expect("joined");
        stage.lead(&serial, digest("d"));
    }
    while stage.make() > 0 {}
    stage
}

#[test]
fn who_is_held_waits_behind_no_other_plan() {
    on_both("who_is_held_waits_behind_no_other_plan", |world| {
        let mut stage = at_work(world, usize::from(WANTED_PLANS_MAX) + 6);
        stage.ask("controller add", json!({"class": "update-hosts", "hosts": "192.0.2.77"}));
        stage.ask("quarantine hold", json!({"device": "lamp-69", "level": "dark", "why": "it attacks"}));
        assert_eq!(stage.wanted().first().map(|work| work.device.as_str()), Some("69"));
        while stage.make() > 0 {}
        assert_eq!(stage.show("69")["level"], "dark");
        stage.0.sound();
    });
}

/// Whose keys may be somebody else's reaches its hub, and nobody else, until it is admitted anew.
#[test]
fn a_revoked_device_is_not_let_out() {
    on_both("a_revoked_device_is_not_let_out", |world| {
        let mut stage = at_work(world, 2);
        stage.ask("access locate", json!({"device": "lamp-00", "addresses": "192.0.2.1"}));
        while stage.make() > 0 {}
        let before = stage.show("00")["active"].clone();
        for device in ["lamp-00", "lamp-01"] {
            stage.ask("onboarding revoke", json!({"device": device, "why": "its key was read out"}));
        }
        assert_eq!(stage.make(), 1);
        let held = stage.show("00");
        assert_eq!((&held["level"], &held["enforcement"]), (&json!("isolated"), &json!("active")));
        assert_ne!(held["active"], before);
        assert_eq!(stage.show("01")["enforcement"], "none", "nobody knows where it is");
        stage.lead("lamp-00", Step::Introduce);
        assert!(!stage.lead("lamp-00", Step::Admit));
        assert_eq!(stage.show("00")["level"], "");
        while stage.make() > 0 {}
        assert_eq!(stage.show("00")["active"], before);
        stage.ask("device retire", json!({"device": "lamp-00", "why": "sold"}));
        assert_eq!(stage.show("00")["enforcement"], "none");
        stage.0.sound();
    });
}

#[test]
fn a_certificate_may_say_who_must_sign() {
    on_both("a_certificate_may_say_who_must_sign", |world| {
        let mut stage = stage(world);
        let admit = |stage: &mut Stage| stage.0.write("onboarding admit", r#"{"device":"a"}"#);
        stage.lead("a", Step::Introduce);
        assert_eq!(code(&admit(&mut stage)), "description-unverified");
        stage.lead("a", Step::Verify("CN=Somebody".into()));
        assert_eq!(code(&admit(&mut stage)), "description-by-another-signer");
        assert!(stage.wanted().is_empty());
        stage.lead("a", Step::Verify(SIGNER.into()));
        assert_eq!(code(&admit(&mut stage)), "");
        assert!(stage.lead("a", Step::Look), "described, and no plan yet");
        assert_eq!(stage.make(), 1);
        assert!(!stage.lead("a", Step::Look));
        stage.0.sound();
    });
}

#[test]
fn published_descriptions_compile() {
    let Some(corpus) = std::env::var_os("STEWARD_CORPUS") else {
        return skip("published_descriptions_compile", "STEWARD_CORPUS is not set");
    };
    let around =
        Surroundings { addresses: vec!["192.0.2.1".parse().expect("an address")], ..Surroundings::default() };
    let (mut read, mut entries, mut notes) = (0, 0, 0);
    for found in std::fs::read_dir(Path::new(&corpus).join("mudfiles")).expect("the MUD files") {
        let text = std::fs::read(found.expect("a file").path()).expect("its text");
        let Ok(file) = MudFile::from_json(&text) else { continue };
        let compiled = compile("it", Some(&file), &around).expect("a plan");
        let plan = wire::plan::Plan::from_json(compiled.text.as_bytes()).expect("its canonical JSON");
        assert_eq!(plan.digest().expect("a digest"), compiled.digest);
        (read, entries, notes) = (read + 1, entries + plan.entries.len(), notes + compiled.notes.len());
    }
    // Every one has 12 defaults. Names, controllers and neighbours mean no address here: a note each.
    assert_eq!((read, entries - 12 * read, notes), (30, 168, 171));
}
