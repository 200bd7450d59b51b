//! `chiasm demo`: everything once, on an invented patient.

use std::io::Write;

use dicom_ingest::phantom::Opacity;

use super::analyze;
use crate::cli::{AnalyzeArgs, DemoArgs, SiteArgs};
use crate::demo;

/// A shadow in the right upper field, where the record's nodule is said to be.
const OPACITY: Opacity = Opacity { x: 0.31, y: 0.33, diameter_mm: 34.0, density: 0.55 };

/// Makes study and record, analyses both, and says where the report lies.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<u8> {
    let opacity = (!args.clear_lungs).then_some(OPACITY);
    let made = demo::write(&args.out, args.seed, opacity)?;
    tracing::info!(study = %made.study.display(), record = %made.record.display(), "phantom study and synthetic record written");
    let reports = args.out.join("report");
    let code = analyze::run(&AnalyzeArgs {
        pipeline: None,
        paths: vec![made.study.clone()],
        record: Some(made.record.clone()),
        out: reports,
        device: args.device,
        json: args.json,
        site: SiteArgs { config: None, site_zone: None, language: args.language },
    })?;
    if !args.json {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nThe patient is invented and the radiograph is drawn: what it says means nothing.")?;
        writeln!(out, "Open the page (html) in a browser; the bundle is what a FHIR server would receive.")?;
        writeln!(out, "Next, on your own study:\n  chiasm analyze STUDY_FOLDER --record RECORD.json")?;
    }
    Ok(code)
}
