//! Rows of vouchers.
use super::VoucherLog;
use super::rules::{self, State, Voucher};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Tx, many, one};
use std::collections::BTreeMap;

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "voucher",
    number: 1,
    sql: "
CREATE TABLE voucher_log (
  organisation TEXT NOT NULL, serial_number TEXT NOT NULL, dropped BIGINT NOT NULL, version BIGINT NOT NULL,
  PRIMARY KEY (organisation, serial_number));
CREATE TABLE voucher (
  organisation TEXT NOT NULL, serial_number TEXT NOT NULL, nonce TEXT NOT NULL,
  domain_id TEXT NOT NULL, issued_at BIGINT NOT NULL, voucher TEXT NOT NULL,
  PRIMARY KEY (organisation, serial_number, nonce));
",
}];

fn vouchers(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<(Millis, String), Voucher>, Fault> {
    let found = many(
        tx,
        "SELECT nonce, domain_id, issued_at, voucher FROM voucher \
         WHERE organisation = $1 AND serial_number = $2",
        &[subject.organisation.as_str().into(), subject.id.as_str().into()],
        |row| {
            Ok(Voucher {
                nonce: row.text(0)?.into(),
                domain_id: row.text(1)?.into(),
                issued_at: Millis(row.int(2)?),
                voucher: row.text(3)?.into(),
            })
        },
    )?;
    Ok(found.into_iter().map(|voucher| ((voucher.issued_at, voucher.nonce.clone()), voucher)).collect())
}

fn save_vouchers(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<(), Fault> {
    let (organisation, serial_number) = (subject.organisation.as_str(), subject.id.as_str());
    let (old, new) = (&change.old.vouchers, &change.new.vouchers);
    for (_, nonce) in old.keys().filter(|place| !new.contains_key(place)) {
        tx.exec(
            "DELETE FROM voucher WHERE organisation = $1 AND serial_number = $2 AND nonce = $3",
            &[organisation.into(), serial_number.into(), nonce.as_str().into()],
        )?;
    }
    for (_, voucher) in new.iter().filter(|(place, _)| !old.contains_key(place)) {
        tx.exec(
            "INSERT INTO voucher (organisation, serial_number, nonce, domain_id, issued_at, voucher) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                organisation.into(),
                serial_number.into(),
                voucher.nonce.as_str().into(),
                voucher.domain_id.as_str().into(),
                voucher.issued_at.0.into(),
                voucher.voucher.as_str().into(),
            ],
        )?;
    }
    Ok(())
}

impl Room for VoucherLog {
    const NAME: &'static str = "voucher";
    crate::room::rules!(on_time);

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT dropped, version FROM voucher_log WHERE organisation = $1 AND serial_number = $2",
            &[subject.organisation.as_str().into(), subject.id.as_str().into()],
            |row| Ok((row.int(0)?, row.int(1)?)),
        )?;
        let Some((dropped, version)) = found else { return Ok(None) };
        Ok(Some((State { vouchers: vouchers(tx, subject)?, dropped }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let (organisation, serial_number) = (subject.organisation.as_str(), subject.id.as_str());
        let (dropped, version) = (change.new.dropped, change.new_version);
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO voucher_log (organisation, serial_number, dropped, version) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                &[organisation.into(), serial_number.into(), dropped.into(), version.into()],
            )?,
            old_version => tx.exec(
                "UPDATE voucher_log SET dropped = $1, version = $2 \
                 WHERE organisation = $3 AND serial_number = $4 AND version = $5",
                &[
                    dropped.into(),
                    version.into(),
                    organisation.into(),
                    serial_number.into(),
                    old_version.into(),
                ],
            )?,
        };
        save_vouchers(tx, subject, change)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM voucher_log", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
