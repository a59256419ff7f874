//! Rows of gates.
use super::Gate;
use super::rules::{self, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, any, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "gate",
    number: 1,
    sql: "
CREATE TABLE gate (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, appointed BIGINT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
",
}];

/// The gates of an organisation after the device `after`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn gate_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<Subject>, Fault> {
    many(
        tx,
        "SELECT organisation, site, device FROM gate \
         WHERE organisation = $1 AND appointed = 1 AND device > $2 ORDER BY device LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Subject::read(row, 0),
    )
}

/// What the gates of a site are called, at most `limit`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn gate_names(tx: &mut dyn Tx, organisation: &str, site: &str, limit: u16) -> Result<Vec<String>, Fault> {
    many(
        tx,
        "SELECT d.name FROM gate g JOIN device d ON d.organisation = g.organisation AND d.site = g.site \
         AND d.device = g.device WHERE g.organisation = $1 AND g.site = $2 AND g.appointed = 1 \
         ORDER BY d.name LIMIT $3",
        &[organisation.into(), site.into(), i64::from(limit).into()],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// The digests of the active plans of a site, at most `limit`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn active_list(
    tx: &mut dyn Tx,
    organisation: &str,
    site: &str,
    limit: i64,
) -> Result<Vec<String>, Fault> {
    many(
        tx,
        "SELECT DISTINCT active_plan FROM access \
         WHERE organisation = $1 AND site = $2 AND active_plan <> '' ORDER BY active_plan LIMIT $3",
        &[organisation.into(), site.into(), limit.into()],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// Whether a plan is an active one of a site.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn is_active(tx: &mut dyn Tx, organisation: &str, site: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT device FROM access WHERE organisation = $1 AND site = $2 AND active_plan = $3 LIMIT 1",
        &[organisation.into(), site.into(), digest.into()],
    )
}

impl Room for Gate {
    const NAME: &'static str = "gate";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT appointed, version FROM gate WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            |row| Ok((State { appointed: row.int(0)? == 1 }, row.int(1)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row = [i64::from(change.new.appointed).into(), change.new_version.into()];
        let row = row.into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO gate (appointed, version, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE gate SET appointed = $1, version = $2 \
                 WHERE organisation = $3 AND site = $4 AND device = $5 AND version = $6",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM gate", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
