//! What a gate asks its hub, over connections with its own identity.
use crate::limits::HELD_SECONDS_MAX;
use io::http::client::{Answer, Dialer, Request};
use io::http::header::{HeaderValue, IF_NONE_MATCH};
use io::http::told::Told;
use io::http::url::Url;
use std::time::Duration;
use tokio::sync::watch;
use wire::digest::hex;
use wire::limits::{PLAN_BYTES_MAX, PLAN_SET_BYTES_MAX};
use wire::plan::PlanSet;
use wire::plan::set::PLANS_PATH;

/// The hub, and the way to it.
pub(super) struct AtHub {
    hub: Url,
    told: Told,
}

impl AtHub {
    pub(super) fn new(hub: Url, way: watch::Receiver<Option<Dialer>>) -> Self {
        Self { hub, told: Told::new(way) }
    }

    /// The set of the site's plans, once it is another than `enforced`; nothing when it was not for a while.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn set(&mut self, enforced: Option<&PlanSet>) -> Result<Option<PlanSet>, String> {
        let mut request = Request::get(self.url(PLANS_PATH)?)
            .within(Duration::from_secs(HELD_SECONDS_MAX))
            .answer_bytes_max(PLAN_SET_BYTES_MAX);
        if let Some(set) = enforced {
            let tag = HeaderValue::from_str(&format!("\"{}\"", set.digest()));
            request = request.header(IF_NONE_MATCH, tag.map_err(|why| why.to_string())?);
        }
        let answer = self.send(&request).await?;
        match answer.status.as_u16() {
            304 => Ok(None),
            200 => PlanSet::from_json(&answer.body).map(Some).map_err(|why| format!("the hub's set: {why}")),
            _ => Err(refused(&answer)),
        }
    }

    /// The bytes of a plan, as they came.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn plan(&mut self, digest: &[u8; 32]) -> Result<Vec<u8>, String> {
        let url = self.url(&format!("{PLANS_PATH}/{}", hex(digest)))?;
        let answer = self.send(&Request::get(url).answer_bytes_max(PLAN_BYTES_MAX)).await?;
        if answer.status.as_u16() == 200 { Ok(answer.body.to_vec()) } else { Err(refused(&answer)) }
    }

    fn url(&self, path: &str) -> Result<Url, String> {
        self.hub.with_target(path).map_err(|why| why.to_string())
    }

    async fn send(&mut self, request: &Request) -> Result<Answer, String> {
        let client = self.told.client().await.map_err(|why| why.to_string())?;
        client.send(request).await.map_err(|why| why.to_string())
    }
}

fn refused(answer: &Answer) -> String {
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    format!("the hub answered {}: {}", answer.status.as_u16(), said.trim())
}
