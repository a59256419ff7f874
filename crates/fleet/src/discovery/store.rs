//! Rows of what is said of devices.
use super::rules::{self, Assurance, State, Statement};
use super::{Discovery, description};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Tx, Value, many, one};
use std::collections::BTreeMap;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "discovery",
    number: 1,
    sql: "
CREATE TABLE discovery (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, finding TEXT NOT NULL,
  waived TEXT NOT NULL, description TEXT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, site, device));
CREATE INDEX discovery_description ON discovery (organisation, description, device);
CREATE TABLE statement (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, assurance TEXT NOT NULL,
  mud_url TEXT NOT NULL, maker TEXT NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY (organisation, site, device, assurance));
",
}];

/// The devices after `after` of which this description is believed, by id.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn devices_described(
    tx: &mut dyn Tx,
    organisation: &str,
    description: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<Subject>, Fault> {
    many(
        tx,
        "SELECT organisation, site, device FROM discovery \
         WHERE organisation = $1 AND description = $2 AND device > $3 ORDER BY device LIMIT $4",
        &[organisation.into(), description.into(), after.into(), i64::from(limit).into()],
        |row| Subject::read(row, 0),
    )
}

fn statements(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<Assurance, Statement>, Fault> {
    let found = many(
        tx,
        "SELECT assurance, mud_url, maker, source FROM statement \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &[subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()],
        |row| {
            let (mud_url, maker) = (row.text(1)?.into(), row.text(2)?.into());
            Ok((row.parsed(0)?, Statement { mud_url, maker, source: row.text(3)?.into() }))
        },
    )?;
    Ok(found.into_iter().collect())
}

fn save_statements(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    let changed =
        |(assurance, statement): &(&Assurance, &Statement)| old.statements.get(assurance) != Some(*statement);
    for (assurance, statement) in new.statements.iter().filter(changed) {
        tx.exec(
            "INSERT INTO statement (organisation, site, device, assurance, mud_url, maker, source) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (organisation, site, device, assurance) \
             DO UPDATE SET mud_url = excluded.mud_url, maker = excluded.maker, source = excluded.source",
            &[
                subject.organisation.as_str().into(),
                subject.site.as_str().into(),
                subject.id.as_str().into(),
                assurance.as_str().into(),
                statement.mud_url.as_str().into(),
                statement.maker.as_str().into(),
                statement.source.as_str().into(),
            ],
        )?;
    }
    Ok(())
}

impl Room for Discovery {
    const NAME: &'static str = "discovery";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT finding, waived, version FROM discovery \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &[subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()],
            |row| Ok((row.text(0)?.to_string(), row.text(1)?.to_string(), row.int(2)?)),
        )?;
        let Some((finding, waived, version)) = found else { return Ok(None) };
        Ok(Some((State { statements: statements(tx, subject)?, finding, waived }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let believed =
            change.new.believed().map(|(_, s)| description::subject(subject, &s.maker, &s.mud_url).id);
        let row: [Value; 7] = [
            change.new.finding.as_str().into(),
            change.new.waived.as_str().into(),
            believed.unwrap_or_default().as_str().into(),
            change.new_version.into(),
            subject.organisation.as_str().into(),
            subject.site.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO discovery (finding, waived, description, version, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE discovery SET finding = $1, waived = $2, description = $3, version = $4 \
                     WHERE organisation = $5 AND site = $6 AND device = $7 AND version = $8",
                    &row,
                )?
            }
        };
        save_statements(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM discovery", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
