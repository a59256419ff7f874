//! What a person should look at, on both engines: each kind, its order, its pages and its counts.
use crate::rollouts::{Prepare, checks_in};
use crate::support::{World, Writer, ask, code, on_both, own, permitted};
use fleet::configuration::{Configuration, rules::Command as Configure};
use fleet::control::store::contact_note;
use fleet::device::{Device, rules::Command as Life};
use fleet::discovery::description::{Description, rules as description};
use fleet::discovery::rules::{Assurance, Command as Say, Statement};
use fleet::discovery::{Discovery, description::subject};
use fleet::limits::SILENCE_SECONDS_MAX;
use fleet::onboarding::Onboarding;
use fleet::onboarding::rules::{Command as Join, Introduction, Ldevid};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::posture::attention::view;
use fleet::quarantine::rules::{Ahead, Packet};
use fleet::quarantine::{Quarantine, rules::Command as Hold};
use fleet::refusal::Refusal;
use fleet::room::Cx;
use fleet::time::Millis;
use fleet::tx::{Each, Fault, Tx, Value, many};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use store::run_read;

/// Something of every kind but the rollouts', of devices at work.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Trouble {}

impl Operation for Trouble {
    const NAME: &'static str = "test trouble";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let [ahead, given_up, held, outside, torn, drifted] =
            ["d4", "d5", "d6", "d7", "d8", "d9"].map(|id| cx.subject("main", id));
        let what = String::from("it had an order that the hub has not given");
        cx.change::<Quarantine>(&ahead, Hold::FindAhead { of: Ahead::Configuration, what })?;
        cx.change::<Device>(&given_up, Life::BeginRemediation)?;
        cx.change::<Device>(&given_up, Life::GiveUp { why: "<b>it does not boot</b>".into() })?;
        let level = fleet::quarantine::rules::Level::Isolated;
        cx.change::<Quarantine>(&held, Hold::Hold { level, why: "odd".into() })?;
        let by = String::from("default/from-device");
        let packet = Packet { by, what: "UDP to 192.0.2.61, port 2".into(), plan: String::new() };
        cx.change::<Quarantine>(&outside, Hold::Find(packet))?;
        for (assurance, name) in [(Assurance::Signed, "signed"), (Assurance::Entered, "other")] {
            let mud_url = format!("https://maker.example/{name}.json");
            let statement = Statement { mud_url, maker: "lumen".into(), source: "test".into() };
            cx.change::<Discovery>(&torn, Say::State { assurance, statement })?;
        }
        let signed = subject(&torn, "lumen", "https://maker.example/signed.json");
        let failure = description::Failure { code: "bad-signature".into(), why: "it is not signed".into() };
        cx.change::<Description>(&signed, description::Command::Fail(failure))?;
        let says = |digest: &str, not_kept| Configure::Report {
            digest: digest.into(),
            trial: false,
            not_kept,
            newest_order: 0,
        };
        cx.change::<Configuration>(&drifted, says("aa", None))?;
        cx.change::<Configuration>(&drifted, Configure::Keep { digest: "aa".into() })?;
        cx.change::<Configuration>(&drifted, says("bb", None))?;
        for (device, last_seen) in [(given_up, 1_000), (held, 0), (outside, SILENCE_SECONDS_MAX)] {
            contact_note(cx.tx, &device, cx.now.plus_seconds(-last_seen), "")?;
        }
        Ok(())
    }
}

fn write(writer: &mut Writer, operation: &str, arguments: Json) -> Json {
    writer.write(operation, &arguments.to_string()).expect(operation)
}

fn list(writer: &mut Writer, arguments: Json) -> Json {
    writer.read("attention list", &arguments.to_string()).expect("a list")
}

/// The kinds and the names on all pages of one each.
fn paged(writer: &mut Writer) -> Vec<(String, String)> {
    let (mut found, mut after) = (Vec::new(), Json::Null);
    loop {
        let page = list(writer, json!({"limit": 1, "after": after}));
        let text = |item: &Json, name: &str| item[name].as_str().expect("a text").to_owned();
        let items = page["items"].as_array().expect("items");
        found.extend(items.iter().map(|item| (text(item, "kind"), text(item, "name"))));
        after = page["next"].clone();
        if after.is_null() {
            return found;
        }
    }
}

fn prepared(world: &World) -> Writer {
    let mut writer = world.writer();
    writer.commit(&[ask(own(Prepare {}))]).remove(0).expect("prepared");
    writer
}

#[test]
fn what_a_person_should_look_at_is_listed_most_severe_first() {
    on_both("what_a_person_should_look_at", |world| {
        let mut writer = prepared(world);
        write(&mut writer, "rollout start", json!({"release": "new", "waves": "1,1", "stop_after": 2}));
        checks_in(&mut writer, 0, 1, false);
        checks_in(&mut writer, 0, 1, true);
        writer.commit(&[ask(own(Trouble {}))]).remove(0).expect("trouble");
        let expected = [
            ("needs-attention", "lamp-5"),
            ("held", "lamp-6"),
            ("held", "lamp-7"),
            ("outside-description", "lamp-7"),
            ("ahead-of-state", "lamp-4"),
            ("contradiction", "lamp-8"),
            ("rollout-paused", "new"),
            ("silent", "lamp-5"),
            ("config-drift", "lamp-9"),
            ("description-failed", "lumen https://maker.example/signed.json"),
        ];
        let expected = expected.map(|(kind, name)| (kind.to_owned(), name.to_owned()));
        assert_eq!(paged(&mut writer), expected);
        let all = list(&mut writer, json!({}));
        let first = &all["items"][0];
        assert_eq!((&first["what"], &first["device"]), (&json!("<b>it does not boot</b>"), &json!("d5")));
        assert!(first["since"].as_str().is_some_and(|since| since.starts_with("2026-11-22T")), "{first}");
        let ahead = list(&mut writer, json!({"kind": "ahead-of-state"}));
        assert_eq!(ahead["items"][0]["finding"], 1);
        assert_eq!(ahead["items"][0]["possible"][2], "finding settle");
        let of_kind = list(&mut writer, json!({"kind": "held"}));
        assert_eq!(of_kind["items"].as_array().map(Vec::len), Some(2));
        let of_device = list(&mut writer, json!({"device": "lamp-7"}));
        assert_eq!(of_device["items"].as_array().map(Vec::len), Some(2));
        let mut kinds: BTreeMap<String, i64> = BTreeMap::new();
        expected.iter().for_each(|(kind, _)| *kinds.entry(kind.clone()).or_default() += 1);
        let counts = writer.read("attention count", "{}").expect("counts");
        assert_eq!(counts["total"], expected.len());
        for kind in view::Kind::ALL {
            let count =
                counts["kinds"].as_array().expect("kinds").iter().find(|it| it["kind"] == kind.as_str());
            let expected = kinds.get(kind.as_str()).copied().unwrap_or(0);
            assert_eq!(count.expect("every kind")["count"], expected, "{kind}");
        }
        writer.sound();
    });
}

/// A transaction of SQLite that notes how each query is carried out.
struct Explained<'a> {
    tx: &'a mut dyn Tx,
    steps: Vec<String>,
}

impl Tx for Explained<'_> {
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, Fault> {
        self.tx.exec(sql, args)
    }

    fn rows(&mut self, sql: &'static str, args: &[Value], each: Each) -> Result<(), Fault> {
        let explain: &'static str = format!("EXPLAIN QUERY PLAN {sql}").leak();
        let steps = many(self.tx, explain, args, |row| Ok(row.text(3)?.to_owned()))?;
        self.steps.extend(steps);
        self.tx.rows(sql, args, each)
    }
}

/// Neither the whole fleet nor the whole journal is walked, however large they are.
#[test]
fn looking_at_little_costs_little() {
    let world = World::sqlite();
    let mut writer = prepared(&world);
    let check = |writer: &mut Writer, operation: &str, arguments: Json| {
        let permitted = permitted(operation, &arguments.to_string()).expect("well-formed");
        let (now, env, mut steps) = (writer.now, writer.env.clone(), Vec::new());
        let looked = writer.engine.snapshot(&mut |tx| {
            let mut tx = Explained { tx, steps: Vec::new() };
            run_read(&mut tx, now, &env, &permitted).expect("an answer");
            steps = tx.steps;
            Ok(())
        });
        looked.expect("a snapshot");
        for step in steps {
            let of_subject = !step.contains(" j ") || step.contains("journal_subject");
            let of_index = !step.starts_with("SEARCH d USING") || !step.contains("INDEX device_name (");
            // What a query found is walked once more to put it in order, or to count it.
            let found = ["SCAN t", "SCAN u"].contains(&step.as_str());
            let walks = step.starts_with("SCAN") && !found && !step.contains("CONSTANT");
            assert!(of_subject && of_index && !walks, "{operation} {arguments}: {step}");
        }
    };
    check(&mut writer, "attention list", json!({}));
    check(&mut writer, "attention count", json!({}));
    for requirement in ["identified", "described", "supported"] {
        check(&mut writer, "posture check", json!({"requirement": requirement}));
    }
}

/// A device says how its joining goes.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Joins {
    step: String,
}

impl Operation for Joins {
    const NAME: &'static str = "test joins";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let subject = cx.subject("main", "p1");
        let of = json!({"anchor": "lumen", "serial_number": "p1", "key": "00ff"});
        let introduction: Introduction = serde_json::from_value(of).expect("an introduction");
        let reason = |text: &str| String::from(text);
        let voucher = |nonce: &str| Join::KeepVoucher {
            nonce: nonce.into(),
            domain_id: "dd".into(),
            voucher: "v".into(),
        };
        let ldevid = Ldevid {
            key: "k".into(),
            not_before: Millis(0),
            not_after: Millis(1),
            certificate: "PEM".into(),
        };
        let commands = match self.step.as_str() {
            "asks" => vec![Join::Introduce(introduction), Join::Admit],
            "refuses" => vec![
                voucher("n1"),
                Join::ReportVoucher {
                    good: false,
                    reason: reason("<i>not ours</i>\u{1b}[31m (RFC 8995 section 5.6.1)"),
                },
            ],
            "asks again" => vec![voucher("n2")],
            "accepts" => vec![Join::ReportVoucher { good: true, reason: String::new() }],
            "fails" => vec![
                Join::Want { key: "k".into() },
                Join::Report { good: false, reason: String::new(), matched: false },
                Join::Report { good: false, reason: String::new(), matched: false },
            ],
            "is well" => vec![Join::Report { good: true, reason: String::new(), matched: true }],
            "meets a relay" => vec![
                Join::MeetRelay { reason: reason("near another (RFC 8995 section 5.2)") },
                Join::MeetRelay { reason: reason("near another (RFC 8995 section 5.2)") },
            ],
            _ => vec![
                Join::Issue { serial: "s".into(), ldevid },
                Join::Report { good: true, reason: String::new(), matched: true },
            ],
        };
        for command in commands {
            cx.change::<Onboarding>(&subject, command)?;
        }
        Ok(())
    }
}

#[test]
fn a_failed_joining_is_a_finding_until_it_succeeds_or_is_settled() {
    on_both("a_failed_joining_is_a_finding", |world| {
        let mut writer = world.writer();
        let mut check = |step: &str, expect: &[(&str, &str)]| {
            writer.now = writer.now.plus_seconds(1);
            match step {
                "settle" => drop(write(
                    &mut writer,
                    "onboarding settle",
                    json!({"device": "lumen-p1", "why": "a proxy, which is gone"}),
                )),
                "retire" => {
                    drop(write(&mut writer, "device retire", json!({"device": "lumen-p1", "why": "lost"})));
                }
                _ => drop(writer.commit(&[ask(own(Joins { step: step.into() }))]).remove(0).expect(step)),
            }
            let listed = list(&mut writer, json!({}));
            let text = |item: &Json, name: &str| item[name].as_str().expect("a text").to_owned();
            let found = listed["items"].as_array().expect("items").iter();
            let found: Vec<_> = found.map(|item| (text(item, "kind"), text(item, "what"))).collect();
            let expect: Vec<_> =
                expect.iter().map(|(kind, what)| ((*kind).to_owned(), (*what).to_owned())).collect();
            assert_eq!(found, expect, "{step}");
            assert_eq!(writer.read("attention count", "{}").expect("counts")["total"], expect.len());
            writer.sound();
        };
        let refused = ("voucher-refused", "<i>not ours</i>\u{1b}[31m (RFC 8995 section 5.6.1)");
        let failed = ("enrolment-failed", "it did not say why");
        let relay = ("voucher-refused", "near another (RFC 8995 section 5.2)");
        check("asks", &[]);
        check("meets a relay", &[relay]);
        check("refuses", &[refused]);
        check("asks again", &[refused]);
        check("accepts", &[]);
        check("fails", &[failed]);
        check("settle", &[]);
        check("fails", &[failed]);
        check("enrols", &[]);
        // As a renewal may fail.
        check("fails", &[failed]);
        check("is well", &[]);
        check("meets a relay", &[relay]);
        check("retire", &[]);
        let again = writer.write("onboarding settle", r#"{"device":"lumen-p1","why":"again"}"#);
        assert_eq!(code(&again), "nothing-to-settle");
    });
}

#[test]
fn a_stopped_rollout_is_settled_by_a_later_one() {
    on_both("a_stopped_rollout_is_settled_by_a_later_one", |world| {
        let mut writer = prepared(world);
        let start = |name: &str| json!({"release": "new", "name": name, "waves": "1", "devices": "lamp-0"});
        write(&mut writer, "rollout start", start("first"));
        checks_in(&mut writer, 0, 1, false);
        checks_in(&mut writer, 0, 1, true);
        assert_eq!(paged(&mut writer), [("rollout-stopped".into(), "first".into())]);
        // What a person ended is no news to a person.
        write(&mut writer, "rollout start", start("second"));
        write(&mut writer, "rollout stop", json!({"rollout": "second"}));
        assert_eq!(paged(&mut writer), [("rollout-stopped".into(), "first".into())]);
        writer.now = writer.now.plus_seconds(1);
        write(&mut writer, "rollout start", start("third"));
        checks_in(&mut writer, 0, 1, false);
        checks_in(&mut writer, 0, 2, false);
        assert_eq!(paged(&mut writer), []);
        assert_eq!(writer.read("attention count", "{}").expect("counts")["total"], 0);
        // What the device was offered is told with what became of it.
        let firmware = writer.read("firmware list", r#"{"device":"lamp-0","limit":1}"#).expect("a list");
        assert_eq!(firmware["items"][0]["rollout"], "third");
        assert_eq!(firmware["items"][0]["outcome"], "succeeded");
        let rest = json!({"device": "lamp-0", "after": firmware["next"]}).to_string();
        let rest = writer.read("firmware list", &rest).expect("a list");
        let names: Vec<&Json> =
            rest["items"].as_array().expect("items").iter().map(|r| &r["rollout"]).collect();
        assert_eq!(names, ["second", "first"]);
        writer.sound();
    });
}

#[test]
fn waves_and_outcomes_of_a_rollout_are_counted() {
    on_both("waves_and_outcomes_of_a_rollout_are_counted", |world| {
        let mut writer = prepared(world);
        write(&mut writer, "rollout start", json!({"release": "new", "waves": "1,2", "stop_after": 2}));
        checks_in(&mut writer, 0, 1, false);
        let waves = writer.read("rollout waves", r#"{"rollout":"new"}"#).expect("waves");
        let first = json!({"wave": 1, "begun": true, "devices": 1, "waiting": 0, "offered": 1, "succeeded": 0,
            "failed": 0, "refused": 0, "silent": 0, "spared": 0});
        assert_eq!(waves["items"][0], first);
        let second = &waves["items"][1];
        assert_eq!((&second["begun"], &second["waiting"]), (&json!(false), &json!(2)));
        let of = |outcome: &str| json!({"rollout": "new", "outcome": outcome}).to_string();
        for (outcome, count) in [("offered", 1), ("waiting", 2), ("failed", 0)] {
            let found = writer.read("rollout devices", &of(outcome)).expect("devices");
            assert_eq!(found["items"].as_array().map(Vec::len), Some(count), "{outcome}");
        }
        let shown = writer.read("rollout show", r#"{"rollout":"new"}"#).expect("shown");
        assert_eq!(shown["possible"], json!(["rollout pause", "rollout stop", "rollout cancel"]));
    });
}

#[test]
fn the_journal_is_narrowed_and_paged() {
    on_both("the_journal_is_narrowed_and_paged", |world| {
        let mut writer = prepared(world);
        for n in 0..6 {
            writer.now = writer.now.plus_seconds(1);
            let device = format!("lamp-{n}");
            write(&mut writer, "device retire", json!({"device": device, "why": "old"}));
        }
        let narrow = |more: Json| {
            let mut narrow = json!({"action": "device retire", "room": "device", "limit": 4});
            narrow.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            narrow.to_string()
        };
        let first = writer.read("audit list", &narrow(json!({}))).expect("a page");
        let second = writer.read("audit list", &narrow(json!({"after": first["next"]}))).expect("a page");
        let subjects = |page: &Json| -> Vec<Json> {
            page["items"].as_array().expect("items").iter().map(|entry| entry["subject"].clone()).collect()
        };
        assert_eq!(subjects(&first), ["d5", "d4", "d3", "d2"]);
        assert_eq!((subjects(&second), &second["next"]), (vec![json!("d1"), json!("d0")], &Json::Null));
        for nobody in
            [json!({"actor": "nobody"}), json!({"subject": "d9"}), json!({"action": "device claim"})]
        {
            let found = writer.read("audit list", &narrow(nobody)).expect("a page");
            assert_eq!(found, json!({"items": []}));
        }
        let of_subject = writer.read("audit list", r#"{"subject":"d1","actor":"tester"}"#).expect("a page");
        assert!(of_subject["items"].as_array().is_some_and(|items| items.len() >= 4), "all of them");
        let head = writer.read("audit head", "{}").expect("a head");
        assert_eq!((&head["items"][0]["lane"], &head["items"][0]["signed"]), (&json!(1), &json!(0)));
        assert_eq!(head["items"][0]["signature"], Json::Null);
        let export = writer.read("audit export", r#"{"limit":500}"#).expect("a page");
        let newest = export["items"].as_array().and_then(|items| items.last()).expect("an entry");
        assert_eq!((&head["items"][0]["seq"], &head["items"][0]["hash"]), (&newest["seq"], &newest["hash"]));
    });
}
