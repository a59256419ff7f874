//! A credential is judged when a request begins and again when it is written.
use crate::support::Running;
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::{Refusal, Sort};
use fleet::room::{Cx, Env};
use fleet::text::{Label, Slug};
use fleet::time::Millis;
use hub::start::{accept_clock, administrator_token};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier};

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

/// A desk over an empty place, whose clock is the number that comes along.
fn desk(folder: &std::path::Path) -> (hub::desk::Desk, Arc<AtomicI64>) {
    let time = Arc::new(AtomicI64::new(1_795_349_461_000));
    let told = time.clone();
    let clock: store::Clock = Arc::new(move || Millis(told.load(Ordering::Relaxed)));
    let place = store::Place::Sqlite(folder.join("steward.db"));
    let settings = store::Settings::new(place, Env::default(), clock);
    (hub::desk::Desk::new(store::Store::open(settings).expect("a store"), Env::default()), time)
}

#[tokio::test]
async fn a_hub_starts_with_a_clock_that_is_behind_and_has_no_token_until_it_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (desk, time) = desk(folder.path());
    let organisation = Slug::main();
    let token = || administrator_token(&desk, &organisation);
    time.fetch_add(366 * 86_400_000, Ordering::Relaxed);
    let ahead = token().await.expect("started ahead");
    time.fetch_add(-365 * 86_400_000, Ordering::Relaxed);
    assert_eq!(token().await.expect("started"), "");
    assert!(desk.session(ahead).await.is_ok(), "it was not revoked");
    let why = || "it was a year ahead".parse::<Label>().expect("words");
    accept_clock(&desk, &organisation, why()).await.expect("accepted");
    accept_clock(&desk, &organisation, why()).await.expect("not behind any more");
    assert!(desk.session(token().await.expect("started")).await.is_ok());
}

/// A read that takes until it is let go.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Long {}

static BEGUN: Barrier = Barrier::new(2);
static LET_GO: Barrier = Barrier::new(2);

impl Operation for Long {
    const NAME: &'static str = "test long";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::Operate;
    const IS_LONG: bool = true;
    type Answer = bool;

    fn run(&self, _: &mut Cx) -> Result<bool, Refusal> {
        BEGUN.wait();
        LET_GO.wait();
        Ok(true)
    }
}

#[test]
fn who_reads_the_whole_journal_leaves_readers_to_others() {
    let hub = Running::start();
    std::thread::scope(|scope| {
        let long = scope.spawn(|| hub.own(Long {}));
        BEGUN.wait();
        let meanwhile = ["audit verify", "audit check", "device count"].map(|it| hub.ask(it, json!({})));
        LET_GO.wait();
        long.join().expect("no panic").expect("read");
        let [verified, checked, counted] = meanwhile;
        for refused in [verified, checked] {
            let refused = refused.expect_err("one is at it");
            assert_eq!((refused.code, refused.sort), ("busy", Sort::Later));
        }
        assert_eq!(counted.expect("counts")["total"], 0);
    });
    hub.ask("audit verify", json!({})).expect("the place is free again");
    hub.ask("account add", json!({"account": "vera", "permission": "view"})).expect("added");
    let issued = hub.ask("token issue", json!({"account": "vera", "label": "x"})).expect("issued");
    let vera = hub.session(issued["secret"].as_str().expect("a secret")).expect("signed in");
    for operation in ["audit verify", "audit check"] {
        let refused = hub.ask_as(&vera, operation, json!({})).expect_err("not for everybody");
        assert_eq!(refused.code, "not-permitted", "{operation}");
    }
}
