//! Moments in header fields.

use wire::date_time;

/// The Unix milliseconds of an HTTP-date in the one form that servers send today:
/// `Sun, 22 Nov 2026 17:18:07 GMT`.
pub(super) fn parse(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = 1 + MONTHS.iter().position(|name| *name == month)?;
    let time = words.next()?;
    if words.next() != Some("GMT") || words.next().is_some() {
        return None;
    }
    date_time::parse(&format!("{year}-{month:02}-{day}T{time}Z"))
}

/// The seconds of a `Retry-After`: "either an HTTP-date or a number of seconds to delay after receiving the
/// response" (RFC 9110 section 10.2.3). `now` is the clock that the date is of.
pub(super) fn seconds_until(text: &str, now: Option<i64>) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a very long time.
        return Some(text.parse().unwrap_or(u64::MAX));
    }
    let left = parse(text)?.saturating_sub(now?);
    Some(u64::try_from(left).unwrap_or(0).div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(parse(text), expect, "{text}");
        // `date -u -d 'Sun, 22 Nov 2026 17:18:07 GMT' +%s`
        check("Sun, 22 Nov 2026 17:18:07 GMT", Some(1_795_367_887_000));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Sun, 22 Nov 2026 17:18:07 CET", None);
        check("Sun, 22 Nov 2026 17:18:07", None);
        check("Sun, 22 Nov 2026 17:18:07 GMT ", None);
        check("Sun, 31 Feb 2026 17:18:07 GMT", None);
        check("Sunday, 22-Nov-26 17:18:07 GMT", None);
        check("Sun, 22 Nov 2026 1é:18:07 GMT", None);
        check("", None);
    }

    #[test]
    fn waits_are_read() {
        let now = parse("Sun, 22 Nov 2026 17:18:07 GMT");
        let check = |text: &str, now, expect| assert_eq!(seconds_until(text, now), expect, "{text}");
        check("0", None, Some(0));
        check("120", None, Some(120));
        check("99999999999999999999", None, Some(u64::MAX));
        check("+5", now, None);
        check("-5", now, None);
        check("1.5", now, None);
        check("soon", now, None);
        check("", now, None);
        check("Sun, 22 Nov 2026 17:20:07 GMT", now, Some(120));
        check("Sun, 22 Nov 2026 17:20:07 GMT", now.map(|now| now + 1), Some(120));
        check("Fri, 31 Dec 1999 23:59:59 GMT", now, Some(0));
        // By whose clock?
        check("Sun, 22 Nov 2026 17:20:07 GMT", None, None);
    }
}
