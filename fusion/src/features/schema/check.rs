//! What is checked when a schema is loaded, and the lists of codes put where they are named.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{is_loinc, is_snomed};
use super::{CodeList, Measurement, MissingPolicy, Schema, Statistic};
use crate::features::units;
use crate::notes::Lexicon;

/// Puts `@name` lists in place and gives everything that cannot be right.
pub(super) fn findings(schema: &mut Schema) -> Vec<String> {
    let mut found = Findings(Vec::new());
    expand(schema, &mut found);
    found.header(schema);
    found.measurements(schema);
    found.derived(schema);
    found.codes(schema);
    found.notes(schema);
    found.identifiers(schema);
    found.0
}

struct Findings(Vec<String>);

impl Findings {
    fn unless(&mut self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.0.push(text());
        }
    }

    fn header(&mut self, schema: &Schema) {
        self.unless(is_word(&schema.id), || "`id` is not lower-case words with hyphens".to_owned());
        self.unless(schema.version > 0, || "`version` is not at least 1".to_owned());
        for (group, defaults) in &schema.defaults {
            let windows = &defaults.windows_days;
            let rising = windows.windows(2).all(|pair| pair[0] < pair[1]) && windows.first() > Some(&0);
            self.unless(rising, || format!("the windows of `{group}` are not rising lengths above 0"));
            self.unless(defaults.max_age_days > 0.0, || {
                format!("`max_age_days` of `{group}` is not above 0")
            });
            self.unless(defaults.missing == MissingPolicy::Unknown, || {
                format!("a measurement of `{group}` cannot be 0 because it was not made")
            });
            let basic = [Statistic::Last, Statistic::AgeOfLast];
            self.unless(basic.iter().all(|one| defaults.statistics.contains(one)), || {
                format!("`{group}` leaves out `last` or `age-of-last`, which every measurement has")
            });
        }
        let rules = schema.medication;
        self.unless(0 < rules.polypharmacy && rules.polypharmacy < rules.hyper_polypharmacy, || {
            "`hyper_polypharmacy` is not more than `polypharmacy`".to_owned()
        });
    }

    fn measurements(&mut self, schema: &Schema) {
        for found in schema.all_measurements() {
            self.measurement(schema, found);
        }
    }

    fn measurement(&mut self, schema: &Schema, found: &Measurement) {
        let id = &found.id;
        self.unless(schema.defaults(found.group).is_some(), || {
            format!("`{id}` is of a group without defaults")
        });
        self.unless(found.range.0 < found.range.1 && found.range.1.is_finite(), || {
            format!("the range of `{id}` is none")
        });
        let unit = found.plain || units::is_known(&found.unit);
        self.unless(unit, || format!("the unit `{}` of `{id}` is not known", found.unit));
        let factor = found.umol_per_mg.is_none_or(|factor| factor > 0.0 && factor.is_finite());
        self.unless(factor, || format!("the factor of `{id}` is not above 0"));
        self.unless(!found.codes.is_empty(), || format!("`{id}` has no code"));
        for code in &found.codes {
            let one = code.loinc.is_some() != code.snomed.is_some();
            self.unless(one, || format!("a code of `{id}` is not exactly one of `loinc` and `snomed`"));
            let loinc = code.loinc.as_deref().is_none_or(is_loinc);
            let snomed =
                [&code.snomed, &code.body_site].iter().all(|code| code.as_deref().is_none_or(is_snomed));
            self.unless(loinc && snomed, || format!("a code of `{id}` has a wrong check digit"));
            self.unless(code.factor > 0.0 && code.factor.is_finite(), || {
                format!("a factor of `{id}` is not above 0")
            });
        }
    }

    fn derived(&mut self, schema: &Schema) {
        let measured = |id: &str| schema.measurement(id).is_some();
        for ratio in &schema.ratios {
            self.unless(measured(&ratio.over) && measured(&ratio.under), || {
                format!("a part of the ratio `{}` is no measurement", ratio.id)
            });
            self.unless(ratio.max_gap_days > 0.0, || {
                format!("`max_gap_days` of `{}` is not above 0", ratio.id)
            });
        }
        for kinetic in &schema.kinetics {
            self.unless(measured(&kinetic.of), || format!("`{}` is of what is no measurement", kinetic.id));
        }
        for scale in &schema.scales {
            self.unless(scale.max_age_days > 0.0 && !scale.values.is_empty(), || {
                format!("the scale `{}` has no values or no age", scale.id)
            });
        }
        for one in &schema.prior_imaging {
            self.unless(one.window_days > 0 && !one.codes.is_empty(), || {
                format!("the imaging `{}` has no codes or no window", one.id)
            });
        }
        let known: BTreeSet<&str> = schema.charlson.categories.iter().map(|one| one.id.as_str()).collect();
        for category in &schema.charlson.categories {
            let yields = category.yields_to.as_deref().is_none_or(|other| known.contains(other));
            self.unless(yields, || format!("`{}` yields to what is no category", category.id));
            self.unless((1..=6).contains(&category.weight), || {
                format!("the weight of `{}` is not 1 to 6", category.id)
            });
        }
        let words = ["current-smoker", "former-smoker", "never-smoker", "non-smoker", "unknown"];
        for answer in schema.smoking.answers.keys() {
            self.unless(words.contains(&answer.as_str()), || format!("`{answer}` is no smoking status"));
        }
    }

    fn codes(&mut self, schema: &Schema) {
        let families = schema.families.iter();
        let lists = schema
            .diseases
            .iter()
            .flat_map(|one| [&one.whole, &one.part, &one.wider, &one.past].map(|list| (&one.id, list)))
            .chain(families.flat_map(|one| {
                [(&one.id, &one.history), (&one.id, &one.no_history), (&one.id, &one.disease)]
            }));
        for (id, list) in lists {
            self.snomed(id, &list.snomed);
            self.icd10(id, &list.icd10);
            self.icd10(id, &list.not_icd10);
        }
        for one in schema.procedures.iter().chain(&schema.examinations) {
            self.snomed(&one.id, &one.snomed);
        }
        for one in &schema.charlson.categories {
            self.snomed(&one.id, &one.snomed);
            self.icd10(&one.id, &one.icd10);
        }
        for one in &schema.diagnoses.chapters {
            self.icd10(&one.id, &one.icd10);
        }
        for drug in &schema.drugs {
            let digits = |code: &String| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
            self.unless(drug.rxnorm.iter().all(digits), || {
                format!("a code of `{}` is no RxNorm number", drug.id)
            });
            let lower = drug.names.iter().all(|name| !name.is_empty() && *name == name.to_lowercase());
            self.unless(lower, || format!("a name of `{}` is not lower case", drug.id));
        }
    }

    fn notes(&mut self, schema: &Schema) {
        let own: BTreeSet<&str> = super::view_definitions::identifiers(schema).into_iter().collect();
        let fixed = ["smoking-status", "pack-years", "cigarettes-per-day", "years-smoked", "years-quit"];
        for note in &schema.notes {
            let name = note.fills.as_deref().or(note.is.as_ref().map(|named| named.id.as_str()));
            let name = name.unwrap_or_default();
            self.unless(note.fills.is_some() != note.is.is_some(), || {
                format!("a note `{name}` is not exactly one of `fills` and `is`")
            });
            let known = note.fills.as_deref().is_none_or(|id| own.contains(id) || fixed.contains(&id));
            self.unless(known, || format!("a note fills `{name}`, which is no feature"));
            let lists = !note.whole.is_empty() || !note.part.is_empty();
            self.unless(lists == note.answers.is_empty(), || {
                format!("the note `{name}` does not name either concepts or answers")
            });
            self.unless(note.max_age_days.is_none_or(|days| days > 0.0), || {
                format!("`max_age_days` of the note `{name}` is not above 0")
            });
            for concept in note.concepts() {
                self.unless(Lexicon::built_in().has(concept), || {
                    format!("the note `{name}` names `{concept}`, which is no concept")
                });
            }
        }
    }

    fn snomed(&mut self, id: &str, codes: &[String]) {
        for code in codes {
            self.unless(is_snomed(code), || {
                format!("the SNOMED CT code `{code}` of `{id}` has a wrong check digit")
            });
        }
    }

    fn icd10(&mut self, id: &str, codes: &[String]) {
        for code in codes {
            let mut bytes = code.bytes();
            let sound = bytes.next().is_some_and(|first| first.is_ascii_uppercase())
                && bytes.all(|byte| byte.is_ascii_alphanumeric())
                && code.len() <= 7;
            self.unless(sound, || format!("`{code}` of `{id}` is no beginning of an ICD-10 code"));
        }
    }

    fn identifiers(&mut self, schema: &Schema) {
        let mut seen = BTreeSet::new();
        for id in super::view_definitions::identifiers(schema) {
            self.unless(is_word(id), || format!("`{id}` is not lower-case words with hyphens"));
            self.unless(seen.insert(id), || format!("`{id}` stands twice"));
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Replaces `@name` by the list of that name.
fn expand(schema: &mut Schema, found: &mut Findings) {
    let lists = std::mem::take(&mut schema.code_lists);
    let mut replace = |codes: &mut Vec<String>| *codes = expanded(codes, &lists, found);
    let mut all = |list: &mut CodeList| {
        for codes in [&mut list.snomed, &mut list.icd10, &mut list.not_icd10] {
            replace(codes);
        }
    };
    for disease in &mut schema.diseases {
        all(&mut disease.whole);
        all(&mut disease.part);
        all(&mut disease.wider);
        all(&mut disease.past);
    }
    for family in &mut schema.families {
        all(&mut family.history);
        all(&mut family.no_history);
        all(&mut family.disease);
    }
    for category in &mut schema.charlson.categories {
        replace(&mut category.snomed);
        replace(&mut category.icd10);
    }
    schema.code_lists = lists;
}

fn expanded(codes: &[String], lists: &BTreeMap<String, Vec<String>>, found: &mut Findings) -> Vec<String> {
    let mut all = Vec::with_capacity(codes.len());
    for code in codes {
        match code.strip_prefix('@').map(|name| (name, lists.get(name))) {
            None => all.push(code.clone()),
            Some((_, Some(list))) => all.extend(list.iter().cloned()),
            Some((name, None)) => found.0.push(format!("there is no list `{name}`")),
        }
    }
    all
}
