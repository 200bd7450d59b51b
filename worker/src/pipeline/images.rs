//! From the images that are selected to model output: preprocess, score, picture.

use base64_simd::STANDARD;
use dicom_ingest::source::kept::Kept;
use dicom_ingest::warning::Warning;
use models::{GreyImage, Outside, Present as ModelPresent, Scores, Segment};

use super::output::{FindingScore, ModelOutput, Note, PictureData, SegmentOutput, storable, storable_area};
use super::radiograph::Radiograph;
use super::timings::Timings;
use super::{Room, Stages, files, png};
use crate::ending::Ending;
use crate::outcome::Present;
use crate::readings::Reading;
use crate::select::Candidate;

/// The stages, and which of the site's pipelines reads.
type With<'a> = (&'a Stages, &'a Reading);

/// The longer side of the map of where the model looked, in pixels. A network's own map has a tenth of that: more pixels show
/// nothing more, and each of them is packed, coded, digested, stored and sent several times.
const MAP_SIDE: usize = 128;

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
    let (radiograph, odd) = {
        let _turn = room.turns.take();
        let (frame, odd) =
            timings.time("decode", || files::decode(candidate, stages.reader.as_ref(), kept))?;
        (timings.time("preprocess", || Radiograph::new(&frame, &reading.bundle))?, odd)
    };
    let device = timings.time("load", || room.scoring.device(reading.model))?;
    let scores = timings.time("score", || room.scoring.score(reading.model, &radiograph.input))?;
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
    let over = timings.time("saliency", || over(&scores, &segments, &radiograph, (reading, room)))?;
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
        picture: timings.time("picture", || picture(&radiograph.page, over.as_ref(), label))?,
    })
}

/// What is laid over the picture: where the model looked, or the edges of what it outlines.
fn over(
    scores: &Scores,
    segments: &[SegmentOutput],
    radiograph: &Radiograph,
    (reading, room): (&Reading, Room<'_>),
) -> Result<Option<GreyImage>, Ending> {
    if reading.bundle.model_card().says_where_it_looked() {
        let label = most_telling(scores);
        let (width, height) = radiograph.within(MAP_SIDE);
        let map = match map(scores, &label, (width, height)) {
            Some(map) => map,
            None => room.scoring.saliency(reading.model, &radiograph.input, &label)?,
        };
        return Ok(Some(models::preprocess::resize(&map, width, height)));
    }
    // a line is as thin as the picture's pixels
    let (width, height) = (radiograph.page.width(), radiograph.page.height());
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

/// The radiograph, and what is laid over it, as PNG files of the same shape.
fn picture(page: &GreyImage, over: Option<&GreyImage>, label: String) -> Result<PictureData, Ending> {
    let written =
        png::grey(page).and_then(|grey| Ok((grey, over.map(png::heat).transpose()?.unwrap_or_default())));
    let (grey, heat) = written.map_err(|_| {
        Ending::failed("Picture", "the picture for the page could not be written", "Report this as a defect.")
    })?;
    Ok(PictureData {
        png_base64: STANDARD.encode_to_string(grey),
        width: pixels(page.width()),
        height: pixels(page.height()),
        saliency_label: label,
        saliency_base64: STANDARD.encode_to_string(heat),
    })
}

fn pixels(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
