//! Rows of remediation.
use super::Remediation;
use super::rules::{self, State, Trying};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "remediation",
    number: 1,
    sql: "
CREATE TABLE remediation (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  playbook TEXT NOT NULL, place BIGINT NOT NULL, attempt BIGINT NOT NULL, since BIGINT NOT NULL,
  deadline BIGINT NOT NULL, replaced_by TEXT NOT NULL, stands_for TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, site, device));
CREATE INDEX remediation_deadline ON remediation (deadline);
",
}];

/// Devices with a try whose deadline passed.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn tries_late(tx: &mut dyn Tx, now: Millis, limit: u16) -> Result<Vec<Subject>, Fault> {
    many(
        tx,
        "SELECT organisation, site, device FROM remediation WHERE deadline > 0 AND deadline < $1 \
         ORDER BY deadline LIMIT $2",
        &[now.0.into(), i64::from(limit).into()],
        |row| Subject::read(row, 0),
    )
}

fn small(number: i64) -> Result<u8, Fault> {
    u8::try_from(number).map_err(|_| Fault::corrupt(format!("{number} is no place of a playbook")))
}

fn state(row: &Row) -> Result<(State, i64), Fault> {
    let trying = match row.text(0)? {
        "" => None,
        playbook => Some(Trying {
            playbook: playbook.parse().map_err(Fault::corrupt)?,
            place: small(row.int(1)?)?,
            attempt: small(row.int(2)?)?,
            since: Millis(row.int(3)?),
            deadline: Millis(row.int(4)?),
        }),
    };
    let (replaced_by, stands_for) = (row.text(5)?.into(), row.text(6)?.into());
    Ok((State { trying, replaced_by, stands_for }, row.int(7)?))
}

impl Room for Remediation {
    const NAME: &'static str = "remediation";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT playbook, place, attempt, since, deadline, replaced_by, stands_for, version \
             FROM remediation WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            state,
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { trying, replaced_by, stands_for } = change.new;
        let number = |of: fn(&Trying) -> i64| trying.as_ref().map_or(0, of);
        let row = [
            trying.as_ref().map(|it| it.playbook.to_string()).unwrap_or_default().as_str().into(),
            number(|it| it.place.into()).into(),
            number(|it| it.attempt.into()).into(),
            number(|it| it.since.0).into(),
            number(|it| it.deadline.0).into(),
            replaced_by.as_str().into(),
            stands_for.as_str().into(),
            change.new_version.into(),
        ];
        let row = row.into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO remediation (playbook, place, attempt, since, deadline, replaced_by, stands_for, \
                 version, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE remediation SET playbook = $1, place = $2, attempt = $3, since = $4, deadline = $5, \
                 replaced_by = $6, stands_for = $7, version = $8 \
                 WHERE organisation = $9 AND site = $10 AND device = $11 AND version = $12",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM remediation", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
