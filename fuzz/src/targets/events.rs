//! Stored events of every room, a line each: each room folds those that are its own.
use fleet::room::Room;

macro_rules! rooms {
    ($($room:ty),+ $(,)?) => {
        const ROOMS: &[fn(&[&str])] = &[$(fold::<$room>),+];
    };
}

rooms! {
    fleet::access::Access,
    fleet::access::controller::Controller,
    fleet::access::gate::Gate,
    fleet::account::Account,
    fleet::audit::clock::Clock,
    fleet::configuration::Configuration,
    fleet::control::Control,
    fleet::device::Device,
    fleet::discovery::Discovery,
    fleet::discovery::description::Description,
    fleet::onboarding::Onboarding,
    fleet::onboarding::anchor::Anchor,
    fleet::onboarding::restoration::Restoration,
    fleet::provisioning::Birth,
    fleet::provisioning::product::Product,
    fleet::provisioning::publication::Publication,
    fleet::provisioning::release::PublishedRelease,
    fleet::provisioning::voucher::VoucherLog,
    fleet::quarantine::Quarantine,
    fleet::remediation::Remediation,
    fleet::retirement::Retirement,
    fleet::retirement::support::Support,
    fleet::upgrade::Rollout,
    fleet::upgrade::firmware::Firmware,
    fleet::upgrade::release::Release,
}

/// None of its own: the samples that the rooms' tests keep are handed in.
pub fn seeds() -> Vec<Vec<u8>> {
    Vec::new()
}

pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let lines: Vec<&str> = text.lines().collect();
    ROOMS.iter().for_each(|fold| fold(&lines));
}

fn fold<R: Room>(lines: &[&str]) {
    let (mut state, mut again) = (R::State::default(), R::State::default());
    for line in lines {
        let Ok(event) = serde_json::from_str::<R::Event>(line) else { continue };
        R::apply(&mut state, &event);
        // What the journal would keep of it says the same.
        let kept = serde_json::to_string(&event).expect("an event is written");
        let event: R::Event = serde_json::from_str(&kept).unwrap_or_else(|why| panic!("{}: {why}: {kept}", R::NAME));
        assert_eq!(serde_json::to_string(&event).expect("an event is written"), kept);
        R::apply(&mut again, &event);
    }
    assert_eq!(state, again, "{}", R::NAME);
    let _ = format!("{state:?}");
}
