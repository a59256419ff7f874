//! What rooms want done outside of their transactions: descriptions to be published and to be fetched, plans
//! to be compiled. A room says what; the steps are its door's; the outcome goes back to it as a command.
use crate::blobs::Blobs;
use crate::desk::Desk;
use crate::fetching::Fetching;
use crate::limits::{DESCRIPTION_FETCHES_MAX, SERVER_DESCRIPTION_FETCHES_MAX};
use crate::signers::Signers;
use fleet::access::Access;
use fleet::access::compile::{Compiled, Surroundings, compile};
use fleet::access::controller::Controller;
use fleet::access::store::surroundings;
use fleet::access::view as access;
use fleet::audit::rules::Link;
use fleet::discovery::description::Description;
use fleet::discovery::description::{door as description_door, view as description};
use fleet::door::Step;
use fleet::limits::WANTED_PLANS_MAX;
use fleet::permission::Session;
use fleet::provisioning::publication::Publication;
use fleet::provisioning::publication::{door as publication_door, view as publication};
use fleet::refusal::{Blame, Refusal, Sort};
use fleet::retirement::Retirement;
use fleet::retirement::{door as retirement_door, view as retirement};
use fleet::room::{Room, Subject};
use fleet::time::Millis;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use wire::limits::MUD_FILE_BYTES_MAX;
use wire::mud::MudFile;

/// How long a room's work waits at most to be looked for.
const LOOK_EVERY_SECONDS: u64 = 30;
/// The pause after a look that failed.
const PAUSE_SECONDS: u64 = 5;

/// Wakes the worker when a room wants something.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Rings when an entry of `links` may mean work. The store calls it.
    pub fn committed(&self, links: &[Link]) {
        let rooms = [Publication::NAME, Description::NAME, Access::NAME, Controller::NAME, Retirement::NAME];
        if links.iter().any(|link| rooms.contains(&link.entry.room.as_str())) {
            self.0.notify_one();
        }
    }
}

/// Why no plan is made when nobody has said where the hub is.
const UNREACHED: &str = "the hub listens on every address, and a plan must name those at which devices reach it; \
    give `steward serve` them as `--devices-at`";

/// The worker.
pub struct Worker {
    /// The way to the fleet.
    pub desk: Desk,
    /// Where files are kept.
    pub blobs: Blobs,
    /// Who signs and asks.
    pub signers: Signers,
    /// Where devices reach the hub: no plan takes that away.
    pub reached_at: Vec<SocketAddr>,
    /// What wakes it.
    pub bell: Bell,
}

impl Worker {
    /// Works until it is dropped.
    pub async fn run(self) {
        let worker = Arc::new(self);
        let mut fetching = Fetching::new(DESCRIPTION_FETCHES_MAX, SERVER_DESCRIPTION_FETCHES_MAX);
        loop {
            let pause = match worker.look(&mut fetching).await {
                Ok(()) => Duration::from_secs(LOOK_EVERY_SECONDS),
                Err(refusal) => {
                    tracing::warn!(
                        code = refusal.code,
                        detail = refusal.detail,
                        "a room's work was not done"
                    );
                    Duration::from_secs(PAUSE_SECONDS)
                }
            };
            tokio::select! {
                // A ring during the look is kept.
                () = worker.bell.0.notified() => {}
                () = fetching.ended() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Each kind of work gets its turn, whatever became of the others.
    async fn look(self: &Arc<Self>, fetching: &mut Fetching) -> Result<(), Refusal> {
        let published = self.publish().await;
        let fetched = self.fetch(fetching).await;
        let told = self.tell().await;
        let planned = self.make_plans().await;
        let certified = self.certify().await;
        published.and(fetched).and(told).and(planned).and(certified)
    }

    /// Compiles the plans that are wanted. What cannot be made now holds up no other.
    async fn make_plans(&self) -> Result<(), Refusal> {
        let session = self.session("compile");
        let wanted: Vec<access::Work> = self.ask(&session, access::Wanted {}).await?;
        let more = wanted.len() >= usize::from(WANTED_PLANS_MAX);
        let mut done = Ok(());
        for work in wanted {
            done = done.and(self.make_plan(&session, work).await);
        }
        if more && done.is_ok() {
            self.bell.0.notify_one();
        }
        done
    }

    async fn make_plan(&self, session: &Session, work: access::Work) -> Result<(), Refusal> {
        let file = match work.description.clone() {
            Some(digest) => self.blobs.get(session, digest, MUD_FILE_BYTES_MAX).await.map(Some),
            None => Ok(None),
        };
        let made = match file {
            Ok(_) if self.reached_at.is_empty() => Err(UNREACHED.to_owned()),
            Ok(file) => self.compile(&work, file).await?,
            Err(refusal) if refusal.sort == Sort::Later => return Err(refusal),
            Err(refusal) => Err(refusal.detail),
        };
        match self.desk.own(session, access::Propose::new(work, made)).await {
            // It changed meanwhile: another plan is wanted already.
            Err(refusal) if refusal.sort == Sort::Conflict => Ok(()),
            proposed => proposed.map(drop),
        }
    }

    /// A plan, or why the description gives none.
    async fn compile(
        &self,
        work: &access::Work,
        file: Option<Vec<u8>>,
    ) -> Result<Result<Compiled, String>, Refusal> {
        let file = match file.as_deref().map(MudFile::from_json).transpose() {
            Ok(file) => file,
            Err(why) => return Ok(Err(why.to_string())),
        };
        let organisation = self.signers.organisation.to_string();
        let (site, id) = (work.site.clone(), work.device.clone());
        let subject = Subject { organisation, site, id };
        let hub = self.reached_at.clone();
        self.desk
            .look(move |tx, _| {
                let around = Surroundings { hub, ..surroundings(tx, &subject, file.as_ref())? };
                Ok(compile(&subject.id, file.as_ref(), &around).map_err(|why| why.to_string()))
            })
            .await
    }

    /// Begins to fetch what is due, side by side: a slow server holds up nobody else's description.
    async fn fetch(self: &Arc<Self>, fetching: &mut Fetching) -> Result<(), Refusal> {
        let session = self.session("fetch");
        loop {
            let mut begun = false;
            let due = description::Due { busy: fetching.busy() };
            for work in self.ask::<Vec<description::Work>>(&session, due).await? {
                let (name, url) = (format!("{} {}", work.maker, work.mud_url), work.mud_url.clone());
                let (worker, session) = (self.clone(), session.clone());
                begun |= fetching.begin(name, &url, async move {
                    worker.drive(description_door::fetch(work, now()), &session).await
                });
            }
            // What a server that is busy now hid from this look is seen by the next.
            if !begun {
                return Ok(());
            }
        }
    }

    /// Tells devices of descriptions that were verified, a few at a time.
    async fn tell(&self) -> Result<(), Refusal> {
        let session = self.session("describe");
        let untold: Vec<description::Tell> = self.ask(&session, description::Untold {}).await?;
        for mut tell in untold {
            while let Some(after) = self.ask::<Option<String>>(&session, tell.clone()).await? {
                tell.after = after;
            }
        }
        Ok(())
    }

    /// Checks and signs what shall be published.
    async fn publish(&self) -> Result<(), Refusal> {
        let session = self.session("publish");
        let wanted: Vec<publication::Work> = self.ask(&session, publication::Wanted {}).await?;
        let mut done = Ok(());
        for work in wanted {
            let file = self.blobs.get(&session, work.file.clone(), MUD_FILE_BYTES_MAX).await;
            let step = match file {
                Ok(file) => publication_door::publish(work, file, now()),
                // The disk may have room later.
                Err(refusal) if refusal.sort == Sort::Later => {
                    done = done.and(Err(refusal));
                    continue;
                }
                Err(refusal) => publication_door::settle(work, Err(refusal.detail)),
            };
            self.drive(step, &session).await;
        }
        done
    }

    /// Signs the certificates of decommission.
    async fn certify(&self) -> Result<(), Refusal> {
        let session = self.session("certify");
        let wanted: Vec<retirement::Work> = self.ask(&session, retirement::Wanted {}).await?;
        for work in wanted {
            self.drive(retirement_door::certify(work), &session).await;
        }
        Ok(())
    }

    /// Whether the work came to its end.
    async fn drive(&self, step: Step, session: &Session) -> bool {
        let answer = self.signers.drive(&self.desk, step, session).await;
        if answer.status < 300 {
            return true;
        }
        let why = String::from_utf8_lossy(&answer.body).into_owned();
        tracing::warn!(status = answer.status, why, "a room's work was not done");
        false
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        session: &Session,
        call: impl fleet::operation::Operation,
    ) -> Result<T, Refusal> {
        let answer: Json = self.desk.own(session, call).await?;
        serde_json::from_value(answer)
            .map_err(|why| Refusal::new(Sort::Failed, "unreadable-work", why.to_string()).blaming(Blame::Us))
    }

    fn session(&self, worker: &'static str) -> Session {
        Session::of_hub(worker, self.signers.organisation.clone())
    }
}

fn now() -> Millis {
    Millis(io::clock::now_millis())
}
