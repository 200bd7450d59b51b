//! The `Retry-After` header: seconds or an HTTP date (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

use super::DeliverError;

/// How long to wait, at most [`DeliverError::LONGEST_REST`]; a date that has passed is no wait. `None` where the text
/// is neither.
pub(super) fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // more digits than fit are a long time
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(DeliverError::LONGEST_REST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1994-11-06 08:49:37 UTC, the date of RFC 9110's examples.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    #[test]
    fn seconds_and_all_three_forms_of_dates() {
        let cases = [
            ("0", Some(0)),
            (" 17 ", Some(17)),
            ("600", Some(600)),
            ("601", Some(600)),
            ("99999999999999999999999999", Some(600)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10)),
            ("Sun Nov  6 08:49:47 1994", Some(10)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(600)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text, now()), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_or_waits_for_ever(text in ".{0,64}") {
            prop_assert!(parse(&text, now()).is_none_or(|wait| wait <= DeliverError::LONGEST_REST));
        }

        #[test]
        fn nearly_a_date_does_not_panic(
            day in "[A-Za-z]{3,9},? ", number in 0u32..40, rest in "[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{8} GMT"
        ) {
            let text = format!("{day}{number:02}{rest}");
            prop_assert!(parse(&text, now()).is_none_or(|wait| wait <= DeliverError::LONGEST_REST));
        }
    }
}
