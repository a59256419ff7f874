//! Certificate times as milliseconds since 1970-01-01T00:00:00Z.
use core::time::Duration;
use der::DateTime;
use der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::time::Time;

/// 99991231235959Z in milliseconds: no well-defined end, RFC 5280 section 4.1.2.5.
pub const NO_END: i64 = 253_402_300_799_000;

/// The last moment that is written as UTCTime, RFC 5280 section 4.1.2.5: the end of 2049.
const UTC_TIME_LAST_YEAR: u16 = UtcTime::MAX_YEAR;

/// A time as it stands in certificates and signatures, in whole seconds; nothing before 1970 or
/// after 9999.
pub(crate) fn to_asn1(millis: i64) -> Option<Time> {
    let seconds = u64::try_from(millis.div_euclid(1000)).ok()?;
    let moment = DateTime::from_unix_duration(Duration::from_secs(seconds)).ok()?;
    if moment.year() <= UTC_TIME_LAST_YEAR {
        return UtcTime::from_date_time(moment).ok().map(Time::UtcTime);
    }
    Some(Time::GeneralTime(GeneralizedTime::from_date_time(moment)))
}

/// The milliseconds of a time that was read.
pub(crate) fn from_asn1(time: &Time) -> i64 {
    // A DateTime ends with the year 9999, far inside of i64.
    i64::try_from(time.to_date_time().unix_duration().as_millis()).unwrap_or(i64::MAX)
}
