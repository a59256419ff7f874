//! Rows of classes and their hosts.
use super::Controller;
use super::rules::{self, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, many, one};
use wire::prefix::Prefix;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "controller",
    number: 1,
    sql: "
CREATE TABLE controller (
  organisation TEXT NOT NULL, site TEXT NOT NULL, class TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, site, class));
CREATE TABLE controller_member (
  organisation TEXT NOT NULL, class TEXT NOT NULL, hosts TEXT NOT NULL,
  PRIMARY KEY (organisation, class, hosts));
",
}];

/// The hosts of a class.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn member_list(tx: &mut dyn Tx, organisation: &str, class: &str) -> Result<Vec<Prefix>, Fault> {
    many(
        tx,
        "SELECT hosts FROM controller_member WHERE organisation = $1 AND class = $2 ORDER BY hosts",
        &[organisation.into(), class.into()],
        |row| {
            let hosts = row.text(0)?;
            hosts.parse().map_err(|_| Fault::corrupt(format!("{hosts} is stored as a prefix")))
        },
    )
}

/// The classes after `after` that have hosts, with how many.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn class_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, i64)>, Fault> {
    many(
        tx,
        "SELECT class, count(*) FROM controller_member WHERE organisation = $1 AND class > $2 \
         GROUP BY class ORDER BY class LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(0)?.to_string(), row.int(1)?)),
    )
}

impl Room for Controller {
    const NAME: &'static str = "controller";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let (organisation, class) = (subject.organisation.as_str(), subject.id.as_str());
        let version = one(
            tx,
            "SELECT version FROM controller WHERE organisation = $1 AND site = $2 AND class = $3",
            &[organisation.into(), subject.site.as_str().into(), class.into()],
            |row| row.int(0),
        )?;
        let Some(version) = version else { return Ok(None) };
        let members = member_list(tx, organisation, class)?.into_iter().collect();
        Ok(Some((State { members }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let (organisation, class) = (subject.organisation.as_str(), subject.id.as_str());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO controller (version, organisation, site, class) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
                &[change.new_version.into(), organisation.into(), subject.site.as_str().into(), class.into()],
            )?,
            old_version => tx.exec(
                "UPDATE controller SET version = $1 \
                 WHERE organisation = $2 AND site = $3 AND class = $4 AND version = $5",
                &[
                    change.new_version.into(),
                    organisation.into(),
                    subject.site.as_str().into(),
                    class.into(),
                    old_version.into(),
                ],
            )?,
        };
        for hosts in change.old.members.difference(&change.new.members) {
            tx.exec(
                "DELETE FROM controller_member WHERE organisation = $1 AND class = $2 AND hosts = $3",
                &[organisation.into(), class.into(), hosts.to_string().as_str().into()],
            )?;
        }
        for hosts in change.new.members.difference(&change.old.members) {
            tx.exec(
                "INSERT INTO controller_member (organisation, class, hosts) VALUES ($1, $2, $3)",
                &[organisation.into(), class.into(), hosts.to_string().as_str().into()],
            )?;
        }
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM controller", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
