//! Three network namespaces in a row: the hub, a router, and the site with its devices.
//!
//! The hub's side is 198.51.100.0/24 (the hub is .2), the site's is 192.0.2.0/24 (a device is .2); the router
//! is .1 on both (addresses of RFC 5737).
use crate::support::Process;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;

/// The namespaces, by what their names begin with; they go when it does.
pub struct Lab(String);

impl Lab {
    /// Makes them; `name` is nobody else's of this process.
    pub fn new(name: &str) -> Result<Self, String> {
        let lab = Lab(format!("steward-{name}-{}", std::process::id()));
        let name = &lab.0;
        for part in ["hub", "gate", "site"] {
            run(&format!("ip netns add {name}-{part}"))?;
            run(&format!("ip -n {name}-{part} link set lo up"))?;
        }
        for (part, address, way, way_address) in
            [("hub", "198.51.100.2", "wan", "198.51.100.1"), ("site", "192.0.2.2", "lan", "192.0.2.1")]
        {
            let end = format!("{name}-{part}");
            run(&format!("ip link add eth0 netns {end} type veth peer name {way} netns {name}-gate"))?;
            run(&format!("ip -n {end} address add {address}/24 dev eth0"))?;
            run(&format!("ip -n {end} link set eth0 up"))?;
            run(&format!("ip -n {name}-gate address add {way_address}/24 dev {way}"))?;
            run(&format!("ip -n {name}-gate link set {way} up"))?;
        }
        run(&format!("ip -n {name}-site route add default via 192.0.2.1"))?;
        run(&format!("ip netns exec {name}-gate sysctl -q -w net.ipv4.ip_forward=1"))?;
        Ok(lab)
    }

    /// Runs `ip` with words about a namespace.
    ///
    /// # Errors
    /// Its own words.
    pub fn ip(&self, part: &str, words: &str) -> Result<(), String> {
        run(&format!("ip -n {}-{part} {words}", self.0))
    }

    /// Runs `nft` in the namespace between the two others.
    ///
    /// # Errors
    /// Its own words.
    pub fn nft(&self, rule: &str) -> Result<(), String> {
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &format!("{}-gate", self.0), "nft", rule]);
        succeed(&mut nft)
    }

    /// Starts a process there.
    pub fn start(&self, part: &str, command: &mut Command) -> Process {
        self.within(part, || Process::start(command))
    }

    /// Does something there.
    pub fn within<T: Send>(&self, part: &str, something: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let done = scope.spawn(|| {
                self.enter(part);
                something()
            });
            done.join().unwrap()
        })
    }

    /// Moves this thread, and what it starts from now on.
    pub fn enter(&self, part: &str) {
        let namespace = File::open(format!("/run/netns/{}-{part}", self.0)).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for part in ["hub", "gate", "site"] {
            // It may not be there yet.
            let _ = run(&format!("ip netns del {}-{part}", self.0));
        }
    }
}

fn run(line: &str) -> Result<(), String> {
    let mut words = line.split(' ');
    succeed(Command::new(words.next().unwrap()).args(words))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|why| format!("{command:?}: {why}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", why.trim())) }
}
