//! What a measurement leaves behind: one JSON file with everything that is needed to judge it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::machine::Machine;
use super::statistics::Summary;

/// The form of the file. A change that a reader can trip over makes a new number.
pub const SCHEMA: &str = "chiasm-bench/1";
/// The largest file that is read.
const MAX_BYTES: u64 = 64 << 20;

/// A measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchFile {
    /// [`SCHEMA`].
    pub schema: String,
    /// What was measured: `device`, `model`, `pipeline` or `soak`; `criterion`, `peers` or `torch` by the scripts of `benches/`,
    /// `workers` by `scripts/figures`.
    pub kind: String,
    /// When it began.
    pub taken: jiff::Timestamp,
    /// The command, as it was typed.
    pub command: Vec<String>,
    /// The program.
    pub program: Program,
    /// The machine.
    pub machine: Machine,
    /// The device in words, where there is one.
    pub device: Option<String>,
    /// What was asked of it: only files with the same settings are compared.
    pub settings: Value,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What the kind knows beside its figures: adapter, layers, curves.
    pub detail: Value,
}

/// Which program measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program's version.
    pub version: String,
    /// The commit it was built from; `None` where the build was not told (`CHIASM_COMMIT`).
    pub commit: Option<String>,
    /// The tensor library with its version.
    pub burn: String,
    /// `release`, or `debug`, which measures nothing.
    pub profile: String,
}

impl Program {
    /// This program.
    pub fn own() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("CHIASM_COMMIT").map(str::to_owned),
            burn: models::bench::BURN.to_owned(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        }
    }
}

/// Which direction is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better: times, memory.
    Less,
    /// More is better: rates.
    More,
}

/// One figure with all of its samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// Its stable name: `latency, batch 8`.
    pub name: String,
    /// The unit.
    pub unit: String,
    /// Which direction is better.
    pub better: Better,
    /// The samples, round by round.
    pub rounds: Vec<Vec<f64>>,
    /// The same in a few numbers.
    pub summary: Summary,
}

impl Figure {
    /// `None` without samples, or where one is not finite.
    pub fn new(name: impl Into<String>, unit: &str, better: Better, rounds: Vec<Vec<f64>>) -> Option<Self> {
        let summary = Summary::of(&rounds.concat())?;
        Some(Self { name: name.into(), unit: unit.to_owned(), better, rounds, summary })
    }
}

/// A file is none of ours.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("`{path}` could not be read")]
    Read {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// It is no JSON of this form.
    #[error("`{path}` is no file of `chiasm bench`")]
    Form {
        /// The file.
        path: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// It has another form.
    #[error("`{path}` has the form `{found}`, this program reads `{SCHEMA}`: use the program that wrote it")]
    Schema {
        /// The file.
        path: String,
        /// The form.
        found: String,
    },
    /// A figure's samples are not what its summary says.
    #[error("figure `{figure}` of `{path}` has a summary that its samples do not have: it was altered")]
    Summary {
        /// The file.
        path: String,
        /// The figure.
        figure: String,
    },
}

impl BenchFile {
    /// Reads a file and checks that its figures are what their samples say.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let failed = |source| FileError::Read { path: name.clone(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
            return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&std::fs::read(path).map_err(failed)?, &name)
    }

    fn parse(bytes: &[u8], name: &str) -> Result<Self, FileError> {
        let form = |source| FileError::Form { path: name.to_owned(), source };
        let value: Value = serde_json::from_slice(bytes).map_err(form)?;
        // a file of another form has other fields: its form is told before they are
        if let Some(found) = value.get("schema").and_then(Value::as_str).filter(|found| *found != SCHEMA) {
            return Err(FileError::Schema { path: name.to_owned(), found: found.chars().take(64).collect() });
        }
        let file: Self = serde_json::from_value(value).map_err(form)?;
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
        let altered = file.figures.iter().find(|figure| {
            Summary::of(&figure.rounds.concat()).is_none_or(|own| {
                own.count != figure.summary.count
                    || !close(own.median, figure.summary.median)
                    || !close(own.p99, figure.summary.p99)
            })
        });
        match altered {
            Some(figure) => Err(FileError::Summary { path: name.to_owned(), figure: figure.name.clone() }),
            None => Ok(file),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// A file with one figure of three rounds.
    pub(crate) fn file(samples: &[f64]) -> BenchFile {
        BenchFile {
            schema: SCHEMA.to_owned(),
            kind: "model".to_owned(),
            taken: "2026-01-02T03:04:05Z".parse().unwrap(),
            command: vec!["chiasm".into(), "bench".into(), "model".into()],
            program: Program::own(),
            machine: Machine {
                cpu: Some("a processor".into()),
                cores: 2,
                memory_bytes: Some(1 << 30),
                system: None,
                kernel: None,
                load_before: Some(0.1),
            },
            device: Some("CPU (flex, 2 threads)".into()),
            settings: json!({"arch": "resnet18"}),
            figures: vec![
                Figure::new("latency, batch 1", "ms", Better::Less, vec![samples.to_vec(); 3]).unwrap(),
            ],
            detail: json!({}),
        }
    }

    #[test]
    fn a_file_keeps_its_form() {
        let text = serde_json::to_vec(&file(&[1.0, 2.0, 4.0])).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(
            keys(&value),
            [
                "command", "detail", "device", "figures", "kind", "machine", "program", "schema", "settings",
                "taken"
            ]
        );
        assert_eq!(
            keys(&value["machine"]),
            ["cores", "cpu", "kernel", "load_before", "memory_bytes", "system"]
        );
        assert_eq!(keys(&value["program"]), ["burn", "commit", "profile", "version"]);
        assert_eq!(keys(&value["figures"][0]), ["better", "name", "rounds", "summary", "unit"]);
        assert_eq!(
            keys(&value["figures"][0]["summary"]),
            ["count", "least", "mean", "median", "most", "p90", "p95", "p99"]
        );
        assert_eq!(value["schema"], "chiasm-bench/1");
        assert_eq!(BenchFile::parse(&text, "a").unwrap(), file(&[1.0, 2.0, 4.0]));
    }

    #[test]
    fn another_form_an_altered_summary_and_no_file_are_told_apart() {
        let own = serde_json::to_value(file(&[1.0, 2.0, 4.0])).unwrap();
        let read = |value: &Value| BenchFile::parse(&serde_json::to_vec(value).unwrap(), "a").unwrap_err();
        let mut other = own.clone();
        other["schema"] = json!("chiasm-bench/2");
        other["more"] = json!(1);
        assert!(matches!(read(&other), FileError::Schema { .. }));
        let mut altered = own.clone();
        altered["figures"][0]["summary"]["median"] = json!(0.5);
        assert!(matches!(read(&altered), FileError::Summary { .. }));
        let mut more = own;
        more["surprise"] = json!(1);
        assert!(matches!(read(&more), FileError::Form { .. }));
        assert!(matches!(BenchFile::parse(b"[", "a").unwrap_err(), FileError::Form { .. }));
    }
}
