//! The text of rulesets, and plans that give none.
use crate::kernel::{entry, plan};
use gate::lab::DEVICE;
use gate::nft::{RulesetRefused, ruleset};
use wire::mud::Direction;
use wire::plan::{Entry, Remote, RemoteKind};
use wire::prefix::Family;

#[test]
fn one_device() {
    let dns = Entry {
        remotes: vec![Remote::new(RemoteKind::Class, "dns", ["192.0.2.53/32".parse().unwrap()])],
        protocol: Some(17),
        remote_ports: vec![(53, 53)],
        initiated: Some(Direction::FromDevice),
        ..entry("list/dns", Direction::ToDevice, Family::V4)
    };
    let lamp = plan("lamp", &[DEVICE], &["192.0.2.1"], vec![dns]);
    let digest = lamp.digest().unwrap();
    let text = ruleset(&[lamp]).unwrap();
    let chain = |name: &str| {
        let start = text.find(&format!("  chain {name} {{")).unwrap();
        let end = text[start..].find("\n  }").unwrap();
        text[start..start + end].lines().skip(1).map(str::trim).collect::<Vec<_>>().join("\n")
    };
    let comment = format!("comment \"plan {digest}\"");
    let expect = [
        comment.as_str(),
        "ip daddr { 192.0.2.1/32 } ip saddr { 192.0.2.53/32 } meta l4proto 17 meta l4proto { 6, 17 } th sport { 53-53 } ct direction reply counter return comment \"0 list/dns\"",
        "counter drop comment \"0 default/to-device\"",
    ];
    assert_eq!(chain("to_0"), expect.join("\n"));
    let expect = [
        comment.as_str(),
        "ip saddr { 192.0.2.1/32 } counter drop comment \"0 default/from-device\"",
        "counter drop comment \"0 default/foreign-address\"",
    ];
    assert_eq!(chain("from_0"), expect.join("\n"));
    assert!(text.contains("elements = { 02:00:5e:00:53:01 : jump from_0 }"), "{text}");
    assert!(text.contains("elements = { 192.0.2.1 : jump to_0 }"), "{text}");
}

#[test]
fn plans_that_give_no_ruleset() {
    let lamp = plan("lamp", &[DEVICE], &["192.0.2.1"], Vec::new());
    let same_address = plan("other", &[], &["192.0.2.1"], Vec::new());
    assert_eq!(ruleset(&[lamp.clone(), same_address]), Err(RulesetRefused::Shared("192.0.2.1".into())));
    let same_mac = plan("other", &[DEVICE], &["192.0.2.2"], Vec::new());
    assert_eq!(ruleset(&[lamp.clone(), same_mac]), Err(RulesetRefused::Shared(DEVICE.to_string())));
    let many = vec![plan("x", &[], &[], Vec::new()); gate::limits::LOADED_PLANS_MAX + 1];
    assert_eq!(ruleset(&many), Err(RulesetRefused::TooMany));
    let mut unread = lamp;
    unread.version = 9;
    assert!(matches!(ruleset(&[unread]), Err(RulesetRefused::Plan(_))));
}
