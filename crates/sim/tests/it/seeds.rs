//! Worlds from seeds.
use sim::{Faults, run};

fn check(seed: u64, devices: usize, faults: Faults) -> sim::Report {
    let report = run(seed, devices, faults).unwrap();
    eprintln!("{report}");
    assert!(report.held(), "{report}");
    report
}

#[test]
fn worlds_with_faults_converge() {
    // A world has one thread; two are lived at once.
    let every_second = |first: u64| -> Vec<sim::Report> {
        (first..=10).step_by(2).map(|seed| check(seed, 20, Faults::USUAL)).collect()
    };
    let reports = std::thread::scope(|scope| {
        let odd = scope.spawn(|| every_second(1));
        let even = every_second(2);
        [even, odd.join().expect("the worlds of odd seeds")].concat()
    });
    let all = |count: fn(&sim::Tally) -> u64| reports.iter().map(|report| count(&report.tally)).sum::<u64>();
    // The faults do happen.
    assert!(all(|tally| tally.lost) > 100 && all(|tally| tally.repeated) > 50);
    assert!(all(|tally| tally.hub_crashes) > 10 && all(|tally| tally.device_crashes) > 20);
    assert!(all(|tally| tally.asks) > 100 && all(|tally| tally.maker_crashes) > 5);
}

#[test]
fn a_world_without_faults_is_quick() {
    let report = check(1, 5, Faults::NONE);
    let tally = report.tally;
    assert_eq!((tally.lost, tally.repeated, tally.hub_crashes, tally.device_crashes), (0, 0, 0, 0));
    assert_eq!(tally.given_up, 0);
    // The first, the third and the fifth know their maker alone: a voucher each, and a look at the log.
    assert_eq!(tally.asks, 6);
}

#[test]
fn a_seed_is_a_world() {
    let world = |seed| run(seed, 4, Faults::USUAL).unwrap();
    assert_eq!(world(7), world(7));
    assert_ne!(world(7).tally, world(8).tally);
}

#[test]
fn a_failure_says_its_seed() {
    let mut report = run(3, 1, Faults::NONE).unwrap();
    report.broken.push(sim::invariants::Broken { name: "converges", at: 5, why: "never".into() });
    assert!(report.to_string().ends_with("\nseed 3: converges does not hold after 5 ms: never"));
}
