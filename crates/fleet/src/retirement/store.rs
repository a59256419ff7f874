//! Rows of decommissions: the archive.
use super::Retirement;
use super::rules::{self, Phase, Said, State};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, any, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "retirement",
        number: 1,
        sql: "
CREATE TABLE retirement (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, phase TEXT NOT NULL,
  why TEXT NOT NULL, asked_at BIGINT NOT NULL, deadline BIGINT NOT NULL, ldevids TEXT NOT NULL,
  ended_at BIGINT NOT NULL, report TEXT NOT NULL, wiped TEXT NOT NULL, ldevid TEXT NOT NULL,
  certificate TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE INDEX retirement_list ON retirement (organisation, device);
CREATE INDEX retirement_phase ON retirement (organisation, phase, certificate);
CREATE INDEX retirement_report ON retirement (organisation, report);
CREATE INDEX retirement_certificate ON retirement (organisation, certificate);
",
    },
    // One row for each certificate of decommission, also of a device that came back and is decommissioned again.
    Migration {
        room: "retirement",
        number: 2,
        sql: "
CREATE TABLE ended_life (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, ended_at BIGINT NOT NULL,
  report TEXT NOT NULL, certificate TEXT NOT NULL, PRIMARY KEY (organisation, site, device, ended_at));
CREATE INDEX ended_life_report ON ended_life (organisation, report);
CREATE INDEX ended_life_certificate ON ended_life (organisation, certificate);
INSERT INTO ended_life (organisation, site, device, ended_at, report, certificate)
  SELECT organisation, site, device, ended_at, report, certificate FROM retirement WHERE certificate <> '';
",
    },
    Migration {
        room: "retirement",
        number: 3,
        sql: "
ALTER TABLE retirement ADD COLUMN heard_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE retirement ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
",
    },
];

fn state(row: &Row) -> Result<State, Fault> {
    let report = row.text(6)?;
    let said = (!report.is_empty()).then(|| -> Result<Said, Fault> {
        let wiped = serde_json::from_str(row.text(7)?).map_err(|why| Fault::corrupt(why.to_string()))?;
        Ok(Said { report: report.into(), wiped, ldevid: row.text(8)?.into() })
    });
    Ok(State {
        phase: Some(row.parsed(0)?),
        why: row.text(1)?.into(),
        asked_at: Millis(row.int(2)?),
        deadline: Millis(row.int(3)?),
        ldevids: row.text(4)?.into(),
        ended_at: Millis(row.int(5)?),
        said: said.transpose()?,
        certificate: row.text(9)?.into(),
        heard_at: Millis(row.int(10)?),
        replaces: row.text(11)?.into(),
    })
}

/// The decommissions of an organisation after the device `after`, by the device's id.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn retirement_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(Subject, State)>, Fault> {
    many(
        tx,
        "SELECT phase, why, asked_at, deadline, ldevids, ended_at, report, wiped, ldevid, certificate, \
         heard_at, replaces, organisation, site, device FROM retirement \
         WHERE organisation = $1 AND device > $2 ORDER BY device LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((Subject::read(row, 12)?, state(row)?)),
    )
}

/// Devices whose decommission is over and whose certificate of decommission is not signed.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn retirement_wanted(tx: &mut dyn Tx, organisation: &str, limit: u16) -> Result<Vec<Subject>, Fault> {
    many(
        tx,
        "SELECT organisation, site, device FROM retirement \
         WHERE organisation = $1 AND phase IN ($2, $3) AND certificate = '' ORDER BY device LIMIT $4",
        &[
            organisation.into(),
            Phase::Wiped.as_str().into(),
            Phase::Forced.as_str().into(),
            i64::from(limit).into(),
        ],
        |row| Subject::read(row, 0),
    )
}

/// Whether a blob is somebody's last report or certificate of decommission, of this life or an earlier one.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn retirement_holds(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT ended_at FROM retirement WHERE organisation = $1 AND (report = $2 OR certificate = $2) UNION \
         SELECT ended_at FROM ended_life WHERE organisation = $1 AND (report = $2 OR certificate = $2) LIMIT 1",
        &[organisation.into(), digest.into()],
    )
}

impl Room for Retirement {
    const NAME: &'static str = "retirement";
    crate::room::rules!(on_time);

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT phase, why, asked_at, deadline, ldevids, ended_at, report, wiped, ldevid, certificate, \
             heard_at, replaces, version FROM retirement WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            |row| Ok((state(row)?, row.int(12)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { phase, why, asked_at, deadline, ldevids, ended_at, said, certificate, .. } = change.new;
        let phase = phase.ok_or_else(|| Fault::corrupt("a decommission without a phase"))?;
        let said =
            said.clone().unwrap_or(Said { report: String::new(), wiped: vec![], ldevid: String::new() });
        let wiped = serde_json::to_string(&said.wiped).map_err(|why| Fault::corrupt(why.to_string()))?;
        let row: [Value; 13] = [
            phase.as_str().into(),
            why.as_str().into(),
            asked_at.0.into(),
            deadline.0.into(),
            ldevids.as_str().into(),
            ended_at.0.into(),
            said.report.as_str().into(),
            wiped.as_str().into(),
            said.ldevid.as_str().into(),
            certificate.as_str().into(),
            change.new.heard_at.0.into(),
            change.new.replaces.as_str().into(),
            change.new_version.into(),
        ];
        let row = row.into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO retirement (phase, why, asked_at, deadline, ldevids, ended_at, report, wiped, \
                 ldevid, certificate, heard_at, replaces, version, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                 ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE retirement SET phase = $1, why = $2, asked_at = $3, deadline = $4, ldevids = $5, \
                 ended_at = $6, report = $7, wiped = $8, ldevid = $9, certificate = $10, heard_at = $11, \
                 replaces = $12, version = $13 \
                 WHERE organisation = $14 AND site = $15 AND device = $16 AND version = $17",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        if !certificate.is_empty() {
            let at = change.new.certified_at().0;
            let proofs = [at.into(), said.report.as_str().into(), certificate.as_str().into()];
            tx.exec(
                "INSERT INTO ended_life (organisation, site, device, ended_at, report, certificate) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                &subject.key_and(proofs),
            )?;
        }
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM retirement", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
