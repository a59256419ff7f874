//! A device behind address translation: three network namespaces, `steward serve` in one, `steward agent` in
//! another, and between them a router that nobody can reach the device through.
use crate::control::{DEVICE, Scene};
use crate::support::{Hub, Process, program, skip};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Who is asked for configurations, in the documentation's addresses (RFC 5737).
const HUB: &str = "198.51.100.2:0";

/// The namespaces, by what their names begin with; they go when it does.
struct Lab(String);

impl Lab {
    fn new() -> Result<Self, String> {
        let lab = Lab(format!("steward-{}", std::process::id()));
        let name = &lab.0;
        for part in ["hub", "nat", "site"] {
            run(&format!("ip netns add {name}-{part}"))?;
            run(&format!("ip -n {name}-{part} link set lo up"))?;
        }
        for (part, address, way, way_address) in
            [("hub", "198.51.100.2", "wan", "198.51.100.1"), ("site", "192.0.2.2", "lan", "192.0.2.1")]
        {
            let end = format!("{name}-{part}");
            run(&format!("ip link add eth0 netns {end} type veth peer name {way} netns {name}-nat"))?;
            run(&format!("ip -n {end} address add {address}/24 dev eth0"))?;
            run(&format!("ip -n {end} link set eth0 up"))?;
            run(&format!("ip -n {name}-nat address add {way_address}/24 dev {way}"))?;
            run(&format!("ip -n {name}-nat link set {way} up"))?;
        }
        // Of the hub's side nobody knows a way to the device.
        run(&format!("ip -n {name}-site route add default via 192.0.2.1"))?;
        run(&format!("ip netns exec {name}-nat sysctl -q -w net.ipv4.ip_forward=1"))?;
        for rule in [
            "add table ip nat",
            "add chain ip nat out { type nat hook postrouting priority 100; }",
            "add rule ip nat out oifname wan masquerade",
        ] {
            let mut nft = Command::new("ip");
            nft.args(["netns", "exec", &format!("{name}-nat"), "nft", rule]);
            succeed(&mut nft)?;
        }
        Ok(lab)
    }

    /// Moves this thread, and what it starts from now on.
    fn enter(&self, part: &str) {
        let namespace = File::open(format!("/run/netns/{}-{part}", self.0)).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for part in ["hub", "nat", "site"] {
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

#[test]
fn behind_address_translation_a_device_joins_and_is_told() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return skip("behind_address_translation_a_device_joins_and_is_told", &why),
    };
    // This thread stays there, and its children with it.
    lab.enter("hub");
    let folder = tempfile::tempdir().unwrap();
    let mut serve = program();
    serve.args(["serve", "--listen", HUB, "--listen-devices", HUB, "--data"]).arg(folder.path().join("hub"));
    let scene = Scene::at(Hub::with(
        {
            serve.env("STEWARD_LOG", "off");
            serve
        },
        folder,
    ));
    let registrar = scene.hub.ready["devices"].as_str().unwrap().to_owned();
    let mut agent = program();
    agent.args(["agent", "--at-once", "--registrar", &registrar, "--data"]).arg(scene.device.path());
    agent.stderr(Stdio::null());
    let mut agent = std::thread::scope(|scope| {
        let start = || {
            lab.enter("site");
            Process::start(&mut agent)
        };
        scope.spawn(start).join().unwrap()
    });
    scene.until("configuration/show", |shown| shown["applied"] == 1);
    TcpStream::connect("192.0.2.2:1").expect_err("there is no way to the device");
    let begin = Instant::now();
    scene.set("{\"interval\":5}", "5");
    scene.until("configuration/show", |shown| shown["applied"] == 2);
    println!("from `configuration set` to applied and confirmed, behind NAT: {:?}", begin.elapsed());
    assert_eq!(scene.holds(), "{\"interval\":5}");
    scene.hub.run(&["device", "show", DEVICE]).exits(0);
    agent.signal("-TERM");
    assert_eq!(agent.ended(), Some(0));
}
