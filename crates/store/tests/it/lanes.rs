//! One lane has one writer; two lanes have two.
use crate::operations::Wait;
use crate::support::{ask, code, expect_device, on_both, own, read, write};
use store::{Settings, Store};

#[test]
fn the_second_writer_of_a_lane_is_told_and_stops() {
    on_both("two writers on one lane", |world| {
        let (mut first, mut second) = (world.writer(), world.writer());
        first.write("device expect", r#"{"serial_number":"a"}"#).expect("expected");
        let late = second.commit(&[expect_device("b"), expect_device("c")]);
        assert_eq!(late.iter().map(code).collect::<Vec<_>>(), ["lane-lost"; 2]);
        first.write("device expect", r#"{"serial_number":"d"}"#).expect("the first goes on");
        assert_eq!(code(&second.write("device expect", r#"{"serial_number":"e"}"#)), "lane-lost");
        let unknown = r#"{"device":"nobody","why":"x"}"#;
        assert_eq!(code(&second.write("device retire", unknown)), "lane-lost", "it does not even try");
        assert_eq!(first.read("device count", "{}").expect("counts")["total"], 2);
        first.sound();
        assert_eq!(code(&second.read("device count", "{}")), "", "it still looks");
    });
}

#[test]
fn a_command_that_journals_nothing_needs_the_lane_too() {
    on_both("a command that journals nothing", |world| {
        let (mut first, mut second) = (world.writer(), world.writer());
        first.write("device expect", r#"{"serial_number":"a"}"#).expect("expected");
        let silent = ask(own(Wait { gate: "open".into() }));
        assert_eq!(code(&second.commit(&[silent])[0]), "lane-lost");
    });
}

#[test]
fn two_lanes_work_side_by_side() {
    on_both("two writers on two lanes", |world| {
        let stores =
            [1, 2].map(|lane| Store::open(Settings { lane, ..world.settings() }).expect("the store opens"));
        let mut answers = Vec::new();
        for i in 0..100 {
            for (lane, store) in stores.iter().enumerate() {
                answers.push(store.write(expect_device(&format!("{lane}-{i}"))).expect("room"));
            }
        }
        for answer in answers {
            answer.blocking_recv().expect("an answer").expect("expected");
        }
        let verified = read(&stores[0], "audit verify", "{}").expect("both chains hold");
        assert_eq!((&verified["lanes"], &verified["entries"]), (&2.into(), &200.into()));
        assert_eq!(code(&read(&stores[1], "audit check", "{}")), "");
        write(&stores[0], expect_device("last")).expect("expected");
    });
}
