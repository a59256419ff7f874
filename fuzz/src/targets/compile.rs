//! A MUD file that becomes an enforcement plan (RFC 8520 section 5): it is whole, and says the same again.
use fleet::access::compile::{Surroundings, compile};
use fleet::access::explain::explain;
use std::sync::LazyLock;
use wire::mud::MudFile;
use wire::plan::{Level, Plan, PlanRefused};
use wire::prefix::Prefix;

/// A device's network, as a hub may know it.
pub static SURROUNDINGS: LazyLock<Surroundings> = LazyLock::new(|| {
    let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a prefix")).collect::<Vec<Prefix>>();
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
    Surroundings {
        macs: vec!["02:00:5e:00:53:01".parse().expect("an address")],
        addresses: addresses(&["192.0.2.7", "2001:db8::7"]),
        hub: vec!["198.51.100.1:9443".parse().expect("an address and a port")],
        names: [("service.example".to_owned(), prefixes(&["203.0.113.9/32", "2001:db8:1::9/128"]))].into(),
        controllers: [("urn:example:bridge".to_owned(), prefixes(&["192.0.2.1/32"]))].into(),
        my_controllers: prefixes(&["192.0.2.2/32"]),
        manufacturers: [("maker.example".to_owned(), addresses(&["192.0.2.8"]))].into(),
        models: [("https://maker.example/lamp.json".to_owned(), addresses(&["192.0.2.9"]))].into(),
        local_networks: prefixes(&["192.0.2.0/24", "2001:db8::/64"]),
        level: None,
        update_hosts: prefixes(&["198.51.100.2/32"]),
    }
});

pub fn seeds() -> Vec<Vec<u8>> {
    super::mud_file::seeds()
}

pub fn run(input: &[u8]) {
    let Ok(file) = MudFile::from_json(input) else { return };
    for level in [None, Some(Level::UpdateOnly)] {
        let surroundings = Surroundings { level, ..SURROUNDINGS.clone() };
        match compile("device", Some(&file), &surroundings) {
            Ok(compiled) => {
                assert_eq!(Plan::from_json(compiled.text.as_bytes()).as_ref(), Ok(&compiled.plan));
                assert_eq!(compiled.plan.digest().as_ref(), Ok(&compiled.digest));
                assert_eq!(compile("device", Some(&file), &surroundings), Ok(compiled.clone()));
                let _ = explain(&compiled.plan);
            }
            Err(PlanRefused::Limit(..)) => {}
            Err(other) => panic!("a description that was read gives no plan: {other}"),
        }
    }
}
