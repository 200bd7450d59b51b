//! `chiasm fusion`: models of tables, with and without pictures.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use fusion::evaluation::Report;
use fusion::evaluation::plot::plots;
use fusion::learned::fused::{Embeddings, FusedConfig, FusedModel, evaluate_fused, train_fused};
use fusion::learned::tabular::{
    Row, Table, TableBuilder, TabularConfig, TabularModel, evaluate_table, train_table,
};
use serde_json::json;

use super::Usage;
use crate::cli::DeviceArg;
use crate::cli::fusion::{FusionCommand, FusionModelArgs, FusionScoreArgs, FusionTrainArgs};
use crate::training::raster;

/// Runs the command.
pub(super) fn run(command: &FusionCommand) -> anyhow::Result<u8> {
    match command {
        FusionCommand::Train(args) => train(args),
        FusionCommand::Evaluate(args) => evaluate(args),
        FusionCommand::Score(args) => score(args),
        FusionCommand::Embed(args) => super::fusion_input::embed(args),
        FusionCommand::Table(args) => super::fusion_input::table(args),
    }
}

fn train(args: &FusionTrainArgs) -> anyhow::Result<u8> {
    let text = fs::read_to_string(&args.config)
        .with_context(|| format!("could not read `{}`", args.config.display()))?;
    let wrong = |error: toml::de::Error| Usage(format!("`{}`: {error}", args.config.display()));
    let has_pictures = toml::from_str::<toml::Table>(&text).map_err(wrong)?.contains_key("image");
    if has_pictures {
        return train_with_pictures(args, &toml::from_str(&text).map_err(wrong)?);
    }
    let config: TabularConfig = toml::from_str(&text).map_err(wrong)?;
    if config.record.is_some() {
        config.check_record().map_err(|error| Usage(error.to_string()))?;
    }
    let trained = train_table(&config, &table(&args.data, &[])?)?;
    write(&args.out, "model.json", trained.model.to_json().as_bytes())?;
    write(&args.out, "card.md", trained.card.as_bytes())?;
    if !trained.holdouts.is_empty() {
        let holdouts = serde_json::to_string_pretty(&trained.holdouts)? + "\n";
        write(&args.out, "holdouts.json", holdouts.as_bytes())?;
    }
    reported(&args.out, &trained.report)?;
    writeln!(std::io::stdout(), "{}", trained.card)?;
    Ok(0)
}

fn train_with_pictures(args: &FusionTrainArgs, config: &FusedConfig) -> anyhow::Result<u8> {
    if config.table.record.is_some() {
        config.check_record().map_err(|error| Usage(error.to_string()))?;
    }
    let device = crate::device::open(DeviceArg::Cpu)?;
    let (table, vectors) = (table(&args.data, &[])?, vectors(args.embeddings.as_deref())?);
    let bar = super::models::bar("{bar:30} {pos}/{len} splits");
    let trained = train_fused(config, &table, &vectors, device.burn(), &mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    write(&args.out, "model.json", trained.model.to_json().as_bytes())?;
    write(&args.out, "card.md", trained.card.as_bytes())?;
    reported(&args.out, &trained.ladder.report)?;
    // last, so that it stands in the place of the report alone: the report is a part of it
    write(&args.out, "evaluation.json", (serde_json::to_string_pretty(&trained.ladder)? + "\n").as_bytes())?;
    writeln!(std::io::stdout(), "{}", trained.card)?;
    Ok(0)
}

fn evaluate(args: &FusionModelArgs) -> anyhow::Result<u8> {
    let (text, report) = match model(&args.model)? {
        Model::Table(model) => {
            let table = read_table(&args.data, &[], |names| TableBuilder::for_model(names, model.config()))?;
            let report = evaluate_table(&model, table)?;
            (model.evaluation_markdown(&title(model.config(), args), &report), report)
        }
        Model::Fused(model) => {
            let (table, device) = (table(&args.data, &[])?, crate::device::open(DeviceArg::Cpu)?);
            let report =
                evaluate_fused(&model, &table, &vectors(args.embeddings.as_deref())?, device.burn())?;
            (model.evaluation_markdown(&title(&model.config().table, args), &report), report)
        }
    };
    write(&args.out, "evaluation.md", text.as_bytes())?;
    reported(&args.out, &report)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(0)
}

fn title(config: &TabularConfig, args: &FusionModelArgs) -> String {
    format!("{} {} on {}", config.id, config.version, args.data.display())
}

fn score(args: &FusionScoreArgs) -> anyhow::Result<u8> {
    let model = model(&args.model)?;
    let set: Vec<(&str, &str)> = args
        .set
        .iter()
        .map(|text| text.split_once('=').ok_or_else(|| Usage(format!("`{text}` is not COLUMN=VALUE"))))
        .collect::<Result<_, _>>()?;
    let vectors = match &args.embeddings {
        Some(path) => vectors(Some(path))?,
        None => Embeddings::default(),
    };
    let after = table(&args.data, &set)?;
    // what if: the same rows as they are, beside what they would be
    let before = if set.is_empty() { None } else { Some(table(&args.data, &[])?) };
    let mut unchanged = before.as_ref().map(Table::rows);
    let mut out = std::io::stdout().lock();
    for (at, row) in after.rows().enumerate() {
        let mut line = line(&model, &vectors, row)?;
        if let Some(row) = unchanged.as_mut().and_then(Iterator::next) {
            let before = self::line(&model, &vectors, row)?;
            line["change_logit"] = json!(change(&before, &line));
            line["before"] = before;
            line["set"] = json!(set.iter().copied().collect::<BTreeMap<&str, &str>>());
        }
        line["row"] = json!(at + 1);
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

/// What a model says of a row.
fn line(model: &Model, vectors: &Embeddings, row: Row<'_>) -> anyhow::Result<serde_json::Value> {
    let model = match model {
        Model::Table(model) => return Ok(table_line(model, row)),
        Model::Fused(model) => model,
    };
    let key = row.text(&model.config().image.key);
    Ok(match model.predict(row, key.and_then(|key| vectors.vector(key)))? {
        Some(found) => {
            let warning = found.distance.and_then(|distance| distance.warning());
            let mut line = serde_json::to_value(found)?;
            line["warning"] = json!(warning);
            line
        }
        None => json!({ "probability": null, "reason": "neither picture nor record says anything" }),
    })
}

/// Log odds of the second answer less those of the first, where there are both.
fn change(before: &serde_json::Value, after: &serde_json::Value) -> Option<f64> {
    let logit = |line: &serde_json::Value| {
        let probability = line["probability"].as_f64()?;
        Some((probability / (1.0 - probability)).ln()).filter(|logit| logit.is_finite())
    };
    Some(logit(after)? - logit(before)?)
}

fn table_line(model: &TabularModel, row: Row<'_>) -> serde_json::Value {
    match model.predict(row) {
        Some(found) => {
            let mut line = json!({
                "probability": found.probability, "low": found.low, "high": found.high,
                "indeterminate": found.indeterminate, "missing": found.missing,
                "distance": found.distance, "warning": found.distance.and_then(|distance| distance.warning()),
                "contributions": found.contributions, "shapley": model.shapley(row),
            });
            if let Some(alone) = found.formula_only {
                line["formula_only"] = json!(alone);
            }
            line
        }
        None => json!({ "probability": null, "reason": "no input has a value" }),
    }
}

/// A model with or without pictures.
enum Model {
    Table(Box<TabularModel>),
    Fused(Box<FusedModel>),
}

/// A model file; beside a configuration it is `model.json`.
fn model(path: &Path) -> anyhow::Result<Model> {
    #[derive(serde::Deserialize)]
    struct Kind {
        config: Config,
    }
    #[derive(serde::Deserialize)]
    struct Config {
        image: Option<serde::de::IgnoredAny>,
    }
    let is_config = path.extension().is_some_and(|ending| ending == "toml");
    let path = if is_config { path.with_file_name("model.json") } else { path.to_owned() };
    let bytes = fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
    let unusable = || format!("`{}` is not usable", path.display());
    let has_pictures = serde_json::from_slice::<Kind>(&bytes).is_ok_and(|kind| kind.config.image.is_some());
    if has_pictures {
        let device = crate::device::open(DeviceArg::Cpu)?;
        let model = FusedModel::from_json(&bytes, device.burn()).with_context(unusable)?;
        return Ok(Model::Fused(Box::new(model)));
    }
    Ok(Model::Table(Box::new(TabularModel::from_json(&bytes).with_context(unusable)?)))
}

/// Vectors of pictures: the name in the first column, numbers in the others.
fn vectors(path: Option<&Path>) -> anyhow::Result<Embeddings> {
    let path = path.ok_or_else(|| Usage("a model with pictures needs --embeddings FILE".to_owned()))?;
    let reading = || format!("could not read `{}`", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(reading)?;
    let mut vectors = Vec::new();
    for record in reader.records() {
        let record = record.with_context(reading)?;
        let mut cells = record.iter();
        let key = cells.next().unwrap_or_default().to_owned();
        let vector: Result<Vec<f32>, _> = cells.map(str::parse).collect();
        vectors.push((key, vector.with_context(reading)?));
    }
    Embeddings::new(vectors).with_context(reading)
}

/// The table, with some columns set to one value.
fn table(path: &Path, set: &[(&str, &str)]) -> anyhow::Result<Table> {
    read_table(path, set, TableBuilder::new)
}

/// The same as far as somebody keeps it, row by row.
fn read_table(
    path: &Path,
    set: &[(&str, &str)],
    builder: impl Fn(&[String]) -> TableBuilder,
) -> anyhow::Result<Table> {
    let reading = || format!("could not read `{}`", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(reading)?;
    let names: Vec<String> = reader.headers().with_context(reading)?.iter().map(str::to_owned).collect();
    if let Some((column, _)) = set.iter().find(|(column, _)| !names.iter().any(|name| name == column)) {
        bail!(Usage(format!("the table has no column `{column}`")));
    }
    let given: Vec<Option<&str>> = names
        .iter()
        .map(|name| set.iter().find(|(column, _)| column == name).map(|(_, value)| *value))
        .collect();
    let mut made = builder(&names);
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).with_context(reading)? {
        // every row is as wide as the header, or reading it has failed
        let cells = (0..record.len()).map(|at| given.get(at).copied().flatten().unwrap_or(&record[at]));
        made.push(cells)?;
    }
    Ok(made.finish())
}

/// Numbers and plots of an evaluation.
fn reported(out: &Path, report: &Report) -> anyhow::Result<()> {
    write(out, "evaluation.json", (serde_json::to_string_pretty(report)? + "\n").as_bytes())?;
    for plot in plots(report) {
        write(out, &format!("{}.svg", plot.name), plot.svg().as_bytes())?;
        write(out, &format!("{}.png", plot.name), &raster::png(&plot)?)?;
    }
    Ok(())
}

fn write(out: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    fs::create_dir_all(out).with_context(|| format!("could not make `{}`", out.display()))?;
    fs::write(out.join(name), bytes)
        .with_context(|| format!("could not write `{name}` to `{}`", out.display()))
}
