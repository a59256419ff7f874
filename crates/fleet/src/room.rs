//! The spine: decide, apply, save, journal. One function writes; nothing else may.
use crate::audit::clock::rules::is_behind;
use crate::audit::rules::Entry;
use crate::audit::store::journal_events;
use crate::id::Id;
use crate::limits::STEP_ROWS_MAX;
use crate::permission::Session;
use crate::reactions;
use crate::refusal::{Blame, Refusal, Sort};
use crate::time::Millis;
use crate::tx::{Fault, FaultKind, Row, Tx, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt;
use wire::PublicKey;

/// What a row and its journal entries are about. Every key carries organisation and site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Whose it is.
    pub organisation: String,
    /// Where it is; empty for what belongs to the whole organisation.
    pub site: String,
    /// Its name or id within the room.
    pub id: String,
}

impl Subject {
    /// The subject in the columns `i` (organisation), `i + 1` (site) and `i + 2` (id).
    ///
    /// # Errors
    /// A [`Fault`] when something else is stored there.
    pub fn read(row: &Row, i: usize) -> Result<Self, Fault> {
        let (organisation, site) = (row.text(i)?.into(), row.text(i + 1)?.into());
        Ok(Subject { organisation, site, id: row.text(i + 2)?.into() })
    }

    /// Organisation, site and id, as arguments of a statement.
    pub fn key(&self) -> [Value; 3] {
        [self.organisation.as_str().into(), self.site.as_str().into(), self.id.as_str().into()]
    }

    /// As [`key`](Self::key), and more after it.
    pub fn key_and(&self, more: impl IntoIterator<Item = Value>) -> Vec<Value> {
        self.key().into_iter().chain(more).collect()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}/{}", self.organisation, self.site, self.id)
    }
}

/// Why a room's rules say no: a stable code, and words for people (`Display`).
pub trait Reason: fmt::Display {
    /// The stable code.
    fn code(&self) -> &'static str;
    /// What sort of "no" it is.
    fn sort(&self) -> Sort {
        Sort::Conflict
    }
}

/// A room: one subject's state, the commands it takes, the events it makes, and where it is kept.
pub trait Room: 'static {
    /// The room's word in the journal.
    const NAME: &'static str;
    /// What is true of a subject now. `Default` is "never heard of".
    type State: Clone + Default + PartialEq + fmt::Debug;
    /// What may be asked of it.
    type Command;
    /// *Stored.* What happened: the journal keeps these, so their serialised form is a promise.
    type Event: Serialize + DeserializeOwned + 'static;
    /// Why not.
    type Refusal: Reason;

    /// The rules, pure.
    ///
    /// # Errors
    /// The room's refusal.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        now: Millis,
    ) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// Whether it issues something, revokes it or lets it expire. What does rests on the time being right, and
    /// is refused while the hub's clock is before the newest journal entry, whatever asked for it.
    fn rests_on_time(_event: &Self::Event) -> bool {
        false
    }

    /// What an event does to the state. It cannot fail.
    fn apply(state: &mut Self::State, event: &Self::Event);

    /// The stored state and its version.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(Self::State, i64)>, Fault>;

    /// Stores the new state if the old version is still the stored one, and says whether it was.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<Self::State>) -> Result<bool, Fault>;

    /// How many subjects have a row.
    ///
    /// # Errors
    /// A [`Fault`] of the store.
    fn count(tx: &mut dyn Tx) -> Result<i64, Fault>;
}

/// Inside of an `impl Room` in a room's `store.rs`: the types and functions of its `rules.rs`.
///
/// With `on_time`, some of its events rest on the time being right: `rests_on_time` says which.
macro_rules! rules {
    (on_time) => {
        crate::room::rules!();

        fn rests_on_time(event: &rules::Event) -> bool {
            rules::rests_on_time(event)
        }
    };
    () => {
        type State = rules::State;
        type Command = rules::Command;
        type Event = rules::Event;
        type Refusal = rules::Refusal;

        fn decide(
            state: &rules::State,
            command: rules::Command,
            now: crate::time::Millis,
        ) -> Result<Vec<rules::Event>, rules::Refusal> {
            rules::decide(state, command, now)
        }

        fn apply(state: &mut rules::State, event: &rules::Event) {
            rules::apply(state, event);
        }
    };
}
pub(crate) use rules;

/// An old state with its version, and a new one. Version 0 means that there is no row.
pub struct Change<'a, S> {
    /// What is stored.
    pub old: &'a S,
    /// Its version.
    pub old_version: i64,
    /// What shall be stored.
    pub new: &'a S,
    /// Its version.
    pub new_version: i64,
}

/// What the hub that runs an operation knows and the database does not.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// The key that signs the journal's checkpoints.
    pub checkpoint_key: Option<PublicKey>,
}

/// What an operation runs in: a transaction, the time, randomness, who asks.
pub struct Cx<'a> {
    /// The transaction.
    pub tx: &'a mut dyn Tx,
    /// The time.
    pub now: Millis,
    /// Who asks.
    pub session: &'a Session,
    /// What the hub knows.
    pub env: &'a Env,
    newest: Millis,
    seed: [u8; 32],
    drawn: u64,
    entries: Vec<Entry>,
}

impl<'a> Cx<'a> {
    /// A context for one operation. `seed` is fresh randomness, `newest` the time of the newest
    /// journal entry.
    pub fn new(
        tx: &'a mut dyn Tx,
        now: Millis,
        newest: Millis,
        seed: [u8; 32],
        session: &'a Session,
        env: &'a Env,
    ) -> Self {
        Cx { tx, now, session, env, newest, seed, drawn: 0, entries: Vec::new() }
    }

    /// What the operation wrote to the journal, not yet chained.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// 32 random bytes that nobody else gets; the same ones when the operation is repeated.
    pub fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.drawn.to_be_bytes()).finalize().into()
    }

    /// A new id.
    pub fn draw_id(&mut self) -> Id {
        let random = self.draw();
        let mut ten = [0; 10];
        ten.copy_from_slice(&random[..10]);
        Id::new(self.now, ten)
    }

    /// A certificate's serial number that nobody can foresee.
    pub fn draw_serial(&mut self) -> [u8; 16] {
        let random = self.draw();
        let mut serial = [0; 16];
        serial.copy_from_slice(&random[..16]);
        serial
    }

    /// The time of the newest journal entry that counts.
    pub fn newest(&self) -> Millis {
        self.newest
    }

    /// The time, for what is decided by it and depends on it being right. What is issued, revoked or let
    /// expire is refused by [`change`](Self::change) without being asked here: see [`Room::rests_on_time`].
    ///
    /// # Errors
    /// `clock-behind` when the clock is before the newest journal entry.
    pub fn sound_now(&self) -> Result<Millis, Refusal> {
        if !is_behind(self.now, self.newest) {
            return Ok(self.now);
        }
        let detail = format!(
            "the hub's clock says {}, but its newest journal entry is of {}; set the clock, \
             or accept it with `clock accept` if it is right, then ask again",
            self.now, self.newest
        );
        Err(Refusal::new(Sort::Later, "clock-behind", detail).blaming(Blame::Environment))
    }

    /// The entries until now do not count any more.
    pub(crate) fn accept_clock(&mut self) {
        self.newest = self.now;
    }

    /// The subject `id` at `site` of the asker's organisation.
    pub fn subject(&self, site: &str, id: impl fmt::Display) -> Subject {
        Subject {
            organisation: self.session.organisation.as_str().into(),
            site: site.into(),
            id: id.to_string(),
        }
    }

    /// The one way to change anything: decide, apply, save, journal.
    ///
    /// # Errors
    /// The room's refusal, `clock-behind`, `changed-meanwhile`, or a fault of the store.
    pub fn change<R: Room>(&mut self, subject: &Subject, command: R::Command) -> Result<R::State, Refusal> {
        let (old, old_version) = R::load(self.tx, subject)?.unwrap_or_default();
        self.change_from::<R>(subject, old, old_version, command)
    }

    /// As [`change`](Self::change), for a subject whose id was drawn just now: it has no row to load.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub fn begin<R: Room>(&mut self, subject: &Subject, command: R::Command) -> Result<R::State, Refusal> {
        self.change_from::<R>(subject, R::State::default(), 0, command)
    }

    fn change_from<R: Room>(
        &mut self,
        subject: &Subject,
        old: R::State,
        old_version: i64,
        command: R::Command,
    ) -> Result<R::State, Refusal> {
        let events = R::decide(&old, command, self.now)
            .map_err(|why| Refusal::new(why.sort(), why.code(), why.to_string()))?;
        if events.iter().any(R::rests_on_time) {
            self.sound_now()?;
        }
        let (mut new, mut new_version) = (old.clone(), old_version);
        let mut details = Vec::with_capacity(events.len());
        for event in &events {
            R::apply(&mut new, event);
            details.push(serde_json::to_string(event).map_err(|e| Fault::corrupt(e.to_string()))?);
        }
        for detail in details {
            new_version += 1;
            self.entries.push(Entry::new::<R>(self.session, subject, new_version, detail));
        }
        let change = Change { old: &old, old_version, new: &new, new_version };
        if !events.is_empty() && !R::save(self.tx, subject, &change)? {
            return Err(Fault::new(FaultKind::Conflict, subject.to_string()).into());
        }
        for event in &events {
            reactions::after(self, subject, event)?;
        }
        Ok(new)
    }
}

/// `steward check` for one room: the fold of a subject's journal equals its row.
#[derive(Clone, Copy)]
pub struct Fold {
    /// The room's word in the journal.
    pub room: &'static str,
    /// How many subjects have a row.
    pub count: fn(&mut dyn Tx) -> Result<i64, Fault>,
    /// Folds the journal of a subject and says how its row differs, if it does.
    pub differs: fn(&mut dyn Tx, &Subject) -> Result<Option<String>, Fault>,
}

/// The check of room `R`.
pub const fn fold<R: Room>() -> Fold {
    Fold { room: R::NAME, count: R::count, differs: differs::<R> }
}

fn differs<R: Room>(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<String>, Fault> {
    let (mut folded, mut version) = (R::State::default(), 0);
    loop {
        let events = journal_events(tx, R::NAME, subject, version, STEP_ROWS_MAX)?;
        if events.is_empty() {
            break;
        }
        for (next, detail) in events {
            if next != version + 1 {
                return Ok(Some(format!("the journal has no version {}", version + 1)));
            }
            match serde_json::from_str(&detail) {
                Ok(event) => R::apply(&mut folded, &event),
                Err(why) => return Ok(Some(format!("the event of version {next} cannot be read: {why}"))),
            }
            version = next;
        }
    }
    let Some((stored, stored_version)) = R::load(tx, subject)? else {
        return Ok(Some("the journal knows it, and it has no row".into()));
    };
    if (stored_version, &stored) == (version, &folded) {
        return Ok(None);
    }
    Ok(Some(format!(
        "the row is version {stored_version} {stored:?}, the journal folds to version {version} {folded:?}"
    )))
}
