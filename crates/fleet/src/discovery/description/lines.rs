//! What a description says, in lines for people.
use crate::limits::DESCRIPTION_LINES_MAX;
use wire::mud::{Ace, Action, Direction, Matches, MudFile, Ports, Transport};

/// A line for each access control entry, in their order; the last one counts those that are left out.
pub fn lines(file: &MudFile) -> Vec<String> {
    let mut lines = Vec::new();
    for direction in Direction::ALL {
        for list in file.lists(direction) {
            lines.extend(list.entries.iter().map(|ace| line(direction, &list.name, ace)));
        }
    }
    let more = lines.len().saturating_sub(DESCRIPTION_LINES_MAX - 1);
    if more > 1 {
        lines.truncate(DESCRIPTION_LINES_MAX - 1);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn line(direction: Direction, list: &str, ace: &Ace) -> String {
    let verb = match ace.action {
        Action::Accept => "may",
        Action::Drop | Action::Reject => "may not",
    };
    let way = match direction {
        Direction::FromDevice => format!("{verb} send to"),
        Direction::ToDevice => format!("{verb} receive from"),
    };
    format!("{way} {}{} ({list}/{})", peer(&ace.matches), above(&ace.matches), ace.name)
}

fn peer(matches: &Matches) -> String {
    let text = |prefix: &str, value: &Option<String>| value.as_ref().map(|value| format!("{prefix}{value}"));
    let flag = |is: bool, text: &str| is.then(|| text.to_owned());
    let named = [
        text("", &matches.source_dnsname),
        text("", &matches.destination_dnsname),
        matches.source_network.as_ref().map(ToString::to_string),
        matches.destination_network.as_ref().map(ToString::to_string),
        text("things by ", &matches.manufacturer),
        flag(matches.same_manufacturer, "things by the same maker"),
        text("things of the model ", &matches.model),
        flag(matches.local_networks, "local networks"),
        text("controllers of ", &matches.controller),
        flag(matches.my_controller, "its controllers"),
    ];
    let named: Vec<String> = named.into_iter().flatten().collect();
    if named.is_empty() { "anybody".into() } else { named.join(" and ") }
}

fn above(matches: &Matches) -> String {
    let ports = |source: &Option<Ports>, destination: &Option<Ports>| {
        let say = |word: &str, ports: &Option<Ports>| {
            ports.map(|ports| format!(" {word} {}", port_words(ports))).unwrap_or_default()
        };
        format!("{}{}", say("from port", source), say("to port", destination))
    };
    match &matches.transport {
        Some(Transport::Tcp { source_port, destination_port, initiated }) => {
            let began = match initiated {
                Some(Direction::FromDevice) => ", if the device began",
                Some(Direction::ToDevice) => ", if the other side began",
                None => "",
            };
            format!(" by TCP{}{began}", ports(source_port, destination_port))
        }
        Some(Transport::Udp { source_port, destination_port }) => {
            format!(" by UDP{}", ports(source_port, destination_port))
        }
        Some(Transport::Icmp { kind, code }) => {
            let say =
                |word: &str, value: &Option<u8>| value.map(|v| format!(" {word} {v}")).unwrap_or_default();
            format!(" by ICMP{}{}", say("type", kind), say("code", code))
        }
        None => matches.protocol.map(|number| format!(" by protocol {number}")).unwrap_or_default(),
    }
}

fn port_words(ports: Ports) -> String {
    match ports {
        Ports::Eq(port) => port.to_string(),
        Ports::Range(lower, upper) => format!("{lower} to {upper}"),
        Ports::Neq(port) => format!("other than {port}"),
        Ports::Lte(port) => format!("{port} or less"),
        Ports::Gte(port) => format!("{port} or more"),
    }
}
