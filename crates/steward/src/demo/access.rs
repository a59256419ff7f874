//! What one device may reach: its plan in words, packets judged by it, and, where the demo is asked to
//! enforce it, the same packets through a kernel that has loaded the same plan.
use super::invariants::{ask, held, said};
use super::scene::Scene;
use crate::call::random_key;
use crate::failure::{Failure, failed, usage};
use crate::limits::DEMO_PLAN_SECONDS_MAX;
use fleet::audit::view::hex;
use gate::lab::{DEVICE, Lab};
use gate::nft::ruleset;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;
use wire::mud::{DNS_CLASS, NTP_CLASS};
use wire::packet::{ACK, Frame, SYN, protocol};
use wire::plan::Plan;

/// The product's update server, as its description names it.
pub const UPDATE_HOST: &str = "updates.lumen.example";
/// The device's address, and one that is not its own.
const OWN: &str = "192.0.2.1";
const FOREIGN: &str = "192.0.2.9";
/// Hosts that the operator registers: who answers for names, who tells the time, who serves updates.
const HOSTS: [(&str, &str); 3] =
    [(DNS_CLASS, "198.51.100.3"), (NTP_CLASS, "198.51.100.4"), (UPDATE_HOST, "203.0.113.6")];

/// A packet of the story.
struct Told {
    /// What it is, for people.
    what: &'static str,
    outward: bool,
    own: &'static str,
    remote: &'static str,
    protocol: u8,
    /// The device's port and the other side's.
    ports: (u16, u16),
    flags: u8,
    /// Which side began its flow, as `access judge` is told.
    begun_by: &'static str,
    /// Who decides; what is no default passes.
    by: &'static str,
}

const fn packet(
    what: &'static str,
    remote: &'static str,
    number: u8,
    ports: (u16, u16),
    by: &'static str,
) -> Told {
    Told { what, outward: true, own: OWN, remote, protocol: number, ports, flags: 0, begun_by: "new", by }
}

/// The packets, in an order in which they could come: an answer after its question.
const TOLD: &[Told] = &[
    Told {
        outward: false,
        ..packet(
            "an answer that was not asked for",
            "198.51.100.5",
            protocol::UDP,
            (40000, 53),
            "default/to-device",
        )
    },
    packet("a question for a name", "198.51.100.3", protocol::UDP, (40000, 53), "lamp-from/names"),
    Told {
        outward: false,
        begun_by: "device",
        ..packet("its answer", "198.51.100.3", protocol::UDP, (40000, 53), "lamp-to/names")
    },
    packet("a question for the time", "198.51.100.4", protocol::UDP, (123, 123), "lamp-from/time"),
    Told {
        flags: SYN,
        ..packet(
            "a connection to the update server",
            "203.0.113.6",
            protocol::TCP,
            (40001, 443),
            "lamp-from/updates",
        )
    },
    Told {
        outward: false,
        flags: SYN | ACK,
        begun_by: "device",
        ..packet("its reply", "203.0.113.6", protocol::TCP, (40001, 443), "lamp-to/updates")
    },
    Told {
        outward: false,
        flags: SYN,
        ..packet(
            "a connection from the update server",
            "203.0.113.6",
            protocol::TCP,
            (40002, 443),
            "default/to-device",
        )
    },
    Told {
        flags: SYN,
        ..packet(
            "a connection to a stranger",
            "203.0.113.7",
            protocol::TCP,
            (40003, 23),
            "default/from-device",
        )
    },
    packet(
        "a question to another server for names",
        "203.0.113.7",
        protocol::UDP,
        (40000, 53),
        "default/from-device",
    ),
    Told {
        own: FOREIGN,
        ..packet(
            "a question from an address that is not its own",
            "198.51.100.3",
            protocol::UDP,
            (40000, 53),
            "default/foreign-address",
        )
    },
];

impl Told {
    fn passes(&self) -> bool {
        !self.by.starts_with("default/")
    }

    fn frame(&self) -> Result<Frame, Failure> {
        let parse = |text: &str| text.parse::<IpAddr>().map_err(failed);
        let (own, remote) = (parse(self.own)?, parse(self.remote)?);
        let (source_mac, destination_mac) = Lab::macs(self.outward);
        let (source, destination) = if self.outward { (own, remote) } else { (remote, own) };
        let (device, other) = self.ports;
        let ports = if self.outward { (device, other) } else { (other, device) };
        let (protocol, flags) = (self.protocol, self.flags);
        Ok(Frame { source_mac, destination_mac, source, destination, protocol, ports, flags })
    }
}

/// A packet of the story, as hexadecimal digits; of the device whose packets are told, or of another one that
/// is at [`OTHER`].
///
/// # Errors
/// [`Failure::Failed`] when the story has no such packet.
pub fn recorded(what: &str, of_other: bool) -> Result<String, Failure> {
    let told = TOLD.iter().find(|told| told.what == what);
    let mut frame = told.ok_or_else(|| failed(format!("the story has no packet called {what}")))?.frame()?;
    if of_other {
        let (address, mac) = OTHER;
        (frame.source, frame.source_mac) = (address.parse().map_err(failed)?, mac.parse().map_err(failed)?);
    }
    Ok(hex(&frame.octets().unwrap_or_default()))
}

/// Where another device is: its address, and its Ethernet address.
pub const OTHER: (&str, &str) = ("192.0.2.10", "02:00:5e:00:53:10");

/// Registers the hosts that descriptions name, and says where the device is.
///
/// # Errors
/// [`Failure`], as the hub says it.
pub async fn prepare(scene: &mut Scene, device: &str) -> Result<(), Failure> {
    for (class, hosts) in HOSTS {
        let hosts = json!({"class": class, "hosts": hosts});
        scene.operator.call_unless("controller add", hosts, "controller-known").await?;
    }
    let location = json!({"device": device, "addresses": OWN, "macs": DEVICE.to_string()});
    scene.operator.call("access locate", location).await.map(drop)
}

/// Shows the plan of the device, judges the packets by it, and enforces it if that was asked for.
///
/// # Errors
/// [`Failure`], as the hub, the judge or the kernel says it.
pub async fn show(scene: &mut Scene) -> Result<(), Failure> {
    let Some(device) = guarded(scene).await? else { return Ok(()) };
    let shown = scene.operator.call("access show", json!({"device": device})).await?;
    for line in shown["lines"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        scene.tell(format!("  {line}"))?;
    }
    let digest = shown["active"].as_str().unwrap_or_default().to_owned();
    scene.step(format!("The plan {digest} is active. Packets are held against it:")).await?;
    judge_all(scene, &device).await.map_err(failed)?;
    for told in TOLD {
        let outcome = if told.passes() { "passes" } else { "is dropped" };
        scene.tell(format!("  {:<48} {outcome} ({})", told.what, told.by))?;
    }
    let loaded = if scene.enforces { Some(enforce(scene, &device).await?) } else { None };
    scene.access = json!({"device": device, "plan": digest, "loaded": loaded, "packets": TOLD.len()});
    Ok(())
}

/// The device whose packets are told; nothing if it is retired already, with its plan.
async fn guarded(scene: &mut Scene) -> Result<Option<String>, Failure> {
    let device = scene.devices[scene.plan.guarded()].clone();
    let shown = scene.operator.call("device show", json!({"device": device})).await?;
    Ok((shown["stage"] != "retired").then_some(device))
}

/// Every packet is judged as the story tells it.
async fn judge_all(scene: &mut Scene, device: &str) -> Result<(), String> {
    for told in TOLD {
        let octets = told.frame().map_err(said)?.octets().unwrap_or_default();
        let question = json!({"device": device, "packet": hex(&octets), "begun_by": told.begun_by});
        let verdict = ask(scene, "access judge", question).await?;
        let passes = verdict["action"] == "accept";
        held(passes == told.passes() && verdict["by"] == told.by, || {
            format!("{}: {} by {}, and not by {}", told.what, verdict["action"], verdict["by"], told.by)
        })?;
    }
    Ok(())
}

/// The plan is loaded into a kernel, and the same packets are sent. Answers the digest that the kernel keeps.
async fn enforce(scene: &mut Scene, device: &str) -> Result<String, Failure> {
    let taken = scene.operator.call("access plan", json!({"device": device})).await?;
    let plan = Plan::from_json(taken["plan"].as_str().unwrap_or_default().as_bytes()).map_err(failed)?;
    let name = format!("steward-demo-{}", &random_key()[..8]);
    // The devices of this process go on meanwhile.
    let enforced = tokio::task::spawn_blocking(move || send_all(&plan, &name)).await.map_err(failed)?;
    let loaded = enforced?;
    if taken["digest"] != loaded.as_str() {
        return Err(failed(format!("the kernel keeps the plan {loaded}, the hub {}", taken["digest"])));
    }
    let count = TOLD.iter().filter(|told| told.passes()).count();
    let text =
        format!("The kernel has loaded the plan {loaded}: {count} of {} packets came through.", TOLD.len());
    scene.step(text).await?;
    Ok(loaded)
}

/// Sends every packet through a gate that has loaded the plan, and sees whether it arrives.
fn send_all(plan: &Plan, name: &str) -> Result<String, Failure> {
    let lab = Lab::new(name).map_err(failed)?;
    let gate = lab.gate();
    gate.load(&ruleset(std::slice::from_ref(plan)).map_err(failed)?).map_err(failed)?;
    for told in TOLD {
        let frame = told.frame()?;
        let (counted, arrived) =
            (gate.counters().map_err(failed)?.sum(), lab.arrived(&frame).map_err(failed)?);
        lab.send(&frame).map_err(failed)?;
        let decided = Lab::wait_for_more(counted, || Ok(gate.counters()?.sum())).map_err(failed)?;
        let came = if told.passes() {
            Lab::wait_for_more(arrived, || lab.arrived(&frame)).map_err(failed)?
        } else {
            lab.arrived(&frame).map_err(failed)? != arrived
        };
        if !decided || came != told.passes() {
            return Err(failed(format!("{}: decided {decided}, came through {came}", told.what)));
        }
    }
    let loaded = gate.digests().map_err(failed)?;
    loaded.into_iter().next().ok_or_else(|| failed("the kernel keeps no plan"))
}

/// What is described passes, and the rest does not.
pub async fn described_passes(scene: &mut Scene) -> Result<(), String> {
    match guarded(scene).await.map_err(said)? {
        Some(device) => judge_all(scene, &device).await,
        None => Ok(()),
    }
}

/// The one who answers for names is registered no more: what is described does not pass.
pub async fn forget_who_answers(scene: &mut Scene) -> Result<(), Failure> {
    let Some(device) = guarded(scene).await? else {
        return Err(usage("for a plan to be wrong at the end, two devices are needed"));
    };
    let shown = scene.operator.call("access show", json!({"device": device})).await?;
    let (class, hosts) = HOSTS[0];
    scene.operator.call("controller remove", json!({"class": class, "hosts": hosts})).await?;
    let within = Duration::from_secs(DEMO_PLAN_SECONDS_MAX);
    let another = |now: &Json| now["active"] != shown["active"];
    scene.operator.until("access show", json!({"device": device}), within, another).await.map(drop)
}

/// No device got an LDevID before its plan was active.
pub async fn plans_precede_ldevids(scene: &mut Scene) -> Result<(), String> {
    let mut active = BTreeSet::new();
    let mut issued = 0;
    for entry in scene.export().await.map_err(said)? {
        let detail = entry["detail"].as_str().unwrap_or_default();
        // A refusal's detail is words.
        let event: Json = serde_json::from_str(detail).unwrap_or_default();
        let subject = entry["subject"].as_str().unwrap_or_default().to_owned();
        match (entry["room"].as_str(), event["event"].as_str()) {
            (Some("access"), Some("activated")) => drop(active.insert(subject)),
            (Some("access"), Some("removed")) => drop(active.remove(&subject)),
            (Some("onboarding"), Some("issued")) => {
                issued += 1;
                held(active.contains(&subject), || {
                    format!("{subject} got an LDevID before its plan was active")
                })?;
            }
            _ => {}
        }
    }
    held(issued > 0, || "no LDevID was issued".into())
}
