//! Rows of publications.
use super::Publication;
use super::rules::{self, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, Value, any, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "publication",
    number: 1,
    sql: "
CREATE TABLE publication (
  organisation TEXT NOT NULL, product TEXT NOT NULL, wanted TEXT NOT NULL, file TEXT NOT NULL,
  signature TEXT NOT NULL, refused TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, product));
CREATE INDEX publication_wanted ON publication (organisation, wanted);
CREATE INDEX publication_file ON publication (organisation, file);
CREATE INDEX publication_signature ON publication (organisation, signature);
",
}];

/// Products whose description waits for its signature, and the file.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn publication_wanted(
    tx: &mut dyn Tx,
    organisation: &str,
    limit: u16,
) -> Result<Vec<(String, String)>, Fault> {
    many(
        tx,
        "SELECT product, wanted FROM publication WHERE organisation = $1 AND wanted <> '' LIMIT $2",
        &[organisation.into(), i64::from(limit).into()],
        |row| Ok((row.text(0)?.to_string(), row.text(1)?.to_string())),
    )
}

/// Whether a blob is somebody's description, its signature, or wanted as one.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn publication_holds(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT version FROM publication WHERE organisation = $1 AND (wanted = $2 OR file = $2 OR signature = $2) \
         LIMIT 1",
        &[organisation.into(), digest.into()],
    )
}

impl Room for Publication {
    const NAME: &'static str = "publication";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT wanted, file, signature, refused, version FROM publication \
             WHERE organisation = $1 AND product = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| {
                let state = State {
                    wanted: row.text(0)?.into(),
                    file: row.text(1)?.into(),
                    signature: row.text(2)?.into(),
                    refused: row.text(3)?.into(),
                };
                Ok((state, row.int(4)?))
            },
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { wanted, file, signature, refused } = change.new;
        let row: [Value; 7] = [
            wanted.as_str().into(),
            file.as_str().into(),
            signature.as_str().into(),
            refused.as_str().into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO publication (wanted, file, signature, refused, version, organisation, product) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE publication SET wanted = $1, file = $2, signature = $3, refused = $4, version = $5 \
                     WHERE organisation = $6 AND product = $7 AND version = $8",
                    &row,
                )?
            }
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM publication", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
