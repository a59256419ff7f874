//! Refusals of known principals have their line in the journal, once a minute.
use crate::support::{code, expect_device, on_both, read, tester, write};
use fleet::permission::Session;
use fleet::refusal::{Refusal, Sort};
use std::sync::atomic::Ordering;

#[test]
fn a_refusal_is_journalled_once_a_minute() {
    on_both("a refusal is journalled", |world| {
        let store = world.store();
        let no = Refusal::new(Sort::NotPermitted, "not-permitted", "no");
        let bob = Session { actor: "bob".into(), ..tester() };
        for _ in 0..3 {
            store.note_refusal(&tester(), "device retire", &no);
            store.note_refusal(&bob, "device retire", &no);
        }
        world.time.fetch_add(60_000, Ordering::Relaxed);
        store.note_refusal(&bob, "device retire", &no);
        // What is asked later is done later, so the notes are there when this is answered.
        write(&store, expect_device("a")).expect("expected");
        let page = read(&store, "audit export", "{}").expect("entries");
        let entries: Vec<String> = page["items"].as_array().expect("items").iter().map(line).collect();
        let noted: Vec<&str> =
            entries.iter().filter(|entry| entry.contains("refusal")).map(String::as_str).collect();
        let [bob, tester] =
            ["bob", "tester"].map(|actor| format!("{actor} refusal device retire not-permitted 0"));
        assert_eq!(noted, [&tester, &bob, &bob]);
        assert_eq!(entries.len(), 4);
        assert_eq!(store.figures().tally.commands, 1, "a note is no command");
        for operation in ["audit verify", "audit check"] {
            assert_eq!(code(&read(&store, operation, "{}")), "");
        }
    });
}

fn line(entry: &serde_json::Value) -> String {
    let text = |name: &str| entry[name].as_str().expect(name).to_string();
    format!("{} {} {} {} {}", text("actor"), text("room"), text("subject"), text("detail"), entry["version"])
}
