//! Firmware: what a manufacturer publishes for anybody, and the hub's own work on releases.
//!
//! | path | what |
//! |---|---|
//! | `/firmware/PRODUCT/releases.json` | the releases of a product, newest first; a form of our own |
//! | `/firmware/PRODUCT/NUMBER.suit` | a release's signed envelope |
//! | `/firmware/PRODUCT/NUMBER.pem` | the certificate of whoever signed it, up to the manufacturer's |
//! | `/firmware/PRODUCT/images/SHA256` | an image |
//!
//! The list is not signed: it only says where to look, and each envelope authenticates itself.
use crate::Shared;
use crate::desk::Desk;
use crate::fetching::Fetching;
use crate::limits::{RELEASE_FETCHES_MAX, SERVER_RELEASE_FETCHES_MAX};
use crate::problem::Problem;
use crate::signers::Signers;
use crate::who::stranger;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use fleet::audit::rules::Link;
use fleet::door::{Step, answered};
use fleet::permission::Session;
use fleet::provisioning::release::door::{MEDIA_TYPE, envelope_path, image_path, publish, signer_url};
use fleet::provisioning::release::view as published;
use fleet::provisioning::release::{PublishedRelease, store};
use fleet::refusal::{Refusal, Sort};
use fleet::room::Room;
use fleet::text::{Digest, Slug};
use fleet::time::Millis;
use fleet::upgrade::release::{Release, door, view as release};
use fleet::upgrade::store::rollouts_late;
use fleet::upgrade::view::Expire;
use io::http::server::Peer as Connection;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use wire::limits::SUIT_ENVELOPE_BYTES_MAX;

/// How long work waits at most to be looked for.
const LOOK_EVERY_SECONDS: u64 = 30;
/// How often the deadlines of rollouts are looked at.
const DEADLINES_EVERY_SECONDS: u64 = 1;
/// The pause after a look that failed.
const PAUSE_SECONDS: u64 = 5;

/// The manufacturer's routes, on the people's listener.
pub fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/firmware/{product}/{file}", get(file))
        .route("/firmware/{product}/images/{image}", get(image))
}

async fn file(
    State(shared): State<Arc<Shared>>,
    Path((product, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let product: Slug = product.parse().map_err(|_| unknown())?;
    if name == "releases.json" {
        return Ok(Json(list(&shared, product).await?).into_response());
    }
    let (number, wants_signer) = match (name.strip_suffix(".suit"), name.strip_suffix(".pem")) {
        (Some(number), _) => (number, false),
        (_, Some(number)) => (number, true),
        _ => return Err(unknown().into()),
    };
    let sequence_number = number.parse().map_err(|_| unknown())?;
    let session = session(&shared);
    let found = shared.desk.own(&session, published::Find { product, sequence_number }).await;
    let envelope: Digest = answered::<Option<Digest>>(found)?.ok_or_else(unknown)?;
    if wants_signer {
        let Signers { author, maker, .. } = &shared.factory;
        let chain = author.certificate.to_pem() + &maker.to_pem();
        return Ok(([(header::CONTENT_TYPE, "application/pem-certificate-chain")], chain).into_response());
    }
    let bytes = shared.blobs.get(&session, envelope, SUIT_ENVELOPE_BYTES_MAX).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], bytes).into_response())
}

async fn list(shared: &Shared, product: Slug) -> Result<Value, Refusal> {
    let call = published::List { product: product.clone(), after: None, limit: fleet::page::usual() };
    let mut page: Value = shared.desk.own(&session(shared), call).await?;
    let items = page["items"].take();
    let releases: Vec<published::PublishedView> = answered(Ok(items))?;
    let releases = releases.into_iter().filter(|release| !release.envelope.is_empty()).map(|release| {
        let envelope = envelope_path(&release.product, release.sequence_number);
        json!({
            "version": release.version,
            "sequence_number": release.sequence_number,
            "way_back": release.way_back,
            "signer": signer_url(&envelope),
            "envelope": envelope,
            "image": image_path(&release.product, &release.image),
        })
    });
    Ok(json!({"product": product, "releases": releases.collect::<Vec<_>>()}))
}

async fn image(
    State(shared): State<Arc<Shared>>,
    Path((product, image)): Path<(String, String)>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let image: Digest = image.parse().map_err(|_| unknown())?;
    let (organisation, wanted) = (shared.factory.organisation.to_string(), image.to_string());
    let known = shared
        .desk
        .look(move |tx, _| Ok(store::release_of_image(tx, &organisation, &product, &wanted)?))
        .await?;
    match known {
        true => {
            let download = shared.downloads.begin(stranger(connection.address.ip()), &connection.closer)?;
            shared.blobs.serve(&session(&shared), image, &headers, download).await
        }
        false => Err(unknown().into()),
    }
}

fn session(shared: &Shared) -> Session {
    Session::of_hub("published", shared.factory.organisation.clone())
}

fn unknown() -> Refusal {
    Refusal::new(Sort::NotFound, "page-unknown", "no such release is published here")
}

/// The hub's work on releases.
pub struct Worker {
    /// The way to the fleet.
    pub desk: Desk,
    /// Who signs and asks.
    pub signers: Signers,
    /// Where people reach the hub: `https://` and an authority.
    pub base: String,
    /// What wakes it.
    pub bell: Bell,
}

/// Wakes the worker when a release is wanted.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Rings when an entry of `links` may mean work. The store calls it.
    pub fn committed(&self, links: &[Link]) {
        let rooms = [PublishedRelease::NAME, Release::NAME];
        if links.iter().any(|link| rooms.contains(&link.entry.room.as_str())) {
            self.0.notify_one();
        }
    }
}

impl Worker {
    /// Works until it is dropped.
    pub async fn run(self) {
        let worker = Arc::new(self);
        tokio::join!(worker.releases(), worker.deadlines());
    }

    async fn releases(self: &Arc<Self>) {
        let mut fetching = Fetching::new(RELEASE_FETCHES_MAX, SERVER_RELEASE_FETCHES_MAX);
        loop {
            // Each kind of work gets its turn, whatever became of the other.
            let published = self.publish().await;
            let fetched = self.fetch(&mut fetching).await;
            let pause = match published.and(fetched) {
                Ok(()) => Duration::from_secs(LOOK_EVERY_SECONDS),
                Err(Refusal { code, detail, .. }) => {
                    tracing::warn!(code, detail, "the work on releases was not done");
                    Duration::from_secs(PAUSE_SECONDS)
                }
            };
            tokio::select! {
                // A ring during the look is kept.
                () = self.bell.0.notified() => {}
                () = fetching.ended() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Signs what shall be published: nobody else is asked for that.
    async fn publish(&self) -> Result<(), Refusal> {
        let session = self.session("publish");
        let wanted = self.desk.own(&session, published::Wanted {}).await;
        for work in answered::<Vec<published::PublishedView>>(wanted)? {
            self.drive(publish(work, &self.base), &session).await;
        }
        Ok(())
    }

    /// Begins to fetch what is wanted, side by side: a slow server holds up nobody else's release.
    async fn fetch(self: &Arc<Self>, fetching: &mut Fetching) -> Result<(), Refusal> {
        let session = self.session("fetch");
        loop {
            let mut begun = false;
            let wanted = self.desk.own(&session, release::Wanted { busy: fetching.busy() }).await;
            for work in answered::<Vec<release::Work>>(wanted)? {
                let (name, url) = (work.release.clone(), work.url.clone());
                let (worker, session) = (self.clone(), session.clone());
                begun |= fetching.begin(name, &url, async move {
                    let now = Millis(io::clock::now_millis());
                    worker.drive(door::fetch(work, now), &session).await
                });
            }
            // What a server that is busy now hid from this look is seen by the next.
            if !begun {
                return Ok(());
            }
        }
    }

    /// Counts the silence of devices.
    async fn deadlines(&self) {
        let session = self.session("expire");
        loop {
            tokio::time::sleep(Duration::from_secs(DEADLINES_EVERY_SECONDS)).await;
            if let Err(Refusal { code, detail, .. }) = self.expire(&session).await {
                tracing::warn!(code, detail, "the deadlines of rollouts were not looked at");
            }
        }
    }

    async fn expire(&self, session: &Session) -> Result<(), Refusal> {
        let late = self.desk.look(|tx, now| Ok(rollouts_late(tx, now, 1)?)).await?;
        if !late.is_empty() {
            self.desk.own(session, Expire {}).await?;
        }
        Ok(())
    }

    /// Whether the work came to its end.
    async fn drive(&self, step: Step, session: &Session) -> bool {
        let answer = self.signers.drive(&self.desk, step, session).await;
        if answer.status < StatusCode::MULTIPLE_CHOICES.as_u16() {
            return true;
        }
        let why = String::from_utf8_lossy(&answer.body).into_owned();
        tracing::warn!(status = answer.status, why, "the work on a release was not done");
        false
    }

    fn session(&self, worker: &'static str) -> Session {
        Session::of_hub(worker, self.signers.organisation.clone())
    }
}
