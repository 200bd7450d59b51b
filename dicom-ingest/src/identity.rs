//! What the images of a study say of whom they show, for which order and of which side: one value, with everything in which
//! they contradict each other. A study with such a contradiction is not read ([`crate::study`]).

use std::collections::BTreeSet;

use crate::instance::Instance;
use crate::laterality::{Side, SideConflict};
use crate::patient::PatientIdentity;
use crate::phi::Phi;
use crate::refusal::{Refusal, RefusalCode};

/// A contradiction in what the images of a study state, from the gravest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conflict {
    /// They name different patients: the keyword of the attribute in which two of them differ.
    Patient(&'static str),
    /// The patient was born after the study.
    Born,
    /// The patient's age is one that nobody reaches.
    Age,
    /// They name different orders.
    Order,
    /// An image contradicts itself, or its order, about the side.
    Side(SideConflict),
}

impl Conflict {
    /// The study's refusal.
    pub fn refusal(self) -> Refusal {
        let (code, message) = match self {
            Self::Patient(keyword) => (
                RefusalCode::MixedPatient,
                format!("instances of the study differ in {keyword}; correct the study at its source"),
            ),
            Self::Born => (
                RefusalCode::ImplausibleDate,
                "Patient's Birth Date (0010,0030) lies after the study".to_owned(),
            ),
            Self::Age => (
                RefusalCode::ImplausibleDate,
                "Patient's Age (0010,1010) is one that nobody reaches, and no dates tell it".to_owned(),
            ),
            Self::Order => (
                RefusalCode::OrderConflict,
                "instances of the study differ in Accession Number (0008,0050)".to_owned(),
            ),
            Self::Side(SideConflict::Pictured) => (
                RefusalCode::LateralityConflict,
                "Image Laterality (0020,0062), Laterality (0020,0060) and Frame Laterality (0020,9072) contradict each other"
                    .to_owned(),
            ),
            Self::Side(SideConflict::Ordered) => (
                RefusalCode::LateralityConflict,
                "the order (0032,1060), (0032,1064), (0040,0275) names the other side than the image".to_owned(),
            ),
        };
        Refusal::new(code, message)
    }
}

/// What the images of a study state of patient, order and side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatedIdentity {
    /// The patient; what one instance leaves out, another may state.
    pub patient: PatientIdentity,
    /// Accession Number (0008,0050): the order, where an instance states one.
    pub accession_number: Option<Phi<String>>,
    /// The sides that images state.
    pub sides: BTreeSet<Side>,
    /// The sides that the order names.
    pub ordered_sides: BTreeSet<Side>,
    /// Where the images contradict each other, the gravest first, each once.
    pub conflicts: Vec<Conflict>,
}

impl StatedIdentity {
    /// What these instances state together.
    pub fn of<'a>(instances: impl Iterator<Item = &'a Instance>) -> Self {
        let mut stated = Self::default();
        for instance in instances {
            stated.take(instance);
        }
        stated.conflicts.sort_unstable();
        stated.conflicts.dedup();
        stated
    }

    fn take(&mut self, instance: &Instance) {
        match self.patient.conflict(&instance.patient) {
            Some(keyword) => self.conflicts.push(Conflict::Patient(keyword)),
            None => self.patient.complete_from(&instance.patient),
        }
        match (&self.accession_number, &instance.accession_number) {
            (Some(ours), Some(theirs)) if ours != theirs => self.conflicts.push(Conflict::Order),
            (None, Some(theirs)) => self.accession_number = Some(theirs.clone()),
            _ => {}
        }
        let born = instance.patient.birth_date.as_ref().map(|born| *born.expose());
        let began = instance.study_time.as_ref().map(|began| began.date);
        if born.zip(began).is_some_and(|(born, began)| born > began) {
            self.conflicts.push(Conflict::Born);
        }
        if instance.impossible_age {
            self.conflicts.push(Conflict::Age);
        }
        self.sides.extend(instance.laterality.as_deref().and_then(Side::of));
        self.ordered_sides.extend(instance.ordered_side);
        self.conflicts.extend(instance.side_conflict.map(Conflict::Side));
    }
}
