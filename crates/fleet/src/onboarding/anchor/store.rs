//! Rows of anchors.
use super::Anchor;
use super::rules::{self, Admission, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Row, Tx, Value, many, one};
use wire::Certificate;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "anchor",
        number: 1,
        sql: "
CREATE TABLE anchor (
  organisation TEXT NOT NULL, anchor TEXT NOT NULL, certificate TEXT NOT NULL, admission TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, anchor));
",
    },
    Migration {
        room: "anchor",
        number: 2,
        sql: "ALTER TABLE anchor ADD COLUMN servers TEXT NOT NULL DEFAULT ''",
    },
];

/// An anchor that is trusted.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// Its name: the maker.
    pub anchor: String,
    /// The authority's certificate as PEM.
    pub certificate: String,
    /// Who admits its devices.
    pub admission: Admission,
    /// The authorities that vouch for the maker's servers, as PEM; empty when the anchor itself does.
    pub servers: String,
}

impl Trusted {
    /// The authorities that the maker's servers (MASA, MUD files) are believed by.
    pub fn server_authorities(&self) -> Vec<Certificate> {
        let pem = if self.servers.is_empty() { &self.certificate } else { &self.servers };
        // Both were read before they were stored.
        Certificate::list_from_pem(pem).unwrap_or_default()
    }
}

/// The anchor called `anchor`, if it is trusted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn anchor_find(tx: &mut dyn Tx, organisation: &str, anchor: &str) -> Result<Option<Trusted>, Fault> {
    one(
        tx,
        "SELECT anchor, certificate, admission, servers FROM anchor \
         WHERE organisation = $1 AND anchor = $2 AND admission <> ''",
        &[organisation.into(), anchor.into()],
        trusted,
    )
}

fn trusted(row: &Row) -> Result<Trusted, Fault> {
    Ok(Trusted {
        anchor: row.text(0)?.into(),
        certificate: row.text(1)?.into(),
        admission: row.parsed(2)?,
        servers: row.text(3)?.into(),
    })
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
        "SELECT anchor, certificate, admission, servers FROM anchor \
         WHERE organisation = $1 AND anchor > $2 AND admission <> '' ORDER BY anchor LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        trusted,
    )
}

impl Room for Anchor {
    const NAME: &'static str = "anchor";
    crate::room::rules!(on_time);

    // A removed anchor keeps its row, with empty texts: its version must go on.
    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT certificate, admission, version, servers FROM anchor \
             WHERE organisation = $1 AND anchor = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| {
                let state = match row.text(1)? {
                    "" => State::default(),
                    _ => State {
                        certificate: Some(row.text(0)?.into()),
                        admission: Some(row.parsed(1)?),
                        servers: row.text(3)?.into(),
                    },
                };
                Ok((state, row.int(2)?))
            },
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row: [Value; 6] = [
            change.new.certificate.as_deref().unwrap_or_default().into(),
            change.new.admission.map_or("", Admission::as_str).into(),
            change.new.servers.as_str().into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO anchor (certificate, admission, servers, version, organisation, anchor) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE anchor SET certificate = $1, admission = $2, servers = $3, version = $4 \
                     WHERE organisation = $5 AND anchor = $6 AND version = $7",
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
