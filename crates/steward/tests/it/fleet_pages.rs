//! The pages over a fleet that lived: a demo that was played to its end and stays up, with its devices.
//!
//! One demo serves all of it, so it is one test.

use crate::browser::{Browser, LOOKS, Wish};
use crate::document::looked_at_in_vain;
use crate::pages::{FORM, NO_SCRIPT, SESSION, asked_nobody_else, sign_in};
use crate::support::{Hub, PATIENCE, Process, body, program, with};
use expect_test::expect;
use io::http::StatusCode;
use io::http::client::Request;
use io::http::header::{COOKIE, ORIGIN};
use serde_json::{Value as Json, json};
use std::time::Instant;
use tempfile::TempDir;

/// A name that is as long as one may be, has no place to break, and would be a picture if it were not escaped.
const HOSTILE: &str = "<img src=x onerror=document.title='owned'><b>wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\
     wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww";
/// The longest name of a rollout.
const LONG: &str = "rollout-with-a-name-as-long-as-one-may-be-xxxxxxxxxxxxxxxxxxxxx";

/// A demo's two hubs. The process of the operator's is the demo itself.
struct Story {
    operator: Hub,
    manufacturer: Json,
}

fn played() -> Story {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = program();
    command.args(["demo", "--devices", "5", "--data"]).arg(folder.path().join("demo"));
    let process = Process::start(&mut command);
    assert!(process.line(|line| line.contains("stay up until")).is_some(), "the story ended");
    let ready = |hub: &str| -> Json {
        let file = folder.path().join("demo").join(hub).join("ready.json");
        serde_json::from_slice(&std::fs::read(file).expect("a ready-file")).expect("JSON")
    };
    let (manufacturer, ready) = (ready("manufacturer"), ready("operator"));
    link_data(&folder);
    Story { operator: Hub { process, folder, ready }, manufacturer }
}

/// The operator's folder, where a test's hub has its own.
fn link_data(folder: &TempDir) {
    let operator = folder.path().join("demo/operator");
    std::os::unix::fs::symlink(operator, folder.path().join("hub")).expect("a link");
}

fn items(list: &Json) -> &[Json] {
    list["items"].as_array().expect("items")
}

fn text<'a>(item: &'a Json, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_else(|| panic!("`{name}` of {item}"))
}

impl Story {
    fn ask(&self, operation: &str, arguments: &Json) -> Json {
        let path = format!("/api/v1/{}", operation.replace(' ', "/"));
        let request = self.operator.post(&path, "application/json", arguments.to_string());
        let answer = self.operator.http().send(&request);
        let said = body(&answer);
        assert_eq!(answer.status, StatusCode::OK, "{operation}: {said}");
        said
    }

    /// What the manufacturer's command line answers.
    fn make(&self, words: &[&str]) -> Json {
        let ready = self.operator.folder.path().join("demo/manufacturer/ready.json");
        let done = program().args(words).arg("--json").env("STEWARD_HUB", ready).output().expect("it runs");
        crate::support::Done::of(done).exits(0).json()
    }

    /// Asks until the answer is as wished for.
    fn until(&self, ask: impl Fn() -> Json, good: impl Fn(&Json) -> bool) -> Json {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = ask();
            if good(&said) {
                return said;
            }
            assert!(Instant::now() < end, "{said}");
        }
    }

    /// The maker publishes a newer version of what every device runs, and the operator has it.
    fn newer_release(&self) {
        let releases = || self.make(&["product", "releases", "lamp-7"]);
        let found = |list: &Json, version: &str| {
            let of_version = |one: &&Json| one["version"] == version && one["way_back"] == false;
            items(list).iter().find(of_version).cloned()
        };
        let image = found(&releases(), "1.2").expect("1.2")["image"].clone();
        let image = image.as_str().expect("a digest");
        let vendor = "lumen.example";
        self.make(&[
            "release",
            "publish",
            "lamp-7",
            "--version",
            "1.3",
            "--image",
            image,
            "--vendor",
            vendor,
        ]);
        let signed = |list: &Json| found(list, "1.3").is_some_and(|one| one["envelope"] != "");
        let number = &found(&self.until(releases, signed), "1.3").expect("1.3")["sequence_number"];
        let url = format!("{}/firmware/lamp-7/{number}.suit", text(&self.manufacturer, "people"));
        self.ask("release fetch", &json!({"from": url, "maker": "lumen", "name": "lamp-7-1-3"}));
        let shown = || self.operator.json(&["release", "show", "lamp-7-1-3"]);
        let here = self.until(shown, |shown| shown["kept"] == true || shown["refused"] != "");
        assert_eq!(here["kept"], true, "{here}");
    }
}

#[test]
fn the_pages_of_a_fleet_that_lived() {
    let name = "the_pages_of_a_fleet_that_lived";
    let Some(mut plain) = Browser::start(name, NO_SCRIPT) else { return };
    let mut story = played();
    every_look_is_as_documented(&story);
    sign_in(&mut plain, &story.operator, "admin");
    rollouts_are_as_the_api_says(&story, &mut plain);
    findings_are_as_the_api_says(&story, &mut plain);
    the_journal_is_as_the_api_says(&story, &mut plain);
    devices_are_as_the_api_says(&story, &mut plain);
    generic_pages_say_all(&story, &mut plain);
    a_manufacturers_first_page(&story, &mut plain);
    drop(plain);
    let Some(mut browser) = Browser::start(name, Wish::default()) else { return };
    sign_in(&mut browser, &story.operator, "admin");
    a_rollouts_bar_moves(&story, &mut browser);
    a_busy_part_stays(&story, &mut browser);
    every_page_fits(&story, &mut browser);
    drop(browser);
    let Some(mut browser) = Browser::start(name, Wish::default()) else { return };
    a_viewer_sees_all_and_may_nothing(&story, &mut browser);
    drop(browser);
    story.operator.process.signal("-INT");
    assert_eq!(story.operator.process.ended(), Some(0));
}

fn every_look_is_as_documented(story: &Story) {
    // An operator makes nothing, and a manufacturer runs nothing.
    expect![[r#"
        birth-show
        product-description
        product-releases
        product-show
        voucher-show"#]]
    .assert_eq(&looked_at_in_vain(&story.operator.ready).join("\n"));
    expect![[r#"
        access-judge
        access-plan
        access-show
        anchor-show
        configuration-diff
        configuration-show
        configuration-versions
        controller-show
        description-show
        device-show
        device-timeline
        finding-show
        firmware-list
        onboarding-show
        operation-list
        quarantine-show
        release-show
        remediation-show
        retirement-export
        retirement-show
        rollout-devices
        rollout-show
        rollout-waves"#]]
    .assert_eq(&looked_at_in_vain(&story.manufacturer).join("\n"));
}

fn column(browser: &mut Browser, table: &str, name: &str) -> Vec<String> {
    browser.texts(&format!("{table} td[data-name='{name}']"))
}

const OUTCOMES: [&str; 7] = ["succeeded", "offered", "failed", "refused", "silent", "waiting", "spared"];

/// The numbers of a rollout's legend.
fn legend(browser: &mut Browser) -> Vec<String> {
    browser.texts("#progress [data-outcome]")
}

fn counted(shown: &Json) -> Vec<String> {
    OUTCOMES.map(|outcome| shown[outcome].to_string()).to_vec()
}

fn rollouts_are_as_the_api_says(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    let list = hub.json(&["rollout", "list"]);
    assert!(items(&list).len() >= 3);
    browser.open(&format!("{}/rollout/list", hub.people()));
    let of_list = |name: &str| items(&list).iter().map(|it| text(it, name).to_owned()).collect::<Vec<_>>();
    for name in ["rollout", "phase", "release"] {
        assert_eq!(column(browser, "#answer", name), of_list(name), "{name}");
    }
    let succeeded = items(&list).iter().map(|it| format!("{} of {}", it["succeeded"], it["devices"]));
    assert_eq!(column(browser, "#answer", "succeeded"), succeeded.collect::<Vec<_>>());

    browser.open(&format!("{}/rollout/show?rollout=lamp-7-1-1", hub.people()));
    let shown = hub.json(&["rollout", "show", "lamp-7-1-1"]);
    assert_eq!(legend(browser), counted(&shown));
    let story = browser.texts("#progress .about").remove(0);
    let rule = format!("It is stopped: {}. By its rule 2 failures stop it;", text(&shown, "why"));
    assert!(story.starts_with(&rule), "{story}");
    let waves = hub.json(&["rollout", "waves", "lamp-7-1-1"]);
    for name in ["devices", "succeeded", "failed", "spared", "silent", "offered", "waiting", "refused"] {
        let expected: Vec<_> = items(&waves).iter().map(|wave| wave[name].to_string()).collect();
        assert_eq!(column(browser, "#waves", name), expected, "{name}");
    }
    let failed = hub.json(&["rollout", "devices", "lamp-7-1-1", "--outcome", "failed"]);
    let names: Vec<_> = items(&failed).iter().map(|it| text(it, "name").to_owned()).collect();
    assert_eq!((column(browser, "#failed", "name"), names.len()), (names, 2));
    let drawn = browser.all("#progress rect").len();
    assert_eq!(drawn, counted(&shown).iter().filter(|count| *count != "0").count());
    // It is over: nothing may be asked of it.
    assert_eq!(browser.count("#actions"), 0);
    browser.picture("story-rollout");
}

fn findings_are_as_the_api_says(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    let (list, counts) = (hub.json(&["attention", "list"]), hub.json(&["attention", "count"]));
    browser.open(&format!("{}/attention/list", hub.people()));
    let of_list = |name: &str| items(&list).iter().map(|it| text(it, name).to_owned()).collect::<Vec<_>>();
    assert_eq!(column(browser, "#answer", "kind"), of_list("kind"));
    assert_eq!(column(browser, "#answer", "about"), of_list("name"));
    assert_eq!(counts["total"], items(&list).len());
    let kinds = counts["kinds"].as_array().expect("kinds").iter().filter(|it| it["count"] != 0);
    let kinds: Vec<_> = kinds.map(|it| format!("{} {}", it["count"], text(it, "kind"))).collect();
    assert_eq!(browser.texts("#kinds li"), kinds);
    // One device was given up; what settles that stands beside it.
    let row = "#answer tbody tr:first-child";
    let links = browser.texts(&format!("{row} a.act"));
    assert!(links.contains(&"quarantine release".into()), "{links:?}");
    let first = items(&list).first().expect("a finding");
    let release = browser.one(&format!("{row} a[href^='/quarantine/release']"));
    browser.follow(&release);
    let filled = browser.one("input[name=device]");
    assert_eq!(
        (browser.property(&filled, "value"), text(first, "kind")),
        (first["device"].clone(), "needs-attention")
    );
    for requirement in ["described", "identified", "supported"] {
        browser.open(&format!("{}/attention/list", hub.people()));
        let checked = hub.json(&["posture", "check", requirement]);
        let failing = checked["failing"].as_array().expect("devices").len();
        let expected = format!("{failing} of {}", checked["looked_at"]);
        let rows = browser.texts("#requirements tbody tr");
        assert!(rows.iter().any(|row| row.starts_with(requirement) && row.contains(&expected)), "{rows:?}");
    }
    browser.open(&format!("{}/attention/list?kind=held", hub.people()));
    let held = hub.json(&["attention", "list", "--kind", "held"]);
    assert_eq!(browser.count("#answer tbody tr"), items(&held).len());
    let overview = format!("{}/", hub.people());
    browser.open(&overview);
    assert_eq!(browser.texts("#attention li"), kinds);
}

fn the_journal_is_as_the_api_says(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    let newest = |more: &[&str]| hub.json(&[&["audit", "list"], more].concat());
    // A page of the journal is shorter than one of the API: entries have many words.
    browser.open(&format!("{}/audit/list", hub.people()));
    let list = newest(&["--limit", "20"]);
    let actions: Vec<_> = items(&list).iter().map(|it| text(it, "action").to_owned()).collect();
    assert_eq!(column(browser, "#answer", "action"), actions);
    let head = &hub.json(&["audit", "head"])["items"][0];
    let chain = browser.texts("#chain li").remove(0);
    assert!(chain.starts_with(&format!("Lane 1 has {} entries", head["seq"])), "{chain}");
    // The filter stands in the address, and so does the place where the next page begins.
    let who = browser.one("#answer td[data-name=actor] a");
    browser.follow(&who);
    assert!(browser.url().contains("/audit/list?actor="), "{}", browser.url());
    browser.open(&format!("{}/audit/list?room=device&action=device+expect&limit=1", hub.people()));
    let narrow = ["--room", "device", "--action", "device expect"];
    let mut names = column(browser, "#answer", "at");
    while let Some(next) = browser.now("a[rel=next]").into_iter().next() {
        browser.follow(&next);
        assert!(browser.url().contains("room=device") && browser.url().contains("after="));
        browser.one("h1");
        names.extend(column(browser, "#answer", "at"));
    }
    assert_eq!(names.len(), items(&newest(&narrow)).len());
    assert!(names.len() >= 3, "half of the devices were announced");
    // What an entry is about is called by its name, and leads to its page.
    browser.open(&format!("{}/audit/list?room=device", hub.people()));
    let about = browser.one("#answer td[data-name=about] a");
    let called = browser.text(&about);
    browser.follow(&about);
    let title = browser.one("h1");
    assert_eq!(browser.text(&title), format!("Device {called}"));
    // Looking at pages writes nothing.
    assert_eq!(&hub.json(&["audit", "head"])["items"][0]["seq"], &head["seq"]);
}

fn devices_are_as_the_api_says(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    let list = hub.json(&["device", "list"]);
    let at = |stage: &str| items(&list).iter().find(|it| it["stage"] == stage).expect(stage);
    let device = text(at("operational"), "device");
    let open = |browser: &mut Browser, device: &str| {
        browser.open(&format!("{}/device/show?device={device}", hub.people()));
        browser.one("h1");
    };
    open(browser, device);
    let access = hub.json(&["access", "show", device]);
    let lines: Vec<_> =
        access["lines"].as_array().expect("lines").iter().map(|it| it.as_str().expect("a text")).collect();
    assert_eq!(browser.texts("#reach li"), lines);
    let firmware = hub.json(&["firmware", "list", device]);
    let outcomes: Vec<_> = items(&firmware).iter().map(|it| text(it, "outcome").to_owned()).collect();
    assert_eq!(column(browser, "#firmware", "outcome"), outcomes);
    assert!(outcomes.contains(&"succeeded".into()));
    let ldevids = hub.json(&["onboarding", "show", device])["ldevids"].take();
    let until: Vec<_> =
        ldevids.as_array().expect("a list").iter().map(|it| text(it, "not_after")[..10].to_owned()).collect();
    let shown: Vec<_> =
        column(browser, "#credentials", "good until").iter().map(|it| it[..10].to_owned()).collect();
    assert_eq!(shown, until);
    let offered = |browser: &mut Browser| browser.texts("#actions details > summary");
    let may = offered(browser);
    assert!(may.contains(&"retire".into()) && may.contains(&"quarantine hold".into()), "{may:?}");
    assert!(!may.contains(&"claim".into()) && !may.contains(&"quarantine release".into()), "{may:?}");
    open(browser, text(at("retired"), "device"));
    assert_eq!(offered(browser), ["claim"], "all else would be refused");
    open(browser, text(at("quarantined"), "device"));
    assert!(offered(browser).contains(&"quarantine release".into()));
    let found = hub.json(&["attention", "list", "--device", text(at("quarantined"), "device")]);
    assert_eq!((browser.count("#findings tbody tr"), items(&found).len()), (1, 1));
    // A drifted configuration is shown as what differs.
    let changed = hub.json(&["configuration", "set", device, "--document", "{\"interval\":7}", "--dry-run"]);
    assert_ne!(changed["difference"], "");
    open(browser, device);
    let about = browser.texts("#configuration .about").remove(0);
    assert!(about.contains("the device has exactly that"), "{about}");
}

/// A page that is not put together by hand: what may be absent, names for ids, long texts folded.
fn generic_pages_say_all(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    let list = hub.json(&["device", "list"]);
    let at = |stage: &str| items(&list).iter().find(|it| it["stage"] == stage).expect(stage);
    let open = |browser: &mut Browser, target: &str| {
        browser.open(&format!("{}{target}", hub.people()));
        browser.one("h1");
    };
    open(browser, &format!("/device/show?device={}", text(at("operational"), "device")));
    assert_eq!(browser.texts("dd[data-name=last_seen] time").len(), 1);
    assert_eq!(browser.texts("dd[data-name=stage] .badge.operational"), ["operational"]);
    assert!(browser.texts("#firmware .about")[0].starts_with("It runs 1.2: "));
    let rooms = browser.texts("#timeline td[data-name=action]");
    assert!(rooms.iter().any(|it| it.starts_with("configuration") || it.starts_with("control")), "{rooms:?}");
    // What may be asked stands before what there is to read.
    assert_eq!(browser.count("#actions ~ #timeline"), 1);

    let retired = at("retired");
    open(browser, &format!("/device/show?device={}", text(retired, "device")));
    let reach = browser.texts("#reach .about").remove(0);
    assert!(reach.starts_with("Its life here is over"), "{reach}");
    let export = hub.json(&["retirement", "export", text(retired, "device")]);
    let session = browser.cookie(SESSION).expect("a session");
    for name in ["certificate", "last_report"] {
        let path = format!("/blob/{}", text(&export, name));
        assert_eq!(browser.count(&format!("#end a[href='{path}']")), 1, "{name}");
        let request = with(Request::get(hub.url(&path)), COOKIE, &format!("{SESSION}={session}"));
        let fetched = hub.http().send(&request);
        assert_eq!(fetched.status, StatusCode::OK);
        assert_eq!(wire::digest::sha256(&fetched.body).to_vec(), hex(text(&export, name)));
        assert_eq!(hub.http().send(&Request::get(hub.url(&path))).status, StatusCode::UNAUTHORIZED);
    }
    open(browser, "/retirement/list");
    assert_eq!(column(browser, "#answer", "device"), [text(retired, "name")]);
    let link =
        format!("#answer td[data-name=device] a[href='/device/show?device={}']", text(retired, "device"));
    assert_eq!(browser.count(&link), 1);
    assert_eq!(browser.count("#answer td[data-name=phase] a[href^='/retirement/show']"), 1);
    let proofs = ["decommission", "its own word"].map(|name| column(browser, "#answer", name).remove(0));
    assert_eq!(proofs, ["certificate", "last report"]);
    open(browser, &format!("/retirement/show?device={}", text(retired, "device")));
    let ldevid = browser.texts("dd[data-name=ldevid] summary").remove(0);
    assert!(ldevid.starts_with("certificate of "), "{ldevid}");

    open(browser, "/posture/check?requirement=supported");
    let checked = hub.json(&["posture", "check", "supported"]);
    let failing = checked["failing"].as_array().expect("devices");
    let names: Vec<_> = failing.iter().map(|it| text(it, "name").to_owned()).collect();
    assert_eq!(column(browser, "#answer", "device"), names);
    assert_eq!(browser.count("#answer td[data-name=device] a"), names.len());
    assert_eq!(browser.count("dl"), 0);
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().expect("hexadecimal digits")
}

fn a_manufacturers_first_page(story: &Story, browser: &mut Browser) {
    let people = text(&story.manufacturer, "people");
    let issued = story.make(&["link", "issue", "admin"]);
    browser.open(&format!("{people}/sign-in/{}", text(&issued, "secret")));
    let button = browser.one("main form button");
    browser.follow(&button);
    browser.one("h1");
    assert_eq!(browser.count("#products ~ #published ~ #births ~ #funnel"), 1);
    assert!(browser.texts("#published td[data-name=version]").contains(&"1.2".into()));
    assert_eq!(browser.texts("#births tbody tr").len(), 5);
    browser.open(&format!("{people}/birth/list"));
    assert!(column(browser, "#answer", "record").iter().all(|it| it.starts_with("CMS in PEM")));
}

/// While it is watched, the devices of the fleet take a release: with no reload of the page.
fn a_rollouts_bar_moves(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    story.newer_release();
    let start = json!({"release": "lamp-7-1-3", "name": "watched", "waves": "1,rest"});
    // The devices live in the demo's own process: until it goes on, they say nothing.
    hub.process.signal("-STOP");
    let planned = story.ask("rollout start", &start);
    let sizes: Vec<usize> = planned["waves"]
        .as_array()
        .expect("waves")
        .iter()
        .map(|it| it.as_array().expect("names").len())
        .collect();
    let devices: usize = sizes.iter().sum();
    assert!(sizes.len() == 2 && devices >= 2, "{planned}");
    browser.open(&format!("{}/", hub.people()));
    assert_eq!(column(browser, "#rollouts", "succeeded"), [format!("0 of {devices}")]);
    browser.picture("story-overview");
    browser.open(&format!("{}/rollout/show?rollout=watched", hub.people()));
    browser.one("#progress svg");
    browser.script(
        "window.same = true; window.seen = []; new MutationObserver(() => window.seen.push(\
        document.querySelector('#progress [data-outcome=succeeded]').textContent)).observe(\
        document.getElementById('progress'), {childList: true})",
    );
    let width =
        "return Number(document.querySelector('#progress rect.succeeded')?.getAttribute('width') ?? 0)";
    let before = browser.script(width).as_i64().expect("a width");
    assert!(before == 0, "nobody has it yet: {before}");
    browser.picture("story-rollout-before");
    hub.process.signal("-CONT");
    let end = Instant::now() + PATIENCE;
    while browser.script(width) != 1_000 {
        assert!(Instant::now() < end, "the bar stands still: {:?}", legend(browser));
    }
    assert_eq!(legend(browser), counted(&hub.json(&["rollout", "show", "watched"])));
    assert_eq!(legend(browser)[0], devices.to_string());
    assert_eq!(browser.script("return window.same"), true, "it was not loaded again");
    assert_eq!(browser.script("return performance.getEntriesByType('navigation').length"), 1);
    let seen = browser.script("return window.seen");
    assert!(seen.as_array().is_some_and(|seen| !seen.is_empty()), "{seen}");
    browser.picture("story-rollout-after");
}

/// What a person is filling in is not taken away by what happens elsewhere.
fn a_busy_part_stays(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    // One device is offered what it will refuse.
    let start = json!({
        "release": "lamp-7-1-1", "name": LONG, "waves": "1", "stop_after": 2, "even_if_refusable": true,
    });
    hub.process.signal("-STOP");
    story.ask("rollout start", &start);
    browser.open(&format!("{}/rollout/show?rollout={LONG}", hub.people()));
    let summary = browser.one("#actions details:has(form[action='/rollout/stop']) summary");
    browser.click(&summary);
    let why = browser.one("#actions form[action='/rollout/stop'] input[name=why]");
    browser.write(&why, "half a sen");
    let told = "return document.querySelector('#progress .about').textContent.includes('running')";
    assert_eq!(browser.script(told), true);
    story.ask("rollout pause", &json!({"rollout": LONG}));
    let end = Instant::now() + PATIENCE;
    while browser.script(told) == true {
        assert!(Instant::now() < end, "the page stands still");
    }
    assert_eq!(browser.property(&why, "value"), "half a sen");
    hub.process.signal("-CONT");
}

/// What the tests of every page see: who is signed in may differ.
fn every_page(story: &Story) -> Vec<(&'static str, String)> {
    let list = story.operator.json(&["device", "list"]);
    let of = |stage: &str| {
        let found = items(&list).iter().find(|it| it["stage"] == stage).expect(stage);
        format!("/device/show?device={}", text(found, "device"))
    };
    vec![
        ("overview", "/".into()),
        ("devices", "/device/list".into()),
        ("operational", of("operational")),
        ("quarantined", of("quarantined")),
        ("retired", of("retired")),
        ("findings", "/attention/list".into()),
        ("rollouts", "/rollout/list".into()),
        ("rollout", "/rollout/show?rollout=lamp-7-1-1".into()),
        ("long", format!("/rollout/show?rollout={LONG}")),
        ("journal", "/audit/list".into()),
        ("head", "/audit/head".into()),
        ("posture", "/posture/check?requirement=supported".into()),
        ("requirements", "/posture/list".into()),
        ("retirements", "/retirement/list".into()),
        ("releases", "/release/list".into()),
        ("start", "/rollout/start".into()),
    ]
}

/// Text that is too pale, inputs without a label, headings out of order.
const SPOILT: &str = r"
const spoilt = [];
document.querySelectorAll('main details').forEach(d => d.open = true);
let level = 0;
for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
  const now = Number(h.tagName[1]);
  if (now > level + 1) spoilt.push('heading ' + h.textContent);
  level = now;
}
if (document.querySelectorAll('h1').length !== 1) spoilt.push('h1');
for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
  if (!e.labels?.length || !e.labels[0].textContent.trim()) spoilt.push('label ' + e.name);
for (const e of document.querySelectorAll('svg[role=img]'))
  if (!e.getAttribute('aria-label')) spoilt.push('svg');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
if (new Set(ids).size !== ids.length) spoilt.push('ids ' + ids);
const rgb = (text) => text.match(/[\d.]+/g).map(Number);
const light = (c) => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c;
  }
  return [255, 255, 255];
};
for (const e of document.querySelectorAll('body *')) {
  if (!e.getClientRects().length || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) spoilt.push('contrast ' + e.outerHTML.slice(0, 80));
}
if (document.querySelectorAll('main img, main script, main b:not([data-outcome]):not([data-kind])').length) spoilt.push('not escaped');
if (document.title === 'owned') spoilt.push('owned');
return spoilt";

fn every_page_fits(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    let list = hub.json(&["device", "list"]);
    let device = items(&list).iter().find(|it| it["stage"] == "operational").expect("a device");
    story.ask("device rename", &json!({"device": device["device"], "name": HOSTILE}));
    let why = "<script>document.title='owned'</script>";
    story.ask("quarantine hold", &json!({"device": device["device"], "level": "watched", "why": why}));
    for (name, target) in every_page(story) {
        browser.open(&format!("{}{target}", hub.people()));
        browser.one("main h1");
        for (scheme, width) in LOOKS {
            browser.looks(scheme, width);
            browser.picture(&format!("story-{name}-{width}-{scheme}"));
            let tall = browser.script("return document.scrollingElement.scrollHeight");
            if name == "journal" {
                assert!(tall.as_i64().is_some_and(|tall| tall < 4_000), "{tall} for a page of the journal");
            }
        }
        // The checks unfold what is folded.
        for (scheme, width) in LOOKS {
            browser.looks(scheme, width);
            assert_eq!(browser.script(SPOILT), json!([]), "{target} {scheme} {width}");
            if name == "rollout" {
                let zeros = "return [...document.querySelectorAll('#waves td')]\
                             .filter(it => it.textContent === '0' && it.getClientRects().length).length";
                assert_eq!(browser.script(zeros) == 0, width == 390, "zeros on {width}");
            }
            if name == "operational" {
                let at =
                    browser.script("return document.getElementById('actions').getBoundingClientRect().top");
                assert!(at.as_f64().is_some_and(|at| at < 1_500.0), "what may be asked is {at} down");
            }
            let needed = browser.script("return document.scrollingElement.scrollWidth");
            assert!(needed.as_i64().is_some_and(|it| it <= width), "{target} needs {needed} of {width}");
        }
        asked_nobody_else(browser, hub);
    }
    // By keyboard: the first stop leads past the menu.
    let skip = browser.one(".skip");
    browser.write(&skip, "\u{e007}");
    assert_eq!(browser.script("return document.activeElement.id"), "main");
}

fn a_viewer_sees_all_and_may_nothing(story: &Story, browser: &mut Browser) {
    let hub = &story.operator;
    hub.run(&["account", "add", "vera", "--permission", "view"]).exits(0);
    sign_in(browser, hub, "vera");
    for (_, target) in every_page(story) {
        browser.open(&format!("{}{target}", hub.people()));
        browser.one("main h1");
        assert_eq!(
            browser.count("main form[method=post], a.act[href^='/quarantine'], #actions"),
            0,
            "{target}"
        );
        // A configuration may hold secrets.
        assert_eq!(browser.count("#configuration"), 0, "{target}");
    }
    let session = browser.cookie(SESSION).expect("a session");
    let mut http = hub.http();
    let posts = [
        ("/rollout/resume", "rollout=lamp-7-1-1"),
        ("/rollout/stop", "rollout=lamp-7-1-1"),
        ("/quarantine/release", "device=light-0004-replaced&why=x"),
        ("/device/retire", "device=light-0004&why=x"),
        ("/configuration/set", "device=light-0004&document=%7B%7D"),
        ("/retirement/begin", "device=light-0004&why=x"),
    ];
    for (target, form) in posts {
        let request = Request::post(hub.url(target), FORM, form);
        let request = with(with(request, COOKIE, &format!("{SESSION}={session}")), ORIGIN, hub.people());
        assert_eq!(http.send(&request).status, StatusCode::FORBIDDEN, "{target}");
    }
}
