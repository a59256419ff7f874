//! Three network namespaces in a row: a device, its gate, and everything else. Rules are tried in them
//! with real packets, by the tests and by the demo.
use crate::nft::{Nft, NftFailed, TABLE};
use std::io::Write;
use std::process::{Command, Stdio};
use wire::packet::{Frame, Mac};

/// The device's Ethernet address.
pub const DEVICE: Mac = Mac([2, 0, 0x5e, 0, 0x53, 1]);
/// The gate's, on the device's side.
pub const GATE_LAN: Mac = Mac([2, 0, 0x5e, 0, 0x53, 0xa1]);
/// The gate's, on the other side.
pub const GATE_WAN: Mac = Mac([2, 0, 0x5e, 0, 0x53, 0xa2]);
/// That of everything else.
pub const NET: Mac = Mac([2, 0, 0x5e, 0, 0x53, 9]);

/// The addresses on the device's side are 192.0.2.1 to .9 and 2001:db8:1::1 to ::9; on the other side
/// 198.51.100.1 to .9, 2001:db8:2::1 to ::9, and all of 203.0.113.0/24.
const LAST_ADDRESSES: std::ops::RangeInclusive<u8> = 1..=9;

/// How often a counter is looked at before it is taken to stand still.
const LOOKS: usize = 400;

/// What the lab needs, and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 3] = [("ip", "iproute2"), ("nft", "nftables"), ("socat", "socat")];

/// The namespaces; they go when it does.
pub struct Lab {
    device: Namespace,
    gate: Namespace,
    net: Namespace,
}

/// A network namespace by its name.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Why there is no lab here. The environment is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabRefused {
    /// A program is missing.
    #[error("{0} is not installed; install the package {1}")]
    Missing(&'static str, &'static str),
    /// A program refused.
    #[error("`{command}` was refused: {why}; network namespaces need root")]
    Refused {
        /// What was run.
        command: String,
        /// Its own words.
        why: String,
    },
    /// The packet filter.
    #[error(transparent)]
    Nft(#[from] NftFailed),
}

impl Lab {
    /// Makes the namespaces. Their names begin with `name`, which nobody else may use.
    ///
    /// # Errors
    /// [`LabRefused`]; then nothing is left of them.
    pub fn new(name: &str) -> Result<Self, LabRefused> {
        for (program, package) in PROGRAMS {
            if Command::new(program).arg("-V").output().is_err() {
                return Err(LabRefused::Missing(program, package));
            }
        }
        let make = |part: &str| {
            let namespace = Namespace(format!("{name}-{part}"));
            ip(&format!("netns add {}", namespace.0)).map(|()| namespace)
        };
        let lab = Self { device: make("device")?, gate: make("gate")?, net: make("net")? };
        lab.connect()?;
        Ok(lab)
    }

    fn connect(&self) -> Result<(), LabRefused> {
        let gate = &self.gate.0;
        for (end, mac, gate_end, gate_mac) in
            [(&self.device.0, DEVICE, "lan", GATE_LAN), (&self.net.0, NET, "wan", GATE_WAN)]
        {
            ip(&format!(
                "link add eth0 netns {end} address {mac} type veth \
                 peer name {gate_end} netns {gate} address {gate_mac}"
            ))?;
            ip(&format!("-n {end} link set eth0 up"))?;
            ip(&format!("-n {gate} link set {gate_end} up"))?;
            Nft::in_namespace(end).load(&watch())?;
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
                       for it in all lan wan; do echo 0 > /proc/sys/net/ipv4/conf/$it/rp_filter; done; \
                       echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
        run("ip", &["netns", "exec", gate, "sh", "-c", forward])?;
        for (end, v4, v6, mac) in
            [("lan", "192.0.2", "2001:db8:1:", DEVICE), ("wan", "198.51.100", "2001:db8:2:", NET)]
        {
            ip(&format!("-n {gate} address add {v4}.254/24 dev {end}"))?;
            ip(&format!("-n {gate} address add {v6}:fe/64 dev {end} nodad"))?;
            for last in LAST_ADDRESSES {
                for address in [format!("{v4}.{last}"), format!("{v6}:{last}")] {
                    ip(&format!("-n {gate} neigh replace {address} lladdr {mac} dev {end} nud permanent"))?;
                }
            }
        }
        ip(&format!("-n {gate} route add 203.0.113.0/24 via 198.51.100.2 dev wan"))
    }

    /// The gate's packet filter.
    pub fn gate(&self) -> Nft {
        Nft::in_namespace(&self.gate.0)
    }

    /// The addresses that a frame has on its link, if the device sends it, or the others.
    pub fn macs(outward: bool) -> (Mac, Mac) {
        if outward { (DEVICE, GATE_LAN) } else { (NET, GATE_WAN) }
    }

    /// Puts a frame on the wire at the end that it comes from.
    ///
    /// # Errors
    /// [`LabRefused`].
    pub fn send(&self, frame: &Frame) -> Result<(), LabRefused> {
        let end = if frame.source_mac == DEVICE { &self.device.0 } else { &self.net.0 };
        let refused = |why: String| LabRefused::Refused { command: "socat".into(), why };
        let octets = frame.octets().ok_or_else(|| refused("a frame of two families".into()))?;
        let mut socat = Command::new("ip")
            .args(["netns", "exec", end, "socat", "-u", "STDIN", "INTERFACE:eth0"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|why| refused(why.to_string()))?;
        let written = socat.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(&octets));
        let output = socat.wait_with_output().map_err(|why| refused(why.to_string()))?;
        if !output.status.success() {
            return Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_string()));
        }
        written.map_err(|why| refused(why.to_string()))
    }

    /// How many packets arrived at the end that the frame is for.
    ///
    /// # Errors
    /// [`LabRefused`].
    pub fn arrived(&self, frame: &Frame) -> Result<u64, LabRefused> {
        let end = if frame.source_mac == DEVICE { &self.net.0 } else { &self.device.0 };
        Ok(Nft::in_namespace(end).counters()?.sum())
    }

    /// Looks until `read` gives more than `before`, and says whether it did.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn wait_for_more(
        before: u64,
        mut read: impl FnMut() -> Result<u64, LabRefused>,
    ) -> Result<bool, LabRefused> {
        for _ in 0..LOOKS {
            if read()? > before {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What counts the arrivals at an end. The chatter of its own kernel is ICMPv6 and not counted.
fn watch() -> String {
    format!(
        "table inet {TABLE} {{\n  chain watch {{\n    type filter hook prerouting priority raw;\n    \
         meta l4proto {{ 1, 6, 17, 47 }} counter comment \"arrived\"\n  }}\n}}\n"
    )
}

fn ip(arguments: &str) -> Result<(), LabRefused> {
    run("ip", &arguments.split_whitespace().collect::<Vec<_>>())
}

fn run(program: &str, arguments: &[&str]) -> Result<(), LabRefused> {
    let refused =
        |why: String| LabRefused::Refused { command: format!("{program} {}", arguments.join(" ")), why };
    let output = Command::new(program).args(arguments).output().map_err(|why| refused(why.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_string()))
}
