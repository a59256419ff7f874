//! Plans in words, one line for each entry. Pure.
use std::fmt::Write;
use wire::mud::Direction;
use wire::packet::protocol;
use wire::plan::{Action, Entry, Plan, Remote, RemoteKind};
use wire::prefix::Family;

/// What a plan lets pass and what it drops, in its order.
pub fn explain(plan: &Plan) -> Vec<String> {
    let last = "drop everything else in both directions (RFC 8520 section 5)".to_string();
    let held = plan.level.map(|level| format!("held back: {}", level.word()));
    held.into_iter().chain(plan.entries.iter().map(line)).chain([last]).collect()
}

fn line(entry: &Entry) -> String {
    let mut line = match (entry.action, entry.direction) {
        (Action::Accept, Direction::FromDevice) => "accept to ".to_string(),
        (Action::Accept, Direction::ToDevice) => "accept from ".to_string(),
        (Action::Drop, Direction::FromDevice) => "drop to ".to_string(),
        (Action::Drop, Direction::ToDevice) => "drop from ".to_string(),
    };
    match entry.remotes.as_slice() {
        [] => line.push_str("anybody"),
        remotes => line.push_str(&remotes.iter().map(remote).collect::<Vec<_>>().join(" that is also ")),
    }
    line.push_str(": ");
    line.push_str(&traffic(entry));
    match entry.initiated {
        Some(Direction::FromDevice) => line.push_str(", begun by the device"),
        Some(Direction::ToDevice) => line.push_str(", begun by the other side"),
        None => {}
    }
    // Writing to a text cannot fail.
    let _ = write!(line, " ({})", entry.id);
    line
}

fn remote(remote: &Remote) -> String {
    let of = match remote.kind {
        RemoteKind::Network => return remote.of.clone(),
        RemoteKind::Name => format!("the name {}", remote.of),
        RemoteKind::Class => format!("the class {}", remote.of),
    };
    match remote.members.as_slice() {
        [] => format!("{of} (no address known)"),
        [only] => format!("{of} ({only})"),
        [first, rest @ ..] => format!("{of} ({first} and {} more)", rest.len()),
    }
}

fn traffic(entry: &Entry) -> String {
    let family = match entry.family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    let mut words = match entry.protocol {
        None => format!("everything over {family}"),
        Some(protocol::TCP) => format!("TCP over {family}"),
        Some(protocol::UDP) => format!("UDP over {family}"),
        Some(protocol::ICMP) => "ICMP".into(),
        Some(protocol::ICMPV6) => "ICMPv6".into(),
        Some(number) => format!("protocol {number} over {family}"),
    };
    for (side, ranges) in [("its", &entry.remote_ports), ("the device's", &entry.device_ports)] {
        if !ranges.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(words, ", {side} port {}", ports(ranges));
        }
    }
    for (what, value) in [("type", entry.icmp_type), ("code", entry.icmp_code)] {
        if let Some(value) = value {
            let _ = write!(words, ", {what} {value}");
        }
    }
    words
}

fn ports(ranges: &[(u16, u16)]) -> String {
    let one = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(" or ")
}
