//! The member alone: a disk in memory, a hub in memory, and a clock that a test moves.
use agent::control::{Change, FirmwareOrder, Held, Input, Member, Memory, Output, Trouble};
use agent::machine::{Answer, Moment, Timers};
use std::collections::BTreeSet;
use wire::control::{Apply, Desired, FirmwareReport, NotKept, OrderReport, Progress, Report};
use wire::digest::sha256;
use wire::limits::CONTROL_NAMES_MAX;
use wire::retirement::Wipe;

const OLD: &[u8] = br#"{"interval":60}"#;
const NEW: &[u8] = br#"{"interval":5}"#;
/// A hub that nobody reaches.
const LOST: &[u8] = br#"{"hub":"https://nowhere.example"}"#;

/// What lies on the disk.
#[derive(Clone, Debug, PartialEq)]
struct Disk {
    document: Vec<u8>,
    before: Vec<u8>,
    memory: Memory,
}

impl Disk {
    fn new() -> Self {
        Self { document: OLD.to_vec(), before: b"{}".to_vec(), memory: Memory::default() }
    }

    fn store(&mut self, change: Change) {
        match change {
            Change::Document(document) => self.document = document,
            Change::Before(before) => self.before = before,
            Change::Memory(memory) => self.memory = memory,
        }
    }
}

/// A hub that wants a document, as the rules of its rooms do: it offers it over what it knows, confirms a
/// trial, and gives up when the device did not keep it.
struct Hub {
    wanted: Option<&'static [u8]>,
    order: u32,
    known: [u8; 32],
    reports: Vec<Report>,
    /// Where a device may check in; nothing is where it joined.
    reached_at: Option<String>,
}

impl Hub {
    fn new(wanted: Option<&'static [u8]>) -> Self {
        Self { wanted, order: 7, known: sha256(OLD), reports: Vec::new(), reached_at: None }
    }

    fn answer(&mut self, report: &[u8]) -> Desired {
        let report = Report::from_json(report).expect("a report");
        self.reports.push(report.clone());
        let has = report.configuration;
        let Some(wanted) = self.wanted else { return Desired::default() };
        if has.last.is_some_and(|last| last.order == self.order) {
            self.wanted = None;
            return Desired::default();
        }
        if has.trial == Some(self.order) {
            return Desired { confirmed: has.trial, ..Desired::default() };
        }
        if has.trial.is_some() || has.digest != Some(self.known) {
            return Desired::default();
        }
        let (order, over, document) = (self.order, Some(self.known), wanted.to_vec());
        let configuration = Some(Apply { order, over, document, confirm_seconds: 60 });
        Desired { configuration, ..Desired::default() }
    }
}

/// A device whose disk and network work, unless a test says otherwise.
struct Bench {
    disk: Disk,
    hub: Hub,
    now: u64,
    log: Vec<String>,
    /// Answers come after so many milliseconds: a hub that holds requests.
    held: u64,
}

impl Bench {
    fn new(wanted: Option<&'static [u8]>) -> Self {
        Self { disk: Disk::new(), hub: Hub::new(wanted), now: 5, log: Vec::new(), held: 25_000 }
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, random: 0 }
    }

    fn resume(&self) -> (Member, Output) {
        let timers = Timers { backoff_min: 1000, backoff_max: 8000, put_off: 0, start_spread: 0 };
        let Disk { document, before, memory } = self.disk.clone();
        Member::resume(timers, Held { document: Ok(document), before, memory, firmware: None }, self.moment())
    }

    fn perform(&mut self, output: Output) -> Input {
        match output {
            Output::Connect { hub } => {
                self.log.push(format!("connect {}", hub.as_deref().unwrap_or("-")));
                if hub == self.hub.reached_at { Input::Connected } else { Input::Lost("nobody".into()) }
            }
            Output::Send(report) => {
                self.log.push("send".into());
                let desired = self.hub.answer(&report);
                self.now += if desired.is_empty() { self.held } else { 1 };
                Input::Answered(Answer { status: 200, body: desired.to_json(), ..Answer::default() })
            }
            Output::Look => {
                self.log.push("look".into());
                Input::Looked(Ok(self.disk.document.clone()))
            }
            Output::Store(change) => {
                self.log.push(name(&change).into());
                self.disk.store(change);
                Input::Stored
            }
            Output::Wipe(order) => panic!("nobody answers {order:?}"),
            Output::Wait(until) => {
                self.log.push(format!("wait {}", until - self.now));
                self.now = until;
                Input::Woken
            }
        }
    }

    /// One step, with the trial's end in between if it comes first.
    fn step(&mut self, member: &mut Member, output: Output) -> Output {
        let late = |bench: &Self| member.deadline().is_some_and(|deadline| bench.now >= deadline);
        let leave = output.may_be_left();
        let input = self.perform(output);
        let input = if leave && late(self) { Input::Woken } else { input };
        member.step(self.moment(), input).expect("in its place")
    }

    /// Goes on for so many steps, and then with the document's next look.
    fn run(&mut self, steps: usize) -> Member {
        let (mut member, mut output) = self.resume();
        for _ in 0..steps {
            output = self.step(&mut member, output);
        }
        member
    }

    fn last(&self) -> &Report {
        self.hub.reports.last().expect("a report")
    }
}

fn name(change: &Change) -> &'static str {
    match change {
        Change::Document(_) => "document",
        Change::Before(_) => "before",
        Change::Memory(_) => "memory",
    }
}

#[test]
fn an_idle_device_keeps_one_connection_and_says_what_it_has() {
    let mut bench = Bench::new(None);
    let member = bench.run(4);
    assert_eq!(bench.log, ["connect -", "send", "send", "send"]);
    let has = &bench.last().configuration;
    assert_eq!((has.digest, has.applied, has.trial), (Some(sha256(OLD)), 0, None));
    assert_eq!((member.trouble(), member.deadline()), (None, None));
    assert_eq!(bench.disk, Disk::new(), "nothing is written");
}

#[test]
fn a_hub_that_answers_at_once_again_and_again_is_asked_less_often() {
    let mut bench = Bench::new(None);
    bench.held = 0;
    bench.run(14);
    let (asked, slower) = bench.log.split_at(10);
    assert_eq!(asked.iter().filter(|did| *did == "send").count(), 9);
    assert_eq!(slower, ["wait 1000", "send", "wait 1000", "send"]);
}

#[test]
fn an_order_is_tried_confirmed_and_kept() {
    let mut bench = Bench::new(Some(NEW));
    let member = bench.run(11);
    let done = ["connect -", "send", "look", "before", "memory", "document", "connect -", "send", "memory"];
    assert_eq!(bench.log, [&done[..], &["send", "send"]].concat());
    let trial = &bench.hub.reports[1].configuration;
    assert_eq!((trial.trial, trial.digest), (Some(7), Some(sha256(NEW))));
    let kept = &bench.last().configuration;
    assert_eq!((kept.trial, kept.applied, kept.digest), (None, 7, Some(sha256(NEW))));
    assert_eq!((&bench.disk.document[..], &bench.disk.before[..]), (NEW, OLD));
    assert_eq!((member.memory().applied, member.deadline()), (7, None));
}

#[test]
fn a_configuration_without_a_hub_is_taken_back() {
    let mut bench = Bench::new(Some(LOST));
    let begin = bench.now;
    let mut member = bench.run(60);
    assert_eq!(bench.log[6..8], ["connect https://nowhere.example", "wait 500"]);
    let tries = bench.log.iter().filter(|did| did.contains("nowhere")).count();
    assert!(tries > 3, "it tried: {:?}", bench.log);
    let back = bench.log.iter().rposition(|did| did == "document").expect("taken back");
    assert_eq!(bench.log[back..back + 4], ["document", "memory", "connect -", "send"]);
    assert_eq!(bench.disk.document, OLD);
    let why = "no check-in by it was confirmed within 60 seconds".to_owned();
    assert_eq!(bench.last().configuration.last, Some(NotKept { order: 7, reverted: true, why }));
    assert!(bench.now - begin > 60_000);
    assert_eq!(member.step(bench.moment(), Input::Stored).expect_err("nothing is stored").state, "an answer");
}

/// The trial's time ends a wait for an answer, too.
#[test]
fn a_hub_that_does_not_confirm_is_no_proof() {
    let mut bench = Bench::new(Some(NEW));
    let (mut member, mut output) = bench.resume();
    while member.deadline().is_none() {
        output = bench.step(&mut member, output);
    }
    bench.hub.order = 8;
    bench.hub.known = sha256(b"something else");
    for _ in 0..8 {
        output = bench.step(&mut member, output);
    }
    assert_eq!(bench.disk.document, OLD);
    assert!(member.memory().not_kept.as_ref().is_some_and(|last| last.reverted));
}

#[test]
fn nothing_else_than_what_the_hub_knew_is_overwritten() {
    let mut bench = Bench::new(Some(NEW));
    let (mut member, mut output) = bench.resume();
    while output != Output::Look {
        output = bench.step(&mut member, output);
    }
    bench.disk.document = b"{\"by\":\"hand\"}".to_vec();
    for _ in 0..3 {
        output = bench.step(&mut member, output);
    }
    assert_eq!(bench.log.last().map(String::as_str), Some("send"));
    assert_eq!(bench.last().configuration.digest, Some(sha256(&bench.disk.document)));
    assert_eq!(bench.disk.memory, Memory::default());
}

#[test]
fn an_order_that_is_no_configuration_is_refused() {
    for (bad, why) in [
        (&b"[]"[..], "not an object"),
        (b"{\"hub\":5}", "\"hub\" is not a URL"),
        (b"{\"a\":1,\"a\":2}", "twice"),
    ] {
        let mut bench = Bench::new(Some(bad));
        bench.run(6);
        let last = bench.last().configuration.last.clone().expect("refused");
        assert!(!last.reverted && last.why.contains(why), "{last:?}");
        assert_eq!(bench.disk.document, OLD);
    }
}

#[test]
fn a_change_from_outside_is_said_at_once() {
    let mut bench = Bench::new(None);
    let (mut member, mut output) = bench.resume();
    output = bench.step(&mut member, output);
    assert!(matches!(output, Output::Send(_)));
    let foreign = b"{\"interval\":1}".to_vec();
    bench.disk.document.clone_from(&foreign);
    output = member.step(bench.moment(), Input::Looked(Ok(foreign.clone()))).expect("unasked");
    bench.step(&mut member, output.clone());
    let output = member.step(bench.moment(), Input::Lost("x".into()));
    assert!(output.is_ok());
    assert_eq!(bench.log, ["connect -", "connect -"]);
    let mut bench = Bench { disk: bench.disk, ..Bench::new(None) };
    bench.run(3);
    assert_eq!(bench.last().configuration.digest, Some(sha256(&foreign)));
}

/// Whatever is written into the file, the device finds its hub again.
#[test]
fn a_foreign_hub_and_the_own_one_take_turns() {
    let mut bench = Bench::new(None);
    bench.disk.document = LOST.to_vec();
    bench.run(4);
    assert_eq!(bench.log, ["connect https://nowhere.example", "wait 500", "connect -", "send"]);
    for unusable in [&b"not JSON"[..], b"{\"hub\":7}", b"\xff"] {
        let mut bench = Bench::new(None);
        bench.disk.document = unusable.to_vec();
        bench.run(2);
        assert_eq!(bench.log, ["connect -", "send"]);
    }
}

#[test]
fn a_change_from_outside_ends_a_trial_and_stays() {
    let mut bench = Bench::new(Some(LOST));
    let (mut member, mut output) = bench.resume();
    while member.deadline().is_none() {
        output = bench.step(&mut member, output);
    }
    assert!(output.may_be_left());
    let foreign = b"{\"by\":\"hand\"}".to_vec();
    bench.disk.document.clone_from(&foreign);
    output = member.step(bench.moment(), Input::Looked(Ok(foreign.clone()))).expect("unasked");
    for _ in 0..4 {
        output = bench.step(&mut member, output);
    }
    let last = bench.last().configuration.last.clone().expect("not kept");
    assert!(!last.reverted && last.why.contains("from outside"), "{last:?}");
    assert_eq!((bench.disk.document, member.deadline()), (foreign, None));
}

#[test]
fn what_may_pass_by_itself_is_tried_again() {
    let mut bench = Bench::new(None);
    let (mut member, output) = bench.resume();
    bench.step(&mut member, output);
    let refused = |status, body: &[u8]| Answer { status, body: body.to_vec(), ..Answer::default() };
    let check = |member: &mut Member, input: Input, wait: u64, trouble: &str| {
        let moment = Moment { now: 0, random: 0 };
        assert_eq!(member.step(moment, input).expect("taken"), Output::Wait(wait), "{trouble}");
        assert!(
            member.trouble().is_some_and(|why| why.to_string().contains(trouble)),
            "{:?}",
            member.trouble()
        );
        let moment = Moment { now: wait, random: 0 };
        assert_eq!(member.step(moment, Input::Woken).expect("woken"), Output::Connect { hub: None });
        let again = member.step(moment, Input::Connected).expect("connected");
        assert!(matches!(again, Output::Send(_)));
    };
    check(&mut member, Input::Lost("no byte".into()), 500, "no byte");
    check(&mut member, Input::Answered(refused(503, b"busy")), 1000, "503");
    check(&mut member, Input::Answered(refused(404, b"")), 2000, "404");
    check(&mut member, Input::Answered(refused(200, b"{}")), 4000, "\"version\" is missing");
    check(&mut member, Input::Answered(refused(200, b"{\"version\":2}")), 4000, "is not 1");
    let slow = Answer { retry_after_seconds: Some(30), ..refused(503, b"") };
    check(&mut member, Input::Answered(slow), 30_000, "503");
    let slower = Answer { retry_after_seconds: Some(600), ..refused(429, b"") };
    check(&mut member, Input::Answered(slower), 600_000, "429");
}

#[test]
fn what_a_hub_wants_beyond_us_is_told() {
    let mut bench = Bench::new(None);
    let (mut member, output) = bench.resume();
    bench.step(&mut member, output);
    let body = br#"{"version":1,"dance":{},"wanted":["song","configuration"],"firmware":"AA==","restart":1}"#
        .to_vec();
    let answer = Answer { status: 200, body, ..Answer::default() };
    let output = member.step(bench.moment(), Input::Answered(answer)).expect("taken");
    let Output::Send(report) = output else { panic!("{output:?}") };
    let report = Report::from_json(&report).expect("a report");
    assert_eq!(report.not_understood, ["dance", "song", "firmware", "restart"]);
    assert_eq!(report.configuration.document.as_deref(), Some(OLD));
}

/// However much it is: a report that no hub reads would be the device's last.
#[test]
fn of_very_much_beyond_us_a_part_is_told() {
    let mut bench = Bench::new(None);
    let (mut member, output) = bench.resume();
    bench.step(&mut member, output);
    let dances: String = (0..20).map(|it| format!(r#""dance-{it}":1,"#)).collect();
    let body = format!(r#"{{{dances}"version":1,"firmware":"AA==","restart":1}}"#).into_bytes();
    let answer = Answer { status: 200, body, ..Answer::default() };
    let output = member.step(bench.moment(), Input::Answered(answer)).expect("taken");
    let Output::Send(report) = output else { panic!("{output:?}") };
    let report = Report::from_json(&report).expect("a report that a hub reads");
    assert_eq!(report.not_understood.len(), CONTROL_NAMES_MAX);
    assert!(["firmware", "restart"].iter().all(|name| report.not_understood.iter().any(|told| told == name)));
}

/// Who is told to wipe itself does nothing else that was wanted, and waits for nothing.
#[test]
fn the_order_to_wipe_is_the_last_word() {
    let mut bench = Bench::new(Some(NEW));
    let (mut member, output) = bench.resume();
    bench.step(&mut member, output);
    let wipe = Wipe { at: "2026-11-22T20:00:00Z".into() };
    let desired = Desired { wipe: Some(wipe.clone()), send_configuration: true, ..Desired::default() };
    let answer = Answer { status: 200, body: desired.to_json(), ..Answer::default() };
    let output = member.step(bench.moment(), Input::Answered(answer)).expect("taken");
    assert_eq!(output, Output::Wipe(wipe));
    assert!(!output.may_be_left());
    member.step(bench.moment(), Input::Woken).expect_err("it leaves");
}

/// A device that keeps a firmware tells what runs, at once when that changes, and hands on what is offered.
#[test]
fn what_is_offered_for_the_firmware_is_handed_on() {
    let mut bench = Bench::new(None);
    let (mut member, output) = bench.resume();
    bench.step(&mut member, output);
    let output = member.step(bench.moment(), Input::Firmware(FirmwareReport::default())).expect("unasked");
    assert_eq!(output, Output::Connect { hub: None });
    bench.step(&mut member, output);
    let desired = Desired { firmware: Some(vec![7]), ..Desired::default() };
    let answer = Answer { status: 200, body: desired.to_json(), ..Answer::default() };
    let output = member.step(bench.moment(), Input::Answered(answer)).expect("taken");
    let Output::Send(report) = output else { panic!("{output:?}") };
    let report = Report::from_json(&report).expect("a report");
    assert_eq!((report.firmware, report.not_understood), (Some(FirmwareReport::default()), vec![]));
    assert_eq!((member.take_offer(), member.take_offer()), (Some(vec![7]), None));
}

/// An order for the firmware is handed on once, and is under way until the firmware's keeper says how far it is.
#[test]
fn what_is_ordered_for_the_firmware_is_handed_on_once() {
    let mut bench = Bench::new(None);
    let (mut member, output) = bench.resume();
    bench.step(&mut member, output);
    let news = |order| Input::Firmware(FirmwareReport { order, ..FirmwareReport::default() });
    let output = member.step(bench.moment(), news(None)).expect("unasked");
    bench.step(&mut member, output);
    let told = |order, progress| Some(OrderReport { order, progress });
    let mut check = |desired: Desired, handed: Option<FirmwareOrder>, expect: Option<OrderReport>| {
        let answer = Answer { status: 200, body: desired.to_json(), ..Answer::default() };
        let output = member.step(bench.moment(), Input::Answered(answer)).expect("taken");
        let Output::Send(report) = output else { panic!("{output:?}") };
        assert_eq!((member.take_order(), member.take_order()), (handed, None));
        assert_eq!(member.take_offer(), None);
        let report = Report::from_json(&report).expect("a report").firmware.expect("one");
        assert_eq!(report.order, expect);
        if let Some(OrderReport { order, .. }) = expect {
            // It is over: told, and the next order begins anew.
            let output = member.step(bench.moment(), news(told(order, Progress::Done))).expect("unasked");
            assert_eq!(output, Output::Connect { hub: None });
            let output = member.step(bench.moment(), Input::Connected).expect("taken");
            let Output::Send(report) = output else { panic!("{output:?}") };
            let report = Report::from_json(&report).expect("a report").firmware.expect("one");
            assert_eq!(report.order, told(order, Progress::Done));
        }
    };
    let restart = |number| Desired { restart: Some(number), ..Desired::default() };
    check(Desired::default(), None, None);
    let handed = FirmwareOrder { number: 4, install: None };
    check(restart(4), Some(handed), told(4, Progress::UnderWay));
    check(restart(4), None, told(4, Progress::Done));
    let reinstall = Desired { firmware: Some(vec![7]), reinstall: Some(5), ..Desired::default() };
    let handed = FirmwareOrder { number: 5, install: Some(vec![7]) };
    check(reinstall, Some(handed), told(5, Progress::UnderWay));
}

/// The power goes at every write of an order that is kept, and of one that is not, before the write or after
/// it; and again at every write after that.
#[test]
fn power_cuts_leave_one_configuration_or_the_other() {
    let mut ends = BTreeSet::new();
    for wanted in [NEW, LOST] {
        for cuts in cuts() {
            let mut bench = Bench::new(Some(wanted));
            for (writes, done) in &cuts {
                cut_after(&mut bench, *writes, *done);
                let document = &bench.disk.document;
                assert!(document == OLD || document == wanted, "{cuts:?}");
            }
            let member = bench.run(200);
            let kept = wanted == NEW;
            assert_eq!(bench.disk.document, if kept { NEW } else { OLD }, "{cuts:?} {:?}", bench.log);
            assert_eq!(member.memory().trial, None, "{cuts:?}");
            assert_eq!(member.memory().applied == 7, kept, "{cuts:?}");
            ends.insert((kept, member.memory().not_kept.is_some()));
        }
    }
    assert_eq!(ends, BTreeSet::from([(true, false), (false, true)]));
}

/// Power cuts: after how many writes of a run, and whether the write at which it goes is still done.
fn cuts() -> Vec<Vec<(usize, bool)>> {
    let one = || (0..6).flat_map(|writes| [(writes, false), (writes, true)]);
    let two = one().flat_map(|first| one().map(move |second| vec![first, second]));
    one().map(|cut| vec![cut]).chain(two).collect()
}

fn cut_after(bench: &mut Bench, writes: usize, done: bool) {
    let (mut member, mut output) = bench.resume();
    let mut left = writes;
    for _ in 0..100 {
        if let Output::Store(change) = &output {
            if left == 0 {
                if done {
                    bench.disk.store(change.clone());
                }
                return;
            }
            left -= 1;
        }
        output = bench.step(&mut member, output);
    }
}

/// A disk that fails for a while is no reason to forget a trial.
#[test]
fn a_failing_disk_is_tried_again() {
    for wanted in [NEW, LOST] {
        for failing in 0..6 {
            let mut bench = Bench::new(Some(wanted));
            let (mut member, mut output) = bench.resume();
            let mut writes = 0;
            for _ in 0..200 {
                let fails = matches!(output, Output::Store(_)) && {
                    writes += 1;
                    writes - 1 == failing
                };
                output = match fails {
                    true => member.step(bench.moment(), Input::Failed("full".into())).expect("taken"),
                    false => bench.step(&mut member, output),
                };
                if fails {
                    assert_eq!(member.trouble(), Some(&Trouble::Device("full".into())));
                }
            }
            assert_eq!(
                bench.disk.document,
                if wanted == NEW { NEW } else { OLD },
                "{failing} {:?}",
                bench.log
            );
            assert_eq!(member.memory().trial, None, "{failing} {:?}", bench.log);
        }
    }
}

/// A device that starts again and again on trial takes the old one back.
#[test]
fn a_trial_does_not_outlive_many_starts() {
    let mut bench = Bench::new(Some(LOST));
    let (mut member, mut output) = bench.resume();
    while member.deadline().is_none() {
        output = bench.step(&mut member, output);
    }
    for start in 1..=3 {
        bench.run(1);
        assert_eq!(bench.disk.memory.trial.as_ref().map(|trial| trial.starts), Some(start));
    }
    bench.run(2);
    assert_eq!(bench.disk.document, OLD);
    assert!(bench.disk.memory.not_kept.as_ref().is_some_and(|last| last.why.contains("again and again")));
}

/// Every state with every kind of input: taken, or misplaced. A letter for each input of the list.
#[test]
fn every_state_takes_its_inputs_and_no_other() {
    let inputs = || {
        [
            ("a connection", Input::Connected),
            ("the loss of a connection", Input::Lost("cut".into())),
            ("an answer", Input::Answered(Answer { status: 500, ..Answer::default() })),
            ("a look at the file", Input::Looked(Ok(b"{}".to_vec()))),
            ("the disk's word", Input::Stored),
            ("a failure of the device", Input::Failed("full".into())),
            ("the passing of time", Input::Woken),
            ("news of the firmware", Input::Firmware(FirmwareReport::default())),
        ]
    };
    let check = |state: &str, fits: &dyn Fn(&Output) -> bool, taken: &str| {
        for ((name, input), expect) in inputs().into_iter().zip(taken.chars()) {
            let mut bench = Bench::new(Some(NEW));
            let (mut member, mut output) = bench.resume();
            for _ in 0..20 {
                if fits(&output) {
                    break;
                }
                output = bench.step(&mut member, output);
            }
            assert!(fits(&output), "{state}");
            let before = format!("{member:?}");
            match member.step(bench.moment(), input) {
                Ok(_) => assert_eq!(expect, 'x', "{state} takes {name}"),
                Err(misplaced) => {
                    assert_eq!(expect, '-', "{state} does not take {name}");
                    assert_eq!((misplaced.input, misplaced.state), (name, state));
                    assert_eq!(format!("{member:?}"), before, "{state}, {name}");
                }
            }
        }
    };
    check("a connection", &|output| matches!(output, Output::Connect { .. }), "xx-x---x");
    check("an answer", &|output| matches!(output, Output::Send(_)), "-xxx---x");
    check("a look at the file", &|output| matches!(output, Output::Look), "---x----");
    check("the disk", &|output| matches!(output, Output::Store(_)), "----xx--");
}
