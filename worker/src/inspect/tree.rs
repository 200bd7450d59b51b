//! An inspected study as a tree of text for a terminal.

use std::fmt::Write as _;

use super::{Coded, InspectedFile, InspectedSeries, InspectedStudy, Reads};
use crate::terminal::plain;

/// The tree of a study, with a line break at its end.
pub fn study(study: &InspectedStudy) -> String {
    let images: usize = study.series.iter().map(|series| series.images).sum();
    let mut text = format!("study {}: {}\n", study.study_uid, counted(study, images));
    let mut branches: Vec<Vec<String>> = study.series.iter().map(series).collect();
    if study.refused > 0 {
        branches.push(refused(study));
    }
    let notes: Vec<String> = study.warnings.iter().map(coded).collect();
    if let Some(first) = notes.first() {
        let lines =
            std::iter::once(format!("odd but harmless: {first}")).chain(notes.iter().skip(1).cloned());
        branches.push(lines.collect());
    }
    branches.extend(study.pipelines.iter().map(|reads| vec![self::reads(reads)]));
    let last = branches.len().saturating_sub(1);
    for (at, branch) in branches.iter().enumerate() {
        let (head, rest) = if at == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        for (line, words) in branch.iter().enumerate() {
            let lead = if line == 0 { head } else { rest };
            let indent = if line == 0 { "" } else { "  " };
            // writing to a text cannot fail
            let _written: std::fmt::Result = writeln!(text, "{lead}{indent}{words}");
        }
    }
    text
}

/// The line of a file of no readable study.
pub fn file(file: &InspectedFile) -> String {
    format!("file {}: refused: {}\n", plain(&file.file), coded(&file.refusal))
}

fn counted(study: &InspectedStudy, images: usize) -> String {
    if let Some(refusal) = &study.refusal {
        return format!("refused as a whole: {}", coded(refusal));
    }
    let images = if images == 1 { "1 image".to_owned() } else { format!("{images} images") };
    let mut parts = vec![format!("{} series", study.series.len()), images];
    for (count, one, several) in [
        (study.refused, "file refused", "files refused"),
        (study.duplicates, "duplicate left out", "duplicates left out"),
        (study.own_reports, "report of our own left out", "reports of our own left out"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {}", if count == 1 { one } else { several }));
        }
    }
    parts.join(", ")
}

fn series(series: &InspectedSeries) -> Vec<String> {
    let number = series.number.map_or_else(String::new, |number| format!(" {number}"));
    let mut lines = vec![format!("series{number}: {}", what(series)), format!("uid {}", series.series_uid)];
    if !series.descriptions.is_empty() {
        lines.push(format!("described as {}", quoted(&series.descriptions)));
    }
    lines.push(made(series));
    if let Some(geometry) = geometry(series) {
        lines.push(geometry);
    }
    lines.extend(
        series.pipelines.iter().map(|says| format!("{}: {}", plain(&says.pipeline), plain(&says.words))),
    );
    lines
}

/// What it is: modality, orientation, body part, number.
fn what(series: &InspectedSeries) -> String {
    let stated = |values: &[String], lacking: &str| {
        if values.is_empty() { lacking.to_owned() } else { plain(&values.join(" and ")) }
    };
    let mut parts = vec![stated(&series.modalities, "no modality stated")];
    if !series.orientations.is_empty() {
        parts.push(series.orientations.join(" and "));
    }
    parts.push(stated(&series.body_parts, "body part not stated"));
    parts.push(match (series.images, series.instances) {
        (0, 1) => "1 instance without an image".to_owned(),
        (0, instances) => format!("{instances} instances without an image"),
        (1, _) => "1 image".to_owned(),
        (images, instances) if images == instances => format!("{images} images"),
        (images, instances) => format!("{images} images in {instances} instances"),
    });
    if series.localizers > 0 {
        parts.push(format!("{} of them localizers", series.localizers));
    }
    parts.join(", ")
}

/// How its images were made and are written.
fn made(series: &InspectedSeries) -> String {
    let mut parts = Vec::new();
    if let Some([rows, columns]) = series.size {
        parts.push(format!("{rows} x {columns} pixels"));
    }
    if let Some([rows, columns]) = series.pixel_spacing_mm {
        parts.push(format!("{rows:.3} x {columns:.3} mm a pixel"));
    }
    if !series.kernels.is_empty() {
        parts.push(format!("kernel {}", quoted(&series.kernels)));
    }
    if series.contrast {
        parts.push("with contrast agent".to_owned());
    }
    parts.push(plain(&series.transfer_syntaxes.join(" and ")));
    parts.join(", ")
}

/// Slices: thickness as stated, distance as measured.
fn geometry(series: &InspectedSeries) -> Option<String> {
    let mut parts = Vec::new();
    match series.thickness_mm {
        Some([least, most]) if most - least < 1e-3 => parts.push(format!("{least:.2} mm thick as stated")),
        Some([least, most]) => parts.push(format!("{least:.2} to {most:.2} mm thick as stated")),
        None => {}
    }
    if let Some(step) = series.step_mm {
        parts.push(format!("slices {step:.3} mm apart as measured"));
    }
    if let Some([slices, rows, columns]) = series.volume {
        parts.push(format!("a volume of {slices} x {rows} x {columns}"));
    }
    if let Some(refusal) = &series.no_volume {
        parts.push(format!("no volume: {}", coded(refusal)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn refused(study: &InspectedStudy) -> Vec<String> {
    let line = |file: &InspectedFile| format!("{}: {}", plain(&file.file), coded(&file.refusal));
    let mut lines = vec!["refused:".to_owned()];
    lines.extend(study.refused_files.iter().map(line));
    let more = study.refused - study.refused_files.len();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn reads(reads: &Reads) -> String {
    let pipeline = plain(&reads.pipeline);
    match (&reads.refusal, &reads.sop_instance_uid) {
        (Some(refusal), _) => format!("{pipeline} reads nothing of it: {}", coded(refusal)),
        (None, Some(uid)) => format!("{pipeline} reads instance {uid}"),
        (None, None) => format!("{pipeline} reads nothing of it"),
    }
}

fn coded(refusal: &Coded) -> String {
    format!("{} ({})", plain(&refusal.reason), refusal.code)
}

fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("\"{}\"", plain(text))).collect();
    texts.join(", ")
}
