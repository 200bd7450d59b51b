//! Sectors of the prostate: which zone and which third a code or its words mean. PI-RADS v2 and v2.1 and the European
//! consensus map, as PS3.16 CID 6301, 6302 and 6304 code them.

use crate::formulas::comparators::Third;

/// What is said of one property, by one or several statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<T> {
    Nothing,
    Once(T),
    /// Different things.
    Apart,
}

impl<T: Copy + PartialEq> Said<T> {
    pub(super) fn known(self) -> Option<T> {
        if let Self::Once(value) = self { Some(value) } else { None }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, said) | (said, Self::Nothing) => said,
            (Self::Once(one), Self::Once(same)) if one == same => self,
            _ => Self::Apart,
        }
    }

    fn all(said: impl IntoIterator<Item = T>) -> Self {
        said.into_iter().map(Self::Once).fold(Self::Nothing, Self::and)
    }
}

/// A place in the prostate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sector {
    /// In the peripheral zone, or in another one.
    pub(super) peripheral: Said<bool>,
    pub(super) third: Said<Third>,
}

/// Codes that mean one zone and one third.
struct Row {
    codes: &'static [&'static str],
    peripheral: bool,
    third: Third,
}

const CODES: [Row; 6] = [
    Row {
        codes: &[
            "716892006",
            "716893001",
            "716894007",
            "716895008",
            "716896009",
            "716897000",
            "716898005",
            "716899002",
            "716900007",
            "716901006",
        ],
        peripheral: false,
        third: Third::Base,
    },
    Row {
        codes: &[
            "716902004",
            "716903009",
            "716904003",
            "716905002",
            "716906001",
            "716907005",
            "836427009",
            "836428004",
        ],
        peripheral: true,
        third: Third::Base,
    },
    Row {
        codes: &[
            "716909008",
            "716910003",
            "716911004",
            "716912006",
            "716913001",
            "716914007",
            "716915008",
            "716916009",
        ],
        peripheral: false,
        third: Third::Mid,
    },
    Row {
        codes: &[
            "716917000",
            "716918005",
            "716919002",
            "716920008",
            "716921007",
            "716922000",
            "716923005",
            "716924004",
        ],
        peripheral: true,
        third: Third::Mid,
    },
    Row {
        codes: &[
            "716926002",
            "716927006",
            "716928001",
            "716929009",
            "716930004",
            "716931000",
            "716932007",
            "716933002",
        ],
        peripheral: false,
        third: Third::Apex,
    },
    Row {
        codes: &[
            "716934008",
            "716935009",
            "716936005",
            "716937001",
            "716938006",
            "716939003",
            "716940001",
            "716941002",
        ],
        peripheral: true,
        third: Third::Apex,
    },
];

/// Zones that name no third (CID 6300).
const ZONES: [(&str, bool); 3] = [("279706003", true), ("399384005", false), ("717025007", false)];

impl Sector {
    /// The place that `code` of SNOMED CT means; where it is none of the sectors, what its words say.
    pub(super) fn of(code: Option<&str>, words: &str) -> Self {
        let Some(code) = code else { return Self::named(words) };
        if let Some(row) = CODES.iter().find(|row| row.codes.contains(&code)) {
            return Self { peripheral: Said::Once(row.peripheral), third: Said::Once(row.third) };
        }
        if let Some((_, peripheral)) = ZONES.iter().find(|(zone, _)| *zone == code) {
            return Self { peripheral: Said::Once(*peripheral), third: Said::Nothing };
        }
        Self::named(words)
    }

    fn named(words: &str) -> Self {
        let words = words.to_lowercase().replace(['-', '_', ',', '/'], " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        let zone = |pair: &[&str]| match pair {
            ["peripheral", "zone"] => Some(true),
            ["transition" | "transitional" | "central", "zone"] | ["fibromuscular", "stroma"] => Some(false),
            _ => None,
        };
        let third = |word: &&str| match *word {
            "base" | "basal" => Some(Third::Base),
            "mid" | "middle" | "midgland" => Some(Third::Mid),
            "apex" | "apical" => Some(Third::Apex),
            _ => None,
        };
        Self {
            peripheral: Said::all(words.windows(2).filter_map(zone)),
            third: Said::all(words.iter().filter_map(third)),
        }
    }

    /// What both say together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { peripheral: self.peripheral.and(other.peripheral), third: self.third.and(other.third) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(code: Option<&str>, words: &str) -> (Option<bool>, Option<Third>) {
        let sector = Sector::of(code, words);
        (sector.peripheral.known(), sector.third.known())
    }

    /// Code Meanings of PS3.16 CID 6301, 6302 and 6304, one of each zone, third and side: the words say what the code does.
    #[test]
    fn a_code_and_its_meaning_are_one_place() {
        let stated = [
            ("716937001", "Left anterior apical peripheral zone of prostate", true, Third::Apex),
            ("716931000", "Left anterior apical transition zone of prostate", false, Third::Apex),
            ("716905002", "Left anterior basal peripheral zone of prostate", true, Third::Base),
            ("716897000", "Left anterior basal transition zone of prostate", false, Third::Base),
            ("716920008", "Left anterior middle peripheral zone of prostate", true, Third::Mid),
            ("716914007", "Left anterior middle transition zone of prostate", false, Third::Mid),
            ("716927006", "Left apical anterior fibromuscular stroma of prostate", false, Third::Apex),
            ("716892006", "Right basal anterior fibromuscular stroma of prostate", false, Third::Base),
            ("716909008", "Right middle anterior fibromuscular stroma of prostate", false, Third::Mid),
            ("716895008", "Left basal part transition zone of prostate", false, Third::Base),
            ("716923005", "Right posteromedial middle peripheral zone of prostate", true, Third::Mid),
            ("716938006", "Right posterolateral apical peripheral zone of prostate", true, Third::Apex),
            ("836427009", "Left posteromedial basal peripheral zone of prostate", true, Third::Base),
            (
                "836428004",
                "Structure of posteromedial basal part of peripheral zone of right half of prostate",
                true,
                Third::Base,
            ),
            ("716918005", "Left lateral middle peripheral zone of prostate", true, Third::Mid),
        ];
        for (code, meaning, peripheral, third) in stated {
            assert_eq!(place(Some(code), ""), (Some(peripheral), Some(third)), "{code}");
            assert_eq!(place(None, meaning), (Some(peripheral), Some(third)), "{meaning}");
        }
        // the central zone lies at the base, which its words do not say
        assert_eq!(place(Some("716901006"), ""), (Some(false), Some(Third::Base)));
        let all: Vec<&str> = CODES.iter().flat_map(|row| row.codes).copied().collect();
        let mut once = all.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!((once.len(), all.len()), (50, 50));
    }

    #[test]
    fn what_is_left_open_stays_open() {
        assert_eq!(place(Some("279706003"), "Peripheral zone of the prostate"), (Some(true), None));
        assert_eq!(place(Some("41216001"), "Prostate"), (None, None));
        assert_eq!(place(None, "mid-gland to apex, peripheral zone"), (Some(true), None), "two thirds");
        assert_eq!(place(None, "peripheral zone and transition zone, base"), (None, Some(Third::Base)));
        let both = Sector::of(Some("716920008"), "").and(Sector::of(Some("716937001"), ""));
        assert_eq!((both.peripheral.known(), both.third.known()), (Some(true), None));
    }
}
