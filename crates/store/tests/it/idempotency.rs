//! A repeated request is done once.
use crate::support::{World, ask, code, on_both, permitted, read, tester, write};
use fleet::operation::Call;
use fleet::permission::Session;
use fleet::text::Slug;
use serde_json::Value as Json;
use store::{Ask, Outcome, Store};

fn keyed(operation: &str, arguments: &str, key: &str) -> Ask {
    let mut ask = ask(permitted(operation, arguments).expect("well-formed"));
    ask.idempotency_key = Some(key.into());
    ask
}

fn expect(serial_number: &str, key: &str) -> Ask {
    keyed("device expect", &format!(r#"{{"serial_number":"{serial_number}"}}"#), key)
}

fn by(session: &Session, serial_number: &str, key: &str) -> Ask {
    let call: Box<dyn Call> = (fleet::operation("device", "expect").expect("in the table").parse)(
        serde_json::json!({"serial_number": serial_number}),
    )
    .expect("well-formed");
    let mut ask = ask(session.permit(call).expect("permitted"));
    ask.idempotency_key = Some(key.into());
    ask
}

fn device(outcome: &Outcome) -> Json {
    outcome.as_ref().expect("an answer")["device"].clone()
}

fn total(store: &Store) -> Json {
    read(store, "device count", "{}").expect("counts")["total"].clone()
}

#[test]
fn the_same_key_and_request_have_the_same_answer() {
    on_both("the same key and request", |world| {
        let store = world.store();
        let first = write(&store, expect("a", "key-1"));
        let again = write(&store, expect("a", "key-1"));
        assert_eq!(first.as_ref().expect("done"), again.as_ref().expect("done once"));
        assert_eq!(total(&store), 1);
        assert_eq!(store.figures().tally.entries, 1);
        drop(store);
        let store = world.store();
        assert_eq!(device(&write(&store, expect("a", "key-1"))), device(&first), "after a restart too");
        assert_eq!(total(&store), 1);
    });
}

#[test]
fn also_within_one_batch() {
    on_both("within one batch", |world| {
        let mut writer = world.writer();
        let outcomes = writer.commit(&[expect("a", "key-1"), expect("a", "key-1"), expect("b", "key-1")]);
        assert_eq!(device(&outcomes[0]), device(&outcomes[1]));
        assert_eq!(code(&outcomes[2]), "idempotency-key-reused");
        writer.sound();
    });
}

#[test]
fn a_key_belongs_to_one_asker() {
    on_both("a key belongs to one asker", |world| {
        let store = world.store();
        let bob = Session { actor: "bob".into(), ..tester() };
        let elsewhere = Session { organisation: "other".parse::<Slug>().expect("a slug"), ..tester() };
        let answers: Vec<Json> = [(&tester(), "a"), (&bob, "b"), (&elsewhere, "a")]
            .into_iter()
            .map(|(session, serial_number)| device(&write(&store, by(session, serial_number, "key-1"))))
            .collect();
        assert!(answers[0] != answers[1] && answers[0] != answers[2], "{answers:?}");
    });
}

#[test]
fn a_secret_is_never_kept() {
    on_both("a secret is never kept", |world| {
        let store = world.store();
        let account = permitted("account add", r#"{"account":"alice","permission":"view"}"#).expect("good");
        write(&store, ask(account)).expect("added");
        let issue = || keyed("token issue", r#"{"account":"alice","label":"report"}"#, "key-1");
        let secret =
            write(&store, issue()).expect("issued")["secret"].as_str().expect("a secret").to_string();
        assert_eq!(code(&write(&store, issue())), "answer-not-kept");
        let shown = read(&store, "account show", r#"{"account":"alice"}"#).expect("shown");
        assert_eq!(shown["credentials"].as_array().map(Vec::len), Some(1));
        drop(store);
        let kept = world.writer().rows("SELECT answer FROM idempotency", &[]);
        assert_eq!(kept.len(), 1);
        assert!(!kept[0].text(0).expect("text").contains(&secret[8..]));
    });
}

#[test]
fn a_refused_request_may_be_asked_again() {
    on_both("a refused request", |world| {
        let store = world.store();
        let retire = || keyed("device retire", r#"{"device":"a","why":"lost"}"#, "key-1");
        assert_eq!(code(&write(&store, retire())), "device-unknown");
        write(&store, expect("a", "key-2")).expect("expected");
        assert_eq!(write(&store, retire()).expect("retired")["stage"], "retired");
        assert_eq!(write(&store, retire()).expect("its answer is kept")["stage"], "retired");
    });
}

#[test]
fn keys_have_limits() {
    let check = |world: &World, key: &str, expect_code: &str| {
        let outcome = world.writer().commit(&[expect("a", key)]).remove(0);
        assert_eq!(code(&outcome), expect_code, "{key:?}");
    };
    on_both("keys have limits", |world| {
        for bad in ["", "a b", "a\n", "ä", "a\0", &"k".repeat(129)] {
            check(world, bad, "bad-idempotency-key");
        }
        check(world, &"k".repeat(128), "");
    });
}
