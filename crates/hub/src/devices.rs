//! The devices' listener: TLS proved who holds which key, the room's door judges and answers.
use crate::budget::SharedBudget;
use crate::checkin::CheckIns;
use crate::desk::Desk;
use crate::downloads::Downloads;
use crate::gates::{Gates, Told};
use crate::headers::text;
use crate::limits::{BODY_SECONDS_MAX, DEVICE_IMAGE_REQUESTS_MAX, DEVICE_REQUESTS_MAX};
use crate::problem::Problem;
use crate::signers::{Signers, response};
use crate::who::{Who, who};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleet::audit::rules::Link;
use fleet::audit::view::hex;
use fleet::door::{Answer, answered};
use fleet::limits::DOOR_BODY_BYTES_MAX;
use fleet::onboarding::door::{self, Peer};
use fleet::onboarding::restoration;
use fleet::onboarding::rules::Event;
use fleet::onboarding::view::Proof;
use fleet::permission::Session;
use fleet::refusal::{Refusal, Sort};
use fleet::retirement;
use fleet::room::Room;
use fleet::text::Digest;
use fleet::upgrade::view::MayFetch;
use io::http::server::{Closer, Peer as Connection};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wire::Certificate;
use wire::control::{BLOBS_PATH, CHECK_IN_PATH};
use wire::retirement::LAST_REPORT_PATH;

/// What the devices' listener needs; `signers.authority` is the domain's.
pub struct Devices {
    desk: Desk,
    signers: Signers,
    connections: Arc<Connections>,
    check_ins: Arc<CheckIns>,
    gates: Arc<Gates>,
    budget: SharedBudget,
    image_budget: SharedBudget,
    downloads: Downloads,
}

impl Devices {
    /// The listener's half of a hub.
    pub fn new(
        desk: Desk,
        signers: Signers,
        connections: Arc<Connections>,
        check_ins: Arc<CheckIns>,
        gates: Arc<Gates>,
    ) -> Self {
        Devices {
            desk,
            signers,
            connections,
            check_ins,
            gates,
            budget: SharedBudget::new(DEVICE_REQUESTS_MAX),
            image_budget: SharedBudget::new(DEVICE_IMAGE_REQUESTS_MAX),
            downloads: Downloads::default(),
        }
    }

    /// Everything the listener answers.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    async fn answer(&self, request: Request, connection: &Connection) -> Result<Response, Refusal> {
        // Known before it is judged: what ends the certificate in between ends the connection.
        if let Some(leaf) = connection.chain.first().and_then(|der| Certificate::from_der(der).ok()) {
            self.connections.add(&hex(leaf.serial()), &connection.closer);
        }
        let peer = self.judge(connection).await?;
        let who = who(&peer, connection.address.ip());
        if !self.may_ask(who, &request, &peer) {
            return Ok(response(Answer::too_often()));
        }
        let session = self.session(&peer);
        let peer = match self.known(peer, &session).await? {
            Ok(peer) => peer,
            Err(answer) => return Ok(response(answer)),
        };
        let Signers { authority, registrar, .. } = &self.signers;
        let headers = request.headers().clone();
        let request = match plain(request, peer).await? {
            Ok(request) => request,
            Err(problem) => return Ok(response(problem.into())),
        };
        if request.path == CHECK_IN_PATH {
            return self.check_ins.answer(&self.desk, &session, request).await.map(response);
        }
        if Gates::are_asked(&request) {
            let enforced = text(&headers, header::IF_NONE_MATCH);
            let told = self.gates.answer(&self.desk, &session, request, enforced).await?;
            return Ok(named(told));
        }
        if let Some(image) = request.path.strip_prefix(BLOBS_PATH) {
            return self.image(&session, &request.peer, image, &headers, (who, connection)).await;
        }
        if request.path == LAST_REPORT_PATH {
            let (serial_number, step) = retirement::door::open(request)?;
            let session = Session::of_device(&serial_number, self.signers.organisation.clone());
            return Ok(response(self.signers.drive(&self.desk, step, &session).await));
        }
        let step = door::open(request, &authority.certificate, &registrar.certificate);
        let answer = self.signers.drive(&self.desk, step, &session).await;
        if answer.closing {
            let detail = String::from_utf8_lossy(&answer.body);
            tracing::warn!(address = %connection.address, %detail, "closed");
        }
        Ok(response(answer))
    }

    /// The image of a release, for a device that is being offered it.
    async fn image(
        &self,
        session: &Session,
        peer: &Peer,
        image: &str,
        headers: &HeaderMap,
        (who, connection): (Who, &Connection),
    ) -> Result<Response, Refusal> {
        let Peer::Device { proof: Proof::Ldevid { serial }, .. } = peer else {
            let detail = "an image is fetched with the identity that the device got here";
            return Err(Refusal::new(Sort::NotPermitted, "not-an-ldevid", detail));
        };
        let unknown = || Refusal::new(Sort::NotFound, "blob-not-offered", "the device is not offered this");
        let image: Digest = image.parse().map_err(|_| unknown())?;
        let call = MayFetch { serial: serial.clone(), image: image.clone() };
        match answered(self.desk.own(session, call).await)? {
            true => {
                let download = self.downloads.begin(who, &connection.closer)?;
                let served = self.signers.blobs.serve(session, image, headers, download).await;
                served.map_err(|problem| problem.refusal)
            }
            false => Err(unknown()),
        }
    }

    /// A peer that may go on, or what it is answered: a hub that was restored from a backup has forgotten
    /// LDevIDs.
    async fn known(&self, peer: Peer, session: &Session) -> Result<Result<Peer, Answer>, Refusal> {
        let Peer::Ahead { shown, certificate } = peer else { return Ok(Ok(peer)) };
        let proof = Proof::Ldevid { serial: shown.serial.clone() };
        let meeting = answered(self.desk.own(session, *shown).await)?;
        let answer = restoration::door::answer(meeting)?;
        Ok(answer.map_or(Ok(Peer::Device { proof, certificate }), Err))
    }

    /// Whether the peer has not used up its requests: what it asks may cost an entry of the journal, or a piece
    /// of an image.
    fn may_ask(&self, who: Who, request: &Request, peer: &Peer) -> bool {
        if request.method() == Method::POST || matches!(peer, Peer::Ahead { .. }) {
            return self.budget.may_ask(who);
        }
        !request.uri().path().starts_with(BLOBS_PATH) || self.image_budget.may_ask(who)
    }

    fn session(&self, peer: &Peer) -> Session {
        let serial_number = peer.certificate().and_then(Certificate::serial_number);
        Session::of_device(serial_number.as_deref().unwrap_or("unknown"), self.signers.organisation.clone())
    }

    async fn judge(&self, connection: &Connection) -> Result<Peer, Refusal> {
        let (chain, organisation) = (connection.chain.clone(), self.signers.organisation.clone());
        let authority = self.signers.authority.certificate.clone();
        self.desk.look(move |tx, now| door::judge(tx, &organisation, &authority, &chain, now)).await
    }
}

/// The answer to a gate, with what names the set.
fn named(Told { answer, set }: Told) -> Response {
    let mut response = response(answer);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{set}\""))
        && !set.is_empty()
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

async fn answer(State(devices): State<Arc<Devices>>, request: Request) -> Response {
    let Some(connection) = request.extensions().get::<Connection>().cloned() else {
        tracing::error!("a request without its connection");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match devices.answer(request, &connection).await {
        Ok(response) => response,
        // A peer whose chain is not good, or whose LDevID ended, gets no byte of HTTP.
        Err(refusal) if refusal.sort == Sort::NotPermitted => {
            tracing::info!(address = %connection.address, code = refusal.code, detail = refusal.detail, "refused");
            connection.closer.close();
            // Nobody is sent it; it says to the count what it was.
            StatusCode::UNAUTHORIZED.into_response()
        }
        Err(refusal) => response(Answer::from(&refusal)),
    }
}

/// The request as the door takes it, or what is wrong with its body.
async fn plain(request: Request, peer: Peer) -> Result<Result<door::Request, Problem>, Refusal> {
    let post = request.method() == Method::POST;
    if !post && request.method() != Method::GET {
        return Err(Refusal::new(Sort::Malformed, "wrong-method", "a door is asked with GET or POST"));
    }
    let path = request.uri().path().to_string();
    let content_type = text(request.headers(), header::CONTENT_TYPE).to_string();
    let within = Duration::from_secs(BODY_SECONDS_MAX);
    let body = io::http::body::read_body(request.into_body(), DOOR_BODY_BYTES_MAX, within).await;
    Ok(match body {
        Ok(body) => Ok(door::Request { post, path, content_type, body: body.to_vec(), peer }),
        Err(why) => Err(why.into()),
    })
}

/// The open connections by the LDevID that they were opened with, so that they end with it.
#[derive(Default)]
pub struct Connections(Mutex<HashMap<String, Vec<Closer>>>);

impl Connections {
    fn add(&self, serial: &str, closer: &Closer) {
        let mut open = self.open();
        let closers = open.entry(serial.to_string()).or_default();
        closers.retain(|closer| !closer.is_over());
        if !closers.iter().any(|known| known.is(closer)) {
            closers.push(closer.clone());
        }
    }

    /// Ends the connections of every LDevID that `links` say has ended. The store calls it when the
    /// disk has them and before anybody is answered.
    pub fn committed(&self, links: &[Link]) {
        for link in links.iter().filter(|link| link.entry.room == fleet::onboarding::Onboarding::NAME) {
            match serde_json::from_str(&link.entry.detail) {
                Ok(Event::Revoked { serials, .. }) => serials.iter().for_each(|serial| self.end(serial)),
                Ok(Event::Superseded { serial }) => self.end(&serial),
                _ => {}
            }
        }
    }

    /// Forgets connections that are over.
    pub fn sweep(&self) {
        self.open().retain(|_, closers| {
            closers.retain(|closer| !closer.is_over());
            !closers.is_empty()
        });
    }

    fn end(&self, serial: &str) {
        for closer in self.open().remove(serial).unwrap_or_default() {
            closer.close();
        }
    }

    /// What it guards is whole between two statements, so a panic elsewhere spoils nothing.
    fn open(&self) -> MutexGuard<'_, HashMap<String, Vec<Closer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
