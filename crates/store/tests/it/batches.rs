//! A batch keeps its good commands and nothing else.
use crate::operations::{ExpectThen, Then};
use crate::support::{World, Writer, ask, code, expect_device, on_both, own, permitted};
use fleet::tx::{Fault, FaultKind};
use store::engine::Body;
use store::{Ask, Engine, Tally};

fn then(name: &str, then: Then) -> Ask {
    ask(own(ExpectThen { name: name.into(), then }))
}

fn names(writer: &mut Writer) -> Vec<String> {
    let rows = writer.rows("SELECT name FROM device ORDER BY name", &[]);
    rows.iter().map(|row| row.text(0).expect("a name").to_string()).collect()
}

#[test]
fn a_mixed_batch_commits_exactly_its_good_commands() {
    on_both("a mixed batch", |world| {
        let mut writer = world.writer();
        let cases = [
            (expect_device("a-good"), ""),
            (
                ask(permitted("device rename", r#"{"device":"nobody","name":"x"}"#).expect("good")),
                "device-unknown",
            ),
            (then("b-stale", Then::StaleVersion), "changed-meanwhile"),
            (then("c-bad-sql", Then::BadSql), "store-fault"),
            (then("d-good", Then::Nothing), ""),
            (then("e-panics", Then::Panic), "fault-of-ours"),
            (then("f-hides", Then::HiddenBadSql), "store-fault"),
            (then("g-same-row", Then::SameRow), "changed-meanwhile"),
            (expect_device("a-good"), "device-known"),
            (ask(permitted("device list", "{}").expect("good")), "fault-of-ours"),
            (expect_device("h-good"), ""),
        ];
        let (asks, codes): (Vec<Ask>, Vec<&str>) = cases.into_iter().unzip();
        let outcomes = writer.commit(&asks);
        assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), codes, "{outcomes:#?}");
        let hidden = outcomes[6].as_ref().expect_err("what failed is not hidden");
        assert!(hidden.detail.contains("nothing"), "it names the statement that failed: {hidden:?}");
        assert_eq!(names(&mut writer), ["a-good", "d-good", "h-good"]);
        let tally = Tally { commands: 11, refusals: 8, batches: 1, entries: 3, ..Tally::default() };
        assert_eq!(writer.lane.tally(), tally, "one transaction held all of it");
        writer.sound();
    });
}

#[test]
fn a_batch_of_refusals_alone_leaves_the_journal_as_it_is() {
    on_both("a batch of refusals", |world| {
        let mut writer = world.writer();
        let outcomes = writer.commit(&[then("a", Then::BadSql), then("b", Then::Panic)]);
        assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["store-fault", "fault-of-ours"]);
        assert_eq!(names(&mut writer), [""; 0]);
        assert_eq!(code(&writer.write("device expect", r#"{"serial_number":"c"}"#)), "");
        writer.sound();
    });
}

#[test]
fn a_batch_of_any_size_is_journalled_whole() {
    on_both("batches of all sizes", |world| {
        let mut writer = world.writer();
        for size in [1, 7, 8, 9, 63, 64] {
            let before = writer.lane.tally().entries;
            let asks: Vec<Ask> = (0..size).map(|i| expect_device(&format!("{size}-{i}"))).collect();
            assert!(writer.commit(&asks).iter().all(Result::is_ok));
            assert_eq!(writer.lane.tally().entries, before + size, "{size}");
        }
        writer.sound();
    });
}

/// An engine whose transactions fail at their end.
struct Failing {
    engine: Box<dyn Engine>,
    /// How the next ones end, the next first.
    ends: Vec<End>,
}

#[derive(Clone, Copy)]
enum End {
    Well,
    Undone(FaultKind),
    /// The disk has it, and the answer is lost.
    Unheard,
}

impl Engine for Failing {
    fn batch(&mut self, body: Body) -> Result<(), Fault> {
        match if self.ends.is_empty() { End::Well } else { self.ends.remove(0) } {
            End::Well => self.engine.batch(body),
            End::Undone(kind) => self.engine.batch(&mut |tx| {
                body(tx)?;
                Err(Fault::new(kind, "at its end"))
            }),
            End::Unheard => {
                self.engine.batch(body)?;
                Err(Fault::new(FaultKind::Unavailable, "the answer is lost"))
            }
        }
    }

    fn snapshot(&mut self, body: Body) -> Result<(), Fault> {
        self.engine.snapshot(body)
    }
}

/// Commits a good, a bad and a good command while transactions end as `ends` says, then one more. The
/// first transaction has no marks, and the bad command spoils it.
fn check(world: &World, ends: &[End], codes: [&str; 3], kept: &[&str], retried_batches: u64) {
    let Writer { engine, lane, now, env } = world.writer();
    let ends = [&[End::Well], ends].concat();
    let engine = Box::new(Failing { engine, ends });
    let mut writer = Writer { engine, lane, now, env };
    let asks = [then("a", Then::Nothing), then("b", Then::Panic), then("c", Then::Nothing)];
    let outcomes = writer.commit(&asks);
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), codes, "{outcomes:#?}");
    assert_eq!(names(&mut writer), kept);
    assert_eq!(writer.lane.tally().retried_batches, retried_batches);
    assert_eq!(code(&writer.commit(&[then("z", Then::Nothing)])[0]), "", "the writer goes on");
    writer.sound();
}

#[test]
fn a_batch_that_fails_at_its_end_is_repeated_command_by_command() {
    const CONFLICT: End = End::Undone(FaultKind::Conflict);
    const LOST: End = End::Undone(FaultKind::Unavailable);
    let (late, gone) = ("changed-meanwhile", "store-unavailable");
    let bug = "fault-of-ours";
    on_both("a batch that fails at its end", |world| {
        check(world, &[CONFLICT], ["", bug, ""], &["a", "c"], 1);
    });
    on_both("a batch whose first command fails again", |world| {
        check(world, &[CONFLICT, CONFLICT], [late, bug, ""], &["c"], 1);
    });
    on_both("a batch whose connection is lost", |world| {
        check(world, &[LOST], [gone, gone, gone], &[], 0);
    });
    on_both("a batch that is kept though its connection is lost", |world| {
        check(world, &[End::Unheard], [gone, gone, gone], &["a", "c"], 0);
    });
    on_both("a full disk", |world| {
        let full = End::Undone(FaultKind::DiskFull);
        check(world, &[full; 4], ["disk-full", "disk-full", "disk-full"], &[], 1);
    });
}

#[test]
fn a_repeated_command_draws_the_same() {
    on_both("a repeated command", |world| {
        let id = |ends: &[End]| {
            let world = world.another();
            let Writer { engine, lane, now, env } = world.writer();
            let engine = Box::new(Failing { engine, ends: ends.into() });
            let mut ask = then("a", Then::Nothing);
            ask.seed = [7; 32];
            Writer { engine, lane, now, env }.commit(&[ask]).remove(0).expect("an id")
        };
        assert_eq!(id(&[]), id(&[End::Undone(FaultKind::Conflict)]));
    });
}

#[test]
fn what_is_refused_before_it_wrote_does_not_spoil_its_batch() {
    on_both("a refusal that wrote nothing", |world| {
        let Writer { engine, lane, now, env } = world.writer();
        let engine = Box::new(Failing { engine, ends: vec![End::Well, End::Undone(FaultKind::DiskFull)] });
        let mut writer = Writer { engine, lane, now, env };
        let outcomes = writer.commit(&[expect_device("a"), expect_device("a"), expect_device("b")]);
        // A second transaction would meet the full disk.
        assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["", "device-known", ""]);
        let tally = Tally { commands: 3, refusals: 1, batches: 1, entries: 2, ..Tally::default() };
        assert_eq!(writer.lane.tally(), tally);
    });
}
