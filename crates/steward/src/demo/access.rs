//! What one device may reach: its plan in words, packets judged by it, and, where the demo is asked to
//! enforce it, the same packets through a kernel that has loaded the same plan.
use super::damage::{at_rest, load, save, subject, write};
use super::invariants::{ask, held, said};
use super::plan::Plan as Story;
use super::scene::{AtWork, Scene, word};
use crate::call::random_key;
use crate::failure::{Failure, failed, usage};
use crate::limits::DEMO_PLAN_SECONDS_MAX;
use fleet::access::Access;
use fleet::access::rules::State;
use fleet::audit::view::hex;
use gate::lab::{DEVICE, Lab};
use gate::nft::ruleset;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use wire::mud::{DNS_CLASS, NTP_CLASS};
use wire::packet::{ACK, Frame, SYN, protocol};
use wire::plan::Plan;

/// A packet that the description allows.
pub const DESCRIBED: &str = "a question for a name";
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
    packet(DESCRIBED, "198.51.100.3", protocol::UDP, (40000, 53), "lamp-from/names"),
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

/// A packet that a device sends in the story, as hexadecimal digits.
///
/// # Errors
/// [`Failure::Failed`] when the story has no such packet.
pub fn recorded(what: &str, plan: Story, place: usize) -> Result<String, Failure> {
    let told = TOLD.iter().find(|told| told.what == what);
    let mut frame = told.ok_or_else(|| failed(format!("the story has no packet called {what}")))?.frame()?;
    let (address, mac) = location(plan, place);
    (frame.source, frame.source_mac) = (address.parse().map_err(failed)?, mac.parse().map_err(failed)?);
    Ok(hex(&frame.octets().unwrap_or_default()))
}

/// Where a device is: its address, and its Ethernet address.
pub fn location(plan: Story, place: usize) -> (String, String) {
    if place == plan.guarded() {
        return (OWN.into(), DEVICE.to_string());
    }
    let (high, low) = (place / 256, place % 256);
    (format!("10.18.{high}.{low}"), format!("02:00:5e:18:{high:02x}:{low:02x}"))
}

/// Registers the hosts that descriptions name.
///
/// # Errors
/// [`Failure`], as the hub says it.
pub async fn register_hosts(scene: &mut Scene) -> Result<(), Failure> {
    for (class, hosts) in HOSTS {
        let hosts = json!({"class": class, "hosts": hosts});
        scene.operator.call_unless("controller add", hosts, "controller-known").await?;
    }
    Ok(())
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

/// The hub is told another address of the device: what it sends comes from one that is not its own.
pub async fn mislead_the_hub(scene: &mut Scene) -> Result<(), Failure> {
    let Some(device) = guarded(scene).await? else {
        return Err(usage("for a plan to be wrong at the end, two devices are needed"));
    };
    let shown = scene.operator.call("access show", json!({"device": device})).await?;
    let location = json!({"device": device, "addresses": FOREIGN, "macs": DEVICE.to_string()});
    scene.operator.call("access locate", location).await?;
    another_plan(scene, &device, &shown).await
}

/// Waits until another plan is active than was shown.
async fn another_plan(scene: &mut Scene, device: &str, shown: &Json) -> Result<(), Failure> {
    let within = Duration::from_secs(DEMO_PLAN_SECONDS_MAX);
    let another = |now: &Json| now["active"] != shown["active"];
    scene.operator.until("access show", json!({"device": device}), within, another).await.map(drop)
}

/// The one who answers for names is registered no more: what is described does not pass.
pub async fn forget_who_answers(scene: &mut Scene) -> Result<(), Failure> {
    let Some(device) = guarded(scene).await? else {
        return Err(usage("for a plan to be wrong at the end, two devices are needed"));
    };
    let shown = scene.operator.call("access show", json!({"device": device})).await?;
    let (class, hosts) = HOSTS[0];
    scene.operator.call("controller remove", json!({"class": class, "hosts": hosts})).await?;
    another_plan(scene, &device, &shown).await
}

/// No device got an LDevID before its plan was active, and the plan was made for where the device is.
pub async fn plans_precede_ldevids(scene: &mut Scene) -> Result<(), String> {
    let (mut located, mut active, mut issued) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for entry in scene.export().await.map_err(said)? {
        let detail = entry["detail"].as_str().unwrap_or_default();
        // A refusal's detail is words.
        let event: Json = serde_json::from_str(detail).unwrap_or_default();
        let subject = entry["subject"].as_str().unwrap_or_default().to_owned();
        match (entry["room"].as_str(), event["event"].as_str()) {
            (Some("access"), Some("located")) => drop(located.insert(subject)),
            (Some("access"), Some("activated")) => {
                drop(active.insert(subject, word(&event["made"]["plan"]).to_owned()));
            }
            (Some("access"), Some("removed")) => {
                active.remove(&subject);
                located.remove(&subject);
            }
            (Some("onboarding"), Some("issued")) => {
                held(located.contains(&subject), || {
                    format!("{subject} got an LDevID before it was located")
                })?;
                let plan = active.get(&subject).cloned();
                let plan = plan.ok_or(format!("{subject} got an LDevID before its plan was active"))?;
                issued.insert(subject, plan);
            }
            _ => {}
        }
    }
    held(!issued.is_empty(), || "no LDevID was issued".into())?;
    plans_name_addresses(scene, &issued).await
}

/// The plans with which devices got their LDevIDs, as far as they are active still, are for where the devices are.
async fn plans_name_addresses(scene: &mut Scene, issued: &BTreeMap<String, String>) -> Result<(), String> {
    for AtWork { id, serial_number, .. } in scene.at_work().await.map_err(said)? {
        let taken = ask(scene, "access plan", json!({"device": id})).await?;
        held(issued.get(&id).is_some_and(|plan| taken["digest"] == plan.as_str()), || {
            format!("{serial_number} got its LDevID with another plan than it has now")
        })?;
        let plan = Plan::from_json(word(&taken["plan"]).as_bytes()).map_err(|why| why.to_string())?;
        let place = scene.plan.list().iter().position(|device| device.serial_number == serial_number);
        let (address, mac) = location(scene.plan, place.unwrap_or_default());
        let of_plan =
            (plan.addresses.iter().map(ToString::to_string), plan.macs.iter().map(ToString::to_string));
        held(of_plan.0.eq([address]) && of_plan.1.eq([mac]), || {
            format!("the plan of {serial_number} is for {:?}", plan.addresses)
        })?;
    }
    Ok(())
}

/// Who is retired has no plan, and is nowhere.
pub async fn retired_has_no_plan(scene: &mut Scene) -> Result<(), String> {
    let device = json!({"device": scene.devices[scene.plan.retired()]});
    match scene.operator.call("access plan", device.clone()).await {
        Err(Failure::Refused(no)) if no.code() == "no-plan" => {}
        Err(other) => return Err(said(other)),
        Ok(plan) => return Err(format!("a plan is enforced still: {}", plan["digest"])),
    }
    let shown = ask(scene, "access show", device).await?;
    let nothing = shown["enforcement"] == "none" && shown["addresses"] == json!([]);
    held(nothing, || format!("something is left: {shown}"))
}

/// The retired device has its plan again: the guarded one's.
pub async fn leave_the_rules(scene: &mut Scene) -> Result<(), Failure> {
    if guarded(scene).await?.is_none() {
        return Err(usage("for a retired device to have another's plan, two devices are needed"));
    }
    let (retired, guarded) = (subject(scene, scene.plan.retired()), subject(scene, scene.plan.guarded()));
    at_rest(scene, |database| {
        write(database, &mut |tx| {
            let ((old, version), (other, _)) = (load::<Access>(tx, &retired)?, load::<Access>(tx, &guarded)?);
            let new = State { active: other.active, ..old.clone() };
            save::<Access>(tx, &retired, &old, &new, version)
        })
    })
    .await
}
