//! An enforcement plan in canonical JSON, and the set of those of a site.
use fleet::access::explain::explain;
use wire::plan::{Plan, PlanSet};

pub fn seeds() -> Vec<Vec<u8>> {
    super::judge::seeds().iter().map(|seed| crate::pieces::Pieces(seed).cut().to_vec()).collect()
}

pub fn run(input: &[u8]) {
    if let Ok(set) = PlanSet::from_json(input) {
        assert_eq!(PlanSet::from_json(&set.to_json()), Ok(set));
    }
    let Ok(plan) = Plan::from_json(input) else { return };
    assert_eq!(plan.to_json().as_deref(), Ok(input), "a plan has one form");
    assert_eq!(plan.digest().ok(), Some(wire::digest::hex(&wire::digest::sha256(input))));
    let _ = explain(&plan);
}
