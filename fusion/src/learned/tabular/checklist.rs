//! The TRIPOD+AI checklist, filled in from what is known: by whoever made a model, or by whoever evaluates one that there is.

use std::fmt::Write as _;

use super::config::TabularConfig;
use crate::evaluation::{Report, SampleSize};

/// What a model is about, as its configuration states it.
#[derive(Clone, Copy)]
pub(in crate::learned) struct About<'a> {
    pub(in crate::learned) data: &'a str,
    pub(in crate::learned) population: &'a str,
    pub(in crate::learned) outcome: &'a str,
}

impl<'a> About<'a> {
    pub(in crate::learned) fn of(config: &'a TabularConfig) -> Self {
        Self { data: &config.data, population: &config.population, outcome: &config.outcome }
    }
}

/// What is reported.
#[derive(Clone, Copy)]
pub(in crate::learned) enum Purpose {
    /// A model was made and evaluated.
    Development {
        /// What was kept apart.
        apart: &'static str,
    },
    /// A model that there was is evaluated on a table of which nothing else is known.
    Evaluation,
}

impl Purpose {
    /// Items that are the same for every model: title, background, objectives.
    fn introduction(self) -> [&'static str; 4] {
        match self {
            Self::Development { .. } => [
                "model development and internal evaluation; named as research",
                "the first paragraph of this card",
                "shows the machinery on public data; no clinical question is answered",
                "development and evaluation on patients kept apart",
            ],
            Self::Evaluation => [
                "evaluation of a trained model on another table; named as research",
                "the first paragraph above",
                "see the card of the model",
                "evaluation of the model as its file has it; nothing was fitted",
            ],
        }
    }

    fn data(self, about: About<'_>) -> [String; 2] {
        match self {
            Self::Development { .. } => [about.data.to_owned(), about.population.to_owned()],
            Self::Evaluation => [
                format!("the table that was given; made from: {}", about.data),
                format!("the labelled rows of the table; the model is for: {}", about.population),
            ],
        }
    }

    /// Items 16 to 21 and 24.
    fn conduct(self) -> [&'static str; 7] {
        match self {
            Self::Development { apart } => [
                apart,
                "public, de-identified data; the publishers' approvals apply",
                "code, configuration, model file and this card are public; no protocol was registered",
                "not involved",
                "counts above",
                "counts above",
                "none was made; a site must recalibrate before it uses anything of this",
            ],
            Self::Evaluation => [
                "nothing was fitted; whether the table holds patients of the training the program does not know",
                "of the table the program knows nothing",
                "the model file holds every coefficient; of the table the program knows nothing",
                "of the table the program knows nothing",
                "counts above",
                "see the card of the model",
                "none was made; the intercept and the slope above say what a recalibration would have to do",
            ],
        }
    }
}

/// TRIPOD+AI (BMJ 2024;385:e078378), item by item; what is not known says so.
pub(in crate::learned) struct Checklist<'a> {
    pub(in crate::learned) purpose: Purpose,
    pub(in crate::learned) about: About<'a>,
    pub(in crate::learned) report: &'a Report,
    /// What goes in.
    pub(in crate::learned) predictors: &'a str,
    /// What an answer says.
    pub(in crate::learned) output: &'a str,
    /// How missing values count.
    pub(in crate::learned) missing: &'a str,
    /// How it was fitted.
    pub(in crate::learned) analysis: &'a str,
    /// What becomes of a row with missing inputs.
    pub(in crate::learned) usability: &'a str,
}

impl Checklist<'_> {
    pub(in crate::learned) fn write(&self, card: &mut String) -> std::fmt::Result {
        let Self { purpose, about, report, .. } = self;
        let rows = report.arms.first().map_or(0, |arm| arm.cases);
        let sample_size = report.sample_size.as_ref().map(SampleSize::text).unwrap_or_default();
        let [title, summary, background, objectives] = purpose.introduction();
        let [data, participants] = purpose.data(*about);
        let [apart, ethics, open, involved, seen, developed, updating] = purpose.conduct();
        let reported = [
            ("1 title", title),
            ("2 abstract", summary),
            ("3 background", background),
            ("4 objectives", objectives),
            ("5 data", &data),
            ("6 participants", &participants),
            (
                "7 data preparation",
                "as the configuration states; values outside the stated ranges are missing",
            ),
            ("8 outcome", about.outcome),
            ("9 predictors", self.predictors),
            ("10 sample size", &sample_size),
            ("11 missing data", self.missing),
            ("12 analysis", self.analysis),
            ("13 class imbalance", "no re-weighting: it would break the calibration"),
            ("14 fairness", "subgroups above; groups too small are not shown"),
            ("15 output", self.output),
            ("16 training and evaluation", apart),
            ("17 ethics", ethics),
            ("18 open science", open),
            ("19 patients and public", involved),
            ("20 participants, results", seen),
            ("21 development", developed),
            ("22 specification", "model file with every coefficient"),
            ("23 performance", "tables above"),
            ("24 updating", updating),
            ("25 interpretation", "see the limits"),
            ("26 limitations", "see the limits"),
            ("27 usability", self.usability),
        ];
        writeln!(card, "## TRIPOD+AI\n\nEvaluated on {rows} rows.\n\n| item | reported |\n|---|---|")?;
        for (item, text) in reported {
            writeln!(card, "| {item} | {text} |")?;
        }
        Ok(())
    }
}
