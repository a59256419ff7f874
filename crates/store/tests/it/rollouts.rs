//! Rollouts on both engines: devices report, and are told, through the same functions as at a check-in.
use crate::support::{World, Writer, ask, code, on_both, own};
use fleet::blob::view::{Keep, Sweep};
use fleet::device::rules::{Command as Life, Identity};
use fleet::device::{Device, view::Retire};
use fleet::operation::{Kind, Operation};
use fleet::permission::{Permission, Session};
use fleet::refusal::Refusal;
use fleet::room::Cx;
use fleet::text::Slug;
use fleet::upgrade::release::Release;
use fleet::upgrade::release::rules::{Command as Fetch, Fetched, Source};
use fleet::upgrade::store;
use fleet::upgrade::told::{hear, look, tell};
use fleet::upgrade::view::Expire;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use wire::control::{FirmwareNotKept, FirmwareReport, Running};

const MANIFEST: [u8; 32] = [2; 32];

/// Ten devices at work, and a release for them.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Prepare {}

impl Operation for Prepare {
    const NAME: &'static str = "test prepare";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        for n in 0..10 {
            let subject = cx.subject("main", format!("d{n}"));
            let (name, maker) = (format!("lamp-{n}"), if n < 9 { "lumen" } else { "other" });
            let serial_number = name.clone();
            let identity = Identity { name, serial_number, maker: maker.into(), ..Identity::default() };
            for command in [Life::Discover(identity), Life::Admit, Life::Enrol] {
                cx.change::<Device>(&subject, command)?;
            }
        }
        let release = cx.subject("", "new");
        let source = Source { maker: "lumen".into(), ..Source::default() };
        cx.change::<Release>(&release, Fetch::Want(source))?;
        let (manifest, image) = ("02".repeat(32), "ff".repeat(32));
        let fetched =
            Fetched { envelope: "AAEC".into(), manifest, image, sequence_number: 2, ..Fetched::default() };
        cx.change::<Release>(&release, Fetch::Keep(Box::new(fetched)))?;
        Ok(())
    }
}

/// A device checks in.
#[derive(Serialize, Deserialize, JsonSchema)]
struct CheckIn {
    device: String,
    runs: u64,
    failed: bool,
}

impl Operation for CheckIn {
    const NAME: &'static str = "test check-in";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    /// Whether it is offered the release, whether that is written down, and whether it may have the image.
    type Answer = (bool, bool, bool);

    fn run(&self, cx: &mut Cx) -> Result<(bool, bool, bool), Refusal> {
        let subject = cx.subject("main", &self.device);
        let manifest = if self.runs == 2 { MANIFEST } else { [1; 32] };
        let not_kept = self.failed.then(|| FirmwareNotKept {
            sequence_number: Some(2),
            manifest: Some(MANIFEST),
            tried: true,
            reason: "reason".into(),
            why: "why".into(),
        });
        let running = Some(Running { sequence_number: self.runs, manifest });
        let report = FirmwareReport { running, not_kept, order: None };
        let changes = look(cx.tx, &subject, Some(&report), false, cx.now)?.changes;
        hear(cx, &subject, Some(&report))?;
        assert_eq!(look(cx.tx, &subject, Some(&report), true, cx.now)?.envelope, None, "it is busy");
        let told = look(cx.tx, &subject, Some(&report), false, cx.now)?;
        tell(cx, &subject, Some(&report))?;
        assert!(!look(cx.tx, &subject, Some(&report), false, cx.now)?.changes, "it was taken in");
        let may = store::is_offered(cx.tx, &subject, &"ff".repeat(32))?;
        assert_eq!(told.envelope.as_deref().unwrap_or(&[0, 1, 2]), [0, 1, 2]);
        Ok((told.envelope.is_some(), changes, may))
    }
}

pub fn checks_in(writer: &mut Writer, n: usize, runs: u64, failed: bool) -> (bool, bool, bool) {
    let call = CheckIn { device: format!("d{n}"), runs, failed };
    let device = Session::of_device("A1", Slug::main()).permit(Box::new(call)).expect("a device may");
    let answer = writer.commit(&[ask(device)]).remove(0).expect("answered");
    serde_json::from_value(answer).expect("as it is")
}

fn write(writer: &mut Writer, operation: &str, arguments: Json) -> Json {
    writer.write(operation, &arguments.to_string()).expect(operation)
}

fn shown(writer: &mut Writer, rollout: &str) -> Json {
    writer.read("rollout show", &json!({"rollout": rollout}).to_string()).expect("shown")
}

fn prepared(world: &World) -> Writer {
    let mut writer = world.writer();
    writer.commit(&[ask(own(Prepare {}))]).remove(0).expect("prepared");
    writer
}

fn sound(writer: &mut Writer) {
    for operation in ["audit check", "audit verify"] {
        writer.read(operation, "{}").expect(operation);
    }
}

#[test]
fn two_of_the_first_six_stop_a_rollout() {
    on_both("rollouts::two_of_the_first_six", |world| {
        let mut writer = prepared(world);
        let start = json!({"release": "new", "stop_after": 2, "deadline_seconds": 60});
        let planned = write(&mut writer, "rollout start", start);
        let sizes: Vec<usize> = planned["waves"]
            .as_array()
            .expect("waves")
            .iter()
            .map(|w| w.as_array().expect("one").len())
            .collect();
        assert_eq!(sizes, [1, 5, 3], "{planned}");
        assert_eq!(checks_in(&mut writer, 1, 1, false), (false, false, false), "its wave has not begun");
        assert_eq!(checks_in(&mut writer, 0, 1, false), (true, true, true));
        assert_eq!(checks_in(&mut writer, 0, 1, false), (false, false, true), "it was told just now");
        writer.now = writer.now.plus_seconds(20);
        assert_eq!(checks_in(&mut writer, 0, 1, false), (true, true, true), "an answer may be lost");
        assert_eq!(checks_in(&mut writer, 0, 2, false), (false, true, false));
        (1..=5).for_each(|n| assert_eq!(checks_in(&mut writer, n, 1, false), (true, true, true)));
        assert_eq!(checks_in(&mut writer, 1, 1, true), (false, true, false));
        assert_eq!(shown(&mut writer, "new")["phase"], "running");
        writer.now = writer.now.plus_seconds(61);
        let late = writer.commit(&[ask(own(Expire {}))]).remove(0);
        assert_eq!(late.expect("expired"), 1);
        let stopped = shown(&mut writer, "new");
        for (name, expect) in [("succeeded", 1), ("failed", 1), ("silent", 4), ("spared", 3), ("devices", 9)]
        {
            assert_eq!(stopped[name], expect, "{name}: {stopped}");
        }
        assert_eq!((&stopped["phase"], &stopped["wave"]), (&json!("stopped"), &json!(2)));
        (6..=9).for_each(|n| assert_eq!(checks_in(&mut writer, n, 1, false), (false, false, false)));
        sound(&mut writer);
        let events = writer.read("audit list", r#"{"limit":500}"#).expect("a list").to_string();
        assert_eq!(events.matches(r#"\"event\":\"offered\""#).count(), 6, "each of the first six once");
    });
}

#[test]
fn a_rollout_finishes_and_the_next_one_skips_who_is_newer() {
    on_both("rollouts::finishes", |world| {
        let mut writer = prepared(world);
        let start = |name: &str, devices: &str| json!({"release": "new", "name": name, "waves": "rest", "devices": devices});
        write(&mut writer, "rollout start", start("a", "lamp-0,lamp-1"));
        let overlap = writer.write("rollout start", &start("b", "lamp-1,lamp-2").to_string());
        assert_eq!(code(&overlap), "rollouts-overlap");
        assert_eq!(
            code(&writer.write("rollout start", &start("b", "lamp-9").to_string())),
            "device-not-meant"
        );
        assert_eq!(checks_in(&mut writer, 0, 1, false), (true, true, true));
        assert_eq!(checks_in(&mut writer, 0, 2, false), (false, true, false));
        assert_eq!(checks_in(&mut writer, 1, 3, false), (false, true, false), "it runs a newer one");
        let a = shown(&mut writer, "a");
        assert_eq!((&a["phase"], &a["spared"]), (&json!("finished"), &json!(1)), "{a}");
        // Devices that were retired are waited for no more.
        write(&mut writer, "rollout start", start("b", "lamp-1,lamp-2,lamp-3"));
        let page = json!({"rollout": "b", "limit": 2});
        let page = writer.read("rollout devices", &page.to_string()).expect("a page");
        let rest = json!({"rollout": "b", "after": page["next"]});
        let rest = writer.read("rollout devices", &rest.to_string()).expect("a page");
        assert_eq!((&rest["items"][0]["name"], &rest["next"]), (&json!("lamp-3"), &Json::Null));
        for device in ["lamp-1", "lamp-2"] {
            let retire =
                Retire { device: device.parse().expect("a name"), why: "old".parse().expect("words") };
            writer.commit(&[ask(own(retire))]).remove(0).expect("retired");
        }
        write(&mut writer, "rollout pause", json!({"rollout": "b"}));
        assert_eq!(checks_in(&mut writer, 3, 1, false), (false, false, false), "it is paused");
        write(&mut writer, "rollout resume", json!({"rollout": "b"}));
        assert_eq!(checks_in(&mut writer, 3, 1, false), (true, true, true));
        write(&mut writer, "rollout cancel", json!({"rollout": "b"}));
        assert_eq!(checks_in(&mut writer, 3, 2, false), (false, true, false), "how it went is still heard");
        let b = shown(&mut writer, "b");
        assert_eq!((&b["phase"], &b["succeeded"], &b["spared"]), (&json!("cancelled"), &json!(1), &json!(2)));
        assert_eq!(code(&writer.write("rollout resume", r#"{"rollout":"b"}"#)), "wrong-phase");
        sound(&mut writer);
    });
}

#[test]
fn the_image_of_a_release_stays() {
    on_both("rollouts::the_image_of_a_release_stays", |world| {
        let mut writer = prepared(world);
        for digest in ["ff", "ee"] {
            let keep = Keep { digest: digest.repeat(32).parse().expect("a digest"), bytes: 3 };
            writer.commit(&[ask(own(keep))]).remove(0).expect("kept");
        }
        writer.now = writer.now.plus_seconds(25 * 3_600);
        let swept = writer.commit(&[ask(own(Sweep { after: String::new() }))]).remove(0).expect("swept");
        assert_eq!(swept["digests"], json!(["ee".repeat(32)]));
    });
}

/// A device that never said how earlier, called off rollouts went is still offered the next one.
#[test]
fn rollouts_that_were_called_off_hide_no_other() {
    on_both("rollouts::called_off", |world| {
        let mut writer = prepared(world);
        for n in 0..16 {
            let rollout = format!("a{n:02}");
            let start = json!({"name": rollout, "release": "new", "devices": "lamp-0", "waves": "rest"});
            write(&mut writer, "rollout start", start);
            assert!(checks_in(&mut writer, 0, 1, false).0, "offered in {rollout}");
            write(&mut writer, "rollout cancel", json!({"rollout": rollout}));
        }
        let start = json!({"name": "z", "release": "new", "devices": "lamp-0", "waves": "rest"});
        write(&mut writer, "rollout start", start);
        assert!(checks_in(&mut writer, 0, 1, false).0, "it is offered the release in the only open rollout");
    });
}
