use super::catalogue::{By, REQUIREMENTS};
use super::rules::{Check, Facts, failing};
use crate::time::Millis;

#[test]
fn what_a_device_lacks() {
    let check = |check: Check, facts: &Facts, expect: Option<&str>| {
        let got = failing(check, facts);
        assert_eq!(got.is_some(), expect.is_some(), "{check} {facts:?}");
        assert!(got.unwrap_or_default().contains(expect.unwrap_or_default()), "{check} {facts:?}");
    };
    let (none, all) = (Facts::default(), Facts { good_ldevids: 1, has_plan: true, support_ended: None });
    check(Check::GoodLdevid, &none, Some("no LDevID"));
    check(Check::ActivePlan, &none, Some("no plan"));
    // Nobody said until when: that is no end.
    check(Check::Supported, &none, None);
    Check::ALL.iter().for_each(|word| check(*word, &all, None));
    let over = |by: &str| Facts { support_ended: Some((Millis(999), by.into())), ..all.clone() };
    check(Check::Supported, &over(""), Some("ended at 1970-01-01T00:00:00.999Z, by what was entered"));
    check(Check::Supported, &over("its description"), Some("by its description; replace it"));
}

#[test]
fn the_catalogue_is_in_order_and_every_check_is_used() {
    let names: Vec<&str> = REQUIREMENTS.iter().map(|it| it.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for check in Check::ALL {
        assert!(REQUIREMENTS.iter().any(|it| it.by == By::Check(*check)), "{check}");
    }
    assert!(REQUIREMENTS.iter().all(|it| !it.ids.is_empty() && !it.what.is_empty()));
}
