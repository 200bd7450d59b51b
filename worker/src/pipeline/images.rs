//! From the images that are selected to model output: preprocess, score, picture.

use std::sync::Arc;

use base64_simd::STANDARD;
use dicom_ingest::frame::Frame;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::source::kept::Kept;
use dicom_ingest::warning::Warning;
use models::{GreyImage, Outside, Present as ModelPresent, Scores, Segment};

use super::output::{FindingScore, ModelOutput, Note, PictureData, SegmentOutput, storable, storable_area};
use super::timings::Timings;
use super::{Room, Stages, files, png};
use crate::ending::Ending;
use crate::outcome::Present;
use crate::readings::Reading;
use crate::select::Candidate;

/// The stages, and which of the site's pipelines reads.
type With<'a> = (&'a Stages, &'a Reading);

/// The longer side of the picture on the page, in pixels.
const PAGE_SIDE: usize = 512;

/// The longer side of the map of where the model looked, in pixels. A network's own map has a tenth of that: more pixels show
/// nothing more, and each of them is packed, coded, digested, stored and sent several times.
const MAP_SIDE: usize = 128;

/// Grey values whose standard deviation is below this hold no picture.
const LEAST_DEVIATION: f64 = 1e-4;

/// Scores the best image that can be read.
pub(super) fn score(
    with: With<'_>,
    candidates: &[Candidate<'_>],
    kept: &mut Kept,
    room: Room<'_>,
    timings: &mut Timings,
) -> Result<ModelOutput, Ending> {
    let mut dropped = Vec::new();
    let mut refusal = None;
    for candidate in candidates {
        match score_candidate(with, *candidate, kept, room, timings) {
            Ok(mut output) => {
                output.dropped = dropped;
                return Ok(output);
            }
            Err(Ending::Failed(why)) => return Err(Ending::Failed(why)),
            Err(Ending::Refused(why)) => {
                dropped.push(Note {
                    sop_instance_uid: Some(candidate.file.instance.sop_instance_uid.to_string()),
                    code: why.code.clone(),
                    text: why.reason.clone(),
                });
                refusal.get_or_insert(why);
            }
        }
    }
    Err(refusal.map_or_else(
        || Ending::refused("NotApplicableModality", "the study holds no image"),
        Ending::Refused,
    ))
}

fn score_candidate(
    (stages, reading): With<'_>,
    candidate: Candidate<'_>,
    kept: &mut Kept,
    room: Room<'_>,
    timings: &mut Timings,
) -> Result<ModelOutput, Ending> {
    let (image, input, odd) = {
        let _turn = room.turns.take();
        let (frame, odd) =
            timings.time("decode", || files::decode(candidate, stages.reader.as_ref(), kept))?;
        timings.time("preprocess", || {
            let image = grey_image(&frame)?;
            let input = Arc::new(reading.bundle.prepare(&image));
            Ok::<_, Ending>((image, input, odd))
        })?
    };
    let device = timings.time("load", || room.scoring.device(reading.model))?;
    let scores = timings.time("score", || room.scoring.score(reading.model, &input))?;
    if candidate.check_frontal && !scores.chest.is_some_and(|chest| chest.is_frontal) {
        return Err(Ending::refused(
            "NotApplicableView",
            "body part or view is not stated, and the picture does not pass as an upright frontal chest radiograph",
        ));
    }
    if is_something_else(&scores, reading) {
        return Err(Ending::refused(
            "NotApplicablePicture",
            "the header states a frontal view of the chest, and the picture is surely something else",
        ));
    }
    let segments = segments(&scores.segments, reading, candidate.file.instance.spacing_in_patient());
    let label = most_telling(&scores);
    let over = timings.time("saliency", || over(&scores, &segments, (&input, &image), (reading, room)))?;
    let _turn = room.turns.take();
    Ok(ModelOutput {
        sop_instance_uid: candidate.file.instance.sop_instance_uid.to_string(),
        device,
        findings: scores.findings.iter().map(finding).collect(),
        segments,
        view_ap: scores.chest.map(|chest| storable(chest.view_ap)),
        frontal: scores.chest.map(|chest| storable(chest.frontal)),
        novelty: scores.out_of_distribution.map(|novelty| storable(novelty.score)),
        dropped: Vec::new(),
        warnings: warnings(candidate, &odd, &scores, reading),
        picture: timings.time("picture", || picture(&image, over.as_ref(), label))?,
    })
}

/// What is laid over the picture: where the model looked, or the edges of what it outlines.
fn over(
    scores: &Scores,
    segments: &[SegmentOutput],
    (input, image): (&Arc<GreyImage>, &GreyImage),
    (reading, room): (&Reading, Room<'_>),
) -> Result<Option<GreyImage>, Ending> {
    if reading.bundle.model_card().says_where_it_looked() {
        let label = most_telling(scores);
        let (width, height) = within(image, MAP_SIDE);
        let map = match map(scores, &label, (width, height)) {
            Some(map) => map,
            None => room.scoring.saliency(reading.model, input, &label)?,
        };
        return Ok(Some(models::preprocess::resize(&map, width, height)));
    }
    // a line is as thin as the picture's pixels
    let (width, height) = within(image, PAGE_SIDE);
    let mut line = vec![0.0_f32; width * height];
    for segment in segments {
        for (pixel, own) in line.iter_mut().zip(segment.mask.outline(width, height).pixels()) {
            *pixel = pixel.max(*own);
        }
    }
    Ok(GreyImage::new(width, height, line).ok().filter(|line| line.pixels().iter().any(|value| *value > 0.0)))
}

/// What the model outlines, with its area where the image says how large its pixels are. What is smaller than the model's
/// least area is none.
fn segments(scores: &[Segment], reading: &Reading, spacing: Option<[f64; 2]>) -> Vec<SegmentOutput> {
    let pixel_mm2 = spacing.map(|[rows, columns]| rows * columns);
    let labels = &reading.bundle.model_card().segments;
    let one = |segment: &Segment| {
        let area_mm2 = pixel_mm2.map(|pixel| pixel * segment.mask.pixels() as f64);
        let label = labels.iter().find(|label| label.name == segment.label);
        let is_one = label.is_none_or(|label| label.is_large_enough(segment.mask.pixels(), area_mm2));
        let (mask, area_mm2) = if is_one {
            (segment.mask.clone(), area_mm2)
        } else {
            (segment.mask.emptied(), area_mm2.map(|_| 0.0))
        };
        SegmentOutput {
            label: segment.label.clone(),
            mask,
            area_mm2: area_mm2.map(storable_area),
            probability: segment.probability.filter(|_| is_one).map(storable),
        }
    };
    scores.iter().map(one).collect()
}

/// Whether the picture is surely no frontal chest radiograph, whatever the header says.
fn is_something_else(scores: &Scores, reading: &Reading) -> bool {
    let model = reading.bundle.model_card();
    let (Some(chest), Some(threshold)) = (scores.chest, model.frontal_threshold) else { return false };
    let novelty = scores.out_of_distribution;
    let novel = novelty.is_some_and(|novelty| novelty.score > reading.pipeline.most_novel);
    chest.frontal < reading.pipeline.least_frontal || (chest.frontal < threshold && novel)
}

fn grey_image(frame: &Frame) -> Result<GreyImage, Ending> {
    let image = GreyImage::new(frame.columns, frame.rows, frame.grey())
        .map_err(|error| Ending::refused(error.code(), error.to_string()))?;
    if is_blank(&image) {
        let code = RefusalCode::BlankImage.as_str();
        return Err(Ending::refused(code, "the image is blank: all its grey values are the same"));
    }
    Ok(image)
}

/// Whether the standard deviation of the grey values is below the least.
fn is_blank(image: &GreyImage) -> bool {
    let grey = image.pixels();
    let first = grey.first().copied().map_or(0.0, f64::from);
    // Two values that differ by d make a variance of d² / 2n at least: most pictures show two such in their first rows.
    let far = LEAST_DEVIATION * (2.0 * grey.len() as f64).sqrt();
    grey.iter().all(|value| (f64::from(*value) - first).abs() <= far) && image.deviation() < LEAST_DEVIATION
}

/// The finding that the overlay explains: the one highest above its own upper threshold.
fn most_telling(scores: &Scores) -> String {
    let rank = |present: ModelPresent| match present {
        ModelPresent::Absent => 0,
        ModelPresent::Indeterminate => 1,
        ModelPresent::Present => 2,
    };
    scores
        .findings
        .iter()
        .max_by(|one, other| {
            rank(one.present).cmp(&rank(other.present)).then(one.probability.total_cmp(&other.probability))
        })
        .map(|score| score.label.clone())
        .unwrap_or_default()
}

fn finding(score: &models::Score) -> FindingScore {
    FindingScore {
        label: score.label.clone(),
        logit: storable(score.logit),
        probability: storable(score.probability),
        present: match score.present {
            ModelPresent::Present => Present::Present,
            ModelPresent::Indeterminate => Present::Indeterminate,
            ModelPresent::Absent => Present::Absent,
        },
    }
}

fn warnings(candidate: Candidate<'_>, odd: &[Warning], scores: &Scores, reading: &Reading) -> Vec<Note> {
    let instance = &candidate.file.instance;
    let note = |code: &str, text: String| Note {
        sop_instance_uid: Some(instance.sop_instance_uid.to_string()),
        code: code.to_owned(),
        text,
    };
    let mut notes: Vec<_> = odd.iter().map(|one| note(one.code.as_str(), one.message.clone())).collect();
    if instance.burned_in_annotation == Some(true) {
        notes.push(note("BurnedInAnnotation", "the image says that it carries burned-in annotation".into()));
    }
    if instance.lossy {
        notes.push(note("LossyCompression", "the image was compressed with loss".into()));
    }
    if scores.out_of_distribution.is_some_and(|novelty| novelty.exceeded) {
        let text = match reading.bundle.model_card().out_of_distribution {
            Outside::NotAssessed => {
                "the picture is unlike those that the model was trained on: its findings are not said"
            }
            Outside::Warned => {
                "the picture is unlike those that the model was trained on: its findings deserve less trust"
            }
        };
        notes.push(note("OutOfDistribution", text.into()));
    }
    let model = reading.bundle.model_card();
    let doubtful =
        scores.chest.zip(model.frontal_threshold).is_some_and(|(chest, from)| chest.frontal < from);
    if !candidate.check_frontal && doubtful {
        let text =
            "the picture does not look like an upright frontal chest radiograph, though the header says so";
        notes.push(note("FrontalDoubt", text.into()));
    }
    if candidate.check_frontal {
        let text = "body part or view is not stated; the picture itself passes as an upright frontal chest radiograph";
        notes.push(note("ViewFromPicture", text.into()));
    }
    if let Some(text) = instance.age_years.and_then(|age| model.age_note(age)) {
        notes.push(note("AgeOutsideTraining", text));
    }
    notes
}

/// The map that came with the scores, in the picture's geometry.
fn map(scores: &Scores, label: &str, (width, height): (usize, usize)) -> Option<GreyImage> {
    let index = scores.findings.iter().position(|score| score.label == label)?;
    scores.maps.as_ref()?.of(index, width, height)
}

/// Width and height of a picture whose longer side is at most this long.
fn within(image: &GreyImage, most: usize) -> (usize, usize) {
    let longer = image.width().max(image.height());
    let side = |length: usize| (length * most / longer).max(1);
    if longer > most { (side(image.width()), side(image.height())) } else { (image.width(), image.height()) }
}

/// The radiograph, and what is laid over it, as PNG files of the same shape.
fn picture(image: &GreyImage, over: Option<&GreyImage>, label: String) -> Result<PictureData, Ending> {
    let (width, height) = within(image, PAGE_SIDE);
    let is_small = (width, height) == (image.width(), image.height());
    let small = (!is_small).then(|| models::preprocess::resize(image, width, height));
    let written = png::grey(small.as_ref().unwrap_or(image))
        .and_then(|grey| Ok((grey, over.map(png::heat).transpose()?.unwrap_or_default())));
    let (grey, heat) = written.map_err(|_| {
        Ending::failed("Picture", "the picture for the page could not be written", "Report this as a defect.")
    })?;
    Ok(PictureData {
        png_base64: STANDARD.encode_to_string(grey),
        width: pixels(width),
        height: pixels(height),
        saliency_label: label,
        saliency_base64: STANDARD.encode_to_string(heat),
    })
}

fn pixels(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_blank_by_its_deviation_and_not_by_its_brightest_pixel() {
        const PIXELS: u16 = 40_000;
        let blank = |grey: Vec<f32>| is_blank(&GreyImage::new(200, 200, grey).unwrap());
        let with_one = |far: f32| {
            let mut grey = vec![0.25; PIXELS.into()];
            grey[30_000] += far;
            blank(grey)
        };
        // one pixel that is d away makes a deviation of d / 200
        assert_eq!([0.0, 0.019, 0.021, 0.5].map(with_one), [true, true, false, false]);
        let ramp = |high: f32| -> Vec<f32> {
            (0..PIXELS).map(|pixel| high * f32::from(pixel) / f32::from(PIXELS)).collect()
        };
        // that of a ramp is its height by the root of 12
        assert!(blank(ramp(3e-4)) && !blank(ramp(4e-4)) && !blank(ramp(1.0)));
    }
}
