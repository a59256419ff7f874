//! A clock that is behind the journal: everything that issues, revokes or expires is refused and says what to do,
//! whoever asks for it; what holds a device back, or needs no sound clock, goes on.
use crate::support::{NOW, World, Writer, ask, code, on_both, own, permitted};
use fleet::access::gate::{Gate, rules::Command as Appoint};
use fleet::account::authenticate;
use fleet::account::view::{EndSession, StartSession};
use fleet::audit::view::ForgetKeys;
use fleet::blob::view::Sweep;
use fleet::control::view::Expire as ExpireOperations;
use fleet::device::Device;
use fleet::device::rules::{Command as Life, Identity};
use fleet::onboarding::Onboarding;
use fleet::onboarding::restoration::view::Note;
use fleet::onboarding::rules::{Command, Introduction, Ldevid};
use fleet::onboarding::view::{Enrol, Issue, Proof, Work};
use fleet::onboarding::voucher::view::{Keep, Want};
use fleet::operation::{Kind, Operation};
use fleet::permission::{Permission, Permitted, Session};
use fleet::provisioning::view::{Bear, Want as WantBirth};
use fleet::provisioning::voucher::view::{Find, Issue as IssueVoucher};
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::remediation::view::Expire as ExpireTries;
use fleet::retirement::Retirement;
use fleet::retirement::rules::{Command as Leave, Said};
use fleet::room::Cx;
use fleet::time::Millis;
use fleet::upgrade::view::Expire as ExpireRollouts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

const PEM: &str = include_str!("../../../fleet/src/onboarding/anchor/example.pem");
/// How far the newest entry is ahead: less than a one-time link is good for.
const AHEAD_MILLIS: i64 = 300_000;
/// Devices at work, each for one row.
const AT_WORK: [&str; 9] =
    ["retired", "revoked", "begun", "forced", "heard", "ahead", "held", "gate", "renamed"];

fn introduction(serial_number: &str) -> Introduction {
    let of = json!({"anchor": "lumen", "serial_number": serial_number, "key": "00ff"});
    serde_json::from_value(of).expect("an introduction")
}

fn ldevid(key: &str) -> Ldevid {
    Ldevid { key: key.into(), not_before: Millis(0), not_after: Millis(NOW), certificate: "PEM".into() }
}

/// The devices [`AT_WORK`], and `asks`, which waits for its certificate.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Scene {}

impl Operation for Scene {
    const NAME: &'static str = "test scene";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        for id in AT_WORK.into_iter().chain(["asks"]) {
            let subject = cx.subject("main", id);
            let identity = Identity {
                name: id.into(),
                serial_number: id.into(),
                maker: "lumen".into(),
                ..Identity::default()
            };
            cx.change::<Device>(&subject, Life::Expect(identity))?;
            for command in
                [Command::Introduce(introduction(id)), Command::Admit, Command::Want { key: "k".into() }]
            {
                cx.change::<Onboarding>(&subject, command)?;
            }
            if id == "asks" {
                continue;
            }
            let issue = Command::Issue { serial: id.into(), ldevid: ldevid("k") };
            let report = Command::Report { good: true, reason: String::new(), matched: true };
            for command in [issue, report] {
                cx.change::<Onboarding>(&subject, command)?;
            }
        }
        let show = Command::ShowAhead {
            serial: "newer".into(),
            serial_number: "ahead".into(),
            ldevid: Ldevid { not_before: Millis(9_000), ..ldevid("newer") },
        };
        cx.change::<Onboarding>(&cx.subject("main", "ahead"), show)?;
        cx.change::<Gate>(&cx.subject("main", "gate"), Appoint::Appoint)?;
        for id in ["forced", "heard"] {
            let begin = Leave::Begin { why: "old".into(), deadline: cx.now, ldevids: "PEM".into() };
            cx.change::<Retirement>(&cx.subject("main", id), begin)?;
        }
        Ok(())
    }
}

/// A device's last report was verified.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Hear {}

impl Operation for Hear {
    const NAME: &'static str = "test hear";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        let said = Said { report: "00".into(), wiped: vec!["keys".into()], ldevid: "PEM".into() };
        cx.change::<Retirement>(&cx.subject("main", "heard"), Leave::Hear(said)).map(drop)
    }
}

fn asked(operation: &str, arguments: serde_json::Value) -> Permitted {
    permitted(operation, &arguments.to_string()).expect(operation)
}

fn signed_in(writer: &mut Writer, secret: &serde_json::Value) -> Session {
    let (secret, now, mut found) = (secret.as_str().expect("a secret"), writer.now, None);
    let looked = writer.engine.snapshot(&mut |tx| {
        found = Some(authenticate(tx, secret, now));
        Ok(())
    });
    looked.expect("a snapshot");
    found.expect("a snapshot runs its body").expect("signed in")
}

fn done(writer: &mut Writer, operation: &str, arguments: serde_json::Value) -> serde_json::Value {
    writer.write(operation, &arguments.to_string()).expect(operation)
}

/// What rests on the clock, in an order in which each can be done: asked of the writer that [`prepared`] made.
fn rows(writer: &mut Writer) -> Vec<(&'static str, Permitted)> {
    let account = json!({"account": "alice"});
    let token = done(writer, "token issue", json!({"account": "alice", "label": "report"}));
    let link = done(writer, "link issue", account.clone());
    let by_link = signed_in(writer, &link["secret"]);
    let start = by_link.permit(Box::new(StartSession {})).expect("a link may");
    let want = Want { introduction: introduction("asks"), nonce: "n1".into() };
    let work = Work {
        organisation: "main".into(),
        site: "main".into(),
        device: "asks".into(),
        serial_number: "asks".into(),
        key: "k".into(),
        serial: [1; 16],
        not_before: Millis(0),
    };
    let issue = Issue { work, not_after: Millis(NOW), serial: "s1".into(), certificate: "PEM".into() };
    let born = |serial: &str| WantBirth {
        product: "lamp".into(),
        serial_number: serial.parse().expect("a label"),
        key: "aa".into(),
    };
    let bear = |serial: &str| Bear {
        product: "lamp".into(),
        serial_number: serial.into(),
        key: "aa".into(),
        certificate: "PEM".into(),
        record: String::new(),
    };
    writer.commit(&[ask(own(born("B1"))), ask(own(bear("B1"))), ask(own(born("B2")))]);
    let find =
        Find { serial_number: "B1".into(), key: "aa".into(), nonce: "n1".into(), domain_id: "dd".into() };
    let voucher = IssueVoucher { find: find.clone(), issued_at: Millis(NOW), voucher: "v".into() };
    let renew = Enrol { proof: Proof::Ldevid { serial: "held".into() }, key: "next".into() };
    let enrol = Enrol { proof: Proof::Idevid(introduction("asks")), key: "k".into() };
    let of = |device: &str| json!({"device": device, "why": "old"});
    vec![
        ("an IDevID is wanted", own(born("B3"))),
        ("an IDevID is born", own(bear("B2"))),
        ("a MASA is asked for a voucher", own(find)),
        ("a MASA issues a voucher", own(voucher)),
        ("a registrar asks for a voucher", own(want)),
        ("an LDevID is wanted", own(enrol)),
        ("an LDevID is issued", own(issue)),
        ("an LDevID is renewed", own(renew)),
        ("an LDevID is adopted", asked("onboarding adopt", json!({"device": "ahead"}))),
        ("LDevIDs are revoked", asked("onboarding revoke", of("revoked"))),
        ("a device is retired", asked("device retire", of("retired"))),
        ("a decommission is begun", asked("retirement begin", of("begun"))),
        ("a decommission is forced", asked("retirement force", of("forced"))),
        ("a last report is heard", own(Hear {})),
        ("a restoration is noted", own(Note {})),
        ("operations expire", own(ExpireOperations {})),
        ("rollouts expire", own(ExpireRollouts {})),
        ("tries of playbooks expire", own(ExpireTries {})),
        ("blobs are swept", own(Sweep { after: String::new() })),
        ("idempotency keys are forgotten", own(ForgetKeys {})),
        ("a token is issued", asked("token issue", json!({"account": "alice", "label": "more"}))),
        ("a link is issued", asked("link issue", account.clone())),
        ("a session is started", start),
        (
            "a credential is revoked",
            asked("credential revoke", json!({"account": "alice", "id": token["id"]})),
        ),
        ("an account is disabled", asked("account disable", account)),
        ("a maker is trusted no more", asked("anchor remove", json!({"anchor": "lumen"}))),
    ]
}

fn prepared(world: &World) -> Writer {
    let mut writer = world.writer();
    done(&mut writer, "account add", json!({"account": "alice", "permission": "operate"}));
    done(&mut writer, "anchor add", json!({"anchor": "lumen", "certificate": PEM}));
    done(&mut writer, "product add", json!({"product": "lamp", "hardware_type": "1.3.6.1.4.1.32473.7"}));
    writer.commit(&[ask(own(Scene {}))]).remove(0).expect("a scene");
    writer
}

#[test]
fn whatever_issues_revokes_or_expires_waits_for_a_sound_clock() {
    on_both("clock_table::whatever_issues_revokes_or_expires_waits", |world| {
        let mut writer = prepared(world);
        let token = done(&mut writer, "token issue", json!({"account": "alice", "label": "mine"}));
        let alice = signed_in(&mut writer, &token["secret"]);
        let rows = rows(&mut writer);
        writer.now = Millis(NOW + AHEAD_MILLIS);
        done(&mut writer, "device expect", json!({"serial_number": "newest"}));
        writer.now = Millis(NOW + 1_000);
        let entries = writer.lane.tally().entries;
        let mut wrong = Vec::new();
        let mut asks = Vec::new();
        for (what, permitted) in rows {
            let ask = ask(permitted);
            let outcome = writer.commit(std::slice::from_ref(&ask)).remove(0);
            match &outcome {
                Err(no)
                    if (no.code, no.sort, no.blame) == ("clock-behind", Sort::Later, Blame::Environment) =>
                {
                    assert!(no.detail.contains("`clock accept`"), "{what}: {}", no.detail);
                }
                other => wrong.push(format!("{what}: {other:?}")),
            }
            asks.push((what, ask));
        }
        assert!(wrong.is_empty(), "not refused while the clock is behind:\n{}", wrong.join("\n"));
        assert_eq!(writer.lane.tally().entries, entries, "nothing was written");
        // What holds a device back, and what no clock decides.
        let keep = Keep {
            want: Want { introduction: introduction("asks"), nonce: "n0".into() },
            domain_id: "dd".into(),
            voucher: "v".into(),
        };
        let end = alice.permit(Box::new(EndSession {})).expect("everybody may");
        for (what, permitted) in [
            ("a voucher that came is kept", own(keep)),
            (
                "a device is held",
                asked("quarantine hold", json!({"device": "held", "level": "dark", "why": "odd"})),
            ),
            ("a device is renamed", asked("device rename", json!({"device": "renamed", "name": "hall"}))),
            ("a gate is dismissed", asked("gate dismiss", json!({"device": "gate", "why": "moved"}))),
            ("somebody signs out", end),
            ("the clock is accepted", asked("clock accept", json!({"why": "it was ahead"}))),
        ] {
            assert_eq!(code(&writer.commit(&[ask(permitted)]).remove(0)), "", "{what}");
        }
        // The very same are done then: each row was refused for its clock alone.
        for (what, ask) in asks {
            let outcome = writer.commit(&[ask]).remove(0);
            assert!(outcome.is_ok(), "{what}: {outcome:?}");
        }
        writer.sound();
    });
}
