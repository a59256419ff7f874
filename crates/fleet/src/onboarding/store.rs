//! Rows of joining, and of the certificates that are good.
use super::Onboarding;
use super::rules::{self, Introduction, Ldevid, LogSummary, State, Voucher};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, many, one};
use std::collections::BTreeMap;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "onboarding",
        number: 1,
        sql: "
CREATE TABLE onboarding (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  anchor TEXT, serial_number TEXT, key TEXT, admitted BIGINT NOT NULL, enrolled BIGINT NOT NULL,
  wanted TEXT, barred BIGINT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE TABLE ldevid (
  serial TEXT PRIMARY KEY, organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  key TEXT NOT NULL, not_before BIGINT NOT NULL, not_after BIGINT NOT NULL, certificate TEXT NOT NULL);
CREATE INDEX ldevid_device ON ldevid (organisation, site, device);
",
    },
    Migration {
        room: "onboarding",
        number: 2,
        sql: "ALTER TABLE onboarding ADD COLUMN mud_url TEXT NOT NULL DEFAULT ''",
    },
    Migration {
        room: "onboarding",
        number: 3,
        sql: "
CREATE TABLE pledge_voucher (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  nonce TEXT NOT NULL, domain_id TEXT NOT NULL, voucher TEXT NOT NULL, verdict TEXT NOT NULL,
  reason TEXT NOT NULL, PRIMARY KEY (organisation, site, device));
",
    },
    Migration {
        room: "onboarding",
        number: 4,
        sql: "ALTER TABLE pledge_voucher ADD COLUMN log TEXT NOT NULL DEFAULT ''",
    },
    Migration {
        room: "onboarding",
        number: 5,
        sql: "ALTER TABLE onboarding ADD COLUMN mud_signer TEXT NOT NULL DEFAULT ''",
    },
    Migration {
        room: "onboarding",
        number: 6,
        sql: "
ALTER TABLE onboarding ADD COLUMN youngest BIGINT NOT NULL DEFAULT 0;
CREATE TABLE ldevid_ahead (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, serial TEXT NOT NULL,
  key TEXT NOT NULL, not_before BIGINT NOT NULL, not_after BIGINT NOT NULL, certificate TEXT NOT NULL,
  PRIMARY KEY (organisation, site, device));
",
    },
    Migration {
        room: "onboarding",
        number: 7,
        sql: "
ALTER TABLE onboarding ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE onboarding ADD COLUMN trouble_why TEXT NOT NULL DEFAULT '';
CREATE INDEX onboarding_trouble ON onboarding (organisation) WHERE trouble <> '';
",
    },
];

/// Whose certificate has this serial number, if it is a good one.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn ldevid_find(tx: &mut dyn Tx, serial: &str) -> Result<Option<Subject>, Fault> {
    one(tx, "SELECT organisation, site, device FROM ldevid WHERE serial = $1", &[serial.into()], |row| {
        Subject::read(row, 0)
    })
}

fn ldevids(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<String, Ldevid>, Fault> {
    let found = many(
        tx,
        "SELECT serial, key, not_before, not_after, certificate FROM ldevid \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &[subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()],
        ldevid,
    )?;
    Ok(found.into_iter().collect())
}

/// A certificate with its serial number.
fn ldevid(row: &Row) -> Result<(String, Ldevid), Fault> {
    let ldevid = Ldevid {
        key: row.text(1)?.into(),
        not_before: Millis(row.int(2)?),
        not_after: Millis(row.int(3)?),
        certificate: row.text(4)?.into(),
    };
    Ok((row.text(0)?.to_string(), ldevid))
}

fn ahead(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(String, Ldevid)>, Fault> {
    one(
        tx,
        "SELECT serial, key, not_before, not_after, certificate FROM ldevid_ahead \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &subject.key(),
        ldevid,
    )
}

fn save_ahead(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    if old.ahead == new.ahead {
        return Ok(());
    }
    tx.exec(
        "DELETE FROM ldevid_ahead WHERE organisation = $1 AND site = $2 AND device = $3",
        &subject.key(),
    )?;
    let Some((serial, ldevid)) = &new.ahead else { return Ok(()) };
    let row = [
        serial.as_str().into(),
        ldevid.key.as_str().into(),
        ldevid.not_before.0.into(),
        ldevid.not_after.0.into(),
        ldevid.certificate.as_str().into(),
    ];
    tx.exec(
        "INSERT INTO ldevid_ahead (organisation, site, device, serial, key, not_before, not_after, certificate) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &subject.key_and(row),
    )
    .map(drop)
}

fn save_ldevids(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    for serial in old.ldevids.keys().filter(|serial| !new.ldevids.contains_key(*serial)) {
        tx.exec("DELETE FROM ldevid WHERE serial = $1", &[serial.as_str().into()])?;
    }
    for (serial, ldevid) in new.ldevids.iter().filter(|(serial, _)| !old.ldevids.contains_key(*serial)) {
        tx.exec(
            "INSERT INTO ldevid (serial, organisation, site, device, key, not_before, not_after, certificate) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                serial.as_str().into(),
                subject.organisation.as_str().into(),
                subject.site.as_str().into(),
                subject.id.as_str().into(),
                ldevid.key.as_str().into(),
                ldevid.not_before.0.into(),
                ldevid.not_after.0.into(),
                ldevid.certificate.as_str().into(),
            ],
        )?;
    }
    Ok(())
}

fn voucher(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<Voucher>, Fault> {
    one(
        tx,
        "SELECT nonce, domain_id, voucher, verdict, reason, log FROM pledge_voucher \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &[subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()],
        |row| {
            Ok(Voucher {
                nonce: row.text(0)?.into(),
                domain_id: row.text(1)?.into(),
                voucher: row.text(2)?.into(),
                verdict: row.parsed(3)?,
                reason: row.text(4)?.into(),
                log: log(row.text(5)?)?,
            })
        },
    )
}

fn log(json: &str) -> Result<Option<LogSummary>, Fault> {
    if json.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(json).map(Some).map_err(|why| Fault::corrupt(why.to_string()))
}

fn save_voucher(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    if old.voucher == new.voucher {
        return Ok(());
    }
    let Subject { organisation, site, id } = subject;
    tx.exec(
        "DELETE FROM pledge_voucher WHERE organisation = $1 AND site = $2 AND device = $3",
        &[organisation.as_str().into(), site.as_str().into(), id.as_str().into()],
    )?;
    let Some(voucher) = &new.voucher else { return Ok(()) };
    let log = voucher.log.as_ref().map(serde_json::to_string).transpose();
    let log = log.map_err(|why| Fault::corrupt(why.to_string()))?.unwrap_or_default();
    tx.exec(
        "INSERT INTO pledge_voucher (organisation, site, device, nonce, domain_id, voucher, verdict, reason, log) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            organisation.as_str().into(),
            site.as_str().into(),
            id.as_str().into(),
            voucher.nonce.as_str().into(),
            voucher.domain_id.as_str().into(),
            voucher.voucher.as_str().into(),
            voucher.verdict.as_str().into(),
            voucher.reason.as_str().into(),
            log.as_str().into(),
        ],
    )?;
    Ok(())
}

fn text_or_null(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| text.as_str().into())
}

fn maybe(row: &Row, i: usize) -> Result<Option<String>, Fault> {
    if row.0.get(i) == Some(&Value::Null) { Ok(None) } else { row.text(i).map(|text| Some(text.into())) }
}

fn state(row: &Row) -> Result<(State, i64), Fault> {
    let introduction = match (maybe(row, 0)?, maybe(row, 1)?, maybe(row, 2)?) {
        (Some(anchor), Some(serial_number), Some(key)) => {
            let (mud_url, mud_signer) = (row.text(8)?.into(), row.text(9)?.into());
            Some(Introduction { anchor, serial_number, key, mud_url, mud_signer })
        }
        _ => None,
    };
    let (admitted, enrolled) = (row.int(3)? != 0, row.int(4)? != 0);
    let (wanted, barred) = (maybe(row, 5)?, row.int(6)? != 0);
    let youngest = Millis(row.int(10)?);
    let trouble = match row.text(11)? {
        "" => None,
        _ => Some((row.parsed(11)?, row.text(12)?.into())),
    };
    let state =
        State { introduction, admitted, enrolled, barred, wanted, youngest, trouble, ..State::default() };
    Ok((state, row.int(7)?))
}

impl Room for Onboarding {
    const NAME: &'static str = "onboarding";
    crate::room::rules!(on_time);

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT anchor, serial_number, key, admitted, enrolled, wanted, barred, version, mud_url, \
             mud_signer, youngest, trouble, trouble_why FROM onboarding \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &[subject.organisation.as_str().into(), subject.site.as_str().into(), subject.id.as_str().into()],
            state,
        )?;
        let Some((state, version)) = found else { return Ok(None) };
        let (ldevids, voucher, ahead) = (ldevids(tx, subject)?, voucher(tx, subject)?, ahead(tx, subject)?);
        Ok(Some((State { ldevids, voucher, ahead, ..state }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { introduction, admitted, enrolled, barred, wanted, youngest, trouble, .. } = change.new;
        let introduction = introduction.as_ref();
        let (trouble, why) = trouble.as_ref().map_or(("", ""), |(it, why)| (it.as_str(), why.as_str()));
        let row: [Value; 16] = [
            text_or_null(introduction.map(|i| &i.anchor)),
            text_or_null(introduction.map(|i| &i.serial_number)),
            text_or_null(introduction.map(|i| &i.key)),
            i64::from(*admitted).into(),
            i64::from(*enrolled).into(),
            text_or_null(wanted.as_ref()),
            i64::from(*barred).into(),
            change.new_version.into(),
            introduction.map_or("", |i| i.mud_url.as_str()).into(),
            introduction.map_or("", |i| i.mud_signer.as_str()).into(),
            youngest.0.into(),
            trouble.into(),
            why.into(),
            subject.organisation.as_str().into(),
            subject.site.as_str().into(),
            subject.id.as_str().into(),
        ];
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO onboarding (anchor, serial_number, key, admitted, enrolled, wanted, barred, \
                 version, mud_url, mud_signer, youngest, trouble, trouble_why, organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                 ON CONFLICT DO NOTHING",
                &row,
            )?,
            old_version => {
                let mut row = row.to_vec();
                row.push(old_version.into());
                tx.exec(
                    "UPDATE onboarding SET anchor = $1, serial_number = $2, key = $3, admitted = $4, \
                     enrolled = $5, wanted = $6, barred = $7, version = $8, mud_url = $9, \
                     mud_signer = $10, youngest = $11, trouble = $12, trouble_why = $13 \
                     WHERE organisation = $14 AND site = $15 AND device = $16 AND version = $17",
                    &row,
                )?
            }
        };
        save_voucher(tx, subject, change.old, change.new)?;
        save_ldevids(tx, subject, change.old, change.new)?;
        save_ahead(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM onboarding", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
