//! Permission before reach: the only way to a [`Permitted`], which is the only thing a writer or a
//! reader accepts.
use crate::account::rules::CredentialKind;
use crate::operation::{Call, Kind, OperationRow};
use crate::refusal::{Refusal, Sort};
use crate::room::Cx;
use crate::text::Slug;
use crate::words;
use serde_json::Value as Json;

words! {
    /// What an account may do; each includes the ones before it.
    pub enum Permission {
        /// See everything of the organisation, change nothing.
        View = "view",
        /// Change devices, rollouts, quarantine: the daily work.
        Operate = "operate",
        /// Change accounts, settings and trust.
        Administer = "administer",
    }
}

/// Who asks, after the credential was looked up. It ends with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The account's name, or `hub:WORKER` for the hub's own work; the journal's actor.
    pub actor: String,
    /// Whose devices it is about.
    pub organisation: Slug,
    /// What it may do.
    pub permission: Permission,
    /// With what it was shown; `None` for the hub's own work.
    pub credential: Option<Shown>,
}

/// The credential that opened a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Token, session or one-time link.
    pub kind: CredentialKind,
    /// Its id, for ending it.
    pub id: crate::id::Id,
}

impl Session {
    /// The hub's own work, named in the journal as `hub:WORKER`.
    pub fn of_hub(worker: &'static str, organisation: Slug) -> Self {
        Session {
            actor: format!("hub:{worker}"),
            organisation,
            permission: Permission::Administer,
            credential: None,
        }
    }

    /// What a door asks for a device, named in the journal as `device:SERIAL_NUMBER`. A door asks only
    /// what its protocol says; the permission lets nothing else through, since a device sends no calls.
    pub fn of_device(serial_number: &str, organisation: Slug) -> Self {
        Session {
            actor: format!("device:{serial_number}"),
            organisation,
            permission: Permission::Operate,
            credential: None,
        }
    }

    /// Whether this session may run the operation of `row`.
    pub fn may(&self, row: &OperationRow) -> bool {
        let by_link = self.credential.is_some_and(|c| c.kind == CredentialKind::Link);
        self.permission >= row.needs && by_link == row.by_link
    }

    /// Lets an operation through, or says why not.
    ///
    /// # Errors
    /// `not-permitted`, blaming the asker.
    pub fn permit(&self, call: Box<dyn Call>) -> Result<Permitted, Refusal> {
        let row = call.row();
        match self.may(&row) {
            true => Ok(Permitted { session: self.clone(), call }),
            false => Err(self.denied(&row)),
        }
    }

    /// Why this session may not run the operation of `row`.
    pub fn denied(&self, row: &OperationRow) -> Refusal {
        let detail = if self.permission < row.needs {
            format!(
                "`{}` needs the permission `{}`; {} has `{}`. An administrator can change that.",
                row.name, row.needs, self.actor, self.permission
            )
        } else if row.by_link {
            format!("`{}` is for a one-time sign-in link only", row.name)
        } else {
            "a one-time link signs in and does nothing else; open it in a browser".into()
        };
        Refusal::new(Sort::NotPermitted, "not-permitted", detail)
    }
}

/// An operation that its asker may run.
pub struct Permitted {
    session: Session,
    call: Box<dyn Call>,
}

impl Permitted {
    /// The operation's row.
    pub fn row(&self) -> OperationRow {
        self.call.row()
    }

    /// Who asks.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// A digest of the operation and its arguments: what an idempotency key stands for.
    pub fn digest(&self) -> [u8; 32] {
        self.call.digest()
    }

    /// Runs it. It may be run again after a batch failed, so it takes `&self`.
    ///
    /// # Errors
    /// The operation's refusal.
    pub fn run(&self, cx: &mut Cx) -> Result<Json, Refusal> {
        self.call.run(cx)
    }

    /// Whether it writes.
    pub fn writes(&self) -> bool {
        self.call.row().kind == Kind::Write
    }
}
