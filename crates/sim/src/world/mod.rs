//! The world: virtual time, a network, and the power of everybody in it.
mod traffic;

use crate::device::{Device, Kind};
use crate::hub::{Authority, Hub};
use crate::invariants::{Broken, INVARIANTS};
use crate::key::Key;
use crate::limits::{
    DELAY_MILLIS_MAX, DEVICE_DOWN_MILLIS_MAX, FAULTY_MINUTES_MAX, HEALING_HOURS_MAX, HELP_MILLIS_MAX,
    OPERATOR_MILLIS_MAX, WORLD_EVENTS_MAX,
};
use crate::random::Random;
use crate::{Faults, Report, Stopped, Tally};
use agent::machine::{self, FirstTrust, Input, Output, Trust};
use fleet::door::{Step, ToSign};
use fleet::limits::LDEVID_DAYS_MAX;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use wire::Certificate;
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity};
use wire::{Oid, cms, csr, oid};

/// When every world begins: 2026-01-01T00:00:00Z in Unix milliseconds.
const START: i64 = 1_767_225_600_000;

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// The hardware of the simulated devices, under the arc that is kept for examples.
const HARDWARE: &str = "1.3.6.1.4.1.32473.1";

/// Something that happens at its time.
enum Event {
    /// A device's machine hears something.
    Hears(Heard),
    /// A device's connection is accepted, or not.
    Opens { device: usize, life: u64, trust: Trust, shown: Box<Certificate> },
    /// A request reaches the hub.
    Arrives { device: usize, life: Option<u64>, shown: Box<Certificate>, request: machine::Request },
    /// The hub goes on with a request.
    GoesOn(u64),
    /// The hub's power is back.
    HubStarts,
    /// A device's power is back.
    Starts { device: usize, life: u64 },
    /// The operator looks whom to admit.
    OperatorLooks,
}

struct Heard {
    device: usize,
    life: u64,
    input: Input,
}

/// A request that the hub works on. Gone when its power goes.
struct Exchange {
    device: usize,
    /// The device's life that waits for the answer, if anybody does.
    life: Option<u64>,
    step: Step,
}

/// What is under way when power may go.
enum Power {
    Stays,
    GoesBefore,
    GoesAfter,
}

/// A world.
pub struct World {
    seed: u64,
    /// Everybody who has an IDevID.
    pub devices: Vec<Device>,
    /// The operator's hub.
    pub hub: Hub,
    faults: Faults,
    /// Whether anything fails now.
    faulty: bool,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    happened: u64,
    exchanges: BTreeMap<u64, Exchange>,
    counter: u64,
    random: Random,
    tally: Tally,
    broken: Vec<Broken>,
}

impl World {
    /// A world in which `devices` shall join; a device that nobody admits and one of a stranger's make
    /// are there too.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn new(seed: u64, devices: usize, faults: Faults) -> Result<Self, Stopped> {
        let mut random = Random::new(seed);
        let stopped = |why: String| Stopped { seed, why };
        let hub = Hub::new(START, random.next()).map_err(stopped)?;
        let mut world = Self {
            seed,
            devices: Vec::new(),
            hub,
            faults,
            faulty: true,
            now: 0,
            queue: BTreeMap::new(),
            happened: 0,
            exchanges: BTreeMap::new(),
            counter: 0,
            random,
            tally: Tally::default(),
            broken: Vec::new(),
        };
        world.populate(devices).map_err(stopped)?;
        Ok(world)
    }

    fn populate(&mut self, devices: usize) -> Result<(), String> {
        let authority =
            |name, random: &mut Random| Authority::new(name, START, random).map_err(|why| why.to_string());
        let maker = authority("lumen", &mut self.random)?;
        let stranger = authority("stranger", &mut self.random)?;
        // With the rule, nobody is unwanted.
        let by_rule = self.random.happens(500);
        let admission = if by_rule { "automatic" } else { "ask" };
        let anchor =
            json!({"anchor": "lumen", "certificate": maker.certificate.to_pem(), "admission": admission});
        self.ask("anchor add", anchor)?;
        for number in 1..=devices {
            self.add_device(&maker, format!("A{number:04}"), Kind::Welcome)?;
        }
        if !by_rule {
            self.add_device(&maker, "U0001".into(), Kind::Unwanted)?;
            self.after(OPERATOR_MILLIS_MAX, Event::OperatorLooks);
        }
        self.add_device(&stranger, "S0001".into(), Kind::Stranger)
    }

    fn add_device(&mut self, maker: &Authority, serial_number: String, kind: Kind) -> Result<(), String> {
        let idevid_key = Key::new(&mut self.random);
        let key = idevid_key.public().clone();
        let hardware = HardwareModuleName {
            kind: Oid::new(HARDWARE).map_err(|why| why.to_string())?,
            serial: serial_number.clone().into_bytes(),
        };
        let profile =
            Profile::IdevId { serial_number: serial_number.clone(), hardware, mud_url: None, masa_url: None };
        let validity = Validity { not_before: START, not_after: None };
        let to_sign = ToSign { profile, key, serial: self.random.bytes(), validity };
        let idevid = maker.sign(&to_sign).map_err(|why| why.to_string())?;
        let random = Random::new(self.random.next());
        let device = self.devices.len();
        let trust = FirstTrust::Domain(self.hub.authority().clone());
        self.devices.push(Device::new(serial_number, kind, (idevid, idevid_key), trust, random));
        let at = self.random.below(60_000);
        self.after(at, Event::Starts { device, life: 0 });
        Ok(())
    }

    /// Virtual time since the world's beginning, in milliseconds.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The hub's clock, in Unix milliseconds.
    fn date(&self) -> i64 {
        START.saturating_add(i64::try_from(self.now).unwrap_or(i64::MAX))
    }

    /// Asks the hub as its operator.
    ///
    /// # Errors
    /// The refusal, in words.
    pub fn ask(&mut self, operation: &str, arguments: Json) -> Result<Json, String> {
        let date = self.date();
        let asked = self.hub.ask(operation, arguments, date);
        asked.map_err(|why| format!("{operation}: {}: {}", why.code, why.detail))
    }

    /// Everybody joins under faults; then all is healed, and looked at.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn join(&mut self) -> Result<(), Stopped> {
        self.live_until(self.now + FAULTY_MINUTES_MAX * 60_000)?;
        self.heal("join", |_| true)
    }

    /// Certificates grow old and are renewed under faults; then all is healed, and looked at. Who
    /// should not join has gone by then, and so has the operator.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn renew(&mut self) -> Result<(), Stopped> {
        for device in self.devices.iter_mut().filter(|device| device.kind != Kind::Welcome) {
            device.stop();
        }
        self.queue.retain(|_, event| !matches!(event, Event::OperatorLooks));
        let held: BTreeMap<String, Option<Certificate>> =
            self.devices.iter().map(|it| (it.serial_number.clone(), it.disk.ldevid().cloned())).collect();
        self.faulty = true;
        let days = u64::try_from(LDEVID_DAYS_MAX).unwrap_or(0);
        self.live_until(self.now + days * DAY_MILLIS * 7 / 10)?;
        self.heal("renew", |device| held.get(&device.serial_number) != Some(&device.disk.ldevid().cloned()))
    }

    /// The end.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn report(mut self) -> Result<Report, Stopped> {
        let verified = self.ask("audit verify", json!({}));
        let journal_entries = verified.ok().and_then(|found| found["entries"].as_i64()).unwrap_or(0);
        let devices = self.devices.iter().filter(|device| device.kind == Kind::Welcome).count();
        let Self { seed, tally, now: millis, broken, .. } = self;
        Ok(Report { seed, devices, tally, millis, journal_entries, broken })
    }

    /// Whether everything held so far.
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// Ends all faults, lives until everybody is enrolled and `done`, and looks at every invariant.
    fn heal(&mut self, phase: &'static str, done: impl Fn(&Device) -> bool) -> Result<(), Stopped> {
        self.faulty = false;
        let end = self.now + HEALING_HOURS_MAX * 3_600_000;
        let is_whole = |world: &Self| {
            let mut welcome = world.devices.iter().filter(|device| device.kind == Kind::Welcome);
            world.hub.is_running() && welcome.all(|device| device.is_enrolled() && done(device))
        };
        while !is_whole(self) && self.now < end {
            self.live_until((self.now + 1000).min(end))?;
        }
        if !is_whole(self) {
            let late =
                self.devices.iter().filter(|it| it.kind == Kind::Welcome && !(it.is_enrolled() && done(it)));
            let names: Vec<&str> = late.map(|device| device.serial_number.as_str()).collect();
            let why = format!("{phase}: not done {HEALING_HOURS_MAX} hours after healing: {names:?}");
            self.broken.push(Broken { name: "converges", at: self.now, why });
        }
        self.look(false);
        Ok(())
    }

    /// Looks at the invariants; at those that always hold alone, if so wanted.
    fn look(&mut self, always: bool) {
        for invariant in INVARIANTS.iter().filter(|invariant| invariant.always || !always) {
            if let Err(broken) = invariant.check(self) {
                self.broken.push(broken);
            }
        }
    }

    fn live_until(&mut self, end: u64) -> Result<(), Stopped> {
        while let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= end) {
            let ((at, _), event) = next.remove_entry();
            self.now = at;
            self.happened += 1;
            let happened = if self.happened > WORLD_EVENTS_MAX {
                Err(format!("more than {WORLD_EVENTS_MAX} events"))
            } else {
                self.happens(event)
            };
            happened.map_err(|why| Stopped { seed: self.seed, why })?;
        }
        self.now = end;
        Ok(())
    }

    fn after(&mut self, millis: u64, event: Event) {
        self.at(self.now.saturating_add(millis), event);
    }

    fn at(&mut self, at: u64, event: Event) {
        self.counter += 1;
        self.queue.insert((at, self.counter), event);
    }

    fn fails(&mut self, chance: fn(&Faults) -> u64) -> bool {
        self.faulty && self.random.happens(chance(&self.faults))
    }

    fn delay(&mut self) -> u64 {
        1 + self.random.below(DELAY_MILLIS_MAX)
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Hears(Heard { device, life, input }) if self.devices[device].life == life => {
                let output = self.devices[device].step(self.now, input)?;
                self.perform(device, output);
            }
            Event::Opens { device, life, trust, shown } if self.devices[device].life == life => {
                self.opens(device, &trust, *shown);
            }
            Event::Starts { device, life } if self.devices[device].life == life => {
                if life > 0 && self.hub.is_running() {
                    self.look(true);
                }
                let started = self.devices[device].start(self.now);
                let output =
                    started.map_err(|why| format!("{}: {why}", self.devices[device].serial_number))?;
                self.perform(device, output);
            }
            Event::Arrives { device, life, shown, request } => self.arrives(device, life, &shown, request),
            Event::GoesOn(exchange) => self.goes_on(exchange),
            Event::HubStarts => {
                self.hub.start().map_err(|why| why.detail)?;
                self.look(true);
            }
            Event::OperatorLooks => self.operator_looks(),
            // Of a life that is over.
            Event::Hears(_) | Event::Opens { .. } | Event::Starts { .. } => {}
        }
        Ok(())
    }

    /// Does what a device's machine says.
    fn perform(&mut self, device: usize, output: Output) {
        match output {
            Output::Connect { trust, identity, .. } => {
                let this = &mut self.devices[device];
                this.line = None;
                let shown = match identity {
                    machine::Identity::Idevid => this.idevid.clone(),
                    machine::Identity::Ldevid(certificate) => *certificate,
                };
                let (life, shown) = (this.life, Box::new(shown));
                let delay = self.delay();
                self.after(delay, Event::Opens { device, life, trust, shown });
            }
            Output::Send(request) => self.send(device, request),
            Output::SignVoucherRequest(json) => {
                let Device { idevid, idevid_key, .. } = &self.devices[device];
                let kind = oid::ANIMA_JSON_VOUCHER;
                let signed = cms::sign(kind, &json, idevid, &[], idevid_key, None, false);
                let input = signed.map_or_else(|why| Input::Failed(why.to_string()), Input::Signed);
                self.tell(device, 1, input);
            }
            Output::MakeKey => {
                let key = Key::new(&mut self.devices[device].random);
                let public = key.public().clone();
                self.on_disk(device, Input::KeyMade(public), |disk| disk.keys.push(key));
            }
            Output::MakeCsr { key, subject } => {
                let made = self.devices[device].disk.key(&key).map(|key| csr::make(&subject, None, key));
                let input = match made {
                    Some(Ok(der)) => Input::CsrMade(der),
                    Some(Err(why)) => Input::Failed(why.to_string()),
                    None => Input::Failed("there is no such key".into()),
                };
                self.tell(device, 1, input);
            }
            Output::Store(change) => self.on_disk(device, Input::Stored, |disk| disk.store(change)),
            Output::Wait(until) => {
                let this = &mut self.devices[device];
                this.line = None;
                let (at, life) = (this.world_time(until), this.life);
                self.at(at, Event::Hears(Heard { device, life, input: Input::Woken }));
            }
            Output::GiveUp(_) => {
                self.tally.given_up += 1;
                self.restart(device, HELP_MILLIS_MAX);
            }
        }
    }

    /// The device's machine hears `input` after a while, if it lives then.
    fn tell(&mut self, device: usize, millis: u64, input: Input) {
        let life = self.devices[device].life;
        self.after(millis, Event::Hears(Heard { device, life, input }));
    }

    fn restart(&mut self, device: usize, millis: u64) {
        self.devices[device].stop();
        let life = self.devices[device].life;
        self.after(millis, Event::Starts { device, life });
    }

    fn power(&mut self, chance: fn(&Faults) -> u64) -> Power {
        match self.fails(chance) {
            false => Power::Stays,
            true if self.random.happens(500) => Power::GoesBefore,
            true => Power::GoesAfter,
        }
    }

    /// A step on a device's disk, at which its power may go.
    fn on_disk(&mut self, device: usize, input: Input, step: impl FnOnce(&mut crate::device::Disk)) {
        let power = self.power(|faults| faults.device_crash);
        if !matches!(power, Power::GoesBefore) {
            step(&mut self.devices[device].disk);
        }
        if matches!(power, Power::Stays) {
            return self.tell(device, 5, input);
        }
        self.tally.device_crashes += 1;
        let down = self.random.below(DEVICE_DOWN_MILLIS_MAX);
        self.restart(device, down);
    }

    /// Admits whoever is discovered and welcome.
    fn operator_looks(&mut self) {
        self.after(OPERATOR_MILLIS_MAX, Event::OperatorLooks);
        let Ok(found) = self.ask("device list", json!({"stage": "discovered", "limit": 500})) else { return };
        for item in found["items"].as_array().into_iter().flatten() {
            let is_welcome = |device: &&Device| device.kind == Kind::Welcome;
            let mut welcome = self.devices.iter().filter(is_welcome);
            if welcome.any(|device| item["serial_number"] == *device.serial_number) {
                // A refusal is asked again at the next look.
                let _ = self.ask("onboarding admit", json!({"device": item["device"]}));
            }
        }
    }
}
