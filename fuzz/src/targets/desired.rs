//! What a hub answers to a check-in.
use crate::same;
use wire::control::{Apply, Desired};
use wire::retirement::Wipe;

pub fn seeds() -> Vec<Vec<u8>> {
    let apply = Apply { order: 1, over: Some([7; 32]), document: b"{}".to_vec(), confirm_seconds: 60 };
    let all = Desired {
        configuration: Some(apply),
        firmware: Some(vec![1, 2, 3]),
        restart: Some(2),
        reinstall: Some(3),
        confirmed: Some(1),
        send_configuration: true,
        wipe: Some(Wipe { at: "2026-01-01T00:00:00Z".into() }),
        unknown: Vec::new(),
    };
    vec![all.to_json(), Desired::default().to_json()]
}

pub fn run(input: &[u8]) {
    // Names of what is not known are told, and not written.
    let read = |text: &[u8]| Desired::from_json(text).map(|it| Desired { unknown: Vec::new(), ..it });
    same::again(input, read, Desired::to_json);
}
