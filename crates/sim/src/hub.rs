//! An operator's hub without sockets and threads: the doors, the store's commit on a file, an authority
//! in memory. What it has in memory is gone when its power goes; the file stays.
use crate::key::Key;
use crate::random::Random;
use fleet::door::{Step, ToSign};
use fleet::onboarding::door::{self, Peer, Request};
use fleet::operation::Call;
use fleet::permission::{Permission, Session};
use fleet::refusal::{Refusal, Sort};
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::tx::{Fault, Tx};
use serde_json::Value as Json;
use store::{Ask, Engine, Lane, Outcome, Place, commit, run_read};
use tempfile::TempDir;
use wire::Certificate;
use wire::certificate::profile::{IssueRefused, Profile, Validity, issue};

/// The hub's only lane.
const LANE: i64 = 1;

/// The hub.
pub struct Hub {
    /// Gone while there is no power.
    running: Option<Running>,
    place: Place,
    authority: Authority,
    registrar: Vec<Certificate>,
    random: Random,
    _folder: TempDir,
}

struct Running {
    engine: Box<dyn Engine>,
    lane: Lane,
}

/// An authority and its key.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    key: Key,
}

impl Authority {
    pub(crate) fn new(name: &str, now: i64, random: &mut Random) -> Result<Self, IssueRefused> {
        let key = Key::new(random);
        let profile = Profile::Root { common_name: name.into(), organisation: name.into() };
        let validity = Validity { not_before: now, not_after: None };
        let certificate = issue(&profile, key.public(), None, random.bytes(), validity, &key)?;
        Ok(Self { certificate, key })
    }

    pub(crate) fn sign(&self, to_sign: &ToSign) -> Result<Certificate, IssueRefused> {
        let ToSign { profile, key, serial, validity } = to_sign;
        issue(profile, key, Some(&self.certificate), *serial, *validity, &self.key)
    }
}

/// The session of whoever runs the simulated hub.
fn operator() -> Session {
    Session {
        actor: "operator".into(),
        organisation: Slug::main(),
        permission: Permission::Administer,
        credential: None,
    }
}

impl Hub {
    /// A hub with an empty database, with power.
    ///
    /// # Errors
    /// Why the machine that simulates cannot make one.
    pub fn new(now: i64, seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed);
        let folder = TempDir::new().map_err(|why| why.to_string())?;
        let place = Place::Sqlite(folder.path().join("state.db"));
        let mut engine = place.writer().map_err(|why| why.detail)?;
        store::migrate::migrate(&mut *engine, fleet::MIGRATIONS).map_err(|why| why.detail)?;
        drop(engine);
        let authority = Authority::new("domain", now, &mut random).map_err(|why| why.to_string())?;
        let profile = Profile::Registrar {
            common_name: "registrar".into(),
            dns_names: vec!["registrar.example".into()],
            addresses: Vec::new(),
        };
        let validity = Validity { not_before: now, not_after: None };
        let key = Key::new(&mut random).public().clone();
        let registrar = authority.sign(&ToSign { profile, key, serial: random.bytes(), validity });
        let registrar = vec![registrar.map_err(|why| why.to_string())?];
        let mut hub = Self { running: None, place, authority, registrar, random, _folder: folder };
        hub.start().map_err(|why| why.detail)?;
        Ok(hub)
    }

    /// Whether it has power.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Power comes.
    ///
    /// # Errors
    /// A [`Fault`] of the database.
    pub fn start(&mut self) -> Result<(), Fault> {
        let mut engine = self.place.writer()?;
        let lane = Lane::open(&mut *engine, LANE)?;
        self.running = Some(Running { engine, lane });
        Ok(())
    }

    /// Power goes.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// The domain's authority.
    pub fn authority(&self) -> &Certificate {
        &self.authority.certificate
    }

    /// What it shows in a handshake.
    pub fn registrar(&self) -> &[Certificate] {
        &self.registrar
    }

    /// Whom a chain belongs to.
    ///
    /// # Errors
    /// The door's refusal: the connection ends.
    pub fn judge(&mut self, chain: &[Vec<u8>], now: i64) -> Result<Peer, Refusal> {
        let authority = self.authority.certificate.clone();
        self.look(|tx| door::judge(tx, &Slug::main(), &authority, chain, Millis(now)))
    }

    /// The first step of a request.
    pub fn open(&self, request: Request) -> Step {
        door::open(request, &self.authority.certificate, &self.registrar[0])
    }

    /// Runs a door's call for a device, on the disk when this returns.
    pub fn commit_for(&mut self, serial_number: &str, call: Box<dyn Call>, now: i64) -> Outcome {
        self.commit(&Session::of_device(serial_number, Slug::main()), call, now)
    }

    /// What a door wants signed.
    ///
    /// # Errors
    /// `not-signed`.
    pub fn sign(&self, to_sign: &ToSign) -> Result<Certificate, Refusal> {
        let failed = |why: IssueRefused| Refusal::new(Sort::Failed, "not-signed", why.to_string());
        self.authority.sign(to_sign).map_err(failed)
    }

    /// Asks as the operator.
    ///
    /// # Errors
    /// The operation's refusal.
    pub fn ask(&mut self, operation: &str, arguments: Json, now: i64) -> Outcome {
        let unknown = || Refusal::new(Sort::NotFound, "operation-unknown", operation.to_string());
        let (noun, verb) = operation.split_once(' ').ok_or_else(unknown)?;
        let row = fleet::operation(noun, verb).ok_or_else(unknown)?;
        let call = (row.parse)(arguments)?;
        let permitted = operator().permit(call)?;
        if permitted.writes() {
            return self.commit_permitted(permitted, now);
        }
        self.look(|tx| run_read(tx, Millis(now), &Env::default(), &permitted))
    }

    /// Does something to the tables behind the rules' back: for tests that break an invariant.
    ///
    /// # Errors
    /// A [`Fault`] of `work` or of the database.
    pub fn tamper(&mut self, mut work: impl FnMut(&mut dyn Tx) -> Result<(), Fault>) -> Result<(), Fault> {
        let Some(running) = &mut self.running else { return Err(dark()) };
        running.engine.batch(&mut |tx| work(tx))
    }

    fn commit(&mut self, session: &Session, call: Box<dyn Call>, now: i64) -> Outcome {
        let permitted = session.permit(call)?;
        self.commit_permitted(permitted, now)
    }

    fn commit_permitted(&mut self, permitted: fleet::permission::Permitted, now: i64) -> Outcome {
        let seed = self.random.bytes();
        let Some(Running { engine, lane }) = &mut self.running else { return Err(dark().into()) };
        let ask = Ask { permitted, seed, idempotency_key: None };
        let mut outcomes = commit(&mut **engine, lane, Millis(now), &Env::default(), &[ask]);
        outcomes.pop().unwrap_or_else(|| Err(dark().into()))
    }

    fn look<T>(&mut self, mut look: impl FnMut(&mut dyn Tx) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let Some(running) = &mut self.running else { return Err(dark().into()) };
        let mut found = None;
        running.engine.snapshot(&mut |tx| {
            found = Some(look(tx));
            Ok(())
        })?;
        found.unwrap_or_else(|| Err(dark().into()))
    }
}

fn dark() -> Fault {
    Fault::new(fleet::tx::FaultKind::Unavailable, "the hub has no power")
}
