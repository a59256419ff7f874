//! Every invariant is seen false once: a whole world is damaged, and the invariant says so.
use fleet::audit::store::{journal_add, journal_walk};
use fleet::device::Device as Life;
use fleet::device::rules::Stage;
use fleet::onboarding::Onboarding;
use fleet::onboarding::rules::State;
use fleet::onboarding::store::ldevid_find;
use fleet::provisioning::voucher::view::{Find, Issue};
use fleet::provisioning::voucher::{VoucherLog, rules};
use fleet::room::{Change, Room, Subject};
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::tx::{Fault, Tx};
use serde_json::json;
use sim::device::Kind;
use sim::invariants::list::{self, Where};
use sim::invariants::{INVARIANTS, Invariant};
use sim::{Faults, World};
use std::collections::BTreeSet;
use wire::audit_log::domain_id;

/// A world that has converged, with everybody in it.
fn whole() -> World {
    // A seed of a world in which the operator admits, so that somebody is unwanted.
    let worlds = (1..).map(|seed| World::new(seed, 2, Faults::NONE).unwrap());
    let mut world = worlds
        .into_iter()
        .find(|world| world.devices.iter().any(|device| device.kind == Kind::Unwanted))
        .unwrap();
    world.join().unwrap();
    world
}

fn invariant(name: &str) -> &'static Invariant {
    INVARIANTS.iter().find(|invariant| invariant.name == name).unwrap()
}

/// The device number `number` as the hub's rooms know it.
fn subject(world: &mut World, number: usize) -> Subject {
    let held = world.devices[number].disk.ldevid().unwrap().serial().to_vec();
    let mut found = None;
    let find = |tx: &mut dyn Tx| {
        found = ldevid_find(tx, &fleet::audit::view::hex(&held))?;
        Ok(())
    };
    world.hub.desk.tamper(find).unwrap();
    found.unwrap()
}

/// Writes another state into a row, and nothing into the journal.
fn rewrite<R: Room>(tx: &mut dyn Tx, subject: &Subject, change: impl Fn(&mut R::State)) -> Result<(), Fault> {
    let (old, version) = R::load(tx, subject)?.unwrap();
    let mut new = old.clone();
    change(&mut new);
    assert!(new != old);
    let change = Change { old: &old, old_version: version, new: &new, new_version: version };
    assert!(R::save(tx, subject, &change)?);
    Ok(())
}

fn rewrite_joining(world: &mut World, number: usize, change: impl Fn(&mut State)) {
    let subject = subject(world, number);
    world.hub.desk.tamper(|tx| rewrite::<Onboarding>(tx, &subject, &change)).unwrap();
}

fn set_stage(world: &mut World, number: usize, stage: Stage) {
    let subject = subject(world, number);
    world.hub.desk.tamper(|tx| rewrite::<Life>(tx, &subject, |state| state.stage = Some(stage))).unwrap();
}

/// Changes what the MASA knows to have issued for A0001.
fn rewrite_log(world: &mut World, change: impl Fn(&mut rules::State)) {
    let organisation = Slug::main().to_string();
    let subject = Subject { organisation, site: String::new(), id: "A0001".into() };
    world.maker.desk.tamper(|tx| rewrite::<VoucherLog>(tx, &subject, &change)).unwrap();
}

fn forget_vouchers(world: &mut World) {
    rewrite_log(world, |log| log.vouchers.clear());
}

/// Damages a world; says which invariant does not hold then, and what it says, in part.
type Damage = (&'static str, fn(&mut World), &'static str);

const DAMAGES: &[Damage] = &[
    ("operational-once", |world| set_stage(world, 0, Stage::Quarantined), "known as [\"quarantined\"]"),
    (
        "ldevid-is-the-devices",
        |world| {
            let other = world.devices[1].disk.ldevid().unwrap().clone();
            world.devices[0].disk.hold(other);
        },
        "no key for its certificate",
    ),
    (
        "ldevid-is-the-devices",
        |world| rewrite_joining(world, 0, |state| state.ldevids.clear()),
        "is not good at the hub",
    ),
    ("key-with-certificate", |world| world.devices[0].disk.lose_keys(), "A0001 has no key"),
    (
        "one-ldevid-per-key",
        |world| {
            rewrite_joining(world, 0, |state| {
                let known = state.ldevids.values().next().unwrap().clone();
                state.ldevids.insert("another".into(), known);
            });
        },
        "two good certificates for one key",
    ),
    ("told-is-known", |world| rewrite_joining(world, 0, |state| state.enrolled = false), "A0001 was told"),
    (
        "admitted-before-certified",
        |world| rewrite_joining(world, 0, |state| state.admitted = false),
        "A0001 was not admitted",
    ),
    (
        "admitted-before-certified",
        |world| {
            let stolen = world.devices[0].disk.ldevid().unwrap().clone();
            let stranger = world.devices.iter_mut().find(|device| device.kind == Kind::Stranger);
            stranger.unwrap().disk.hold(stolen);
        },
        "S0001 should not have been let in",
    ),
    (
        "admitted-before-certified",
        |world| {
            let found = world.ask("device list", json!({"stage": "discovered"})).unwrap();
            world.ask("onboarding admit", json!({"device": found["items"][0]["device"]})).unwrap();
        },
        "U0001 should not have been let in",
    ),
    (
        "admitted-before-certified",
        |world| {
            let imprint = world.devices[0].disk.imprint().unwrap().clone();
            let unwanted = world.devices.iter_mut().find(|device| device.kind == Kind::Unwanted);
            unwanted.unwrap().disk.take_over(imprint);
        },
        "U0001 should not have been let in",
    ),
    (
        "one-voucher-per-nonce",
        |world| {
            let shown = world.ask_maker("voucher show", json!({"serial_number": "A0001"})).unwrap();
            let text = |name: &str| shown["vouchers"][0][name].as_str().unwrap().to_string();
            let (nonce, domain_id) = (text("nonce"), text("domain_id"));
            let find = Find { serial_number: "A0002".into(), key: String::new(), nonce, domain_id };
            let issue = Issue { find, issued_at: Millis(0), voucher: text("voucher") };
            world.maker.commit(Box::new(issue), i64::from(u32::MAX) * 1000).unwrap();
        },
        "a second voucher for one nonce was issued, to A0002",
    ),
    (
        "pinned-is-logged",
        |world| {
            let other = world.maker.authority().clone();
            let mut imprint = world.devices[0].disk.imprint().unwrap().clone();
            imprint.pinned = other;
            world.devices[0].disk.take_over(imprint);
        },
        "A0001 trusts a domain that its maker did not log for it",
    ),
    (
        "pinned-is-logged",
        |world| {
            // The MASA named another domain, and the device believes it.
            let other = world.maker.authority().clone();
            let id = fleet::audit::view::hex(&domain_id(&other));
            rewrite_log(world, |log| {
                let ((at, nonce), mut voucher) = log.vouchers.pop_first().unwrap();
                voucher.domain_id = id.clone();
                log.vouchers.insert((at.plus_seconds(1), nonce), voucher);
            });
            let mut imprint = world.devices[0].disk.imprint().unwrap().clone();
            imprint.pinned = other;
            world.devices[0].disk.take_over(imprint);
        },
        "A0001 trusts another domain than the one that it joined",
    ),
    ("pinned-is-logged", |world| forget_vouchers(world), "A0001 trusts a domain that its maker did not log"),
    ("rows-equal-journal", |world| forget_vouchers(world), "the maker's audit check: fold-differs"),
    (
        "journal-verifies",
        |world| {
            let add = |tx: &mut dyn Tx| {
                let mut link = journal_walk(tx, 1, 0, 500)?.pop().unwrap();
                link.seq += 1;
                journal_add(tx, &[link])
            };
            world.maker.desk.tamper(add).unwrap();
        },
        "the maker's audit verify: journal-broken",
    ),
    (
        "journal-verifies",
        |world| {
            let add = |tx: &mut dyn Tx| {
                let mut link = journal_walk(tx, 1, 0, 500)?.pop().unwrap();
                link.seq += 1;
                journal_add(tx, &[link])
            };
            world.hub.desk.tamper(add).unwrap();
        },
        "journal-broken",
    ),
    ("rows-equal-journal", |world| set_stage(world, 0, Stage::Retired), "fold-differs"),
    (
        "counts-equal-rows",
        |world| {
            let subject = subject(world, 0);
            let miscount = |tx: &mut dyn Tx| {
                let (stored, version) = Life::load(tx, &subject)?.unwrap();
                let mut old = stored.clone();
                old.stage = Some(Stage::Expected);
                let change = Change { old: &old, old_version: version, new: &stored, new_version: version };
                Life::save(tx, &subject, &change).map(drop)
            };
            world.hub.desk.tamper(miscount).unwrap();
        },
        "-1 expected are kept, 0 are there",
    ),
];

#[test]
fn every_invariant_is_seen_false() {
    for (name, damage, expect) in DAMAGES {
        let mut world = whole();
        for invariant in INVARIANTS {
            assert_eq!(invariant.check(&mut world), Ok(()), "before the damage of {name}");
        }
        damage(&mut world);
        let broken = invariant(name).check(&mut world).unwrap_err();
        assert!(broken.why.contains(expect), "{broken}");
        assert_eq!(broken.name, *name);
    }
    let damaged: BTreeSet<&str> = DAMAGES.iter().map(|(name, _, _)| *name).collect();
    let all: BTreeSet<&str> = INVARIANTS.iter().map(|invariant| invariant.name).collect();
    assert_eq!(damaged, all);
    assert_eq!(list::of(Where::Worlds).map(|named| named.name).collect::<BTreeSet<_>>(), all);
}
