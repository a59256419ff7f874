//! A device: the agent's machine, what its memory has, and what its disk has.
use crate::authority::Authority;
use crate::key::Key;
use crate::random::Random;
use agent::machine::{
    Change, Failure, FirstTrust, Imprint, Inventory, Moment, Output, Pledge, Stage, Timers,
};
use wire::{Certificate, PublicKey};

/// Who a device is to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It shall join.
    Welcome,
    /// Its maker is trusted, and nobody admits it.
    Unwanted,
    /// Its maker is not trusted.
    Stranger,
}

/// What survives when power goes.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub(crate) keys: Vec<Key>,
    imprint: Option<Imprint>,
    anchors: Vec<Certificate>,
    ldevid: Option<Certificate>,
    /// The certificate that the registrar knows to have arrived.
    told: Option<Certificate>,
}

impl Disk {
    /// The certificate that it holds.
    pub fn ldevid(&self) -> Option<&Certificate> {
        self.ldevid.as_ref()
    }

    /// What it kept of the voucher that it accepted.
    pub fn imprint(&self) -> Option<&Imprint> {
        self.imprint.as_ref()
    }

    /// Whether its certificate's key is there too.
    pub fn has_key(&self) -> bool {
        self.ldevid.as_ref().is_some_and(|held| self.key(held.public_key()).is_some())
    }

    /// Whether it noted that the registrar knows.
    pub fn is_told(&self) -> bool {
        self.ldevid.is_some() && self.ldevid == self.told
    }

    /// Loses its keys: for tests that break an invariant.
    pub fn lose_keys(&mut self) {
        self.keys.clear();
    }

    /// Notes what never happened: for tests that break an invariant.
    pub fn note_told(&mut self) {
        self.told = self.ldevid.clone();
    }

    /// Trusts what no voucher of its own named: for tests that break an invariant.
    pub fn take_over(&mut self, imprint: Imprint) {
        self.imprint = Some(imprint);
    }

    /// Takes a certificate that is not its own: for tests that break an invariant.
    pub fn hold(&mut self, certificate: Certificate) {
        self.ldevid = Some(certificate);
    }

    pub(crate) fn key(&self, public: &PublicKey) -> Option<&Key> {
        self.keys.iter().find(|key| key.public() == public)
    }

    pub(crate) fn store(&mut self, change: Change) {
        match change {
            Change::Imprint(imprint) => self.imprint = Some(*imprint),
            Change::Anchors(anchors) => self.anchors = anchors,
            Change::Ldevid(ldevid) => self.ldevid = Some(*ldevid),
            Change::OnlyKey(only) => self.keys.retain(|key| *key.public() == only),
            Change::Told(ldevid) => self.told = Some(*ldevid),
        }
    }
}

/// A device.
pub struct Device {
    /// Its maker's serial number.
    pub serial_number: String,
    /// Who it is to the hub.
    pub kind: Kind,
    /// What survives when power goes.
    pub disk: Disk,
    pub(crate) idevid: Authority,
    /// What it trusts as it comes from its maker or an installer.
    trust: FirstTrust,
    pledge: Option<Pledge>,
    /// What it showed over the connection that is open.
    pub(crate) line: Option<Certificate>,
    /// Counts its starts, so that nothing of an earlier life reaches it.
    pub(crate) life: u64,
    started_at: u64,
    pub(crate) random: Random,
}

impl Device {
    pub(crate) fn new(
        serial_number: String,
        kind: Kind,
        idevid: Authority,
        trust: FirstTrust,
        random: Random,
    ) -> Self {
        let disk = Disk::default();
        let (pledge, line, life, started_at) = (None, None, 0, 0);
        Self { serial_number, kind, disk, idevid, trust, pledge, line, life, started_at, random }
    }

    /// Whether it is enrolled, and says so.
    pub fn is_enrolled(&self) -> bool {
        self.pledge.as_ref().is_some_and(|pledge| pledge.stage() == Stage::Enrolled) && self.disk.is_told()
    }

    /// Power comes: the machine begins with what the disk has.
    pub(crate) fn start(&mut self, now: u64) -> Result<Output, Failure> {
        (self.started_at, self.line) = (now, None);
        let inventory = Inventory {
            idevid: self.idevid.certificate.clone(),
            trust: self.trust(),
            anchors: self.disk.anchors.clone(),
            ldevid: self.disk.ldevid.clone(),
            keys: self.disk.keys.iter().map(|key| key.public().clone()).collect(),
            told: self.disk.is_told(),
        };
        let moment = self.moment(now);
        let registrar = "https://registrar.example";
        let (pledge, output) = Pledge::resume(registrar, Timers::default(), inventory, moment)?;
        self.pledge = Some(pledge);
        Ok(output)
    }

    fn trust(&self) -> FirstTrust {
        let mut trust = self.trust.clone();
        if let FirstTrust::Manufacturer { pinned, .. } = &mut trust {
            *pinned = self.disk.imprint.as_ref().map(|imprint| Box::new(imprint.pinned.clone()));
        }
        trust
    }

    /// Power goes: what is under way reaches nobody.
    pub(crate) fn stop(&mut self) {
        self.life += 1;
        (self.pledge, self.line) = (None, None);
    }

    pub(crate) fn step(&mut self, now: u64, input: agent::machine::Input) -> Result<Output, String> {
        let moment = self.moment(now);
        let Some(pledge) = &mut self.pledge else { return Err("an input for a device without power".into()) };
        pledge.step(moment, input).map_err(|why| why.to_string())
    }

    /// The world's time at a moment of the device's own clock.
    pub(crate) fn world_time(&self, moment: u64) -> u64 {
        self.started_at.saturating_add(moment)
    }

    fn moment(&mut self, now: u64) -> Moment {
        Moment { now: now.saturating_sub(self.started_at), random: u128::from_le_bytes(self.random.bytes()) }
    }
}
