//! Rows of what was said of the clock. The journal asks `accepted_lane` for the entries that count.
use super::Clock;
use super::rules::{self, Place, State};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Tx, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "clock",
    number: 1,
    sql: "
CREATE TABLE accepted_clock (
  organisation TEXT PRIMARY KEY, accepted_at BIGINT NOT NULL, newest BIGINT NOT NULL, why TEXT NOT NULL,
  version BIGINT NOT NULL);
CREATE TABLE accepted_lane (
  lane BIGINT NOT NULL, organisation TEXT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (lane, organisation));
",
}];

impl Room for Clock {
    const NAME: &'static str = "clock";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let organisation = &[subject.organisation.as_str().into()];
        let found = one(
            tx,
            "SELECT accepted_at, newest, why, version FROM accepted_clock WHERE organisation = $1",
            organisation,
            |row| Ok((Millis(row.int(0)?), Millis(row.int(1)?), row.text(2)?.to_string(), row.int(3)?)),
        )?;
        let Some((accepted_at, newest, why, version)) = found else { return Ok(None) };
        let places = many(
            tx,
            "SELECT lane, seq FROM accepted_lane WHERE organisation = $1 ORDER BY lane",
            organisation,
            |row| Ok(Place { lane: row.int(0)?, seq: row.int(1)? }),
        )?;
        Ok(Some((State { accepted_at, newest, why, places }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { accepted_at, newest, why, places } = change.new;
        let organisation = subject.organisation.as_str();
        let row = [
            accepted_at.0.into(),
            newest.0.into(),
            why.as_str().into(),
            change.new_version.into(),
            organisation.into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO accepted_clock (accepted_at, newest, why, version, organisation) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => tx.exec(
                "UPDATE accepted_clock SET accepted_at = $1, newest = $2, why = $3, version = $4 \
                 WHERE organisation = $5 AND version = $6",
                &row.into_iter().chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        tx.exec("DELETE FROM accepted_lane WHERE organisation = $1", &[organisation.into()])?;
        for Place { lane, seq } in places {
            tx.exec(
                "INSERT INTO accepted_lane (lane, organisation, seq) VALUES ($1, $2, $3)",
                &[(*lane).into(), organisation.into(), (*seq).into()],
            )?;
        }
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM accepted_clock", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
