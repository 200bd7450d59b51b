//! The words of a message: tokens, times, UIDs. Each has a bound and a form in which no URL, path or name with spaces fits.

use dicom_ingest::uid::Uid;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{MessageRefusal, refusal};

/// How far a sender's clock may be ahead.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// The first second of the year 2000: nobody asked for an analysis before.
const EARLIEST_S: i64 = 946_684_800;

/// The most characters of a token.
pub(super) const MAX_TOKEN: usize = 128;

pub(super) const TOKEN: &str =
    "1 to 128 letters, digits, `.`, `_`, `:` or `-`, beginning with a letter or digit";
pub(super) const NAME: &str = "the name of a place in the site's configuration";
pub(super) const UID: &str =
    "a DICOM UID: at most 64 characters, numbers without leading zero, separated by dots";
pub(super) const TIME: &str = "a time as in RFC 3339 with an offset, such as 2026-03-17T09:30:00Z";

/// An identifier that somebody else made.
pub(super) fn token(text: &str) -> Option<String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    (fits && begins && text.len() <= MAX_TOKEN).then(|| text.to_owned())
}

/// A text of the envelope that is not used: visible ASCII of at most `most` characters.
pub(super) fn unused(most: usize) -> impl Fn(&str) -> Option<()> {
    move |text| {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then_some(())
    }
}

/// A StudyInstanceUID.
pub(super) fn uid(text: &str) -> Option<Uid> {
    text.parse().ok()
}

/// W3C trace context, version 0.
pub(super) fn trace_parent(text: &str) -> Option<String> {
    let hex = |part: &str, length: usize| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        part.len() == length && digits
    };
    let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { return None };
    let fits = version == "00" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    (fits && nonzero(trace) && nonzero(span)).then(|| text.to_owned())
}

/// A time with an offset, `2026-03-17T09:30:00.123Z`.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let rest = civil_form(text)?;
    let offset = match rest.as_bytes() {
        b"Z" => true,
        [b'+' | b'-', digits @ ..] => matches(digits, b"99:99"),
        _ => false,
    };
    if offset { text.parse().ok() } else { None }
}

/// A time of another system, which may leave the offset out: it is UTC then.
pub(super) fn time_or_utc(text: &str) -> Option<Timestamp> {
    if civil_form(text)?.is_empty() {
        let civil: DateTime = text.parse().ok()?;
        return civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    time(text)
}

/// Date and time of day in the one form that is read; gives what follows.
fn civil_form(text: &str) -> Option<&str> {
    let (head, rest) = text.split_at_checked(19)?;
    if !matches(head.as_bytes(), b"9999-99-99T99:99:99") {
        return None;
    }
    let Some(fraction) = rest.strip_prefix('.') else { return Some(rest) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=9).contains(&digits) { fraction.get(digits..) } else { None }
}

/// Whether the text has a digit wherever the form has a 9, and the form's own character elsewhere.
fn matches(text: &[u8], form: &[u8]) -> bool {
    let fits = |(byte, form): (&u8, &u8)| if *form == b'9' { byte.is_ascii_digit() } else { byte == form };
    text.len() == form.len() && text.iter().zip(form).all(fits)
}

/// Refuses a time that no honest clock gives.
pub(super) fn plausible(time: Timestamp, now: Timestamp, path: &str) -> Result<Timestamp, MessageRefusal> {
    if time.as_second() < EARLIEST_S {
        return Err(refusal("BadTime", format!("`{path}` is before the year 2000")));
    }
    if time.duration_since(now) > MAX_AHEAD {
        let reason =
            format!("`{path}` is more than a day ahead of this machine's clock; set the sender's clock");
        return Err(refusal("BadTime", reason));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_hold_no_path_url_or_person() {
        for good in ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "orthanc-1:2.3_4"] {
            assert_eq!(token(good).as_deref(), Some(good));
        }
        let long = "a".repeat(MAX_TOKEN + 1);
        for bad in [
            "",
            ".",
            "..",
            "../etc",
            "a/b",
            "http://a",
            "Canary^Carla",
            "a b",
            "a\0",
            "ä",
            "a\n",
            long.as_str(),
        ] {
            assert_eq!(token(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn times_have_one_form() {
        for good in
            ["2026-03-17T09:30:00Z", "2026-03-17T09:30:00.123456789+01:00", "2024-02-29T00:00:00-00:00"]
        {
            assert!(time(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2026-03-17",
            "2026-03-17T09:30:00",
            "2026-03-17 09:30:00Z",
            "2026-03-17T09:30Z",
            "2026-02-30T00:00:00Z",
            "2026-03-17T09:30:00.Z",
            "2026-03-17T09:30:00.1234567890Z",
            "2026-03-17T09:30:00Z[UTC]",
            "2026-03-17T25:00:00Z",
            "+002026-03-17T09:30:00Z",
            "2026-03-17T09:30:00+0100",
            "２026-03-17T09:30:00Z",
        ] {
            assert!(time(bad).is_none(), "{bad}");
        }
        assert_eq!(time_or_utc("2026-03-17T09:30:00.5"), time("2026-03-17T09:30:00.5Z"));
        assert_eq!(time_or_utc("2026-03-17T09:30:00+01:00"), time("2026-03-17T08:30:00Z"));
        assert_eq!(time_or_utc("2026-02-30T00:00:00"), None);
    }

    #[test]
    fn a_trace_context_is_whole_or_none() {
        assert!(trace_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").is_some());
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(trace_parent(bad), None, "{bad}");
        }
    }

    #[test]
    fn clocks_may_be_ahead_by_a_day() {
        let now: Timestamp = "2026-03-17T09:30:00Z".parse().unwrap();
        for (text, fits) in [
            ("2000-01-01T00:00:00Z", true),
            ("1999-12-31T23:59:59Z", false),
            ("2026-03-18T09:30:00Z", true),
            ("2026-03-18T09:30:01Z", false),
        ] {
            assert_eq!(plausible(text.parse().unwrap(), now, "time").is_ok(), fits, "{text}");
        }
    }
}
