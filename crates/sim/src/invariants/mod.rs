//! What must be true: one [list], and how worlds look whether it is.
pub mod list;

use crate::device::{Device, Kind};
use crate::world::World;
use fleet::audit::view::hex;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use wire::audit_log::domain_id;
use wire::voucher::Voucher;
use wire::{Certificate, cms};

/// Something that must be true of a world.
#[derive(Clone, Copy)]
pub struct Invariant {
    /// Its name in the [list].
    pub name: &'static str,
    /// Whether it holds at every moment; otherwise once everything is healed and has converged.
    pub always: bool,
    check: fn(&mut World) -> Result<(), String>,
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its name.
    pub name: &'static str,
    /// At which virtual time, in milliseconds.
    pub at: u64,
    /// How.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} does not hold after {} ms: {}", self.name, self.at, self.why)
    }
}

impl Invariant {
    /// Looks whether it holds.
    ///
    /// # Errors
    /// How it does not.
    pub fn check(&self, world: &mut World) -> Result<(), Broken> {
        (self.check)(world).map_err(|why| Broken { name: self.name, at: world.now(), why })
    }
}

/// Those of the [list] that worlds are looked at for.
pub const INVARIANTS: &[Invariant] = &[
    Invariant { name: "operational-once", always: false, check: operational_once },
    Invariant { name: "ldevid-is-the-devices", always: false, check: ldevid_is_the_devices },
    Invariant { name: "key-with-certificate", always: true, check: key_with_certificate },
    Invariant { name: "one-ldevid-per-key", always: true, check: one_ldevid_per_key },
    Invariant { name: "told-is-known", always: true, check: told_is_known },
    Invariant { name: "admitted-before-certified", always: true, check: admitted_before_certified },
    Invariant { name: "one-voucher-per-nonce", always: true, check: one_voucher_per_nonce },
    Invariant { name: "pinned-is-logged", always: true, check: pinned_is_logged },
    Invariant { name: "journal-verifies", always: true, check: |world| at_both(world, "audit verify") },
    Invariant { name: "rows-equal-journal", always: true, check: |world| at_both(world, "audit check") },
    Invariant { name: "counts-equal-rows", always: true, check: counts_equal_rows },
];

fn at_both(world: &mut World, operation: &str) -> Result<(), String> {
    world.ask(operation, json!({}))?;
    world.ask_maker(operation, json!({})).map(drop)
}

/// The hub's list of devices, page by page.
fn devices(world: &mut World) -> Result<Vec<Json>, String> {
    let (mut all, mut after) = (Vec::new(), Json::Null);
    loop {
        let mut page = world.ask("device list", json!({ "limit": 500, "after": after }))?;
        all.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        after = page["next"].take();
        if after.is_null() {
            return Ok(all);
        }
    }
}

fn text<'a>(json: &'a Json, field: &str) -> &'a str {
    json[field].as_str().unwrap_or_default()
}

/// What the hub knows of a device's joining.
struct Joined {
    serial_number: String,
    admitted: bool,
    enrolled: bool,
    good: Vec<Certificate>,
}

fn joined(world: &mut World) -> Result<Vec<Joined>, String> {
    let mut all = Vec::new();
    for device in devices(world)? {
        let shown = world.ask("onboarding show", json!({ "device": text(&device, "device") }))?;
        let good = shown["ldevids"].as_array().into_iter().flatten();
        let good = good.map(|ldevid| Certificate::from_pem(text(ldevid, "certificate")));
        all.push(Joined {
            serial_number: text(&device, "serial_number").into(),
            admitted: shown["admitted"] == true,
            enrolled: shown["enrolled"] == true,
            good: good.collect::<Result<_, _>>().map_err(|why| why.to_string())?,
        });
    }
    Ok(all)
}

fn operational_once(world: &mut World) -> Result<(), String> {
    let mut stages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for device in devices(world)? {
        let stage = text(&device, "stage").to_string();
        stages.entry(text(&device, "serial_number").into()).or_default().push(stage);
    }
    for device in world.devices.iter().filter(|device| device.kind == Kind::Welcome) {
        let known = stages.get(&device.serial_number).map(Vec::as_slice).unwrap_or_default();
        if known != ["operational"] {
            return Err(format!("{} is known as {known:?}", device.serial_number));
        }
    }
    Ok(())
}

fn ldevid_is_the_devices(world: &mut World) -> Result<(), String> {
    let joined = joined(world)?;
    for device in world.devices.iter().filter(|device| device.kind == Kind::Welcome) {
        let name = &device.serial_number;
        let held = device.disk.ldevid().ok_or_else(|| format!("{name} holds no certificate"))?;
        if !device.disk.has_key() {
            return Err(format!("{name} has no key for its certificate"));
        }
        if held.serial_number().as_deref() != Some(name) {
            return Err(format!("{name} holds the certificate of another device"));
        }
        let known = joined.iter().find(|known| known.serial_number == *name);
        if !known.is_some_and(|known| known.good.contains(held)) {
            return Err(format!("the certificate that {name} holds is not good at the hub"));
        }
    }
    Ok(())
}

fn key_with_certificate(world: &mut World) -> Result<(), String> {
    let lost = world.devices.iter().find(|it| it.disk.ldevid().is_some() && !it.disk.has_key());
    lost.map_or(Ok(()), |device| Err(format!("{} has no key for its certificate", device.serial_number)))
}

fn one_ldevid_per_key(world: &mut World) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for known in joined(world)? {
        for certificate in &known.good {
            if !seen.insert(certificate.public_key().fingerprint()) {
                return Err(format!("{} has two good certificates for one key", known.serial_number));
            }
        }
    }
    Ok(())
}

fn told_is_known(world: &mut World) -> Result<(), String> {
    let joined = joined(world)?;
    // Who was revoked cannot know it.
    let knows = |device: &&Device| device.disk.is_told() && device.disk.ldevid() != world.revoked.as_ref();
    for device in world.devices.iter().filter(knows) {
        let known = joined.iter().find(|known| known.serial_number == device.serial_number);
        if !known.is_some_and(|known| known.enrolled) {
            return Err(format!("{} was told that it is enrolled", device.serial_number));
        }
    }
    Ok(())
}

fn admitted_before_certified(world: &mut World) -> Result<(), String> {
    let joined = joined(world)?;
    if let Some(known) = joined.iter().find(|known| !known.admitted && !known.good.is_empty()) {
        return Err(format!("{} was not admitted and has a good certificate", known.serial_number));
    }
    for device in world.devices.iter().filter(|device| device.kind != Kind::Welcome) {
        let known = joined.iter().find(|known| known.serial_number == device.serial_number);
        let is_in = device.disk.ldevid().is_some() || device.disk.imprint().is_some();
        if is_in || known.is_some_and(|known| known.admitted) {
            return Err(format!("{} should not have been let in", device.serial_number));
        }
        if device.kind == Kind::Stranger && known.is_some() {
            return Err(format!("{} should not be known", device.serial_number));
        }
    }
    Ok(())
}

/// Nonce and domain of every voucher in the log of a device's maker.
fn logged(world: &mut World, serial_number: &str) -> Result<Vec<(String, String)>, String> {
    let shown = world.ask_maker("voucher show", json!({ "serial_number": serial_number }))?;
    let all = shown["vouchers"].as_array().into_iter().flatten();
    Ok(all.map(|one| (text(one, "nonce").into(), text(one, "domain_id").into())).collect())
}

fn one_voucher_per_nonce(world: &mut World) -> Result<(), String> {
    let names: Vec<String> = world.devices.iter().map(|device| device.serial_number.clone()).collect();
    let mut seen = BTreeSet::new();
    for name in names {
        for (nonce, _) in logged(world, &name)? {
            if !seen.insert(nonce) {
                return Err(format!("a second voucher for one nonce was issued, to {name}"));
            }
        }
    }
    Ok(())
}

fn pinned_is_logged(world: &mut World) -> Result<(), String> {
    let imprints = world.devices.iter().filter_map(|device| {
        let imprint = device.disk.imprint()?.clone();
        Some((device.serial_number.clone(), imprint))
    });
    for (name, imprint) in imprints.collect::<Vec<_>>() {
        let nonce = nonce(&imprint.voucher).map_err(|why| format!("the voucher of {name}: {why}"))?;
        let domain = hex(&domain_id(&imprint.pinned));
        if !logged(world, &name)?.contains(&(nonce, domain)) {
            return Err(format!("{name} trusts a domain that its maker did not log for it"));
        }
        if imprint.pinned != *world.hub.authority() {
            return Err(format!("{name} trusts another domain than the one that it joined"));
        }
    }
    Ok(())
}

fn nonce(voucher: &[u8]) -> Result<String, String> {
    let signed = cms::verify(voucher, None, &[]).map_err(|why| why.to_string())?;
    let voucher = Voucher::from_json(&signed.content).map_err(|why| why.to_string())?;
    voucher.nonce.map(|nonce| nonce.text().into()).ok_or_else(|| "it has no nonce".into())
}

fn counts_equal_rows(world: &mut World) -> Result<(), String> {
    let mut counted: BTreeMap<String, i64> = BTreeMap::new();
    for device in devices(world)? {
        *counted.entry(text(&device, "stage").into()).or_default() += 1;
        *counted.entry("total".into()).or_default() += 1;
    }
    let kept = world.ask("device count", json!({}))?;
    for (stage, kept) in kept.as_object().into_iter().flatten() {
        let counted = counted.get(stage).copied().unwrap_or(0);
        if kept.as_i64() != Some(counted) {
            return Err(format!("{kept} {stage} are kept, {counted} are there"));
        }
    }
    Ok(())
}
