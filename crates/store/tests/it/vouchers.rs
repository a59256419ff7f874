//! What a registrar's door asks of a voucher, on both engines: none of it is in a table.
use crate::support::{Writer, ask, code, on_both, own};
use fleet::onboarding::rules::{Introduction, LogSummary};
use fleet::onboarding::view::{Enrol, Issue, Proof, Report as EnrolReport};
use fleet::onboarding::voucher::view::{Keep, KeepLog, Report, Want};
use fleet::operation::Operation;
use fleet::time::Millis;
use serde_json::{Value as Json, json};
use store::Outcome;

/// The example of `anchor add`.
const PEM: &str = include_str!("../../../fleet/src/onboarding/anchor/example.pem");

fn want(nonce: &str) -> Want {
    let (anchor, serial_number, key) = ("lumen".into(), "A1".into(), "00ff".into());
    Want {
        introduction: Introduction {
            anchor,
            serial_number,
            key,
            mud_url: String::new(),
            mud_signer: String::new(),
        },
        nonce: nonce.into(),
    }
}

fn keep(nonce: &str, voucher: &str) -> Keep {
    Keep { want: want(nonce), domain_id: "aa".into(), voucher: voucher.into() }
}

fn run(writer: &mut Writer, operation: impl Operation) -> Outcome {
    writer.commit(&[ask(own(operation))]).remove(0)
}

fn shown(writer: &mut Writer) -> Json {
    writer.read("onboarding show", r#"{"device":"lumen-A1"}"#).expect("shown")["voucher"].take()
}

#[test]
fn one_voucher_is_kept_with_its_verdict_and_its_log() {
    on_both("vouchers", |world| {
        let mut writer = world.writer();
        assert_eq!(code(&run(&mut writer, want("n1"))), "anchor-removed", "nobody trusts this maker");
        let anchor = json!({"anchor": "lumen", "certificate": PEM});
        writer.write("anchor add", &anchor.to_string()).expect("trusted");
        assert_eq!(run(&mut writer, want("n1")), Ok(json!("wait")));
        assert_eq!(code(&run(&mut writer, keep("n1", "v1"))), "not-admitted");
        writer.write("onboarding admit", r#"{"device":"lumen-A1"}"#).expect("admitted");
        let servers = run(&mut writer, want("n1")).expect("asked")["ask"]["servers"].take();
        assert_eq!(servers, json!([anchor["certificate"]]), "the anchor vouches for its servers");
        let introduction = want("n1").introduction;
        let report = |good| Report { introduction: introduction.clone(), good, reason: "words".into() };
        assert_eq!(code(&run(&mut writer, report(true))), "no-voucher");
        for (asked, kept) in [(keep("n1", "v1"), "v1"), (keep("n1", "v2"), "v1"), (keep("n2", "v2"), "v2")] {
            assert_eq!(run(&mut writer, asked), Ok(json!(kept)));
        }
        assert_eq!(run(&mut writer, want("n2")), Ok(json!({"again": {"voucher": "v2"}})));
        let other_domains = vec!["bb".to_string()];
        let log = LogSummary { complete: true, vouchers: 2, without_nonce: 1, left_out: 0, other_domains };
        for _ in 0..2 {
            run(&mut writer, KeepLog { want: want("n2"), log: log.clone() }).expect("kept");
        }
        assert_eq!(shown(&mut writer)["log"]["other_domains"], json!(["bb"]));
        run(&mut writer, report(false)).expect("noted");
        let voucher = shown(&mut writer);
        assert_eq!((&voucher["verdict"], &voucher["reason"]), (&json!("refused"), &json!("words")));
        assert_eq!(voucher["log"]["vouchers"], 2);
        writer.sound();
        writer.write("onboarding revoke", r#"{"device":"lumen-A1","why":"lost"}"#).expect("revoked");
        assert_eq!(shown(&mut writer), Json::Null);
        writer.sound();
    });
}

/// It was dark until its certificate had ended: nobody needs to retire it.
#[test]
fn who_has_no_good_certificate_any_more_enrols_again_by_its_idevid() {
    on_both("vouchers::dark", |world| {
        let mut writer = world.writer();
        let anchor = json!({"anchor": "lumen", "certificate": PEM, "admission": "automatic"});
        writer.write("anchor add", &anchor.to_string()).expect("trusted");
        let idevid = || Proof::Idevid(want("n1").introduction);
        let enrol = |key: &str| Enrol { proof: idevid(), key: key.into() };
        let mut signed = run(&mut writer, enrol("k1")).expect("to be signed");
        let work = serde_json::from_value(signed["sign"].take()).expect("work");
        let not_after = Millis(writer.now.0 + 1000);
        let issue = Issue { work, not_after, serial: "01".into(), certificate: "PEM".into() };
        run(&mut writer, issue).expect("issued");
        run(&mut writer, EnrolReport { proof: idevid(), good: true, reason: String::new() }).expect("noted");
        assert_eq!(code(&run(&mut writer, enrol("k2"))), "already-enrolled");
        assert_eq!(code(&run(&mut writer, want("n1"))), "already-enrolled");
        writer.now = not_after;
        assert!(run(&mut writer, enrol("k2")).expect("to be signed")["sign"].is_object());
        assert!(run(&mut writer, want("n1")).expect("to be asked")["ask"].is_object());
        writer.sound();
    });
}
