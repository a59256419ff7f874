//! A description and what surrounds a device, compiled into its enforcement plan. Pure.
//!
//! The order is: what the device needs to be managed at all (its hub, an address), then the entries
//! of the description in their order, then the defaults of RFC 8520 section 5, which a description
//! can override with "drop".
use super::controller::UPDATE_HOSTS;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use wire::mud::{self, AccessList, Ace, DNS_CLASS, Direction, Matches, MudFile, NTP_CLASS, Ports, Transport};
use wire::packet::{Mac, protocol};
use wire::plan::{Action, Entry, Level, PLAN_VERSION, Plan, PlanRefused, Remote, RemoteKind};
use wire::prefix::{Family, Prefix, merged};

/// What is known of a device's network when its plan is compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The Ethernet addresses that the device sends from.
    pub macs: Vec<Mac>,
    /// The addresses that are the device's. Without any the plan explains, and lets nothing pass.
    pub addresses: Vec<IpAddr>,
    /// Where the device reaches its hub.
    pub hub: Vec<SocketAddr>,
    /// The hosts of names.
    pub names: BTreeMap<String, Vec<Prefix>>,
    /// The hosts that are registered for a class (RFC 8520 section 4.6).
    pub controllers: BTreeMap<String, Vec<Prefix>>,
    /// The hosts that are registered for the device's MUD URL (RFC 8520 section 4.7).
    pub my_controllers: Vec<Prefix>,
    /// The addresses of things by the authority of their MUD URL (RFC 8520 section 4.1).
    pub manufacturers: BTreeMap<String, Vec<IpAddr>>,
    /// The addresses of things by their MUD URL (RFC 8520 section 4.4).
    pub models: BTreeMap<String, Vec<IpAddr>>,
    /// What the operator calls local (RFC 8520 section 4.5).
    pub local_networks: Vec<Prefix>,
    /// How far the device is held back.
    pub level: Option<Level>,
    /// Where devices that are held back may still get updates.
    pub update_hosts: Vec<Prefix>,
}

/// A plan, its name, and what a person should know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// Its canonical JSON.
    pub text: String,
    /// SHA-256 of its canonical JSON.
    pub digest: String,
    /// Entries that match nothing now, and why; nodes of the file that were ignored.
    pub notes: Vec<String>,
}

/// Compiles the plan of `device` (its id). Without a description it may reach its hub, an address,
/// and local DNS and NTP; held back, what its level leaves of that.
///
/// # Errors
/// [`PlanRefused`] when the description or its surroundings are larger than a plan may be.
pub fn compile(
    device: &str,
    file: Option<&MudFile>,
    surroundings: &Surroundings,
) -> Result<Compiled, PlanRefused> {
    let mut compiler = Compiler { file, surroundings, entries: Vec::new(), notes: Vec::new() };
    let level = surroundings.level.filter(|level| level.narrows());
    if let Some(level) = level {
        compiler.held(level);
        return finished(device, None, surroundings, compiler);
    }
    compiler.basics();
    for direction in Direction::ALL {
        for list in file.into_iter().flat_map(|file| file.lists(direction)) {
            list.entries.iter().for_each(|ace| compiler.ace(direction, list, ace));
        }
    }
    for (id, class, port) in DEFAULTS {
        compiler.default(id, class, port);
    }
    finished(device, file, surroundings, compiler)
}

/// What keeps a gate from enforcing a plan as it reads, if anything does.
pub fn hindrance(plan: &Plan) -> Option<&'static str> {
    match (plan.macs.is_empty(), plan.addresses.is_empty()) {
        (true, true) => Some(
            "neither an Ethernet address nor an address of the device is known: no gate can tell which packets are \
             its own, so nothing is enforced for it; say them with `access locate`",
        ),
        (false, true) => Some(
            "no address of the device is known: a gate lets nothing of it pass; say them with `access locate`",
        ),
        (true, false) => Some(
            "no Ethernet address of the device is known: a gate tells it by its addresses alone, which another \
             device can take; say it with `access locate`",
        ),
        (false, false) => None,
    }
}

fn finished(
    device: &str,
    file: Option<&MudFile>,
    surroundings: &Surroundings,
    compiler: Compiler,
) -> Result<Compiled, PlanRefused> {
    let Compiler { entries, mut notes, .. } = compiler;
    let ignored = file.into_iter().flat_map(|file| &file.ignored);
    notes.extend(ignored.map(|path| format!("{path} of the description is not known, and was ignored")));
    let plan = Plan {
        version: PLAN_VERSION,
        device: device.into(),
        mud_url: file.map(|file| file.mud_url.clone()).unwrap_or_default(),
        macs: surroundings.macs.clone(),
        addresses: surroundings.addresses.clone(),
        level: surroundings.level,
        entries,
    };
    let text = String::from_utf8(plan.to_json()?).map_err(|why| PlanRefused::Malformed(why.to_string()))?;
    Ok(Compiled { digest: plan.digest()?, text, plan, notes })
}

/// Local DNS and NTP (RFC 8520 section 5 and appendix A).
const DEFAULTS: [(&str, &str, u16); 2] = [("rfc8520/dns", DNS_CLASS, 53), ("rfc8520/ntp", NTP_CLASS, 123)];

struct Compiler<'a> {
    file: Option<&'a MudFile>,
    surroundings: &'a Surroundings,
    entries: Vec<Entry>,
    notes: Vec<String>,
}

impl Compiler<'_> {
    /// What no description may take away: the hub, which looks after the device, and DHCP. Who began is not
    /// asked for the hub: a check-in may wait there since before a gate began to track connections.
    fn basics(&mut self) {
        for hub in &self.surroundings.hub {
            let prefix = Prefix::from(hub.ip());
            for direction in Direction::ALL {
                self.entries.push(Entry {
                    remotes: vec![Remote::new(RemoteKind::Class, "hub", [prefix])],
                    protocol: Some(protocol::TCP),
                    remote_ports: vec![(hub.port(), hub.port())],
                    ..entry("steward/hub", direction, prefix.family())
                });
            }
        }
        // A device that has no address yet sends from none.
        for (family, client, server, unset) in
            [(Family::V4, 68, 67, "0.0.0.0/32"), (Family::V6, 546, 547, "fe80::/10")]
        {
            let own = self.own_prefixes().into_iter().filter(|prefix| prefix.family() == family);
            let device = merged(unset.parse().into_iter().chain(own));
            for direction in Direction::ALL {
                self.entries.push(Entry {
                    device: device.clone(),
                    protocol: Some(protocol::UDP),
                    device_ports: vec![(client, client)],
                    remote_ports: vec![(server, server)],
                    ..entry("steward/dhcp", direction, family)
                });
            }
        }
    }

    /// What a level of quarantine leaves to a device: nothing of its description.
    fn held(&mut self, level: Level) {
        if level == Level::Dark {
            return;
        }
        self.basics();
        if level == Level::UpdateOnly {
            self.updates();
            let (id, class, port) = DEFAULTS[0];
            self.default(id, class, port);
        }
    }

    /// The hosts that updates come from, by whatever protocol; the device begins.
    fn updates(&mut self) {
        for family in [Family::V4, Family::V6] {
            let hosts = self.surroundings.update_hosts.iter().copied();
            let hosts: Vec<Prefix> = hosts.filter(|prefix| prefix.family() == family).collect();
            if hosts.is_empty() {
                continue;
            }
            for direction in Direction::ALL {
                self.entries.push(Entry {
                    remotes: vec![Remote::new(RemoteKind::Class, UPDATE_HOSTS, hosts.clone())],
                    initiated: Some(Direction::FromDevice),
                    ..entry("steward/updates", direction, family)
                });
            }
        }
    }

    /// RFC 8520 section 5 and appendix A: a local service, after all other entries.
    fn default(&mut self, id: &str, class: &str, port: u16) {
        let members = self.surroundings.controllers.get(class).cloned().unwrap_or_default();
        for family in [Family::V4, Family::V6] {
            let members = members.iter().copied().filter(|prefix| prefix.family() == family);
            let remote = Remote::new(RemoteKind::Class, class, members);
            for direction in Direction::ALL {
                self.entries.push(Entry {
                    remotes: vec![remote.clone()],
                    protocol: Some(protocol::UDP),
                    remote_ports: vec![(port, port)],
                    ..entry(id, direction, family)
                });
            }
        }
    }

    fn ace(&mut self, direction: Direction, list: &AccessList, ace: &Ace) {
        let id = format!("{}/{}", list.name, ace.name);
        match self.entry(direction, list.family, ace, &id) {
            Ok(entry) => {
                for remote in entry.remotes.iter().filter(|remote| remote.members.is_empty()) {
                    self.notes.push(format!("{id}: `{}` means no address now", remote.of));
                }
                self.entries.push(entry);
            }
            Err(why) => self.notes.push(format!("{id}: {why}; the entry matches nothing and is left out")),
        }
    }

    fn entry(
        &self,
        direction: Direction,
        family: Family,
        ace: &Ace,
        id: &str,
    ) -> Result<Entry, &'static str> {
        let matches = &ace.matches;
        let (own, other) = match direction {
            Direction::FromDevice => (matches.source_network, matches.destination_network),
            Direction::ToDevice => (matches.destination_network, matches.source_network),
        };
        let mut entry = Entry {
            device: own.map(|prefix| self.own_side(prefix)).transpose()?.unwrap_or_default(),
            remotes: self.remotes(direction, family, matches, other),
            protocol: protocol_of(family, matches)?,
            action: match ace.action {
                mud::Action::Accept => Action::Accept,
                // RFC 8520 section 2: "reject" may be interpreted as "drop".
                mud::Action::Drop | mud::Action::Reject => Action::Drop,
            },
            ..entry(id, direction, family)
        };
        match matches.transport {
            Some(Transport::Tcp { source_port, destination_port, initiated }) => {
                entry.initiated = initiated;
                set_ports(&mut entry, source_port, destination_port);
            }
            Some(Transport::Udp { source_port, destination_port }) => {
                set_ports(&mut entry, source_port, destination_port);
            }
            Some(Transport::Icmp { kind, code }) => (entry.icmp_type, entry.icmp_code) = (kind, code),
            None => {}
        }
        Ok(entry)
    }

    /// The device's own addresses within `prefix`; as long as none is known, the prefix.
    fn own_side(&self, prefix: Prefix) -> Result<Vec<Prefix>, &'static str> {
        if self.surroundings.addresses.is_empty() {
            return Ok(vec![prefix]);
        }
        let own: Vec<Prefix> = self.own_prefixes().into_iter().filter(|own| prefix.covers(own)).collect();
        if own.is_empty() {
            return Err("none of the device's addresses is within its own prefix");
        }
        Ok(merged(own))
    }

    fn own_prefixes(&self) -> Vec<Prefix> {
        self.surroundings.addresses.iter().copied().map(Prefix::from).collect()
    }

    /// The conditions on the other side. RFC 8520 section 2.1: all of them.
    fn remotes(
        &self,
        direction: Direction,
        family: Family,
        matches: &Matches,
        network: Option<Prefix>,
    ) -> Vec<Remote> {
        let around = self.surroundings;
        let of_family = |members: Vec<Prefix>| members.into_iter().filter(move |it| it.family() == family);
        let mut remotes = Vec::new();
        let mut class = |of: String, members: Vec<Prefix>| {
            remotes.push(Remote::new(RemoteKind::Class, of, of_family(members)));
        };
        if let Some(manufacturer) = &matches.manufacturer {
            let members = prefixes(around.manufacturers.get(manufacturer));
            class(format!("manufacturer {manufacturer}"), members);
        }
        if matches.same_manufacturer {
            let authority = self.file.map(MudFile::authority).unwrap_or_default();
            class("same-manufacturer".into(), prefixes(around.manufacturers.get(authority)));
        }
        if let Some(model) = &matches.model {
            class(format!("model {model}"), prefixes(around.models.get(model)));
        }
        if matches.local_networks {
            class("local-networks".into(), around.local_networks.clone());
        }
        if let Some(of) = &matches.controller {
            class(of.clone(), around.controllers.get(of).cloned().unwrap_or_default());
        }
        if matches.my_controller {
            class("my-controller".into(), around.my_controllers.clone());
        }
        let name = match direction {
            Direction::FromDevice => &matches.destination_dnsname,
            Direction::ToDevice => &matches.source_dnsname,
        };
        if let Some(name) = name {
            // RFC 8520 section 8: inet:host, so an address may stand there.
            let members = match name.parse::<IpAddr>() {
                Ok(address) => vec![Prefix::from(address)],
                Err(_) => around.names.get(name).cloned().unwrap_or_default(),
            };
            remotes.push(Remote::new(RemoteKind::Name, name.clone(), of_family(members)));
        }
        if let Some(prefix) = network {
            remotes.push(Remote::new(RemoteKind::Network, prefix.to_string(), [prefix]));
        }
        remotes
    }
}

fn prefixes(addresses: Option<&Vec<IpAddr>>) -> Vec<Prefix> {
    addresses.into_iter().flatten().copied().map(Prefix::from).collect()
}

/// The protocol number that the entry means: the one that it says, or that of its transport.
fn protocol_of(family: Family, matches: &Matches) -> Result<Option<u8>, &'static str> {
    let above = matches.transport.map(|transport| match (transport, family) {
        (Transport::Tcp { .. }, _) => protocol::TCP,
        (Transport::Udp { .. }, _) => protocol::UDP,
        (Transport::Icmp { .. }, Family::V4) => protocol::ICMP,
        (Transport::Icmp { .. }, Family::V6) => protocol::ICMPV6,
    });
    match (matches.protocol, above) {
        (Some(said), Some(above)) if said != above => Err("its protocol is not that of its ports or types"),
        (said, above) => Ok(above.or(said)),
    }
}

fn set_ports(entry: &mut Entry, source: Option<Ports>, destination: Option<Ports>) {
    let ranges = |ports: Option<Ports>| ports.map(Ports::ranges).unwrap_or_default();
    let (device, remote) = match entry.direction {
        Direction::FromDevice => (source, destination),
        Direction::ToDevice => (destination, source),
    };
    (entry.device_ports, entry.remote_ports) = (ranges(device), ranges(remote));
}

/// An entry that accepts everything.
fn entry(id: &str, direction: Direction, family: Family) -> Entry {
    Entry {
        id: id.into(),
        direction,
        family,
        device: Vec::new(),
        remotes: Vec::new(),
        protocol: None,
        device_ports: Vec::new(),
        remote_ports: Vec::new(),
        icmp_type: None,
        icmp_code: None,
        initiated: None,
        action: Action::Accept,
    }
}
