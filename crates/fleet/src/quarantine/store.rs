//! Rows of quarantine, and of findings.
use super::Quarantine;
use super::rules::{self, Ahead, Finding, Matter, Packet, State};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, many, one};
use std::collections::BTreeMap;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "quarantine",
        number: 1,
        sql: "
CREATE TABLE quarantine (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  level TEXT NOT NULL, why TEXT NOT NULL, since BIGINT NOT NULL, newest BIGINT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE TABLE finding (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, number BIGINT NOT NULL,
  decided_by TEXT NOT NULL, what TEXT NOT NULL, plan TEXT NOT NULL, at BIGINT NOT NULL,
  settled BIGINT NOT NULL, PRIMARY KEY (organisation, site, device, number));
CREATE INDEX finding_settled ON finding (organisation, settled, device, number);
",
    },
    Migration {
        room: "quarantine",
        number: 2,
        sql: "ALTER TABLE quarantine ADD COLUMN entrusted BIGINT NOT NULL DEFAULT 0",
    },
];

fn finding(row: &Row) -> Result<(u32, Finding), Fault> {
    let (by, what) = (row.text(1)?.to_owned(), row.text(2)?.to_owned());
    let matter = match by.parse::<Ahead>() {
        Ok(of) => Matter::Ahead { of, what },
        Err(_) => Matter::Packet(Packet { by, what, plan: row.text(3)?.into() }),
    };
    let found = Finding { matter, at: Millis(row.int(4)?), settled: row.int(5)? == 1 };
    Ok((small(row.int(0)?)?, found))
}

fn small(number: i64) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|_| Fault::corrupt(format!("{number} is no finding's number")))
}

fn findings(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<u32, Finding>, Fault> {
    let found = many(
        tx,
        "SELECT number, decided_by, what, plan, at, settled FROM finding \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &subject.key(),
        finding,
    )?;
    Ok(found.into_iter().collect())
}

/// Findings of an organisation after (`device`, `number`): the open ones, or the settled ones.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn finding_list(
    tx: &mut dyn Tx,
    organisation: &str,
    settled: bool,
    after: (&str, i64),
    limit: u16,
) -> Result<Vec<(Subject, u32, Finding)>, Fault> {
    let (device, number) = after;
    many(
        tx,
        "SELECT number, decided_by, what, plan, at, settled, organisation, site, device FROM finding \
         WHERE organisation = $1 AND settled = $2 AND (device > $3 OR (device = $3 AND number > $4)) \
         ORDER BY device, number LIMIT $5",
        &[
            organisation.into(),
            i64::from(settled).into(),
            device.into(),
            number.into(),
            i64::from(limit).into(),
        ],
        |row| {
            let (number, found) = finding(row)?;
            Ok((Subject::read(row, 6)?, number, found))
        },
    )
}

/// Whether a device has an open finding of a packet.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn is_outside_description(tx: &mut dyn Tx, subject: &Subject) -> Result<bool, Fault> {
    let open = one(
        tx,
        "SELECT number FROM finding \
         WHERE organisation = $1 AND site = $2 AND device = $3 AND settled = 0 \
         AND decided_by NOT LIKE 'ahead-of-state/%' LIMIT 1",
        &subject.key(),
        |row| row.int(0),
    )?;
    Ok(open.is_some())
}

fn finding_save(tx: &mut dyn Tx, subject: &Subject, number: u32, found: &Finding) -> Result<(), Fault> {
    let Finding { matter, at, settled } = found;
    let (by, what, plan) = match matter {
        Matter::Packet(Packet { by, what, plan }) => (by.as_str(), what, plan.as_str()),
        Matter::Ahead { of, what } => (of.as_str(), what, ""),
    };
    let row = [
        i64::from(number).into(),
        by.into(),
        what.as_str().into(),
        plan.into(),
        at.0.into(),
        i64::from(*settled).into(),
    ];
    tx.exec(
        "INSERT INTO finding (organisation, site, device, number, decided_by, what, plan, at, settled) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (organisation, site, device, number) DO UPDATE SET settled = excluded.settled",
        &subject.key_and(row),
    )
    .map(drop)
}

fn save_findings(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    for number in old.findings.keys().filter(|number| !new.findings.contains_key(number)) {
        tx.exec(
            "DELETE FROM finding WHERE organisation = $1 AND site = $2 AND device = $3 AND number = $4",
            &subject.key_and([i64::from(*number).into()]),
        )?;
    }
    let changed = new.findings.iter().filter(|(number, it)| old.findings.get(number) != Some(it));
    changed.into_iter().try_for_each(|(number, it)| finding_save(tx, subject, *number, it))
}

impl Room for Quarantine {
    const NAME: &'static str = "quarantine";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT level, why, since, newest, entrusted, version FROM quarantine \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            |row| {
                let level = match row.text(0)? {
                    "" => None,
                    _ => Some(row.parsed(0)?),
                };
                let (why, since, newest) = (row.text(1)?.into(), Millis(row.int(2)?), small(row.int(3)?)?);
                let entrusted = row.int(4)? != 0;
                Ok((State { level, why, since, newest, entrusted, ..State::default() }, row.int(5)?))
            },
        )?;
        let Some((state, version)) = found else { return Ok(None) };
        Ok(Some((State { findings: findings(tx, subject)?, ..state }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { level, why, since, newest, entrusted, .. } = change.new;
        let row = [
            level.map_or("", rules::Level::as_str).into(),
            why.as_str().into(),
            since.0.into(),
            i64::from(*newest).into(),
            i64::from(*entrusted).into(),
            change.new_version.into(),
        ];
        let row = row.into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO quarantine (level, why, since, newest, entrusted, version, organisation, site, \
                 device) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE quarantine SET level = $1, why = $2, since = $3, newest = $4, entrusted = $5, \
                 version = $6 WHERE organisation = $7 AND site = $8 AND device = $9 AND version = $10",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        save_findings(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM quarantine", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
