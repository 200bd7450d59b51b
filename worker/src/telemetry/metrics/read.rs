//! Reads what [`super::Metrics::encode`] wrote, of this or another worker.

use std::collections::BTreeMap;

/// The samples of one worker at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples(Vec<Sample>);

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Samples {
    /// Reads OpenMetrics text; a line that is none is passed over.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(Sample::parse).collect())
    }

    /// The value of the sample without labels.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|sample| sample.name == name && sample.labels.is_empty())
            .map(|sample| sample.value)
    }

    /// The value of the first sample of a name that has this label.
    pub fn labelled(&self, name: &str, label: &str, text: &str) -> Option<f64> {
        let has = |sample: &&Sample| sample.labels.get(label).is_some_and(|own| own == text);
        self.0.iter().filter(|sample| sample.name == name).find(has).map(|sample| sample.value)
    }

    /// The sum over all samples of a name, by one of their labels.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<&str, f64> {
        let mut sums = BTreeMap::new();
        for sample in self.0.iter().filter(|sample| sample.name == name) {
            let key = sample.labels.get(label).map_or("", String::as_str);
            *sums.entry(key).or_insert(0.0) += sample.value;
        }
        sums
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (series, ""),
        };
        // Labels are words from closed lists: no comma and no quote is ever inside one.
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
            let (key, text) = label.split_once('=')?;
            Some((key.to_owned(), text.trim_matches('"').to_owned()))
        });
        Some(Self {
            name: name.to_owned(),
            labels: labels.collect::<Option<_>>()?,
            value: value.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with_every_event;
    use super::*;
    use crate::telemetry::http::Exposition;

    #[test]
    fn what_was_written_is_read() {
        let samples = Samples::parse(&with_every_event().encode());
        assert_eq!(samples.value("chiasm_ready"), Some(1.0));
        assert_eq!(samples.value("chiasm_queue_oldest_age_seconds"), Some(7.0));
        assert_eq!(samples.value("chiasm_of_another_program"), None);
        let ended = samples.by("chiasm_jobs_ended_total", "state");
        assert_eq!(ended, BTreeMap::from([("refused", 1.0), ("reported", 1.0)]));
        let seconds = samples.by("chiasm_stage_duration_seconds_sum", "stage")["decode"];
        assert!((seconds - 0.012).abs() < 1e-9, "{seconds}");
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        assert_eq!(Samples::parse("<html>\na{b} x\n\nname{label=\"x\" 1\n"), Samples::default());
    }
}
