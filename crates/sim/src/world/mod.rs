//! The world: virtual time, a network, and the power of everybody in it.
mod traffic;
mod vouchers;

use crate::authority::Authority;
use crate::device::{Device, Kind};
use crate::hub::Hub;
use crate::invariants::{Broken, INVARIANTS};
use crate::key::Key;
use crate::limits::{
    DELAY_MILLIS_MAX, DEVICE_DOWN_MILLIS_MAX, FAULTY_MINUTES_MAX, HEALING_HOURS_MAX, HELP_MILLIS_MAX,
    OPERATOR_MILLIS_MAX, WORLD_EVENTS_MAX,
};
use crate::maker::{HARDWARE, Maker};
use crate::random::Random;
use crate::{Faults, MILLIS_PER_DAY, Report, Stopped, Tally};
use agent::machine::{self, FirstTrust, Input, Output, Trust};
use fleet::door::{Outgoing, Reply, Step, Then, ToSign};
use fleet::limits::LDEVID_DAYS_MAX;
use fleet::refusal::Refusal;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use wire::Certificate;
use wire::certificate::HardwareModuleName;
use wire::certificate::profile::{Profile, Validity};
use wire::{Oid, csr};

/// When every world begins: 2026-01-01T00:00:00Z in Unix milliseconds.
const START: i64 = 1_767_225_600_000;

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
    /// A registrar's request reaches the maker; and whose it is, if anybody waits.
    Asked { ask: Option<u64>, outgoing: Box<Outgoing> },
    /// The maker's reply reaches the hub.
    Replied { ask: u64, reply: Box<Result<Reply, Refusal>> },
    /// The maker's power is back.
    MakerStarts,
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

/// A request that a hub works on. Gone when its power goes.
struct Exchange {
    party: Party,
    step: Step,
}

/// Who asked.
enum Party {
    /// A device asked the operator's hub, in the life that waits for the answer, if one does.
    Device(usize, Option<u64>),
    /// A registrar asked the maker, and waits for it, if it does.
    Registrar(Option<u64>),
}

/// A device's request at the operator's hub, while that waits for the maker.
struct Waiting {
    device: usize,
    life: Option<u64>,
    then: Then<Result<Reply, Refusal>>,
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
    /// The manufacturer of most of the devices.
    pub maker: Maker,
    /// The certificate that the operator revoked, if one was.
    pub revoked: Option<Certificate>,
    faults: Faults,
    /// Whether anything fails now.
    faulty: bool,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    happened: u64,
    exchanges: BTreeMap<u64, Exchange>,
    waiting: BTreeMap<u64, Waiting>,
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
        let maker = Maker::new("lumen", START, random.next()).map_err(stopped)?;
        let mut world = Self {
            seed,
            devices: Vec::new(),
            hub,
            maker,
            revoked: None,
            faults,
            faulty: true,
            now: 0,
            queue: BTreeMap::new(),
            happened: 0,
            exchanges: BTreeMap::new(),
            waiting: BTreeMap::new(),
            counter: 0,
            random,
            tally: Tally::default(),
            broken: Vec::new(),
        };
        world.populate(devices).map_err(stopped)?;
        Ok(world)
    }

    fn populate(&mut self, devices: usize) -> Result<(), String> {
        // With the rule, nobody is unwanted.
        let by_rule = self.random.happens(500);
        let admission = if by_rule { "automatic" } else { "ask" };
        let anchor = json!({"anchor": "lumen", "certificate": self.maker.authority().to_pem(), "admission": admission});
        self.ask("anchor add", anchor)?;
        let masa = FirstTrust::Manufacturer { masa: self.maker.authority().clone(), pinned: None };
        let domain = FirstTrust::Domain(self.hub.authority().clone());
        for number in 1..=devices {
            // Every other one comes as it left the factory.
            let trust = if number % 2 == 1 { &masa } else { &domain };
            self.add_device(format!("A{number:04}"), Kind::Welcome, trust.clone())?;
        }
        if !by_rule {
            self.add_device("U0001".into(), Kind::Unwanted, masa)?;
            self.after(OPERATOR_MILLIS_MAX, Event::OperatorLooks);
        }
        self.add_stranger("S0001".into())
    }

    /// A device of the maker's.
    fn add_device(&mut self, serial_number: String, kind: Kind, trust: FirstTrust) -> Result<(), String> {
        let key = Key::new(&mut self.random);
        let idevid = self.maker.bear(&serial_number, key, START)?;
        self.switch_on(serial_number, kind, idevid, trust);
        Ok(())
    }

    /// A device of somebody's whom nobody trusts.
    fn add_stranger(&mut self, serial_number: String) -> Result<(), String> {
        let refused = |why: wire::certificate::profile::IssueRefused| why.to_string();
        let maker = Authority::root("stranger", START, &mut self.random).map_err(refused)?;
        let key = Key::new(&mut self.random);
        let hardware = HardwareModuleName {
            kind: Oid::new(HARDWARE).map_err(|why| why.to_string())?,
            serial: serial_number.clone().into_bytes(),
        };
        let profile =
            Profile::IdevId { serial_number: serial_number.clone(), hardware, mud_url: None, masa_url: None };
        let validity = Validity { not_before: START, not_after: None };
        let serial = self.random.bytes();
        let to_sign = ToSign { profile, key: key.public().clone(), serial, validity };
        let certificate = maker.sign(&to_sign).map_err(|why| why.detail)?;
        let trust = FirstTrust::Manufacturer { masa: maker.certificate, pinned: None };
        self.switch_on(serial_number, Kind::Stranger, Authority { certificate, key }, trust);
        Ok(())
    }

    fn switch_on(&mut self, serial_number: String, kind: Kind, idevid: Authority, trust: FirstTrust) {
        let random = Random::new(self.random.next());
        let device = self.devices.len();
        self.devices.push(Device::new(serial_number, kind, idevid, trust, random));
        let at = self.random.below(60_000);
        self.after(at, Event::Starts { device, life: 0 });
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
        let asked = self.hub.desk.ask(operation, arguments, date);
        asked.map_err(|why| format!("{operation}: {}: {}", why.code, why.detail))
    }

    /// Asks the maker's hub as its operator.
    ///
    /// # Errors
    /// The refusal, in words.
    pub fn ask_maker(&mut self, operation: &str, arguments: Json) -> Result<Json, String> {
        let date = self.date();
        let asked = self.maker.desk.ask(operation, arguments, date);
        asked.map_err(|why| format!("the maker's {operation}: {}: {}", why.code, why.detail))
    }

    /// Whether both hubs have power: then invariants can be looked at.
    fn can_look(&self) -> bool {
        self.hub.desk.is_running() && self.maker.desk.is_running()
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
        self.live_until(self.now + days * MILLIS_PER_DAY * 7 / 10)?;
        self.heal("renew", |device| held.get(&device.serial_number) != Some(&device.disk.ldevid().cloned()))
    }

    /// Everybody is without power for longer than any certificate is good, and one certificate is revoked
    /// meanwhile; then power comes back, under faults, and nobody helps but who admits. Then all is healed, and
    /// looked at.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn sleep(&mut self) -> Result<(), Stopped> {
        let asleep: Vec<usize> =
            (0..self.devices.len()).filter(|device| self.devices[*device].kind == Kind::Welcome).collect();
        let held: Vec<_> = asleep.iter().map(|it| self.devices[*it].disk.ldevid().cloned()).collect();
        asleep.iter().for_each(|device| self.devices[*device].stop());
        self.revoked = held.iter().flatten().next().cloned();
        if let Some(device) = self.revoked.as_ref().and_then(|it| it.subject().common_name()) {
            let revoked = self.ask("onboarding revoke", json!({"device": device, "why": "it was lost"}));
            revoked.map_err(|why| Stopped { seed: self.seed, why })?;
        }
        let days = u64::try_from(LDEVID_DAYS_MAX).unwrap_or(0) + 1;
        self.live_until(self.now + days * MILLIS_PER_DAY)?;
        self.faulty = true;
        self.after(OPERATOR_MILLIS_MAX, Event::OperatorLooks);
        for device in &asleep {
            self.restart(*device, 0);
        }
        self.live_until(self.now + FAULTY_MINUTES_MAX * 60_000)?;
        self.heal("sleep", |device| !held.contains(&device.disk.ldevid().cloned()))
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
            world.can_look() && welcome.all(|device| device.is_enrolled() && done(device))
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

    /// Looks at the invariants that always hold, if both hubs have power.
    fn look_if_possible(&mut self) {
        if self.can_look() {
            self.look(true);
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
                if life > 0 {
                    self.look_if_possible();
                }
                let started = self.devices[device].start(self.now);
                let output =
                    started.map_err(|why| format!("{}: {why}", self.devices[device].serial_number))?;
                self.perform(device, output);
            }
            Event::Arrives { device, life, shown, request } => self.arrives(device, life, &shown, request),
            Event::GoesOn(exchange) => self.goes_on(exchange)?,
            Event::Asked { ask, outgoing } => self.asked(ask, *outgoing),
            Event::Replied { ask, reply } => self.replied(ask, *reply),
            Event::HubStarts => {
                self.hub.desk.start().map_err(|why| why.detail)?;
                self.look_if_possible();
            }
            Event::MakerStarts => {
                self.maker.desk.start().map_err(|why| why.detail)?;
                self.look_if_possible();
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
                    machine::Identity::Idevid => this.idevid.certificate.clone(),
                    machine::Identity::Ldevid(certificate) => *certificate,
                };
                let (life, shown) = (this.life, Box::new(shown));
                let delay = self.delay();
                self.after(delay, Event::Opens { device, life, trust, shown });
            }
            Output::Send(request) => self.send(device, request),
            Output::SignVoucherRequest(json) => {
                let signed = self.devices[device].idevid.sign_json(&json, &[]);
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
