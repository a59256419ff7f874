//! The tests' registrar behind real TLS, and devices' folders for it.
use crate::registrar::{Asked, Registrar};
use crate::support::{Identity, idevid};
use agent::machine::{Stage, Timers};
use agent::{AgentError, Settings};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use io::http::body::read_body;
use io::http::server::{Peer, ServerLimits, serve};
use io::tls::server::devices_config;
use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use wire::Certificate;

/// The longest that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A registrar on a port of its own, until dropped.
pub struct Served {
    registrar: Arc<Mutex<Registrar>>,
    port: u16,
    _stop: oneshot::Sender<()>,
}

impl Served {
    /// Shows a registrar's certificate of its own domain.
    pub async fn new() -> Self {
        let domain = Registrar::new(io::clock::now_millis());
        let shown = domain.shown.clone();
        Self::showing(domain, &shown).await
    }

    /// Shows this certificate.
    pub async fn showing(domain: Registrar, shown: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let registrar = Arc::new(Mutex::new(domain));
        let (stop, stopped) = oneshot::channel::<()>();
        let tls = devices_config(&shown.tls()).unwrap();
        let stopped = async { stopped.await.unwrap_or_default() };
        tokio::spawn(serve(listener, tls, ServerLimits::default(), App(registrar.clone()), stopped));
        Self { registrar, port, _stop: stop }
    }

    pub fn registrar(&self) -> MutexGuard<'_, Registrar> {
        self.registrar.lock().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// A folder as it comes from the factory, with the domain's anchor laid into it.
    pub fn folder(&self) -> tempfile::TempDir {
        let anchor = self.registrar().authority.certificate.to_pem();
        self.folder_with("anchor.pem", &anchor)
    }

    /// A folder as it comes from the factory: nobody has touched it since.
    pub fn untouched_folder(&self) -> tempfile::TempDir {
        let maker = self.registrar().maker.certificate.to_pem();
        self.folder_with("masa.pem", &maker)
    }

    fn folder_with(&self, name: &str, trusted: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let device = self.registrar().maker.issue(&idevid());
        let put = |name: &str, text: &str| {
            io::files::write_atomic(&folder.path().join(name), text.as_bytes(), 0o600).unwrap();
        };
        put("idevid.pem", &device.certificate.to_pem());
        put("idevid.key", &device.key.pem());
        put(name, trusted);
        folder
    }

    /// Settings in a hurry.
    pub fn settings(&self) -> Settings {
        let timers = Timers { backoff_min: 20, backoff_max: 100, put_off: 1000, start_spread: 0 };
        Settings { timers, ..Settings::new(&self.url("")) }
    }

    /// Runs a device until `enough` says so.
    pub async fn run_until(
        &self,
        folder: &Path,
        settings: Settings,
        mut enough: impl FnMut(Stage, &Registrar) -> bool,
    ) -> Result<(), AgentError> {
        let (shown, mut stage) = watch::channel(Stage::Joining);
        let settings = Settings { stage: Some(Arc::new(shown)), ..settings };
        let watching = async {
            while !enough(*stage.borrow_and_update(), &self.registrar()) {
                // Not each request changes the stage.
                let _ = tokio::time::timeout(Duration::from_millis(5), stage.changed()).await;
            }
        };
        let running = agent::run(folder, settings, watching);
        tokio::time::timeout(PATIENCE, running).await.expect("in time")
    }

    /// Runs a device until it is enrolled.
    pub async fn enrol(&self, folder: &Path) {
        let enough = |stage, _: &Registrar| stage == Stage::Enrolled;
        self.run_until(folder, self.settings(), enough).await.unwrap();
    }
}

#[derive(Clone)]
struct App(Arc<Mutex<Registrar>>);

type Answering = Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

impl tower_service::Service<Request<Incoming>> for App {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Answering {
        let registrar = self.0.clone();
        Box::pin(async move {
            let Peer { chain: peer, closer, .. } = request.extensions().get::<Peer>().unwrap().clone();
            let peer = peer.first().map(|der| Certificate::from_der(der).unwrap());
            if peer.as_ref().is_some_and(|peer| registrar.lock().unwrap().unheard.contains(peer)) {
                closer.close();
                std::future::pending::<()>().await;
            }
            let accept = request.headers().get(ACCEPT).map(|accept| accept.to_str().unwrap().to_owned());
            let path = request.uri().path().to_owned();
            let body = read_body(request.into_body(), 1 << 20, PATIENCE).await.unwrap().to_vec();
            if path == wire::control::CHECK_IN_PATH && registrar.lock().unwrap().desired.is_none() {
                // The tests' registrar is no hub.
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return Ok(response);
            }
            let answer = registrar.lock().unwrap().answer(Asked {
                path,
                accept: accept.unwrap_or_default(),
                body,
                peer,
            });
            let mut response = Response::new(Full::new(Bytes::from(answer.body)));
            *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::try_from(answer.content_type).unwrap());
            headers.extend(answer.retry_after_seconds.map(|seconds| (RETRY_AFTER, seconds.into())));
            Ok(response)
        })
    }
}
