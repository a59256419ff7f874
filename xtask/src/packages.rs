//! Installs the Debian packages that the tests need.

use std::process::Command;

use crate::limits::INSTALL_TRIES_MAX;
use crate::programs;
use crate::tally::Tally;

/// A Debian package, the program by which its presence is known, and what it is for.
struct Package {
    name: &'static str,
    program: &'static str,
    why: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "postgresql", program: "initdb", why: "the store's tests on their second engine" },
    Package { name: "chromium", program: "chromium", why: "the page tests" },
    Package { name: "chromium-driver", program: "chromedriver", why: "drives the page tests" },
    Package { name: "openssl", program: "openssl", why: "judges certificates, CMS and TLS" },
    Package { name: "curl", program: "curl", why: "judges the API and EST" },
    Package { name: "nftables", program: "nft", why: "packets against compiled policies" },
    Package { name: "iproute2", program: "ip", why: "network namespaces for the packets" },
    Package { name: "socat", program: "socat", why: "puts recorded frames on a wire" },
    Package { name: "procps", program: "ps", why: "memory and life of the processes under test" },
];

/// What `apt-get` is told besides the command: wait for another installation, and retry downloads
/// (mirrors fail for minutes at times; apt waits up to 30 s between its retries).
const APT_OPTIONS: [&str; 4] = ["-o", "DPkg::Lock::Timeout=600", "-o", "Acquire::Retries=8"];

/// How `apt-get` may be called here, or why not.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Root,
    Sudo,
    Not(&'static str),
}

/// Installs what is missing, and adds a skip for each program that is still missing afterwards.
pub fn install(tally: &mut Tally) {
    let missing = missing();
    if missing.is_empty() {
        println!("nothing to install");
        return;
    }
    let way = way();
    if let Way::Not(why) = way {
        for package in missing {
            tally.skip(skip_line(package, why));
        }
        return;
    }
    for package in &missing {
        println!("installing the Debian package {}: {}", package.name, package.why);
    }
    fetch_and_install(&way, &missing);
    for package in self::missing() {
        tally.skip(skip_line(package, "apt-get could not install it, see above"));
    }
}

fn missing() -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| programs::find(package.program).is_none()).collect()
}

fn skip_line(package: &Package, why: &str) -> String {
    format!("package {}: {why}; it is for: {}", package.name, package.why)
}

fn way() -> Way {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let debian = is_debian(&release) && programs::find("apt-get").is_some();
    let sudo = || programs::output(Command::new("sudo").args(["-n", "true"])).is_ok();
    choose_way(debian, programs::is_root(), sudo)
}

fn choose_way(debian: bool, root: bool, sudo: impl FnOnce() -> bool) -> Way {
    match (debian, root) {
        (false, _) => Way::Not("missing, and this is no Debian: install it by hand"),
        (true, true) => Way::Root,
        (true, false) if sudo() => Way::Sudo,
        (true, false) => Way::Not("missing, and neither root nor `sudo -n`"),
    }
}

/// Whether os-release(5) names Debian or a distribution made from it.
fn is_debian(release: &str) -> bool {
    let value = |line: &str| {
        let (key, value) = line.split_once('=')?;
        matches!(key, "ID" | "ID_LIKE").then(|| value.trim_matches('"').to_owned())
    };
    release.lines().filter_map(value).any(|ids| ids.split_whitespace().any(|id| id == "debian"))
}

/// One `update`, then all packages at once; if that fails, one by one, so that one unknown name does not
/// keep the others out.
fn fetch_and_install(way: &Way, missing: &[&Package]) {
    if let Err(error) = apt_get(way, &["update"]) {
        println!("{error}: installing from the lists that are there");
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let whole = ["install", "-y", "--no-install-recommends"].iter().copied().chain(names.iter().copied());
    if apt_get(way, &whole.collect::<Vec<_>>()).is_ok() {
        return;
    }
    for name in names {
        if let Err(error) = apt_get(way, &["install", "-y", "--no-install-recommends", name]) {
            println!("{error}");
        }
    }
}

fn apt_get(way: &Way, words: &[&str]) -> Result<(), String> {
    let mut outcome = Ok(());
    for _ in 0..INSTALL_TRIES_MAX {
        let mut command = match way {
            Way::Sudo => Command::new("sudo"),
            Way::Root | Way::Not(_) => Command::new("env"),
        };
        if *way == Way::Sudo {
            command.args(["-n", "env"]);
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]).args(APT_OPTIONS).args(words);
        outcome = programs::run(&mut command);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::{Way, choose_way, is_debian};

    #[test]
    fn debian_is_known_by_its_id() {
        assert!(is_debian("NAME=\"Debian GNU/Linux\"\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nHOME_URL=https://debian.example\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn the_way_is_root_then_sudo_then_none() {
        assert_eq!(choose_way(true, true, || false), Way::Root);
        assert_eq!(choose_way(true, false, || true), Way::Sudo);
        assert!(matches!(choose_way(true, false, || false), Way::Not(why) if why.contains("sudo")));
        assert!(matches!(choose_way(false, true, || true), Way::Not(why) if why.contains("Debian")));
    }
}
