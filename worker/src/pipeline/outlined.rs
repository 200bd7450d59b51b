//! Nodules that a model outlines, as facts for the formulas: where the pipeline says so, and where the image can be measured.
//!
//! An outline measures a nodule where three things hold, else it is said why it does not ([`Unmeasured`]): the image is a section
//! whose pixels have a size in the patient; it is the only image of its series, because one section of many need not be the one
//! that cuts the nodule at its widest; and the outline ends before the image does. Nothing but the longest diameter, and the side
//! where the image states it, is taken from a mask (ADR 60).

use dicom_ingest::instance::Instance;
use dicom_ingest::study::{DropReason, Dropped};
use fusion::{Nodule, Outlined};
use jiff::Timestamp;
use models::{ModelCard, Region, SegmentLabel};

use super::evidence::Evidence;
use super::output::{ModelOutput, SegmentOutput};
use crate::config::Config;
use crate::convert;
use crate::readings::Reading;

/// The most regions of one outline that can be nodules; more are noise.
const MOST_REGIONS: usize = 100;

/// Lengths that a nodule can have, mm; the same as a record's.
const POSSIBLE_MM: std::ops::RangeInclusive<f64> = 0.1..=500.0;

/// Words of Image Type (0008,0008) that say that an image is no section, though it is of CT or MR: localizers (PS3.3 C.8.2.1.1.1,
/// C.8.3.1.1.1), projections through a volume (PS3.3 C.8.16.1.3 and C.8.16.1.4) and what vendors call them.
const PROJECTIONS: [&str; 7] = ["LOCALIZER", "SCOUT", "PROJECTION", "MIP", "MINIP", "MAXIMUM", "MINIMUM"];

/// Why an outline is no measurement of a nodule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmeasured {
    /// A projection, or another image that is no section of CT or MR.
    NoSection,
    /// The section does not state how far its pixels are apart.
    NoSpacing,
    /// The image is one of several of its series.
    OneOfSeveral,
    /// An outline reaches the image's border.
    Cut,
    /// There are too many regions.
    Noise,
    /// A length that no nodule has.
    Length,
    /// The record says that there is no nodule.
    Denied,
}

impl Unmeasured {
    fn text(self) -> &'static str {
        match self {
            Self::NoSection => {
                "a nodule is outlined on an image that is no section of CT or MR: a projection is magnified by nobody knows how much, and no size is taken from it"
            }
            Self::NoSpacing => {
                "a nodule is outlined on a section that does not state how far its pixels are apart: no size is taken from it"
            }
            Self::OneOfSeveral => {
                "a nodule is outlined in one of several images of its series, and another may show it larger: no size is taken from it"
            }
            Self::Cut => "the outline of a nodule reaches the border of the image: no size is taken from it",
            Self::Noise => {
                "what is outlined as a nodule falls into too many pieces: no size is taken from it"
            }
            Self::Length => {
                "the outline of a nodule is of a length that no nodule has: no size is taken from it"
            }
            Self::Denied => {
                "a nodule is outlined where the record says that there is none: the record's statement counts"
            }
        }
    }
}

/// What is said where facts come from outlines.
const UNCONFIRMED: &str =
    "the size of a nodule is that of a model's outline; no person has measured or confirmed it";

/// Adds the nodules that the model outlines, or says why none is taken. A pipeline that does not ask for it has none.
pub(super) fn add(reading: &Reading, config: &Config, evidence: &mut Evidence) {
    let Some((t0, _)) = evidence.started else { return };
    let (Some(study), Some(output)) = (evidence.study.as_deref(), evidence.output.as_ref()) else { return };
    let model = reading.bundle.model_card();
    if !reading.pipeline.outlines_are_facts || output.is_withheld(model) {
        return;
    }
    let denied = evidence
        .record
        .as_ref()
        .is_some_and(|record| fusion::nodule::denies_nodules(record, t0, &config.site_zone));
    let instances: Vec<&Instance> = study.instances.iter().map(|file| &file.instance).collect();
    match nodules((&instances, &study.dropped), output, model, t0) {
        Ok(found) if found.is_empty() => {}
        Ok(_) if denied => warn(evidence, "OutlineNotMeasured", Unmeasured::Denied.text()),
        Ok(found) => {
            warn(evidence, "UnconfirmedOutline", UNCONFIRMED);
            evidence.nodules.extend(found);
        }
        Err(why) => warn(evidence, "OutlineNotMeasured", why.text()),
    }
}

fn warn(evidence: &mut Evidence, code: &str, text: &str) {
    evidence.warnings.push((code.to_owned(), text.to_owned()));
}

/// The nodules that are outlined, each connected region one.
fn nodules(
    (instances, dropped): (&[&Instance], &[Dropped]),
    output: &ModelOutput,
    model: &ModelCard,
    t0: Timestamp,
) -> Result<Vec<Nodule>, Unmeasured> {
    let drawn: Vec<(&SegmentLabel, &SegmentOutput)> = model
        .segments
        .iter()
        .filter(|label| fusion::nodule::is_lung_nodule_code(&label.property.system, &label.property.code))
        .filter_map(|label| Some((label, output.segments.iter().find(|own| own.label == label.name)?)))
        .filter(|(_, own)| own.mask.pixels() > 0)
        .collect();
    let image = instances.iter().find(|one| one.sop_instance_uid.as_str() == output.sop_instance_uid);
    let Some(image) = image.filter(|_| !drawn.is_empty()) else { return Ok(Vec::new()) };
    let spacing = spacing(image)?;
    let of_series = instances.iter().filter(|one| one.series_uid == image.series_uid);
    if of_series.map(|one| one.images()).sum::<usize>() > 1
        || dropped.iter().any(|one| may_show_more(one, image))
    {
        return Err(Unmeasured::OneOfSeveral);
    }
    let mut found = Vec::new();
    for (label, own) in drawn {
        let outlined =
            Outlined { model: format!("{}@{}", model.id, model.version), segment: label.name.clone() };
        for diameter_mm in diameters_mm(label, &own.mask.regions(), spacing)? {
            found.push(convert::outlined_nodule(diameter_mm, image, t0, outlined.clone()));
        }
    }
    Ok(found)
}

/// Distance of the pixels in the patient, mm. What a projection states is its detector's, or of one plane.
fn spacing(image: &Instance) -> Result<[f64; 2], Unmeasured> {
    let is_projection =
        image.image_type.iter().any(|value| PROJECTIONS.iter().any(|word| value.contains(word)));
    if !matches!(image.modality.as_deref(), Some("CT" | "MR")) || is_projection {
        return Err(Unmeasured::NoSection);
    }
    image.spacing_in_patient().ok_or(Unmeasured::NoSpacing)
}

/// Whether a file that was left out can be another image of the series: one that could not be read, of it or of nobody knows which.
fn may_show_more(dropped: &Dropped, image: &Instance) -> bool {
    dropped.reason != DropReason::Duplicate
        && dropped.series_uid.as_ref().is_none_or(|series| *series == image.series_uid)
}

/// The longest diameters of the regions that are large enough for the model, in hundredths of mm.
fn diameters_mm(
    label: &SegmentLabel,
    regions: &[Region],
    [rows, columns]: [f64; 2],
) -> Result<Vec<f64>, Unmeasured> {
    if regions.len() > MOST_REGIONS {
        return Err(Unmeasured::Noise);
    }
    let area_mm2 = |region: &Region| region.pixels() as f64 * rows * columns;
    let large =
        regions.iter().filter(|region| label.is_large_enough(region.pixels(), Some(area_mm2(region))));
    large
        .map(|region| {
            let diameter_mm = (region.longest_mm([rows, columns]) * 100.0).round() / 100.0;
            match (region.is_cut(), POSSIBLE_MM.contains(&diameter_mm)) {
                (true, _) => Err(Unmeasured::Cut),
                (false, false) => Err(Unmeasured::Length),
                (false, true) => Ok(diameter_mm),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use dicom_ingest::limits::Limits;
    use dicom_ingest::read::read_header;
    use dicom_ingest::refusal::{Refusal, RefusalCode};
    use models::{Bundle, Coding, Mask};

    use super::*;
    use crate::pipeline::sample;
    use crate::report::Language;

    fn label(least_area_mm2: Option<f64>) -> SegmentLabel {
        let coding = |code: &str| Coding {
            system: "http://snomed.info/sct".into(),
            code: code.into(),
            display: "Nodule of lung".into(),
        };
        SegmentLabel {
            name: "nodule".into(),
            title: "Nodule".into(),
            output: 0,
            category: coding("49755003"),
            property: coding("786838002"),
            threshold: 0.5,
            threshold_source: "a test".into(),
            least_area_px: None,
            least_area_mm2,
        }
    }

    fn regions(rows: &[&str]) -> Vec<Region> {
        let pixels = rows.iter().flat_map(|row| row.chars().map(|letter| letter == '#'));
        Mask::new(rows[0].len(), rows.len(), pixels).unwrap().regions()
    }

    #[test]
    fn a_region_is_measured_or_it_is_said_why_not() {
        let two = regions(&["........", ".####.#.", "........"]);
        assert_eq!(diameters_mm(&label(None), &two, [0.5, 2.0]), Ok(vec![8.0, 2.0]));
        assert_eq!(
            diameters_mm(&label(Some(2.0)), &two, [0.5, 2.0]),
            Ok(vec![8.0]),
            "the other is too small"
        );
        assert_eq!(diameters_mm(&label(None), &two, [0.5, 200.0]), Err(Unmeasured::Length));
        let cut = regions(&["........", ".####.##", "........"]);
        assert_eq!(diameters_mm(&label(None), &cut, [0.5, 2.0]), Err(Unmeasured::Cut));
        assert_eq!(diameters_mm(&label(None), &[], [0.5, 2.0]), Ok(Vec::new()));
        let dots = regions(&["#.".repeat(MOST_REGIONS + 1).as_str()]);
        assert_eq!(diameters_mm(&label(None), &dots, [0.5, 2.0]), Err(Unmeasured::Noise));
    }

    fn section() -> Instance {
        let mut instance = read_header(&sample::phantom(), &Limits::default()).unwrap();
        (instance.modality, instance.pixel_spacing) = (Some("CT".into()), Some([0.5, 2.0]));
        instance
    }

    fn output(image: &Instance, mask: Mask) -> ModelOutput {
        let label = "nodule".to_owned();
        let segments = vec![SegmentOutput { label, mask, area_mm2: None, probability: Some(0.9) }];
        let sop_instance_uid = image.sop_instance_uid.to_string();
        ModelOutput { sop_instance_uid, segments, ..sample::output() }
    }

    #[test]
    fn the_image_has_to_be_one_section_with_a_size() {
        let mut model = Bundle::embedded().unwrap().model_card().clone();
        model.segments = vec![label(None)];
        let t0: Timestamp = "2024-05-06T07:08:09Z".parse().unwrap();
        let mask = Mask::new(4, 3, (0..12).map(|pixel| (5..7).contains(&pixel))).unwrap();
        let sound = section();
        let said = |image: &Instance, others: &[&Instance], model: &ModelCard, mask: &Mask| {
            nodules((&[&[image][..], others].concat(), &[]), &output(image, mask.clone()), model, t0)
        };
        let found = said(&sound, &[], &model, &mask).unwrap();
        assert_eq!((found.len(), found[0].dated), (1, Some(t0)));
        assert!((found[0].diameter_mm - 4.0).abs() < 1e-9, "two columns of 2 mm");
        assert_eq!(found[0].source, [format!("urn:oid:{}", sound.sop_instance_uid)]);
        let own = found[0].outlined.clone().unwrap();
        assert_eq!((own.model, own.segment.as_str()), (format!("{}@{}", model.id, model.version), "nodule"));
        assert_eq!(
            (found[0].kind, found[0].spiculated, found[0].upper_lobe, found[0].count),
            (None, None, None, None)
        );
        let left = Instance { laterality: Some("L".into()), ..sound.clone() };
        let sided = said(&left, &[], &model, &mask).unwrap();
        assert_eq!(sided[0].site.as_ref().map(|site| site.code.as_str()), Some("44029006"));

        let projection = Instance { modality: Some("DX".into()), ..sound.clone() };
        assert_eq!(said(&projection, &[], &model, &mask), Err(Unmeasured::NoSection));
        for word in ["LOCALIZER", "PROJECTION IMAGE", "MIP", "MAXIMUM"] {
            let image_type = ["ORIGINAL", "PRIMARY", word].map(str::to_owned).to_vec();
            let through = Instance { image_type, ..sound.clone() };
            assert_eq!(said(&through, &[], &model, &mask), Err(Unmeasured::NoSection), "{word}");
        }
        let unsized_one = Instance { pixel_spacing: None, ..sound.clone() };
        assert_eq!(said(&unsized_one, &[], &model, &mask), Err(Unmeasured::NoSpacing));
        let next = Instance { sop_instance_uid: "2.25.2".parse().unwrap(), ..sound.clone() };
        assert_eq!(said(&sound, &[&next], &model, &mask), Err(Unmeasured::OneOfSeveral));
        let other = Instance { series_uid: "2.25.3".parse().unwrap(), ..next };
        assert_eq!(said(&sound, &[&other], &model, &mask).map(|found| found.len()), Ok(1), "another series");

        let left_out = |series: Option<&Instance>, reason: DropReason| {
            let series_uid = series.map(|one| one.series_uid.clone());
            let dropped = Dropped { path: "file".into(), series_uid, reason };
            nodules((&[&sound], &[dropped]), &output(&sound, mask.clone()), &model, t0)
                .map(|found| found.len())
        };
        let unread = || DropReason::Refused(Refusal::new(RefusalCode::DecoderFailed, "a test"));
        assert_eq!(left_out(Some(&sound), unread()), Err(Unmeasured::OneOfSeveral));
        assert_eq!(left_out(None, unread()), Err(Unmeasured::OneOfSeveral));
        assert_eq!(left_out(Some(&other), unread()), Ok(1), "of another series");
        assert_eq!(left_out(Some(&sound), DropReason::Duplicate), Ok(1));

        // nothing outlined, or something that is no nodule: nothing is said of any image
        assert_eq!(said(&projection, &[], &model, &mask.emptied()), Ok(Vec::new()));
        model.segments[0].property.code = "44029006".into();
        assert_eq!(said(&projection, &[], &model, &mask), Ok(Vec::new()));
    }

    #[test]
    fn every_reason_has_german_words() {
        let reasons = [
            Unmeasured::NoSection,
            Unmeasured::NoSpacing,
            Unmeasured::OneOfSeveral,
            Unmeasured::Cut,
            Unmeasured::Noise,
            Unmeasured::Length,
            Unmeasured::Denied,
        ];
        for text in reasons.map(Unmeasured::text).into_iter().chain([UNCONFIRMED]) {
            assert!(Language::German.knows(text), "{text}");
        }
    }
}
