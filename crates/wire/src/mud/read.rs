//! JSON to MUD files.
use super::{
    AccessList, Ace, Action, Direction, MUD_VERSION, Matches, MudFile, MudRefused, Ports, Transport,
    authority,
};
use crate::date_time;
use crate::json::{Object, Value, parse_object};
use crate::limits::{
    MUD_ACES_MAX, MUD_ACLS_MAX, MUD_EXTENSIONS_MAX, MUD_FILE_BYTES_MAX, MUD_IGNORED_NODES_MAX,
    MUD_TEXT_BYTES_MAX, MUD_URI_BYTES_MAX, URL_BYTES_MAX,
};
use crate::prefix::{Family, Prefix};
use std::collections::BTreeMap;

pub(super) const MUD: &str = "ietf-mud:mud";
pub(super) const ACLS: &str = "ietf-access-control-list:acls";

const MODULE: &str = "its YANG module makes it mandatory (RFC 8520 section 7)";
const ACL_MODULE: &str = "the YANG module of RFC 8519 makes it mandatory";
const TEXT: &str = "a text of 1 to 1024 bytes without control characters";
const URI: &str = "a URI of at most 1024 bytes (RFC 8520 section 7)";
const HOST: &str = "a host: a domain name or an address (RFC 8520 section 7)";
const NAME: &str = "a name of 1 to 64 characters without control characters (RFC 8519)";
const EMPTY: &str = "[null], the value of an empty leaf (RFC 8520 section 7)";
const OBJECT: &str = "an object";
const LIST: &str = "a list";
const BYTE: &str = "a number from 0 to 255";
const PORT: &str = "a port from 0 to 65535";
const UNKNOWN_MATCH: &str =
    "a match that we can enforce, and ignoring it would allow more than was said (RFC 8520 section 2)";

type Read<T> = Result<T, MudRefused>;

impl MudFile {
    /// Reads a MUD file.
    ///
    /// # Errors
    /// [`MudRefused`] names the node and the rule: whoever made the file is to blame.
    pub fn from_json(text: &[u8]) -> Read<Self> {
        let top = parse_object(text, MUD_FILE_BYTES_MAX)?;
        let top = Node { path: String::new(), fields: &top };
        // RFC 8520 section 2.1: a valid MUD file has two root objects, "mud" and "acls".
        const ROOTS: &str = "a MUD file has this root object (RFC 8520 section 2.1)";
        let mud = top.child(MUD)?.ok_or_else(|| top.missing(MUD, ROOTS))?;
        let acls = top.child(ACLS)?.ok_or_else(|| top.missing(ACLS, ROOTS))?;
        let mut ignored = Ignored(Vec::new());
        ignored.note(&top, &[MUD, ACLS])?;
        mud.refuse_redundant_prefix()?;
        ignored.note(&mud, &MUD_NODES)?;
        let lists = access_lists(&acls, &mut ignored)?;
        let file = Self {
            mud_url: mud_url(&mud)?,
            last_update: mud
                .required("last-update", DATE, MODULE, |value| date_time::parse(value.as_text()?))?,
            mud_signature: mud.optional("mud-signature", URI, uri)?,
            // RFC 8520 section 7: range 1..168, default 48.
            cache_validity_hours: mud
                .optional("cache-validity", "hours from 1 to 168 (RFC 8520 section 3.5)", |value| {
                    byte(value).filter(|hours| (1..=168).contains(hours))
                })?
                .unwrap_or(48),
            is_supported: mud.required("is-supported", "true or false", MODULE, Value::as_bool)?,
            systeminfo: mud.optional("systeminfo", TEXT, text_of)?,
            mfg_name: mud.optional("mfg-name", TEXT, text_of)?,
            model_name: mud.optional("model-name", TEXT, text_of)?,
            firmware_rev: mud.optional("firmware-rev", TEXT, text_of)?,
            software_rev: mud.optional("software-rev", TEXT, text_of)?,
            documentation: mud.optional("documentation", URI, uri)?,
            extensions: extensions(&mud)?,
            from_device: policy(&mud, Direction::FromDevice, &lists, &mut ignored)?,
            to_device: policy(&mud, Direction::ToDevice, &lists, &mut ignored)?,
            ignored: Vec::new(),
        };
        let version = mud.required("mud-version", BYTE, MODULE, Value::as_u64)?;
        if version != MUD_VERSION {
            return Err(mud.refused("mud-version", "1, the version of RFC 8520 section 3.1"));
        }
        Ok(Self { ignored: ignored.0, ..file })
    }
}

const DATE: &str = "a date and time with a zone, as 2019-01-28T11:20:51+01:00 (RFC 8520 section 3.4)";

const MUD_NODES: [&str; 15] = [
    "mud-version",
    "mud-url",
    "last-update",
    "mud-signature",
    "cache-validity",
    "is-supported",
    "systeminfo",
    "mfg-name",
    "model-name",
    "firmware-rev",
    "software-rev",
    "documentation",
    "extensions",
    "from-device-policy",
    "to-device-policy",
];

fn mud_url(mud: &Node<'_>) -> Read<String> {
    let wanted = "an https URL of at most 255 bytes (RFC 8520 sections 6 and 10)";
    mud.required("mud-url", wanted, MODULE, |value| {
        uri(value).filter(|url| url.len() <= URL_BYTES_MAX && authority(url).is_some())
    })
}

fn extensions(mud: &Node<'_>) -> Read<Vec<String>> {
    let name = "extensions";
    let Some(values) = mud.optional(name, LIST, Value::as_list)? else { return Ok(Vec::new()) };
    if values.len() > MUD_EXTENSIONS_MAX {
        return Err(MudRefused::TooMany { path: mud.at(name), most: MUD_EXTENSIONS_MAX });
    }
    let short = |text: &String| text.chars().count() <= 40;
    let wanted = "a list of names of 1 to 40 characters (RFC 8520 section 17.8)";
    let read = values.iter().map(|value| text_of(value).filter(short));
    read.collect::<Option<_>>().ok_or_else(|| mud.refused(name, wanted))
}

/// The lists that a policy refers to, in the order of the policy.
fn policy(
    mud: &Node<'_>,
    direction: Direction,
    lists: &BTreeMap<String, Listed<'_>>,
    ignored: &mut Ignored,
) -> Read<Vec<AccessList>> {
    let name = match direction {
        Direction::FromDevice => "from-device-policy",
        Direction::ToDevice => "to-device-policy",
    };
    let Some(policy) = mud.child(name)? else { return Ok(Vec::new()) };
    ignored.note(&policy, &["access-lists"])?;
    let Some(within) = policy.child("access-lists")? else { return Ok(Vec::new()) };
    ignored.note(&within, &["access-list"])?;
    let mut found: Vec<AccessList> = Vec::new();
    for reference in within.list("access-list", MUD_ACLS_MAX)? {
        ignored.note(&reference, &["name"])?;
        let name = reference.required("name", NAME, MODULE, name_of)?;
        if found.iter().any(|list| list.name == name) {
            return Err(reference.refused("name", "there once (RFC 8520 section 7)"));
        }
        let listed = lists.get(&name).ok_or_else(|| {
            reference.refused("name", "the name of an access list of the file (RFC 8520 section 7)")
        })?;
        listed.check_names(direction)?;
        found.push(listed.list.clone());
    }
    Ok(found)
}

/// An access list, and where it stands.
struct Listed<'a> {
    node: Node<'a>,
    list: AccessList,
}

impl Listed<'_> {
    /// RFC 8520 section 8.2: no src-dnsname from the device, no dst-dnsname to it.
    fn check_names(&self, direction: Direction) -> Read<()> {
        let wrong = |ace: &Ace| match direction {
            Direction::FromDevice => ace.matches.source_dnsname.is_some(),
            Direction::ToDevice => ace.matches.destination_dnsname.is_some(),
        };
        match self.list.entries.iter().find(|ace| wrong(ace)) {
            Some(ace) => Err(MudRefused::Node {
                path: format!("{} (entry \"{}\")", self.node.path, ace.name),
                wanted: "without a name for the device's own side (RFC 8520 section 8.2)",
            }),
            None => Ok(()),
        }
    }
}

fn access_lists<'a>(acls: &Node<'a>, ignored: &mut Ignored) -> Read<BTreeMap<String, Listed<'a>>> {
    ignored.note(acls, &["acl"])?;
    let mut lists = BTreeMap::new();
    let mut aces = 0;
    for node in acls.list("acl", MUD_ACLS_MAX)? {
        let list = access_list(&node, ignored)?;
        aces += list.entries.len();
        if aces > MUD_ACES_MAX {
            return Err(MudRefused::TooMany { path: acls.path.clone(), most: MUD_ACES_MAX });
        }
        let again = node.refused("name", "there once: it is the key of the list (RFC 8519)");
        if lists.insert(list.name.clone(), Listed { node, list }).is_some() {
            return Err(again);
        }
    }
    Ok(lists)
}

fn access_list(node: &Node<'_>, ignored: &mut Ignored) -> Read<AccessList> {
    ignored.note(node, &["name", "type", "aces"])?;
    let name = node.required("name", NAME, ACL_MODULE, name_of)?;
    // RFC 8520 section 2: MUD files match on IPv4, IPv6, TCP, UDP and ICMP, on nothing else.
    let wanted = "ipv4-acl-type or ipv6-acl-type (RFC 8520 section 2)";
    let why = "an access list is identified by its name and type (RFC 8520 section 7)";
    let family = node.required("type", wanted, why, |value| match value.as_text()? {
        "ipv4-acl-type" | "ietf-access-control-list:ipv4-acl-type" => Some(Family::V4),
        "ipv6-acl-type" | "ietf-access-control-list:ipv6-acl-type" => Some(Family::V6),
        _ => None,
    })?;
    let mut entries: Vec<Ace> = Vec::new();
    if let Some(aces) = node.child("aces")? {
        ignored.note(&aces, &["ace"])?;
        for ace in aces.list("ace", MUD_ACES_MAX)? {
            let entry = entry(&ace, family, ignored)?;
            if entries.iter().any(|other| other.name == entry.name) {
                return Err(ace.refused("name", "there once: it is the key of the list (RFC 8519)"));
            }
            entries.push(entry);
        }
    }
    Ok(AccessList { name, family, entries })
}

fn entry(node: &Node<'_>, family: Family, ignored: &mut Ignored) -> Read<Ace> {
    ignored.note(node, &["name", "matches", "actions"])?;
    let name = node.required("name", NAME, ACL_MODULE, name_of)?;
    let matches = match node.child("matches")? {
        Some(matches) => read_matches(&matches, family)?,
        None => Matches::default(),
    };
    let actions = node.child("actions")?.ok_or_else(|| node.missing("actions", ACL_MODULE))?;
    ignored.note(&actions, &["forwarding", "logging"])?;
    let wanted = "accept, drop or reject (RFC 8519)";
    let action = actions.required("forwarding", wanted, ACL_MODULE, |value| {
        let word = value.as_text()?;
        Action::from_word(word.strip_prefix("ietf-access-control-list:").unwrap_or(word))
    })?;
    Ok(Ace { name, matches, action })
}

fn read_matches(node: &Node<'_>, family: Family) -> Read<Matches> {
    let ip = match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    node.refuse_unknown(&["ietf-mud:mud", ip, "tcp", "udp", "icmp"])?;
    let mut matches = Matches { transport: transport(node)?, ..Matches::default() };
    if let Some(mud) = node.child("ietf-mud:mud")? {
        read_mud_matches(&mud, &mut matches)?;
    }
    if let Some(ip) = node.child(ip)? {
        read_ip_matches(&ip, family, &mut matches)?;
    }
    Ok(matches)
}

fn read_mud_matches(node: &Node<'_>, matches: &mut Matches) -> Read<()> {
    node.refuse_unknown(&[
        "manufacturer",
        "same-manufacturer",
        "model",
        "local-networks",
        "controller",
        "my-controller",
    ])?;
    matches.manufacturer = node.optional("manufacturer", HOST, host)?;
    matches.same_manufacturer = node.empty("same-manufacturer")?;
    matches.model = node.optional("model", URI, uri)?;
    matches.local_networks = node.empty("local-networks")?;
    matches.controller = node.optional("controller", URI, uri)?;
    matches.my_controller = node.empty("my-controller")?;
    Ok(())
}

fn read_ip_matches(node: &Node<'_>, family: Family, matches: &mut Matches) -> Read<()> {
    let (source, destination, wanted) = match family {
        Family::V4 => ("source-ipv4-network", "destination-ipv4-network", "an IPv4 prefix (RFC 8519)"),
        Family::V6 => ("source-ipv6-network", "destination-ipv6-network", "an IPv6 prefix (RFC 8519)"),
    };
    let names = ["ietf-acldns:src-dnsname", "ietf-acldns:dst-dnsname"];
    node.refuse_unknown(&[source, destination, "protocol", names[0], names[1]])?;
    let prefix = |value: &Value| {
        let prefix: Prefix = value.as_text()?.parse().ok()?;
        (prefix.family() == family).then_some(prefix)
    };
    matches.source_network = node.optional(source, wanted, prefix)?;
    matches.destination_network = node.optional(destination, wanted, prefix)?;
    matches.protocol = node.optional("protocol", BYTE, byte)?;
    matches.source_dnsname = node.optional(names[0], HOST, host)?;
    matches.destination_dnsname = node.optional(names[1], HOST, host)?;
    Ok(())
}

/// The choice `l4` of RFC 8519: one of three, or none.
fn transport(node: &Node<'_>) -> Read<Option<Transport>> {
    let choices = [node.child("tcp")?, node.child("udp")?, node.child("icmp")?];
    if choices.iter().flatten().count() > 1 {
        let wanted = "at most one of tcp, udp and icmp (RFC 8519)";
        return Err(MudRefused::Node { path: node.path.clone(), wanted });
    }
    let ports =
        |node: &Node<'_>| -> Read<_> { Ok((ports(node, "source-port")?, ports(node, "destination-port")?)) };
    Ok(match choices {
        [Some(tcp), _, _] => {
            let initiated = "ietf-mud:direction-initiated";
            tcp.refuse_unknown(&["source-port", "destination-port", initiated])?;
            let (source_port, destination_port) = ports(&tcp)?;
            let wanted = "from-device or to-device (RFC 8520 section 7)";
            let initiated =
                tcp.optional(initiated, wanted, |value| Direction::from_word(value.as_text()?))?;
            Some(Transport::Tcp { source_port, destination_port, initiated })
        }
        // RFC 8520 section 4.8: direction-initiated MUST only be applied to TCP.
        [_, Some(udp), _] => {
            udp.refuse_unknown(&["source-port", "destination-port"])?;
            let (source_port, destination_port) = ports(&udp)?;
            Some(Transport::Udp { source_port, destination_port })
        }
        [_, _, Some(icmp)] => {
            icmp.refuse_unknown(&["type", "code"])?;
            let kind = icmp.optional("type", BYTE, byte)?;
            Some(Transport::Icmp { kind, code: icmp.optional("code", BYTE, byte)? })
        }
        _ => None,
    })
}

/// The choice `port-range-or-operator` of RFC 8519.
fn ports(node: &Node<'_>, name: &str) -> Read<Option<Ports>> {
    let Some(node) = node.child(name)? else { return Ok(None) };
    node.refuse_unknown(&["lower-port", "upper-port", "operator", "port"])?;
    let lower = node.optional("lower-port", PORT, port)?;
    let upper = node.optional("upper-port", PORT, port)?;
    let operator = node.optional("operator", "lte, gte, eq or neq (RFC 8519)", |value| {
        value.as_text().filter(|word| ["lte", "gte", "eq", "neq"].contains(word))
    })?;
    let port = node.optional("port", PORT, port)?;
    let ports = match (lower, upper, operator, port) {
        (None, None, None, None) => return Ok(None),
        (Some(lower), Some(upper), None, None) if lower <= upper => Ports::Range(lower, upper),
        (None, None, Some("lte"), Some(port)) => Ports::Lte(port),
        (None, None, Some("gte"), Some(port)) => Ports::Gte(port),
        (None, None, Some("neq"), Some(port)) => Ports::Neq(port),
        (None, None, _, Some(port)) => Ports::Eq(port),
        _ => {
            let wanted = "either lower-port and upper-port in order, or operator and port (RFC 8519)";
            return Err(MudRefused::Node { path: node.path, wanted });
        }
    };
    Ok(Some(ports))
}

/// Paths of nodes that we do not know.
struct Ignored(Vec<String>);

impl Ignored {
    /// RFC 8520 section 14: nodes that are not understood are ignored, and an administrator is told.
    fn note(&mut self, node: &Node<'_>, known: &[&str]) -> Read<()> {
        self.0.extend(node.unknown(known).map(|field| node.at(field)));
        if self.0.len() > MUD_IGNORED_NODES_MAX {
            let path = format!("the set of unknown nodes up to {}", node.path);
            return Err(MudRefused::TooMany { path, most: MUD_IGNORED_NODES_MAX });
        }
        Ok(())
    }
}

/// An object of the file, and where it stands.
struct Node<'a> {
    path: String,
    fields: &'a Object,
}

impl<'a> Node<'a> {
    fn at(&self, field: &str) -> String {
        let shown: String = field.chars().filter(|c| !c.is_control()).take(64).collect();
        format!("{}/{shown}", self.path)
    }

    fn refused(&self, field: &str, wanted: &'static str) -> MudRefused {
        MudRefused::Node { path: self.at(field), wanted }
    }

    fn missing(&self, field: &str, why: &'static str) -> MudRefused {
        MudRefused::Missing { path: self.at(field), why }
    }

    fn optional<T>(
        &self,
        field: &str,
        wanted: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Read<Option<T>> {
        let Some(value) = self.fields.get(field) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.refused(field, wanted))
    }

    fn required<T>(
        &self,
        field: &str,
        wanted: &'static str,
        why: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Read<T> {
        self.optional(field, wanted, read)?.ok_or_else(|| self.missing(field, why))
    }

    fn child(&self, field: &str) -> Read<Option<Self>> {
        let fields = self.optional(field, OBJECT, Value::as_object)?;
        Ok(fields.map(|fields| Node { path: self.at(field), fields }))
    }

    /// The objects of a list.
    fn list(&self, field: &str, most: usize) -> Read<Vec<Self>> {
        let values = self.optional(field, LIST, Value::as_list)?.unwrap_or_default();
        if values.len() > most {
            return Err(MudRefused::TooMany { path: self.at(field), most });
        }
        let read = |(index, value): (usize, &'a Value)| {
            let path = format!("{}[{index}]", self.at(field));
            match value.as_object() {
                Some(fields) => Ok(Node { path, fields }),
                None => Err(MudRefused::Node { path, wanted: OBJECT }),
            }
        };
        values.iter().enumerate().map(read).collect()
    }

    /// Whether an empty leaf is there.
    fn empty(&self, field: &str) -> Read<bool> {
        let read = |value: &Value| (value.as_list() == Some(&[Value::Null])).then_some(());
        Ok(self.optional(field, EMPTY, read)?.is_some())
    }

    fn unknown<'b>(&'b self, known: &'b [&str]) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        self.fields.0.keys().map(String::as_str).filter(|field| !known.contains(field))
    }

    fn refuse_unknown(&self, known: &[&str]) -> Read<()> {
        match self.unknown(known).next() {
            Some(field) => Err(self.refused(field, UNKNOWN_MATCH)),
            None => Ok(()),
        }
    }

    /// RFC 7951 section 4: within one module the simple form of a name must be used. Ignoring
    /// `ietf-mud:from-device-policy` would lose the policy in silence.
    fn refuse_redundant_prefix(&self) -> Read<()> {
        match self.unknown(&[]).find(|field| field.starts_with("ietf-mud:")) {
            Some(field) => Err(self.refused(field, "in the simple form of its name (RFC 7951 section 4)")),
            None => Ok(()),
        }
    }
}

fn byte(value: &Value) -> Option<u8> {
    value.as_u64()?.try_into().ok()
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64()?.try_into().ok()
}

fn text_of(value: &Value) -> Option<String> {
    let fits = |text: &&str| {
        !text.is_empty() && text.len() <= MUD_TEXT_BYTES_MAX && !text.chars().any(char::is_control)
    };
    value.as_text().filter(fits).map(str::to_owned)
}

fn name_of(value: &Value) -> Option<String> {
    text_of(value).filter(|name| name.chars().count() <= 64)
}

fn uri(value: &Value) -> Option<String> {
    let text = value.as_text()?;
    let (scheme, rest) = text.split_once(':')?;
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let fits = scheme_fits
        && !rest.is_empty()
        && text.len() <= MUD_URI_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    fits.then(|| text.to_owned())
}

/// A domain name of the module ietf-inet-types, or an address.
fn host(value: &Value) -> Option<String> {
    let text = value.as_text()?;
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = text.parse::<std::net::IpAddr>().is_ok() || (text.len() <= 253 && name.split('.').all(label));
    fits.then(|| text.to_owned())
}
