//! Rows of an operator's releases.
use super::Release;
use super::rules::{self, Fetched, Source, State};
use crate::room::{Change, Room, Subject};
use crate::tx::{Fault, Migration, Row, Tx, Value, any, many, one};

/// The tables of this room.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "release",
    number: 1,
    sql: "
CREATE TABLE release (
  organisation TEXT NOT NULL, site TEXT NOT NULL, release TEXT NOT NULL, url TEXT NOT NULL,
  maker TEXT NOT NULL, even_if_unverified BIGINT NOT NULL, phase TEXT NOT NULL, refused TEXT NOT NULL,
  envelope TEXT NOT NULL, unverified TEXT NOT NULL, manifest TEXT NOT NULL,
  sequence_number BIGINT NOT NULL, release_version TEXT NOT NULL, vendor_id TEXT NOT NULL,
  class_id TEXT NOT NULL, image TEXT NOT NULL, image_bytes BIGINT NOT NULL, signer TEXT NOT NULL,
  version BIGINT NOT NULL, PRIMARY KEY (organisation, site, release));
CREATE INDEX release_phase ON release (organisation, phase);
CREATE INDEX release_image ON release (organisation, image);
",
}];

/// How far a release is, as its row says it.
fn phase(state: &State) -> &'static str {
    match (&state.fetched, state.refused.is_empty()) {
        (Some(_), _) => "kept",
        (None, true) => "wanted",
        (None, false) => "refused",
    }
}

fn state(row: &Row) -> Result<State, Fault> {
    let source =
        Source { url: row.text(0)?.into(), maker: row.text(1)?.into(), even_if_unverified: row.int(2)? != 0 };
    let fetched = Fetched {
        envelope: row.text(5)?.into(),
        unverified: row.text(6)?.into(),
        manifest: row.text(7)?.into(),
        sequence_number: row.int(8)?,
        version: row.text(9)?.into(),
        vendor_id: row.text(10)?.into(),
        class_id: row.text(11)?.into(),
        image: row.text(12)?.into(),
        image_bytes: row.int(13)?,
        signer: row.text(14)?.into(),
    };
    let fetched = (row.text(3)? == "kept").then_some(fetched);
    Ok(State { source: Some(source), fetched, refused: row.text(4)?.into() })
}

/// The releases of an organisation after `after`, by name.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn release_list(
    tx: &mut dyn Tx,
    organisation: &str,
    after: &str,
    limit: u16,
) -> Result<Vec<(String, State)>, Fault> {
    many(
        tx,
        "SELECT url, maker, even_if_unverified, phase, refused, envelope, unverified, manifest, \
         sequence_number, release_version, vendor_id, class_id, image, image_bytes, signer, release \
         FROM release WHERE organisation = $1 AND release > $2 ORDER BY release LIMIT $3",
        &[organisation.into(), after.into(), i64::from(limit).into()],
        |row| Ok((row.text(15)?.to_string(), state(row)?)),
    )
}

/// Releases that wait to be fetched, and from where.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn releases_wanted(
    tx: &mut dyn Tx,
    organisation: &str,
    limit: u16,
) -> Result<Vec<(String, Source)>, Fault> {
    many(
        tx,
        "SELECT release, url, maker, even_if_unverified FROM release \
         WHERE organisation = $1 AND phase = 'wanted' LIMIT $2",
        &[organisation.into(), i64::from(limit).into()],
        |row| {
            let (url, maker) = (row.text(1)?.into(), row.text(2)?.into());
            let source = Source { url, maker, even_if_unverified: row.int(3)? != 0 };
            Ok((row.text(0)?.to_string(), source))
        },
    )
}

/// The highest sequence number among the releases that are known of a device's maker; nothing when none is.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn newest_known(tx: &mut dyn Tx, device: &Subject) -> Result<Option<i64>, Fault> {
    one(
        tx,
        "SELECT release.sequence_number FROM release JOIN device ON device.maker = release.maker \
         AND device.organisation = release.organisation \
         WHERE device.organisation = $1 AND device.site = $2 AND device.device = $3 AND release.phase = 'kept' \
         ORDER BY release.sequence_number DESC LIMIT 1",
        &device.key(),
        |row| row.int(0),
    )
}

/// Whether a blob is the image of a release.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn holds(tx: &mut dyn Tx, organisation: &str, digest: &str) -> Result<bool, Fault> {
    any(
        tx,
        "SELECT version FROM release WHERE organisation = $1 AND image = $2 LIMIT 1",
        &[organisation.into(), digest.into()],
    )
}

impl Room for Release {
    const NAME: &'static str = "release";
    crate::room::rules!();

    fn load(tx: &mut dyn Tx, subject: &Subject) -> Result<Option<(State, i64)>, Fault> {
        one(
            tx,
            "SELECT url, maker, even_if_unverified, phase, refused, envelope, unverified, manifest, \
             sequence_number, release_version, vendor_id, class_id, image, image_bytes, signer, version \
             FROM release WHERE organisation = $1 AND site = $2 AND release = $3",
            &subject.key(),
            |row| Ok((state(row)?, row.int(15)?)),
        )
    }

    fn save(tx: &mut dyn Tx, subject: &Subject, change: &Change<State>) -> Result<bool, Fault> {
        let row = row(change)?;
        let saved = match change.old_version {
            0 => tx.exec(
                "INSERT INTO release (url, maker, even_if_unverified, phase, refused, envelope, unverified, \
                 manifest, sequence_number, release_version, vendor_id, class_id, image, image_bytes, \
                 signer, version, organisation, site, release) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
                 $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING",
                &row.into_iter().chain(subject.key()).collect::<Vec<_>>(),
            )?,
            old_version => tx.exec(
                "UPDATE release SET url = $1, maker = $2, even_if_unverified = $3, phase = $4, refused = $5, \
                 envelope = $6, unverified = $7, manifest = $8, sequence_number = $9, release_version = $10, \
                 vendor_id = $11, class_id = $12, image = $13, image_bytes = $14, signer = $15, \
                 version = $16 \
                 WHERE organisation = $17 AND site = $18 AND release = $19 AND version = $20",
                &row.into_iter().chain(subject.key_and([old_version.into()])).collect::<Vec<_>>(),
            )?,
        };
        Ok(saved == 1)
    }

    fn count(tx: &mut dyn Tx) -> Result<i64, Fault> {
        Ok(one(tx, "SELECT count(*) FROM release", &[], |row| row.int(0))?.unwrap_or(0))
    }
}

fn row(change: &Change<State>) -> Result<[Value; 16], Fault> {
    let Some(source) = &change.new.source else { return Err(Fault::corrupt("a release from nowhere")) };
    let fetched = change.new.fetched.clone().unwrap_or_default();
    Ok([
        source.url.as_str().into(),
        source.maker.as_str().into(),
        i64::from(source.even_if_unverified).into(),
        phase(change.new).into(),
        change.new.refused.as_str().into(),
        fetched.envelope.as_str().into(),
        fetched.unverified.as_str().into(),
        fetched.manifest.as_str().into(),
        fetched.sequence_number.into(),
        fetched.version.as_str().into(),
        fetched.vendor_id.as_str().into(),
        fetched.class_id.as_str().into(),
        fetched.image.as_str().into(),
        fetched.image_bytes.into(),
        fetched.signer.as_str().into(),
        change.new_version.into(),
    ])
}
