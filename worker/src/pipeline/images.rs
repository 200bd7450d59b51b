//! From files to model output: read, select, decode, preprocess, score.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64_simd::STANDARD;
use dicom_ingest::frame::Frame;
use dicom_ingest::reader::Reader;
use dicom_ingest::refusal::{Refusal, RefusalCode};
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::discover;
use dicom_ingest::study::{RefusedFile, Study, StudyFile, StudyOutcome};
use dicom_ingest::warning::Warning;
use jiff::tz::TimeZone;
use models::{GreyImage, Outside, Present as ModelPresent, Scores, Segment};

use super::evidence::Evidence;
use super::output::{FindingScore, ModelOutput, Note, PictureData, SegmentOutput, storable, storable_area};
use super::png;
use super::timings::Timings;
use super::{Room, Stages};
use crate::ending::Ending;
use crate::job::{Request, UNREADABLE, hex};
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

/// Most samples of an image that is decoded: 8192 x 8192, more than any detector has.
const MOST_SAMPLES: u64 = 64 << 20;

/// Grey values whose standard deviation is below this hold no picture.
const LEAST_DEVIATION: f64 = 1e-4;

/// Reads the headers of the job's files and checks that they are still what was accepted.
pub(super) fn study(
    study_uid: &str,
    request: &Request,
    reader: &dyn Reader,
    site_zone: &TimeZone,
    evidence: &mut Evidence,
) -> Result<Arc<Study>, Ending> {
    let changed = || {
        Ending::refused(
            "SourceChanged",
            "a file of the study was changed or removed after the job was accepted",
        )
    };
    let study = if let Some(fetched) = evidence.study.take() {
        fetched
    } else {
        let paths = paths(request, evidence.root.as_deref()).ok_or_else(changed)?;
        let files = paths.iter().zip(&request.files);
        let unread: BTreeSet<&Path> =
            files.filter(|(_, file)| file.sha256 == UNREADABLE).map(|(path, _)| path.as_path()).collect();
        Arc::new(read(study_uid, &paths, &unread, reader)?.ok_or_else(changed)?)
    };
    let accepted: BTreeSet<&str> = request.files.iter().map(|file| file.sha256.as_str()).collect();
    let as_accepted = |file: &StudyFile| accepted.contains(hex(&file.instance.sha256).as_str());
    if !study.instances.iter().all(as_accepted) {
        return Err(changed());
    }
    evidence.started = study.started.as_ref().map(|started| started.instant(site_zone));
    evidence.study = Some(Arc::clone(&study));
    Ok(study)
}

/// Where the job's files lie; `None` where they are on another machine and were not fetched.
fn paths(request: &Request, root: Option<&Path>) -> Option<Vec<PathBuf>> {
    let files = request.files.iter();
    match (&request.fetched_from, root) {
        (None, _) => Some(files.map(|file| file.path.clone()).collect()),
        (Some(_), Some(root)) => Some(files.map(|file| root.join(&file.path)).collect()),
        (Some(_), None) => None,
    }
}

/// The study as its files stand now; `None` when they are not what was accepted. `unread` are those that could not be read then.
fn read(
    study_uid: &str,
    paths: &[PathBuf],
    unread: &BTreeSet<&Path>,
    reader: &dyn Reader,
) -> Result<Option<Study>, Ending> {
    let Ok(discovery) = discover(paths, reader, &mut |_| {}) else { return Ok(None) };
    // Another file that was accepted could be read then: that it cannot be now is its reader's doing, not another content's.
    let is_lost = |file: &&RefusedFile| match file.refusal.code {
        RefusalCode::DecoderUnavailable => true,
        code => code.is_of_the_process() && !unread.contains(file.path.as_path()),
    };
    if let Some(file) = discovery.unreadable.iter().find(is_lost) {
        return Err(ending(file.refusal.clone()));
    }
    match discovery.studies.into_iter().find(|study| study.uid().as_str() == study_uid) {
        None => Ok(None),
        Some(StudyOutcome::Ready(mut study)) => {
            // they were accepted as files of this study, whatever they say
            study.adopt(discovery.unreadable);
            Ok(Some(*study))
        }
        Some(StudyOutcome::Refused(refused)) => {
            Err(Ending::refused(refused.refusal.code.as_str(), refused.refusal.message))
        }
    }
}

/// Scores the best image that can be read.
pub(super) fn score(
    with: With<'_>,
    candidates: &[Candidate<'_>],
    room: Room<'_>,
    timings: &mut Timings,
) -> Result<ModelOutput, Ending> {
    let mut dropped = Vec::new();
    let mut refusal = None;
    for candidate in candidates {
        match score_candidate(with, *candidate, room, timings) {
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
    room: Room<'_>,
    timings: &mut Timings,
) -> Result<ModelOutput, Ending> {
    let (image, input, odd) = {
        let _turn = room.turns.take();
        let (frame, odd) = timings.time("decode", || decode_frame(candidate, stages.reader.as_ref()))?;
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

/// Whether the header promises one radiograph of a size that one can have; nothing is decoded of what it does not.
fn check_size(candidate: Candidate<'_>) -> Result<(), Ending> {
    let Some(pixels) = &candidate.file.instance.pixels else { return Ok(()) };
    if pixels.frames != 1 {
        return Err(Ending::refused(
            "UnsupportedPixel",
            "the image has more than one frame where one radiograph is expected",
        ));
    }
    if pixels.samples_per_frame() > MOST_SAMPLES {
        let reason = format!("the image has more than {MOST_SAMPLES} pixels, more than a radiograph has");
        return Err(Ending::refused(RefusalCode::PixelLimit.as_str(), reason));
    }
    Ok(())
}

/// The one frame of an image, and what was odd about it but harmless, in its header and in its pixels.
fn decode_frame(candidate: Candidate<'_>, reader: &dyn Reader) -> Result<(Frame, Vec<Warning>), Ending> {
    check_size(candidate)?;
    let bytes = read_file(&candidate.file.path, reader.limits())
        .map_err(|_| Ending::refused("UnreadableFile", "a file of the study could not be read"))?;
    let decoded = reader.decode(&bytes).map_err(ending)?;
    if decoded.instance.sha256 != candidate.file.instance.sha256 {
        return Err(Ending::refused("SourceChanged", "a file of the study was changed while it was read"));
    }
    let odd = decoded.instance.warnings;
    let mut frames = decoded.frames.into_iter();
    match (frames.next(), frames.next()) {
        (Some(frame), None) => Ok((frame, odd)),
        _ => Err(Ending::refused(
            "UnsupportedPixel",
            "the image has more than one frame where one radiograph is expected",
        )),
    }
}

/// A refusal is the image's doing, but for the one that says that nothing could read it.
fn ending(refusal: Refusal) -> Ending {
    let code = refusal.code.as_str();
    if refusal.code == RefusalCode::DecoderUnavailable {
        let next_step =
            "Free memory of the machine, and submit the study again; after an upgrade, restart every worker.";
        return Ending::failed(code, refusal.message, next_step);
    }
    Ending::refused(code, refusal.message)
}

fn grey_image(frame: &Frame) -> Result<GreyImage, Ending> {
    let grey = frame.grey();
    if is_blank(&grey) {
        let code = RefusalCode::BlankImage.as_str();
        return Err(Ending::refused(code, "the image is blank: all its grey values are the same"));
    }
    GreyImage::new(frame.columns, frame.rows, grey)
        .map_err(|error| Ending::refused(error.code(), error.to_string()))
}

/// Whether the standard deviation of the grey values is below the least.
fn is_blank(grey: &[f32]) -> bool {
    let count = grey.len().max(1) as f64;
    let first = grey.first().copied().map_or(0.0, f64::from);
    // Two values that differ by d make a variance of d² / 2n at least: most pictures show two such in their first rows.
    let far = LEAST_DEVIATION * (2.0 * count).sqrt();
    if grey.iter().any(|value| (f64::from(*value) - first).abs() > far) {
        return false;
    }
    let mean = grey.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let variance = grey.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
    variance.sqrt() < LEAST_DEVIATION
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
    let small = models::preprocess::resize(image, width, height);
    let written =
        png::grey(&small).and_then(|grey| Ok((grey, over.map(png::heat).transpose()?.unwrap_or_default())));
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
mod tests;
