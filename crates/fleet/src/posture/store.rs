//! What the checks read of other rooms' rows. This room has none of its own, but an index.
use crate::room::Subject;
use crate::text::place;
use crate::time::Millis;
use crate::tx::{Fault, Migration, Tx, many};

/// An index over another room's table: of a fleet that has not joined yet, nobody is looked at.
pub const MIGRATIONS: &[Migration] = &[Migration {
    room: "posture",
    number: 1,
    sql: "
CREATE INDEX device_at_work ON device (organisation, place, name)
  WHERE stage IN ('operational', 'quarantined', 'remediation')",
}];

/// A device at work.
pub struct AtWork {
    /// Organisation, site and id.
    pub subject: Subject,
    /// What people call it.
    pub name: String,
    /// Who makes it.
    pub maker: String,
    /// What its maker calls it.
    pub model: String,
    /// LDevIDs that are good now.
    pub good_ldevids: i64,
    /// A plan of what it may reach is active.
    pub has_plan: bool,
}

/// The devices at work of an organisation after `after`, by name as people count.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn at_work_list(
    tx: &mut dyn Tx,
    organisation: &str,
    now: Millis,
    after: &str,
    limit: u16,
) -> Result<Vec<AtWork>, Fault> {
    many(
        tx,
        "SELECT d.organisation, d.site, d.device, d.name, d.maker, d.model, \
         (SELECT count(*) FROM ldevid l WHERE l.organisation = d.organisation AND l.site = d.site \
          AND l.device = d.device AND l.not_before <= $1 AND l.not_after >= $1), \
         (SELECT count(*) FROM access a WHERE a.organisation = d.organisation AND a.site = d.site \
          AND a.device = d.device AND a.active_plan <> '') \
         FROM device d WHERE d.organisation = $2 AND d.stage IN ('operational', 'quarantined', 'remediation') \
         AND (d.place, d.name) > ($3, $4) ORDER BY d.place, d.name LIMIT $5",
        &[
            now.0.into(),
            organisation.into(),
            place(after).as_str().into(),
            after.into(),
            i64::from(limit).into(),
        ],
        |row| {
            Ok(AtWork {
                subject: Subject::read(row, 0)?,
                name: row.text(3)?.into(),
                maker: row.text(4)?.into(),
                model: row.text(5)?.into(),
                good_ldevids: row.int(6)?,
                has_plan: row.int(7)? > 0,
            })
        },
    )
}
