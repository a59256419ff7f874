//! A credential is judged when a request begins and again when it is written.
use crate::support::Running;
use serde_json::json;

#[test]
fn what_ended_on_the_way_writes_nothing() {
    let hub = Running::start();
    hub.ask("account add", json!({"account": "eve", "permission": "administer"})).expect("added");
    let issued = hub.ask("token issue", json!({"account": "eve", "label": "x"})).expect("issued");
    let secret = issued["secret"].as_str().expect("a secret").to_string();
    let session = hub.session(&secret).expect("signed in");
    let expect = |serial_number: &str| json!({"serial_number": serial_number});
    hub.ask_as(&session, "device expect", expect("a")).expect("good so far");

    hub.ask("account set-permission", json!({"account": "eve", "permission": "view"})).expect("lowered");
    let lowered = hub.ask_as(&session, "device expect", expect("b"));
    assert_eq!(lowered.map_err(|why| why.code), Err("not-permitted"));
    hub.ask("account disable", json!({"account": "eve"})).expect("disabled");
    let disabled = hub.ask_as(&session, "device expect", expect("c"));
    assert_eq!(disabled.map_err(|why| why.code), Err("not-signed-in"));
    assert_eq!(hub.ask("device count", json!({})).expect("counts")["total"], 1);
}
