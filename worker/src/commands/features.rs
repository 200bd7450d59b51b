//! `chiasm features`: what the record said at a time.

use std::fs;
use std::io::Write;

use anyhow::{Context, bail};
use fusion::features::{CELLS, ROW_NAMES, rows, to_text};
use fusion::record::exported_patients;
use fusion::{FeatureTable, Record, Schema};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Usage;
use crate::cli::features::{FeaturesArgs, TableFormat};
use crate::parquet::{self, Column};

/// Prints the table.
pub(super) fn run(args: &FeaturesArgs) -> anyhow::Result<u8> {
    let zone = TimeZone::get(&args.site_zone)
        .map_err(|_| Usage(format!("`{}` is no zone; write one such as `Europe/Berlin`", args.site_zone)))?;
    let own = args.schema.as_ref().map(|path| {
        let text =
            fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))?;
        Schema::parse(&text).map_err(|error| anyhow::Error::from(Usage(error.to_string())))
    });
    let own = own.transpose()?;
    let schema = if let Some(own) = &own { own } else { Schema::built_in() };
    let record = record(args)?;
    let table = fusion::features_by(schema, &record, args.at, &zone);
    let mut out = std::io::stdout().lock();
    match args.format {
        TableFormat::Text => write!(out, "{}", to_text(&table))?,
        TableFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(&table)?)?,
        TableFormat::Csv => {
            let mut writer = csv::Writer::from_writer(out);
            writer.write_record(ROW_NAMES)?;
            for row in rows(schema, &table) {
                writer.write_record(row)?;
            }
            writer.flush()?;
        }
        TableFormat::Parquet => out.write_all(&parquet(schema, &table))?,
    }
    Ok(0)
}

/// The rows of the CSV with types: `value` is text as there, `number` the same where it is one.
fn parquet(schema: &Schema, table: &FeatureTable) -> Vec<u8> {
    let rows = rows(schema, table);
    let cell = |row: &[String; CELLS], at: usize| Some(row[at].clone()).filter(|text| !text.is_empty());
    let mut columns: Vec<(&str, Column)> = Vec::new();
    for (at, name) in ROW_NAMES.iter().enumerate() {
        let texts = || rows.iter().map(move |row| cell(row, at));
        let numbers = || texts().map(|text| text?.parse().ok()).collect();
        columns.push(match *name {
            "window_days" => (name, Column::Integer(texts().map(|text| text?.parse().ok()).collect())),
            "age_days" => (name, Column::Number(numbers())),
            "available" => {
                let instant = |text: Option<String>| text?.parse().ok().map(Timestamp::as_microsecond);
                (name, Column::Instant(texts().map(instant).collect()))
            }
            _ => (name, Column::Text(texts().collect())),
        });
        if *name == "value" {
            columns.push(("number", Column::Number(numbers())));
        }
    }
    let (t0, schema) = (table.t0.to_string(), table.schema.clone());
    parquet::file(&columns, &[("chiasm.schema", &schema), ("chiasm.t0", &t0), ("chiasm.zone", &table.zone)])
}

/// The bundle, or the lines of one patient of a bulk export.
fn record(args: &FeaturesArgs) -> anyhow::Result<Record> {
    let read = |path: &std::path::PathBuf| {
        fs::read(path).with_context(|| format!("could not read `{}`", path.display()))
    };
    let files: Vec<Vec<u8>> = args.record.iter().map(read).collect::<Result<_, _>>()?;
    let is_export = args.record.iter().any(|path| path.extension().is_some_and(|ending| ending == "ndjson"));
    if !is_export {
        let [bundle] = files.as_slice() else {
            bail!(Usage("name one bundle, or the .ndjson files of a bulk export".into()));
        };
        return Ok(Record::from_json(bundle)?);
    }
    let parts: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let patient = match &args.patient {
        Some(patient) => patient.clone(),
        None => match exported_patients(parts.iter().copied()).as_slice() {
            [only] => only.id.clone(),
            several => {
                bail!(Usage(format!("the export holds {} patients; name one with --patient", several.len())))
            }
        },
    };
    Ok(Record::from_export(&parts, &patient)?)
}
