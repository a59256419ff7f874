//! Moments as the text of RFC 3339 that YANG's date-and-time prescribes.
use core::time::Duration;
use der::DateTime;

const MINUTE_MILLIS: i64 = 60_000;

/// The Unix milliseconds of a text like `2017-01-01T00:00:00.000Z` or
/// `2021-04-13T17:43:24.589-04:00`.
///
/// Nothing for any other form, for dates that do not exist, and outside of the years 1970 to
/// 9999. Fractions are cut to milliseconds; a leap second counts as the second after it.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    let (date_and_time, rest) = text.split_at_checked(19)?;
    let shape = b"0000-00-00T00:00:00";
    let fits = |(byte, model): (&u8, &u8)| if *model == b'0' { byte.is_ascii_digit() } else { byte == model };
    if !date_and_time.iter().zip(shape).all(fits) {
        return None;
    }
    let two = |at: usize| (date_and_time[at] - b'0') * 10 + (date_and_time[at + 1] - b'0');
    let year = u16::from(two(0)) * 100 + u16::from(two(2));
    let second = two(17);
    let (second, leap) = if second == 60 { (59, 1000) } else { (second, 0) };
    let moment = DateTime::new(year, two(5), two(8), two(11), two(14), second).ok()?;
    let (fraction, offset) = split_fraction(rest)?;
    let whole = i64::try_from(moment.unix_duration().as_millis()).ok()?;
    let utc = whole + leap + fraction - offset_minutes(offset)? * MINUTE_MILLIS;
    format(utc).is_some().then_some(utc)
}

/// The text of Unix milliseconds, in UTC, with a fraction if there is one; nothing outside of the
/// years 1970 to 9999.
pub fn format(millis: i64) -> Option<String> {
    let seconds = u64::try_from(millis.div_euclid(1000)).ok()?;
    let moment = DateTime::from_unix_duration(Duration::from_secs(seconds)).ok()?;
    Some(match millis.rem_euclid(1000) {
        0 => moment.to_string(),
        fraction => format!("{}.{fraction:03}Z", moment.to_string().trim_end_matches('Z')),
    })
}

/// The milliseconds of `.digits`, if there are any, and what follows.
fn split_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let padded = digits[..count].iter().copied().chain([b'0'; 3]);
    let millis = padded.take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((millis, &digits[count..]))
}

/// `Z`, or `+hh:mm` and `-hh:mm`, in minutes.
fn offset_minutes(text: &[u8]) -> Option<i64> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text else {
        return (text == b"Z").then_some(0);
    };
    if ![h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |high: &u8, low: &u8| i64::from(high - b'0') * 10 + i64::from(low - b'0');
    let (hours, minutes) = (two(h1, h2), two(m1, m2));
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = hours * 60 + minutes;
    Some(if *sign == b'-' { -offset } else { offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(parse(text).and_then(format).as_deref(), expect, "{text}");
    }

    #[test]
    fn texts() {
        check("2016-10-07T19:31:42Z", Some("2016-10-07T19:31:42Z"));
        check("2017-01-01T00:00:02.000Z", Some("2017-01-01T00:00:02Z"));
        check("2021-04-13T17:43:24.589-04:00", Some("2021-04-13T21:43:24.589Z"));
        check("2021-01-01T00:30:00.5+01:00", Some("2020-12-31T23:30:00.500Z"));
        check("2021-01-01T00:00:00.123999Z", Some("2021-01-01T00:00:00.123Z"));
        check("2016-12-31T23:59:60Z", Some("2017-01-01T00:00:00Z"));
        check("2024-02-29T00:00:00-00:00", Some("2024-02-29T00:00:00Z"));
        check("9999-12-31T23:59:59Z", Some("9999-12-31T23:59:59Z"));
        for refused in [
            "",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:00:61Z",
            "2023-01-01 00:00:00Z",
            "2023-01-01t00:00:00z",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00+1:00",
            "2023-01-01T00:00:00+24:00",
            "2023-01-01T00:00:00Zx",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2023-01-01T00:00:0\u{665}Z",
        ] {
            check(refused, None);
        }
        assert_eq!(format(-1), None);
    }
}
