//! Every room's scripts, on both engines, through the threads.
use crate::support::{World, ask, holds, on_both, permitted, read, write};
use fleet::operation::Kind;
use fleet::script::{Expect, Script, Step};
use std::cell::RefCell;
use store::{Outcome, Store};

#[test]
fn every_rooms_scripts_run() {
    let wrong = RefCell::new(Vec::new());
    for script in fleet::SCRIPTS.iter().copied().flatten() {
        on_both(script.name, |world| wrong.borrow_mut().extend(run(world, script)));
    }
    let wrong = wrong.into_inner();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What went otherwise than the script says.
fn run(world: &World, script: &Script) -> Vec<String> {
    let store = world.store();
    let mut wrong: Vec<String> =
        script.steps.iter().filter_map(|step| differs(script, step, &outcome(&store, step))).collect();
    for operation in ["audit verify", "audit check"] {
        if let Err(why) = read(&store, operation, "{}") {
            wrong.push(format!("after `{}`: {operation}: {why:?}", script.name));
        }
    }
    wrong
}

fn outcome(store: &Store, step: &Step) -> Outcome {
    let permitted = permitted(step.operation, step.arguments)?;
    match permitted.row().kind {
        Kind::Write => write(store, ask(permitted)),
        Kind::Read => read(store, step.operation, step.arguments),
    }
}

fn differs(script: &Script, step: &Step, outcome: &Outcome) -> Option<String> {
    let Step { operation, arguments, .. } = step;
    let good = match (&step.expect, outcome) {
        (Expect::Answer(least), Ok(answer)) => holds(answer, &serde_json::from_str(least).expect(least)),
        (Expect::Refused(code), Err(refusal)) => refusal.code == *code,
        _ => false,
    };
    (!good).then(|| format!("`{}`: {operation} {arguments}: {outcome:#?}", script.name))
}
