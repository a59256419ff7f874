//! Rows of devices, and their maintained counts.
use super::Device;
use super::rules::{self, Identity, Stage, State};
use crate::limits::STEP_ROWS_MAX;
use crate::room::{Change, Room, Subject};
use crate::text::place;
use crate::tx::{Fault, Fill, Migration, Row, Tx, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "device",
        number: 1,
        sql: "
CREATE TABLE device (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, stage TEXT NOT NULL,
  name TEXT NOT NULL, maker TEXT NOT NULL, model TEXT NOT NULL, serial_number TEXT NOT NULL,
  attention TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE UNIQUE INDEX device_name ON device (organisation, name);
CREATE UNIQUE INDEX device_serial_number ON device (organisation, maker, serial_number);
CREATE INDEX device_id ON device (organisation, device);
CREATE INDEX device_stage ON device (organisation, stage, name);
CREATE TABLE device_count (
  organisation TEXT NOT NULL, site TEXT NOT NULL, stage TEXT NOT NULL, devices BIGINT NOT NULL,
  PRIMARY KEY (organisation, site, stage));
",
    },
    Migration {
        room: "device",
        number: 2,
        sql: "
ALTER TABLE device ADD COLUMN place TEXT NOT NULL DEFAULT '';
CREATE INDEX device_place ON device (organisation, place, name);
DROP INDEX device_stage;
CREATE INDEX device_stage_place ON device (organisation, stage, place, name);
",
    },
];

/// Devices of before their places were kept get them.
pub const FILL: Fill = Fill { room: "device", number: 2, run: place_all };

fn place_all(tx: &mut dyn Tx) -> Result<(), Fault> {
    let mut last = Subject { organisation: String::new(), site: String::new(), id: String::new() };
    loop {
        let some = many(
            tx,
            "SELECT organisation, site, device, name FROM device \
             WHERE (organisation, site, device) > ($1, $2, $3) ORDER BY organisation, site, device LIMIT $4",
            &last.key_and([i64::from(STEP_ROWS_MAX).into()]),
            |row| Ok((subject(row)?, place(row.text(3)?))),
        )?;
        for (subject, place) in &some {
            tx.exec(
                "UPDATE device SET place = $1 WHERE organisation = $2 AND site = $3 AND device = $4",
                &[&[place.as_str().into()], &subject.key()[..]].concat(),
            )?;
        }
        match some.into_iter().next_back() {
            None => return Ok(()),
            Some((subject, _)) => last = subject,
        }
    }
}

/// A row of a list.
pub struct Listed {
    /// Organisation, site and id.
    pub subject: Subject,
    /// What is true of it.
    pub state: State,
}

fn listed(row: &Row) -> Result<Listed, Fault> {
    let subject = Subject::read(row, 6)?;
    Ok(Listed { subject, state: state(row)? })
}

fn state(row: &Row) -> Result<State, Fault> {
    let identity = Identity {
        name: row.text(1)?.into(),
        maker: row.text(2)?.into(),
        model: row.text(3)?.into(),
        serial_number: row.text(4)?.into(),
    };
    Ok(State { stage: Some(row.parsed(0)?), identity, attention: row.text(5)?.into() })
}

/// Which devices of an organisation are listed: each narrows, if it is not empty.
#[derive(Clone, Copy)]
pub struct Only<'a> {
    /// Those at this site.
    pub site: &'a str,
    /// Those of this maker.
    pub maker: &'a str,
    /// Those whose name or serial number begins so.
    pub begins: &'a str,
}

/// The devices of an organisation after `after`, by name as people count.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_list(
    tx: &mut dyn Tx,
    organisation: &str,
    only: Only,
    after: &str,
    limit: u16,
) -> Result<Vec<Listed>, Fault> {
    many(
        tx,
        "SELECT stage, name, maker, model, serial_number, attention, organisation, site, device FROM device \
         WHERE organisation = $1 AND (place, name) > ($2, $3) AND ($4 = '' OR site = $4) \
         AND ($5 = '' OR maker = $5) \
         AND ($6 = '' OR substr(name, 1, length($6)) = $6 OR substr(serial_number, 1, length($6)) = $6) \
         ORDER BY place, name LIMIT $7",
        &[
            organisation.into(),
            place(after).as_str().into(),
            after.into(),
            only.site.into(),
            only.maker.into(),
            only.begins.into(),
            i64::from(limit).into(),
        ],
        listed,
    )
}

/// The devices of an organisation in one stage after `after`, by name as people count.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_list_stage(
    tx: &mut dyn Tx,
    organisation: &str,
    only: Only,
    stage: Stage,
    after: &str,
    limit: u16,
) -> Result<Vec<Listed>, Fault> {
    many(
        tx,
        "SELECT stage, name, maker, model, serial_number, attention, organisation, site, device FROM device \
         WHERE organisation = $1 AND stage = $2 AND (place, name) > ($3, $4) AND ($5 = '' OR site = $5) \
         AND ($6 = '' OR maker = $6) \
         AND ($7 = '' OR substr(name, 1, length($7)) = $7 OR substr(serial_number, 1, length($7)) = $7) \
         ORDER BY place, name LIMIT $8",
        &[
            organisation.into(),
            stage.as_str().into(),
            place(after).as_str().into(),
            after.into(),
            only.site.into(),
            only.maker.into(),
            only.begins.into(),
            i64::from(limit).into(),
        ],
        listed,
    )
}

/// The devices of a maker at one site or (empty) at all that are operational.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_list_at_work(
    tx: &mut dyn Tx,
    organisation: &str,
    maker: &str,
    site: &str,
    limit: u16,
) -> Result<Vec<Listed>, Fault> {
    many(
        tx,
        "SELECT stage, name, maker, model, serial_number, attention, organisation, site, device FROM device \
         WHERE organisation = $1 AND maker = $2 AND stage = 'operational' AND ($3 = '' OR site = $3) \
         ORDER BY device LIMIT $4",
        &[organisation.into(), maker.into(), site.into(), i64::from(limit).into()],
        listed,
    )
}

/// The device with this id or name.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_find(tx: &mut dyn Tx, organisation: &str, device: &str) -> Result<Option<Subject>, Fault> {
    one(
        tx,
        "SELECT organisation, site, device FROM device WHERE organisation = $1 AND device = $2 \
         UNION SELECT organisation, site, device FROM device WHERE organisation = $1 AND name = $2",
        &[organisation.into(), device.into()],
        subject,
    )
}

/// The device of a maker with this serial number; an expected one whose maker nobody said counts too.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_of_maker(
    tx: &mut dyn Tx,
    organisation: &str,
    maker: &str,
    serial_number: &str,
) -> Result<Option<Subject>, Fault> {
    one(
        tx,
        "SELECT organisation, site, device FROM device \
         WHERE organisation = $1 AND (maker = $2 OR (maker = '' AND stage = 'expected')) AND serial_number = $3 \
         ORDER BY maker DESC LIMIT 1",
        &[organisation.into(), maker.into(), serial_number.into()],
        subject,
    )
}

/// What a device is called.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_name(tx: &mut dyn Tx, organisation: &str, device: &str) -> Result<Option<String>, Fault> {
    one(
        tx,
        "SELECT name FROM device WHERE organisation = $1 AND device = $2",
        &[organisation.into(), device.into()],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// A device with this serial number, whoever made it.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_of_serial_number(
    tx: &mut dyn Tx,
    organisation: &str,
    serial_number: &str,
) -> Result<Option<Subject>, Fault> {
    one(
        tx,
        "SELECT organisation, site, device FROM device WHERE organisation = $1 AND serial_number = $2 LIMIT 1",
        &[organisation.into(), serial_number.into()],
        subject,
    )
}

fn subject(row: &Row) -> Result<Subject, Fault> {
    Subject::read(row, 0)
}

/// Which of the unique keys of `identity` another device of the organisation has: its name or its
/// serial number.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_taken(
    tx: &mut dyn Tx,
    organisation: &str,
    identity: &Identity,
) -> Result<Option<String>, Fault> {
    one(
        tx,
        "SELECT 'name' FROM device WHERE organisation = $1 AND name = $2 \
         UNION SELECT 'serial number' FROM device WHERE organisation = $1 AND maker = $3 AND serial_number = $4 \
         ORDER BY 1",
        &[
            organisation.into(),
            identity.name.as_str().into(),
            identity.maker.as_str().into(),
            identity.serial_number.as_str().into(),
        ],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// How many devices of an organisation are in each stage, at one site or (empty) at all.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn device_counts(tx: &mut dyn Tx, organisation: &str, site: &str) -> Result<Vec<(Stage, i64)>, Fault> {
    many(
        tx,
        "SELECT stage, CAST(sum(devices) AS BIGINT) FROM device_count \
         WHERE organisation = $1 AND ($2 = '' OR site = $2) GROUP BY stage",
        &[organisation.into(), site.into()],
        |row| Ok((row.parsed(0)?, row.int(1)?)),
    )
}

fn count_change(tx: &mut dyn Tx, subject: &Subject, old: Option<Stage>, new: Stage) -> Result<(), Fault> {
    if old == Some(new) {
        return Ok(());
    }
    let (organisation, site) = (subject.organisation.as_str(), subject.site.as_str());
    match old {
        None => tx.exec(
            "INSERT INTO device_count (organisation, site, stage, devices) VALUES ($1, $2, $3, 1) \
             ON CONFLICT (organisation, site, stage) DO UPDATE SET devices = device_count.devices + 1",
            &[organisation.into(), site.into(), new.as_str().into()],
        ),
        Some(old) => tx.exec(
            "INSERT INTO device_count (organisation, site, stage, devices) VALUES ($1, $2, $3, 1), ($1, $2, $4, -1) \
             ON CONFLICT (organisation, site, stage) \
             DO UPDATE SET devices = device_count.devices + excluded.devices",
            &[organisation.into(), site.into(), new.as_str().into(), old.as_str().into()],
        ),
    }
    .map(drop)
}

impl Room for Device {
    const NAME: &'static str = "device";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT stage, name, maker, model, serial_number, attention, version FROM device \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &[subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()],
            |row| Ok((state(row)?, row.int(6)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { stage: Some(stage), identity, attention } = change.new else {
            return Err(Fault::corrupt("a device without a stage"));
        };
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO device (stage, name, place, maker, model, serial_number, attention, version, \
                 organisation, site, device) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
                 ON CONFLICT DO NOTHING",
                &[
                    stage.as_str().into(),
                    identity.name.as_str().into(),
                    place(&identity.name).as_str().into(),
                    identity.maker.as_str().into(),
                    identity.model.as_str().into(),
                    identity.serial_number.as_str().into(),
                    attention.as_str().into(),
                    change.new_version.into(),
                    subject.organisation.as_str().into(),
                    subject.site.as_str().into(),
                    subject.id.as_str().into(),
                ],
            )?,
            // The model and the serial number are a device's own and never change here; the maker is
            // bound once.
            old_version => tx.exec(
                "UPDATE device SET stage = $1, name = $2, place = $3, maker = $4, attention = $5, version = $6 \
                 WHERE organisation = $7 AND site = $8 AND device = $9 AND version = $10",
                &[
                    stage.as_str().into(),
                    identity.name.as_str().into(),
                    place(&identity.name).as_str().into(),
                    identity.maker.as_str().into(),
                    attention.as_str().into(),
                    change.new_version.into(),
                    subject.organisation.as_str().into(),
                    subject.site.as_str().into(),
                    subject.id.as_str().into(),
                    old_version.into(),
                ],
            )?,
        };
        if saved != 1 {
            return Ok(false);
        }
        count_change(tx, subject, change.old.stage, *stage)?;
        Ok(true)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM device", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
