//! Rows of rollouts and of their devices.
use super::Rollout;
use super::rules::{self, Bounds, Member, Outcome, Phase, State, Target};
use crate::limits::{OPEN_ROLLOUTS_MAX, ROLLOUT_DEVICES_MAX};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, any, many, one};
use std::collections::{BTreeMap, BTreeSet};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "rollout",
    number: 1,
    sql: "
CREATE TABLE rollout (
  organisation TEXT NOT NULL, site TEXT NOT NULL, rollout TEXT NOT NULL, phase TEXT NOT NULL,
  why TEXT NOT NULL, release TEXT NOT NULL, sequence_number BIGINT NOT NULL, manifest TEXT NOT NULL,
  image TEXT NOT NULL, even_if_refusable BIGINT NOT NULL, deadline_seconds BIGINT NOT NULL,
  stop_after BIGINT NOT NULL, wave BIGINT NOT NULL, began_at BIGINT NOT NULL, deadline BIGINT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, site, rollout));
CREATE INDEX rollout_deadline ON rollout (deadline);
CREATE INDEX rollout_phase ON rollout (organisation, phase);
CREATE TABLE rollout_device (
  organisation TEXT NOT NULL, rollout TEXT NOT NULL, device TEXT NOT NULL, device_site TEXT NOT NULL,
  wave BIGINT NOT NULL, outcome TEXT NOT NULL, why TEXT NOT NULL, trace_before TEXT NOT NULL,
  PRIMARY KEY (organisation, rollout, device));
CREATE INDEX rollout_device_outcome ON rollout_device (organisation, device, outcome);
CREATE TABLE rollout_count (
  organisation TEXT NOT NULL, rollout TEXT NOT NULL, outcome TEXT NOT NULL, devices BIGINT NOT NULL,
  PRIMARY KEY (organisation, rollout, outcome));
CREATE TABLE rollout_told (
  organisation TEXT NOT NULL, rollout TEXT NOT NULL, device TEXT NOT NULL, told_at BIGINT NOT NULL,
  PRIMARY KEY (organisation, rollout, device));
",
}];

/// A rollout in a list.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub rollout: String,
    /// How far it is.
    pub phase: Phase,
    /// Why it is not running.
    pub why: String,
    /// What is offered.
    pub target: Target,
    /// When it ends by itself.
    pub bounds: Bounds,
    /// The newest wave that has begun.
    pub wave: u16,
    /// How many devices have which outcome.
    pub counts: BTreeMap<Outcome, i64>,
}

/// A place of a device in a rollout.
#[derive(Debug)]
pub struct Seat {
    /// The rollout.
    pub rollout: String,
    /// How far it is.
    pub phase: Phase,
    /// What is offered.
    pub target: Target,
    /// The newest wave that has begun.
    pub begun: u16,
    /// The device's own wave.
    pub wave: u16,
    /// What became of the device.
    pub outcome: Outcome,
    /// The trace of the failure that it told of before.
    pub before: String,
    /// When it was last told; 1970 when it was not.
    pub told_at: Millis,
}

/// A device of a rollout in a list.
#[derive(Debug)]
pub struct ListedDevice {
    /// Its id.
    pub device: String,
    /// Its name.
    pub name: String,
    /// Its wave, from 0.
    pub wave: u16,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub why: String,
}

fn small<T: TryFrom<i64>>(row: &Row, i: usize) -> Result<T, Fault> {
    row.int(i)?.try_into().map_err(|_| Fault::corrupt(format!("column {i}: a small number is expected")))
}

fn target(row: &Row, i: usize) -> Result<Target, Fault> {
    Ok(Target {
        release: row.text(i)?.into(),
        sequence_number: row.int(i + 1)?,
        manifest: row.text(i + 2)?.into(),
        image: row.text(i + 3)?.into(),
        even_if_refusable: row.int(i + 4)? != 0,
    })
}

/// The rollouts of an organisation in a phase, or all of them, after `after`, by name.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn rollout_list(
    tx: &mut dyn Tx,
    organisation: &str,
    phase: Option<Phase>,
    after: &str,
    limit: u16,
) -> Result<Vec<Listed>, Fault> {
    let mut found = many(
        tx,
        "SELECT rollout, phase, why, release, sequence_number, manifest, image, even_if_refusable, \
         deadline_seconds, stop_after, wave FROM rollout \
         WHERE organisation = $1 AND ($2 = '' OR phase = $2) AND rollout > $3 ORDER BY rollout LIMIT $4",
        &[organisation.into(), phase.map_or("", Phase::as_str).into(), after.into(), i64::from(limit).into()],
        listed,
    )?;
    for listed in &mut found {
        listed.counts = counts(tx, organisation, &listed.rollout)?;
    }
    Ok(found)
}

/// The rollout called `rollout`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn rollout_find(tx: &mut dyn Tx, organisation: &str, rollout: &str) -> Result<Option<Listed>, Fault> {
    let found = one(
        tx,
        "SELECT rollout, phase, why, release, sequence_number, manifest, image, even_if_refusable, \
         deadline_seconds, stop_after, wave FROM rollout WHERE organisation = $1 AND rollout = $2",
        &[organisation.into(), rollout.into()],
        listed,
    )?;
    let Some(found) = found else { return Ok(None) };
    Ok(Some(Listed { counts: counts(tx, organisation, rollout)?, ..found }))
}

fn listed(row: &Row) -> Result<Listed, Fault> {
    Ok(Listed {
        rollout: row.text(0)?.into(),
        phase: row.parsed(1)?,
        why: row.text(2)?.into(),
        target: target(row, 3)?,
        bounds: Bounds { deadline_seconds: small(row, 8)?, stop_after: small(row, 9)? },
        wave: small(row, 10)?,
        counts: BTreeMap::new(),
    })
}

/// How many devices of a rollout have which outcome.
fn counts(tx: &mut dyn Tx, organisation: &str, rollout: &str) -> Result<BTreeMap<Outcome, i64>, Fault> {
    let counts = many(
        tx,
        "SELECT outcome, devices FROM rollout_count WHERE organisation = $1 AND rollout = $2",
        &[organisation.into(), rollout.into()],
        |row| Ok((row.parsed(0)?, row.int(1)?)),
    )?;
    Ok(counts.into_iter().collect())
}

/// How many devices of each wave (from 0) have which outcome.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn wave_counts(
    tx: &mut dyn Tx,
    organisation: &str,
    rollout: &str,
) -> Result<Vec<(u16, Outcome, i64)>, Fault> {
    many(
        tx,
        "SELECT wave, outcome, count(*) FROM rollout_device WHERE organisation = $1 AND rollout = $2 \
         GROUP BY wave, outcome ORDER BY wave, outcome",
        &[organisation.into(), rollout.into()],
        |row| Ok((small(row, 0)?, row.parsed(1)?, row.int(2)?)),
    )
}

/// A rollout that a device is or was in.
#[derive(Debug)]
pub struct Past {
    /// The rollout.
    pub rollout: String,
    /// How far it is.
    pub phase: Phase,
    /// What is offered.
    pub release: String,
    /// Its version, as its maker says.
    pub version: String,
    /// Its sequence number.
    pub sequence_number: i64,
    /// When the rollout's newest wave began.
    pub began_at: Millis,
    /// The device's wave, from 0.
    pub wave: u16,
    /// What became of the device.
    pub outcome: Outcome,
    /// Why.
    pub why: String,
}

/// The rollouts that a device is or was in, newest first, before one that began at a moment.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_rollouts(
    tx: &mut dyn Tx,
    device: &Subject,
    before: (i64, &str),
    limit: u16,
) -> Result<Vec<Past>, Fault> {
    many(
        tx,
        "SELECT r.rollout, r.phase, r.release, COALESCE(f.release_version, ''), r.sequence_number, r.began_at, \
         m.wave, m.outcome, m.why FROM rollout_device m \
         JOIN rollout r ON r.organisation = m.organisation AND r.rollout = m.rollout \
         LEFT JOIN release f ON f.organisation = r.organisation AND f.release = r.release \
         WHERE m.organisation = $1 AND m.device = $2 \
         AND (r.began_at < $3 OR (r.began_at = $3 AND r.rollout < $4)) \
         ORDER BY r.began_at DESC, r.rollout DESC LIMIT $5",
        &[
            device.organisation.as_str().into(),
            device.id.as_str().into(),
            before.0.into(),
            before.1.into(),
            i64::from(limit).into(),
        ],
        |row| {
            Ok(Past {
                rollout: row.text(0)?.into(),
                phase: row.parsed(1)?,
                release: row.text(2)?.into(),
                version: row.text(3)?.into(),
                sequence_number: row.int(4)?,
                began_at: Millis(row.int(5)?),
                wave: small(row, 6)?,
                outcome: row.parsed(7)?,
                why: row.text(8)?.into(),
            })
        },
    )
}

/// The devices of a rollout with an outcome, or all of them, after one of a wave, by wave and id.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn rollout_devices(
    tx: &mut dyn Tx,
    organisation: &str,
    rollout: &str,
    outcome: Option<Outcome>,
    after: (i64, &str),
    limit: u16,
) -> Result<Vec<ListedDevice>, Fault> {
    many(
        tx,
        "SELECT m.device, d.name, m.wave, m.outcome, m.why FROM rollout_device m JOIN device d \
         ON d.organisation = m.organisation AND d.site = m.device_site AND d.device = m.device \
         WHERE m.organisation = $1 AND m.rollout = $2 AND ($3 = '' OR m.outcome = $3) \
         AND (m.wave > $4 OR (m.wave = $4 AND m.device > $5)) ORDER BY m.wave, m.device LIMIT $6",
        &[
            organisation.into(),
            rollout.into(),
            outcome.map_or("", Outcome::as_str).into(),
            after.0.into(),
            after.1.into(),
            i64::from(limit).into(),
        ],
        |row| {
            Ok(ListedDevice {
                device: row.text(0)?.into(),
                name: row.text(1)?.into(),
                wave: small(row, 2)?,
                outcome: row.parsed(3)?,
                why: row.text(4)?.into(),
            })
        },
    )
}

/// The places of a device in rollouts of which something may still come. Those in open rollouts come first, and
/// there is room for all of them; of the closed ones the newest fill what is left.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn seats(tx: &mut dyn Tx, device: &Subject) -> Result<Vec<Seat>, Fault> {
    many(
        tx,
        "SELECT r.rollout, r.phase, r.release, r.sequence_number, r.manifest, r.image, r.even_if_refusable, \
         r.wave, m.wave, m.outcome, m.trace_before, COALESCE(t.told_at, 0) FROM rollout_device m JOIN rollout r \
         ON r.organisation = m.organisation AND r.rollout = m.rollout LEFT JOIN rollout_told t \
         ON t.organisation = m.organisation AND t.rollout = m.rollout AND t.device = m.device \
         WHERE m.organisation = $1 AND m.device = $2 AND (m.outcome IN ('waiting', 'offered') \
         OR (m.outcome = 'silent' AND r.phase IN ('running', 'paused'))) \
         ORDER BY CASE WHEN r.phase IN ('running', 'paused') THEN 0 ELSE 1 END, r.began_at DESC, r.rollout LIMIT $3",
        &[
            device.organisation.as_str().into(),
            device.id.as_str().into(),
            i64::from(OPEN_ROLLOUTS_MAX).into(),
        ],
        |row| {
            Ok(Seat {
                rollout: row.text(0)?.into(),
                phase: row.parsed(1)?,
                target: target(row, 2)?,
                begun: small(row, 7)?,
                wave: small(row, 8)?,
                outcome: row.parsed(9)?,
                before: row.text(10)?.into(),
                told_at: Millis(row.int(11)?),
            })
        },
    )
}

/// Whether a blob is the image that a device is being offered.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn is_offered(tx: &mut dyn Tx, device: &Subject, image: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT r.version FROM rollout_device m JOIN rollout r \
         ON r.organisation = m.organisation AND r.rollout = m.rollout \
         WHERE m.organisation = $1 AND m.device = $2 AND m.outcome = 'offered' \
         AND r.phase IN ('running', 'paused') AND r.image = $3 LIMIT 1",
        &[device.organisation.as_str().into(), device.id.as_str().into(), image.into()],
    )
}

/// The devices that are in an open rollout.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn devices_in_open(tx: &mut dyn Tx, organisation: &str) -> Result<BTreeSet<String>, Fault> {
    let limit = i64::from(OPEN_ROLLOUTS_MAX) * i64::from(ROLLOUT_DEVICES_MAX);
    let devices = many(
        tx,
        "SELECT m.device FROM rollout r JOIN rollout_device m \
         ON m.organisation = r.organisation AND m.rollout = r.rollout \
         WHERE r.organisation = $1 AND r.phase IN ('running', 'paused') LIMIT $2",
        &[organisation.into(), limit.into()],
        |row| Ok(row.text(0)?.to_string()),
    )?;
    Ok(devices.into_iter().collect())
}

/// How many rollouts are open, as far as `limit`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn open_count(tx: &mut dyn Tx, organisation: &str, limit: u16) -> Result<usize, Fault> {
    let open = many(
        tx,
        "SELECT version FROM rollout WHERE organisation = $1 AND phase IN ('running', 'paused') LIMIT $2",
        &[organisation.into(), i64::from(limit).into()],
        |_| Ok(()),
    )?;
    Ok(open.len())
}

/// Rollouts whose deadline passed while a device was waited for.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn rollouts_late(tx: &mut dyn Tx, now: Millis, limit: u16) -> Result<Vec<Subject>, Fault> {
    many(
        tx,
        "SELECT organisation, site, rollout FROM rollout WHERE deadline < $1 ORDER BY deadline LIMIT $2",
        &[now.0.into(), i64::from(limit).into()],
        |row| Subject::read(row, 0),
    )
}

/// Notes when a device was told of an offer. It lies outside of the fold, as contact does.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn offer_note(tx: &mut dyn Tx, rollout: &Subject, device: &str, now: Millis) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO rollout_told (organisation, rollout, device, told_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (organisation, rollout, device) DO UPDATE SET told_at = excluded.told_at",
        &[rollout.organisation.as_str().into(), rollout.id.as_str().into(), device.into(), now.0.into()],
    )
    .map(drop)
}

fn members(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<String, Member>, Fault> {
    let members = many(
        tx,
        "SELECT device, device_site, wave, outcome, why, trace_before FROM rollout_device \
         WHERE organisation = $1 AND rollout = $2 LIMIT $3",
        &[
            subject.organisation.as_str().into(),
            subject.id.as_str().into(),
            i64::from(ROLLOUT_DEVICES_MAX).into(),
        ],
        |row| {
            let member = Member {
                site: row.text(1)?.into(),
                wave: small(row, 2)?,
                outcome: row.parsed(3)?,
                why: row.text(4)?.into(),
                before: row.text(5)?.into(),
            };
            Ok((row.text(0)?.to_string(), member))
        },
    )?;
    Ok(members.into_iter().collect())
}

fn save_members(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    let mut counts: BTreeMap<Outcome, i64> = BTreeMap::new();
    for (device, member) in &new.members {
        let before = old.members.get(device);
        if before == Some(member) {
            continue;
        }
        if let Some(before) = before {
            *counts.entry(before.outcome).or_default() -= 1;
        }
        *counts.entry(member.outcome).or_default() += 1;
        tx.exec(
            "INSERT INTO rollout_device (organisation, rollout, device, device_site, wave, outcome, why, \
             trace_before) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (organisation, rollout, device) \
             DO UPDATE SET outcome = excluded.outcome, why = excluded.why, trace_before = excluded.trace_before",
            &[
                subject.organisation.as_str().into(),
                subject.id.as_str().into(),
                device.as_str().into(),
                member.site.as_str().into(),
                i64::from(member.wave).into(),
                member.outcome.as_str().into(),
                member.why.as_str().into(),
                member.before.as_str().into(),
            ],
        )?;
    }
    counts.into_iter().filter(|(_, more)| *more != 0).try_for_each(|(outcome, more)| {
        tx.exec(
            "INSERT INTO rollout_count (organisation, rollout, outcome, devices) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (organisation, rollout, outcome) \
             DO UPDATE SET devices = rollout_count.devices + excluded.devices",
            &[
                subject.organisation.as_str().into(),
                subject.id.as_str().into(),
                outcome.as_str().into(),
                more.into(),
            ],
        )
        .map(drop)
    })
}

impl Room for Rollout {
    const NAME: &'static str = "rollout";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT phase, why, release, sequence_number, manifest, image, even_if_refusable, \
             deadline_seconds, stop_after, wave, began_at, version FROM rollout \
             WHERE organisation = $1 AND site = $2 AND rollout = $3",
            &subject.key(),
            |row| {
                let state = State {
                    phase: Some(row.parsed(0)?),
                    why: row.text(1)?.into(),
                    target: target(row, 2)?,
                    bounds: Bounds { deadline_seconds: small(row, 7)?, stop_after: small(row, 8)? },
                    wave: small(row, 9)?,
                    began_at: Millis(row.int(10)?),
                    members: BTreeMap::new(),
                };
                Ok((state, row.int(11)?))
            },
        )?;
        let Some((state, version)) = found else { return Ok(None) };
        Ok(Some((State { members: members(tx, subject)?, ..state }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row = row(change)?;
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO rollout (phase, why, release, sequence_number, manifest, image, \
                 even_if_refusable, deadline_seconds, stop_after, wave, began_at, deadline, version, \
                 organisation, site, rollout) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
                 $13, $14, $15, $16) ON CONFLICT DO NOTHING",
                &row.into_iter().chain(subject.key()).collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE rollout SET phase = $1, why = $2, release = $3, sequence_number = $4, manifest = $5, \
                 image = $6, even_if_refusable = $7, deadline_seconds = $8, stop_after = $9, wave = $10, \
                 began_at = $11, deadline = $12, version = $13 \
                 WHERE organisation = $14 AND site = $15 AND rollout = $16 AND version = $17",
                &row.into_iter().chain(subject.key_and([old_version.into()])).collect::<Vec<_>>(),
            )?,
        };
        save_members(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM rollout", &[], |row| row.int(0))?.unwrap_or(0))
    }
}

fn row(change: &Change<State>) -> Result<[Value; 13], Fault> {
    let new = change.new;
    let Some(phase) = new.phase else { return Err(Fault::corrupt("a rollout without a phase")) };
    Ok([
        phase.as_str().into(),
        new.why.as_str().into(),
        new.target.release.as_str().into(),
        new.target.sequence_number.into(),
        new.target.manifest.as_str().into(),
        new.target.image.as_str().into(),
        i64::from(new.target.even_if_refusable).into(),
        i64::from(new.bounds.deadline_seconds).into(),
        i64::from(new.bounds.stop_after).into(),
        i64::from(new.wave).into(),
        new.began_at.0.into(),
        // Nobody is waited for: never.
        new.deadline().unwrap_or(Millis(i64::MAX)).0.into(),
        change.new_version.into(),
    ])
}
