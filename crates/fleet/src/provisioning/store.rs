//! Rows of births.
use super::Birth;
use super::rules::{self, State};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "birth",
        number: 1,
        sql: "
CREATE TABLE birth (
  organisation TEXT NOT NULL, serial_number TEXT NOT NULL, product TEXT NOT NULL, key TEXT NOT NULL,
  certificate TEXT NOT NULL, born_at BIGINT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, serial_number));
",
    },
    Migration {
        room: "birth",
        number: 2,
        sql: "ALTER TABLE birth ADD COLUMN record TEXT NOT NULL DEFAULT ''",
    },
];

/// The births of an organisation after the serial number `after`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn birth_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, State)>, Fault> {
    many(
        tx,
        "SELECT product, key, certificate, born_at, record, serial_number FROM birth \
         WHERE organisation = $1 AND serial_number > $2 ORDER BY serial_number LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(5)?.to_string(), state(row)?)),
    )
}

fn state(row: &Row) -> Result<State, Fault> {
    let certificate = match row.text(2)? {
        "" => None,
        pem => Some(pem.to_string()),
    };
    Ok(State {
        product: row.text(0)?.into(),
        key: row.text(1)?.into(),
        certificate,
        born_at: Millis(row.int(3)?),
        record: row.text(4)?.into(),
    })
}

impl Room for Birth {
    const NAME: &'static str = "birth";
    crate::room::rules!(on_time);

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT product, key, certificate, born_at, record, version FROM birth \
             WHERE organisation = $1 AND serial_number = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| Ok((state(row)?, row.int(5)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { product, key, certificate, born_at, record } = change.new;
        let row: [Value; 8] = [
            product.as_str().into(),
            key.as_str().into(),
            certificate.as_deref().unwrap_or_default().into(),
            born_at.0.into(),
            record.as_str().into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO birth (product, key, certificate, born_at, record, version, organisation, \
                 serial_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE birth SET product = $1, key = $2, certificate = $3, born_at = $4, record = $5, \
                     version = $6 WHERE organisation = $7 AND serial_number = $8 AND version = $9",
                    &row,
                )?
            }
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM birth", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
