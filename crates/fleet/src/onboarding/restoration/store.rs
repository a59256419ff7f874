//! Rows of restorations: one for each organisation.
use super::Restoration;
use super::rules::{self, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "restoration",
    number: 1,
    sql: "
CREATE TABLE restoration (
  organisation TEXT NOT NULL, gaps TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation));
",
}];

/// What the hub of an organisation has forgotten.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn restoration_find(tx: &mut dyn Tx, organisation: &str) -> Result<State, Fault> {
    Ok(find(tx, organisation)?.map(|(state, _)| state).unwrap_or_default())
}

fn find(tx: &mut dyn Tx, organisation: &str) -> Result<Option<(State, i64)>, Fault> {
    one(tx, "SELECT gaps, version FROM restoration WHERE organisation = $1", &[organisation.into()], |row| {
        let gaps = serde_json::from_str(row.text(0)?).map_err(|why| Fault::corrupt(why.to_string()))?;
        Ok((State { gaps }, row.int(1)?))
    })
}

impl Room for Restoration {
    const NAME: &'static str = "restoration";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        find(tx, &subject.organisation)
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let gaps = serde_json::to_string(&change.new.gaps).map_err(|why| Fault::corrupt(why.to_string()))?;
        let saved = tx.exec(
            "INSERT INTO restoration (organisation, gaps, version) VALUES ($1, $2, $3) \
             ON CONFLICT (organisation) DO UPDATE SET gaps = excluded.gaps, version = excluded.version \
             WHERE restoration.version = $4",
            &[
                subject.organisation.as_str().into(),
                gaps.as_str().into(),
                change.new_version.into(),
                change.old_version.into(),
            ],
        )?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM restoration", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
