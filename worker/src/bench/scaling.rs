//! Studies a second by how many workers share one queue. Pure.

use std::collections::BTreeMap;

use fusion::evaluation::plot::Plot;

use super::file::{Better, Figure};
use super::plot::{Across, Curve, curves};
use super::statistics::exponent;

/// Rates by number of workers.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// One a number of workers, one sample a round.
    pub figures: Vec<Figure>,
    /// Number of workers, and the median of its rates.
    pub points: Vec<(f64, f64)>,
    /// How the rate grows: 1 where twice the workers do twice the work, 0 where they share what one did. `None` with fewer
    /// than two numbers of workers.
    pub exponent: Option<f64>,
}

impl Scaling {
    /// What the rates of all rounds say, in studies a second, by number of workers; a number without rates, or with one that
    /// is not finite, is left out.
    pub fn new(rates: &BTreeMap<usize, Vec<f64>>) -> Self {
        let figure = |workers: &usize, rates: &[f64]| {
            let rounds = rates.iter().map(|rate| vec![*rate]).collect();
            Figure::new(format!("studies, {workers} workers"), "1/s", Better::More, rounds)
        };
        let known: Vec<(f64, Figure)> = rates
            .iter()
            .filter_map(|(workers, rates)| Some((*workers as f64, figure(workers, rates)?)))
            .collect();
        let points: Vec<(f64, f64)> =
            known.iter().map(|(workers, figure)| (*workers, figure.summary.median)).collect();
        let exponent = exponent(&points);
        Self { figures: known.into_iter().map(|(_, figure)| figure).collect(), points, exponent }
    }

    /// The medians as a curve.
    pub fn plot(&self) -> Plot {
        let titles = ["Studies a second by workers", "workers on one queue", "1/s"];
        let curve = Curve { name: "studies a second, median".to_owned(), points: self.points.clone() };
        curves("workers", titles, Across::Doubling, &[curve])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rates: &[(usize, &[f64])]) -> Scaling {
        Scaling::new(&rates.iter().map(|(workers, rates)| (*workers, rates.to_vec())).collect())
    }

    #[test]
    fn twice_the_work_of_twice_the_workers_is_an_exponent_of_one_and_the_same_work_is_none() {
        let doubled = of(&[(1, &[9.0, 10.0, 12.0]), (2, &[20.0]), (4, &[40.0])]);
        assert!((doubled.exponent.unwrap() - 1.0).abs() < 1e-9, "{:?}", doubled.exponent);
        let shared = of(&[(1, &[10.0]), (2, &[10.0]), (4, &[10.0])]);
        assert!(shared.exponent.unwrap().abs() < 1e-9, "{:?}", shared.exponent);
        assert_eq!(shared.points, [(1.0, 10.0), (2.0, 10.0), (4.0, 10.0)]);
    }

    #[test]
    fn each_round_is_a_sample_and_what_was_not_measured_is_left_out() {
        let own = of(&[(1, &[9.0, 10.0]), (2, &[]), (4, &[f64::NAN])]);
        assert_eq!(own.figures.len(), 1);
        assert_eq!(own.figures[0].rounds, [[9.0], [10.0]]);
        assert_eq!(own.exponent, None, "one number of workers says nothing of growth");
        assert!(own.plot().svg().contains("workers on one queue"));
    }
}
