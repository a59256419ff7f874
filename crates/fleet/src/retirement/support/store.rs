//! Rows of the support calendar. An entry of which nobody says anything was cleared: its row keeps the version.
use super::Support;
use super::rules::{self, Ended, State};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "support",
        number: 1,
        sql: "
CREATE TABLE support (
  organisation TEXT NOT NULL, product TEXT NOT NULL, is_known BIGINT NOT NULL, until BIGINT NOT NULL,
  source TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, product));
",
    },
    Migration {
        room: "support",
        number: 2,
        sql: "
ALTER TABLE support ADD COLUMN is_over BIGINT NOT NULL DEFAULT 0;
ALTER TABLE support ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE support ADD COLUMN ended_by TEXT NOT NULL DEFAULT '';
",
    },
];

fn state(row: &Row) -> Result<State, Fault> {
    let until = (row.int(0)? != 0).then(|| row.int(1).map(Millis)).transpose()?;
    let ended = match row.int(3)? {
        0 => None,
        _ => Some(Ended { at: Millis(row.int(4)?), source: row.text(5)?.into() }),
    };
    Ok(State { until, source: row.text(2)?.into(), ended })
}

/// The entries of an organisation after `after`, by maker and product.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn support_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, State)>, Fault> {
    many(
        tx,
        "SELECT is_known, until, source, is_over, ended_at, ended_by, product FROM support \
         WHERE organisation = $1 AND product > $2 AND (is_known = 1 OR is_over = 1) \
         ORDER BY product LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(6)?.to_string(), state(row)?)),
    )
}

impl Room for Support {
    const NAME: &'static str = "support";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT is_known, until, source, is_over, ended_at, ended_by, version FROM support \
             WHERE organisation = $1 AND product = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| Ok((state(row)?, row.int(6)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { until, source, ended } = change.new;
        let row: [Value; 9] = [
            i64::from(until.is_some()).into(),
            until.unwrap_or_default().0.into(),
            source.as_str().into(),
            i64::from(ended.is_some()).into(),
            ended.as_ref().map_or(0, |ended| ended.at.0).into(),
            ended.as_ref().map_or("", |ended| ended.source.as_str()).into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO support (is_known, until, source, is_over, ended_at, ended_by, version, \
                 organisation, product) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => tx.exec(
                "UPDATE support SET is_known = $1, until = $2, source = $3, is_over = $4, ended_at = $5, \
                 ended_by = $6, version = $7 WHERE organisation = $8 AND product = $9 AND version = $10",
                &row.into_iter().chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM support", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
