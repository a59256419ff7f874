//! The shell over real TLS, with openssl and curl as judges.
use crate::registrar::{Registrar, text};
use crate::served::{PATIENCE, Served};
use crate::support::{Identity, LIFE, SERIAL_NUMBER, has, ldevid, openssl, registrar};
use agent::AgentError;
use agent::machine::{Answer, Stage, check_server};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use wire::certificate::profile::Profile;
use wire::voucher::{Voucher, VoucherRequest};
use wire::{Certificate, est};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_a_device_sends_and_stores_is_good_by_openssl() {
    if !has("what_a_device_sends_and_stores_is_good_by_openssl", "openssl") {
        return;
    }
    let served = Served::new().await;
    let folder = served.folder();
    served.enrol(folder.path()).await;
    let csr = {
        let domain = served.registrar();
        assert_eq!(domain.paths(), ["cacerts", "csrattrs", "simpleenroll", "enrollstatus"]);
        est::decode_body(&domain.asked[2].body).unwrap()
    };
    let ok = |command: &str| {
        let (good, said) = openssl(folder.path(), command);
        assert!(good, "openssl {command}: {said}");
        said
    };
    std::fs::write(folder.path().join("csr.der"), &csr).unwrap();
    let subject = format!("subject=serialNumber = {SERIAL_NUMBER}");
    let said = ok("req -inform DER -in csr.der -verify -noout -subject");
    assert!(said.contains(&subject) && said.contains("verify OK"), "{said}");
    ok("verify -CAfile anchor.pem -purpose sslclient ldevid/certificate.pem");
    ok("verify -CAfile anchors.pem ldevid/certificate.pem");
    let of_key = ok("pkey -in ldevid/1.key -pubout");
    let of_certificate = ok("x509 -in ldevid/certificate.pem -noout -pubkey");
    assert_eq!(of_key, of_certificate);
    assert_eq!(of_key, ok("req -inform DER -in csr.der -noout -pubkey"));
    // Damage is seen.
    let last = csr.len() - 1;
    let damaged = [&csr[..last], &[csr[last] ^ 1]].concat();
    std::fs::write(folder.path().join("csr.der"), damaged).unwrap();
    let (_, said) = openssl(folder.path(), "req -inform DER -in csr.der -verify -noout");
    assert!(said.contains("verify failure"), "{said}");
}

#[tokio::test]
async fn the_stored_identity_is_good_for_curl() {
    if !has("the_stored_identity_is_good_for_curl", "curl") {
        return;
    }
    let served = Served::new().await;
    let folder = served.folder();
    served.enrol(folder.path()).await;
    let curl = async |key: &str| {
        let done = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--cacert", "anchors.pem", "--cert", "ldevid/certificate.pem"])
            .args(["--key", key, "--write-out", "%{http_code}", "--data", r#"{"version":1,"status":true}"#])
            .arg(served.url("/.well-known/brski/enrollstatus"))
            .current_dir(folder.path())
            .output();
        let done = tokio::time::timeout(PATIENCE, done).await.unwrap().unwrap();
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    assert_eq!(curl("ldevid/1.key").await, "noted200");
    assert!(!curl("idevid.key").await.contains("200"));
    let shown = served.registrar().asked.last().unwrap().peer.clone().unwrap();
    assert_eq!(shown.serial_number().as_deref(), Some(SERIAL_NUMBER));
    assert_eq!(shown.issuer(), served.registrar().authority.certificate.subject());
}

#[tokio::test]
async fn a_voucher_and_its_request_are_good_by_openssl() {
    if !has("a_voucher_and_its_request_are_good_by_openssl", "openssl") {
        return;
    }
    let served = Served::new().await;
    let folder = served.untouched_folder();
    served.enrol(folder.path()).await;
    let joining = ["requestvoucher", "voucher_status", "cacerts", "csrattrs", "simpleenroll", "enrollstatus"];
    assert_eq!(served.registrar().paths(), joining);
    let ok = |command: &str| {
        let (good, said) = openssl(folder.path(), command);
        assert!(good, "openssl {command}: {said}");
        said
    };
    let verify = |file: &str| {
        format!(
            "cms -verify -inform DER -in {file} -CAfile masa.pem -purpose any -signer by.pem -out said.json"
        )
    };
    ok(&verify("voucher-request.vcj"));
    assert_eq!(ok("x509 -in by.pem -outform PEM"), ok("x509 -in idevid.pem -outform PEM"));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let asks = VoucherRequest::from_json(&read("said.json")).unwrap();
    assert_eq!(asks.proximity_registrar_cert.as_ref(), Some(&served.registrar().shown.certificate));
    ok(&verify("voucher.vcj"));
    let voucher = Voucher::from_json(&read("said.json")).unwrap();
    assert_eq!(voucher.nonce, asks.nonce);
    let pinned = Certificate::from_pem(&String::from_utf8(read("pinned.pem")).unwrap()).unwrap();
    assert_eq!(voucher.pinned_domain_cert.as_ref(), Some(&pinned));
    ok("verify -CAfile pinned.pem ldevid/certificate.pem");
    for file in ["voucher-request.vcj", "voucher.vcj"] {
        let mut damaged = read(file);
        *damaged.last_mut().unwrap() ^= 1;
        std::fs::write(folder.path().join("damaged"), damaged).unwrap();
        assert!(!openssl(folder.path(), &verify("damaged")).0, "{file}");
    }
    let all = [
        ".lock",
        "anchors.pem",
        "by.pem",
        "damaged",
        "idevid.key",
        "idevid.pem",
        "ldevid",
        "masa.pem",
        "pinned.pem",
        "said.json",
        "voucher-request.vcj",
        "voucher.vcj",
    ];
    assert_eq!(names(folder.path()), all);
}

/// Somebody between a device and its registrar gets no further than to be refused: by the registrar,
/// which sees that the device saw another certificate, or by the device.
#[tokio::test]
async fn a_relay_with_a_certificate_of_its_own_is_refused() {
    let relay = Identity::root("relay").issue(&registrar());
    for does_registrar_look in [true, false] {
        let mut domain = Registrar::new(io::clock::now_millis());
        if !does_registrar_look {
            domain.shown.certificate = relay.certificate.clone();
        }
        let served = Served::showing(domain, &relay).await;
        let folder = served.untouched_folder();
        let enough = |stage, domain: &Registrar| {
            assert_eq!(stage, Stage::Joining);
            domain.asked.len() >= 6
        };
        served.run_until(folder.path(), served.settings(), enough).await.unwrap();
        assert_eq!(names(folder.path()), [".lock", "idevid.key", "idevid.pem", "ldevid", "masa.pem"]);
        assert!(names(&folder.path().join("ldevid")).is_empty());
        let domain = served.registrar();
        let is_asking = |path: &&str| ["requestvoucher", "voucher_status"].contains(path);
        assert!(domain.paths().iter().all(is_asking), "{:?}", domain.paths());
        assert_eq!(domain.told_of_vouchers.is_empty(), does_registrar_look);
        for told in &domain.told_of_vouchers {
            assert!(!told.good && told.reason.as_ref().unwrap().contains("(RFC 8995 section 5.6.2)"));
        }
    }
}

#[tokio::test]
async fn the_folder_holds_what_is_said_and_is_private() {
    let served = Served::new().await;
    let folder = served.folder();
    served.registrar().instead.push_back((est::SIMPLE_ENROLL_PATH, text(500, "oh")));
    let later = Answer { retry_after_seconds: Some(1), ..text(202, "later") };
    served.registrar().instead.push_back((est::SIMPLE_ENROLL_PATH, later));
    served.enrol(folder.path()).await;
    let all = [".lock", "anchor.pem", "anchors.pem", "idevid.key", "idevid.pem", "ldevid"];
    assert_eq!(names(folder.path()), all);
    let ldevid = folder.path().join("ldevid");
    assert_eq!(names(&ldevid), ["1.key", "certificate.pem", "told"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&ldevid), 0o700);
    names(&ldevid).iter().for_each(|name| assert_eq!(mode(&ldevid.join(name)), 0o600, "{name}"));
    // Nothing is asked again by one that starts young.
    let asked = served.registrar().asked.len();
    let enough = |_, domain: &Registrar| domain.asked.len() > asked;
    served.run_until(folder.path(), served.settings(), enough).await.unwrap();
    assert_eq!(served.registrar().paths()[asked..], ["cacerts"]);
}

#[tokio::test]
async fn an_old_certificate_is_renewed_with_a_new_key() {
    let served = Served::new().await;
    let folder = served.folder();
    let now = served.registrar().now;
    served.registrar().now = now - LIFE / 4 * 3;
    served.enrol(folder.path()).await;
    served.registrar().now = now;
    let read = || {
        let pem = std::fs::read_to_string(folder.path().join("ldevid/certificate.pem")).unwrap();
        Certificate::from_pem(&pem).unwrap()
    };
    let old = read();
    let enough = |_, domain: &Registrar| domain.told.len() == 2;
    served.run_until(folder.path(), served.settings(), enough).await.unwrap();
    let new = read();
    assert_ne!(old.public_key(), new.public_key());
    let domain = served.registrar();
    assert_eq!(domain.paths()[4..], ["cacerts", "csrattrs", "simplereenroll", "enrollstatus"]);
    let shown: Vec<_> = domain.asked[4..].iter().map(|asked| asked.peer.clone().unwrap()).collect();
    assert_eq!(shown, [old.clone(), old.clone(), old, new]);
}

/// Its LDevID was revoked while it was off, and the hub ends its connections without a word. What it has stays
/// until there is something new.
#[tokio::test]
async fn a_device_that_was_revoked_while_it_was_off_asks_anew() {
    let served = Served::new().await;
    let folder = served.folder();
    served.enrol(folder.path()).await;
    let read = || {
        let pem = std::fs::read_to_string(folder.path().join("ldevid/certificate.pem")).unwrap();
        Certificate::from_pem(&pem).unwrap()
    };
    let old = read();
    served.registrar().unheard.push(old.clone());
    let later = Answer { retry_after_seconds: Some(1), ..text(202, "nobody has admitted it again") };
    served.registrar().instead.push_back((est::SIMPLE_ENROLL_PATH, later));
    let waits = |_, domain: &Registrar| domain.instead.is_empty();
    served.run_until(folder.path(), served.settings(), waits).await.unwrap();
    assert_eq!((read(), served.registrar().issued.len()), (old.clone(), 1));
    let enough = |_, domain: &Registrar| domain.told.len() == 2;
    served.run_until(folder.path(), served.settings(), enough).await.unwrap();
    assert_ne!(read().public_key(), old.public_key());
    assert_eq!(served.registrar().issued.len(), 2);
}

#[tokio::test]
async fn many_devices_run_in_one_process() {
    let served = Served::new().await;
    let folders: Vec<_> = (0..4).map(|_| served.folder()).collect();
    tokio::join!(
        served.enrol(folders[0].path()),
        served.enrol(folders[1].path()),
        served.enrol(folders[2].path()),
        served.enrol(folders[3].path()),
    );
    assert_eq!(served.registrar().issued.len(), 4);
}

#[tokio::test]
async fn a_server_of_another_domain_hears_nothing() {
    let domain = Registrar::new(io::clock::now_millis());
    let foreign = Identity::root("foreign").issue(&registrar());
    let served = Served::showing(domain, &foreign).await;
    let folder = served.folder();
    let mut looks = 0;
    let enough = |stage, domain: &Registrar| {
        assert!(stage == Stage::Joining && domain.asked.is_empty());
        looks += 1;
        looks == 50
    };
    served.run_until(folder.path(), served.settings(), enough).await.unwrap();
    assert!(names(&folder.path().join("ldevid")).is_empty());
}

#[test]
fn servers_are_judged() {
    let (domain, foreign) = (Identity::root("domain"), Identity::root("foreign"));
    let anchors = [domain.certificate.clone()];
    let server = |names: &[&str]| Profile::Server {
        common_name: "server".into(),
        dns_names: names.iter().map(|name| (*name).into()).collect(),
        addresses: vec!["192.0.2.7".parse().unwrap()],
    };
    let check = |issuer: &Identity, profile: &Profile, host: &str, expect: &str| {
        let judged = check_server(&[issuer.issue(profile).certificate], host, &anchors);
        let said = judged.map_or_else(|why| why.to_string(), |()| "good".into());
        assert!(said.contains(expect), "{profile:?} as {host}: {said}");
    };
    check(&domain, &registrar(), "localhost", "good");
    check(&domain, &registrar(), "anything.example", "good");
    check(&domain, &server(&["hub.example"]), "HUB.example", "good");
    check(&domain, &server(&[]), "192.0.2.7", "good");
    check(&domain, &server(&["hub.example"]), "hub.example.org", "neither a registrar nor");
    check(&domain, &server(&[]), "192.0.2.8", "neither a registrar nor");
    check(&domain, &ldevid(), "lamp-7", "not of this domain");
    check(&foreign, &registrar(), "localhost", "not of this domain");
    check(&foreign, &server(&["localhost"]), "localhost", "not of this domain");
    let nothing = check_server(&[], "localhost", &anchors).unwrap_err();
    assert_eq!(nothing.to_string(), "the server showed no certificate");
}

#[tokio::test]
async fn folders_that_cannot_be_used_are_named() {
    let served = Served::new().await;
    let check = async |spoil: &dyn Fn(&Path), expect: &str| {
        let folder = served.folder();
        spoil(folder.path());
        let ended = agent::run(folder.path(), served.settings(), std::future::pending()).await;
        let said = ended.unwrap_err().to_string();
        assert!(said.contains(expect), "{said}");
    };
    let other = served.folder();
    let copy = |name: &'static str| {
        let from = other.path().join(name);
        move |folder: &Path| {
            std::fs::copy(&from, folder.join(name)).unwrap();
        }
    };
    let remove = |name: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(name)).unwrap();
    check(&copy("idevid.key"), "idevid.pem: the certificate is not for the key").await;
    check(&remove("idevid.pem"), "idevid.pem: No such file").await;
    check(&remove("idevid.key"), "idevid.key: No such file").await;
    check(&remove("anchor.pem"), "neither an anchor.pem").await;
    check(&|folder| std::fs::write(folder.join("anchor.pem"), "x").unwrap(), "not exactly one").await;
    let expose = |folder: &Path| {
        let exposed = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.join("idevid.key"), exposed).unwrap();
    };
    check(&expose, "chmod 600").await;
    let bad = agent::run(other.path(), agent::Settings::new("nowhere"), std::future::pending()).await;
    assert!(matches!(bad, Err(AgentError::Registrar { .. })));
}

#[tokio::test]
async fn a_folder_has_one_agent() {
    let served = Served::new().await;
    let folder = served.folder();
    let _held = io::files::FolderLock::take(folder.path()).unwrap();
    let second = agent::run(folder.path(), served.settings(), std::future::pending()).await;
    assert!(second.unwrap_err().to_string().contains("is in use"));
}
