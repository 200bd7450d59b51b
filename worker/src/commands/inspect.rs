//! `chiasm inspect`: what a study is, what would be read of it, and why.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use dicom_ingest::decode::Decoded;
use dicom_ingest::file::FileBytes;
use dicom_ingest::frame::Frame;
use dicom_ingest::reader::Reader;
use dicom_ingest::series::Series;
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::{Discovery, discover};
use dicom_ingest::study::StudyOutcome;
use models::GreyImage;

use super::{Usage, load, with_source};
use crate::cli::inspect::InspectArgs;
use crate::declaration::Pipeline;
use crate::decoders;
use crate::inspect::sheet::{self, MOST_ROWS, Pick, Row, Tile};
use crate::inspect::{self, Asked, InspectedFile, InspectedStudy, tree};
use crate::readings::{Reading, Readings};

/// Exit code where something is not read.
const NOT_READ: u8 = 3;

/// Shows the studies under the paths.
pub(super) fn run(args: &InspectArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, None)?;
    let readings = Readings::open(&config).context("the site's pipelines are not usable")?;
    let tried = tried(args)?;
    let card_of = |pipeline: &Pipeline| {
        let reading = readings.all().iter().find(|reading| reading.bundle.id() == pipeline.model);
        reading.map(|reading| reading.bundle.model_card())
    };
    let asked: Vec<Asked<'_>> = match &tried {
        Some(tried) => tried.iter().map(|pipeline| Asked { pipeline, model: card_of(pipeline) }).collect(),
        None => readings
            .all()
            .iter()
            .map(|Reading { pipeline, bundle, .. }| Asked { pipeline, model: Some(bundle.model_card()) })
            .collect(),
    };
    let reader = decoders::open(&config.worker)?;
    let found = read(&args.paths, &reader)?;
    let studies: Vec<InspectedStudy> =
        found.studies.iter().map(|study| inspect::study(study, &asked)).collect();
    let files: Vec<InspectedFile> = found.unreadable.iter().map(inspect::file).collect();
    show(args, &studies, &files)?;
    if let Some(path) = &args.contact_sheet {
        let png = sheet::png(&rows(&found.studies, reader.as_ref()))
            .context("the contact sheet could not be drawn")?;
        fs::write(path, png).with_context(|| format!("could not write `{}`", path.display()))?;
    }
    if found.not_dicom > 0 {
        tracing::warn!(files = found.not_dicom, "skipped files that are no DICOM instances");
    }
    let all_read = studies.iter().all(|study| study.is_read() && study.refused == 0);
    Ok(if all_read && files.is_empty() && !studies.is_empty() { 0 } else { NOT_READ })
}

/// A declaration that is tried instead of the site's pipelines.
fn tried(args: &InspectArgs) -> anyhow::Result<Option<Vec<Pipeline>>> {
    let Some(path) = &args.pipelines else { return Ok(None) };
    let text = fs::read_to_string(path)
        .map_err(|error| Usage(format!("could not read `{}`: {error}", path.display())))?;
    let parsed = Pipeline::parse(&text);
    let parsed = parsed.map_err(|error| Usage(format!("`{}`: {}", path.display(), with_source(&error))))?;
    Ok(Some(parsed))
}

fn read(paths: &[PathBuf], reader: &Arc<dyn Reader>) -> anyhow::Result<Discovery> {
    let bar = indicatif::ProgressBar::new_spinner();
    let found = discover(paths, reader.as_ref(), &mut |files| {
        bar.set_message(format!("{files} files read"));
        bar.tick();
    });
    bar.finish_and_clear();
    found.map_err(|error| Usage(with_source(&error)).into())
}

fn show(args: &InspectArgs, studies: &[InspectedStudy], files: &[InspectedFile]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for study in studies {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(study)?)?;
        } else {
            write!(out, "{}", tree::study(study))?;
        }
    }
    for file in files {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(file)?)?;
        } else {
            write!(out, "{}", tree::file(file))?;
        }
    }
    if !args.json && studies.is_empty() && files.is_empty() {
        writeln!(out, "no DICOM study lies under the paths")?;
    }
    Ok(())
}

/// The rows of the sheet: series with images, of all studies.
fn rows(studies: &[StudyOutcome], reader: &dyn Reader) -> Vec<Row> {
    let ready = studies.iter().filter_map(|study| match study {
        StudyOutcome::Ready(study) => Some(study.as_ref()),
        StudyOutcome::Refused(_) => None,
    });
    let series = ready.flat_map(Series::of).filter(|series| series.images > 0);
    series
        .take(MOST_ROWS)
        .map(|series| Row { title: sheet::title(&series), tiles: tiles(&series, reader) })
        .collect()
}

/// The pictures of a series. Pictures of one file are taken from one decoding.
fn tiles(series: &Series<'_>, reader: &dyn Reader) -> Vec<Tile> {
    let picks = sheet::picks(series);
    let by_file: Vec<&[Pick]> = picks.chunk_by(|one, other| one.file == other.file).collect();
    let refused = |picks: &[Pick], code: &str| -> Vec<Tile> {
        picks.iter().map(|_| Tile::Refused(code.to_owned())).collect()
    };
    let mut tiles: Vec<Vec<Tile>> = by_file.iter().map(|picks| refused(picks, "UnreadableFile")).collect();
    // Those that could be read, in their order: the next file is read before the last is decoded.
    let handed_over = RefCell::new(VecDeque::new());
    let mut files = by_file.iter().enumerate().filter_map(|(index, picks)| {
        let file = series.files.get(picks.first()?.file)?;
        let bytes = read_file(&file.path, reader.limits()).ok()?;
        handed_over.borrow_mut().push_back(index);
        Some(FileBytes::new(bytes))
    });
    reader.decode_each(&mut files, &mut |decoded| {
        let Some(index) = handed_over.borrow_mut().pop_front() else { return ControlFlow::Break(()) };
        tiles[index] = match decoded {
            Ok(decoded) => of_file(&decoded, by_file[index]),
            Err(refusal) => refused(by_file[index], refusal.code.as_str()),
        };
        ControlFlow::Continue(())
    });
    tiles.into_iter().flatten().collect()
}

fn of_file(decoded: &Decoded, picks: &[Pick]) -> Vec<Tile> {
    let tile = |pick: &Pick| {
        let Some(frame) = decoded.frames.get(pick.frame) else {
            return Tile::Refused("PixelMismatch".into());
        };
        let plane = decoded.instance.planes.get(pick.frame);
        let [row_mm, column_mm] = plane.and_then(|plane| plane.spacing).unwrap_or([1.0, 1.0]);
        let ratio = frame.columns as f64 * column_mm / (frame.rows as f64 * row_mm);
        match GreyImage::new(frame.columns, frame.rows, shown(frame)) {
            Ok(image) => Tile::Picture(image, ratio),
            Err(error) => Tile::Refused(error.code().to_owned()),
        }
    };
    picks.iter().map(tile).collect()
}

/// Grey values for looking at: where the image states no window, as a PET does, they are stretched over what it uses.
fn shown(frame: &Frame) -> Vec<f32> {
    let mut grey = frame.grey();
    let (least, most) =
        grey.iter().fold((1.0_f32, 0.0_f32), |(least, most), value| (least.min(*value), most.max(*value)));
    if frame.transform.voi.is_none() && most > least {
        for value in &mut grey {
            *value = (*value - least) / (most - least);
        }
    }
    grey
}
