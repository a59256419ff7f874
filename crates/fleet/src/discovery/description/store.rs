//! Rows of descriptions.
use super::Description;
use super::rules::{self, Failure, State, Verified};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, any, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "description",
    number: 1,
    sql: "
CREATE TABLE description (
  organisation TEXT NOT NULL, description TEXT NOT NULL, due_at BIGINT NOT NULL, asked BIGINT NOT NULL,
  verified_at BIGINT NOT NULL, tries BIGINT NOT NULL, failure_code TEXT NOT NULL, failure_why TEXT NOT NULL,
  file TEXT NOT NULL, signature TEXT NOT NULL, signer TEXT NOT NULL, last_update BIGINT NOT NULL,
  cache_validity_hours BIGINT NOT NULL, is_supported BIGINT NOT NULL, systeminfo TEXT NOT NULL,
  lines TEXT NOT NULL, untold BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, description));
CREATE INDEX description_due ON description (organisation, due_at);
CREATE INDEX description_untold ON description (organisation, untold);
CREATE INDEX description_file ON description (organisation, file);
CREATE INDEX description_signature ON description (organisation, signature);
",
}];

/// Stored as `due_at` of a description that is not to be fetched.
const NEVER: i64 = i64::MAX;

fn state(row: &Row) -> Result<State, Fault> {
    let due_at = Some(row.int(0)?).filter(|at| *at != NEVER).map(Millis);
    let failure = match row.text(4)? {
        "" => None,
        code => Some(Failure { code: code.into(), why: row.text(5)?.into() }),
    };
    let verified = match row.text(6)? {
        "" => None,
        file => Some(Verified {
            file: file.into(),
            signature: row.text(7)?.into(),
            signer: row.text(8)?.into(),
            last_update: Millis(row.int(9)?),
            cache_validity_hours: number(row.int(10)?)?,
            is_supported: row.int(11)? != 0,
            systeminfo: row.text(12)?.into(),
            lines: row.text(13)?.lines().map(String::from).collect(),
        }),
    };
    let (asked, verified_at, tries) = (row.int(1)? != 0, Millis(row.int(2)?), number(row.int(3)?)?);
    let untold = row.int(14)? != 0;
    Ok(State { wanted: true, due_at, asked, verified, verified_at, failure, tries, untold })
}

fn number<T: TryFrom<i64>>(stored: i64) -> Result<T, Fault> {
    T::try_from(stored).map_err(|_| Fault::corrupt(format!("{stored} is out of range")))
}

/// The descriptions that are to be fetched, the longest due first.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn description_due(
    tx: &mut dyn Tx,
    organisation: &str,
    now: Millis,
    limit: u16,
) -> Result<Vec<String>, Fault> {
    many(
        tx,
        "SELECT description FROM description WHERE organisation = $1 AND due_at <= $2 \
         ORDER BY due_at LIMIT $3",
        &[organisation.into(), now.0.into(), i64::from(limit).into()],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// The descriptions whose last good file not all their devices know.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn description_untold(tx: &mut dyn Tx, organisation: &str, limit: u16) -> Result<Vec<String>, Fault> {
    many(
        tx,
        "SELECT description FROM description WHERE organisation = $1 AND untold <> 0 \
         ORDER BY description LIMIT $2",
        &[organisation.into(), i64::from(limit).into()],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// The descriptions of an organisation after `after`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn description_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, State)>, Fault> {
    many(
        tx,
        "SELECT due_at, asked, verified_at, tries, failure_code, failure_why, file, signature, signer, \
         last_update, cache_validity_hours, is_supported, systeminfo, lines, untold, description FROM description \
         WHERE organisation = $1 AND description > $2 ORDER BY description LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(15)?.to_string(), state(row)?)),
    )
}

/// Whether a blob is a verified description or its signature.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn description_holds(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT version FROM description WHERE organisation = $1 AND (file = $2 OR signature = $2) LIMIT 1",
        &[organisation.into(), digest.into()],
    )
}

impl Room for Description {
    const NAME: &'static str = "description";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT due_at, asked, verified_at, tries, failure_code, failure_why, file, signature, signer, \
             last_update, cache_validity_hours, is_supported, systeminfo, lines, untold, version FROM description \
             WHERE organisation = $1 AND description = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| Ok((state(row)?, row.int(15)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { due_at, asked, verified_at, tries, untold, .. } = change.new;
        let failure = change.new.failure.clone().unwrap_or_default();
        let verified = change.new.verified.clone().unwrap_or_default();
        let row: [Value; 18] = [
            due_at.map_or(NEVER, |at| at.0).into(),
            i64::from(*asked).into(),
            verified_at.0.into(),
            i64::from(*tries).into(),
            failure.code.as_str().into(),
            failure.why.as_str().into(),
            verified.file.as_str().into(),
            verified.signature.as_str().into(),
            verified.signer.as_str().into(),
            verified.last_update.0.into(),
            i64::from(verified.cache_validity_hours).into(),
            i64::from(verified.is_supported).into(),
            verified.systeminfo.as_str().into(),
            verified.lines.join("\n").as_str().into(),
            i64::from(*untold).into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO description (due_at, asked, verified_at, tries, failure_code, failure_why, file, \
                 signature, signer, last_update, cache_validity_hours, is_supported, systeminfo, lines, untold, version, \
                 organisation, description) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
                 $15, $16, $17, $18) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE description SET due_at = $1, asked = $2, verified_at = $3, tries = $4, \
                     failure_code = $5, failure_why = $6, file = $7, signature = $8, signer = $9, \
                     last_update = $10, cache_validity_hours = $11, is_supported = $12, systeminfo = $13, \
                     lines = $14, untold = $15, version = $16 WHERE organisation = $17 AND description = $18 \
                     AND version = $19",
                    &row,
                )?
            }
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM description", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
