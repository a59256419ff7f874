//! The pages, in a real browser and without one.

use crate::browser::{Browser, LOOKS, Wish};
use crate::support::{Hub, PATIENCE, body, with};
use io::http::StatusCode;
use io::http::client::{Answer, Request};
use io::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use serde_json::Value as Json;
use std::time::Instant;

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const SESSION: &str = "__Host-steward";
pub const NO_SCRIPT: Wish = Wish { no_script: true };

pub fn sign_in(browser: &mut Browser, hub: &Hub, account: &str) {
    browser.open(&format!("{}/sign-in/{}", hub.people(), hub.link_of(account)));
    let button = browser.one("main form button");
    assert_eq!(browser.text(&button), "Sign in to Steward");
    browser.follow(&button);
    browser.one("header .who");
}

fn fleet(devices: usize) -> Hub {
    let hub = Hub::start();
    for number in 1..=devices {
        let (serial_number, name) = (format!("s-{number}"), format!("lamp-{number}"));
        hub.run(&["device", "expect", &serial_number, "--name", &name, "--maker", "Example Devices"])
            .exits(0);
    }
    hub
}

#[test]
fn a_person_without_javascript() {
    let hub = fleet(4);
    hub.run(&["device", "retire", "lamp-4", "--why", "support has ended"]).exits(0);
    let Some(mut browser) = Browser::start("a_person_without_javascript", NO_SCRIPT) else { return };
    browser.open("data:text/html,<title>off</title><script>document.title='on'</script>");
    assert_eq!(browser.title(), "off", "JavaScript is switched off");

    let link = format!("{}/sign-in/{}", hub.people(), hub.link_of("admin"));
    browser.open(&link);
    // Looking at it does not use it up.
    browser.open(&link);
    let button = browser.one("main form button");
    browser.follow(&button);
    let who = browser.one("header .who");
    assert!(browser.text(&who).contains("admin"));
    browser.open(&link);
    let button = browser.one("main form button");
    browser.follow(&button);
    let refused = browser.one("h1");
    assert_eq!(browser.text(&refused).to_lowercase(), "not signed in");

    browser.open(&format!("{}/device/list", hub.people()));
    let listed = hub.json(&["device", "list"])["items"].as_array().map_or(0, Vec::len);
    assert_eq!((browser.count("tbody tr"), listed), (4, 4));
    browser.open(&format!("{}/device/list?stage=retired", hub.people()));
    assert_eq!(browser.count("tbody tr"), 1);
    let cell = browser.one("tbody td");
    assert_eq!(browser.text(&cell), "lamp-4");
    // The filter is a form whose words go into the address.
    let chosen =
        browser.one("select[name=stage] option[value=expected], select[name=stage] option:nth-child(2)");
    browser.click(&chosen);
    let show = browser.one("main form.get button");
    browser.follow(&show);
    browser.one("tbody tr");
    assert!(browser.url().contains("stage=expected"), "{}", browser.url());
    assert_eq!(browser.count("tbody tr"), 3);

    browser.open(&format!("{}/device/expect", hub.people()));
    let field = browser.one("input[name=serial_number]");
    browser.write(&field, "s-5");
    let button = browser.one("main form.post button");
    browser.follow(&button);
    let done = browser.one("[role=status]");
    assert_eq!(browser.text(&done), "Done.");
    assert_eq!(hub.json(&["device", "count"])["total"], 5);
    browser.open(&format!("{}/device/expect", hub.people()));
    let field = browser.one("input[name=serial_number]");
    browser.write(&field, "s-5");
    let button = browser.one("main form.post button");
    browser.follow(&button);
    let refused = browser.one("[role=alert]");
    assert!(browser.text(&refused).contains("device-known"));
    browser.picture("refused-light");
}

#[test]
fn a_viewer_sees_no_form_it_may_not_use() {
    let hub = fleet(1);
    hub.run(&["account", "add", "vera", "--permission", "view"]).exits(0);
    let Some(mut browser) = Browser::start("a_viewer_sees_no_form_it_may_not_use", Wish::default()) else {
        return;
    };
    sign_in(&mut browser, &hub, "vera");
    for target in ["/device/list", "/device/show?device=lamp-1", "/device/count", "/audit/list"] {
        browser.open(&format!("{}{target}", hub.people()));
        browser.one("main h1");
        assert_eq!(browser.count("main form[method=post]"), 0, "{target}");
        assert_eq!(browser.count("nav a[href='/device/expect'], nav a[href^='/account']"), 0, "{target}");
    }
    browser.open(&format!("{}/device/expect", hub.people()));
    let title = browser.one("h1");
    assert_eq!(browser.text(&title).to_lowercase(), "not permitted");
    browser.picture("viewer-denied-light");
    let session = browser.cookie(SESSION).expect("a session");

    // What the page does not offer is refused when it is sent all the same.
    let mut http = hub.http();
    let expect = |origin: &str| {
        let request = Request::post(hub.url("/device/expect"), FORM, "serial_number=s-2");
        with(with(request, COOKIE, &format!("{SESSION}={session}")), ORIGIN, origin)
    };
    let denied = http.send(&expect(hub.people()));
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(text(&denied).contains("permission"), "{}", text(&denied));
    let foreign = http.send(&expect("https://elsewhere.example"));
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert!(text(&foreign).contains("was not sent from one of the hub"), "{}", text(&foreign));
    assert_eq!(hub.json(&["device", "count"])["total"], 1);
}

#[test]
fn pages_fit_and_ask_nobody_else() {
    let hub = fleet(12);
    hub.run(&["device", "retire", "lamp-7", "--why", "support has ended"]).exits(0);
    let Some(mut browser) = Browser::start("pages_fit_and_ask_nobody_else", Wish::default()) else { return };
    sign_in(&mut browser, &hub, "admin");
    let pages = [
        ("overview", "/"),
        ("count", "/device/count"),
        ("devices", "/device/list"),
        ("device", "/device/show?device=lamp-7"),
        ("timeline", "/device/timeline?device=lamp-7"),
        ("expect", "/device/expect"),
        ("journal", "/audit/list"),
        ("account", "/account/show?account=admin"),
        ("token", "/token/issue"),
    ];
    for (name, target) in pages {
        browser.open(&format!("{}{target}", hub.people()));
        browser.one("main h1");
        for (scheme, width) in LOOKS {
            browser.looks(scheme, width);
            browser.picture(&format!("{name}-{width}-{scheme}"));
            let needed = browser.script("return document.scrollingElement.scrollWidth");
            assert!(
                needed.as_i64().is_some_and(|needed| needed <= width),
                "{target} needs {needed} of {width}"
            );
        }
        asked_nobody_else(&mut browser, &hub);
    }
    let dark = browser.script("return getComputedStyle(document.documentElement).backgroundColor");
    assert_eq!(dark, "rgb(21, 24, 27)", "the ground of the dark scheme");
}

#[test]
fn forms_ask_as_people_answer() {
    let hub = fleet(2);
    let Some(mut browser) = Browser::start("forms_ask_as_people_answer", NO_SCRIPT) else { return };
    sign_in(&mut browser, &hub, "admin");
    // What is true or not is a box; what says no more than it would without is not asked for.
    browser.open(&format!("{}/rollout/start", hub.people()));
    for name in ["dry_run", "even_if_refusable"] {
        assert_eq!(browser.count(&format!("input[type=checkbox][name={name}][value=true]")), 1, "{name}");
    }
    assert_eq!(browser.count("input[value=false]"), 0);
    browser.open(&format!("{}/finding/list", hub.people()));
    assert_eq!(browser.count("details.filter[open]"), 0);
    // By maker, and by the beginning of a name or serial number.
    hub.run(&["device", "expect", "s-9", "--name", "hall", "--maker", "Other"]).exits(0);
    browser.open(&format!("{}/device/list?maker=Other", hub.people()));
    assert_eq!(browser.texts("#answer td[data-name=name]"), ["hall"]);
    browser.open(&format!("{}/device/list?begins=s-9", hub.people()));
    assert_eq!(browser.texts("#answer td[data-name=name]"), ["hall"]);
    assert_eq!(browser.count("form.get input[name=begins]"), 1);
    assert_eq!(browser.texts("#answer td[data-name=stage] .badge.expected"), ["expected"]);

    // What ends a life asks once, and a browser sends nothing before it is sure.
    let page = format!("{}/device/show?device=lamp-1", hub.people());
    browser.open(&page);
    assert!(browser.count("#actions > .groups > div > h3") >= 2, "actions are grouped");
    let summary = browser.one("#actions details.final:has(form[action='/device/retire']) summary");
    browser.click(&summary);
    let form = "#actions form[action='/device/retire']";
    let why = browser.one(&format!("{form} input[name=why]"));
    browser.write(&why, "broken");
    let button = browser.one(&format!("{form} button.final"));
    browser.click(&button);
    assert_eq!(browser.url(), page);
    assert_eq!(hub.json(&["device", "count"])["retired"], 0);
    let sure = browser.one(&format!("{form} input[type=checkbox][required]"));
    browser.click(&sure);
    browser.follow(&button);
    browser.one("[role=status]");
    assert_eq!(hub.json(&["device", "count"])["retired"], 1);
    // Another one's form does not ask.
    browser.open(&format!("{}/device/show?device=lamp-2", hub.people()));
    assert_eq!(browser.count("#actions form[action='/device/rename'] input[type=checkbox]"), 0);
    // Lately does not tell of who looks.
    browser.open(hub.people());
    let lately = browser.texts("#lately td[data-name=action]");
    assert!(
        lately.contains(&"device retire".into()) && lately.iter().all(|it| !it.starts_with("session")),
        "{lately:?}"
    );
}

/// The numbers of the overview's funnel, by stage.
fn funnel(browser: &mut Browser) -> Json {
    let script = "return Object.fromEntries([...document.querySelectorAll('[data-stage]')]\
                  .map(e => [e.dataset.stage, Number(e.textContent)]))";
    browser.script(script)
}

/// What the API counts, but for the total.
fn counted(hub: &Hub) -> Json {
    let mut counts = hub.json(&["device", "count"]);
    counts.as_object_mut().expect("counts").remove("total");
    counts
}

#[test]
fn the_overview_counts_as_the_api_does() {
    let hub = fleet(4);
    hub.run(&["device", "retire", "lamp-4", "--why", "support has ended"]).exits(0);
    let Some(mut browser) = Browser::start("the_overview_counts_as_the_api_does", NO_SCRIPT) else { return };
    sign_in(&mut browser, &hub, "admin");
    browser.open(hub.people());
    // What the browser without scripts shows is read by the driver's own.
    let shown: Vec<String> =
        browser.all("[data-stage]").iter().map(|element| browser.text(element)).collect();
    let counted = counted(&hub);
    let expected =
        ["expected", "discovered", "onboarding", "operational", "quarantined", "remediation", "retired"]
            .map(|stage| counted[stage].to_string());
    assert_eq!(shown, expected);
    assert_eq!(browser.count("#waiting .empty"), 1);
    assert!(browser.count("#lately tbody tr") >= 5);
    browser.open(&format!("{}/device/show?device=lamp-4", hub.people()));
    assert_eq!(browser.count("#timeline tbody tr"), 2);
}

/// Each page about a device whose life is over offers what begins it anew, or nothing.
#[test]
fn nothing_is_offered_of_a_retired_device_that_would_be_refused() {
    let hub = fleet(2);
    hub.run(&["device", "retire", "lamp-2", "--why", "support has ended"]).exits(0);
    let Some(mut browser) = Browser::start("nothing_is_offered_of_a_retired_device", NO_SCRIPT) else {
        return;
    };
    sign_in(&mut browser, &hub, "admin");
    let mut check = |page: &str, device: &str, expect: &[&str]| {
        browser.open(&format!("{}/{page}?device={device}", hub.people()));
        browser.one("#answer");
        let buttons = browser.now("#actions details > summary");
        let offered: Vec<String> = buttons.iter().map(|button| browser.text(button)).collect();
        assert_eq!(offered, expect, "{page} of {device}");
    };
    check("device/show", "lamp-2", &["claim"]);
    check("device/timeline", "lamp-2", &["claim"]);
    check("device/timeline", "lamp-1", &["rename", "retire"]);
    for page in
        ["onboarding/show", "quarantine/show", "remediation/show", "configuration/show", "access/show"]
    {
        check(page, "lamp-2", &[]);
    }
}

#[test]
fn the_overview_moves_by_itself() {
    let hub = fleet(1);
    let Some(mut browser) = Browser::start("the_overview_moves_by_itself", Wish::default()) else { return };
    sign_in(&mut browser, &hub, "admin");
    browser.open(hub.people());
    browser.script("window.same = true");
    assert_eq!(funnel(&mut browser)["expected"], 1);
    hub.run(&["device", "expect", "s-2"]).exits(0);
    let end = Instant::now() + PATIENCE;
    while funnel(&mut browser)["expected"] != 2 {
        assert!(Instant::now() < end, "the page stands still: {}", funnel(&mut browser));
    }
    assert_eq!(funnel(&mut browser), counted(&hub));
    assert_eq!(browser.script("return window.same"), true, "it was not loaded again");
}

#[test]
fn the_stream_of_events_is_for_who_is_signed_in() {
    let mut hub = fleet(0);
    let mut http = hub.http();
    assert_eq!(http.send(&Request::get(hub.url("/events"))).status, StatusCode::UNAUTHORIZED);
    // An open page does not hold up the hub's end.
    let Some(mut browser) = Browser::start("the_stream_of_events", Wish::default()) else { return };
    sign_in(&mut browser, &hub, "admin");
    browser.open(hub.people());
    hub.process.signal("-TERM");
    assert_eq!(hub.process.ended(), Some(0));
}

/// All that the page loaded came from the hub.
pub fn asked_nobody_else(browser: &mut Browser, hub: &Hub) {
    let asked = browser
        .script("return performance.getEntries().filter(e => e.name.includes('://')).map(e => e.name)");
    let asked = asked.as_array().expect("a list");
    assert!(!asked.is_empty());
    for name in asked.iter().filter_map(|name| name.as_str()) {
        assert!(name.starts_with(hub.people()), "{name}");
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Signs in without a browser, and returns the cookie.
fn session_of(hub: &Hub, account: &str) -> String {
    let path = format!("/sign-in/{}", hub.link_of(account));
    let signed = hub.http().send(&with(Request::post(hub.url(&path), FORM, ""), ORIGIN, hub.people()));
    assert_eq!(signed.status, StatusCode::SEE_OTHER, "{}", text(&signed));
    let cookie = signed.header(&SET_COOKIE).expect("a cookie").to_owned();
    for word in ["__Host-steward=steward_", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    cookie.split(';').next().expect("a pair").to_owned()
}

#[test]
fn every_page_says_what_it_may_load() {
    let hub = fleet(1);
    let mut http = hub.http();
    let cookie = session_of(&hub, "admin");
    for target in ["/device/list", "/device/show?device=lamp-1", "/nonsense/nonsense", "/sign-in/nonsense"] {
        let answer = http.send(&with(Request::get(hub.url(target)), COOKIE, &cookie));
        assert_eq!(answer.header(&CONTENT_TYPE), Some("text/html; charset=utf-8"), "{target}");
        let policy = answer.header(&CONTENT_SECURITY_POLICY).expect("a policy");
        for word in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
        {
            assert!(policy.contains(word), "{target}: {policy}");
        }
        assert!(!policy.contains("http") && !policy.contains('*') && !policy.contains("unsafe"), "{policy}");
    }
}

#[test]
fn forms_are_ours_alone() {
    let hub = fleet(0);
    let mut http = hub.http();
    let cookie = session_of(&hub, "admin");
    let mut post = |target: &str, origin: Option<&str>, cookie: &str| {
        let mut request = Request::post(hub.url(target), FORM, "serial_number=s-1&_key=k1");
        if let Some(origin) = origin {
            request = with(request, ORIGIN, origin);
        }
        http.send(&with(request, COOKIE, cookie)).status
    };
    let plain = hub.people().replace("https:", "http:");
    for origin in [None, Some("null"), Some("https://elsewhere.example"), Some(plain.as_str())] {
        assert_eq!(post("/device/expect", origin, &cookie), StatusCode::FORBIDDEN, "{origin:?}");
        assert_eq!(post("/sign-out", origin, &cookie), StatusCode::FORBIDDEN, "{origin:?}");
    }
    let token = format!("{SESSION}={}", hub.token());
    assert_eq!(
        post("/device/expect", Some(hub.people()), &token),
        StatusCode::UNAUTHORIZED,
        "a token is no session"
    );
    assert_eq!(post("/device/expect", Some(hub.people()), "other=1"), StatusCode::UNAUTHORIZED);
    assert_eq!(hub.json(&["device", "count"])["total"], 0);
    assert_eq!(post("/device/expect", Some(hub.people()), &cookie), StatusCode::OK);
    // The form's hidden key makes a second press the same press.
    assert_eq!(post("/device/expect", Some(hub.people()), &cookie), StatusCode::OK);
    assert_eq!(hub.json(&["device", "count"])["total"], 1);
    assert_eq!(post("/sign-out", Some(hub.people()), &cookie), StatusCode::SEE_OTHER);
    assert_eq!(post("/device/expect", Some(hub.people()), &cookie), StatusCode::UNAUTHORIZED);
}

#[test]
fn a_link_signs_in_once() {
    let hub = fleet(0);
    let mut http = hub.http();
    let path = format!("/sign-in/{}", hub.link_of("admin"));
    let post = || with(Request::post(hub.url(&path), FORM, ""), ORIGIN, hub.people());
    let first = http.send(&post());
    assert_eq!((first.status, first.header(&LOCATION)), (StatusCode::SEE_OTHER, Some("/")));
    assert_eq!(http.send(&post()).status, StatusCode::UNAUTHORIZED);
    // The journal knows the redemption, and no secret.
    let journal = hub.json(&["audit", "list"]).to_string();
    assert!(journal.contains("redeemed") && !journal.contains(&path["/sign-in/".len()..]));
    assert_eq!(body(&http.send(&hub.get("/api/v1/session/show")))["account"], "admin");
}
