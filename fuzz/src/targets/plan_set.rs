//! The plans of a site, by their digests.
use wire::plan::PlanSet;

pub fn seeds() -> Vec<Vec<u8>> {
    vec![PlanSet([[1; 32], [2; 32]].into()).to_json()]
}

pub fn run(input: &[u8]) {
    let Ok(set) = PlanSet::from_json(input) else { return };
    assert_eq!(PlanSet::from_json(&set.to_json()).ok(), Some(set));
}
