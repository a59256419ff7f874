//! What a kind of file may not name (design: "What is absent is the architecture").

use crate::tree::{Finding, SourceFile};

/// Names that are absent from the product code of some files.
struct Absence {
    /// Lists of what the paths that are meant begin with.
    below: &'static [&'static [&'static str]],
    names: &'static [&'static str],
    why: &'static str,
}

/// Formats and rules.
const BYTES_AND_RULES: &[&str] = &["crates/wire/src/", "crates/fleet/src/"];

/// The machines of a device, which its shell drives.
const MACHINES: &[&str] = &[
    "crates/agent/src/machine/",
    "crates/agent/src/control/",
    "crates/agent/src/upgrade/device.rs",
    "crates/agent/src/upgrade/install.rs",
    "crates/agent/src/upgrade/keeper.rs",
    "crates/agent/src/upgrade/record.rs",
];

const ABSENCES: &[Absence] = &[
    Absence {
        below: &[BYTES_AND_RULES, MACHINES],
        names: &["SystemTime", "Instant"],
        why: "time is an argument",
    },
    Absence {
        below: &[BYTES_AND_RULES, MACHINES],
        names: &["rand", "getrandom", "SystemRandom", "OsRng"],
        why: "randomness is an argument",
    },
    Absence {
        below: &[BYTES_AND_RULES, MACHINES],
        names: &["std::fs", "std::env", "std::process", "std::thread", "std::os", "tokio"],
        why: "no I/O here, it belongs to io or a shell",
    },
    Absence {
        below: &[BYTES_AND_RULES, MACHINES, &["crates/sim/src/"]],
        // Addresses (`std::net::IpAddr`) are values, sockets and name look-ups are not.
        names: &["TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs"],
        why: "no sockets here",
    },
    Absence {
        below: &[BYTES_AND_RULES, MACHINES, &["crates/store/src/"]],
        names: &["async", "await"],
        why: "nothing here waits",
    },
    Absence {
        below: &[&["crates/sim/src/"]],
        names: &["std::thread", "tokio", "SystemTime", "Instant", "async", "await"],
        why: "a simulated world has virtual time and one thread",
    },
];

impl Absence {
    /// The beginnings of the paths that are meant.
    fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.below.iter().copied().flatten().copied()
    }
}

/// No clock, randomness, I/O or waiting where the design forbids it. Test code is free.
pub fn forbidden_names(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let meant = |absence: &&Absence| absence.paths().any(|below| file.path().starts_with(below));
    for absence in ABSENCES.iter().filter(meant) {
        for named in file.names.iter().filter(|named| !named.in_test) {
            for name in absence.names.iter().filter(|name| named.contains(name)) {
                findings
                    .push(file.finding(named.line, format!("`{name}` may not be named: {}", absence.why)));
            }
        }
    }
    findings
}

/// One file asks the machine what time it is.
pub fn one_clock(file: &SourceFile) -> Vec<Finding> {
    const CLOCK: &str = "crates/io/src/clock.rs";
    let asks = file.names.iter().filter(|named| named.contains("SystemTime::now") && file.path() != CLOCK);
    asks.map(|named| file.finding(named.line, format!("only {CLOCK} may name `SystemTime::now`"))).collect()
}

/// Bytes, rules and I/O never share a file: formats and rules know no transaction (that they know neither
/// files nor tokio is for [`forbidden_names`]).
pub fn bytes_rules_and_io_apart(file: &SourceFile) -> Vec<Finding> {
    let is_bytes = file.path().starts_with("crates/wire/src/");
    if !is_bytes && !is_rules(file.path()) {
        return Vec::new();
    }
    let kind = if is_bytes { "bytes" } else { "rules" };
    let mut findings = Vec::new();
    for named in file.names.iter().filter(|named| !named.in_test) {
        for name in ["Tx", "Row"].iter().filter(|name| named.contains(name)) {
            findings.push(file.finding(named.line, format!("{kind} and I/O in one file: `{name}`")));
        }
    }
    findings
}

/// Whether a path is `rules.rs` of some folder, or stands in its `rules/`.
pub fn is_rules(path: &str) -> bool {
    path.ends_with("/rules.rs") || path.contains("/rules/") && path.starts_with("crates/fleet/src/")
}

/// The root forbids unsafe code; an allowance to a lint gives its reason.
pub fn unsafe_and_allowances(file: &SourceFile) -> Vec<Finding> {
    let unsafe_lines = file.lines_of(&["unsafe"]);
    let mut findings: Vec<Finding> =
        unsafe_lines.iter().map(|line| file.finding(*line, "no unsafe code, not even allowed")).collect();
    for (at, word) in file.words.iter().enumerate() {
        if !matches!(word.text.as_str(), "allow" | "expect") || !is_attribute(file, at) {
            continue;
        }
        let arguments = file.words[at..].iter().take_while(|word| word.text != ")");
        if !arguments.into_iter().any(|word| word.text == "reason") {
            findings
                .push(file.finding(word.line, format!("#[{}(...)] without `reason = \"...\"`", word.text)));
        }
    }
    findings
}

/// Whether the word opens an attribute: `#[word(` or `#![word(`.
fn is_attribute(file: &SourceFile, at: usize) -> bool {
    let text =
        |index: Option<usize>| index.and_then(|index| file.words.get(index)).map(|word| word.text.as_str());
    let before = |n| text(at.checked_sub(n));
    text(Some(at + 1)) == Some("(")
        && before(1) == Some("[")
        && (before(2) == Some("#") || before(2) == Some("!") && before(3) == Some("#"))
}

#[cfg(test)]
mod tests {
    use super::{ABSENCES, forbidden_names};
    use crate::tree::Tree;

    /// A line that names `name`, as product code would.
    fn naming(name: &str) -> String {
        match name {
            "async" => "async fn wait() {}".to_owned(),
            "await" => "fn wait() { it.await }".to_owned(),
            name => format!("use {name}::thing;"),
        }
    }

    #[test]
    fn every_name_is_missed_where_it_is_forbidden() {
        for absence in ABSENCES {
            for below in absence.paths() {
                let path = if below.ends_with('/') { format!("{below}file.rs") } else { below.to_owned() };
                for name in absence.names {
                    let tree = Tree::from_sample(&format!("//- {path}\n{}\n", naming(name))).unwrap();
                    let found = forbidden_names(&tree.sources[0]);
                    assert!(!found.is_empty(), "{path} may name `{name}`");
                }
            }
        }
    }

    #[test]
    fn what_is_forbidden_somewhere_stands_there() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for below in ABSENCES.iter().flat_map(super::Absence::paths) {
            assert!(root.join(below).exists(), "{below} was moved: the rule looks at nothing");
        }
    }
}
