//! The text of a ruleset. Pure.
use super::TABLE;
use crate::limits::{COMMENT_BYTES_MAX, LOADED_PLANS_MAX};
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use wire::mud::Direction;
use wire::packet::protocol;
use wire::plan::{Action, By, Entry, Plan, PlanRefused};
use wire::prefix::{Family, Prefix};

/// The ruleset that enforces `plans`, for `nft -f`. Loading it replaces the former one whole: no packet
/// meets half a policy.
///
/// # Errors
/// [`RulesetRefused`]: whoever made the plans is to blame.
pub fn ruleset(plans: &[Plan]) -> Result<String, RulesetRefused> {
    check(plans)?;
    let digests = plans.iter().map(Plan::digest).collect::<Result<Vec<String>, _>>()?;
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write_table(&mut text, plans, &digests);
    Ok(text)
}

/// Every address is one device's: else its packets would be judged by a plan that is not its own.
fn check(plans: &[Plan]) -> Result<(), RulesetRefused> {
    if plans.len() > LOADED_PLANS_MAX {
        return Err(RulesetRefused::TooMany);
    }
    let mut seen = BTreeSet::new();
    for plan in plans {
        let addresses = plan.addresses.iter().map(ToString::to_string);
        for address in addresses.chain(plan.macs.iter().map(ToString::to_string)) {
            if !seen.insert(address.clone()) {
                return Err(RulesetRefused::Shared(address));
            }
        }
    }
    Ok(())
}

fn write_table(text: &mut String, plans: &[Plan], digests: &[String]) -> fmt::Result {
    // The first line lets the second succeed where there is no table yet.
    writeln!(text, "table inet {TABLE} {{}}")?;
    writeln!(text, "delete table inet {TABLE}")?;
    writeln!(text, "table inet {TABLE} {{")?;
    for (index, (plan, digest)) in plans.iter().zip(digests).enumerate() {
        for direction in Direction::ALL {
            writeln!(text, "  chain {} {{", chain(index, direction))?;
            writeln!(text, "    comment \"plan {digest}\"")?;
            write_rules(text, index, plan, direction)?;
            writeln!(text, "  }}")?;
        }
    }
    write_maps(text, plans)?;
    writeln!(text, "  chain forward {{")?;
    writeln!(text, "    type filter hook forward priority filter; policy accept;")?;
    // The kernel tracks connections only where a rule asks for it; without this, those that are open when the
    // first plan comes would have been begun by whoever sends next.
    writeln!(text, "    ct state new counter")?;
    writeln!(text, "    ether saddr vmap @from_mac")?;
    writeln!(text, "    ip saddr vmap @from_ipv4")?;
    writeln!(text, "    ip6 saddr vmap @from_ipv6")?;
    writeln!(text, "    ip daddr vmap @to_ipv4")?;
    writeln!(text, "    ip6 daddr vmap @to_ipv6")?;
    writeln!(text, "  }}")?;
    writeln!(text, "}}")
}

/// A device whose Ethernet address is known is found by it, so that it cannot take another's address.
fn write_maps(text: &mut String, plans: &[Plan]) -> fmt::Result {
    let indexed = || plans.iter().enumerate();
    let addresses = |plan: &Plan, family: Family| -> Vec<String> {
        let own = own(plan, family).into_iter();
        own.map(|prefix| prefix.address().to_string()).collect()
    };
    let bare = |plan: &Plan, family: Family| {
        if plan.macs.is_empty() { addresses(plan, family) } else { Vec::new() }
    };
    let macs = |plan: &Plan| plan.macs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let from = Direction::FromDevice;
    write_map(text, "from_mac", "ether_addr", from, indexed().map(|(index, plan)| (index, macs(plan))))?;
    for (family, name, kind) in [(Family::V4, "ipv4", "ipv4_addr"), (Family::V6, "ipv6", "ipv6_addr")] {
        let senders = indexed().map(|(index, plan)| (index, bare(plan, family)));
        write_map(text, &format!("from_{name}"), kind, from, senders)?;
        let receivers = indexed().map(|(index, plan)| (index, addresses(plan, family)));
        write_map(text, &format!("to_{name}"), kind, Direction::ToDevice, receivers)?;
    }
    Ok(())
}

fn write_map(
    text: &mut String,
    name: &str,
    kind: &str,
    direction: Direction,
    keys: impl Iterator<Item = (usize, Vec<String>)>,
) -> fmt::Result {
    writeln!(text, "  map {name} {{")?;
    writeln!(text, "    type {kind} : verdict")?;
    let elements: Vec<String> = keys
        .flat_map(|(index, keys)| {
            keys.into_iter().map(move |key| format!("{key} : jump {}", chain(index, direction)))
        })
        .collect();
    if !elements.is_empty() {
        writeln!(text, "    elements = {{ {} }}", elements.join(", "))?;
    }
    writeln!(text, "  }}")
}

fn chain(index: usize, direction: Direction) -> String {
    match direction {
        Direction::FromDevice => format!("from_{index}"),
        Direction::ToDevice => format!("to_{index}"),
    }
}

/// The entries of one direction in their order, then the defaults. What is accepted goes back to the
/// base chain, where the plan of the other side's device may have its say.
fn write_rules(text: &mut String, index: usize, plan: &Plan, direction: Direction) -> fmt::Result {
    for entry in plan.entries.iter().filter(|entry| entry.direction == direction) {
        let Some(conditions) = conditions(plan, entry) else { continue };
        let verdict = match entry.action {
            Action::Accept => "return",
            Action::Drop => "drop",
        };
        let comment = comment(index, &By::Entry(entry.id.clone()));
        writeln!(text, "    {conditions} counter {verdict} comment \"{comment}\"")?;
    }
    let default = comment(index, &By::Default(direction));
    if direction == Direction::FromDevice {
        for family in [Family::V4, Family::V6] {
            if let Some(own) = side(family, "saddr", &own(plan, family)) {
                writeln!(text, "    {own} counter drop comment \"{default}\"")?;
            }
        }
        let foreign = comment(index, &By::ForeignAddress);
        return writeln!(text, "    counter drop comment \"{foreign}\"");
    }
    writeln!(text, "    counter drop comment \"{default}\"")
}

fn own(plan: &Plan, family: Family) -> Vec<Prefix> {
    let own = plan.addresses.iter().copied().map(Prefix::from);
    own.filter(|prefix| prefix.family() == family).collect()
}

/// What a packet must be for an entry; nothing for an entry that no packet matches.
fn conditions(plan: &Plan, entry: &Entry) -> Option<String> {
    let outward = entry.direction == Direction::FromDevice;
    let (device_side, remote_side) = if outward { ("saddr", "daddr") } else { ("daddr", "saddr") };
    let device = if entry.device.is_empty() { own(plan, entry.family) } else { entry.device.clone() };
    let mut all = vec![side(entry.family, device_side, &device)?];
    for remote in &entry.remotes {
        all.push(side(entry.family, remote_side, &remote.members)?);
    }
    all.extend(transport(entry));
    // RFC 8520 section 4.8: who began the flow is the connection tracking's to say.
    all.extend(entry.initiated.map(|side| {
        let way = if side == entry.direction { "original" } else { "reply" };
        format!("ct direction {way}")
    }));
    Some(all.join(" "))
}

fn side(family: Family, which: &str, prefixes: &[Prefix]) -> Option<String> {
    let ip = match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    };
    if prefixes.is_empty() {
        return None;
    }
    if prefixes.iter().any(|prefix| prefix.length() == 0) {
        return Some(format!("meta nfproto {}", if family == Family::V4 { "ipv4" } else { "ipv6" }));
    }
    let members: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    Some(format!("{ip} {which} {{ {} }}", members.join(", ")))
}

/// The protocol, ports, type and code. Ports and types are read where every protocol has them, so that
/// an entry that says no protocol is held to the same octets as the judge holds it.
fn transport(entry: &Entry) -> Vec<String> {
    let has_ports = !entry.device_ports.is_empty() || !entry.remote_ports.is_empty();
    let has_type = entry.icmp_type.is_some() || entry.icmp_code.is_some();
    let mut all = Vec::new();
    all.extend(entry.protocol.map(|number| format!("meta l4proto {number}")));
    if has_ports {
        all.push(format!("meta l4proto {{ {}, {} }}", protocol::TCP, protocol::UDP));
    }
    if has_type {
        all.push(format!("meta l4proto {{ {}, {} }}", protocol::ICMP, protocol::ICMPV6));
    }
    let (device_port, remote_port) =
        if entry.direction == Direction::FromDevice { ("sport", "dport") } else { ("dport", "sport") };
    for (name, ranges) in [(device_port, &entry.device_ports), (remote_port, &entry.remote_ports)] {
        if !ranges.is_empty() {
            let ranges: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
            all.push(format!("th {name} {{ {} }}", ranges.join(", ")));
        }
    }
    all.extend(entry.icmp_type.map(|kind| format!("@th,0,8 {kind}")));
    all.extend(entry.icmp_code.map(|code| format!("@th,8,8 {code}")));
    all
}

/// The comment of the rules that decide as `by` for the device of the plan at `index`: what
/// [`Counters`](super::Counters) are kept by. Names are a stranger's: what could end a comment is
/// replaced.
pub fn comment(index: usize, by: &By) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._/: ".contains(c) { c } else { '_' };
    let mut text: String = format!("{index} {by}").chars().map(plain).collect();
    text.truncate(COMMENT_BYTES_MAX);
    text
}

/// Why plans give no ruleset. Whoever made them is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesetRefused {
    /// More than we load at once.
    #[error("there are more than {LOADED_PLANS_MAX} plans")]
    TooMany,
    /// Two devices have one address.
    #[error("the address {0} stands in two plans, or twice in one; an address is one device's")]
    Shared(String),
    /// A plan that nobody would read.
    #[error(transparent)]
    Plan(#[from] PlanRefused),
}
