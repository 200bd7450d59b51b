//! What a receiver counts, as OpenMetrics text. Labels come from closed lists; none is ever a title, a UID or a text from
//! outside.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::archive::Answer;
use super::command::Status;
use crate::telemetry::http::Exposition;

/// The counts of one receiver. A clone counts into the same.
#[derive(Clone)]
pub(super) struct Counts(Arc<Inner>);

struct Inner {
    families: Families,
    registry: Registry,
}

#[derive(Debug, Default)]
struct Families {
    associations: Family<EndLabel, Counter>,
    open_associations: Gauge,
    instances: Family<StatusLabel, Counter>,
    received: Counter,
    releases: Family<ResultLabel, Counter>,
    archive_answers: Family<AnswerLabel, Counter>,
    open_studies: Gauge,
    oldest_open: Gauge,
    removed: Counter,
    disk_free: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    end: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    answer: &'static str,
}

/// How an association ended, for its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AssociationEnd {
    /// Released by the peer, as it should be.
    Released,
    /// Aborted by the peer, or the connection was lost.
    Lost,
    /// Aborted by the receiver.
    Aborted,
    /// Never made: a title that is not known, or no DICOM.
    Rejected,
    /// Rejected for now: as many as may be are open.
    TurnedAway,
}

impl AssociationEnd {
    const ALL: [Self; 5] = [Self::Released, Self::Lost, Self::Aborted, Self::Rejected, Self::TurnedAway];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Lost => "lost",
            Self::Aborted => "aborted",
            Self::Rejected => "rejected",
            Self::TurnedAway => "turned_away",
        }
    }
}

/// An association is open for as long as this lives.
#[derive(Debug)]
#[must_use = "the association is open for as long as this lives"]
pub(super) struct OpenAssociation(Counts);

impl Drop for OpenAssociation {
    fn drop(&mut self) {
        self.0.families().open_associations.dec();
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counts").finish_non_exhaustive()
    }
}

impl Counts {
    pub(super) fn new() -> Self {
        let families = Families::default();
        for end in AssociationEnd::ALL {
            drop(families.associations.get_or_create(&EndLabel { end: end.as_str() }));
        }
        for status in STATUSES {
            drop(families.instances.get_or_create(&StatusLabel { status }));
        }
        for result in [RELEASED, NOT_CONFIRMED] {
            drop(families.releases.get_or_create(&ResultLabel { result }));
        }
        for answer in Answer::LABELS {
            drop(families.archive_answers.get_or_create(&AnswerLabel { answer }));
        }
        let registry = families.registry();
        Self(Arc::new(Inner { families, registry }))
    }

    pub(super) fn association_begins(&self) -> OpenAssociation {
        self.families().open_associations.inc();
        OpenAssociation(self.clone())
    }

    pub(super) fn association_ended(&self, end: AssociationEnd) {
        self.families().associations.get_or_create(&EndLabel { end: end.as_str() }).inc();
    }

    /// An instance of so many bytes was answered with this status.
    pub(super) fn instance(&self, status: &Status, bytes: u64) {
        self.families().instances.get_or_create(&StatusLabel { status: label(status.code) }).inc();
        self.families().received.inc_by(bytes);
    }

    /// The request of a study was confirmed by the queue, or was not.
    pub(super) fn released(&self, is_confirmed: bool) {
        let result = if is_confirmed { RELEASED } else { NOT_CONFIRMED };
        self.families().releases.get_or_create(&ResultLabel { result }).inc();
    }

    /// The archive was asked how many instances a study has.
    pub(super) fn archive_answered(&self, answer: Answer) {
        self.families().archive_answers.get_or_create(&AnswerLabel { answer: answer.label() }).inc();
    }

    /// Studies that are not released, and how long the first instance of the oldest is here.
    pub(super) fn set_open(&self, studies: usize, oldest: Option<Duration>) {
        self.families().open_studies.set(i64::try_from(studies).unwrap_or(i64::MAX));
        let seconds = oldest.unwrap_or_default().as_secs();
        self.families().oldest_open.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    pub(super) fn set_disk_free(&self, bytes: u64) {
        self.families().disk_free.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// So many studies were removed because they were kept for long enough.
    pub(super) fn removed(&self, studies: u64) {
        self.families().removed.inc_by(studies);
    }

    fn families(&self) -> &Families {
        &self.0.families
    }
}

impl Exposition for Counts {
    fn encode(&self) -> String {
        let mut written = String::new();
        // Writing to a text cannot fail; should it, half a page would be worse than none.
        text::encode(&mut written, &self.0.registry).map_or_else(|_| String::new(), |()| written)
    }
}

const RELEASED: &str = "confirmed";
const NOT_CONFIRMED: &str = "not_confirmed";

/// The statuses of C-STORE that a receiver answers with (PS3.4 table B.2-1); another one counts as `other`.
const STATUSES: [&str; 7] = ["0000", "0111", "0117", "0122", "A700", "A900", "C000"];

fn label(code: u16) -> &'static str {
    let text = format!("{code:04X}");
    STATUSES.into_iter().find(|known| *known == text).unwrap_or("other")
}

impl Families {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("chiasm_receive");
        let to = &mut registry;
        to.register("associations", "Associations that ended, by how", self.associations.clone());
        to.register("open_associations", "Associations that are open now", self.open_associations.clone());
        to.register("instances", "Instances that were answered, by DIMSE status", self.instances.clone());
        let help = "Bytes of data sets that came";
        to.register_with_unit("received", help, Unit::Bytes, self.received.clone());
        to.register(
            "releases",
            "Requests for studies, by whether the queue confirmed",
            self.releases.clone(),
        );
        let help = "Questions to the archive how many instances a study has, by what it answered";
        to.register("archive_answers", help, self.archive_answers.clone());
        to.register("open_studies", "Studies that are not released", self.open_studies.clone());
        let help = "Time since the first instance of the oldest study that is not released";
        to.register_with_unit("oldest_open_age", help, Unit::Seconds, self.oldest_open.clone());
        to.register("removed_studies", "Studies that were kept for long enough", self.removed.clone());
        let help = "Free room on the disk that instances are stored on";
        to.register_with_unit("disk_free", help, Unit::Bytes, self.disk_free.clone());
        registry
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_operations_manual_names_what_is_exported_and_nothing_else() {
        let counts = Counts::new();
        counts.association_ended(AssociationEnd::Released);
        let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        let words = manual.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with("chiasm_receive_")).collect();
        let text = counts.encode();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let exported: BTreeSet<&str> = samples.filter_map(|line| line.split(['{', ' ']).next()).collect();
        assert_eq!(named, exported);
    }

    #[test]
    fn every_count_is_exported_under_its_name() {
        let counts = Counts::new();
        let open = counts.association_begins();
        counts.association_ended(AssociationEnd::TurnedAway);
        counts.instance(&Status::SUCCESS, 512);
        counts.instance(&Status::out_of_resources("DiskFull"), 100);
        counts.instance(&Status::UNRECOGNIZED_OPERATION, 1);
        counts.released(true);
        counts.archive_answered(Answer::Whole(3));
        counts.set_open(3, Some(Duration::from_secs(61)));
        counts.set_disk_free(1 << 30);
        counts.removed(2);
        let text = counts.encode();
        for line in [
            "chiasm_receive_associations_total{end=\"turned_away\"} 1",
            "chiasm_receive_associations_total{end=\"released\"} 0",
            "chiasm_receive_open_associations 1",
            "chiasm_receive_instances_total{status=\"0000\"} 1",
            "chiasm_receive_instances_total{status=\"A700\"} 1",
            "chiasm_receive_instances_total{status=\"other\"} 1",
            "chiasm_receive_received_bytes_total 613",
            "chiasm_receive_releases_total{result=\"confirmed\"} 1",
            "chiasm_receive_releases_total{result=\"not_confirmed\"} 0",
            "chiasm_receive_archive_answers_total{answer=\"whole\"} 1",
            "chiasm_receive_archive_answers_total{answer=\"unanswered\"} 0",
            "chiasm_receive_open_studies 3",
            "chiasm_receive_oldest_open_age_seconds 61",
            "chiasm_receive_removed_studies_total 2",
            "chiasm_receive_disk_free_bytes 1073741824",
        ] {
            assert!(text.lines().any(|one| one == line), "`{line}` in\n{text}");
        }
        drop(open);
        assert!(counts.encode().contains("chiasm_receive_open_associations 0"));
    }
}
