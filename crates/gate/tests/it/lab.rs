//! Three network namespaces in a row: a device, the gate, and everything else.
use crate::frame::Frame;
use gate::nft::{Nft, TABLE};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use wire::packet::Mac;

pub const DEVICE: Mac = Mac([2, 0, 0x5e, 0, 0x53, 1]);
pub const GATE_LAN: Mac = Mac([2, 0, 0x5e, 0, 0x53, 0xa1]);
pub const GATE_WAN: Mac = Mac([2, 0, 0x5e, 0, 0x53, 0xa2]);
pub const NET: Mac = Mac([2, 0, 0x5e, 0, 0x53, 9]);

/// How often a counter is looked at before it is taken to stand still.
const LOOKS: usize = 400;

/// Says that a test did not run, and why; where STEWARD_SKIPS names a file, there too.
fn skip(name: &str, why: &str) {
    eprintln!("SKIP {name}: {why}");
    if let Some(path) = std::env::var_os("STEWARD_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(file, "SKIP {name}: {why}").unwrap();
    }
}

/// The namespaces; they go when it does.
pub struct Lab {
    names: [String; 3],
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

impl Lab {
    /// Makes the namespaces, or says why not.
    pub fn new(test: &str) -> Option<Self> {
        for program in ["ip", "nft", "socat"] {
            if Command::new(program).arg("-V").output().is_err() {
                skip(test, &format!("{program} is not installed"));
                return None;
            }
        }
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = |part: &str| format!("steward-{}-{number}-{part}", std::process::id());
        let lab = Self { names: [name("device"), name("gate"), name("net")] };
        for name in &lab.names {
            let made = Command::new("ip").args(["netns", "add", name]).output().unwrap();
            if !made.status.success() {
                skip(
                    test,
                    &format!("no network namespace: {}", String::from_utf8_lossy(&made.stderr).trim()),
                );
                return None;
            }
        }
        lab.connect();
        Some(lab)
    }

    fn connect(&self) {
        let [device, gate, net] = &self.names;
        for (end, mac, gate_end, gate_mac) in [(device, DEVICE, "lan", GATE_LAN), (net, NET, "wan", GATE_WAN)]
        {
            ip(&format!(
                "link add eth0 netns {end} address {mac} type veth peer name {gate_end} netns {gate} address {gate_mac}"
            ));
            ip(&format!("-n {end} link set eth0 up"));
            ip(&format!("-n {gate} link set {gate_end} up"));
            let watch = format!(
                "table inet {TABLE} {{\n chain watch {{\n type filter hook prerouting priority raw;\n \
                 meta l4proto {{ 1, 6, 17, 47 }} counter comment \"arrived\"\n }}\n }}\n"
            );
            Nft::in_namespace(end).load(&watch).unwrap();
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
                       for it in all lan wan; do echo 0 > /proc/sys/net/ipv4/conf/$it/rp_filter; done; \
                       echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
        run("ip", &["netns", "exec", gate, "sh", "-c", forward]);
        for (end, v4, v6, mac) in [
            ("lan", "192.0.2.254/24", "2001:db8:1::fe/64", DEVICE),
            ("wan", "198.51.100.254/24", "2001:db8:2::fe/64", NET),
        ] {
            ip(&format!("-n {gate} address add {v4} dev {end}"));
            ip(&format!("-n {gate} address add {v6} dev {end} nodad"));
            for last in 1..=9 {
                let v4 = v4.replace("254/24", &last.to_string());
                let v6 = v6.replace("fe/64", &last.to_string());
                for address in [v4, v6] {
                    ip(&format!("-n {gate} neigh replace {address} lladdr {mac} dev {end} nud permanent"));
                }
            }
        }
        ip(&format!("-n {gate} route add 203.0.113.0/24 via 198.51.100.2 dev wan"));
    }

    /// The gate's packet filter.
    pub fn gate(&self) -> Nft {
        Nft::in_namespace(&self.names[1])
    }

    /// Puts a frame on the wire at the end that it comes from.
    pub fn send(&self, frame: &Frame) {
        let [device, _, net] = &self.names;
        let end = if frame.macs[0] == DEVICE { device } else { net };
        let mut socat = Command::new("ip")
            .args(["netns", "exec", end, "socat", "-u", "STDIN", "INTERFACE:eth0"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        socat.stdin.take().unwrap().write_all(&frame.octets()).unwrap();
        assert!(socat.wait().unwrap().success());
    }

    /// How many packets arrived at the end that the frame is for.
    pub fn arrived(&self, frame: &Frame) -> u64 {
        let [device, _, net] = &self.names;
        let end = if frame.macs[0] == DEVICE { net } else { device };
        Nft::in_namespace(end).counters().unwrap().sum()
    }

    /// Looks until `read` gives more than `before`.
    pub fn wait_for_more(&self, before: u64, mut read: impl FnMut() -> u64) -> bool {
        (0..LOOKS).any(|_| read() > before)
    }
}

fn ip(arguments: &str) {
    run("ip", &arguments.split_whitespace().collect::<Vec<_>>());
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {why}");
}
