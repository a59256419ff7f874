//! A device that checks in (the agent's machine): pieces are its files, then how each thing that it does goes.
use crate::pieces::{Pieces, joined};
use agent::control::{Change, Document, Held, Input, Member, Memory, Output};
use agent::machine::{Answer, Moment, Timers};
use wire::control::{FirmwareReport, Report, Running};

/// Steps of one input.
const STEPS: usize = 64;

pub fn seeds() -> Vec<Vec<u8>> {
    let piece = |kind: u8, content: &[u8]| [&[kind], content].concat();
    let mut seeds = Vec::new();
    let (document, over) = (br#"{"hub":"https://hub.example"}"#, wire::digest::sha256(b"{}"));
    let apply = wire::control::Apply { order: 1, over: Some(over), document: document.to_vec(), confirm_seconds: 60 };
    let orders = wire::control::Desired { configuration: Some(apply), ..Default::default() };
    let kept = wire::control::Desired { confirmed: Some(1), ..Default::default() };
    let (orders, kept) = (piece(1, &orders.to_json()), piece(1, &kept.to_json()));
    let (good, seen) = (piece(1, b""), piece(1, b"{}"));
    let memory = super::memory::seeds();
    for pieces in [
        [&b"{}"[..], b"{}", &memory[1], &good, &orders, &seen, &good, &good, &good, &good, &kept, &good],
        [&b"{}"[..], b"{}", &memory[0], &good, &piece(2, b"no"), &good, &piece(0, b""), &good, &good, &good, &good, &good],
    ] {
        seeds.push(joined(&pieces));
    }
    let all = super::desired::seeds();
    seeds.push(joined(&[b"{}", b"{}", b"", &good, &piece(1, &all[0])]));
    // More than a device understands, and more than a report may tell.
    let dances: String = (0..20).map(|it| format!(r#""dance-{it}":1,"#)).collect();
    let unknown = format!(r#"{{{dances}"version":1,"firmware":"AA==","restart":1}}"#);
    let unknown = piece(1, unknown.as_bytes());
    seeds.extend([&b""[..], b"x"].map(|end| [joined(&[b"{}", b"{}", b"", &good, &unknown, &good]), end.to_vec()].concat()));
    seeds
}

fn document(kind: u8, content: &[u8]) -> Document {
    if kind == 0 { Err(String::from_utf8_lossy(content).into_owned()) } else { Ok(content.to_vec()) }
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let (document_now, before) = (pieces.cut().to_vec(), pieces.cut().to_vec());
    let memory = Memory::from_json(pieces.cut()).unwrap_or_default();
    let firmware = input.len().is_multiple_of(2).then(FirmwareReport::default);
    let held = Held { document: Ok(document_now), before, memory, firmware };
    let mut moment = Moment { now: 0, random: 7 };
    let (mut member, mut output) = Member::resume(Timers::default(), held, moment);
    for piece in pieces.by_ref().take(STEPS) {
        let (kind, content) = piece.split_first().map_or((0, piece), |(kind, content)| (*kind, content));
        let text = || String::from_utf8_lossy(content).into_owned();
        let next = match &output {
            _ if kind == 7 && output.may_be_left() => Input::Looked(document(1, content)),
            _ if kind == 8 && output.may_be_left() => {
                let running = Some(Running { sequence_number: content.len() as u64, manifest: [7; 32] });
                Input::Firmware(FirmwareReport { running, ..FirmwareReport::default() })
            }
            Output::Connect { .. } if kind == 0 => Input::Lost(text()),
            Output::Connect { .. } => Input::Connected,
            Output::Send(_) if kind == 0 => Input::Lost(text()),
            Output::Send(_) => {
                let status = if kind == 1 { 200 } else { u16::from(kind) * 100 };
                let retry_after_seconds = (kind == 3).then_some(u64::MAX);
                Input::Answered(Answer { status, retry_after_seconds, body: content.to_vec(), ..Answer::default() })
            }
            Output::Look => Input::Looked(document(kind, content)),
            Output::Store(_) if kind == 0 => Input::Failed(text()),
            Output::Store(_) => Input::Stored,
            Output::Wait(until) => {
                moment.now = moment.now.max(*until);
                Input::Woken
            }
            Output::Wipe(_) => return,
        };
        output = member.step(moment, next).expect("it answers what was asked");
        let _ = (member.take_offer(), member.take_order());
        check(&output);
    }
}

/// What the member says can be read by whom it is for.
fn check(output: &Output) {
    match output {
        Output::Send(report) => drop(Report::from_json(report).expect("a hub reads every report")),
        Output::Store(Change::Memory(memory)) => {
            let kept = memory.to_json().expect("written");
            assert_eq!(Memory::from_json(&kept).as_ref(), Ok(memory), "the device reads it after a power cut");
        }
        _ => {}
    }
}
