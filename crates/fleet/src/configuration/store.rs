//! Rows of configurations, their versions, and their documents.
use super::Configuration;
use super::rules::{self, Order, State, Version};
use crate::room::{Change, Room, Subject};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Row, Tx, Value, many, one};
use std::collections::{BTreeMap, BTreeSet};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "configuration",
    number: 1,
    sql: "
CREATE TABLE configuration (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  newest BIGINT NOT NULL, orders BIGINT NOT NULL, applied BIGINT NOT NULL,
  order_number BIGINT NOT NULL, order_version BIGINT NOT NULL, order_over TEXT NOT NULL,
  confirm_seconds BIGINT NOT NULL, drift TEXT, drifted_at BIGINT NOT NULL, keep BIGINT NOT NULL,
  trouble TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, device));
CREATE TABLE configuration_version (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, number BIGINT NOT NULL,
  digest TEXT NOT NULL, source TEXT NOT NULL, kept_at BIGINT NOT NULL,
  PRIMARY KEY (organisation, site, device, number));
CREATE TABLE configuration_document (
  organisation TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL, digest TEXT NOT NULL,
  document BYTEA NOT NULL, PRIMARY KEY (organisation, site, device, digest));
",
}];

/// A document of a device.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn document_find(tx: &mut dyn Tx, subject: &Subject, digest: &str) -> Result<Option<Vec<u8>>, Fault> {
    one(
        tx,
        "SELECT document FROM configuration_document \
         WHERE organisation = $1 AND site = $2 AND device = $3 AND digest = $4",
        &subject.key_and([digest.into()]),
        |row| Ok(row.bytes(0)?.to_vec()),
    )
}

/// A document that has to be there.
///
/// # Errors
/// A [`Fault`], also when it is not there.
pub fn document_must(tx: &mut dyn Tx, subject: &Subject, digest: &str) -> Result<Vec<u8>, Fault> {
    let missing = || Fault::corrupt(format!("the document {digest} of {subject} is not there"));
    document_find(tx, subject, digest)?.ok_or_else(missing)
}

/// Keeps a document.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn document_add(tx: &mut dyn Tx, subject: &Subject, digest: &str, document: &[u8]) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO configuration_document (organisation, site, device, digest, document) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &subject.key_and([digest.into(), document.into()]),
    )?;
    Ok(())
}

/// Whether a device has something else than the version in use.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn drifted(tx: &mut dyn Tx, subject: &Subject) -> Result<bool, Fault> {
    let found = one(
        tx,
        "SELECT version FROM configuration \
         WHERE organisation = $1 AND site = $2 AND device = $3 AND drift IS NOT NULL",
        &subject.key(),
        |row| row.int(0),
    )?;
    Ok(found.is_some())
}

fn number(row: &Row, i: usize) -> Result<u32, Fault> {
    let stored = row.int(i)?;
    u32::try_from(stored).map_err(|_| Fault::corrupt(format!("column {i}: {stored} is no such number")))
}

fn versions(tx: &mut dyn Tx, subject: &Subject) -> Result<BTreeMap<u32, Version>, Fault> {
    let found = many(
        tx,
        "SELECT number, digest, source, kept_at FROM configuration_version \
         WHERE organisation = $1 AND site = $2 AND device = $3",
        &subject.key(),
        |row| {
            let version =
                Version { digest: row.text(1)?.into(), source: row.parsed(2)?, at: Millis(row.int(3)?) };
            Ok((number(row, 0)?, version))
        },
    )?;
    Ok(found.into_iter().collect())
}

fn save_versions(tx: &mut dyn Tx, subject: &Subject, old: &State, new: &State) -> Result<(), Fault> {
    for number in old.versions.keys().filter(|number| !new.versions.contains_key(number)) {
        tx.exec(
            "DELETE FROM configuration_version \
             WHERE organisation = $1 AND site = $2 AND device = $3 AND number = $4",
            &subject.key_and([i64::from(*number).into()]),
        )?;
    }
    for (number, version) in new.versions.iter().filter(|(number, _)| !old.versions.contains_key(number)) {
        let source = version.source.as_str();
        tx.exec(
            "INSERT INTO configuration_version \
             (organisation, site, device, number, digest, source, kept_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &subject.key_and([
                i64::from(*number).into(),
                version.digest.as_str().into(),
                source.into(),
                version.at.0.into(),
            ]),
        )?;
    }
    let kept: BTreeSet<&str> = new.digests().collect();
    for digest in old.digests().filter(|digest| !kept.contains(digest)) {
        tx.exec(
            "DELETE FROM configuration_document \
             WHERE organisation = $1 AND site = $2 AND device = $3 AND digest = $4",
            &subject.key_and([digest.into()]),
        )?;
    }
    Ok(())
}

fn state(row: &Row) -> Result<(State, i64), Fault> {
    let order = Order {
        number: number(row, 3)?,
        version: number(row, 4)?,
        over: row.text(5)?.into(),
        confirm_seconds: number(row, 6)?,
    };
    let drift = if row.0.get(7) == Some(&Value::Null) { None } else { Some(row.text(7)?.to_owned()) };
    let state = State {
        versions: BTreeMap::new(),
        newest: number(row, 0)?,
        orders: number(row, 1)?,
        applied: number(row, 2)?,
        order: (order.number > 0).then_some(order),
        drift,
        drifted_at: Millis(row.int(8)?),
        keep: row.int(9)? != 0,
        trouble: row.text(10)?.into(),
    };
    Ok((state, row.int(11)?))
}

/// The columns of a state, in the order of the statements below.
fn columns(state: &State, version: i64) -> [Value; 12] {
    let nothing = Order { number: 0, version: 0, over: String::new(), confirm_seconds: 0 };
    let order = state.order.as_ref().unwrap_or(&nothing);
    [
        i64::from(state.newest).into(),
        i64::from(state.orders).into(),
        i64::from(state.applied).into(),
        i64::from(order.number).into(),
        i64::from(order.version).into(),
        order.over.as_str().into(),
        i64::from(order.confirm_seconds).into(),
        state.drift.as_deref().map_or(Value::Null, Value::from),
        state.drifted_at.0.into(),
        i64::from(state.keep).into(),
        state.trouble.as_str().into(),
        version.into(),
    ]
}

impl Room for Configuration {
    const NAME: &'static str = "configuration";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        let found = one(
            tx,
            "SELECT newest, orders, applied, order_number, order_version, order_over, confirm_seconds, \
             drift, drifted_at, keep, trouble, version FROM configuration \
             WHERE organisation = $1 AND site = $2 AND device = $3",
            &subject.key(),
            state,
        )?;
        let Some((state, version)) = found else { return Ok(None) };
        Ok(Some((State { versions: versions(tx, subject)?, ..state }, version)))
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row = columns(change.new, change.new_version).into_iter().chain(subject.key());
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO configuration (newest, orders, applied, order_number, order_version, \
                 order_over, confirm_seconds, drift, drifted_at, keep, trouble, version, \
                 organisation, site, device) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
                 ON CONFLICT DO NOTHING",
                &row.collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE configuration SET newest = $1, orders = $2, applied = $3, order_number = $4, \
                 order_version = $5, order_over = $6, confirm_seconds = $7, drift = $8, \
                 drifted_at = $9, keep = $10, trouble = $11, version = $12 \
                 WHERE organisation = $13 AND site = $14 AND device = $15 AND version = $16",
                &row.chain([old_version.into()]).collect::<Vec<_>>(),
            )?,
        };
        save_versions(tx, subject, change.old, change.new)?;
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM configuration", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
