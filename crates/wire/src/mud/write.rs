//! MUD files to JSON: the manufacturer's side.
use super::read::{ACLS, MUD};
use super::{AccessList, Ace, Direction, MUD_VERSION, Matches, MudFile, MudRefused, Ports, Transport};
use crate::date_time;
use crate::prefix::Family;
use serde_json::{Map, Value, json};

impl MudFile {
    /// The file in JSON, indented. A list that stands in both policies is written once.
    ///
    /// # Errors
    /// [`MudRefused`] for what our own reader would not take, or would take for something else.
    pub fn to_json(&self) -> Result<Vec<u8>, MudRefused> {
        let mut lists: Vec<&AccessList> = Vec::new();
        for list in self.from_device.iter().chain(&self.to_device) {
            if !lists.contains(&list) {
                lists.push(list);
            }
        }
        let lists: Vec<Value> = lists.into_iter().map(list).collect();
        let top = json!({ MUD: self.mud(), ACLS: { "acl": lists } });
        let text = format!("{top:#}\n").into_bytes();
        let ours = Self { ignored: Vec::new(), ..self.clone() };
        if Self::from_json(&text)? != ours {
            let wanted = "what the file's reader would make of it";
            return Err(MudRefused::Node { path: format!("/{MUD}"), wanted });
        }
        Ok(text)
    }

    fn mud(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| fields.extend(value.map(|it| (name.to_owned(), it)));
        put("mud-version", Some(MUD_VERSION.into()));
        put("mud-url", Some(self.mud_url.clone().into()));
        put("last-update", date_time::format(self.last_update).map(Value::from));
        put("cache-validity", Some(self.cache_validity_hours.into()));
        put("is-supported", Some(self.is_supported.into()));
        let texts = [
            ("mud-signature", &self.mud_signature),
            ("systeminfo", &self.systeminfo),
            ("mfg-name", &self.mfg_name),
            ("model-name", &self.model_name),
            ("firmware-rev", &self.firmware_rev),
            ("software-rev", &self.software_rev),
            ("documentation", &self.documentation),
        ];
        for (name, text) in texts {
            put(name, text.clone().map(Value::from));
        }
        let extensions = (!self.extensions.is_empty()).then(|| Value::from(self.extensions.clone()));
        put("extensions", extensions);
        put("from-device-policy", policy(self.lists(Direction::FromDevice)));
        put("to-device-policy", policy(self.lists(Direction::ToDevice)));
        Value::Object(fields)
    }
}

fn policy(lists: &[AccessList]) -> Option<Value> {
    let names: Vec<Value> = lists.iter().map(|list| json!({ "name": list.name })).collect();
    (!names.is_empty()).then(|| json!({ "access-lists": { "access-list": names } }))
}

fn list(list: &AccessList) -> Value {
    let kind = match list.family {
        Family::V4 => "ipv4-acl-type",
        Family::V6 => "ipv6-acl-type",
    };
    let entries: Vec<Value> = list.entries.iter().map(|ace| entry(ace, list.family)).collect();
    json!({ "name": list.name, "type": kind, "aces": { "ace": entries } })
}

fn entry(ace: &Ace, family: Family) -> Value {
    json!({
        "name": ace.name,
        "matches": matches(&ace.matches, family),
        "actions": { "forwarding": ace.action.word() },
    })
}

fn matches(matches: &Matches, family: Family) -> Value {
    let (ip, source, destination) = match family {
        Family::V4 => ("ipv4", "source-ipv4-network", "destination-ipv4-network"),
        Family::V6 => ("ipv6", "source-ipv6-network", "destination-ipv6-network"),
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let empty = |there: bool| there.then(|| json!([null]));
    let mud = object([
        ("manufacturer", text(&matches.manufacturer)),
        ("same-manufacturer", empty(matches.same_manufacturer)),
        ("model", text(&matches.model)),
        ("local-networks", empty(matches.local_networks)),
        ("controller", text(&matches.controller)),
        ("my-controller", empty(matches.my_controller)),
    ]);
    let ip_fields = object([
        ("ietf-acldns:src-dnsname", text(&matches.source_dnsname)),
        ("ietf-acldns:dst-dnsname", text(&matches.destination_dnsname)),
        (source, matches.source_network.map(|prefix| prefix.to_string().into())),
        (destination, matches.destination_network.map(|prefix| prefix.to_string().into())),
        ("protocol", matches.protocol.map(Value::from)),
    ]);
    let (name, transport) = match matches.transport {
        Some(Transport::Tcp { source_port, destination_port, initiated }) => {
            let initiated =
                ("ietf-mud:direction-initiated", initiated.map(|direction| direction.word().into()));
            let [source, destination] = ports(source_port, destination_port);
            ("tcp", Some(all([source, destination, initiated])))
        }
        Some(Transport::Udp { source_port, destination_port }) => {
            ("udp", Some(all(ports(source_port, destination_port))))
        }
        Some(Transport::Icmp { kind, code }) => {
            ("icmp", Some(all([("type", kind.map(Value::from)), ("code", code.map(Value::from))])))
        }
        None => ("tcp", None),
    };
    all([("ietf-mud:mud", mud), (ip, ip_fields), (name, transport)])
}

fn ports(source: Option<Ports>, destination: Option<Ports>) -> [(&'static str, Option<Value>); 2] {
    let written = |ports: Ports| match ports {
        Ports::Range(lower, upper) => json!({ "lower-port": lower, "upper-port": upper }),
        Ports::Eq(port) => json!({ "operator": "eq", "port": port }),
        Ports::Neq(port) => json!({ "operator": "neq", "port": port }),
        Ports::Lte(port) => json!({ "operator": "lte", "port": port }),
        Ports::Gte(port) => json!({ "operator": "gte", "port": port }),
    };
    [("source-port", source.map(written)), ("destination-port", destination.map(written))]
}

/// An object of the fields that are there; nothing without any.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Option<Value> {
    Some(all(fields)).filter(|object| object != &json!({}))
}

fn all<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect())
}
