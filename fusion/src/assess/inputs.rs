//! Inputs of the formulas, taken from features, headers and nodules, each with its source.

use super::course::{self, Before, GROWN_MM};
use super::{AssessInput, Risk, RiskInput, Sex};
use crate::features::{Feature, FeatureValue};
use crate::nodule::{Nodule, Outlined, SAME_EXAM_DAYS};
use crate::time::days_between;

/// A stated nodule older than this is not taken as the one of this examination, in days.
pub(super) const NODULE_MAX_AGE_DAYS: f64 = 365.0;

/// The nodule that a formula is computed for.
pub(super) struct IndexNodule<'a> {
    pub(super) nodule: &'a Nodule,
    /// Nodules on the examination, as stated or counted; of outlines, those in the one image that was read.
    pub(super) count: u32,
    /// Whether the count is the number of coded nodules.
    pub(super) counted: bool,
    /// Whether it is spiculated: as coded, else as a note of the same examination says.
    pub(super) spiculated: Option<bool>,
    /// What examinations before say of it.
    pub(super) before: Before<'a>,
    /// The note's feature, where it is the note that says so.
    noted: Option<&'a Feature>,
    /// What a reader must know of a note that speaks of spiculation and does not answer.
    unanswered: Option<&'static str>,
    /// What a model outlines beside the nodule that a person states, where the two differ.
    conflict: Option<String>,
}

/// A note's statement of spiculation, where it can be of no other nodule than this one.
fn noted<'a>(
    input: &AssessInput<'a>,
    nodule: &Nodule,
    count: u32,
) -> Result<Option<&'a Feature>, &'static str> {
    let feature = input.features.and_then(|table| table.feature("note-spiculation"));
    let Some(feature) = feature.filter(|feature| matches!(feature.value, FeatureValue::Bool(_))) else {
        return Ok(None);
    };
    let age = nodule.dated.map_or(0.0, |dated| days_between(dated, input.t0));
    let apart = (feature.age_days.unwrap_or(f64::INFINITY) - age).abs();
    if apart > SAME_EXAM_DAYS {
        Err("a note speaks of spiculation, but on another day than the nodule was seen")
    } else if count > 1 || nodule.outlined.is_some() {
        Err("a note speaks of spiculation, and it cannot be told of which nodule")
    } else if feature.questioned {
        Err("notes contradict each other on spiculation")
    } else {
        Ok(Some(feature))
    }
}

/// The largest nodule of the latest examination that states any; `Err` holds the reason. What a person states stands: a nodule
/// that a model outlined is taken where no person states one that is not older than a year.
pub(super) fn index_nodule<'a>(input: &AssessInput<'a>) -> Result<IndexNodule<'a>, &'static str> {
    if input.nodules.is_empty() {
        return Err("no coded lung nodule is known");
    }
    let age = |nodule: &Nodule| nodule.dated.map_or(0.0, |dated| days_between(dated, input.t0));
    // A structured report of the study itself may be dated a little after its start.
    let fresh = |nodule: &&Nodule| (-SAME_EXAM_DAYS..=NODULE_MAX_AGE_DAYS).contains(&age(nodule));
    let (stated, outlined): (Vec<&Nodule>, Vec<&Nodule>) =
        input.nodules.iter().filter(fresh).partition(|nodule| nodule.outlined.is_none());
    let taken = if stated.is_empty() { &outlined } else { &stated };
    let newest = taken.iter().map(|nodule| age(nodule)).fold(f64::INFINITY, f64::min);
    let exam: Vec<&Nodule> =
        taken.iter().copied().filter(|nodule| age(nodule) - newest <= SAME_EXAM_DAYS).collect();
    let nodule = largest(&exam).ok_or("every coded lung nodule is older than a year")?;
    let stated = exam.iter().filter_map(|nodule| nodule.count).max();
    let coded = u32::try_from(exam.len()).unwrap_or(u32::MAX);
    let count = stated.unwrap_or(coded).max(coded);
    let mut made = IndexNodule {
        nodule,
        count,
        counted: stated.is_none(),
        spiculated: nodule.spiculated,
        before: course::before(input, nodule, count),
        noted: None,
        unanswered: None,
        conflict: largest(&outlined).and_then(|outlined| conflict(nodule, outlined)),
    };
    match (nodule.spiculated, noted(input, nodule, count)) {
        (None, Ok(found)) => {
            made.noted = found;
            made.spiculated = found.map(|feature| feature.value == FeatureValue::Bool(true));
        }
        (None, Err(why)) => made.unanswered = Some(why),
        (Some(coded), Ok(Some(feature))) if feature.value != FeatureValue::Bool(coded) => {
            made.unanswered = Some("a note says otherwise of the spiculation; the coded value stands");
        }
        (Some(_), _) => {}
    }
    Ok(made)
}

fn largest<'a>(nodules: &[&'a Nodule]) -> Option<&'a Nodule> {
    let largest = nodules.iter().max_by(|one, other| {
        one.diameter_mm.total_cmp(&other.diameter_mm).then_with(|| other.source.cmp(&one.source))
    });
    largest.copied()
}

/// What a model outlines and a person states otherwise: another size, by more than counts as growth, or another examination's.
fn conflict(stated: &Nodule, outlined: &Nodule) -> Option<String> {
    let Outlined { model, .. } = outlined.outlined.as_ref().filter(|_| stated.outlined.is_none())?;
    let size = number(outlined.diameter_mm);
    let apart = stated.dated.zip(outlined.dated).map(|(one, other)| days_between(one, other).abs());
    if apart.is_some_and(|days| days > SAME_EXAM_DAYS) {
        return Some(format!(
            "{model} outlines a nodule of {size} mm on this examination; what a person states of an earlier one counts"
        ));
    }
    let differs = (stated.diameter_mm - outlined.diameter_mm).abs() > GROWN_MM;
    let other = number(stated.diameter_mm);
    differs.then(|| {
        format!(
            "{model} outlines a nodule of {size} mm where a person states {other} mm; the stated one counts"
        )
    })
}

impl IndexNodule<'_> {
    /// Nodules on the examination, where that is known: an outline is of one image.
    pub(super) fn known_count(&self) -> Option<u32> {
        self.nodule.outlined.is_none().then_some(self.count)
    }

    /// Diameter, type, lobe, margin and count as inputs of a risk.
    pub(super) fn describe(&self, risk: &mut Risk) {
        let nodule = self.nodule;
        let add = |risk: &mut Risk, label: &str, value: Option<String>, unit: Option<&str>| {
            risk.inputs.push(RiskInput {
                label: label.to_owned(),
                value: value.unwrap_or_else(|| "unknown".to_owned()),
                unit: unit.map(str::to_owned),
                date: nodule.dated.map(|dated| dated.to_string()),
                source: nodule.source.first().cloned(),
                from_note: false,
            });
        };
        add(risk, "nodule diameter", Some(number(nodule.diameter_mm)), Some("mm"));
        add(risk, "nodule type", nodule.kind.map(|kind| kind.text().to_owned()), None);
        add(risk, "upper lobe", nodule.upper_lobe.map(yes_no), None);
        match self.noted {
            Some(feature) => {
                risk.inputs.push(RiskInput { label: "spiculation".to_owned(), ..described(feature) });
            }
            None => add(risk, "spiculation", nodule.spiculated.map(yes_no), None),
        }
        risk.limits.extend(self.unanswered.map(str::to_owned));
        add(risk, "number of nodules", self.known_count().map(|count| count.to_string()), None);
        risk.limits.extend(self.conflict.clone());
        if let Some(Outlined { model, .. }) = &nodule.outlined {
            risk.limits.push(format!(
                "the nodule is what {model} outlines in one image; no person has measured or confirmed it"
            ));
            risk.limits.push(format!(
                "the number of nodules on the examination is not known: {} in the one image that was read",
                self.count
            ));
        } else if self.counted {
            risk.limits
                .push(format!("the number of nodules ({}) is the number of coded nodules", self.count));
        }
        if nodule.dated.is_none() {
            risk.limits.push("the nodule is not dated".to_owned());
        }
        if let Before::Same(earlier) = &self.before {
            earlier.describe(nodule, risk);
        }
    }
}

/// Age at t0: of the record, else of the image headers.
pub(super) fn age(input: &AssessInput<'_>, risk: &mut Risk) -> Option<f64> {
    if let Some(years) = number_of(input, "age", risk) {
        return Some(years);
    }
    let years =
        input.header.and_then(|header| header.age_years).filter(|years| (0.0..=120.0).contains(years))?;
    risk.inputs.push(plain("Age", number(years), Some("a")));
    risk.limits.push("the age is the one of the image header".to_owned());
    Some(years)
}

/// Sex: of the record, else of the image headers.
pub(super) fn sex(input: &AssessInput<'_>, risk: &mut Risk) -> Option<Sex> {
    let recorded = input.features.and_then(|table| table.code("sex"));
    let sex = match recorded {
        Some("female") => Some(Sex::Female),
        Some("male") => Some(Sex::Male),
        _ => None,
    };
    if let (Some(sex), Some(feature)) = (sex, input.features.and_then(|table| table.feature("sex"))) {
        risk.inputs.push(described(feature));
        return Some(sex);
    }
    if recorded.is_some() {
        return None; // stated as another; the header does not overrule that
    }
    let sex = input.header.and_then(|header| header.sex)?;
    let text = if sex == Sex::Female { "female" } else { "male" };
    risk.inputs.push(plain("Sex", text.to_owned(), None));
    risk.limits.push("the sex is the one of the image header".to_owned());
    Some(sex)
}

/// A number of the record, and its place among the inputs.
pub(super) fn number_of(input: &AssessInput<'_>, id: &str, risk: &mut Risk) -> Option<f64> {
    let table = input.features?;
    let value = table.number(id)?;
    risk.inputs.extend(table.feature(id).map(described));
    Some(value)
}

/// A truth of the record, and its place among the inputs; unknown is stated as unknown.
pub(super) fn truth_of(input: &AssessInput<'_>, id: &str, label: &str, risk: &mut Risk) -> Option<bool> {
    let truth = input.features.and_then(|table| table.truth(id));
    match (truth, input.features.and_then(|table| table.feature(id))) {
        (Some(_), Some(feature)) => risk.inputs.push(described(feature)),
        _ => risk.inputs.push(plain(label, "unknown".to_owned(), None)),
    }
    truth
}

/// Whether the person has ever smoked: by status, else by pack-years above 0.
pub(super) fn ever_smoked(input: &AssessInput<'_>, risk: &mut Risk) -> Option<bool> {
    let table = input.features?;
    let by_status = match table.code("smoking-status") {
        Some("current-smoker" | "former-smoker") => Some(true),
        Some("never-smoker") => Some(false),
        _ => None,
    };
    let by_amount = table.number("pack-years").filter(|packs| *packs > 0.0).map(|_| true);
    let (truth, id) = match (by_status, by_amount) {
        (Some(truth), _) => (truth, "smoking-status"),
        (None, Some(truth)) => (truth, "pack-years"),
        (None, None) => return None,
    };
    risk.inputs.extend(table.feature(id).map(described));
    Some(truth)
}

/// A feature as an input of a risk.
pub(super) fn described(feature: &Feature) -> RiskInput {
    let value = match &feature.value {
        FeatureValue::Number(value) => number(*value),
        FeatureValue::Code(code) => code.replace('-', " "),
        FeatureValue::Bool(truth) => yes_no(*truth),
        FeatureValue::Missing { .. } => "unknown".to_owned(),
    };
    RiskInput {
        label: feature.label.clone(),
        value,
        unit: feature.unit.clone(),
        date: feature.effective.clone(),
        source: feature.source.clone(),
        from_note: feature.passage.is_some(),
    }
}

/// An input without a source in the record.
pub(super) fn plain(label: &str, value: String, unit: Option<&str>) -> RiskInput {
    let unit = unit.map(str::to_owned);
    RiskInput { label: label.to_owned(), value, unit, date: None, source: None, from_note: false }
}

fn yes_no(truth: bool) -> String {
    if truth { "yes".to_owned() } else { "no".to_owned() }
}

/// A number with at most two decimals, without trailing zeros.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
