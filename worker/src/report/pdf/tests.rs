use std::collections::BTreeSet;

use super::super::html;
use super::super::sample::{failed, hostile, refused, sample};
use super::super::tests::german;
use super::*;
use proptest::prelude::*;

fn written(report: &Report) -> Vec<u8> {
    document(report, &html::page(report)).expect("a PDF")
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    for report in [sample(), german(), hostile(), refused(), failed()] {
        let first = written(&report);
        assert_eq!(first, written(&report));
        assert!(first.starts_with(b"%PDF-1.7") && first.ends_with(b"%%EOF"));
    }
}

/// How many pages a file of ours has: nothing but streams is packed.
fn pages(pdf: &[u8]) -> usize {
    let text = String::from_utf8_lossy(pdf);
    text.matches("/Type/Page/").count()
}

#[test]
fn a_report_is_one_sheet_and_one_that_says_too_much_goes_on() {
    for report in [sample(), german(), refused(), failed()] {
        assert_eq!(pages(&written(&report)), 1);
    }
    assert!(pages(&written(&hostile())) > 1);
}

/// The names of a file's fonts, which say what is in them.
fn fonts(pdf: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(pdf);
    let names = text.split("/BaseFont/").skip(1).filter_map(|rest| rest.split(['/', ' ', '>', '\n']).next());
    names.map(str::to_owned).collect()
}

#[test]
fn reports_of_usual_letters_have_the_same_fonts_and_other_letters_are_shown_too() {
    let usual = fonts(&written(&sample()));
    assert_eq!(usual.len(), 2, "{usual:?}");
    assert_eq!(fonts(&written(&german())), usual);
    let mut other = sample();
    other.patient.name = Some("Łódź^Ж".into());
    let own = fonts(&written(&other));
    assert_eq!(own.len(), 2, "{own:?}");
    assert_ne!(own, usual);
}

#[test]
fn a_character_without_a_letter_is_shown_as_its_number() {
    let faces = Faces::get().expect("fonts");
    assert_eq!(faces.shown("Müller, Ångström, Łódź, Ψ, Ж".into()), "Müller, Ångström, Łódź, Ψ, Ж");
    assert_eq!(faces.shown("漢a".into()), "[U+6F22]a");
    let mut report = sample();
    report.patient.name = Some("山田 太郎".into());
    let page = html::page(&report);
    assert_eq!(pages(&document(&report, &page).expect("a PDF")), 1);
}

#[test]
fn what_is_no_page_or_no_picture_is_a_typed_error() {
    let mut report = sample();
    assert!(matches!(document(&report, "<html></html>"), Err(PdfError::Page)));
    let page = html::page(&report);
    report.picture.as_mut().expect("a picture").png = b"no PNG".to_vec();
    assert!(matches!(document(&report, &page), Err(PdfError::Picture)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a study or a record says: there is a file.
    #[test]
    fn any_text_can_be_printed(name in ".{0,200}", word in "\\PC{0,3000}", unit in "[<>&\"' ]{0,30}") {
        let mut report = refused();
        report.patient.name = Some(name);
        report.study.description = Some(word);
        report.limits = vec![unit];
        prop_assert!(written(&report).starts_with(b"%PDF"));
    }
}
