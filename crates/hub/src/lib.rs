//! The server: one operation table shown as an API and as pages, protocol doors, and the hub's own
//! work. It decides nothing: rules live in `fleet`, rows in `store`.
//!
//! A hub is opened in three steps, so that whoever starts it can say what went wrong: [`Hub::open`]
//! opens the folder and the store, [`Hub::bind`] takes the port, [`Bound::serve`] answers.
pub mod api;
pub mod desk;
pub mod folder;
mod health;
pub mod limits;
pub mod openapi;
mod pages;
mod problem;
pub mod start;
mod workers;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use desk::Desk;
use fleet::room::Env;
use fleet::text::Slug;
use fleet::time::Millis;
use fleet::tx::Fault;
use folder::{Folder, FolderError};
use io::http::server::{ServerLimits, serve};
use io::tls::TlsConfigError;
use io::tls::server::people_config;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Place, Settings as StoreSettings, Store};
use tokio::net::TcpListener;
use wire::key::KeyRefused;
use wire::{PublicKey, Signer};

/// What a hub is told. Only the folder has no default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder.
    pub data: PathBuf,
    /// Where people and programs reach it.
    pub people: SocketAddr,
    /// Names that its certificate shall carry beside `localhost`.
    pub names: Vec<String>,
    /// A PostgreSQL to keep the state in; SQLite in the folder when nothing is said.
    pub postgres: Option<String>,
    /// Its organisation.
    pub organisation: Slug,
}

impl Settings {
    /// The defaults: a free port on loopback, SQLite, the organisation `main`.
    pub fn new(data: PathBuf) -> Self {
        Settings {
            data,
            people: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            names: Vec::new(),
            postgres: None,
            organisation: Slug::main(),
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
    Refused(fleet::refusal::Refusal),
}

/// What every request shares.
pub struct Shared {
    /// The way to the fleet.
    pub desk: Desk,
    /// Requests since the start.
    pub requests: AtomicU64,
}

/// An open hub.
pub struct Hub {
    settings: Settings,
    folder: Folder,
    desk: Desk,
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
        let store_settings = StoreSettings::new(place, env.clone(), clock());
        let store = Store::open(store_settings).map_err(StartError::Store)?;
        Ok(Hub { settings, folder, desk: Desk::new(store, env) })
    }

    /// Takes the port.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(self) -> Result<Bound, StartError> {
        let address = self.settings.people;
        let listener =
            TcpListener::bind(address).await.map_err(|source| StartError::Address { address, source })?;
        let people = listener.local_addr().map_err(|source| StartError::Address { address, source })?;
        Ok(Bound { hub: self, listener, people })
    }
}

/// An open hub with its port.
pub struct Bound {
    hub: Hub,
    listener: TcpListener,
    people: SocketAddr,
}

impl Bound {
    /// The way to the fleet.
    pub fn desk(&self) -> &Desk {
        &self.hub.desk
    }

    /// Where people reach it.
    pub fn people(&self) -> SocketAddr {
        self.people
    }

    /// Makes sure that there is an administrator, and what a ready-file says.
    ///
    /// # Errors
    /// [`StartError::Refused`].
    pub async fn ready(&self) -> Result<start::Ready, StartError> {
        let token = start::administrator_token(&self.hub.desk, &self.hub.settings.organisation)
            .await
            .map_err(StartError::Refused)?;
        Ok(start::Ready {
            people: format!("https://{}", self.people),
            ca: self.hub.folder.authority_path(),
            token,
        })
    }

    /// Answers until `shutdown`, then finishes the running requests.
    ///
    /// # Errors
    /// [`StartError`] when TLS cannot be set up.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
        let Hub { settings, folder, desk } = self.hub;
        let mut names = settings.names.clone();
        names.push("localhost".into());
        let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        if !self.people.ip().is_unspecified() && !addresses.contains(&self.people.ip()) {
            addresses.push(self.people.ip());
        }
        let identity = folder.server_identity(&names, &addresses, Millis(io::clock::now_millis()))?;
        let tls = people_config(&identity)?;
        let signer = folder.journal_key();
        let work = tokio::spawn(workers::run(desk.clone(), signer.clone(), settings.organisation.clone()));
        serve(self.listener, tls, ServerLimits::default(), router(desk.clone()), shutdown).await;
        work.abort();
        last_checkpoint(&desk, signer.as_ref(), &settings.organisation).await;
        Ok(())
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
pub fn router(desk: Desk) -> Router {
    let shared = Arc::new(Shared { desk, requests: AtomicU64::new(0) });
    Router::new()
        .merge(api::router())
        .merge(health::router())
        .merge(pages::router())
        .fallback(api::not_found)
        .layer(from_fn_with_state(shared.clone(), count))
        .with_state(shared)
}

async fn count(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}
