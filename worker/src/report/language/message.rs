//! What a report says by itself: a key for each message, and its text in each language, compiled in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::Language;

/// Defines the messages and lists them; their texts stand in `en.toml` and `de.toml` under the same names.
macro_rules! messages {
    ($($name:ident,)*) => {
        /// Something that a report says by itself. The name is the key in the catalogues.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Message { $($name,)* }

        impl Message {
            /// Every message with its key, in the order of the enum.
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, stringify!($name)),)*];
        }
    };
}

messages! {
    IndexLesion, Site, LongestDiameter, Before, Difference, DoublingTime, LesionCount, Seen, StatedIn, Spiculated,
    NoGrowth, LesionBefore, LesionCited, LesionOutlined, LesionOutlineOf, LesionInThisStudy, CouldChange, ShowOutlines, OutlinesAlt, OutlinesCaption, MachineOutline, Outlined, Area, MeanProbability,
    NothingOutlined, SizeNotKnown, OutlinesSome, OutlinesNothing, SegmentationSeries, SegmentationOf,
    Status, NotADevice, StatusOfThisPage, PhysicianDecides, EarlierWithdrawn,
    NoResultIsNotNegative, PageTitle, PageTitleNoResult, PageTitleWithdrawn, TitleResult,
    TitleRefused, TitleFailed, TitleWithdrawn, LabelPreliminary, LabelRefused, LabelFailed,
    LabelWithdrawn, PipelineToRead, Patient, NameNotStated, Identifier, NoIdentifier,
    AsImagesState, NoUsableIdentifier, IdentifiedByImages, Sex, Born, Age, YearsAtExam, Exam,
    Modality, StudyDescription, AccessionNumber, ReportIssued, Preliminary, NoResult, BottomLine,
    NothingHolds, NotNegative, WhatToDo, NoFindingAssessed, NoFindingPresent, FindingsPresent,
    FindingsIndeterminate, OneFindingAbsent, FindingsAbsent, FindingsNotAssessed, NearChance, More,
    NoRiskComputed, OneRiskNotComputed, SomeRisksNotComputed, RecordNotGiven, RecordNoMatch,
    NoIntervalPublished, CategoryIs, AverageIs, OutcomeIs, HorizonIs, OutsideThisPopulation,
    OfHundred, LessThanOneInHundred, Findings, FindingsCaption, Finding, State, Bar, Probability,
    BaseRate, Auroc, Present, Indeterminate, Absent, NotAssessed, NotMeasured, NearChanceNote,
    AurocMeasured, AurocNotMeasured, AbsentMeans, NoPicture, ShowOverlay, PictureAlt,
    PictureCaption, OverlayAlt, OverlayCaption, Record, RecordCaption, DriversCaption, RecordRest,
    RecordMore, Feature, Value, Date, Freshness, NotInRecord, LookedFor, NotUsed, Risks,
    NoRiskStated, ModelsDisagree, Disagrees, ComparedCaption, Method, Risk, ThisMethod,
    AverageInPopulation, ContributionsCaption, MoreContributions, Part, LowersRaises, LogOdds,
    GuidelineSuggests, GuidelinesSuggest, NotComputable, NotComputableHere, OutsidePopulation, InputsMissing, CouldBe,
    Missing, NothingMissing, OneLeftOut, SomeLeftOut, NotComputableCaption, Why, CouldBeColumn,
    Limits, TrainedOnIs, Details, Methods, ByFormula, ByModel, Outcome, Population, Calibration,
    MissingInputs, LimitsOfIt, InputsCaption, Input, Models, AppliesTo, TrainedOn, CalibrationPlot,
    CalibrationCaption, Predicted, Observed, Provenance, Program, ScoredOn, Pipeline, Issued,
    ExamTime, ReportKey, VersionKey, Study, Model, WeightsDigest, CardDigest, ImagesRead,
    FileDigest, ResourcesUsed, MoreInBundle, ForFollowUp, Code, WrittenBy, ReportForReader,
    FindingIs, FindingNotAssessed, AbsentBelow, PresentFrom, NoValidProbability, ContributionsAre,
    PopulationNote, InsideIt, OutsideIt, CalibrationNote, AverageNote, MissingNote, ComparatorNote,
    LimitNote, AppliesToNote, ModelCardOf, MadeBy, StudyAsRead, StudyWithoutUid, WithdrawnDoNotUse, ReplacedDoNotUse,
    MakerNotStated, AnswersForIt, SeriesDescription, OverlaySeries, BurnedIn, ComputedBy, Range, NotANumber, ListLast, AgeHours, AgeDays, AgeMonths,
    AgeYears, AgeUnknown, UnitYears, UnitMonths,
}

/// The texts of one language, in the order of the messages.
type Catalogue = Vec<String>;

static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| catalogue(include_str!("en.toml")));
static GERMAN: LazyLock<Catalogue> = LazyLock::new(|| catalogue(include_str!("de.toml")));

/// A text that is missing is its key: a test sees to it that none is.
fn catalogue(toml: &str) -> Catalogue {
    let mut texts: BTreeMap<String, String> = toml::from_str(toml).unwrap_or_default();
    Message::ALL.iter().map(|(_, key)| texts.remove(*key).unwrap_or_else(|| (*key).to_owned())).collect()
}

impl Language {
    /// A message without placeholders.
    pub(crate) fn text(self, message: Message) -> &'static str {
        let catalogue: &'static Catalogue = match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        };
        catalogue.get(message as usize).map_or("", String::as_str)
    }

    /// A message with its placeholders filled: `{count}` by the value that is named `count`. Values are not looked into.
    pub(crate) fn say(self, message: Message, values: &[(&str, &str)]) -> String {
        filled(self.text(message), |name| {
            let value = values.iter().find(|(known, _)| *known == name);
            debug_assert!(value.is_some(), "`{name}` of {message:?} is not given");
            value.map_or("", |(_, value)| value)
        })
    }
}

/// A text with its placeholders filled.
pub(super) fn filled<'a>(text: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = from.split_once('}') else { break };
        filled.push_str(value(name));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn texts(toml: &str) -> BTreeMap<String, String> {
        toml::from_str(toml).expect("a catalogue")
    }

    /// The names between braces, sorted; each brace has its other.
    fn placeholders(text: &str) -> Vec<&str> {
        let mut names: Vec<&str> =
            text.split('{').skip(1).map(|part| part.split_once('}').expect("a closed brace").0).collect();
        assert_eq!(text.matches('}').count(), names.len(), "{text}");
        names.sort_unstable();
        names
    }

    #[test]
    fn all_catalogues_hold_the_same_keys_and_placeholders() {
        let keys: BTreeSet<&str> = Message::ALL.iter().map(|(_, key)| *key).collect();
        assert_eq!(keys.len(), Message::ALL.len());
        let (english, german) = (texts(include_str!("en.toml")), texts(include_str!("de.toml")));
        for catalogue in [&english, &german] {
            assert_eq!(catalogue.keys().map(String::as_str).collect::<BTreeSet<_>>(), keys);
            assert!(catalogue.values().all(|text| !text.trim().is_empty()));
        }
        for (key, text) in &english {
            assert_eq!(placeholders(text), placeholders(&german[key]), "{key}");
        }
    }

    #[test]
    fn a_message_is_found_under_its_own_key() {
        let (english, german) = (texts(include_str!("en.toml")), texts(include_str!("de.toml")));
        for (message, key) in Message::ALL {
            assert_eq!(Language::English.text(*message), english[*key]);
            assert_eq!(Language::German.text(*message), german[*key]);
        }
    }

    #[test]
    fn values_are_put_in_and_not_looked_into() {
        let said = Language::English.say(Message::WhatToDo, &[("step", "{step} {other}")]);
        assert_eq!(said, "What to do: {step} {other}");
        let said = Language::German.say(Message::Range, &[("high", "2"), ("low", "1")]);
        assert_eq!(said, "1 bis 2");
    }
}
