//! The finder on sentences that were published with NegEx and ConText, and on this project's own.

use super::context::{Assertion, Context, Experiencer};
use super::phrases::Found;
use super::words::words;
use super::*;

/// What is said of `concept` where it stands in `text`, whatever the lexicon's own concepts are.
fn said(text: &str, concept: &str) -> Option<Assertion> {
    let lexicon = Lexicon::built_in();
    let all = words(text);
    let wanted: Vec<&str> = words(concept).iter().map(|word| word.text).collect();
    let mut section = super::lexicon::Section::default();
    for sentence in sentences::sentences(&all, lexicon) {
        section = sentence.section.unwrap_or(section);
        let own = &all[sentence.words];
        let at = (0..own.len()).find(|at| {
            own.len() - at >= wanted.len() && wanted.iter().zip(&own[*at..]).all(|(word, here)| here.is(word))
        });
        let Some(at) = at else { continue };
        let found = Found { meaning: 0, at: at..at + wanted.len() };
        let concepts = std::slice::from_ref(&found);
        return Some(Context::of(lexicon, own, concepts).around(&found, section).0);
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Negation {
    Affirmed,
    Negated,
    Uncertain,
}

fn negation(text: &str, concept: &str) -> Negation {
    let said = said(text, concept).unwrap_or_else(|| panic!("`{concept}` is not in `{text}`"));
    match (said.negated, said.uncertain) {
        (true, _) => Negation::Negated,
        (_, true) => Negation::Uncertain,
        _ => Negation::Affirmed,
    }
}

#[test]
fn the_lexicon_that_is_compiled_in_is_valid() {
    assert_eq!(Lexicon::built_in().name(), "chiasm-note-concepts/1");
}

#[test]
fn what_cannot_be_right_in_a_lexicon_is_refused_with_its_name() {
    for (from, to, named) in [
        ("\"spiculated\"", "\"Spiculated\"", "Spiculated"),
        ("\"spiculated\"", "\"spicul{ated\"", "spicul{ated"),
        ("\"absence of\"", "\"absence of\", \"no increase\"", "no increase"),
        ("except_concepts = [\"quit-smoking\"]", "except_concepts = [\"quit-smokin\"]", "quit-smokin"),
        ("means = \"negated\"", "means = \"relative\"", "negation"),
        ("stands = \"before\"", "stands = \"befor\"", "befor"),
        ("[concepts.spiculation]", "[concepts.Spiculation]", "Spiculation"),
        ("version = 1", "version = 0", "version"),
    ] {
        let text = Lexicon::built_in_text();
        assert!(text.contains(from), "{from}");
        let error = Lexicon::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(named), "{from} as {to}: {error}");
    }
}

/// The examples of the published description of NegEx (chapmanbe/negex, NegExAlgorithmDescription), and of its test kit
/// (rsAnnotations-1-120-random.txt, the number of the row): what its authors annotated.
#[test]
fn sentences_published_with_negex() {
    use Negation::{Affirmed, Negated};
    for (text, concept, expected) in [
        ("The patient denies chest pain and has no shortness of breath.", "chest pain", Negated),
        ("The patient denies chest pain and has no shortness of breath.", "shortness of breath", Negated),
        (
            "The patient denies chest pain but has experienced some shortness of breath.",
            "chest pain",
            Negated,
        ),
        (
            "The patient denies chest pain but has experienced some shortness of breath.",
            "shortness of breath",
            Affirmed,
        ),
        ("She is tumor free.", "tumor", Negated),
        ("No increase in tumor size.", "tumor", Affirmed),
        ("Patient denies chest pain but continues to experience SOB.", "SOB", Affirmed),
        ("She denies any COUGH or sputum production.", "cough", Negated), // 2
        ("No wheezes, rales, or   RHONCHI.", "rhonchi", Negated),         // 125
        ("There was no evidence of gastric varices, ULCERS, or  Mallory-Weiss tear.", "ulcers", Negated), // 7
        (
            "PRINCIPAL PROCEDURES AND TESTS:  Doppler of the lower extremities negative   for DVT.",
            "DVT",
            Negated,
        ), // 21
        (
            "There is no evidence of NONCALCIFIED PULMONARY NODULE  OR MASS.",
            "noncalcified pulmonary nodule or mass",
            Negated,
        ), // 370
        (
            "There was no evidence of POLYPS, although the examination  was limited by the quality of the prep.",
            "polyps",
            Negated,
        ), // 138
        ("REVIEW OF SYSTEMS:  CONSTITUTIONAL:  He has some chills, but no FEVER.", "fever", Negated), // 647
        ("REVIEW OF SYSTEMS:  CONSTITUTIONAL:  He has some CHILLS, but no fever.", "chills", Affirmed), // 647
        ("Positive for SHORTNESS OF BREATH,   no cough.", "shortness of breath", Affirmed), // 181
        ("Heart - Regular rate and rhythm, no   MURMURS, gallops, or rubs.", "murmurs", Negated), // 25
        ("FECAL OCCULT BLOOD was negative.", "fecal occult blood", Negated), // 128
        (
            "The Coumadin was discontinued at the time of admission   secondary to the GI BLEED.",
            "GI bleed",
            Affirmed,
        ), // 22
        ("The heart  size is normal without PERICARDIAL EFFUSION.", "pericardial effusion", Negated), // 175
    ] {
        assert_eq!(negation(text, concept), expected, "{text}");
    }
}

/// ConText: whose, when, and whether at all. Sentences of the same test kit, of medspaCy's cycontext (its tests), and of
/// pyConTextNLP (its BasicSentenceMarkup notebook).
#[test]
fn sentences_published_with_context() {
    let whose = |text: &str, concept: &str| said(text, concept).unwrap().experiencer;
    assert_eq!(whose("Family history of breast cancer.", "breast cancer"), Experiencer::Relative);
    let polyps = "The indication for this procedure is family  history of COLON POLYPS and screening."; // 353
    assert_eq!(whose(polyps, "colon polyps"), Experiencer::Relative);
    assert_eq!(whose("History of pneumonia.", "pneumonia"), Experiencer::Patient);
    for (text, concept) in [
        ("History of pneumonia.", "pneumonia"),
        ("History of MEDICAL NONCOMPLIANCE.", "medical noncompliance"), // 387
        ("Status post LEFT HIP FRACTURE repair in 2006.", "left hip fracture"), // 271
        (
            "The patient with history of ATRIAL FIBRILLATION and DVTs;   on anticoagulation.",
            "atrial fibrillation",
        ), // 502
        ("PAST MEDICAL HISTORY:     ANXIETY.", "anxiety"),              // 1142
        ("The patient is known to have CHRONIC   KIDNEY INSUFFICIENCY.", "chronic kidney insufficiency"), // 1092
        ("The patient had history of   colon problem and DIVERTICULITIS in the past.", "diverticulitis"), // 151
    ] {
        assert!(said(text, concept).unwrap().historical, "{text}");
    }
    for (text, concept) in [
        (
            "She will return if she experiences any WORSENING PAIN or   any other new or concerning symptoms.",
            "worsening pain",
        ), // 363
        (
            "Return to the Emergency Department or PCP if he develops nausea, vomiting,   fevers or CHILLS.",
            "chills",
        ), // 438
    ] {
        assert!(said(text, concept).unwrap().hypothetical, "{text}");
    }
    let history = said("Dyspnea is noted; social history is unremarkable.", "dyspnea").unwrap();
    assert!(!history.historical, "a pseudo-trigger");
    assert_eq!(negation("Pulmonary embolism has been ruled out.", "pulmonary embolism"), Negation::Negated);
    assert_eq!(negation("There is no evidence of pneumonia.", "pneumonia"), Negation::Negated);
    assert_eq!(negation("IMPRESSION: No definite pneumothorax", "pneumothorax"), Negation::Negated);
    let mass = "IMPRESSION: Evaluation limited by lack of IV contrast; however, no evidence of\n      bowel obstruction or mass identified within the abdomen or pelvis.";
    assert_eq!(negation(mass, "mass"), Negation::Negated);
    let edema = "IMPRESSION: Evidence of early pulmonary vascular congestion and interstitial edema. Probable scarring at the medial aspect of the right lung base, with no\n     definite consolidation.";
    assert_eq!(negation(edema, "interstitial edema"), Negation::Affirmed);
    assert_eq!(negation(edema, "scarring"), Negation::Uncertain);
    assert_eq!(negation(edema, "consolidation"), Negation::Negated);
}

/// The whole test kit of NegEx, 2,376 sentences with the annotation of its authors: the file is not part of this repository.
/// Put `genConText/rsAnnotations-1-120-random.txt` of github.com/chapmanbe/negex into the folder `negex` of the data.
#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests look for data and say when it is missing"
)]
fn negation_on_the_published_test_kit() {
    let root = std::env::var("CHIASM_DATA").unwrap_or_else(|_| "../../shared/data".to_owned());
    let path = std::path::Path::new(&root).join("negex/rsAnnotations-1-120-random.txt");
    let Ok(bytes) = std::fs::read(&path) else { return println!("skipped: negex is not in the data folder") };
    let text = String::from_utf8_lossy(&bytes);
    let (mut hits, mut false_alarms, mut misses, mut rows) = (0_u32, 0_u32, 0_u32, 0_u32);
    for line in text.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [_, _, concept, sentence, negation, ..] = cells.as_slice() else { continue };
        let Some(said) = said(sentence, concept) else { continue };
        rows += 1;
        let gold = *negation == "Negated";
        hits += u32::from(said.negated && gold);
        false_alarms += u32::from(said.negated && !gold);
        misses += u32::from(!said.negated && gold);
        if said.negated != gold {
            println!("{} {concept}: {sentence}", if gold { "missed" } else { "false alarm" });
        }
    }
    let share = |of: u32, rest: u32| f64::from(of) / f64::from(of + rest);
    println!("{rows} rows, precision {:.4}, recall {:.4}", share(hits, false_alarms), share(hits, misses));
    assert!(rows > 2300 && share(hits, false_alarms) > 0.92 && share(hits, misses) > 0.92);
}

/// The only mention of a concept.
fn only(text: &str, concept: &str) -> Mention {
    let found: Vec<Mention> =
        mentions(Lexicon::built_in(), text, None).into_iter().filter(|one| one.concept == concept).collect();
    assert_eq!(found.len(), 1, "{concept} in {text}");
    found.into_iter().next().unwrap()
}

#[test]
fn a_mention_carries_its_words_and_those_that_decide_about_it() {
    let text = "FINDINGS: Lungs are clear. There is no evidence of centrilobular emphysema or fibrosis.";
    let found = only(text, "emphysema");
    assert!(found.assertion.negated);
    assert_eq!(&text[found.words.clone()], "centrilobular emphysema");
    assert_eq!(&text[found.passage], "no evidence of centrilobular emphysema");
}

#[test]
fn sections_lists_and_lines_end_what_a_trigger_reaches() {
    let text = "FAMILY HISTORY:\nFather: lung cancer at 61. Grandmother had breast cancer.\n\nSOCIAL HISTORY:\nNo asbestos exposure\n- emphysema on CT\nEmphysema: no\nCOPD: yes\n1. No cavitation\n2. Spiculated nodule";
    let all = mentions(Lexicon::built_in(), text, None);
    let said = |concept: &str| {
        let found: Vec<&Mention> = all.iter().filter(|one| one.concept == concept).collect();
        found.iter().map(|one| (one.assertion.negated, one.assertion.experiencer)).collect::<Vec<_>>()
    };
    assert_eq!(said("lung-cancer"), [(false, Experiencer::FirstDegree)]);
    assert_eq!(said("extrathoracic-cancer"), [(false, Experiencer::OtherRelative)]);
    assert_eq!(said("asbestos"), [(true, Experiencer::Patient)]);
    assert_eq!(said("emphysema"), [(false, Experiencer::Patient), (true, Experiencer::Patient)]);
    assert_eq!(said("copd"), [(false, Experiencer::Patient)]);
    assert_eq!(said("cavitation"), [(true, Experiencer::Patient)]);
    assert_eq!(said("spiculation"), [(false, Experiencer::Patient)]);
    let outside = mentions(Lexicon::built_in(), "Mother with lung cancer", Some("Family history"));
    assert_eq!(outside[0].assertion.experiencer, Experiencer::FirstDegree);
    let plain = mentions(Lexicon::built_in(), "Lung cancer", Some("Family history"));
    assert_eq!(plain[0].assertion.experiencer, Experiencer::Relative);
}

#[test]
fn what_only_looks_like_a_concept_is_none() {
    for text in [
        "She came for lung cancer screening.",
        "There is subcutaneous emphysema.",
        "Referred by the cancer center.",
        "Parotid cancer is not discussed here.",
        "pack-years not known",
        "He smoked 20-30 pack-years.",
        "over 30 pack-years",
    ] {
        let found = mentions(Lexicon::built_in(), text, None);
        let found: Vec<&Mention> = found.iter().filter(|one| !one.concept.starts_with("tobacco")).collect();
        assert!(found.iter().all(|one| one.assertion.hypothetical), "{text}: {found:?}");
    }
}

#[test]
fn amounts_of_tobacco() {
    let amount = |text: &str, concept: &str| only(text, concept).quantity.unwrap();
    for (text, concept, value) in [
        ("30-pack-year smoking history", "pack-years", 30.0),
        ("approximately 42.5 pack years", "pack-years", 42.5),
        ("Pack years: 15", "pack-years", 15.0),
        ("a pack-year history of 20", "pack-years", 20.0),
    ] {
        assert_eq!(amount(text, concept), Quantity::PackYears(value), "{text}");
    }
    for (text, packs, years) in [
        ("smoked 1.5 packs per day for 20 years", 1.5, 20.0),
        ("1/2 ppd x 30 yrs", 0.5, 30.0),
        ("1 ppd x30 years", 1.0, 30.0),
    ] {
        assert_eq!(amount(text, "packs-per-day"), Quantity::PacksForYears { packs, years }, "{text}");
    }
    let date = |year, month| Quantity::QuitDate(crate::time::PartialDate { year, month, day: None });
    assert_eq!(amount("Former smoker, quit in 2010.", "quit"), date(2010, None));
    assert_eq!(amount("He quit smoking in May 2011", "quit-smoking"), date(2011, Some(5)));
    assert_eq!(amount("Stopped smoking 12 years ago", "quit-smoking"), Quantity::QuitYearsAgo(12.0));
    assert_eq!(only("Advised to quit smoking", "quit-smoking").quantity, None);
    assert!(only("Advised to quit smoking", "quit-smoking").assertion.hypothetical);
    assert_eq!(only("quit smoking over 12 years ago", "quit-smoking").quantity, None);
    let none = mentions(Lexicon::built_in(), "She quit her job in 2010.", None);
    assert!(none.is_empty(), "{none:?}");
}

/// Long texts without an end, of triggers alone or of one letter cost time in proportion.
#[test]
fn hostile_texts_are_read_in_time() {
    for text in [
        "no ",
        "emphysema ",
        "no emphysema ",
        "a",
        "1.",
        "- ",
        ": ",
        "family history: ",
        "\n",
        "pack-years 1/",
        "“",
    ] {
        let long = text.repeat(400_000 / text.len());
        let found = mentions(Lexicon::built_in(), &long, None);
        assert!(found.len() <= long.len());
        let marked: String = format!("<p>{text}</p><script>{text}</script>&amp;").repeat(20_000);
        assert!(Readable::markup(&marked).text().len() <= marked.len());
    }
}
