//! Operations that misbehave: only tests have them.
use fleet::audit::store::idempotency_add;
use fleet::device::rules::{Command, Event, Identity, Refusal as Why, Stage, State};
use fleet::device::{Device, rules};
use fleet::operation::{Kind, Operation};
use fleet::permission::Permission;
use fleet::refusal::Refusal;
use fleet::room::{Change, Cx, Room, Subject};
use fleet::time::Millis;
use fleet::tx::{Fault, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};

/// Expects a device as everybody does, and then something goes wrong.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct ExpectThen {
    /// The device's name and serial number.
    pub name: String,
    /// What goes wrong then.
    pub then: Then,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// The code panics.
    Panic,
    /// A statement that no engine understands.
    BadSql,
    /// The same, and the operation goes on as if nothing were.
    HiddenBadSql,
    /// A row that is there already.
    SameRow,
    /// Somebody else changed the row meanwhile.
    StaleVersion,
    /// The server ends the connection (PostgreSQL).
    Disconnect,
}

impl Operation for ExpectThen {
    const NAME: &'static str = "test expect-then";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = String;

    fn run(&self, cx: &mut Cx) -> Result<String, Refusal> {
        let identity =
            Identity { name: self.name.clone(), serial_number: self.name.clone(), ..Identity::default() };
        let id = cx.draw_id();
        let subject = cx.subject("main", id);
        cx.change::<Device>(&subject, Command::Expect(identity))?;
        match self.then {
            Then::Nothing => {}
            #[expect(clippy::panic, reason = "this is what the test is about")]
            Then::Panic => panic!("a fault in an operation"),
            Then::BadSql => drop(cx.tx.exec("UPDATE nothing SET nowhere = $1", &[1.into()])?),
            Then::HiddenBadSql => drop(cx.tx.exec("UPDATE nothing SET nowhere = $1", &[1.into()])),
            Then::SameRow => drop(cx.tx.exec(
                "INSERT INTO device (organisation, site, device, stage, name, maker, model, serial_number, \
                 attention, version) SELECT organisation, site, device, stage, name, maker, model, \
                 serial_number, attention, version FROM device WHERE name = $1",
                &[self.name.as_str().into()],
            )?),
            Then::StaleVersion => drop(cx.change::<Stale>(&subject, Command::Admit)?),
            Then::Disconnect => {
                let end = "SELECT CAST(pg_terminate_backend(pg_backend_pid()) AS TEXT)";
                cx.tx.rows(end, &[], &mut |_| Ok(()))?;
            }
        }
        Ok(id.to_string())
    }
}

/// The devices, seen by somebody whose view is old.
struct Stale;

impl Room for Stale {
    const NAME: &'static str = "stale";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Why;

    fn decide(_: &State, _: Command, _: Millis) -> Result<Vec<Event>, Why> {
        Ok(vec![Event::Admitted])
    }

    fn apply(state: &mut State, event: &Event) {
        rules::apply(state, event);
    }

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = Device::load(tx, subject)?;
        Ok(found.map(|(state, version)| (State { stage: Some(Stage::Discovered), ..state }, version + 6)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        Device::save(tx, subject, change)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Device::count(tx)
    }
}

/// Writes more than SQLite holds in memory, whatever the disk says, and goes on.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Spill {
    /// The name of a device that it expects at the end.
    pub name: String,
}

impl Operation for Spill {
    const NAME: &'static str = "test spill";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Operate;
    type Answer = ();

    fn run(&self, cx: &mut Cx) -> Result<(), Refusal> {
        for i in 0..8 {
            let id = cx.draw_id();
            let key = format!("{i}");
            let _ = idempotency_add(cx.tx, "spill", &key, &[0; 32], cx.now, &"x".repeat(1_000_000));
            let identity = Identity { name: format!("{}-{i}", self.name), ..Identity::default() };
            let _ = cx.change::<Device>(&cx.subject("main", id), Command::Expect(identity));
        }
        Ok(())
    }
}

/// Says that it only looks, and changes something.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct FalseRead {}

impl Operation for FalseRead {
    const NAME: &'static str = "test false-read";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = u64;

    fn run(&self, cx: &mut Cx) -> Result<u64, Refusal> {
        Ok(cx.tx.exec("DELETE FROM device", &[])?)
    }
}

/// The gates at which operations of [`Wait`] stand: each can be opened once.
static GATES: LazyLock<Mutex<HashMap<String, Receiver<()>>>> = LazyLock::new(Mutex::default);

/// Makes a gate; what is sent opens it.
pub fn gate(name: &str) -> Sender<()> {
    let (open, gate) = channel();
    GATES.lock().expect("no test panics with the gates").insert(name.into(), gate);
    open
}

/// Waits at a gate.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    /// Which.
    pub gate: String,
}

impl Operation for Wait {
    const NAME: &'static str = "test wait";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::View;
    type Answer = ();

    fn run(&self, _: &mut Cx) -> Result<(), Refusal> {
        wait_at(&self.gate);
        Ok(())
    }
}

/// Waits until the gate is opened, or nobody can open it any more.
pub fn wait_at(name: &str) {
    let gate = GATES.lock().expect("no test panics with the gates").remove(name);
    if let Some(gate) = gate {
        let _ = gate.recv();
    }
}
