//! A headless Chromium by the WebDriver protocol, over our own HTTP client.

use crate::support::{Http, Process, body, skip};
use base64ct::{Base64, Encoding};
use io::http::Method;
use io::http::client::Request;
use io::http::url::Url;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Set, no browser is started.
const NO_BROWSER: &str = "STEWARD_NO_BROWSER";
/// How the protocol names an element in its answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// From a click to the page that it leads to.
const IMPLICIT_WAIT_MILLIS: u32 = 10_000;
/// How long a page may stay after a click that leads elsewhere.
const FOLLOW_SECONDS: u64 = 10;

/// How every page is looked at: by day and by night, on a desk and in a hand.
pub const LOOKS: [(&str, i64); 4] = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)];

/// How a browser is started.
#[derive(Clone, Copy, Default)]
pub struct Wish {
    /// Without JavaScript.
    pub no_script: bool,
}

/// A browser, and the driver that drives it. Both end with this.
pub struct Browser {
    http: Http,
    session: String,
    _driver: Process,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; none, with a line that says why, where there is none.
    pub fn start(test: &str, wish: Wish) -> Option<Self> {
        if std::env::var_os(NO_BROWSER).is_some() {
            skip(test, &format!("{NO_BROWSER} is set"));
            return None;
        }
        for program in ["chromium", "chromedriver"] {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            if !found.is_ok_and(|found| found.status.success()) {
                skip(test, &format!("{program} is not installed"));
                return None;
            }
        }
        let driver = Process::start(Command::new("chromedriver").arg("--port=0").stderr(Stdio::null()));
        let said = driver.line(|line| line.contains("successfully on port")).expect("the driver starts");
        let port: String = said.chars().filter(char::is_ascii_digit).collect();
        let profile = tempfile::tempdir().expect("a folder");
        let mut browser = Browser {
            http: Http::plain(),
            session: format!("http://127.0.0.1:{port}/session"),
            _driver: driver,
            _profile: profile,
        };
        let capabilities = capabilities(browser._profile.path().to_str().expect("UTF-8"), wish);
        let id = browser.command(Method::POST, "", capabilities)["sessionId"].take();
        browser.session = format!("{}/{}", browser.session, id.as_str().expect("a session"));
        browser.command(Method::POST, "/timeouts", json!({"implicit": IMPLICIT_WAIT_MILLIS}));
        Some(browser)
    }

    fn command(&mut self, method: Method, path: &str, arguments: Json) -> Json {
        let (answer, status) = self.try_command(method, path, arguments);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    fn try_command(&mut self, method: Method, path: &str, arguments: Json) -> (Json, u16) {
        let url = Url::parse(&format!("{}{path}", self.session)).expect("a URL");
        let request = match method {
            Method::POST => Request::post(url, "application/json", arguments.to_string()),
            method => Request::new(method, url),
        };
        let answer = self.http.send(&request.within(Duration::from_secs(120)).answer_bytes_max(32 << 20));
        (body(&answer)["value"].take(), answer.status.as_u16())
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        self.command(Method::POST, "/url", json!({"url": url}));
    }

    /// Where it is now.
    pub fn url(&mut self) -> String {
        self.command(Method::GET, "/url", json!({})).as_str().expect("a URL").to_owned()
    }

    pub fn title(&mut self) -> String {
        self.command(Method::GET, "/title", json!({})).as_str().expect("a title").to_owned()
    }

    /// The elements that a CSS selector finds; the first may be waited for.
    pub fn all(&mut self, selector: &str) -> Vec<Element> {
        let arguments = json!({"using": "css selector", "value": selector});
        let found = self.command(Method::POST, "/elements", arguments);
        let ids = found.as_array().into_iter().flatten().filter_map(|e| e[ELEMENT].as_str());
        ids.map(|id| Element(id.to_owned())).collect()
    }

    /// The elements that a CSS selector finds now.
    pub fn now(&mut self, selector: &str) -> Vec<Element> {
        self.command(Method::POST, "/timeouts", json!({"implicit": 0}));
        let found = self.all(selector);
        self.command(Method::POST, "/timeouts", json!({"implicit": IMPLICIT_WAIT_MILLIS}));
        found
    }

    /// How many elements a CSS selector finds now.
    pub fn count(&mut self, selector: &str) -> usize {
        self.now(selector).len()
    }

    /// The first element that a CSS selector finds.
    #[track_caller]
    pub fn one(&mut self, selector: &str) -> Element {
        let found = self.all(selector).into_iter().next();
        found.unwrap_or_else(|| {
            let page = self.command(Method::GET, "/source", json!({}));
            panic!("nothing is `{selector}` on {}: {page}", self.url())
        })
    }

    /// The texts of the elements that a CSS selector finds, of one moment: a page that is live may put others
    /// in their place while they are read, and then all are read again.
    pub fn texts(&mut self, selector: &str) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let found = self.all(selector);
            let read = found.iter().map(|element| {
                let (text, status) =
                    self.try_command(Method::GET, &format!("/element/{}/text", element.0), json!({}));
                (status == 200).then(|| text.as_str().expect("text").to_owned())
            });
            if let Some(texts) = read.collect::<Option<Vec<String>>>() {
                return texts;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(FOLLOW_SECONDS),
                "`{selector}` does not stand still"
            );
        }
    }

    pub fn text(&mut self, element: &Element) -> String {
        let text = self.command(Method::GET, &format!("/element/{}/text", element.0), json!({}));
        text.as_str().expect("text").to_owned()
    }

    /// A property of an element.
    pub fn property(&mut self, element: &Element, name: &str) -> Json {
        self.command(Method::GET, &format!("/element/{}/property/{name}", element.0), json!({}))
    }

    pub fn click(&mut self, element: &Element) {
        self.command(Method::POST, &format!("/element/{}/click", element.0), json!({}));
    }

    /// Clicks what leads to another page, and waits until the old one is gone: a click may answer before.
    pub fn follow(&mut self, element: &Element) {
        self.click(element);
        let path = format!("/element/{}/name", element.0);
        let begun = Instant::now();
        while self.try_command(Method::GET, &path, json!({})).1 == 200 {
            assert!(begun.elapsed() < Duration::from_secs(FOLLOW_SECONDS), "the page stays after a click");
        }
    }

    pub fn write(&mut self, element: &Element, text: &str) {
        self.command(Method::POST, &format!("/element/{}/value", element.0), json!({"text": text}));
    }

    /// What a script of the driver's, not of the page's, returns.
    pub fn script(&mut self, script: &str) -> Json {
        self.command(Method::POST, "/execute/sync", json!({"script": script, "args": []}))
    }

    /// The value of a cookie.
    pub fn cookie(&mut self, name: &str) -> Option<String> {
        let (cookie, status) = self.try_command(Method::GET, &format!("/cookie/{name}"), json!({}));
        (status == 200).then(|| cookie["value"].as_str().expect("a value").to_owned())
    }

    /// A command of the Chrome DevTools Protocol.
    pub fn devtools(&mut self, command: &str, parameters: Json) {
        self.command(Method::POST, "/goog/cdp/execute", json!({"cmd": command, "params": parameters}));
    }

    /// Looks through a window of this width, by day (`light`) or by night (`dark`).
    pub fn looks(&mut self, scheme: &str, width: i64) {
        let feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": feature}));
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Keeps a picture of the page as `target/pages/NAME.png`.
    pub fn picture(&mut self, name: &str) {
        let taken = self.command(Method::GET, "/screenshot", json!({}));
        let png = Base64::decode_vec(taken.as_str().expect("base64")).expect("base64");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("pages");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser that it started, also after a test that failed; then the driver
        // itself is ended.
        if let Ok(url) = Url::parse(&self.session) {
            let _ = self.http.try_send(&Request::new(Method::DELETE, url));
        }
    }
}

/// An element of the page that is open.
pub struct Element(String);

fn capabilities(profile: &str, wish: Wish) -> Json {
    let mut options = json!({
        "binary": "/usr/bin/chromium",
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--window-size=1200,900", format!("--user-data-dir={profile}"),
        ],
    });
    if wish.no_script {
        options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
    }
    json!({"capabilities": {"alwaysMatch": {"acceptInsecureCerts": true, "goog:chromeOptions": options}}})
}
