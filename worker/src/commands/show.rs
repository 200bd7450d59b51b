//! Shows outcomes: JSON lines for machines, a table for people, and a progress bar on standard error.

use std::collections::BTreeSet;
use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};

use crate::outcome::{Finding, Outcome, Present, Risk, State, exit_code};
use crate::terminal::plain;

/// How many findings a table row names.
const FINDINGS_A_ROW: usize = 3;

/// Writes each outcome as it comes, as a JSON line or later as a table.
pub(super) struct Show {
    json: bool,
    bar: ProgressBar,
    /// For the table. A line that is written is not kept: a worker runs on for months.
    outcomes: Vec<Outcome>,
    states: BTreeSet<State>,
}

impl Show {
    /// Starts for this many studies; 0 where that is not known.
    pub(super) fn new(json: bool, studies: usize) -> Self {
        Self { json, bar: bar(studies), outcomes: Vec::new(), states: BTreeSet::new() }
    }

    /// Says how many studies there are, once that is known.
    pub(super) fn expect(&mut self, studies: usize) {
        self.bar = bar(studies);
    }

    /// Ends the bar and gives the outcomes, for who shows them otherwise.
    pub(super) fn into_outcomes(self) -> Vec<Outcome> {
        self.bar.finish_and_clear();
        self.outcomes
    }

    /// Takes one outcome; with `--json` it is written at once.
    pub(super) fn take(&mut self, outcome: Outcome) -> io::Result<()> {
        if self.json {
            let line = serde_json::to_string(&outcome)?;
            let mut out = io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        self.states.insert(outcome.state);
        if !self.json {
            self.outcomes.push(outcome);
        }
        self.bar.inc(1);
        Ok(())
    }

    /// True when no outcome was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Ends the bar, writes the table where no JSON was asked for, and gives the exit code.
    pub(super) fn finish(self) -> io::Result<u8> {
        self.bar.finish_and_clear();
        if !self.json {
            let mut out = io::stdout().lock();
            for outcome in &self.outcomes {
                write!(out, "{}", row(outcome))?;
            }
            writeln!(out, "{}", summary(&self.outcomes))?;
        }
        Ok(exit_code(self.states))
    }
}

fn bar(studies: usize) -> ProgressBar {
    let bar = if studies > 1 { ProgressBar::new(studies as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} studies, {eta} left {msg}") {
        bar.set_style(style);
    }
    bar
}

fn summary(outcomes: &[Outcome]) -> String {
    let count = |state| outcomes.iter().filter(|outcome| outcome.state == state).count();
    format!(
        "{} reported, {} refused, {} failed",
        count(State::Reported),
        count(State::Refused),
        count(State::Failed)
    )
}

fn row(outcome: &Outcome) -> String {
    let subject = match (&outcome.study_uid, &outcome.file) {
        (Some(uid), _) => format!("study {uid}"),
        (None, Some(file)) => format!("file {}", plain(file)),
        (None, None) => "study".into(),
    };
    let mut text = match outcome.state {
        State::Reported => format!("{subject}\n  reported: {}\n", findings(&outcome.findings)),
        State::Refused | State::Failed => {
            let word = if outcome.state == State::Refused { "refused" } else { "failed" };
            let code = outcome.code.as_deref().unwrap_or_default();
            let reason = plain(outcome.reason.as_deref().unwrap_or_default());
            format!("{subject}\n  {word} ({code}): {reason}\n")
        }
    };
    text.extend(outcome.risks.iter().map(risk_line));
    text.extend(outcome.files.iter().map(|(kind, file)| format!("  {kind:<7} {}\n", plain(file))));
    text
}

fn risk_line(risk: &Risk) -> String {
    match (risk.probability, risk.low, risk.high) {
        (Some(probability), Some(low), Some(high)) if low < high => {
            format!(
                "  risk {:<15} {} ({} to {})\n",
                risk.id,
                percent(probability),
                percent(low),
                percent(high)
            )
        }
        (Some(probability), ..) => format!("  risk {:<15} {}\n", risk.id, percent(probability)),
        (None, ..) => {
            format!("  risk {:<15} not computable, missing: {}\n", risk.id, risk.missing.join(", "))
        }
    }
}

/// The findings that are not absent, likeliest first.
fn findings(findings: &[Finding]) -> String {
    let mut shown: Vec<_> = findings.iter().filter(|finding| finding.present != Present::Absent).collect();
    shown.sort_by(|one, other| {
        let rank = |finding: &Finding| finding.present == Present::Present;
        rank(other).cmp(&rank(one)).then(other.probability.total_cmp(&one.probability))
    });
    if shown.is_empty() {
        return "no finding at or above its lower threshold".into();
    }
    let names: Vec<_> = shown
        .iter()
        .take(FINDINGS_A_ROW)
        .map(|finding| {
            let word = if finding.present == Present::Present { "present" } else { "indeterminate" };
            format!("{} {word} {}", finding.label.replace('_', " "), percent(finding.probability))
        })
        .collect();
    let rest = shown.len().saturating_sub(FINDINGS_A_ROW);
    let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn percent(probability: f64) -> String {
    format!("{:.1} %", probability * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_the_likeliest_present_findings_first() {
        let finding =
            |label: &str, probability, present| Finding { label: label.into(), probability, present };
        let found = [
            finding("Mass", 0.6, Present::Indeterminate),
            finding("Effusion", 0.3, Present::Present),
            finding("Hernia", 0.01, Present::Absent),
        ];
        assert_eq!(findings(&found), "Effusion present 30.0 %, Mass indeterminate 60.0 %");
    }

    #[test]
    fn a_line_that_is_written_is_not_kept() {
        let mut show = Show::new(true, 0);
        assert!(show.is_empty());
        for state in [State::Refused, State::Reported, State::Refused] {
            show.take(Outcome { state, ..Outcome::without_result(State::Refused, "C", "r") }).unwrap();
        }
        assert!(show.outcomes.is_empty() && !show.is_empty());
        assert_eq!(show.finish().unwrap(), 3, "one was refused");
    }

    #[test]
    fn a_file_name_cannot_drive_the_terminal() {
        let outcome =
            Outcome { file: Some("a\u{1b}[2J".into()), ..Outcome::without_result(State::Refused, "C", "r") };
        assert!(!row(&outcome).contains('\u{1b}'));
    }
}
