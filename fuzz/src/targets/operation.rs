//! An operation's arguments, as a face hands them in: pieces are `noun verb` and the JSON.
use crate::pieces::{Pieces, joined};

pub fn seeds() -> Vec<Vec<u8>> {
    let steps = fleet::SCRIPTS.iter().flat_map(|room| room.iter()).flat_map(|script| script.steps);
    steps.map(|step| joined(&[step.operation.as_bytes(), step.arguments.as_bytes()])).collect()
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let name = String::from_utf8_lossy(pieces.cut());
    let Some((noun, verb)) = name.split_once(' ') else { return };
    let Some(row) = fleet::operation(noun, verb) else { return };
    let Ok(arguments) = serde_json::from_slice::<serde_json::Value>(pieces.cut()) else { return };
    match (row.parse)(arguments.clone()) {
        Ok(call) => {
            assert_eq!(call.row().name, row.name);
            let again = (row.parse)(arguments).expect("the same arguments");
            assert_eq!(call.digest(), again.digest(), "one call, two digests");
        }
        Err(refusal) => drop(format!("{refusal:?}")),
    }
}
