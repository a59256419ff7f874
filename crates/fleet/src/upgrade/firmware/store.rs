//! Rows of what devices should run.
use super::Firmware;
use super::rules::{self, State, Wanted};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "firmware",
    number: 1,
    sql: "
CREATE TABLE firmware (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, release TEXT NOT NULL,
  sequence_number BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
",
}];

impl Room for Firmware {
    const NAME: &'static str = "firmware";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT release, sequence_number, version FROM firmware \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            |row| {
                let wanted = match row.text(0)? {
                    "" => None,
                    release => Some(Wanted { release: release.into(), sequence_number: row.int(1)? }),
                };
                Ok((State { wanted }, row.int(2)?))
            },
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let wanted = change.new.wanted.clone().unwrap_or_default();
        let row = [wanted.release.as_str().into(), wanted.sequence_number.into(), change.new_version.into()];
        let row = row.into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO firmware (release, sequence_number, version, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE firmware SET release = $1, sequence_number = $2, version = $3 \
                 WHERE organisation = $4 AND site = $5 AND device = $6 AND version = $7",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM firmware", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
