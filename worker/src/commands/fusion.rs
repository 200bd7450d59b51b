//! `chiasm fusion`: models of tables.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use fusion::evaluation::Report;
use fusion::evaluation::plot::plots;
use fusion::learned::tabular::{
    Table, TabularConfig, TabularModel, evaluate_table, report_markdown, train_table,
};
use serde_json::json;

use super::Usage;
use crate::cli::fusion::{FusionCommand, FusionModelArgs, FusionScoreArgs, FusionTrainArgs};
use crate::training::raster;

/// Runs the command.
pub(super) fn run(command: &FusionCommand) -> anyhow::Result<u8> {
    match command {
        FusionCommand::Train(args) => train(args),
        FusionCommand::Evaluate(args) => evaluate(args),
        FusionCommand::Score(args) => score(args),
    }
}

fn train(args: &FusionTrainArgs) -> anyhow::Result<u8> {
    let text = fs::read_to_string(&args.config)
        .with_context(|| format!("could not read `{}`", args.config.display()))?;
    let config: TabularConfig =
        toml::from_str(&text).map_err(|error| Usage(format!("`{}`: {error}", args.config.display())))?;
    let trained = train_table(&config, &table(&args.data, &[])?)?;
    write(&args.out, "model.json", trained.model.to_json().as_bytes())?;
    write(&args.out, "card.md", trained.card.as_bytes())?;
    reported(&args.out, &trained.report)?;
    writeln!(std::io::stdout(), "{}", trained.card)?;
    Ok(0)
}

fn evaluate(args: &FusionModelArgs) -> anyhow::Result<u8> {
    let model = model(&args.model)?;
    let report = evaluate_table(&model, &table(&args.data, &[])?)?;
    let title = format!("{} {} on {}", model.config().id, model.config().version, args.data.display());
    let text = report_markdown(&title, &report);
    write(&args.out, "evaluation.md", text.as_bytes())?;
    reported(&args.out, &report)?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(0)
}

fn score(args: &FusionScoreArgs) -> anyhow::Result<u8> {
    let model = model(&args.model)?;
    let set: Vec<(&str, &str)> = args
        .set
        .iter()
        .map(|text| text.split_once('=').ok_or_else(|| Usage(format!("`{text}` is not COLUMN=VALUE"))))
        .collect::<Result<_, _>>()?;
    let table = table(&args.data, &set)?;
    let mut out = std::io::stdout().lock();
    for (at, row) in table.rows().enumerate() {
        let line = match model.predict(row) {
            Some(found) => json!({
                "row": at + 1, "probability": found.probability, "low": found.low, "high": found.high,
                "indeterminate": found.indeterminate, "missing": found.missing,
                "contributions": found.contributions, "shapley": model.shapley(row),
            }),
            None => json!({ "row": at + 1, "probability": null, "reason": "no input has a value" }),
        };
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

/// A model file; beside a configuration it is `model.json`.
fn model(path: &Path) -> anyhow::Result<TabularModel> {
    let is_config = path.extension().is_some_and(|ending| ending == "toml");
    let path = if is_config { path.with_file_name("model.json") } else { path.to_owned() };
    let bytes = fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
    TabularModel::from_json(&bytes).with_context(|| format!("`{}` is not usable", path.display()))
}

/// The table, with some columns set to one value.
fn table(path: &Path, set: &[(&str, &str)]) -> anyhow::Result<Table> {
    let reading = || format!("could not read `{}`", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(reading)?;
    let names: Vec<String> = reader.headers().with_context(reading)?.iter().map(str::to_owned).collect();
    if let Some((column, _)) = set.iter().find(|(column, _)| !names.iter().any(|name| name == column)) {
        bail!(Usage(format!("the table has no column `{column}`")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.with_context(reading)?;
        let cell = |(name, cell): (&String, &str)| {
            let given = set.iter().find(|(column, _)| column == name);
            given.map_or_else(|| cell.to_owned(), |(_, value)| (*value).to_owned())
        };
        rows.push(names.iter().zip(record.iter()).map(cell).collect());
    }
    Ok(Table::new(&names, rows)?)
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
