//! Lists that come from another process. An entry can be one byte there and hundreds in memory, so entries are counted.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Entries of a list at most: one for each frame that an instance may have. No other list of a file is as long.
const MOST: usize = 65_536;

/// Reads a list; more than [`MOST`] entries are an error.
pub(crate) fn listed<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(Listed(PhantomData))
}

struct Listed<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Listed<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            if list.len() == MOST {
                return Err(A::Error::invalid_length(MOST + 1, &self));
            }
            list.push(entry);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Texts(#[serde(deserialize_with = "listed")] Vec<String>);

    #[test]
    fn a_list_of_too_many_is_none() {
        let texts = |count: usize| serde_json::from_value::<Texts>(vec![""; count].into());
        assert_eq!(texts(MOST).unwrap().0.len(), MOST);
        assert!(texts(MOST + 1).unwrap_err().to_string().contains("at most 65536 entries"));
    }
}
