//! What a device says at a check-in.
use crate::same;
use wire::control::{ConfigurationReport, FirmwareNotKept, FirmwareReport, NotKept, OrderReport, Progress, Report, Running};

pub fn seeds() -> Vec<Vec<u8>> {
    let not_kept = FirmwareNotKept {
        sequence_number: Some(2),
        manifest: Some([8; 32]),
        tried: true,
        reason: "suit-report-reason-operation-failed".into(),
        why: "it did not answer".into(),
    };
    let running = Running { sequence_number: 1, manifest: [7; 32] };
    let order = OrderReport { order: 5, progress: Progress::Failed("no disk".into()) };
    let report = Report {
        configuration: ConfigurationReport {
            digest: Some([1; 32]),
            trouble: Some("no such file".into()),
            applied: 3,
            trial: Some(4),
            last: Some(NotKept { order: 2, reverted: true, why: "no answer".into() }),
            document: Some(b"{}".to_vec()),
        },
        firmware: Some(FirmwareReport { running: Some(running), not_kept: Some(not_kept), order: Some(order) }),
        not_understood: vec!["paint".into()],
        unknown: Vec::new(),
    };
    vec![report.to_json(), Report::default().to_json()]
}

pub fn run(input: &[u8]) {
    // Names of what is not known are told, and not written.
    let read = |text: &[u8]| Report::from_json(text).map(|it| Report { unknown: Vec::new(), ..it });
    same::again(input, read, Report::to_json);
}
