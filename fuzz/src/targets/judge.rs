//! A frame that a plan judges: pieces are the plan and the frame.
use crate::pieces::{Pieces, joined};
use fleet::access::compile::compile;
use fleet::quarantine::traffic;
use wire::mud::{Direction, MudFile};
use wire::packet::Packet;
use wire::plan::Plan;

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in super::mud_file::seeds() {
        let file = MudFile::from_json(&file).expect("a good file");
        let compiled = compile("device", Some(&file), &super::compile::SURROUNDINGS).expect("a small file");
        seeds.extend(super::packet::seeds().iter().map(|frame| joined(&[compiled.text.as_bytes(), frame])));
    }
    seeds
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let (Ok(plan), Ok(packet)) = (Plan::from_json(pieces.cut()), Packet::from_frame(pieces.cut())) else { return };
    let again = Plan::from_json(&plan.to_json().expect("a plan that was read")).expect("a plan that was written");
    for begun_by in [None, Some(Direction::FromDevice), Some(Direction::ToDevice)] {
        let verdict = plan.judge(&packet, begun_by);
        assert_eq!(plan.judge(&packet, begun_by), verdict);
        assert_eq!(again.judge(&packet, begun_by), verdict, "the same plan judges otherwise");
        let _ = (verdict.by.to_string(), traffic::what(&packet), traffic::explained(&verdict.by.to_string()));
    }
}
