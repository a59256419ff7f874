//! Random sequences of commands, in random batches: the fold equals the rows, counts equal a recount.
use crate::support::{NOW, Writer, ask, on_both, permitted};
use fleet::time::Millis;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::Place;

/// Commands over few names, so that they meet.
fn command() -> impl Strategy<Value = (&'static str, String)> {
    let name = || prop_oneof!["[a-d]", "[a-h]"];
    let site = || prop_oneof![Just("main"), Just("north")];
    prop_oneof![
        4 => (name(), site()).prop_map(|(name, site)| {
            ("device expect", format!(r#"{{"serial_number":"{name}","site":"{site}"}}"#))
        }),
        2 => (name(), name()).prop_map(|(old, new)| {
            ("device rename", format!(r#"{{"device":"{old}","name":"{new}"}}"#))
        }),
        3 => name().prop_map(|name| ("device retire", format!(r#"{{"device":"{name}","why":"x"}}"#))),
        2 => name().prop_map(|name| ("device claim", format!(r#"{{"device":"{name}","proof":"x"}}"#))),
        2 => name().prop_map(|name| ("account add", format!(r#"{{"account":"{name}","permission":"view"}}"#))),
        1 => name().prop_map(|name| ("account disable", format!(r#"{{"account":"{name}"}}"#))),
        1 => name().prop_map(|name| ("account enable", format!(r#"{{"account":"{name}"}}"#))),
        2 => name().prop_map(|name| ("token issue", format!(r#"{{"account":"{name}","label":"x"}}"#))),
    ]
}

fn batches() -> impl Strategy<Value = Vec<Vec<(&'static str, String)>>> {
    prop::collection::vec(prop::collection::vec(command(), 1..12), 1..8)
}

#[test]
fn the_fold_equals_the_rows_and_counts_equal_a_recount() {
    on_both("random sequences", |world| {
        let cases = if matches!(world.place, Place::Sqlite(_)) { 64 } else { 16 };
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let done = runner.run(&batches(), |batches| check(&mut world.another().writer(), &batches));
        done.unwrap_or_else(|why| panic!("{why}"));
    });
}

fn check(writer: &mut Writer, batches: &[Vec<(&'static str, String)>]) -> Result<(), TestCaseError> {
    for (i, batch) in batches.iter().enumerate() {
        writer.now = Millis(NOW + i as i64);
        let asks: Vec<_> = batch
            .iter()
            .map(|(operation, arguments)| ask(permitted(operation, arguments).expect("well-formed")))
            .collect();
        for outcome in writer.commit(&asks) {
            if let Err(refusal) = outcome {
                prop_assert!(
                    !refusal.code.starts_with("store-") && refusal.code != "fault-of-ours",
                    "{refusal:?}"
                );
            }
        }
    }
    for operation in ["audit verify", "audit check"] {
        let found = writer.read(operation, "{}");
        prop_assert!(found.is_ok(), "{operation}: {found:?}");
    }
    let counted = counts(
        writer,
        "SELECT site, stage, devices FROM device_count WHERE devices <> 0 ORDER BY site, stage",
    );
    let recounted =
        counts(writer, "SELECT site, stage, count(*) FROM device GROUP BY site, stage ORDER BY site, stage");
    prop_assert_eq!(counted, recounted);
    Ok(())
}

fn counts(writer: &mut Writer, sql: &'static str) -> Vec<String> {
    let rows = writer.rows(sql, &[]);
    rows.iter().map(|row| format!("{:?}", row.0)).collect()
}
