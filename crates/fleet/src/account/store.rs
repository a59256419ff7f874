//! Rows of accounts and credentials.
use super::Account;
use super::rules::{self, Credential, CredentialKind, State};
use crate::id::Id;
use crate::permission::Permission;
use crate::room::{Change, Room, Subject};
use crate::text::Slug;
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, many, one};
use std::collections::BTreeMap;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "account",
    number: 1,
    sql: "
CREATE TABLE account (
  organisation TEXT NOT NULL, account TEXT NOT NULL, permission TEXT NOT NULL, disabled BIGINT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, account));
CREATE TABLE credential (
  hash BYTEA PRIMARY KEY, organisation TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL,
  kind TEXT NOT NULL, label TEXT NOT NULL, issued_at BIGINT NOT NULL, expires_at BIGINT NOT NULL);
CREATE INDEX credential_account ON credential (organisation, account);
",
}];

/// Who holds a credential.
pub struct Holder {
    /// The account.
    pub account: String,
    /// Its organisation.
    pub organisation: Slug,
    /// What it may do.
    pub permission: Permission,
    /// Whether it may do nothing.
    pub disabled: bool,
    /// What sort of credential it is.
    pub kind: CredentialKind,
    /// The credential's id.
    pub id: Id,
    /// Until when it is good.
    pub expires_at: Millis,
}

/// Who holds the credential whose secret has this hash.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn credential_find(tx: &mut dyn Tx, hash: &[u8; 32]) -> Result<Option<Holder>, Fault> {
    one(
        tx,
        "SELECT a.account, a.organisation, a.permission, a.disabled, c.kind, c.id, c.expires_at \
         FROM credential c JOIN account a ON a.organisation = c.organisation AND a.account = c.account \
         WHERE c.hash = $1",
        &[hash[..].into()],
        holder,
    )
}

/// The holder of an account's credential, if the account still has it.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn credential_of(
    tx: &mut dyn Tx,
    organisation: &str,
    account: &str,
    id: Id,
) -> Result<Option<Holder>, Fault> {
    one(
        tx,
        "SELECT a.account, a.organisation, a.permission, a.disabled, c.kind, c.id, c.expires_at \
         FROM credential c JOIN account a ON a.organisation = c.organisation AND a.account = c.account \
         WHERE c.organisation = $1 AND c.account = $2 AND c.id = $3",
        &[organisation.into(), account.into(), id.to_string().as_str().into()],
        holder,
    )
}

fn holder(row: &Row) -> Result<Holder, Fault> {
    Ok(Holder {
        account: row.text(0)?.into(),
        organisation: row.parsed(1)?,
        permission: row.parsed(2)?,
        disabled: row.int(3)? != 0,
        kind: row.parsed(4)?,
        id: row.parsed(5)?,
        expires_at: Millis(row.int(6)?),
    })
}

/// The accounts of an organisation after `after`, by name: name, permission, disabled.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn account_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, Permission, bool)>, Fault> {
    many(
        tx,
        "SELECT account, permission, disabled FROM account \
         WHERE organisation = $1 AND account > $2 ORDER BY account LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(0)?.into(), row.parsed(1)?, row.int(2)? != 0)),
    )
}

fn credentials(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<Id, Credential>, Fault> {
    let read = |row: &Row| {
        let credential = Credential {
            kind: row.parsed(1)?,
            hash: row.digest(2)?,
            label: row.text(3)?.into(),
            issued_at: Millis(row.int(4)?),
            expires_at: Millis(row.int(5)?),
        };
        Ok((row.parsed(0)?, credential))
    };
    let found = many(
        tx,
        "SELECT id, kind, hash, label, issued_at, expires_at FROM credential \
         WHERE organisation = $1 AND account = $2",
        &[subject.organisation.as_str().into(), subject.id.as_str().into()],
        read,
    )?;
    Ok(found.into_iter().collect())
}

fn save_credentials(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    for (_, ended) in old.credentials.iter().filter(|(id, _)| !new.credentials.contains_key(id)) {
        tx.exec("DELETE FROM credential WHERE hash = $1", &[ended.hash[..].into()])?;
    }
    for (id, issued) in new.credentials.iter().filter(|(id, _)| !old.credentials.contains_key(id)) {
        tx.exec(
            "INSERT INTO credential (hash, organisation, account, id, kind, label, issued_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                issued.hash[..].into(),
                subject.organisation.as_str().into(),
                subject.id.as_str().into(),
                id.to_string().as_str().into(),
                issued.kind.as_str().into(),
                issued.label.as_str().into(),
                issued.issued_at.0.into(),
                issued.expires_at.0.into(),
            ],
        )?;
    }
    Ok(())
}

impl Room for Account {
    const NAME: &'static str = "account";
    crate::room::rules!(on_time);

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT permission, disabled, version FROM account WHERE organisation = $1 AND account = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| Ok((row.parsed::<Permission>(0)?, row.int(1)? != 0, row.int(2)?)),
        )?;
        let Some((permission, disabled, version)) = found else { return Ok(None) };
        let credentials = credentials(tx, subject)?;
        Ok(Some((State { permission: Some(permission), disabled, credentials }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let Some(permission) = change.new.permission else {
            return Err(Fault::corrupt("an account without a permission"));
        };
        let (organisation, account) = (subject.organisation.as_str(), subject.id.as_str());
        let disabled = i64::from(change.new.disabled);
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO account (organisation, account, permission, disabled, version) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &[
                    organisation.into(),
                    account.into(),
                    permission.as_str().into(),
                    disabled.into(),
                    change.new_version.into(),
                ],
            )?,
            old_version => tx.exec(
                "UPDATE account SET permission = $1, disabled = $2, version = $3 \
                 WHERE organisation = $4 AND account = $5 AND version = $6",
                &[
                    permission.as_str().into(),
                    disabled.into(),
                    change.new_version.into(),
                    organisation.into(),
                    account.into(),
                    old_version.into(),
                ],
            )?,
        };
        save_credentials(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM account", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
