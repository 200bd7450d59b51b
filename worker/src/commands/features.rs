//! `chiasm features`: what the record said at a time.

use std::fs;
use std::io::Write;

use anyhow::{Context, bail};
use fusion::features::{CELLS, ROW_NAMES, rows, to_text};
use fusion::record::exported_patients;
use fusion::{AssessInput, FeatureTable, LateFusionModel, Record, Risk, Schema, WhatIf};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

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
    if let Some(asked) = &args.what_if {
        return what_if(args, asked, (&record, &table), &zone);
    }
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

/// Prints every risk of the record, without a picture, before and after one input is changed.
fn what_if(
    args: &FeaturesArgs,
    asked: &str,
    (record, table): (&Record, &FeatureTable),
    zone: &TimeZone,
) -> anyhow::Result<u8> {
    let (name, value) = asked.split_once('=').ok_or_else(|| Usage(format!("`{asked}` is not NAME=VALUE")))?;
    let nodules = fusion::nodules(record, args.at, zone);
    let lesions = fusion::prostate_lesions(record, args.at, zone);
    let late_fusion = LateFusionModel::embedded().ok();
    let input = AssessInput {
        t0: args.at,
        features: Some(table),
        nodules: &nodules,
        prostate: &[],
        lesions: &lesions,
        image: None,
        header: None,
        late_fusion: late_fusion.as_ref(),
    };
    let found = fusion::what_if(&input, name, value).map_err(|error| Usage(error.to_string()))?;
    let mut out = std::io::stdout().lock();
    match args.format {
        TableFormat::Text => {
            writeln!(out, "what if {name} = {value}, at {}\n", args.at)?;
            writeln!(out, "{:16}  {:>18}  {:>18}  log odds", "risk", "before", "after")?;
            for one in &found {
                writeln!(out, "{}", line(one))?;
            }
        }
        TableFormat::Json => {
            let whole = json!({ "t0": args.at, "set": { name: value }, "risks": found });
            writeln!(out, "{}", serde_json::to_string_pretty(&whole)?)?;
        }
        TableFormat::Csv | TableFormat::Parquet => {
            bail!(Usage("--what-if prints text or JSON".to_owned()));
        }
    }
    Ok(0)
}

/// A risk before and after, and why there is none after.
fn line(one: &WhatIf) -> String {
    let number = |risk: Option<&Risk>| {
        let Some(risk) = risk else { return "not listed".to_owned() };
        match (risk.probability, risk.low.zip(risk.high)) {
            (Some(probability), _) => format!("{:.2} %", probability * 100.0),
            (None, Some((low, high))) => format!("{:.2} to {:.2} %", low * 100.0, high * 100.0),
            (None, None) => "none".to_owned(),
        }
    };
    let (before, after) = (number(one.before.as_ref()), number(one.after.as_ref()));
    let change = one.change_logit.map(|logit| format!("{logit:+.3}"));
    let why = one.after.as_ref().and_then(|risk| risk.reason.clone());
    let last = change.or(why).unwrap_or_default();
    format!("{:16}  {before:>18}  {after:>18}  {last}", one.id).trim_end().to_owned()
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
