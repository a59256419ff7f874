//! A MUD file (RFC 8520), and its lines for people.
use crate::same;
use fleet::discovery::description::lines::lines;
use wire::mud::MudFile;

pub fn seeds() -> Vec<Vec<u8>> {
    let file = r#"{"ietf-mud:mud":{"mud-version":1,"mud-url":"https://maker.example/lamp.json","last-update":"2026-01-01T00:00:00Z","cache-validity":48,"is-supported":true,"systeminfo":"a lamp","mfg-name":"Maker","from-device-policy":{"access-lists":{"access-list":[{"name":"from"}]}},"to-device-policy":{"access-lists":{"access-list":[{"name":"to"}]}}},"ietf-access-control-list:acls":{"acl":[{"name":"from","type":"ipv4-acl-type","aces":{"ace":[{"name":"cloud","matches":{"ipv4":{"ietf-acldns:dst-dnsname":"service.example","protocol":6},"tcp":{"ietf-mud:direction-initiated":"from-device","destination-port":{"operator":"eq","port":443}}},"actions":{"forwarding":"accept"}},{"name":"bridge","matches":{"ietf-mud:mud":{"controller":"urn:example:bridge"},"ipv4":{"protocol":17},"udp":{"source-port":{"lower-port":1000,"upper-port":2000}}},"actions":{"forwarding":"accept"}},{"name":"same","matches":{"ietf-mud:mud":{"same-manufacturer":[null]}},"actions":{"forwarding":"drop"}}]}},{"name":"to","type":"ipv6-acl-type","aces":{"ace":[{"name":"local","matches":{"ietf-mud:mud":{"local-networks":[null]},"ipv6":{"protocol":58},"icmp":{"type":128,"code":0}},"actions":{"forwarding":"accept"}},{"name":"net","matches":{"ipv6":{"source-ipv6-network":"2001:db8::/32"}},"actions":{"forwarding":"accept"}}]}}]}}"#;
    MudFile::from_json(file.as_bytes()).expect("a good file");
    vec![file.as_bytes().to_vec()]
}

pub fn run(input: &[u8]) {
    if let Ok(file) = MudFile::from_json(input) {
        let _ = (lines(&file), file.authority());
    }
    // What was ignored is told, and not written.
    let read = |text: &[u8]| MudFile::from_json(text).map(|file| MudFile { ignored: Vec::new(), ..file });
    same::again(input, read, |file| file.to_json().expect("a file that was read"));
}
