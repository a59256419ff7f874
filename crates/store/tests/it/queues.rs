//! Queues are bounded, threads end, and a fault in one job is nobody else's.
use crate::operations::{FalseRead, Wait, gate, wait_at};
use crate::support::{NOW, World, ask, code, expect_device, on_both, own, read, write};
use fleet::refusal::Refusal;
use fleet::room::Env;
use fleet::time::Millis;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use store::limits::{QUEUE_COMMANDS_MAX, READ_QUEUE_JOBS_MAX};
use store::{Settings, Store, run_read};

/// A command that holds the writer until the answer is sent.
fn held(store: &Store, name: &str) -> Sender<()> {
    let open = gate(name);
    drop(store.write(ask(own(Wait { gate: name.into() }))).expect("room"));
    open
}

#[test]
fn a_full_queue_of_commands_is_busy_and_all_others_are_done() {
    let world = World::sqlite();
    let store = world.store();
    let open = held(&store, "full-queue");
    let mut answers = Vec::new();
    let refusal = loop {
        match store.write(expect_device(&format!("d{}", answers.len()))) {
            Ok(answer) => answers.push(answer),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code, "busy");
    // The writer may have taken the held command and its company out of the queue.
    assert!((QUEUE_COMMANDS_MAX - 1..QUEUE_COMMANDS_MAX + 64).contains(&answers.len()), "{}", answers.len());
    assert!(store.figures().waiting >= QUEUE_COMMANDS_MAX);
    open.send(()).expect("the writer waits");
    let expected = answers.len();
    for answer in answers {
        answer.blocking_recv().expect("an answer").expect("expected");
    }
    let counts = read(&store, "device count", "{}").expect("counts");
    assert_eq!(counts["total"], expected);
    let figures = store.figures();
    assert_eq!(figures.waiting, 0);
    assert!(figures.tally.batches < 1 + expected as u64 / 16, "commands share transactions: {figures:?}");
}

#[test]
fn a_full_queue_of_questions_is_busy() {
    let world = World::sqlite();
    let store = Store::open(Settings { readers: 1, ..world.settings() }).expect("open");
    let open = gate("questions");
    let held = store.read(|_, _| {
        wait_at("questions");
        Ok(())
    });
    let mut answers = Vec::new();
    let refusal = loop {
        match store.read(|_, now| Ok(now)) {
            Ok(answer) => answers.push(answer),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal.code, "busy");
    assert!((READ_QUEUE_JOBS_MAX - 1..=READ_QUEUE_JOBS_MAX).contains(&answers.len()), "{}", answers.len());
    open.send(()).expect("the reader waits");
    held.expect("room").blocking_recv().expect("an answer").expect("done");
    for answer in answers {
        assert_eq!(answer.blocking_recv().expect("an answer"), Ok(Millis(NOW)));
    }
}

#[test]
fn a_panic_in_a_question_is_answered_and_the_reader_lives() {
    on_both("a panic in a question", |world| {
        let store = Store::open(Settings { readers: 1, ..world.settings() }).expect("open");
        let panics = store.read(|_, _| -> Result<(), Refusal> { panic!("a fault in a question") });
        let refusal = panics.expect("room").blocking_recv().expect("an answer").expect_err("a panic");
        assert_eq!(refusal.code, "fault-of-ours");
        assert!(refusal.detail.contains("a fault in a question"), "{refusal:?}");
        read(&store, "device count", "{}").expect("the reader lives");
    });
}

#[test]
fn nothing_is_written_through_a_reader() {
    on_both("nothing through a reader", |world| {
        let store = world.store();
        write(&store, expect_device("a")).expect("expected");
        let ask = expect_device("b");
        let refused = store.read(move |tx, now| run_read(tx, now, &Env::default(), &ask.permitted));
        let refused = refused.expect("room").blocking_recv().expect("an answer");
        assert_eq!(code(&refused), "fault-of-ours");
        let lie = own(FalseRead {});
        let lie = store.read(move |tx, now| run_read(tx, now, &Env::default(), &lie));
        assert!(lie.expect("room").blocking_recv().expect("an answer").is_err());
        assert_eq!(read(&store, "device count", "{}").expect("counts")["total"], 1);
    });
}

#[test]
fn entries_are_told_of_before_the_answer_and_a_panic_there_stops_nobody() {
    on_both("entries are told of", |world| {
        let (tell, told) = channel();
        let mut settings = world.settings();
        settings.committed = Some(Arc::new(move |links| {
            let subjects: Vec<_> = links.iter().map(|link| link.entry.subject.id.clone()).collect();
            tell.send(subjects).expect("the test listens");
            panic!("a fault in the telling");
        }));
        let store = Store::open(settings).expect("open");
        for serial_number in ["a", "b"] {
            let answer = write(&store, expect_device(serial_number)).expect("expected");
            assert_eq!(told.try_recv(), Ok(vec![answer["device"].as_str().expect("an id").to_string()]));
        }
    });
}

#[test]
fn the_threads_end_with_the_last_handle() {
    struct Told(Sender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    on_both("the threads end", |world| {
        let (ended, end) = channel();
        let told = Told(ended);
        let mut settings = world.settings();
        settings.clock = Arc::new(move || {
            let Told(_) = &told;
            Millis(NOW)
        });
        let store = Store::open(settings).expect("open");
        let other = store.clone();
        drop(store);
        let last = other.write(expect_device("a")).expect("room");
        drop(other);
        last.blocking_recv().expect("what was taken is done").expect("expected");
        // The clock goes when the last thread has let go of it.
        end.recv_timeout(Duration::from_secs(20)).expect("the threads end");
    });
}
