//! Rows of anchors.
use super::Anchor;
use super::rules::{self, Admission, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, Value, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "anchor",
    number: 1,
    sql: "
CREATE TABLE anchor (
  organisation TEXT NOT NULL, anchor TEXT NOT NULL, certificate TEXT NOT NULL, admission TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, anchor));
",
}];

/// An anchor that is trusted.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Its name: the maker.
    pub anchor: String,
    /// The authority's certificate as PEM.
    pub certificate: String,
    /// Who admits its devices.
    pub admission: Admission,
}

/// The trusted anchors of an organisation after `after`, by name.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn anchor_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<Trusted>, Fault> {
    many(
        tx,
        "SELECT anchor, certificate, admission FROM anchor \
         WHERE organisation = $1 AND anchor > $2 AND admission <> '' ORDER BY anchor LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| {
            Ok(Trusted {
                anchor: row.text(0)?.into(),
                certificate: row.text(1)?.into(),
                admission: row.parsed(2)?,
            })
        },
    )
}

impl Room for Anchor {
    const NAME: &'static str = "anchor";
    crate::room::rules!();

    // A removed anchor keeps its row, with empty texts: its version must go on.
    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT certificate, admission, version FROM anchor WHERE organisation = $1 AND anchor = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| {
                let state = match row.text(1)? {
                    "" => State::default(),
                    _ => State { certificate: Some(row.text(0)?.into()), admission: Some(row.parsed(1)?) },
                };
                Ok((state, row.int(2)?))
            },
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row: [Value; 5] = [
            change.new.certificate.as_deref().unwrap_or_default().into(),
            change.new.admission.map_or("", Admission::as_str).into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO anchor (certificate, admission, version, organisation, anchor) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE anchor SET certificate = $1, admission = $2, version = $3 \
                     WHERE organisation = $4 AND anchor = $5 AND version = $6",
                    &row,
                )?
            }
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM anchor", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
