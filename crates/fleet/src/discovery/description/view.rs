//! What the hub's worker asks of descriptions. People ask by device: see `discovery`.
use super::rules::{Command, Failure, Verified};
use super::{Description, store};
use crate::discovery::store::devices_described;
use crate::door::is_of;
use crate::limits::WANTED_FETCHES_MAX;
use crate::onboarding::anchor::store::anchor_find;
use crate::operation::{Kind, Operation};
use crate::page;
use crate::permission::Permission;
use crate::refusal::Refusal;
use crate::room::{Cx, Room};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wire::Certificate;

/// Which descriptions are to be fetched now
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Due {
    /// Servers (host and port) of which nothing more is asked now: what is theirs hides nobody else's
    pub busy: Vec<String>,
}

/// A description to be fetched, outside of any transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The maker, by its anchor.
    pub maker: String,
    /// The MUD URL.
    pub mud_url: String,
    /// The maker's authority as PEM, which signers have to chain to; empty when it is not trusted.
    pub anchor: String,
    /// The authorities that its servers are believed by, as PEM.
    pub servers: String,
}

impl Operation for Due {
    const NAME: &'static str = "description due";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<Work>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<Work>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let mut work = Vec::new();
        let due = store::description_due(cx.tx, organisation, cx.now, WANTED_FETCHES_MAX)?;
        let due = due.iter().filter_map(|description| description.split_once(' '));
        for (maker, mud_url) in due.filter(|(_, url)| !is_of(url, &self.busy)).take(page::usual().into()) {
            let trusted = anchor_find(cx.tx, organisation, maker)?;
            let servers = trusted.iter().flat_map(|anchor| anchor.server_authorities());
            work.push(Work {
                maker: maker.into(),
                mud_url: mud_url.into(),
                servers: servers.map(|certificate: Certificate| certificate.to_pem()).collect(),
                anchor: trusted.map(|anchor| anchor.certificate).unwrap_or_default(),
            });
        }
        Ok(work)
    }
}

/// What became of a description
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The maker, by its anchor
    pub maker: String,
    /// The MUD URL
    pub mud_url: String,
    /// The verified file, or why there is none
    pub outcome: Result<Verified, Failure>,
}

impl Operation for Settle {
    const NAME: &'static str = "description settle";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    type Answer = bool;

    fn run(&self, cx: &mut Cx) -> Result<bool, Refusal> {
        cx.sound_now()?;
        let command = match self.outcome.clone() {
            Ok(verified) => Command::Verify(verified),
            Err(failure) => Command::Fail(failure),
        };
        let subject = cx.subject("", format!("{} {}", self.maker, self.mud_url));
        let state = cx.change::<Description>(&subject, command)?;
        Ok(state.failure.is_none())
    }
}

/// Which descriptions are not known yet to all devices that they belong to
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Untold {}

impl Operation for Untold {
    const NAME: &'static str = "description untold";
    const KIND: Kind = Kind::Read;
    const NEEDS: Permission = Permission::View;
    type Answer = Vec<Tell>;

    fn run(&self, cx: &mut Cx) -> Result<Vec<Tell>, Refusal> {
        let found = store::description_untold(cx.tx, cx.session.organisation.as_str(), page::usual())?;
        Ok(found.into_iter().map(|description| Tell { description, after: String::new() }).collect())
    }
}

/// Tell some of the devices that a description belongs to of its last good file
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tell {
    /// Maker and MUD URL
    pub description: String,
    /// Only devices after this one
    pub after: String,
}

impl Operation for Tell {
    const NAME: &'static str = "description tell";
    const KIND: Kind = Kind::Write;
    const NEEDS: Permission = Permission::Administer;
    /// Where to go on; nothing when all know it.
    type Answer = Option<String>;

    fn run(&self, cx: &mut Cx) -> Result<Option<String>, Refusal> {
        let organisation = cx.session.organisation.as_str();
        let devices = devices_described(cx.tx, organisation, &self.description, &self.after, page::usual())?;
        for device in &devices {
            crate::reactions::describe(cx, device)?;
        }
        if devices.len() == usize::from(page::usual()) {
            return Ok(devices.last().map(|device| device.id.clone()));
        }
        let subject = cx.subject("", &self.description);
        let known = Description::load(cx.tx, &subject)?.and_then(|(state, _)| state.verified);
        if let Some(verified) = known {
            cx.change::<Description>(&subject, Command::Tell { file: verified.file })?;
        }
        Ok(None)
    }
}
