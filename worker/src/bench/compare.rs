//! Two files against each other: what became faster, what slower, and what is noise. Pure.

use serde::Serialize;

use super::file::{BenchFile, Better, Figure};
use super::statistics::{Ratio, ratio};

/// Differences below this are called noise whatever their interval says: the layout of a binary in memory alone makes
/// as much (Mytkowicz et al. 2009, "Producing wrong data without doing anything obviously wrong").
pub const LEAST: f64 = 0.02;
/// Seed of the resamples, so that the same files give the same words.
const SEED: u64 = 1;

/// What a ratio means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The interval holds 1, or the difference is below [`LEAST`].
    Noise,
    /// The second file is better.
    Better,
    /// The second file is worse.
    Worse,
}

impl Verdict {
    /// `noise`, `better` or `worse`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// One figure of both files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The figure's name.
    pub name: String,
    /// The unit.
    pub unit: String,
    /// Median of the first file.
    pub before: f64,
    /// Median of the second file.
    pub after: f64,
    /// Second over first.
    pub ratio: Ratio,
    /// What that means.
    pub verdict: Verdict,
}

/// Both files.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Figures of both.
    pub rows: Vec<Row>,
    /// Figures of one only.
    pub alone: Vec<String>,
    /// What else is different between the two: the machine, the device, the program.
    pub differences: Vec<String>,
}

/// Two files that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// They measured different things.
    #[error("one file measured a {first}, the other a {second}: take two of a kind")]
    Kind {
        /// The first file's kind.
        first: String,
        /// The second file's kind.
        second: String,
    },
    /// They were asked for different things.
    #[error(
        "setting `{setting}` is {first} in one file and {second} in the other: measure again with the same"
    )]
    Settings {
        /// The first setting that differs.
        setting: String,
        /// In the first file.
        first: String,
        /// In the second file.
        second: String,
    },
    /// A debug build measured one of them, a release build the other.
    #[error("a debug build measured one of the files: it says nothing about a release build")]
    Profile,
    /// A figure has two units.
    #[error("figure `{figure}` has different units in the two files")]
    Unit {
        /// The figure.
        figure: String,
    },
    /// They have no figure in common.
    #[error("the files have no figure in common")]
    Nothing,
}

impl CompareError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "CompareKind",
            Self::Settings { .. } => "CompareSettings",
            Self::Profile => "CompareProfile",
            Self::Unit { .. } => "CompareUnit",
            Self::Nothing => "CompareNothing",
        }
    }
}

/// Compares `after` with `before`.
pub fn compare(before: &BenchFile, after: &BenchFile) -> Result<Comparison, CompareError> {
    if before.kind != after.kind {
        return Err(CompareError::Kind { first: before.kind.clone(), second: after.kind.clone() });
    }
    if before.program.profile != after.program.profile {
        return Err(CompareError::Profile);
    }
    settings(before, after)?;
    let mut rows = Vec::new();
    for figure in &before.figures {
        let Some(other) = after.figures.iter().find(|other| other.name == figure.name) else { continue };
        if other.unit != figure.unit || other.better != figure.better {
            return Err(CompareError::Unit { figure: figure.name.clone() });
        }
        rows.extend(row(figure, other));
    }
    if rows.is_empty() {
        return Err(CompareError::Nothing);
    }
    let names = |file: &BenchFile| file.figures.iter().map(|figure| figure.name.clone()).collect::<Vec<_>>();
    let alone = names(before).into_iter().chain(names(after));
    let alone = alone.filter(|name| rows.iter().all(|row| row.name != *name)).collect();
    Ok(Comparison { rows, alone, differences: differences(before, after) })
}

/// The first setting that differs.
fn settings(before: &BenchFile, after: &BenchFile) -> Result<(), CompareError> {
    if before.settings == after.settings {
        return Ok(());
    }
    let keys = |file: &BenchFile| {
        file.settings.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    let all = keys(before).into_iter().chain(keys(after));
    let text = |file: &BenchFile, key: &str| {
        file.settings.get(key).map_or_else(|| "absent".to_owned(), ToString::to_string)
    };
    let differs = all.into_iter().find(|key| before.settings.get(key) != after.settings.get(key));
    let setting = differs.unwrap_or_else(|| "settings".to_owned());
    Err(CompareError::Settings { first: text(before, &setting), second: text(after, &setting), setting })
}

fn row(before: &Figure, after: &Figure) -> Option<Row> {
    let ratio = ratio(&before.rounds, &after.rounds, SEED)?;
    let noise = (ratio.low..=ratio.high).contains(&1.0) || (ratio.value - 1.0).abs() < LEAST;
    let less = ratio.value < 1.0;
    let verdict = match (noise, before.better) {
        (true, _) => Verdict::Noise,
        (false, Better::Less) if less => Verdict::Better,
        (false, Better::More) if !less => Verdict::Better,
        (false, _) => Verdict::Worse,
    };
    Some(Row {
        name: before.name.clone(),
        unit: before.unit.clone(),
        before: before.summary.median,
        after: after.summary.median,
        ratio,
        verdict,
    })
}

fn differences(before: &BenchFile, after: &BenchFile) -> Vec<String> {
    let (a, b) = (&before.machine, &after.machine);
    let words = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".to_owned());
    let pairs = [
        ("device", words(&before.device), words(&after.device)),
        ("processor", words(&a.cpu), words(&b.cpu)),
        ("cores", a.cores.to_string(), b.cores.to_string()),
        ("system", words(&a.system), words(&b.system)),
        ("kernel", words(&a.kernel), words(&b.kernel)),
        ("version", before.program.version.clone(), after.program.version.clone()),
        ("commit", words(&before.program.commit), words(&after.program.commit)),
        ("burn", before.program.burn.clone(), after.program.burn.clone()),
    ];
    let differs = pairs.into_iter().filter(|(_, first, second)| first != second);
    let mut all: Vec<String> =
        differs.map(|(name, first, second)| format!("{name}: {first} / {second}")).collect();
    for (file, load) in [("first", a.load_before), ("second", b.load_before)] {
        if let Some(load) = load.filter(|load| *load > 0.5) {
            all.push(format!("the {file} file was measured on a busy machine (load {load:.1})"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::file::tests::file;
    use super::*;
    use serde_json::json;

    const SAMPLES: [f64; 5] = [10.0, 10.2, 9.9, 10.1, 10.4];

    #[test]
    fn a_file_against_itself_is_noise() {
        let own = file(&SAMPLES);
        let comparison = compare(&own, &own).unwrap();
        assert_eq!(comparison.rows.len(), 1);
        assert_eq!(comparison.rows[0].verdict, Verdict::Noise);
        assert!(comparison.alone.is_empty() && comparison.differences.is_empty());
    }

    #[test]
    fn doubled_times_are_worse_and_doubled_rates_better() {
        let own = file(&SAMPLES);
        let mut twice = file(&SAMPLES.map(|x| 2.0 * x));
        assert_eq!(compare(&own, &twice).unwrap().rows[0].verdict, Verdict::Worse);
        assert_eq!(compare(&twice, &own).unwrap().rows[0].verdict, Verdict::Better);
        let mut rates = own.clone();
        rates.figures[0].better = Better::More;
        twice.figures[0].better = Better::More;
        assert_eq!(compare(&rates, &twice).unwrap().rows[0].verdict, Verdict::Better);
    }

    #[test]
    fn a_difference_below_the_least_is_noise_even_without_spread() {
        let (own, other) = (file(&[10.0; 5]), file(&[10.1; 5]));
        let comparison = compare(&own, &other).unwrap();
        assert!(comparison.rows[0].ratio.low > 1.0);
        assert_eq!(comparison.rows[0].verdict, Verdict::Noise);
    }

    #[test]
    fn what_cannot_be_compared_is_refused_with_its_reason() {
        let own = file(&SAMPLES);
        let refused = |change: &dyn Fn(&mut BenchFile)| {
            let mut other = own.clone();
            change(&mut other);
            compare(&own, &other).unwrap_err().code()
        };
        assert_eq!(refused(&|other| other.kind = "device".into()), "CompareKind");
        assert_eq!(refused(&|other| other.settings = json!({"arch": "resnet50"})), "CompareSettings");
        assert_eq!(refused(&|other| other.settings = json!({})), "CompareSettings");
        assert_eq!(refused(&|other| other.figures[0].unit = "s".into()), "CompareUnit");
        assert_eq!(refused(&|other| other.figures[0].name = "another".into()), "CompareNothing");
        assert_eq!(refused(&|other| other.program.profile = "another".into()), "CompareProfile");
    }

    #[test]
    fn another_machine_is_compared_and_told() {
        let own = file(&SAMPLES);
        let mut other = own.clone();
        other.machine.cores = 64;
        other.machine.load_before = Some(3.0);
        let differences = compare(&own, &other).unwrap().differences;
        assert_eq!(
            differences,
            ["cores: 2 / 64", "the second file was measured on a busy machine (load 3.0)"]
        );
    }
}
