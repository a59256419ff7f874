//! The server: one operation table shown as an API and as pages, protocol doors, and the hub's own
//! work. It decides nothing: rules live in `fleet`, rows in `store`.
//!
//! A hub is opened in three steps, so that whoever starts it can say what went wrong: [`Hub::open`]
//! opens the folder and the store, [`Hub::bind`] takes the port, [`Bound::serve`] answers.
pub mod api;
pub mod blobs;
mod budget;
mod checkin;
pub mod desk;
mod devices;
mod downloads;
pub mod fetch;
mod fetching;
pub mod folder;
mod gates;
mod headers;
mod health;
pub mod limits;
mod manufacturer;
pub mod openapi;
mod pages;
mod problem;
mod published;
mod releases;
mod signers;
pub mod start;
mod tally;
mod who;
mod work;
mod workers;

use axum::Router;
use axum::middleware::from_fn_with_state;
use blobs::Blobs;
use budget::SharedBudget;
use checkin::CheckIns;
use desk::Desk;
use devices::{Connections, Devices};
use downloads::Downloads;
use fetch::Fetcher;
use fleet::operation::OperationRow;
use fleet::permission::Session;
use fleet::refusal::Refusal;
use fleet::room::Env;
use fleet::text::{Label, Slug};
use fleet::time::Millis;
use fleet::tx::Fault;
use folder::{Folder, FolderError, ReachedBy};
use gates::Gates;
use io::http::server::{ServerLimits, serve_counting};
use io::tls::TlsConfigError;
use io::tls::server::{devices_config, people_config};
use limits::{CHECK_IN_SECONDS_MAX, DEVICE_REQUESTS_MAX};
use pages::Changes;
use serde_json::Value as Json;
use signers::Signers;
use std::collections::BTreeMap;
use std::future::Future;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::{Committed, Place, Settings as StoreSettings, Store};
use tally::Tally;
use tokio::net::TcpListener;
use tokio::sync::watch;
use wire::key::KeyRefused;
use wire::{PublicKey, Signer};
use work::{Bell, Worker};

/// What a hub is told. Only the folder has no default.
#[derive(Clone)]
pub struct Settings {
    /// Its folder.
    pub data: PathBuf,
    /// Where people and programs reach it.
    pub people: SocketAddr,
    /// Where devices reach it.
    pub devices: SocketAddr,
    /// Where devices reach it, if that is not where it listens; its certificate and every plan name them.
    pub devices_at: Vec<SocketAddr>,
    /// Names that its certificate shall carry beside `localhost`.
    pub names: Vec<String>,
    /// A PostgreSQL to keep the state in; SQLite in the folder when nothing is said.
    pub postgres: Option<String>,
    /// Its organisation.
    pub organisation: Slug,
    /// Why its clock is right although the journal has entries of a time to come; nothing when nobody says so.
    pub accept_clock: Option<Label>,
    /// Whether a URL that a device or a file names may lead to this machine.
    pub fetch_loopback: bool,
    /// How long a device's check-in is held when there is nothing to tell it.
    pub check_in_hold: Duration,
    /// Told of what was committed, after the hub itself and before anybody is answered.
    pub committed: Option<Committed>,
}

impl Settings {
    /// The defaults: free ports on loopback, SQLite, the organisation `main`, nothing fetched from this
    /// machine.
    pub fn new(data: PathBuf) -> Self {
        Settings {
            data,
            people: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            devices: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            devices_at: Vec::new(),
            names: Vec::new(),
            postgres: None,
            organisation: Slug::main(),
            accept_clock: None,
            fetch_loopback: false,
            check_in_hold: Duration::from_secs(CHECK_IN_SECONDS_MAX),
            committed: None,
        }
    }
}

/// A hub could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its store.
    #[error("the store could not be opened: {}", .0.detail)]
    Store(Fault),
    /// A key.
    #[error("the journal's key is not a key: {0}")]
    Key(#[from] KeyRefused),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// An address.
    #[error("{address} could not be taken: {source}; end who has it, or choose another with --listen")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its own first requests.
    #[error("the hub refused its own start ({}): {}", .0.code, .0.detail)]
    Refused(Refusal),
}

/// What every request shares.
pub struct Shared {
    /// The way to the fleet.
    pub desk: Desk,
    /// What its listeners were asked and turned away.
    tallies: Tallies,
    blobs: Blobs,
    factory: Signers,
    check_ins: Arc<CheckIns>,
    gates: Arc<Gates>,
    changes: Changes,
    /// What is on its way to people, programs and strangers.
    downloads: Downloads,
    /// Devices that registrars ask vouchers for.
    pledges: SharedBudget,
}

/// What the listeners were asked and turned away.
#[derive(Clone, Default)]
struct Tallies {
    people: Tally,
    devices: Tally,
}

impl Shared {
    /// Runs the operation of `row` for somebody: in the store, and over the files where it looks at those too.
    ///
    /// # Errors
    /// As [`Desk::run`], and what the files are refused for.
    pub async fn run(
        &self,
        session: &Session,
        row: &OperationRow,
        arguments: Json,
        key: Option<String>,
    ) -> Result<Json, Refusal> {
        let answer = self.desk.run(session, row, arguments, key).await?;
        self.blobs.compared(row, answer).await
    }
}

/// An open hub.
pub struct Hub {
    settings: Settings,
    folder: Folder,
    desk: Desk,
    blobs: Blobs,
    connections: Arc<Connections>,
    bell: Bell,
    release_bell: releases::Bell,
    check_ins: Arc<CheckIns>,
    gates: Arc<Gates>,
    changes: Changes,
}

impl Hub {
    /// Opens the folder and the store. It blocks: call it before there is anything else to do.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(settings: Settings) -> Result<Self, StartError> {
        let now = Millis(io::clock::now_millis());
        let folder = Folder::open(&settings.data, settings.organisation.as_str(), now)?;
        let place = match &settings.postgres {
            Some(config) => Place::Postgres(config.clone()),
            None => Place::Sqlite(folder.database_path()),
        };
        let checkpoint_key = PublicKey::of(folder.journal_key().as_ref())?;
        let env = Env { checkpoint_key: Some(checkpoint_key) };
        let connections = Arc::new(Connections::default());
        let mut store_settings = StoreSettings::new(place, env.clone(), clock());
        let (bell, told) = (Bell::default(), settings.committed.clone());
        let release_bell = releases::Bell::default();
        let ringing_too = release_bell.clone();
        let check_ins = Arc::new(CheckIns::new(settings.check_in_hold));
        let gates = Arc::new(Gates::new(settings.check_in_hold));
        let (watching, ringing, waiting) = (connections.clone(), bell.clone(), check_ins.clone());
        let planning = gates.clone();
        let changes = Changes::default();
        let shown = changes.clone();
        store_settings.committed = Some(Arc::new(move |links| {
            watching.committed(links);
            shown.committed(links);
            ringing.committed(links);
            ringing_too.committed(links);
            waiting.committed(links);
            planning.committed(links);
            told.iter().for_each(|told| told(links));
        }));
        let store = Store::open(store_settings).map_err(StartError::Store)?;
        let desk = Desk::new(store, env);
        let blobs = Blobs::new(desk.clone(), folder.blobs().clone(), settings.organisation.clone());
        Ok(Hub { settings, folder, desk, blobs, connections, check_ins, gates, bell, release_bell, changes })
    }

    /// Takes the ports.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(self) -> Result<Bound, StartError> {
        let people = listen(self.settings.people).await?;
        let devices = listen(self.settings.devices).await?;
        Ok(Bound { hub: self, people, devices })
    }
}

/// A port, and where it is.
struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

async fn listen(address: SocketAddr) -> Result<Port, StartError> {
    let taken = |source| StartError::Address { address, source };
    let listener = TcpListener::bind(address).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    Ok(Port { listener, address })
}

/// An open hub with its ports.
pub struct Bound {
    hub: Hub,
    people: Port,
    devices: Port,
}

impl Bound {
    /// The way to the fleet.
    pub fn desk(&self) -> &Desk {
        &self.hub.desk
    }

    /// The hub's blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.hub.blobs
    }

    /// Where people reach it.
    pub fn people(&self) -> SocketAddr {
        self.people.address
    }

    /// Where devices reach it.
    pub fn devices(&self) -> SocketAddr {
        self.devices.address
    }

    /// Accepts the clock, notes a restoration, makes sure that there is an administrator, and says what a
    /// ready-file says.
    ///
    /// # Errors
    /// [`StartError::Refused`].
    pub async fn ready(&self) -> Result<start::Ready, StartError> {
        let (desk, organisation) = (&self.hub.desk, &self.hub.settings.organisation);
        if let Some(why) = self.hub.settings.accept_clock.clone() {
            start::accept_clock(desk, organisation, why).await.map_err(StartError::Refused)?;
        }
        if self.hub.folder.is_restored() {
            // The first entry of this start: what is newer than the others is forgotten.
            match start::note_restoration(desk, organisation).await {
                Ok(()) => self.hub.folder.restoration_noted()?,
                Err(no) if no.code == "clock-behind" => {
                    tracing::warn!("{}; until then, devices that are ahead are refused", no.detail);
                }
                Err(refusal) => return Err(StartError::Refused(refusal)),
            }
        }
        let token = start::administrator_token(desk, organisation).await.map_err(StartError::Refused)?;
        Ok(start::Ready {
            people: format!("https://{}", self.people.address),
            devices: format!("https://{}", self.devices.address),
            ca: self.hub.folder.domain_path(),
            factory: self.hub.folder.factory_path(),
            token,
        })
    }

    /// Answers until `shutdown`, then finishes the running requests.
    ///
    /// # Errors
    /// [`StartError`] when TLS cannot be set up.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let Hub { settings, folder, desk, blobs, connections, check_ins, gates, bell, release_bell, changes } =
            self.hub;
        let now = Millis(io::clock::now_millis());
        let for_people = ReachedBy::new(&settings.names, [self.people.address.ip()]);
        let people_tls = people_config(&folder.server_identity(&for_people, now)?)?;
        let devices_at = iter::once(self.devices.address).chain(settings.devices_at).collect::<Vec<_>>();
        let for_devices = ReachedBy::new(&settings.names, devices_at.iter().map(SocketAddr::ip));
        let registrar = folder.registrar(&for_devices, now)?;
        let devices_tls = devices_config(&registrar.clone().identity())?;
        let (organisation, signer) = (settings.organisation.clone(), folder.journal_key());
        let (masa, domain, factory) = (folder.masa(now)?, folder.domain().clone(), folder.factory().clone());
        let (author, maker) = (Arc::new(folder.author(now)?), folder.signer(now)?);
        let own = vec![self.people.address, self.devices.address];
        let fetcher = Fetcher::new(settings.fetch_loopback, own);
        let signing = |authority| Signers {
            organisation: organisation.clone(),
            authority,
            domain: folder.domain().certificate.clone(),
            registrar: registrar.clone(),
            masa: masa.clone(),
            signer: maker.clone(),
            author: author.clone(),
            maker: folder.factory().certificate.clone(),
            blobs: blobs.clone(),
            fetcher: fetcher.clone(),
        };
        let doors = Devices::new(
            desk.clone(),
            signing(domain),
            connections.clone(),
            check_ins.clone(),
            gates.clone(),
        );
        let factory = signing(factory);
        let work = tokio::spawn(workers::run(
            desk.clone(),
            signer.clone(),
            organisation.clone(),
            connections,
            check_ins.clone(),
        ));
        let forgetting = tokio::spawn(workers::forget(desk.clone(), organisation.clone(), blobs.clone()));
        if let Err(refusal) = blobs.sweep_orphans().await {
            tracing::warn!(code = refusal.code, detail = refusal.detail, "blobs without a row stay for now");
        }
        // An address that stands for all of the machine's is nobody's.
        let reached_at = devices_at.into_iter().filter(|it| !it.ip().is_unspecified()).collect();
        let signers = factory.clone();
        let worker = Worker { desk: desk.clone(), blobs: blobs.clone(), signers, reached_at, bell };
        let rooms_work = tokio::spawn(worker.run());
        let base = base(&settings.names, self.people.address);
        let releases =
            releases::Worker { desk: desk.clone(), signers: factory.clone(), base, bell: release_bell };
        let release_work = tokio::spawn(releases.run());
        let (stop, stopping) = watch::channel(false);
        let stopped = |mut stopping: watch::Receiver<bool>| async move {
            // The sender is kept until both listeners ended.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let (people_limits, devices_limits) =
            (limits_at(self.people.address), limits_at(self.devices.address));
        let tallies = Tallies::default();
        let Tallies { people, devices } = tallies.clone();
        let devices_router = doors.router().layer(from_fn_with_state(devices.clone(), tally::count));
        tokio::join!(
            serve_counting(
                self.people.listener,
                people_tls,
                people_limits,
                people.away,
                router(Shared {
                    desk: desk.clone(),
                    tallies,
                    blobs,
                    factory,
                    check_ins: check_ins.clone(),
                    gates: gates.clone(),
                    changes: changes.clone(),
                    downloads: Downloads::default(),
                    pledges: SharedBudget::new(DEVICE_REQUESTS_MAX),
                }),
                stopped(stopping.clone())
            ),
            serve_counting(
                self.devices.listener,
                devices_tls,
                devices_limits,
                devices.away,
                devices_router,
                stopped(stopping)
            ),
            async {
                shutdown.await;
                changes.end();
                stop.send_replace(true);
                check_ins.stop();
                gates.stop();
            },
        );
        work.abort();
        forgetting.abort();
        rooms_work.abort();
        release_work.abort();
        if let Err(refusal) = check_ins.note(&desk, &organisation).await {
            tracing::warn!(
                code = refusal.code,
                detail = refusal.detail,
                "who was heard of last is not noted"
            );
        }
        last_checkpoint(&desk, signer.as_ref(), &organisation).await;
        Ok(())
    }
}

/// What the listener at `address` spends. One that only this machine reaches knows no addresses apart.
fn limits_at(address: SocketAddr) -> ServerLimits {
    let limits = ServerLimits::default();
    match address.ip().is_loopback() {
        true => ServerLimits { address_connections_max: limits.connections_max, ..limits },
        false => limits,
    }
}

/// Where others reach the people's listener.
fn base(names: &[String], address: SocketAddr) -> String {
    match names.first() {
        Some(name) => format!("https://{name}:{}", address.port()),
        None if address.ip().is_unspecified() => format!("https://localhost:{}", address.port()),
        None => format!("https://{address}"),
    }
}

/// A clean stop leaves no entry without a checkpoint.
async fn last_checkpoint(desk: &Desk, signer: &dyn Signer, organisation: &Slug) {
    if let Err(refusal) = workers::sign_heads(desk, signer, organisation, &mut BTreeMap::new()).await {
        tracing::warn!(code = refusal.code, detail = refusal.detail, "no last checkpoint");
    }
}

/// The machine's clock, as the store asks it.
pub fn clock() -> store::Clock {
    Arc::new(|| Millis(io::clock::now_millis()))
}

/// Everything the people's listener answers.
fn router(shared: Shared) -> Router {
    let shared = Arc::new(shared);
    Router::new()
        .merge(api::router())
        .merge(blobs::router())
        .merge(health::router())
        .merge(manufacturer::router())
        .merge(pages::router())
        .merge(published::router())
        .merge(releases::router())
        .fallback(api::not_found)
        .layer(from_fn_with_state(shared.tallies.people.clone(), tally::count))
        .with_state(shared)
}
