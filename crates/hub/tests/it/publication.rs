//! Published descriptions (RFC 8520 section 13), fetched with curl and verified by OpenSSL.
use crate::est::TOOLS;
use crate::support::{Running, have, output, run};
use serde_json::json;
use std::net::SocketAddr;

/// A small description whose device talks to one server.
pub fn mud_file(server: SocketAddr) -> String {
    let file = json!({
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": format!("https://{server}/mud/lamp-7.json"),
            "mud-signature": format!("https://{server}/mud/lamp-7.p7s"),
            "last-update": "2026-11-22T12:00:00Z",
            "cache-validity": 48,
            "is-supported": true,
            "systeminfo": "A lamp for examples",
            "from-device-policy": {"access-lists": {"access-list": [{"name": "from"}]}},
            "to-device-policy": {"access-lists": {"access-list": [{"name": "to"}]}},
        },
        "ietf-access-control-list:acls": {"acl": [
            list("from", "cloud", json!({"ietf-acldns:dst-dnsname": "cloud.example.com", "protocol": 6}),
                json!({"ietf-mud:direction-initiated": "from-device",
                    "destination-port": {"operator": "eq", "port": 443}})),
            list("to", "cloud", json!({"ietf-acldns:src-dnsname": "cloud.example.com", "protocol": 6}),
                json!({"ietf-mud:direction-initiated": "from-device",
                    "source-port": {"operator": "eq", "port": 443}})),
        ]},
    });
    format!("{file:#}\n")
}

fn list(name: &str, ace: &str, ipv4: serde_json::Value, tcp: serde_json::Value) -> serde_json::Value {
    json!({
        "name": name, "type": "ipv4-acl-type",
        "aces": {"ace": [{"name": ace, "matches": {"ipv4": ipv4, "tcp": tcp},
            "actions": {"forwarding": "accept"}}]},
    })
}

/// A manufacturer whose product carries a MUD URL of its own hub.
pub fn manufacturer() -> Running {
    let hub = Running::start();
    let mud_url = format!("https://{}/mud/lamp-7.json", hub.people);
    let product = json!({"product": "lamp-7", "hardware_type": "1.3.6.1.4.1.32473.7", "mud_url": mud_url});
    hub.ask("product add", product).expect("offered");
    hub
}

/// Publishes a file and waits until the hub has signed it, or says why not.
pub fn publish(hub: &Running, file: &str) -> String {
    let digest = hub.put(file.as_bytes());
    hub.ask("product publish-description", json!({"product": "lamp-7", "file": digest})).expect("wanted");
    let settled =
        hub.ask_until("product description", &json!({"product": "lamp-7"}), |shown| shown["wanted"] == "");
    settled["refused"].as_str().expect("text").into()
}

/// The head of the answer; the body goes to `to`.
fn curl(hub: &Running, path: &str, to: &str, more: &[&str]) -> String {
    let url = format!("https://{}{path}", hub.people);
    let mut words = vec!["--silent", "--max-time", "10", "--cacert", "hub/ca.pem", "--dump-header", "-"];
    words.extend(["--output", to, &url]);
    words.extend(more);
    String::from_utf8_lossy(&output(hub.folder.path(), "curl", &words).stdout).to_lowercase()
}

#[test]
fn openssl_verifies_what_is_published() {
    if !have("publication::openssl_verifies", TOOLS) {
        return;
    }
    let hub = manufacturer();
    assert!(curl(&hub, "/mud/lamp-7.json", "nothing", &[]).starts_with("http/1.1 404"));
    let file = mud_file(hub.people);
    assert_eq!(publish(&hub, &file), "");
    let head = curl(&hub, "/mud/lamp-7.json", "lamp-7.json", &[]);
    for part in ["http/1.1 200", "content-type: application/mud+json\r", "cache-control: public", "etag: \""]
    {
        assert!(head.contains(part), "{part}: {head}");
    }
    assert_eq!(std::fs::read(hub.path("lamp-7.json")).expect("fetched"), file.as_bytes());
    let head = curl(&hub, "/mud/lamp-7.p7s", "lamp-7.p7s", &[]);
    assert!(head.contains("content-type: application/pkcs7-signature\r"), "{head}");
    let verify = |content| {
        let words = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "lamp-7.p7s", "-content", content];
        let trust = ["-CAfile", "hub/factory.pem", "-purpose", "any", "-out", "verified"];
        let words: Vec<&str> = words.into_iter().chain(trust).collect();
        output(hub.folder.path(), "openssl", &words).status.success()
    };
    assert!(verify("lamp-7.json"));
    let changed = file.replace("443", "444");
    std::fs::write(hub.path("changed.json"), changed).expect("written");
    assert!(!verify("changed.json"), "one byte changed");
    let tag = run(hub.folder.path(), "sha256sum", &["lamp-7.json"]);
    let condition = format!("If-None-Match: \"{}\"", tag.split_whitespace().next().expect("a digest"));
    assert!(curl(&hub, "/mud/lamp-7.json", "nothing", &["--header", &condition]).starts_with("http/1.1 304"));
    for path in ["/mud/lamp-8.json", "/mud/lamp-7", "/mud/..%2f..%2fstate.json", "/mud/LAMP.json"] {
        assert!(curl(&hub, path, "nothing", &[]).starts_with("http/1.1 404"), "{path}");
    }
}

#[test]
fn what_nobody_could_use_is_not_published() {
    let hub = manufacturer();
    let file = mud_file(hub.people);
    let check = |file: &str, expect: &str| {
        let why = publish(&hub, file);
        assert!(why.contains(expect), "{expect}: {why}");
    };
    check("{}", "ietf-mud:mud");
    check(&file.replace("mud/lamp-7.json", "mud/lamp-8.json"), "RFC 8520 section 3.2");
    check(&file.replace("mud-signature", "mud-seal"), "no mud-signature");
    check(&format!("{file}{}", " ".repeat(600_000)), "bytes");
    assert_eq!(publish(&hub, &file), "");
    check("{}", "ietf-mud:mud");
    let shown = hub.ask("product description", json!({"product": "lamp-7"})).expect("shown");
    assert_ne!(shown["file"], "", "the good one stays published");
}
