//! What stands in for UIDs, the patient's number and dates: each follows from a secret key (HMAC with SHA-256, RFC 2104).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Length of a block of SHA-256 in bytes.
const BLOCK: usize = 64;
/// The UIDs that DICOM itself gives out, which name kinds of things, never a thing: one a line, tables of PS3.6, with
/// the frames of reference of well-known atlases.
const REGISTERED: &str = include_str!("registered-uids.txt");
/// What the UIDs of context groups begin with, before the number of the group (PS3.6 table A-3).
const CONTEXT_GROUPS: &str = "1.2.840.10008.6.1.";
/// Most digits of the number of a context group.
const MOST_DIGITS: usize = 4;
/// Days that dates are moved back by: at least one, at most ten years.
const MOST_DAYS: u64 = 3650;
/// Letters of a pseudonym: no vowels, so that no words arise; none that look alike.
const LETTERS: &[u8; 16] = b"23456789BCDFGHJK";

static REGISTRY: LazyLock<BTreeSet<&str>> = LazyLock::new(|| REGISTERED.lines().collect());

/// Whether DICOM itself gave the UID out.
fn is_registered(uid: &str) -> bool {
    let of_group = uid.strip_prefix(CONTEXT_GROUPS).is_some_and(|number| {
        (1..=MOST_DIGITS).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    of_group || REGISTRY.contains(uid)
}

/// The secret. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl Key {
    /// A key of 32 bytes, which should be random.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The UID that stands in for another: of the form that needs no registration (PS3.5 B.2), with a UUID of version 8 (RFC
    /// 9562). UIDs that the standard registers stay.
    pub fn uid(&self, original: &str) -> String {
        if is_registered(original) {
            return original.to_owned();
        }
        let digest = self.hmac("uid", original.as_bytes());
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&digest[..16]);
        uuid[6] = uuid[6] & 0x0F | 0x80;
        uuid[8] = uuid[8] & 0x3F | 0x80;
        format!("2.25.{}", u128::from_be_bytes(uuid))
    }

    /// What stands in for a patient's number.
    pub fn patient(&self, number: &[u8]) -> String {
        let digest = self.hmac("patient", number);
        let letters = digest.iter().take(8).flat_map(|byte| [byte >> 4, byte & 15]);
        std::iter::once('P').chain(letters.map(|at| char::from(LETTERS[usize::from(at)]))).collect()
    }

    /// How many days the dates of a patient are moved back.
    pub fn days(&self, number: &[u8]) -> i64 {
        let digest = self.hmac("days", number);
        let mut eight = [0; 8];
        eight.copy_from_slice(&digest[..8]);
        i64::try_from(1 + u64::from_be_bytes(eight) % MOST_DAYS).unwrap_or(1)
    }

    /// HMAC of a text for a use: what is made for one use says nothing of another.
    fn hmac(&self, of: &str, text: &[u8]) -> [u8; 32] {
        hmac(&self.0, &[of.as_bytes(), &[0], text].concat())
    }
}

/// HMAC-SHA-256 with a key no longer than a block.
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; BLOCK];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5C)).chain_update(inner).finalize().into()
}

/// A date, or a date and time (DA, DT), moved back by days; the time of the day stays. `None` where it is no date of the form
/// that the standard gives it.
pub(super) fn shifted(text: &str, days: i64) -> Option<String> {
    let (date, rest) = text.split_at_checked(8)?;
    if !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month_and_day) = date.split_at(4);
    let (month, day) = month_and_day.split_at(2);
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let moved = date.checked_sub(days.days()).ok()?;
    let plain = rest.bytes().all(|byte| byte.is_ascii_digit() || b".+- ".contains(&byte));
    plain.then(|| format!("{}{rest}", moved.strftime("%Y%m%d")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// RFC 4231, test cases 1 and 2.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let cases = [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ];
        for (key, text, expected) in cases {
            assert_eq!(hex(&hmac(key, text)), expected);
        }
    }

    #[test]
    fn pseudonyms_are_of_the_key_and_of_their_use() {
        let (one, other) = (Key::new([1; 32]), Key::new([2; 32]));
        assert_eq!(one.uid("1.2.3"), one.uid("1.2.3"));
        assert_ne!(one.uid("1.2.3"), other.uid("1.2.3"));
        assert_ne!(one.uid("1.2.3"), one.uid("1.2.4"));
        for standard in ["1.2.840.10008.1.2", "1.2.840.10008.1.4.1.1", "1.2.840.10008.6.1.1242"] {
            assert_eq!(one.uid(standard), standard);
        }
        // what only begins like them may be anybody's
        for other in [
            "1.2.840.10008.",
            "1.2.840.10008.1.2.19500203",
            "1.2.840.10008.999.17",
            "1.2.840.10008.6.1.19500203",
        ] {
            assert!(one.uid(other).starts_with("2.25."), "{other}");
        }
        assert_ne!(one.patient(b"17"), other.patient(b"17"));
        assert_eq!(one.patient(b"17").len(), 17);
        assert_eq!(format!("{one:?}"), "[key]");
    }

    #[test]
    fn dates_are_moved_and_times_stay() {
        assert_eq!(shifted("20240301", 1).as_deref(), Some("20240229"));
        assert_eq!(shifted("20240101101112.5+0100", 1).as_deref(), Some("20231231101112.5+0100"));
        for bad in ["", "2024", "20241301", "2024-1-1", "20240101 Canary", "0001010", "2024010\u{e4}"] {
            assert_eq!(shifted(bad, 1), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_uid_gives_a_valid_one(original in "\\PC{0,80}", key: [u8; 32]) {
            let key = Key::new(key);
            let mapped = key.uid(&original);
            prop_assert!(is_registered(&original) || mapped.parse::<crate::uid::Uid>().is_ok(), "{}", mapped);
            prop_assert!((1..=3650).contains(&key.days(original.as_bytes())));
        }
    }
}
