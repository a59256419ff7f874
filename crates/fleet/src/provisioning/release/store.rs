//! Rows of published releases.
use super::PublishedRelease;
use super::rules::{self, Content, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Row, Tx, any, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "published-release",
    number: 1,
    sql: "
CREATE TABLE published_release (
  organisation TEXT NOT NULL, site TEXT NOT NULL, release TEXT NOT NULL, product TEXT NOT NULL,
  release_version TEXT NOT NULL, sequence_number BIGINT NOT NULL, image TEXT NOT NULL,
  image_bytes BIGINT NOT NULL, vendor TEXT NOT NULL, way_back BIGINT NOT NULL, envelope TEXT NOT NULL,
  refused TEXT NOT NULL, version BIGINT NOT NULL, PRIMARY KEY (organisation, site, release));
CREATE UNIQUE INDEX published_release_number ON published_release (organisation, product, sequence_number);
CREATE INDEX published_release_image ON published_release (organisation, image);
CREATE INDEX published_release_envelope ON published_release (organisation, envelope);
",
}];

fn state(row: &Row) -> Result<State, Fault> {
    let content = Content {
        product: row.text(0)?.into(),
        version: row.text(1)?.into(),
        sequence_number: row.int(2)?,
        image: row.text(3)?.into(),
        image_bytes: row.int(4)?,
        vendor: row.text(5)?.into(),
        way_back: row.int(6)? != 0,
    };
    Ok(State { content: Some(content), envelope: row.text(7)?.into(), refused: row.text(8)?.into() })
}

/// The releases of a product with numbers below `before`, the newest first.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn release_list(
    tx: &mut dyn Tx,
    organisation: &str,
    product: &str,
    before: i64,
    limit: u16,
) -> Result<Vec<State>, Fault> {
    many(
        tx,
        "SELECT product, release_version, sequence_number, image, image_bytes, vendor, way_back, envelope, \
         refused FROM published_release WHERE organisation = $1 AND product = $2 AND sequence_number < $3 \
         ORDER BY sequence_number DESC LIMIT $4",
        &[organisation.into(), product.into(), before.into(), i64::from(limit).into()],
        state,
    )
}

/// The newest release of a product with this version that was not refused.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn release_of_version(
    tx: &mut dyn Tx,
    organisation: &str,
    product: &str,
    version: &str,
) -> Result<Option<State>, Fault> {
    one(
        tx,
        "SELECT product, release_version, sequence_number, image, image_bytes, vendor, way_back, envelope, \
         refused FROM published_release WHERE organisation = $1 AND product = $2 AND release_version = $3 \
         AND refused = '' ORDER BY sequence_number DESC LIMIT 1",
        &[organisation.into(), product.into(), version.into()],
        state,
    )
}

/// Releases that wait for their envelope.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn releases_wanted(tx: &mut dyn Tx, organisation: &str, limit: u16) -> Result<Vec<State>, Fault> {
    many(
        tx,
        "SELECT product, release_version, sequence_number, image, image_bytes, vendor, way_back, envelope, \
         refused FROM published_release WHERE organisation = $1 AND envelope = '' AND refused = '' LIMIT $2",
        &[organisation.into(), i64::from(limit).into()],
        state,
    )
}

/// Whether an image is one of a published release of a product.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn release_of_image(
    tx: &mut dyn Tx,
    organisation: &str,
    product: &str,
    image: &str,
) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT version FROM published_release WHERE organisation = $1 AND image = $2 AND product = $3 \
         AND envelope <> '' LIMIT 1",
        &[organisation.into(), image.into(), product.into()],
    )
}

/// Whether a blob is the image or the envelope of a release.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn holds(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT version FROM published_release WHERE organisation = $1 AND (image = $2 OR envelope = $2) LIMIT 1",
        &[organisation.into(), digest.into()],
    )
}

impl Room for PublishedRelease {
    const NAME: &'static str = "published-release";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT product, release_version, sequence_number, image, image_bytes, vendor, way_back, \
             envelope, refused, version FROM published_release \
             WHERE organisation = $1 AND site = $2 AND release = $3",
            &subject.key(),
            |row| Ok((state(row)?, row.int(9)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let State { content: Some(content), envelope, refused } = change.new else {
            return Err(Fault::corrupt("a release without a content"));
        };
        let outcome = [envelope.as_str().into(), refused.as_str().into(), change.new_version.into()];
        let saved = match change.old_version {
            0 => {
                let row = [
                    content.product.as_str().into(),
                    content.version.as_str().into(),
                    content.sequence_number.into(),
                    content.image.as_str().into(),
                    content.image_bytes.into(),
                    content.vendor.as_str().into(),
                    i64::from(content.way_back).into(),
                ];
                tx.exec(
                    "INSERT INTO published_release (organisation, site, release, product, release_version, \
                     sequence_number, image, image_bytes, vendor, way_back, envelope, refused, version) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                     ON CONFLICT DO NOTHING",
                    &subject.key_and(row.into_iter().chain(outcome)),
                )?
            }
            // What it is never changes.
            old_version => {
                let key = subject.key_and([old_version.into()]);
                tx.exec(
                    "UPDATE published_release SET envelope = $1, refused = $2, version = $3 \
                     WHERE organisation = $4 AND site = $5 AND release = $6 AND version = $7",
                    &outcome.into_iter().chain(key).collect::<Vec<_>>(),
                )?
            }
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM published_release", &[], |row| row.int(0))?.unwrap_or(0))
    }
}
