//! A clock that fell behind the journal: no issuing, no revoking; ordinary work goes on.
use crate::support::{NOW, World, ask, code, on_both};
use fleet::account::authenticate;
use fleet::operation::Call;
use fleet::permission::Session;
use fleet::refusal::Refusal;
use fleet::time::Millis;
use store::Engine;

#[test]
fn nothing_is_issued_while_the_clock_is_behind() {
    on_both("the clock is behind", |world| {
        let mut writer = world.writer();
        writer.write("account add", r#"{"account":"alice","permission":"view"}"#).expect("added");
        let issue = r#"{"account":"alice","label":"report"}"#;
        writer.now = Millis(NOW - 2_001);
        assert_eq!(code(&writer.write("token issue", issue)), "clock-behind");
        assert_eq!(code(&writer.write("account disable", r#"{"account":"alice"}"#)), "clock-behind");
        // The same at a start: the newest entry is in the database.
        let mut restarted = world.writer();
        restarted.now = Millis(NOW - 2_001);
        assert_eq!(code(&restarted.write("token issue", issue)), "clock-behind");
        assert_eq!(code(&restarted.write("device expect", r#"{"serial_number":"a"}"#)), "");
        assert_eq!(code(&restarted.write("token issue", issue)), "clock-behind", "still behind");
        // A lane whose last entry is of a clock that is behind still has the newer one before it.
        let mut restarted = world.writer();
        restarted.now = Millis(NOW - 2_001);
        assert_eq!(code(&restarted.write("token issue", issue)), "clock-behind", "after another start");
        restarted.now = Millis(NOW - 2_000);
        assert_eq!(code(&restarted.write("token issue", issue)), "", "a small step is none");
        restarted.sound();
    });
}

/// What the account of this secret is refused.
fn refused(engine: &mut dyn Engine, secret: &str, now: i64) -> Result<Session, Refusal> {
    let mut found = None;
    let looked = engine.snapshot(&mut |tx| {
        found = Some(authenticate(tx, secret, Millis(now)));
        Ok(())
    });
    looked.expect("a snapshot");
    found.expect("a snapshot runs its body")
}

#[test]
fn a_clock_that_was_ahead_once_is_accepted_by_a_person() {
    on_both("a clock that was ahead once", |world: &World| {
        let (year, accept) = (366 * 86_400_000, r#"{"why":"it was a year ahead"}"#);
        let mut writer = world.writer();
        writer.write("account add", r#"{"account":"alice","permission":"view"}"#).expect("added");
        assert_eq!(code(&writer.write("clock accept", accept)), "clock-not-behind");
        writer.now = Millis(NOW + year);
        writer.write("device expect", r#"{"serial_number":"a"}"#).expect("expected");
        writer.now = Millis(NOW + 1_000);
        let disable = r#"{"account":"alice"}"#;
        assert_eq!(code(&writer.write("account disable", disable)), "clock-behind");
        let accepted = writer.write("clock accept", accept).expect("accepted");
        assert_eq!(accepted["newest"], Millis(NOW + year).to_string());
        assert_eq!(code(&writer.write("account disable", disable)), "");
        // From here on the entries after that count, after another start too.
        for _ in 0..2 {
            writer.now = Millis(NOW - 2_000);
            assert_eq!(code(&writer.write("account enable", disable)), "");
            assert_eq!(code(&writer.write("account disable", disable)), "clock-behind");
            writer.now = Millis(NOW + 1_000);
            assert_eq!(code(&writer.write("account disable", disable)), "");
            writer.sound();
            writer = world.writer();
        }
        // And once more.
        writer.now = Millis(NOW + year);
        writer.write("device expect", r#"{"serial_number":"b"}"#).expect("expected");
        writer.now = Millis(NOW + 2_000);
        assert_eq!(code(&writer.write("clock accept", accept)), "");
        assert_eq!(code(&writer.write("clock accept", accept)), "clock-not-behind");
        writer.sound();
    });
}

#[test]
fn a_clock_that_is_set_back_makes_no_credential_good_again() {
    on_both("a clock that is set back", |world: &World| {
        let mut writer = world.writer();
        writer.write("account add", r#"{"account":"alice","permission":"operate"}"#).expect("added");
        let issued =
            writer.write("token issue", r#"{"account":"alice","label":"x","days":1}"#).expect("issued");
        let secret = issued["secret"].as_str().expect("a secret");
        let alice = refused(&mut *writer.engine, secret, NOW).expect("signed in");
        let expect = |serial: &str| {
            let (noun, verb) = ("device", "expect");
            let row = fleet::operation(noun, verb).expect("an operation");
            let call: Box<dyn Call> =
                (row.parse)(serde_json::json!({ "serial_number": serial })).expect("arguments");
            ask(alice.permit(call).expect("permitted"))
        };
        assert_eq!(code(&writer.commit(&[expect("a")])[0]), "");
        writer.now = Millis(NOW + 2 * 86_400_000);
        writer.write("device expect", r#"{"serial_number":"b"}"#).expect("time goes by");
        writer.now = Millis(NOW);
        let again = refused(&mut *writer.engine, secret, NOW).expect_err("it had expired");
        assert_eq!(again.code, "not-signed-in");
        assert_eq!(code(&writer.commit(&[expect("c")])[0]), "not-signed-in");
        assert_eq!(code(&writer.write("clock accept", r#"{"why":"it was ahead"}"#)), "");
        assert_eq!(code(&writer.commit(&[expect("c")])[0]), "");
        writer.sound();
    });
}
