//! Measurements as tables for people. Pure.

use std::fmt;
use std::fmt::Write as _;

use models::device::{AdapterFacts, ShadingLanguage};

use super::compare::Comparison;
use super::file::{BenchFile, Figure};
use super::model::{Detail, kind_words};
use super::pipeline::Run;

/// Rows with their columns aligned; the first column to the left, the others to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (index, (cell, width)) in cells.zip(&widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            match index {
                0 => text.extend([cell, &pad]),
                _ => text.extend(["  ", &pad, cell]),
            }
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Appends to a text.
pub fn put(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let written = text.write_fmt(line);
    debug_assert!(written.is_ok());
}

/// Three significant digits.
pub fn short(value: f64) -> String {
    let digits = if value == 0.0 || !value.is_finite() { 0.0 } else { value.abs().log10().floor() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 6")]
    let decimals = (2.0 - digits).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

/// Bytes in MiB.
fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / 1_048_576.0))
}

/// What the file says of where and with what.
pub fn head(file: &BenchFile) -> String {
    let machine = &file.machine;
    let unknown = || "not known".to_owned();
    let memory = machine
        .memory_bytes
        .map_or_else(unknown, |bytes| format!("{:.0} GiB", bytes as f64 / 1_073_741_824.0));
    let mut text = format!(
        "machine   {}, {} cores, {memory}, {}\n",
        machine.cpu.clone().unwrap_or_else(unknown),
        machine.cores,
        machine.system.clone().unwrap_or_else(unknown)
    );
    if let Some(device) = &file.device {
        put(&mut text, format_args!("device    {device}\n"));
    }
    let commit = file.program.commit.as_deref().unwrap_or("not built in");
    put(
        &mut text,
        format_args!("program   chiasm {}, commit {commit}, {}\n", file.program.version, file.program.burn),
    );
    if file.program.profile != "release" {
        text += "warning   this is a debug build: its figures mean nothing\n";
    }
    if let Some(load) = machine.load_before.filter(|load| *load > 0.5) {
        let words = "figures will be too slow and spread";
        put(&mut text, format_args!("warning   the machine is busy (load {load:.1}): {words}\n"));
    }
    text
}

/// One line a figure.
pub fn figures(figures: &[Figure]) -> String {
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|figure| {
            let own = &figure.summary;
            let mut row = vec![figure.name.clone()];
            row.extend([own.median, own.least, own.p90, own.p99, own.most].map(short));
            row.extend([figure.unit.clone(), own.count.to_string()]);
            row
        })
        .collect();
    table(&["", "median", "least", "p90", "p99", "most", "unit", "samples"], &rows)
}

/// A model's batches and layers.
pub fn model(detail: &Detail) -> String {
    let rows: Vec<Vec<String>> = detail
        .batches
        .iter()
        .map(|own| {
            vec![
                own.batch.to_string(),
                short(own.images_per_second),
                short(own.first_ms),
                short(own.flop as f64 / 1e9),
                short(own.bytes as f64 / 1e6),
                short(own.bound_ms),
                own.bound_by.to_owned(),
                format!("{:.0} %", 100.0 * own.roofline_fraction),
                mebibytes(own.peak_memory_bytes),
                mebibytes(own.adapter_memory_bytes),
            ]
        })
        .collect();
    let roof = detail.roof;
    let mut text = format!(
        "loaded in {} ms, computed by {}{}; measured bounds, through Burn: {} GFLOP/s, {} GB/s\n\n",
        short(detail.load_ms),
        detail.computed_by,
        detail.shader.map(|language| format!(" in {}", language.as_str())).unwrap_or_default(),
        short(roof.flop_per_second / 1e9),
        short(roof.bytes_per_second / 1e9)
    );
    text += &table(
        &[
            "batch",
            "images/s",
            "first ms",
            "GFLOP",
            "MB",
            "bound ms",
            "bound by",
            "of bound",
            "peak MiB",
            "adapter MiB",
        ],
        &rows,
    );
    if !detail.layers.is_empty() {
        text.push('\n');
        text.push_str(&layers(detail));
    }
    text
}

fn layers(detail: &Detail) -> String {
    let copies = |value: f64, copies: usize| value * copies as f64;
    let sum: f64 =
        detail.layers.iter().filter_map(|row| row.alone_ms.map(|own| copies(own, row.copies))).sum();
    let shape = |[_, channels, height, width]: [usize; 4], depth: usize| {
        let slices = if depth > 1 { format!("{depth} x ") } else { String::new() };
        format!("{channels} x {slices}{height} x {width}")
    };
    let rows: Vec<Vec<String>> = detail
        .layers
        .iter()
        .map(|row| {
            let times = if row.copies > 1 { format!("{} x ", row.copies) } else { String::new() };
            let missing = || "-".to_owned();
            vec![
                format!("{times}{} {}", row.part, row.layer.name),
                kind_words(row.layer.kind),
                shape(row.layer.input, row.layer.depth[0]),
                shape(row.layer.output, row.layer.depth[1]),
                short(row.flop as f64 / 1e6),
                short(row.bytes as f64 / 1e6),
                row.alone_ms.map_or_else(missing, short),
                row.alone_ms.map_or_else(missing, |own| short(row.flop as f64 / own / 1e6)),
                row.bound_by.to_owned(),
                row.roofline_fraction.map_or_else(missing, |own| format!("{:.0} %", 100.0 * own)),
                row.alone_ms
                    .map_or_else(missing, |own| format!("{:.1} %", 100.0 * copies(own, row.copies) / sum)),
            ]
        })
        .collect();
    table(
        &[
            "layer, alone",
            "kind",
            "in",
            "out",
            "MFLOP",
            "MB",
            "ms",
            "GFLOP/s",
            "bound by",
            "of bound",
            "of all",
        ],
        &rows,
    )
}

/// Runs of the whole way, grouped by the number of decoders.
pub fn pipeline(groups: &[Vec<Run>], grows: Option<f64>) -> String {
    let mean =
        |runs: &[Run], of: &dyn Fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64;
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let rows: Vec<Vec<String>> = groups
        .iter()
        .filter_map(|runs| {
            let first = runs.first()?;
            let ended: Vec<String> =
                first.ended.iter().map(|(state, count)| format!("{count} {state}")).collect();
            Some(vec![
                first.decoders.to_string(),
                short(mean(runs, &Run::rate)),
                short(mean(runs, &Run::overlap)),
                percent(mean(runs, &Run::device_idle)),
                first.batch_fill.map_or_else(|| "-".to_owned(), percent),
                mebibytes(first.resident_bytes.0),
                mebibytes(first.resident_bytes.1),
                ended.join(", "),
            ])
        })
        .collect();
    let mut text = table(
        &[
            "decoders",
            "studies/s",
            "overlap",
            "device idle",
            "batch fill",
            "worker MiB",
            "device MiB",
            "ended",
        ],
        &rows,
    );
    if let Some(grows) = grows {
        put(&mut text, format_args!("studies/s grow as decoders to the power of {grows:.2}\n"));
    }
    let Some(run) = groups.last().and_then(|runs| runs.last()) else { return text };
    let studies = run.study_ms.len().max(1) as f64;
    let mut stages: Vec<(&String, &f64)> =
        run.stage_s.iter().filter(|(_, seconds)| **seconds > 0.0).collect();
    stages.sort_by(|a, b| b.1.total_cmp(a.1));
    let rows: Vec<Vec<String>> = stages
        .into_iter()
        .map(|(stage, seconds)| {
            vec![
                stage.clone(),
                short(1e3 * seconds / studies),
                short(studies / seconds),
                percent(seconds / run.wall_s),
            ]
        })
        .collect();
    text.push('\n');
    text.push_str(&table(&["stage", "ms a study", "studies/s alone", "of the run"], &rows));
    text
}

/// How memory grew, MiB an hour of the worker and of the device's process, and the median latency of a study, ms an hour.
pub fn growth(memory: (Option<f64>, Option<f64>), latency: Option<f64>) -> String {
    let words = |own: Option<f64>, unit: &str| {
        own.map_or_else(|| "not known".to_owned(), |own| format!("{own:+.1} {unit} an hour"))
    };
    let (worker, device) = (words(memory.0, "MiB"), words(memory.1, "MiB"));
    let latency = words(latency, "ms");
    format!("memory grew: worker {worker}, device process {device}\nlatency grew: {latency}\n")
}

/// What an adapter says of itself.
pub fn adapter(own: &AdapterFacts) -> String {
    let units = own.cooperative_matrices.join("; ");
    let mut text = format!(
        "\nadapter        {} ({}, vendor {:#06x}, device {:#06x})\ndriver         {}\nAPI            {}, kernels in {}\n\
         subgroups      {} to {} invocations\nmatrix units   {}\nfeatures       {}\n",
        own.name,
        own.kind,
        own.vendor,
        own.device,
        own.driver,
        own.api,
        own.shading_language.as_str(),
        own.subgroup.0,
        own.subgroup.1,
        if units.is_empty() { "none stated" } else { &units },
        own.features.join(" ")
    );
    for (name, value) in &own.limits {
        put(&mut text, format_args!("limit          {name} {value}\n"));
    }
    text
}

/// What this program can compile kernels to.
pub fn shaders(built: &[ShadingLanguage]) -> String {
    let built: Vec<&str> = built.iter().map(|own| own.as_str()).collect();
    format!(
        "\nkernels can be compiled to {}\n",
        if built.is_empty() { "nothing".to_owned() } else { built.join(", ") }
    )
}

/// A comparison.
pub fn comparison(own: &Comparison) -> String {
    let rows: Vec<Vec<String>> = own
        .rows
        .iter()
        .map(|row| {
            let ratio = row.ratio;
            vec![
                row.name.clone(),
                short(row.before),
                short(row.after),
                row.unit.clone(),
                format!("{:.3}", ratio.value),
                format!("{:.3} to {:.3}", ratio.low, ratio.high),
                row.verdict.as_str().to_owned(),
            ]
        })
        .collect();
    let mut text = String::new();
    for difference in &own.differences {
        put(&mut text, format_args!("differs   {difference}\n"));
    }
    text += &table(&["", "before", "after", "unit", "ratio", "99 % interval", ""], &rows);
    for name in &own.alone {
        put(&mut text, format_args!("in one file only: {name}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::compare::compare;
    use super::super::file::tests::file;
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_they_hold() {
        let rows = vec![vec!["a".into(), "1".into()], vec!["µ-long".into(), "22.5".into()]];
        assert_eq!(table(&["", "value"], &rows), "        value\na           1\nµ-long   22.5\n");
    }

    #[test]
    fn numbers_have_three_digits() {
        let cases =
            [(0.0, "0.00"), (1234.5, "1234"), (12.345, "12.3"), (0.001_234_5, "0.00123"), (1.0, "1.00")];
        for (value, wanted) in cases {
            assert_eq!(short(value), wanted);
        }
    }

    #[test]
    fn a_stage_that_takes_twice_as_long_has_half_the_rate() {
        let run = Run {
            decoders: 1,
            wall_s: 4.0,
            ended: BTreeMap::new(),
            stage_s: BTreeMap::from([("decode".to_owned(), 1.0), ("score".to_owned(), 2.0)]),
            device_busy_s: 2.0,
            batch_fill: None,
            study_ms: vec![300.0; 10],
            resident_bytes: (None, None),
        };
        let text = pipeline(&[vec![run]], None);
        let cells = |stage: &str| {
            let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            lines.find(|cells| cells.first() == Some(&stage)).unwrap()
        };
        assert_eq!(cells("decode"), ["decode", "100", "10.0", "25", "%"]);
        assert_eq!(cells("score"), ["score", "200", "5.00", "50", "%"]);
        assert!(!text.contains("power"), "one number of decoders has no exponent: {text}");
    }

    #[test]
    fn growth_has_its_sign_and_what_is_not_known_is_said() {
        let text = growth((Some(1.5), None), Some(-0.5));
        assert_eq!(
            text,
            "memory grew: worker +1.5 MiB an hour, device process not known\nlatency grew: -0.5 ms an hour\n"
        );
    }

    #[test]
    fn a_comparison_names_its_verdict_and_a_busy_machine() {
        let mut own = file(&[1.0, 1.1, 1.2]);
        let text = comparison(&compare(&own, &own).unwrap());
        assert!(text.contains("latency, batch 1") && text.contains("noise"), "{text}");
        own.machine.load_before = Some(4.0);
        assert!(head(&own).contains("busy"));
    }
}
