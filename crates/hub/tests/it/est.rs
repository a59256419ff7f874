//! Enrolment by EST (RFC 7030, RFC 8951), with curl as the client and OpenSSL as maker and judge.
use crate::support::{Running, have, output, run};
use fleet::onboarding::view::{Proof, Report};
use serde_json::json;
use std::path::Path;

pub const TOOLS: &[&str] = &["openssl", "curl"];

/// A maker's authority and one device's IDevID, made by OpenSSL in `folder`.
fn maker(folder: &Path, serial_number: &str) {
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let mut authority = vec!["req", "-x509", "-days", "3650", "-subj", "/O=Lumen/CN=Lumen authority"];
    authority.extend(ec);
    authority.extend([
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-keyout",
        "maker.key",
        "-out",
        "maker.pem",
    ]);
    run(folder, "openssl", &authority);
    let subject = format!("/O=Lumen/serialNumber={serial_number}");
    let mut request = vec!["req", "-new", "-subj", &subject, "-keyout", "idevid.key", "-out", "idevid.csr"];
    request.extend(ec);
    run(folder, "openssl", &request);
    std::fs::write(folder.join("idevid.ext"), "keyUsage=critical,digitalSignature\n").expect("written");
    let sign =
        ["x509", "-req", "-in", "idevid.csr", "-CA", "maker.pem", "-CAkey", "maker.key", "-CAcreateserial"];
    let sign: Vec<&str> =
        sign.into_iter().chain(["-days", "3650", "-extfile", "idevid.ext", "-out", "idevid.pem"]).collect();
    run(folder, "openssl", &sign);
}

/// A key and a base64 request for it, as RFC 7030 section 4.2.1 wants it.
pub fn request(folder: &Path, name: &str, subject: &str) {
    let (key, pem, body) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.b64"));
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let mut make = vec!["req", "-new", "-subj", subject, "-keyout", &key, "-out", &pem];
    make.extend(ec);
    run(folder, "openssl", &make);
    let text = std::fs::read_to_string(folder.join(pem)).expect("a request");
    let base64: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    std::fs::write(folder.join(body), base64).expect("written");
}

pub struct Said {
    pub status: String,
    pub head: String,
}

/// Asks the devices' listener with curl; the body goes to `answer`.
pub fn curl(hub: &Running, identity: Option<&str>, path: &str, post: Option<(&str, &str)>) -> Said {
    let url = format!("https://{}{path}", hub.devices);
    let authority = hub.authority();
    let mut arguments = vec!["--silent", "--show-error", "--max-time", "10", "--dump-header", "head"];
    arguments.extend([
        "--output",
        "answer",
        "--write-out",
        "%{http_code}",
        "--cacert",
        authority.to_str().expect("UTF-8"),
    ]);
    let (certificate, key) = identity.map(|i| (format!("{i}.pem"), format!("{i}.key"))).unwrap_or_default();
    if identity.is_some() {
        arguments.extend(["--cert", &certificate, "--key", &key]);
    }
    let (media_type, body) =
        post.map(|(t, b)| (format!("Content-Type: {t}"), format!("@{b}"))).unwrap_or_default();
    if post.is_some() {
        arguments.extend(["--header", &media_type, "--data-binary", &body]);
    }
    arguments.push(&url);
    let folder = hub.folder.path();
    for old in ["head", "answer"] {
        let _ = std::fs::remove_file(folder.join(old));
    }
    let output = output(folder, "curl", &arguments);
    let head = std::fs::read_to_string(folder.join("head")).unwrap_or_default();
    Said { status: String::from_utf8_lossy(&output.stdout).into_owned(), head }
}

pub fn said(hub: &Running) -> String {
    std::fs::read_to_string(hub.path("answer")).unwrap_or_default()
}

/// The certificate in an enrolment's answer, taken out by OpenSSL, as `name`.pem.
pub fn keep_certificate(hub: &Running, name: &str, authority: &str) {
    let folder = hub.folder.path();
    run(folder, "openssl", &["base64", "-d", "-A", "-in", "answer", "-out", "answer.p7"]);
    let file = format!("{name}.pem");
    run(folder, "openssl", &["pkcs7", "-inform", "DER", "-in", "answer.p7", "-print_certs", "-out", &file]);
    run(folder, "openssl", &["verify", "-CAfile", authority, &file]);
}

pub fn trusting_hub(serial_number: &str) -> Running {
    let hub = Running::start();
    maker(hub.folder.path(), serial_number);
    let certificate = std::fs::read_to_string(hub.path("maker.pem")).expect("a certificate");
    hub.ask("anchor add", json!({"anchor": "lumen", "certificate": certificate})).expect("trusted");
    hub
}

/// A device that went all the way: `ldevid.pem` and `ldevid.key` are good.
fn enrolled_hub(serial_number: &str) -> Running {
    let hub = trusting_hub(serial_number);
    let device = format!("lumen-{serial_number}");
    request(hub.folder.path(), "ldevid", &format!("/serialNumber={serial_number}"));
    let ask = || {
        curl(
            &hub,
            Some("idevid"),
            "/.well-known/est/simpleenroll",
            Some(("application/pkcs10", "ldevid.b64")),
        )
    };
    assert_eq!(ask().status, "202");
    hub.ask("onboarding admit", json!({"device": device})).expect("admitted");
    assert_eq!(ask().status, "200", "{}", said(&hub));
    keep_certificate(&hub, "ldevid", "hub/ca.pem");
    std::fs::write(hub.path("status"), r#"{"version":1,"status":true}"#).expect("written");
    let status =
        curl(&hub, Some("ldevid"), "/.well-known/brski/enrollstatus", Some(("application/json", "status")));
    assert_eq!(status.status, "200", "{}", said(&hub));
    hub
}

pub fn stage(hub: &Running, device: &str) -> String {
    let shown = hub.ask("device show", json!({"device": device})).expect("a device");
    shown["stage"].as_str().expect("a stage").to_string()
}

#[test]
fn curl_enrols() {
    if !have("est::curl_enrols", TOOLS) {
        return;
    }
    let hub = trusting_hub("A1");
    let folder = hub.folder.path();

    assert_eq!(curl(&hub, None, "/.well-known/est/cacerts", None).status, "200");
    run(folder, "openssl", &["base64", "-d", "-A", "-in", "answer", "-out", "cacerts.p7"]);
    let certificates =
        run(folder, "openssl", &["pkcs7", "-inform", "DER", "-in", "cacerts.p7", "-print_certs"]);
    assert!(certificates.contains("Steward main"), "{certificates}");

    assert_eq!(curl(&hub, Some("idevid"), "/.well-known/est/csrattrs", None).status, "200");
    run(folder, "openssl", &["base64", "-d", "-A", "-in", "answer", "-out", "csrattrs"]);
    let attributes = run(folder, "openssl", &["asn1parse", "-inform", "DER", "-in", "csrattrs"]);
    assert!(attributes.contains("prime256v1") && attributes.contains("ecdsa-with-SHA256"), "{attributes}");

    request(folder, "ldevid", "/serialNumber=A1");
    let ask = || {
        curl(
            &hub,
            Some("idevid"),
            "/.well-known/est/simpleenroll",
            Some(("application/pkcs10", "ldevid.b64")),
        )
    };
    let waiting = ask();
    assert_eq!(waiting.status, "202");
    assert!(waiting.head.to_lowercase().contains("retry-after: "), "{}", waiting.head);
    assert_eq!(stage(&hub, "lumen-A1"), "discovered");

    hub.ask("onboarding admit", json!({"device": "lumen-A1"})).expect("admitted");
    assert_eq!(stage(&hub, "lumen-A1"), "onboarding");
    assert_eq!(ask().status, "200");
    keep_certificate(&hub, "ldevid", "hub/ca.pem");
    let first = said(&hub);
    assert_eq!(ask().status, "200", "an answer that was lost is given again");
    assert_eq!(said(&hub), first);
    let text = run(folder, "openssl", &["x509", "-in", "ldevid.pem", "-noout", "-text"]);
    assert!(text.contains("serialNumber = A1") && text.contains("TLS Web Client Authentication"), "{text}");

    std::fs::write(folder.join("status"), r#"{"version":1,"status":true,"reason":"fine"}"#).expect("written");
    let report = |identity| {
        curl(&hub, Some(identity), "/.well-known/brski/enrollstatus", Some(("application/json", "status")))
    };
    assert_eq!(report("ldevid").status, "200");
    assert_eq!(stage(&hub, "lumen-A1"), "operational");
    hub.ask("audit check", json!({})).expect("rows equal the journal");
    hub.ask("audit verify", json!({})).expect("the journal is whole");
}

#[test]
fn curl_renews() {
    if !have("est::curl_renews", TOOLS) {
        return;
    }
    let hub = enrolled_hub("A1");
    let subject = run(
        hub.folder.path(),
        "openssl",
        &["x509", "-in", "ldevid.pem", "-noout", "-subject", "-nameopt", "compat"],
    );
    let subject = subject.trim().trim_start_matches("subject=").to_string();
    request(hub.folder.path(), "next", &subject);
    let renew = |identity| {
        curl(
            &hub,
            Some(identity),
            "/.well-known/est/simplereenroll",
            Some(("application/pkcs10", "next.b64")),
        )
    };
    assert_eq!(renew("idevid").status, "403", "a renewal is asked for with the LDevID");
    assert_eq!(renew("ldevid").status, "200", "{}", said(&hub));
    keep_certificate(&hub, "next", "hub/ca.pem");
    request(hub.folder.path(), "other", "/serialNumber=A1/CN=somebody-else");
    let other = curl(
        &hub,
        Some("next"),
        "/.well-known/est/simplereenroll",
        Some(("application/pkcs10", "other.b64")),
    );
    assert_eq!(other.status, "400", "{}", said(&hub));
    let shown = hub.ask("onboarding show", json!({"device": "lumen-A1"})).expect("shown");
    assert_eq!(
        shown["ldevids"].as_array().map(Vec::len),
        Some(2),
        "both are good while it takes up the new one"
    );
}

#[test]
fn what_is_not_well_formed_is_refused_and_nothing_is_stored() {
    if !have("est::what_is_not_well_formed", TOOLS) {
        return;
    }
    let hub = trusting_hub("A1");
    request(hub.folder.path(), "good", "/serialNumber=A1");
    request(hub.folder.path(), "foreign", "/serialNumber=B2");
    std::fs::write(hub.path("garbage.b64"), "!!! not base64 !!!").expect("written");
    std::fs::write(hub.path("empty.b64"), "").expect("written");
    std::fs::write(hub.path("huge.b64"), "A".repeat(70_000)).expect("written");
    let check = |identity: Option<&str>, path: &str, post: Option<(&str, &str)>, status: &str, code: &str| {
        assert_eq!(curl(&hub, identity, path, post).status, status, "{path} {post:?}: {}", said(&hub));
        assert!(said(&hub).starts_with(code), "{path} {post:?}: {}", said(&hub));
    };
    let enrol = "/.well-known/est/simpleenroll";
    let pkcs10 = "application/pkcs10";
    check(None, enrol, Some((pkcs10, "good.b64")), "403", "no-certificate");
    check(Some("idevid"), enrol, Some(("application/json", "good.b64")), "400", "not-pkcs10");
    check(Some("idevid"), enrol, Some((pkcs10, "garbage.b64")), "400", "bad-est-body");
    check(Some("idevid"), enrol, Some((pkcs10, "empty.b64")), "400", "bad-");
    check(Some("idevid"), enrol, Some((pkcs10, "huge.b64")), "413", "body-too-large");
    check(Some("idevid"), enrol, Some((pkcs10, "foreign.b64")), "400", "another-serial-number");
    check(Some("idevid"), enrol, None, "405", "");
    check(Some("idevid"), "/.well-known/est/fullcmc", None, "404", "door-unknown");
    let counts = hub.ask("device count", json!({})).expect("counts");
    assert_eq!(counts["total"], 0);
}

/// The device's next certificate, for a key of its own: `next.pem` and `next.key`.
fn renew(hub: &Running) {
    let words = ["x509", "-in", "ldevid.pem", "-noout", "-subject", "-nameopt", "compat"];
    let subject = run(hub.folder.path(), "openssl", &words);
    request(hub.folder.path(), "next", subject.trim().trim_start_matches("subject="));
    let next = Some(("application/pkcs10", "next.b64"));
    assert_eq!(
        curl(hub, Some("ldevid"), "/.well-known/est/simplereenroll", next).status,
        "200",
        "{}",
        said(hub)
    );
    keep_certificate(hub, "next", "hub/ca.pem");
}

#[test]
fn a_flood_costs_its_sender_and_nobody_else() {
    if !have("est::a_flood", TOOLS) {
        return;
    }
    let hub = enrolled_hub("A1");
    renew(&hub);
    let entries = || hub.ask("audit list", json!({"limit": 1})).expect("entries")["items"][0]["seq"].clone();
    let before = entries().as_i64().expect("a number");
    let report = |identity| {
        curl(&hub, Some(identity), "/.well-known/brski/enrollstatus", Some(("application/json", "bad")))
    };
    std::fs::write(hub.path("bad"), r#"{"version":1,"status":false,"reason":"again"}"#).expect("written");
    let answers: Vec<String> =
        (0..2 * hub::limits::DEVICE_REQUESTS_MAX).map(|_| report("ldevid").status).collect();
    let refused = answers.iter().filter(|status| *status == "429").count();
    assert!(answers[0] == "200" && refused > 0, "{answers:?}");
    let written = entries().as_i64().expect("a number") - before;
    assert!(
        written <= (answers.len() - refused) as i64,
        "{written} entries, {refused} of {} refused",
        answers.len()
    );
    let renewed = (0..10).filter(|_| report("next").status == "429").count();
    assert!(renewed > 0, "a certificate for another key is no other device");
    // Its IDevID is judged apart: it says who its maker made.
    assert_eq!(report("idevid").status, "200", "{}", said(&hub));
}

#[test]
fn a_stranger_gets_no_byte() {
    if !have("est::a_stranger_gets_no_byte", TOOLS) {
        return;
    }
    let hub = Running::start();
    maker(hub.folder.path(), "A1");
    let answer = curl(&hub, Some("idevid"), "/.well-known/est/csrattrs", None);
    assert_eq!((answer.status.as_str(), answer.head.as_str()), ("000", ""));
}

/// A revoked device: its open connection, its next one, and one that tries to resume get no byte.
#[test]
fn a_revoked_device_gets_no_byte() {
    if !have("est::a_revoked_device_gets_no_byte", TOOLS) {
        return;
    }
    let hub = enrolled_hub("A1");
    let (devices, people) = (hub.devices.to_string(), hub.people.to_string());
    let folder = hub.folder.path();
    let connect = |to: &str, more: &[&str]| {
        let words = ["s_client", "-connect", to, "-CAfile", "hub/ca.pem", "-quiet", "-ign_eof"];
        OpenConnection::start(folder, &[&words[..], more].concat())
    };
    let device = ["-cert", "ldevid.pem", "-key", "ldevid.key"];
    let request = "GET /.well-known/est/csrattrs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut open = connect(&devices, &device);
    let first = open.ask(request);
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    // What a session could be resumed with, for each version of TLS: this listener gives nothing, and the other
    // one does.
    let healthz = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_3", "-tls1_2"] {
        let own = format!("devices{version}");
        let mut before = connect(&devices, &[&device[..], &[version, "-sess_out", &own]].concat());
        assert!(before.ask(request).starts_with("HTTP/1.1 200"));
        drop(before);
        assert!(!hub.path(&own).exists(), "a session with the devices' listener could be resumed");
        let other = format!("people{version}");
        assert!(connect(&people, &[version, "-sess_out", &other]).rest(healthz).starts_with("HTTP/1.1 200"));
        let resumed = ["s_client", "-connect", &people, "-CAfile", "hub/ca.pem", version, "-sess_in", &other];
        let said = output(folder, "openssl", &resumed).stdout;
        assert!(
            String::from_utf8_lossy(&said).contains("Reused, TLSv"),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }

    hub.ask("device retire", json!({"device": "lumen-A1", "why": "test"})).expect("retired");

    assert_eq!(open.rest(request), "", "the open connection ended without a byte");
    for version in ["-tls1_3", "-tls1_2"] {
        let session = format!("people{version}");
        let resuming = connect(&devices, &[&device[..], &[version, "-sess_in", &session]].concat());
        assert_eq!(resuming.rest(request), "", "{version}: one that tries to resume got a byte");
    }
    let next = curl(&hub, Some("ldevid"), "/.well-known/est/csrattrs", None);
    assert_eq!((next.status.as_str(), next.head.as_str()), ("000", ""));
    let refused =
        hub.own(Report { proof: Proof::Ldevid { serial: "00".into() }, good: true, reason: String::new() });
    assert_eq!(refused.map_err(|why| why.code), Err("ldevid-ended"));
    assert_eq!(stage(&hub, "lumen-A1"), "retired");
}

/// One `openssl s_client` whose input stays open.
struct OpenConnection {
    child: std::process::Child,
    input: std::process::ChildStdin,
    output: std::process::ChildStdout,
}

impl OpenConnection {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        use std::process::{Command, Stdio};
        let mut command = Command::new("openssl");
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("openssl");
        let input = child.stdin.take().expect("its input");
        let output = child.stdout.take().expect("its output");
        OpenConnection { child, input, output }
    }

    /// Sends a request and reads the beginning of the answer.
    fn ask(&mut self, request: &str) -> String {
        use std::io::{Read as _, Write as _};
        self.input.write_all(request.as_bytes()).expect("sent");
        let mut some = [0; 4096];
        let mut answer = Vec::new();
        // Head and body may come in two pieces; the body is base64 and ends the answer.
        while !answer.windows(4).any(|w| w == b"\r\n\r\n") || answer.ends_with(b"\r\n\r\n") {
            let read = self.output.read(&mut some).expect("an answer");
            assert_ne!(read, 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&some[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends a request if that is still possible, and reads to the end.
    fn rest(mut self, request: &str) -> String {
        use std::io::{Read as _, Write as _};
        let _ = self.input.write_all(request.as_bytes());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("the end");
        rest
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A manufacturer's hub with one device that was born by curl: `idevid.pem` and `idevid.key`.
pub fn born(serial_number: &str) -> Running {
    let hub = Running::start();
    factory(&hub, "https://masa.example", "https://mud.example/lamp-7.json");
    bear_device(&hub, serial_number);
    hub
}

/// The hub of a manufacturer whose devices name `masa_url` and `mud_url`.
pub fn factory(hub: &Running, masa_url: &str, mud_url: &str) {
    let product = json!({
        "product": "lamp-7", "hardware_type": "1.3.6.1.4.1.32473.7",
        "mud_url": mud_url, "masa_url": masa_url,
    });
    hub.ask("product add", product).expect("offered");
    hub.ask("account add", json!({"account": "line-1", "permission": "operate"})).expect("added");
}

/// One more device, in `idevid.pem` and `idevid.key`.
pub fn bear_device(hub: &Running, serial_number: &str) {
    request(hub.folder.path(), "idevid", &format!("/serialNumber={serial_number}"));
    assert_eq!(bear(hub, &line_token(hub), "lamp-7"), "200", "{}", said(hub));
    keep_certificate(hub, "idevid", "hub/factory.pem");
}

fn line_token(hub: &Running) -> String {
    let token = hub.ask("token issue", json!({"account": "line-1", "label": "line"})).expect("issued");
    token["secret"].as_str().expect("a secret").to_string()
}

/// The line asks for the IDevID of `idevid.b64` under the product's label.
fn bear(hub: &Running, token: &str, label: &str) -> String {
    let url = format!("https://{}/.well-known/est/{label}/simpleenroll", hub.people);
    let user = format!(":{token}");
    let mut arguments = vec!["--silent", "--max-time", "10", "--cacert", "hub/ca.pem", "--output", "answer"];
    arguments.extend(["--write-out", "%{http_code}", "--user", &user, "--data-binary", "@idevid.b64"]);
    arguments.extend(["--header", "Content-Type: application/pkcs10", &url]);
    String::from_utf8_lossy(&output(hub.folder.path(), "curl", &arguments).stdout).into_owned()
}

/// A factory's line with curl: a device is born with an IDevID that OpenSSL reads.
#[test]
fn a_device_is_born_once() {
    if !have("est::a_device_is_born_once", TOOLS) {
        return;
    }
    let hub = born("A1");
    let folder = hub.folder.path();
    let text = run(folder, "openssl", &["x509", "-in", "idevid.pem", "-noout", "-text"]);
    let (mud_url, masa_url) = ("https://mud.example/lamp-7.json", "1.3.6.1.5.5.7.1.32");
    let end = "Not After : Dec 31 23:59:59 9999 GMT";
    for part in ["serialNumber = A1", end, mud_url, masa_url, "othername"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (token, first) = (line_token(&hub), said(&hub));
    assert_eq!(bear(&hub, &token, "lamp-7"), "200");
    assert_eq!(said(&hub), first, "the same key gets the same IDevID");
    assert_eq!(bear(&hub, "steward_wrong", "lamp-7"), "401");
    assert_eq!(bear(&hub, &token, "lamp-8"), "404");
    let url = format!("https://{}/.well-known/est/lamp-7/cacerts", hub.people);
    let asked = ["--silent", "--max-time", "10", "--cacert", "hub/ca.pem", "--fail", &url];
    assert!(!run(folder, "curl", &asked).is_empty(), "without a token (RFC 7030 section 4.1.2)");
    request(folder, "idevid", "/serialNumber=A1");
    assert_eq!(bear(&hub, &token, "lamp-7"), "409", "a serial number is given once");
    hub.ask("audit check", json!({})).expect("rows equal the journal");
}

/// A device that was born at this hub's factory joins by the maker's rule; after a revocation only a
/// person admits it again.
#[test]
fn a_revoked_device_asks_again_and_no_rule_admits_it() {
    if !have("est::a_revoked_device_asks_again", TOOLS) {
        return;
    }
    let hub = born("A1");
    let certificate = std::fs::read_to_string(hub.path("hub/factory.pem")).expect("a certificate");
    let anchor = json!({"anchor": "lumen", "certificate": certificate, "admission": "automatic"});
    hub.ask("anchor add", anchor).expect("trusted");
    request(hub.folder.path(), "ldevid", "/serialNumber=A1");
    let enrol = "/.well-known/est/simpleenroll";
    let ask = || curl(&hub, Some("idevid"), enrol, Some(("application/pkcs10", "ldevid.b64")));
    assert_eq!(ask().status, "202", "its description is not verified");
    hub.ask("description waive", json!({"device": "lumen-A1", "why": "a test"})).expect("waived");
    assert_eq!(ask().status, "200", "{}", said(&hub));
    hub.ask("onboarding revoke", json!({"device": "lumen-A1", "why": "its key leaked"})).expect("revoked");
    assert_eq!(stage(&hub, "lumen-A1"), "expected");
    assert_eq!(ask().status, "202", "{}", said(&hub));
    assert_eq!(stage(&hub, "lumen-A1"), "discovered");
    hub.ask("onboarding admit", json!({"device": "lumen-A1"})).expect("admitted");
    assert_eq!(ask().status, "200", "{}", said(&hub));
    hub.ask("anchor remove", json!({"anchor": "lumen"})).expect("removed");
    assert_eq!(ask().status, "000", "its maker is not trusted any more");
    hub.ask("audit check", json!({})).expect("rows equal the journal");
}
