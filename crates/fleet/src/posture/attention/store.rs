//! What is read of other rooms' rows. Of the many, few need attention: an index of its own finds them.
use super::view::Kind;
use crate::limits::{COUNTED_FINDINGS_MAX, SILENCE_SECONDS_MAX};
use crate::time::Millis;
use crate::tx::{Fault, Migration, Tx, many, one};

/// Indexes over other rooms' tables.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        room: "attention",
        number: 1,
        sql: "
CREATE INDEX device_attention ON device (organisation) WHERE attention <> '';
CREATE INDEX quarantine_held ON quarantine (organisation) WHERE level <> '';
CREATE INDEX discovery_finding ON discovery (organisation) WHERE finding <> '';
CREATE INDEX configuration_trouble ON configuration (organisation) WHERE trouble <> '';
CREATE INDEX configuration_drift ON configuration (organisation) WHERE drift IS NOT NULL;
CREATE INDEX description_failure ON description (organisation) WHERE failure_code <> '';
",
    },
    // Who is silent is asked for by the moment: those that are heard of are not looked at.
    Migration {
        room: "attention",
        number: 2,
        sql: "CREATE INDEX contact_seen ON contact (organisation, seen)",
    },
];

/// Something that a person should look at.
#[derive(Debug)]
pub struct Found {
    /// Since when.
    pub since: Millis,
    /// Its place among those of its kind: the subject's id, and what tells it from others of the subject.
    pub id: String,
    /// The device's id; empty when it is about no single device.
    pub device: String,
    /// What the device, rollout or description is called.
    pub name: String,
    /// What it is, in words that the room keeps.
    pub what: String,
    /// What the room knows beside it: a level, an entry of a plan, a release.
    pub detail: String,
}

/// How findings of a kind are listed, and how they are counted.
struct Statements {
    list: &'static str,
    count: &'static str,
}

/// Statements around a query for `since`, `id`, `device`, `name`, `what` and `detail`; a `since` of NULL says
/// that it does not count after all.
///
/// The newest entry of a subject is asked for by its version: asked for by its time, it would be looked for in the
/// whole journal.
macro_rules! statements {
    ($($query:literal)+) => {
        Statements {
            list: concat!(
                "SELECT t.since, t.id, t.device, t.name, t.what, t.detail FROM (", $($query,)+ ") t ",
                "WHERE t.since IS NOT NULL AND ($2 = '' OR t.device = $2) ",
                "AND t.since <= $3 AND (t.since < $3 OR t.id > $4) ORDER BY t.since DESC, t.id LIMIT $5",
            ),
            count: concat!(
                "SELECT count(*) FROM (SELECT t.since FROM (", $($query,)+ ") t WHERE t.since <= $2 LIMIT $3) u"
            ),
        }
    };
}

const NEEDS_ATTENTION: Statements = statements!(
    "SELECT (SELECT j.at FROM journal j WHERE j.room = 'device' AND j.organisation = d.organisation "
    "AND j.subject = d.device AND j.detail LIKE '{\"event\":\"given-up\"%' "
    "ORDER BY j.version DESC LIMIT 1) AS since, "
    "d.device AS id, d.device AS device, d.name AS name, d.attention AS what, '' AS detail "
    "FROM device d WHERE d.organisation = $1 AND d.attention <> ''"
);

// One that needs attention, or that a playbook has, is held too.
const HELD: Statements = statements!(
    "SELECT q.since AS since, d.device AS id, d.device AS device, d.name AS name, q.why AS what, "
    "q.level AS detail FROM quarantine q JOIN device d ON d.organisation = q.organisation "
    "AND d.site = q.site AND d.device = q.device WHERE q.organisation = $1 AND q.level <> '' "
    "AND d.stage = 'quarantined' AND d.attention = ''"
);

/// Open findings of devices, by what decided them.
macro_rules! findings {
    ($decided_by:literal) => {
        statements!(
            "SELECT f.at AS since, f.device || '.' || CAST(f.number AS TEXT) AS id, f.device AS device, "
            "d.name AS name, f.what AS what, f.decided_by AS detail FROM finding f JOIN device d "
            "ON d.organisation = f.organisation AND d.site = f.site AND d.device = f.device "
            "WHERE f.organisation = $1 AND f.settled = 0 AND f.decided_by " $decided_by
        )
    };
}

const OUTSIDE_DESCRIPTION: Statements = findings!("NOT LIKE 'ahead-of-state/%'");

const AHEAD_OF_STATE: Statements = findings!("LIKE 'ahead-of-state/%'");

const CONTRADICTION: Statements = statements!(
    "SELECT (SELECT j.at FROM journal j WHERE j.room = 'discovery' "
    "AND j.organisation = x.organisation AND j.subject = x.device "
    "AND j.detail LIKE '{\"event\":\"contradicted\"%' "
    "ORDER BY j.version DESC LIMIT 1) AS since, x.device AS id, x.device AS device, "
    "d.name AS name, x.finding AS what, '' AS detail FROM discovery x JOIN device d "
    "ON d.organisation = x.organisation AND d.site = x.site AND d.device = x.device "
    "WHERE x.organisation = $1 AND x.finding <> '' AND d.stage <> 'retired'"
);

/// How a device's joining failed.
macro_rules! troubles {
    ($trouble:literal) => {
        statements!(
            "SELECT (SELECT j.at FROM journal j WHERE j.room = 'onboarding' "
            "AND j.organisation = o.organisation AND j.subject = o.device "
            "AND j.detail LIKE '{\"event\":\"troubled\"%' ORDER BY j.version DESC LIMIT 1) AS since, "
            "o.device AS id, o.device AS device, "
            "d.name AS name, o.trouble_why AS what, '' AS detail FROM onboarding o JOIN device d "
            "ON d.organisation = o.organisation AND d.site = o.site AND d.device = o.device "
            "WHERE o.organisation = $1 AND o.trouble <> '' AND o.trouble = " $trouble
            " AND d.stage <> 'retired'"
        )
    };
}

const VOUCHER_REFUSED: Statements = troubles!("'voucher-refused'");

const ENROLMENT_FAILED: Statements = troubles!("'enrolment-failed'");

// As `device show` says it: of a device that never checked in nobody waits for a word.
const SILENT: Statements = statements!(
    "SELECT c.seen AS since, c.device AS id, c.device AS device, d.name AS name, '' AS what, '' AS detail "
    "FROM contact c CROSS JOIN device d WHERE d.organisation = c.organisation AND d.site = c.site "
    "AND d.device = c.device AND c.organisation = $1 "
    "AND d.stage IN ('operational', 'quarantined', 'remediation')"
);

// Stopped by rule: no person did it. It is settled when a later rollout to devices of the same kind finished.
const ROLLOUT_STOPPED: Statements = statements!(
    "SELECT (SELECT j.at FROM journal j WHERE j.room = 'rollout' AND j.organisation = r.organisation "
    "AND j.subject = r.rollout AND j.detail LIKE '{\"event\":\"stopped\"%' "
    "AND (j.actor LIKE 'device:%' OR j.actor LIKE 'hub:%') ORDER BY j.version DESC LIMIT 1) AS since, "
    "r.rollout AS id, '' AS device, r.rollout AS name, r.why AS what, r.release AS detail "
    "FROM rollout r WHERE r.organisation = $1 AND r.phase = 'stopped' AND NOT EXISTS ("
    "SELECT 1 FROM rollout n JOIN release a ON a.organisation = n.organisation AND a.release = n.release "
    "JOIN release b ON b.organisation = a.organisation AND b.maker = a.maker "
    "AND b.vendor_id = a.vendor_id AND b.class_id = a.class_id "
    "WHERE n.organisation = r.organisation AND n.phase = 'finished' AND n.began_at > r.began_at "
    "AND b.release = r.release)"
);

const ROLLOUT_PAUSED: Statements = statements!(
    "SELECT (SELECT j.at FROM journal j WHERE j.room = 'rollout' AND j.organisation = r.organisation "
    "AND j.subject = r.rollout AND j.detail LIKE '{\"event\":\"paused\"%' "
    "ORDER BY j.version DESC LIMIT 1) AS since, "
    "r.rollout AS id, '' AS device, r.rollout AS name, r.why AS what, r.release AS detail "
    "FROM rollout r WHERE r.organisation = $1 AND r.phase = 'paused'"
);

const CONFIGURATION_NOT_KEPT: Statements = statements!(
    "SELECT (SELECT j.at FROM journal j WHERE j.room = 'configuration' "
    "AND j.organisation = c.organisation AND j.subject = c.device "
    "AND j.detail LIKE '{\"event\":\"not-kept\"%' "
    "ORDER BY j.version DESC LIMIT 1) AS since, c.device AS id, c.device AS device, "
    "d.name AS name, c.trouble AS what, '' AS detail FROM configuration c JOIN device d "
    "ON d.organisation = c.organisation AND d.site = c.site AND d.device = c.device "
    "WHERE c.organisation = $1 AND c.trouble <> '' AND d.stage <> 'retired'"
);

const CONFIG_DRIFT: Statements = statements!(
    "SELECT c.drifted_at AS since, c.device AS id, c.device AS device, d.name AS name, '' AS what, "
    "'' AS detail FROM configuration c JOIN device d ON d.organisation = c.organisation "
    "AND d.site = c.site AND d.device = c.device "
    "WHERE c.organisation = $1 AND c.drift IS NOT NULL AND d.stage <> 'retired'"
);

const DESCRIPTION_FAILED: Statements = statements!(
    "SELECT (SELECT j.at FROM journal j WHERE j.room = 'description' "
    "AND j.organisation = s.organisation AND j.subject = s.description "
    "AND j.detail LIKE '{\"event\":\"description-failed\"%' "
    "ORDER BY j.version DESC LIMIT 1) AS since, s.description AS id, "
    "COALESCE((SELECT min(x.device) FROM discovery x WHERE x.organisation = s.organisation "
    "AND x.description = s.description), '') AS device, s.description AS name, "
    "s.failure_why AS what, s.failure_code AS detail "
    "FROM description s WHERE s.organisation = $1 AND s.failure_code <> ''"
);

fn statements(kind: Kind) -> Statements {
    match kind {
        Kind::NeedsAttention => NEEDS_ATTENTION,
        Kind::Held => HELD,
        Kind::OutsideDescription => OUTSIDE_DESCRIPTION,
        Kind::VoucherRefused => VOUCHER_REFUSED,
        Kind::AheadOfState => AHEAD_OF_STATE,
        Kind::Contradiction => CONTRADICTION,
        Kind::RolloutStopped => ROLLOUT_STOPPED,
        Kind::RolloutPaused => ROLLOUT_PAUSED,
        Kind::ConfigurationNotKept => CONFIGURATION_NOT_KEPT,
        Kind::EnrolmentFailed => ENROLMENT_FAILED,
        Kind::Silent => SILENT,
        Kind::ConfigDrift => CONFIG_DRIFT,
        Kind::DescriptionFailed => DESCRIPTION_FAILED,
    }
}

/// The newest moment since when something of a kind counts: a device is silent when it was not heard of for a
/// while.
pub fn newest(kind: Kind, now: Millis) -> i64 {
    match kind {
        // As `device show`: longer than that.
        Kind::Silent => now.plus_seconds(-SILENCE_SECONDS_MAX).0 - 1,
        _ => i64::MAX,
    }
}

/// What there is of a kind, of a device or (empty) of all, newest first, after one of a moment.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn found_list(
    tx: &mut dyn Tx,
    organisation: &str,
    kind: Kind,
    device: &str,
    after: (i64, &str),
    limit: u16,
) -> Result<Vec<Found>, Fault> {
    many(
        tx,
        statements(kind).list,
        &[organisation.into(), device.into(), after.0.into(), after.1.into(), i64::from(limit).into()],
        |row| {
            Ok(Found {
                since: Millis(row.int(0)?),
                id: row.text(1)?.into(),
                device: row.text(2)?.into(),
                name: row.text(3)?.into(),
                what: row.text(4)?.into(),
                detail: row.text(5)?.into(),
            })
        },
    )
}

/// How many there are of a kind, as far as they are counted.
///
/// # Errors
/// A [`Fault`] of the store.
pub fn found_count(tx: &mut dyn Tx, organisation: &str, kind: Kind, now: Millis) -> Result<i64, Fault> {
    let args = [organisation.into(), newest(kind, now).into(), COUNTED_FINDINGS_MAX.into()];
    Ok(one(tx, statements(kind).count, &args, |row| row.int(0))?.unwrap_or(0))
}
