//! Whether a bundle may be used on a picture, from what the study says of itself.

use super::model_card::ModelCard;

/// The frontal views.
const FRONTAL: [&str; 2] = ["PA", "AP"];

/// What the study states of one picture, in plain values. Text is compared
/// without case and surrounding blanks; an empty text is as good as none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudyFacts<'a> {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: &'a str,
    /// Modality (0008,0060).
    pub modality: &'a str,
    /// Body Part Examined (0018,0015) or the coded anatomic region's meaning.
    pub body_part: Option<&'a str>,
    /// View Position (0018,5101) or the coded view.
    pub view_position: Option<&'a str>,
    /// `Err` with the attribute that says so where the patient is not a human,
    /// for example Patient Species Description (0010,2201).
    pub human: Result<(), &'a str>,
    /// Whether a description of series, protocol or projection names a lateral or oblique view.
    pub lateral_text: bool,
    /// Patient Orientation (0020,0020): where the rows run to, then the columns; empty where it is not stated.
    pub orientation: &'a [String],
    /// The patient's age at the exam in years, where it is known.
    pub age_years: Option<f64>,
    /// The distance of two pixels in mm (0018,1164 or 0028,0030), the larger of both directions, where it is stated.
    pub pixel_spacing_mm: Option<f64>,
}

/// The answer of [`ModelCard::applies`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applies {
    /// The bundle applies.
    Yes,
    /// The study does not say enough: the bundle applies if the picture itself
    /// passes as a frontal chest radiograph ([`crate::score::ChestCheck::is_frontal`]).
    NeedsFrontalCheck,
    /// The bundle does not apply.
    No {
        /// A stable code, `NotApplicable...`.
        code: &'static str,
        /// The reason, without patient data.
        reason: String,
    },
}

impl ModelCard {
    /// Whether the bundle may be used on a picture of which the study states `facts`.
    ///
    /// A hand is taken in PA view too, so a stated view counts only beside a
    /// stated body part; where either is missing the picture has to show that
    /// it is a frontal chest radiograph, and a model without such a check is not used.
    pub fn applies(&self, facts: &StudyFacts) -> Applies {
        let rule = &self.applies_to;
        if let Err(evidence) = facts.human {
            return no("NotApplicableSpecies", format!("the patient is not a human ({})", quote(evidence)));
        }
        if !contains(&rule.modalities, facts.modality) {
            let reason = format!(
                "modality {} is not one the model reads ({})",
                quote(facts.modality),
                rule.modalities.join(", ")
            );
            return no("NotApplicableModality", reason);
        }
        if !contains(&rule.sop_classes, facts.sop_class_uid) {
            let reason = format!("SOP class {} is not one the model reads", quote(facts.sop_class_uid));
            return no("NotApplicableSopClass", reason);
        }
        if let Some(refusal) = self.refuses_age(facts).or_else(|| self.refuses_spacing(facts)) {
            return refusal;
        }
        self.applies_to_view(facts)
    }

    fn applies_to_view(&self, facts: &StudyFacts) -> Applies {
        let rule = &self.applies_to;
        let body_part = stated(facts.body_part);
        let asks_part = !rule.body_parts.is_empty();
        if let Some(part) = body_part.filter(|part| asks_part && !contains(&rule.body_parts, part)) {
            let reason = format!(
                "body part {} is not one the model reads ({})",
                quote(part),
                rule.body_parts.join(", ")
            );
            return no("NotApplicableBodyPart", reason);
        }
        let view = stated(facts.view_position);
        let asks_view = !rule.views.is_empty();
        if let Some(view) = view.filter(|view| asks_view && !contains(&rule.views, view)) {
            let reason =
                format!("view {} is not one the model reads ({})", quote(view), rule.views.join(", "));
            return no("NotApplicableView", reason);
        }
        if asks_view && facts.lateral_text {
            return no("NotApplicableView", "a description names a lateral or oblique view".to_owned());
        }
        let frontal = view.is_none_or(|view| FRONTAL.iter().any(|name| name.eq_ignore_ascii_case(view)));
        if let Some(refusal) = refuses_orientation(facts.orientation).filter(|_| asks_view && frontal) {
            return refusal;
        }
        if (body_part.is_some() || !asks_part) && (view.is_some() || !asks_view) {
            Applies::Yes
        } else if self.frontal_threshold.is_some() {
            Applies::NeedsFrontalCheck
        } else {
            no(
                "NotApplicableView",
                "body part or view is not stated, and the model cannot tell by itself".to_owned(),
            )
        }
    }

    fn refuses_age(&self, facts: &StudyFacts) -> Option<Applies> {
        let age = facts.age_years?;
        let rule = &self.applies_to;
        if let Some(least) = rule.age_min_years.filter(|least| age < *least) {
            let reason = format!("the patient's age is below the least the model reads (years: {least})");
            return Some(no("NotApplicableAge", reason));
        }
        let most = rule.age_max_years.filter(|most| age > *most)?;
        Some(no(
            "NotApplicableAge",
            format!("the patient's age is above the most the model reads (years: {most})"),
        ))
    }

    fn refuses_spacing(&self, facts: &StudyFacts) -> Option<Applies> {
        let spacing = facts.pixel_spacing_mm?;
        let rule = &self.applies_to;
        let below = rule.pixel_spacing_min_mm.is_some_and(|least| spacing < least);
        let above = rule.pixel_spacing_max_mm.is_some_and(|most| spacing > most);
        (below || above).then(|| {
            no("NotApplicableSpacing", format!("pixels of {spacing:.3} mm are outside what the model reads"))
        })
    }
}

/// A frontal picture is upright and faces its reader where its rows run to the patient's left and its columns to the feet
/// (PS3.3 C.7.6.1.1.1). Any other is mirrored, turned, or of another view, and a model would name the wrong side.
fn refuses_orientation(stated: &[String]) -> Option<Applies> {
    if stated.iter().all(|direction| direction.trim().is_empty()) {
        return None;
    }
    let upright = matches!(stated, [rows, columns] if rows.starts_with('L') && columns.starts_with('F'));
    (!upright).then(|| {
        let reason = format!(
            "Patient Orientation (0020,0020) is {}, and an upright frontal view has `L\\F`",
            quote(&stated.join("\\"))
        );
        no("NotApplicableView", reason)
    })
}

fn no(code: &'static str, reason: String) -> Applies {
    Applies::No { code, reason }
}

fn stated(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn contains(values: &[String], text: &str) -> bool {
    values.iter().any(|value| value.eq_ignore_ascii_case(text.trim()))
}

/// Text from outside, short and on one line.
fn quote(text: &str) -> String {
    let plain: String = text.trim().chars().filter(|c| !c.is_control() && *c != '`').take(64).collect();
    if plain.is_empty() { "(none)".to_owned() } else { format!("`{plain}`") }
}
