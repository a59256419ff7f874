//! Rows of blobs.
use crate::time::Millis;
use crate::tx::{Fault, Migration, Tx, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "blob",
    number: 1,
    sql: "
CREATE TABLE blob (
  organisation TEXT NOT NULL, digest TEXT NOT NULL, bytes BIGINT NOT NULL, kept_at BIGINT NOT NULL,
  PRIMARY KEY (organisation, digest));
",
}];

/// How many bytes a kept blob has.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn blob_find(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<Option<i64>, Fault> {
    one(
        tx,
        "SELECT bytes FROM blob WHERE organisation = $1 AND digest = $2",
        &[organisation.into(), digest.into()],
        |row| row.int(0),
    )
}

/// Keeps a blob, from `at` on.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn blob_keep(
    tx: &mut dyn Tx,
    organisation: &str,
    digest: &str,
    bytes: i64,
    at: Millis,
) -> Result<(), Fault> {
    tx.exec(
        "INSERT INTO blob (organisation, digest, bytes, kept_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (organisation, digest) DO UPDATE SET kept_at = excluded.kept_at",
        &[organisation.into(), digest.into(), bytes.into(), at.0.into()],
    )?;
    Ok(())
}

/// The digests after `after` of all blobs, and how many bytes each has.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn blob_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, i64)>, Fault> {
    many(
        tx,
        "SELECT digest, bytes FROM blob WHERE organisation = $1 AND digest > $2 ORDER BY digest LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(0)?.to_string(), row.int(1)?)),
    )
}

/// The digests after `after` of blobs that were kept before `before`.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn blob_list_before(
    tx: &mut dyn Tx,
    organisation: &str,
    before: Millis,
    after: &str,
    limit: u16,
) -> Result<Vec<String>, Fault> {
    many(
        tx,
        "SELECT digest FROM blob WHERE organisation = $1 AND kept_at < $2 AND digest > $3 \
         ORDER BY digest LIMIT $4",
        &[organisation.into(), before.0.into(), after.into(), i64::from(limit).into()],
        |row| Ok(row.text(0)?.to_string()),
    )
}

/// Keeps a blob no longer.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn blob_remove(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<(), Fault> {
    tx.exec("DELETE FROM blob WHERE organisation = $1 AND digest = $2", &[organisation.into(), digest.into()])
        .map(drop)
}
