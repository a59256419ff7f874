//! MUD files: published ones, what a strict reader refuses, and signatures with OpenSSL as judge.
use crate::support::{Identity, NOW, corpus, intermediate, ldevid, openssl};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wire::Certificate;
use wire::certificate::chain::ChainRefused;
use wire::certificate::profile::Profile;
use wire::cms::CmsRefused;
use wire::mud::{Direction, MudFile, MudRefused, Ports, SignatureRefused, Transport, check_signature, sign};
use wire::prefix::Family;

/// The example of RFC 8520 section 9, as its access lists are named there.
pub fn example() -> Value {
    let entry = |name: &str, side: &str, port: &str| {
        json!({
            "name": name,
            "matches": {
                "ipv6": { format!("ietf-acldns:{side}-dnsname"): "test.example.com", "protocol": 6 },
                "tcp": {
                    "ietf-mud:direction-initiated": "from-device",
                    port: { "operator": "eq", "port": 443 }
                }
            },
            "actions": { "forwarding": "accept" }
        })
    };
    let list = |name: &str, entry: Value| json!({ "name": name, "type": "ipv6-acl-type", "aces": { "ace": [entry] } });
    let policy = |name: &str| json!({ "access-lists": { "access-list": [{ "name": name }] } });
    json!({
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": "https://lighting.example.com/lightbulb2000",
            "last-update": "2019-01-28T11:20:51+01:00",
            "cache-validity": 48,
            "is-supported": true,
            "systeminfo": "The BMS Example Light Bulb",
            "from-device-policy": policy("mud-76100-v6fr"),
            "to-device-policy": policy("mud-76100-v6to")
        },
        "ietf-access-control-list:acls": { "acl": [
            list("mud-76100-v6to", entry("cl0-todev", "src", "source-port")),
            list("mud-76100-v6fr", entry("cl0-frdev", "dst", "destination-port")),
        ] }
    })
}

fn read(file: &Value) -> Result<MudFile, MudRefused> {
    MudFile::from_json(file.to_string().as_bytes())
}

#[test]
fn the_example_of_the_rfc() {
    let file = read(&example()).unwrap();
    assert_eq!(file.authority(), "lighting.example.com");
    assert_eq!((file.cache_validity_hours, file.is_supported), (48, true));
    assert_eq!(wire::date_time::format(file.last_update).unwrap(), "2019-01-28T10:20:51Z");
    let [list] = file.lists(Direction::FromDevice) else { panic!("{file:?}") };
    assert_eq!((list.name.as_str(), list.family), ("mud-76100-v6fr", Family::V6));
    let ace = &list.entries[0];
    assert_eq!(ace.matches.destination_dnsname.as_deref(), Some("test.example.com"));
    let destination_port = Some(Ports::Eq(443));
    let initiated = Some(Direction::FromDevice);
    let tcp = Transport::Tcp { source_port: None, destination_port, initiated };
    assert_eq!((ace.matches.protocol, ace.matches.transport), (Some(6), Some(tcp)));
    assert_eq!(MudFile::from_json(&file.to_json().unwrap()), Ok(file));
}

/// Changes one thing of the example, at a JSON pointer; null removes it.
fn check(pointer: &str, value: Value, expect: &str) {
    let mut file = example();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let fields = file.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")).as_object_mut().unwrap();
    match value {
        Value::Null => fields.remove(field),
        value => fields.insert(field.into(), value),
    };
    match read(&file) {
        Ok(file) => assert_eq!(format!("ok {}", file.ignored.join(" ")), expect, "{pointer}"),
        Err(error) => assert!(error.to_string().contains(expect), "{pointer}: {error}"),
    }
}

const MUD: &str = "/ietf-mud:mud";
const LIST: &str = "/ietf-access-control-list:acls/acl/1";

#[test]
fn nodes_of_the_mud_container() {
    let check = |field: &str, value: Value, expect: &str| check(&format!("{MUD}/{field}"), value, expect);
    let gone = Value::Null;
    for field in ["mud-version", "mud-url", "last-update", "is-supported"] {
        check(field, gone.clone(), &format!("lacks /ietf-mud:mud/{field}: its YANG module"));
    }
    check("mud-version", json!(2), "/ietf-mud:mud/mud-version is not 1");
    check("mud-version", json!("1"), "mud-version is not a number");
    check("mud-url", json!("http://a.example/b"), "mud-url is not an https URL");
    check("mud-url", json!("https:///b"), "mud-url is not an https URL");
    check("mud-url", json!("https://a.example/b c"), "mud-url is not an https URL");
    check("mud-url", json!(format!("https://a.example/{}", "b".repeat(255))), "at most 255 bytes");
    check("last-update", json!("2019-07-23T19:54:24"), "last-update is not a date and time");
    check("cache-validity", gone.clone(), "ok ");
    check("cache-validity", json!(0), "cache-validity is not hours from 1 to 168");
    check("cache-validity", json!(169), "cache-validity is not hours from 1 to 168");
    check("is-supported", json!("true"), "is-supported is not true or false");
    check("systeminfo", json!("a\u{7}b"), "systeminfo is not a text");
    check("systeminfo", json!("x".repeat(1025)), "systeminfo is not a text");
    check("mud-signature", json!("no uri"), "mud-signature is not a URI");
    check("documentation", json!("https://a.example/\u{e9}"), "documentation is not a URI");
    check("extensions", json!(["a".repeat(41)]), "extensions is not a list of names of 1 to 40");
    check("extensions", json!(vec!["a"; 33]), "extensions has over 32 entries");
    // RFC 8520 section 14: ignored, and told.
    check("mud-updateurl", json!("x"), "ok /ietf-mud:mud/mud-updateurl");
    check("ietf-mud:from-device-policy", json!({}), "simple form of its name (RFC 7951 section 4)");
    check("from-device-policy", gone, "ok ");
    check("from-device-policy", json!([]), "from-device-policy is not an object");
    let policy = |names: &[&str]| {
        let names: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        json!({ "access-lists": { "access-list": names } })
    };
    check("from-device-policy", policy(&["other"]), "access-list[0]/name is not the name of an access list");
    let twice = policy(&["mud-76100-v6fr", "mud-76100-v6fr"]);
    check("from-device-policy", twice, "access-list[1]/name is not there once");
    // RFC 8520 section 8.2.
    let wrong_way = "/acl[0] (entry \"cl0-todev\") is not without a name for the device's own side";
    check("from-device-policy", policy(&["mud-76100-v6to"]), wrong_way);
}

#[test]
fn nodes_of_the_access_lists() {
    let gone = Value::Null;
    let root = "/ietf-access-control-list:acls";
    check(root, gone.clone(), "lacks /ietf-access-control-list:acls: a MUD file has this root object");
    check("/ietf-mud:mud", gone.clone(), "lacks /ietf-mud:mud: a MUD file has this root object");
    check("/other:root", json!(1), "ok /other:root");
    check(&format!("{root}/acl"), json!({}), "acl is not a list");
    check(&format!("{root}/acl"), json!([1]), "acl[0] is not an object");
    check(&format!("{LIST}/name"), json!("mud-76100-v6to"), "acl[1]/name is not there once");
    check(&format!("{LIST}/name"), json!("a".repeat(65)), "acl[1]/name is not a name of 1 to 64");
    check(&format!("{LIST}/type"), json!("eth-acl-type"), "acl[1]/type is not ipv4-acl-type");
    check(&format!("{LIST}/type"), gone.clone(), "lacks /ietf-access-control-list:acls/acl[1]/type");
    check(&format!("{LIST}/type"), json!("ipv4-acl-type"), "ace[0]/matches/ipv6 is not a match that we can");
    check(&format!("{LIST}/aces"), gone.clone(), "ok ");
    check(&format!("{LIST}/aces/x"), json!(1), "ok /ietf-access-control-list:acls/acl[1]/aces/x");
    let aces = vec![json!({ "name": "a", "actions": { "forwarding": "drop" } }); 2];
    check(&format!("{LIST}/aces/ace"), json!(aces), "ace[1]/name is not there once");
    let ace = format!("{LIST}/aces/ace/0");
    let many = vec![json!({}); 1025];
    check(&format!("{LIST}/aces/ace"), json!(many), "acl[1]/aces/ace has over 1024 entries");
    check(&format!("{ace}/actions"), gone.clone(), "ace[0]/actions: the YANG module of RFC 8519");
    check(&format!("{ace}/actions/forwarding"), gone.clone(), "ace[0]/actions/forwarding");
    check(&format!("{ace}/actions/forwarding"), json!("deny"), "forwarding is not accept, drop or reject");
    check(&format!("{ace}/actions/forwarding"), json!("reject"), "ok ");
    check(&format!("{ace}/actions/logging"), json!("log-none"), "ok ");
    check(&format!("{ace}/matches"), gone.clone(), "ok ");
    check(&format!("{ace}/matches/actions"), json!({}), "matches/actions is not a match that we can enforce");
    check(&format!("{ace}/matches/udp"), json!({}), "matches is not at most one of tcp, udp and icmp");
    check(&format!("{ace}/matches/ipv6/ttl"), json!(1), "ipv6/ttl is not a match that we can enforce");
    let network = format!("{ace}/matches/ipv6/destination-ipv6-network");
    check(&network, json!("2001:db8::1"), "network is not an IPv6 prefix");
    check(&network, json!("192.0.2.0/24"), "network is not an IPv6 prefix");
    check(&network, json!("2001:db8::/32"), "ok ");
    let name = format!("{ace}/matches/ipv6/ietf-acldns:dst-dnsname");
    for good in ["a.example.", "_x.a-b.example", "192.0.2.1", "2001:db8::1"] {
        check(&name, json!(good), "ok ");
    }
    for bad in ["", "a..b", "-a.example", "a b", "\u{e9}.example", &"a".repeat(64), &"a.".repeat(127)] {
        check(&name, json!(bad), "dst-dnsname is not a host");
    }
    let tcp = format!("{ace}/matches/tcp");
    check(&format!("{tcp}/flags"), json!("syn"), "tcp/flags is not a match that we can enforce");
    check(&format!("{tcp}/ietf-mud:direction-initiated"), json!("in"), "is not from-device or to-device");
    check(&format!("{ace}/matches/tcp"), json!({ "destination-port": {} }), "ok ");
}

#[test]
fn matches_on_classes_and_ports() {
    let matches = format!("{LIST}/aces/ace/0/matches");
    let class = format!("{matches}/ietf-mud:mud");
    check(&class, json!({ "same-manufacturer": [null], "local-networks": [null] }), "ok ");
    check(&class, json!({ "same-manufacturer": [] }), "same-manufacturer is not [null]");
    check(&class, json!({ "my-controller": "x" }), "my-controller is not [null]");
    check(&class, json!({ "controller": "urn:ietf:params:mud:dns", "model": "https://a.example/b" }), "ok ");
    check(&class, json!({ "controller": "no uri" }), "controller is not a URI");
    check(&class, json!({ "manufacturer": "a b" }), "manufacturer is not a host");
    check(&class, json!({ "vendor": "a" }), "vendor is not a match that we can enforce");
    // RFC 8520 section 4.8: only TCP.
    let udp = json!({ "udp": { "ietf-mud:direction-initiated": "from-device" } });
    check(&matches, udp, "udp/ietf-mud:direction-initiated is not a match that we can enforce");
    check(&matches, json!({ "icmp": { "type": 8, "code": 0 } }), "ok ");
    check(&matches, json!({ "icmp": { "type": 256 } }), "icmp/type is not a number from 0 to 255");
    let port = |value: Value, expect: &str| {
        check(&matches, json!({ "udp": { "destination-port": value } }), expect);
    };
    port(json!({ "port": 53 }), "ok ");
    port(json!({ "lower-port": 1, "upper-port": 1 }), "ok ");
    port(json!({ "lower-port": 2, "upper-port": 1 }), "destination-port is not either");
    port(json!({ "lower-port": 2 }), "destination-port is not either");
    port(json!({ "operator": "eq" }), "destination-port is not either");
    port(json!({ "operator": "range", "port": 1 }), "operator is not lte, gte, eq or neq");
    port(json!({ "lower-port": 1, "upper-port": 2, "operator": "eq" }), "destination-port is not either");
    port(json!({ "port": 65536 }), "port is not a port from 0 to 65535");
    let ranges = |ports: Ports, expect: &[(u16, u16)]| assert_eq!(ports.ranges(), expect);
    ranges(Ports::Neq(80), &[(0, 79), (81, 65535)]);
    ranges(Ports::Neq(0), &[(1, 65535)]);
    ranges(Ports::Neq(65535), &[(0, 65534)]);
    ranges(Ports::Lte(9), &[(0, 9)]);
    ranges(Ports::Gte(9), &[(9, 65535)]);
}

#[test]
fn malformed_json_says_where() {
    let broken = MudFile::from_json(b"{\"ietf-mud:mud\":\n  {,}}").unwrap_err();
    assert!(broken.to_string().contains("line 2 column 4"), "{broken}");
    let twice = MudFile::from_json(b"{\"a\":1,\"a\":2}").unwrap_err();
    assert!(twice.to_string().contains("a key is there twice"), "{twice}");
    let many: BTreeMap<String, u8> = (0..65).map(|index| (format!("x:{index}"), 0)).collect();
    let mut file = example();
    file.as_object_mut().unwrap().extend(many.into_iter().map(|(key, value)| (key, value.into())));
    assert!(read(&file).unwrap_err().to_string().contains("over 64 entries"));
}

/// How many published files are read, and why the others are refused. "bacnet" and its like as
/// controllers are no URIs: they have no scheme (RFC 3986).
const VERDICTS: &str = "
  1 .../aces/ace/actions/forwarding is not accept, drop or reject (RFC 8519)
  4 .../aces/ace/matches/actions is not a match that we can enforce, and ignoring it would allow more than was said (RFC 8520 section 2)
  6 .../aces/ace/matches/ietf-mud:mud/controller is not a URI of at most 1024 bytes (RFC 8520 section 7)
  1 .../name is not there once: it is the key of the list (RFC 8519)
  1 .../type is not ipv4-acl-type or ipv6-acl-type (RFC 8520 section 2)
 27 read
  1 read without /ietf-mud:mud/ietf-mud-reporter-extension:reporter
  1 read without /ietf-mud:mud/mud-updateurl
  1 read without /ietf-mud:mud/nist-mud:quarantined-device-policy
  1 the MUD file is no JSON of at most 524288 bytes: the JSON text is malformed (RFC 8259): key must be a string at line 28 column 6
 38 the MUD file lacks /ietf-access-control-list:acls: a MUD file has this root object (RFC 8520 section 2.1)
";

/// What the reader says, without the numbers in a path.
fn verdict(text: &[u8]) -> String {
    match MudFile::from_json(text) {
        Ok(mut file) => {
            let ignored = std::mem::take(&mut file.ignored);
            assert_eq!(MudFile::from_json(&file.to_json().unwrap()), Ok(file));
            if ignored.is_empty() { "read".into() } else { format!("read without {}", ignored.join(" ")) }
        }
        Err(MudRefused::Node { path, wanted }) => {
            let plain: String = path.chars().filter(|c| !"[0123456789]".contains(*c)).collect();
            let short = plain.replace("/ietf-access-control-list:acls/acl/", ".../");
            format!("{short} is not {wanted}")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn published_files() {
    let Some(folder) = corpus("published_files", "mudfiles") else { return };
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|it| it == "json")) {
        *verdicts.entry(verdict(&std::fs::read(&path).unwrap())).or_default() += 1;
    }
    assert_eq!(verdicts.values().sum::<usize>(), 82);
    let lines: String = verdicts.iter().map(|(verdict, count)| format!("{count:3} {verdict}\n")).collect();
    assert_eq!(lines, VERDICTS[1..]);
}

struct Maker {
    root: Identity,
    middle: Identity,
    signer: Identity,
}

fn maker() -> Maker {
    let root = Identity::root("Root");
    let middle = root.issue(&intermediate("Descriptions"));
    let signer = middle.issue(&Profile::Signer { common_name: "Signer".into() });
    Maker { root, middle, signer }
}

#[test]
fn openssl_accepts_our_signature() {
    let Some(openssl) = openssl("openssl_accepts_our_signature") else { return };
    let maker = maker();
    let file = example().to_string();
    let chain = [maker.middle.certificate.clone()];
    let signature =
        sign(file.as_bytes(), &maker.signer.certificate, &chain, &maker.signer.key, Some(NOW)).unwrap();
    openssl.write("root.pem", maker.root.certificate.to_pem());
    openssl.write("mudfile", &file);
    openssl.write("mudfile.p7s", &signature);
    // RFC 8520 section 13.2, with the trust root that its note asks for, and for its usual purpose.
    let verify = "cms -verify -in mudfile.p7s -inform DER -binary -CAfile root.pem -attime 1780000000 \
                  -out out -content";
    openssl.ok(&format!("{verify} mudfile"));
    openssl.write("damaged", file.replace("48", "49"));
    openssl.fails(&format!("{verify} damaged"));
}

#[test]
fn a_signature_as_the_rfc_makes_it() {
    let Some(openssl) = openssl("a_signature_as_the_rfc_makes_it") else { return };
    openssl.write("mudfile", example().to_string());
    openssl.ok("ecparam -name prime256v1 -genkey -noout -out mankey");
    let make = |usage: &str| {
        openssl.ok(&format!("req -x509 -new -key mankey -subj /CN=It -days 30{usage} -out man"));
        // RFC 8520 section 13.1.
        openssl.ok("cms -sign -signer man -inkey mankey -in mudfile -binary -outform DER -out mudfile.p7s");
        Certificate::from_pem(&String::from_utf8(openssl.read("man")).unwrap()).unwrap()
    };
    let check = |anchor: &Certificate| {
        let now = anchor.not_before() + 1;
        check_signature(
            &openssl.read("mudfile"),
            &openssl.read("mudfile.p7s"),
            std::slice::from_ref(anchor),
            None,
            now,
        )
    };
    let anchor = make(" -addext keyUsage=critical,digitalSignature");
    assert_eq!(check(&anchor).unwrap().signer, anchor);
    // id-pe-mudsigner, RFC 8520 section 11, with the name CN=It.
    let named = make(" -addext 1.3.6.1.5.5.7.1.30=DER:300d310b300906035504030c024974");
    assert_eq!(named.mud_signer(), Some(named.subject()));
    assert_eq!(anchor.mud_signer(), None);
    // RFC 8520 section 13.2: the key usage MUST be present and have digitalSignature.
    for usage in ["", " -addext keyUsage=critical,keyCertSign"] {
        let refused = check(&make(usage)).unwrap_err();
        assert!(matches!(refused, SignatureRefused::Signer(ChainRefused::KeyUsage(_))), "{refused}");
    }
}

#[test]
fn signatures_that_are_refused() {
    let maker = maker();
    let file = example().to_string().into_bytes();
    let chain = [maker.middle.certificate.clone()];
    let anchors = [maker.root.certificate.clone()];
    let sign_as = |identity: &Identity| sign(&file, &identity.certificate, &chain, &identity.key, None);
    let good = sign_as(&maker.signer).unwrap();
    let signed = check_signature(&file, &good, &anchors, None, NOW).unwrap();
    assert_eq!((signed.signer, signed.anchor), (maker.signer.certificate.clone(), anchors[0].clone()));
    let subject = maker.signer.certificate.subject();
    check_signature(&file, &good, &anchors, Some(subject), NOW).unwrap();
    for position in 0..file.len() {
        let mut damaged = file.clone();
        damaged[position] ^= 1;
        let refused = check_signature(&damaged, &good, &anchors, None, NOW);
        assert_eq!(refused, Err(SignatureRefused::Message(CmsRefused::DigestDiffers)));
    }
    let check = |signature: &[u8], anchors: &[Certificate], now: i64, expect: &str| {
        let refused = check_signature(&file, signature, anchors, None, now).unwrap_err().to_string();
        assert!(refused.contains(expect), "{refused}");
    };
    let device = maker.middle.issue(&ldevid());
    check(&sign_as(&device).unwrap(), &anchors, NOW, "the extended key usage does not allow Description");
    check(&good, &[Identity::root("Other").certificate], NOW, "no trust anchor or intermediate");
    check(&good, &anchors, i64::MAX, "expired");
    let name = maker.root.certificate.subject();
    let other = check_signature(&file, &good, &anchors, Some(name), NOW).unwrap_err();
    assert!(matches!(other, SignatureRefused::OtherSigner(_)), "{other}");
    let key = &maker.signer.key;
    let voucher = wire::oid::ANIMA_JSON_VOUCHER;
    let wrong = wire::cms::sign(voucher, &file, &maker.signer.certificate, &chain, key, None, true).unwrap();
    check(&wrong, &anchors, NOW, "and not over a MUD file");
}
