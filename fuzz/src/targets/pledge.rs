//! A device that joins a domain (the agent's machine): pieces are what it has, then the answers that it gets.
use crate::pieces::{Pieces, joined};
use crate::sample::{Key, NOW, START, WORLD};
use agent::machine::{Answer, FirstTrust, Input, Inventory, Moment, Output, Pledge, Request, Timers};
use wire::certificate::profile::{Profile, Validity, issue};
use wire::csr::{Csr, make};
use wire::est::{CsrAttributes, certs_only, decode_body, encode_body};
use wire::status::Status;
use wire::voucher::{Voucher, VoucherRequest};
use wire::{Certificate, Signer, cms, est, oid, status, voucher};

/// Steps of one input.
const STEPS: usize = 64;
/// The number of the key that the device makes.
const DEVICE_KEY: u8 = 9;

/// What a device has, by an octet.
fn inventory(octet: u8) -> Inventory {
    let (root, ldevid) = (&WORLD.root.certificate, &WORLD.ldevid.certificate);
    let trust = match octet & 3 {
        0 => FirstTrust::Domain(root.clone()),
        1 => FirstTrust::Manufacturer { masa: root.clone(), pinned: None },
        _ => FirstTrust::Manufacturer { masa: root.clone(), pinned: Some(Box::new(root.clone())) },
    };
    let joined = octet & 4 != 0;
    Inventory {
        idevid: WORLD.idevid.certificate.clone(),
        trust,
        anchors: if octet & 8 != 0 { vec![root.clone()] } else { Vec::new() },
        ldevid: joined.then(|| ldevid.clone()),
        keys: if joined { vec![WORLD.ldevid.key.public()] } else { Vec::new() },
        told: octet & 16 != 0,
    }
}

/// The media type of a good answer to `path`.
fn media_type(path: &str) -> &'static str {
    match path {
        voucher::REQUEST_PATH => voucher::MEDIA_TYPE,
        est::CSR_ATTRS_PATH => est::CSR_ATTRS,
        status::VOUCHER_STATUS_PATH | status::ENROLL_STATUS_PATH => status::MEDIA_TYPE,
        _ => est::PKCS7,
    }
}

/// What a piece answers: its first octet says how, the rest is the body.
fn answer(path: &str, piece: &[u8]) -> Input {
    let (kind, body) = piece.split_first().map_or((0, piece), |(kind, body)| (*kind, body));
    let status = [0, 200, 202, 204, 404, 400, 503, 302][usize::from(kind & 7)];
    if status == 0 {
        return Input::Lost(String::from_utf8_lossy(body).into_owned());
    }
    let date = |octets: &[u8; 8]| i64::from_be_bytes(*octets);
    Input::Answered(Answer {
        status,
        content_type: if kind & 8 == 0 { media_type(path).into() } else { String::from_utf8_lossy(body).into_owned() },
        retry_after_seconds: (kind & 16 != 0).then_some(body.len() as u64),
        date_millis: if kind & 32 == 0 { None } else { body.first_chunk().map(date) },
        body: body.to_vec(),
    })
}

/// How everything but a request goes; nothing at the end.
fn done(output: &Output, moment: &mut Moment) -> Option<Input> {
    Some(match output {
        Output::Connect { .. } => Input::Connected(vec![WORLD.registrar.certificate.clone()]),
        Output::SignVoucherRequest(json) => {
            let (idevid, above) = (&WORLD.idevid, [WORLD.intermediate.certificate.clone()]);
            let kind = oid::ANIMA_JSON_VOUCHER;
            VoucherRequest::from_json(json).expect("a registrar reads every request");
            let signed = cms::sign(kind, json, &idevid.certificate, &above, &idevid.key, None, false);
            Input::Signed(signed.expect("signed"))
        }
        Output::MakeKey => Input::KeyMade(Key::new(DEVICE_KEY).public()),
        Output::MakeCsr { key, subject } => {
            let own = Key::new(DEVICE_KEY);
            let signer: &dyn Signer = if own.public() == *key { &own } else { &WORLD.ldevid.key };
            Input::CsrMade(make(subject, None, signer).expect("signed"))
        }
        Output::Store(_) => Input::Stored,
        Output::Wait(until) => {
            moment.now = moment.now.max(*until);
            Input::Woken
        }
        Output::Send(_) | Output::GiveUp(_) => return None,
    })
}

fn resume(octet: u8, moment: Moment) -> Option<(Pledge, Output)> {
    Pledge::resume("https://registrar.example", Timers::default(), inventory(octet), moment).ok()
}

/// A life in which every answer is good, and the answers that made it so.
pub fn seeds() -> Vec<Vec<u8>> {
    let life = |octet: u8| {
        let mut moment = Moment { now: 0, random: 7 };
        let (mut pledge, mut output) = resume(octet, moment).expect("a good inventory");
        let mut pieces = vec![vec![octet]];
        for _ in 0..STEPS {
            let input = match &output {
                Output::Send(request) => {
                    let piece = [vec![1], good_body(request)].concat();
                    pieces.push(piece);
                    answer(request.path, &pieces[pieces.len() - 1])
                }
                other => done(other, &mut moment).expect("a life in which all is good"),
            };
            output = pledge.step(moment, input).expect("it answers what was asked");
        }
        assert!(pledge.ldevid().is_some(), "with good answers a device joins");
        joined(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    [0, 1, 2, 4, 28, 30].map(life).to_vec()
}

/// What a good registrar says.
fn good_body(request: &Request) -> Vec<u8> {
    let root = &WORLD.root;
    let body = || request.content.as_ref().map(|(_, body)| body.as_slice()).unwrap_or_default();
    let certificates = |list: &[Certificate]| encode_body(&certs_only(list)).into_bytes();
    match request.path {
        voucher::REQUEST_PATH => {
            let asked = cms::verify(body(), None, &[]).expect("the device signed");
            let asked = VoucherRequest::from_json(&asked.content).expect("a voucher-request");
            let voucher = Voucher {
                nonce: asked.nonce,
                assertion: asked.assertion,
                pinned_domain_cert: Some(root.certificate.clone()),
                created_on: Some(NOW),
                ..Voucher::new(&asked.serial_number)
            };
            let (json, masa) = (voucher.to_json().expect("a good voucher"), &WORLD.masa);
            let kind = oid::ANIMA_JSON_VOUCHER;
            cms::sign(kind, &json, &masa.certificate, &[], &masa.key, Some(NOW), false).expect("signed")
        }
        est::CA_CERTS_PATH => certificates(std::slice::from_ref(&root.certificate)),
        est::CSR_ATTRS_PATH => encode_body(&CsrAttributes::p256().to_der()).into_bytes(),
        est::SIMPLE_ENROLL_PATH | est::SIMPLE_REENROLL_PATH => {
            let csr = Csr::from_der(&decode_body(body()).expect("base64")).expect("a request");
            let serial_number = csr.serial_number().expect("the device says who it is");
            let profile = Profile::LdevId { serial_number, device_id: "lamp".into() };
            let year = Validity { not_before: START, not_after: Some(START + 365 * 86_400_000) };
            let issuer = Some(&root.certificate);
            let issued = issue(&profile, csr.public_key(), issuer, [8; 16], year, &root.key).expect("issued");
            certificates(&[issued])
        }
        _ => Vec::new(),
    }
}

pub fn run(input: &[u8]) {
    let mut pieces = Pieces(input);
    let mut moment = Moment { now: 0, random: 7 };
    let Some((mut pledge, mut output)) = resume(pieces.cut().first().copied().unwrap_or(0), moment) else { return };
    for _ in 0..STEPS {
        let input = match &output {
            Output::Send(request) => {
                check(request);
                let Some(piece) = pieces.next() else { return };
                answer(request.path, piece)
            }
            other => match done(other, &mut moment) {
                Some(input) => input,
                None => return,
            },
        };
        output = pledge.step(moment, input).expect("it answers what was asked");
        let _ = (pledge.stage(), pledge.trouble().map(ToString::to_string), pledge.trusted());
    }
}

/// What the pledge says can be read by whom it is for.
fn check(request: &Request) {
    let Some((kind, body)) = &request.content else { return };
    match *kind {
        status::MEDIA_TYPE => drop(Status::from_json(body).expect("a registrar reads every status")),
        est::PKCS10 => {
            let der = decode_body(body).expect("base64");
            Csr::from_der(&der).expect("a registrar reads every request");
        }
        _ => {}
    }
}
