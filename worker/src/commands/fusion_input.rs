//! `chiasm fusion embed | table`: what models with pictures are trained on.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use fusion::features;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use models::{Bundle, GreyImage, Scorer};

use super::Usage;
use crate::cli::fusion::{FusionEmbedArgs, FusionTableArgs};
use crate::training::fusion::records;
use crate::training::radiographs::grey_picture;
use crate::training::table::{Table, picture};

/// Writes one vector a picture.
pub(super) fn embed(args: &FusionEmbedArgs) -> anyhow::Result<u8> {
    let bundle = match &args.bundle {
        Some(folder) => Bundle::open(folder)?,
        None => Bundle::embedded()?,
    };
    let scorer = Scorer::load(&bundle, &crate::device::open(args.device)?)?;
    let table = Table::open(&args.data).context("the table could not be read")?;
    let writing = || format!("could not write `{}`", args.out.display());
    let mut writer = csv::Writer::from_path(&args.out).with_context(writing)?;
    let bar = super::models::bar("{bar:30} {pos}/{len} pictures");
    bar.set_length(table.len() as u64);
    let (mut seen, mut written) = (BTreeSet::new(), 0_usize);
    for row in table.rows() {
        bar.inc(1);
        let key = row.text(&args.column)?;
        let path = args.folder.join(key);
        let found = alternatives(&path);
        if key.is_empty() || !seen.insert(key.to_owned()) || args.skip_absent && found.is_none() {
            continue;
        }
        let path = found.unwrap_or(path);
        let image = match grey_picture(&path) {
            Some(image) => image,
            None => picture(&path, &dicom_ingest::limits::Limits::default())?,
        };
        let vector = if args.logits { logits(&scorer, image)? } else { embedding(&scorer, image)? };
        if written == 0 {
            let names = (0..vector.len()).map(|at| format!("e{at}"));
            writer.write_record(std::iter::once(args.column.clone()).chain(names)).with_context(writing)?;
        }
        let numbers = vector.iter().map(ToString::to_string);
        writer.write_record(std::iter::once(key.to_owned()).chain(numbers)).with_context(writing)?;
        written += 1;
    }
    bar.finish_and_clear();
    writer.flush().with_context(writing)?;
    tracing::info!(pictures = written, bundle = bundle.id(), identity = bundle.identity()?, "embedded");
    Ok(0)
}

/// What the networks' last layers see of a picture.
fn embedding(scorer: &Scorer, image: GreyImage) -> anyhow::Result<Vec<f32>> {
    Ok(scorer.embed(&[image])?.into_iter().next().unwrap_or_default())
}

/// The logits of the findings, in the bundle's order: what a report has of a picture.
#[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
fn logits(scorer: &Scorer, image: GreyImage) -> anyhow::Result<Vec<f32>> {
    let scores = scorer.score(&[image])?.into_iter().next();
    let findings = scores.map(|scores| scores.findings).unwrap_or_default();
    Ok(findings.iter().map(|score| score.logit as f32).collect())
}

/// The file, or one of the same name with another picture's ending: data sets are published again in other formats.
fn alternatives(path: &std::path::Path) -> Option<std::path::PathBuf> {
    let others = ["jpg", "jpeg", "png", "dcm"].map(|ending| path.with_extension(ending));
    std::iter::once(path.to_owned()).chain(others).find(|path| path.is_file())
}

/// Writes the table with what the records said.
pub(super) fn table(args: &FusionTableArgs) -> anyhow::Result<u8> {
    let zone = TimeZone::get(&args.site_zone)
        .map_err(|_| Usage(format!("`{}` is no zone; write one such as `Europe/Berlin`", args.site_zone)))?;
    let records = records(&args.records).context("the records could not be read")?;
    let table = Table::open(&args.data).context("the table could not be read")?;
    let writing = || format!("could not write `{}`", args.out.display());
    let mut writer = csv::Writer::from_path(&args.out).with_context(writing)?;
    let added = args.features.iter().flat_map(|name| [name.clone(), format!("{name}_age_days")]);
    writer.write_record(table.columns().iter().cloned().chain(added)).with_context(writing)?;
    for (at, row) in table.rows().enumerate() {
        let Some(record) = records.get(row.text(&args.patient)?) else {
            bail!("no record carries the identifier of row {}", at + 1);
        };
        let t0: Timestamp = row.number(&args.at)?;
        let found = features(record, t0, &zone);
        let mut cells: Vec<String> = table
            .columns()
            .iter()
            .map(|column| row.text(column).map(str::to_owned))
            .collect::<Result<_, _>>()?;
        for name in &args.features {
            let stated = features::cells(&found, name, args.max_age_days);
            cells
                .extend(stated.with_context(|| {
                    format!("there is no feature `{name}`; `chiasm features` lists them")
                })?);
        }
        writer.write_record(cells).with_context(writing)?;
    }
    writer.flush().with_context(writing)?;
    Ok(0)
}
