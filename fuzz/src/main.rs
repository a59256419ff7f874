//! One program for all fuzz targets. `cargo xtask fuzz` builds it, chooses the target, and runs it.
//!
//! A target is a file of `targets/`: its first line says what it reads, `run` reads it and checks what can be
//! checked, `seeds` are well-formed inputs to begin with. A panic is a finding. To add one, write the file
//! and name it below; `cargo xtask test` holds the folder against this list.
//!
//! Nothing here depends on time or chance: an input that was kept does the same for ever.
#![no_main]

mod last_input;
mod pieces;
mod same;
mod sample;

use std::sync::OnceLock;

/// Which target runs.
const TARGET_VARIABLE: &str = "STEWARD_FUZZ_TARGET";
/// Set, the target's seeds are written into the folder that this names, and nothing runs.
const SEEDS_VARIABLE: &str = "STEWARD_FUZZ_SEEDS";

struct Target {
    name: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)+) => {
        mod targets {
            $(pub mod $name;)+
        }

        const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), seeds: targets::$name::seeds, run: targets::$name::run }),+
        ];
    };
}

targets! {
    audit_log
    birth_record
    certificate
    chain
    cms
    cms_changed
    compile
    cose
    cose_changed
    csr
    csr_attributes
    date_time
    desired
    difference
    est_body
    events
    journal
    json
    judge
    last_report
    member
    memory
    mud_file
    mud_signature
    operation
    packet
    pem
    plan
    pledge
    public_key
    report
    server_sent_events
    signed_content
    slots_record
    status
    suit_envelope
    suit_envelope_changed
    suit_manifest
    url
    voucher
    voucher_request
    wipe
    words
}

static CHOSEN: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: choose(), |input: &[u8]| {
    if let Some(target) = CHOSEN.get() {
        last_input::keep(input);
        (target.run)(input);
    }
});

fn choose() {
    let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("error: {TARGET_VARIABLE} names no target: `{name}`; `cargo xtask fuzz` sets it");
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os(SEEDS_VARIABLE) {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            let path = std::path::Path::new(&folder).join(format!("own-{number}"));
            if let Err(why) = std::fs::write(&path, seed) {
                eprintln!("error: {}: {why}", path.display());
                std::process::exit(2);
            }
        }
        std::process::exit(0);
    }
    CHOSEN.get_or_init(|| target);
}
