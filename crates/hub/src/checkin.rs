//! Check-ins that wait: a device whose report says that all is as it should be is answered when that
//! changes, or after a while. Waiting costs no reader and no thread.
//!
//! A waiting request belongs to its device, and whatever the journal says of that device wakes it: which
//! room said it, nobody here has to know. A device has one at most; a newer one ends it.
use crate::desk::Desk;
use crate::limits::HELD_REQUESTS_MAX;
use fleet::audit::rules::Link;
use fleet::control::door;
use fleet::control::view::{Contact, Expire, Hear, Heard, Look, NoteContacts};
use fleet::door::{Answer, answered};
use fleet::limits::CONTACTS_MAX;
use fleet::onboarding::door::{Peer, Request};
use fleet::permission::Session;
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::remediation::store::tries_late;
use fleet::remediation::view::Expire as ExpireTries;
use fleet::room::Room;
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::upgrade::Rollout;
use fleet::upgrade::rules::Event;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use wire::control::{Desired, MEDIA_TYPE};

/// The hub's check-ins.
pub struct CheckIns {
    hold: Duration,
    waiting: Mutex<Waiting>,
    /// Devices that were heard of and are not noted yet.
    contacts: Mutex<BTreeMap<String, Contact>>,
}

/// By the device's id.
#[derive(Default)]
struct Waiting {
    requests: HashMap<String, Place>,
    count: u64,
    stopping: bool,
}

/// A request in work.
struct Place {
    woken: Arc<Notify>,
    /// It waits, and nothing else.
    held: bool,
}

impl CheckIns {
    /// Check-ins that are answered after `hold` at the latest.
    pub fn new(hold: Duration) -> Self {
        CheckIns { hold, waiting: Mutex::default(), contacts: Mutex::default() }
    }

    /// Answers a check-in, at once or later.
    ///
    /// # Errors
    /// The refusal of the door or the store; `NotPermitted` ends the connection.
    pub async fn answer(&self, desk: &Desk, session: &Session, request: Request) -> Result<Answer, Refusal> {
        let device = device(&request.peer);
        let (serial, report) = door::open(request)?;
        let came = Millis(io::clock::now_millis());
        let until = Instant::now() + self.hold;
        // Before the first look, so that nothing is missed in between.
        let ticket = self.enter(device)?;
        loop {
            let heard = hear(desk, session, &serial, &report, came).await?;
            self.met(&heard);
            if heard.desired.is_some() || !self.hold(&ticket, true) {
                return Ok(told(heard.desired));
            }
            tokio::select! {
                () = ticket.woken.notified() => {}
                () = sleep_until(again(&heard)), if heard.again_at.is_some() => {}
                () = sleep_until(until) => return Ok(told(None)),
            };
            if !self.hold(&ticket, false) {
                // A newer one of its device came, and what this one said is old.
                return Ok(told(None));
            }
        }
    }

    /// Wakes the devices of which `links` tell. The store calls it when the disk has them.
    pub fn committed(&self, links: &[Link]) {
        let waiting = self.waiting();
        for place in links.iter().flat_map(told_of).filter_map(|device| waiting.requests.get(&device)) {
            place.woken.notify_one();
        }
    }

    /// Answers everybody who waits, and nobody waits any more.
    pub fn stop(&self) {
        let mut waiting = self.waiting();
        waiting.stopping = true;
        waiting.requests.values().for_each(|place| place.woken.notify_one());
    }

    /// How many requests wait.
    pub fn held(&self) -> u64 {
        self.waiting().requests.values().filter(|place| place.held).count() as u64
    }

    /// How many requests came.
    pub fn count(&self) -> u64 {
        self.waiting().count
    }

    fn enter(&self, device: String) -> Result<Ticket<'_>, Refusal> {
        let mut waiting = self.waiting();
        waiting.count += 1;
        if waiting.requests.len() >= HELD_REQUESTS_MAX && !waiting.requests.contains_key(&device) {
            let detail = "too many devices wait for their answers; check in again later";
            return Err(Refusal::new(Sort::Later, "busy", detail).blaming(Blame::Environment));
        }
        let woken = Arc::new(Notify::new());
        let place = Place { woken: woken.clone(), held: false };
        if let Some(older) = waiting.requests.insert(device.clone(), place) {
            older.woken.notify_one();
        }
        Ok(Ticket { device, woken, of: self })
    }

    /// Whether its place may be held: no newer request of its device came, and the hub does not stop.
    fn hold(&self, ticket: &Ticket, held: bool) -> bool {
        let mut waiting = self.waiting();
        let stopping = waiting.stopping;
        let place = waiting.requests.get_mut(&ticket.device).filter(|place| ticket.is(place));
        place.is_some_and(|place| {
            place.held = held;
            !stopping
        })
    }

    fn met(&self, heard: &Heard) {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        if contacts.len() >= HELD_REQUESTS_MAX && !contacts.contains_key(&heard.device) {
            // It checks in again soon.
            return;
        }
        let contact = Contact {
            organisation: heard.organisation.clone(),
            site: heard.site.clone(),
            device: heard.device.clone(),
            seen: Millis(io::clock::now_millis()),
            digest: heard.digest.clone(),
        };
        contacts.insert(heard.device.clone(), contact);
    }

    /// Notes who was heard of, in sorted batches.
    ///
    /// # Errors
    /// The store's refusal; who was not noted checks in again soon.
    pub async fn note(&self, desk: &Desk, organisation: &Slug) -> Result<(), Refusal> {
        let met = std::mem::take(&mut *self.contacts.lock().unwrap_or_else(PoisonError::into_inner));
        let session = Session::of_hub("contact", organisation.clone());
        let met: Vec<Contact> = met.into_values().collect();
        for contacts in met.chunks(CONTACTS_MAX) {
            desk.own(&session, NoteContacts { contacts: contacts.to_vec() }).await?;
        }
        Ok(())
    }

    /// What it guards is whole between two statements, so a panic elsewhere spoils nothing.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a report is to be looked at again.
fn again(heard: &Heard) -> Instant {
    let wait = heard.again_at.map_or(0, |at| at.0.saturating_sub(io::clock::now_millis()));
    Instant::now() + Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}

/// Of whom an entry tells: of its subject, or of the devices of a wave.
fn told_of(link: &Link) -> Vec<String> {
    let entry = &link.entry;
    if entry.room == Rollout::NAME
        && let Ok(Event::WaveBegun { devices, .. }) = serde_json::from_str(&entry.detail)
    {
        return devices;
    }
    vec![entry.subject.id.clone()]
}

/// A device's place among those that wait; left when this is dropped, also with its connection.
struct Ticket<'a> {
    device: String,
    woken: Arc<Notify>,
    of: &'a CheckIns,
}

impl Ticket<'_> {
    fn is(&self, place: &Place) -> bool {
        Arc::ptr_eq(&place.woken, &self.woken)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut waiting = self.of.waiting();
        if waiting.requests.get(&self.device).is_some_and(|place| self.is(place)) {
            waiting.requests.remove(&self.device);
        }
    }
}

/// The device's id: the common name of the LDevID that the hub gave it.
fn device(peer: &Peer) -> String {
    peer.certificate().and_then(|certificate| certificate.subject().common_name()).unwrap_or_default()
}

async fn hear(
    desk: &Desk,
    session: &Session,
    serial: &str,
    report: &str,
    came: Millis,
) -> Result<Heard, Refusal> {
    let (serial, report) = (serial.to_owned(), report.to_owned());
    let look = Look { serial: serial.clone(), report: report.clone(), came };
    let heard: Heard = answered(desk.own(session, look).await)?;
    if !heard.changes {
        return Ok(heard);
    }
    answered(desk.own(session, Hear { serial, report, came }).await)
}

fn told(desired: Option<String>) -> Answer {
    let body = desired.map_or_else(|| Desired::default().to_json(), String::into_bytes);
    Answer::of(200, MEDIA_TYPE, body)
}

/// Ends the tries of playbooks whose deadline passed, if there is any.
///
/// # Errors
/// The store's refusal.
pub async fn try_on(desk: &Desk, organisation: &Slug) -> Result<(), Refusal> {
    let late = desk.look(|tx, now| Ok(tries_late(tx, now, 1)?)).await?;
    if !late.is_empty() {
        desk.own(&Session::of_hub("try-on", organisation.clone()), ExpireTries {}).await?;
    }
    Ok(())
}

/// Ends what was asked of devices and whose deadline passed, if there is any.
///
/// # Errors
/// The store's refusal.
pub async fn expire(desk: &Desk, organisation: &Slug) -> Result<(), Refusal> {
    let late = desk.look(|tx, now| Ok(fleet::control::store::operations_late(tx, now, 1)?)).await?;
    if !late.is_empty() {
        desk.own(&Session::of_hub("expire", organisation.clone()), Expire {}).await?;
    }
    Ok(())
}
