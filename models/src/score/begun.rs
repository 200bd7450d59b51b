//! Scoring in two steps: pictures are asked for, their scores are waited for.

use std::borrow::Borrow;

use super::classifier::{self, Said};
use super::ensemble::{self, Raw};
use super::readback::Batches;
use super::{Networks, ScoreError, Scorer, Scores};
use crate::image::GreyImage;

/// Pictures that a [`Scorer`] began to score.
pub struct Begun<I>(Work<I>);

/// What was begun, by the bundle's kind.
enum Work<I> {
    Ensemble(Batches<ensemble::Asked, Raw>),
    Classifier(Batches<classifier::Asked, Said>),
    /// Nothing yet: what computes here, or one picture after the other, gains nothing by it.
    Later(Vec<I>),
}

impl Scorer {
    /// Scores pictures, each by itself: a batch of three gives what three singles give.
    pub fn score<I: Borrow<GreyImage>>(&self, images: &[I]) -> Result<Vec<Scores>, ScoreError> {
        match &self.networks {
            Networks::Ensemble(ensemble) => ensemble.finish(ensemble.begin(images)?),
            Networks::Classifier(network) => network.finish(network.begin(images)?),
            Networks::Segmenter(network) => network.score(images),
        }
    }

    /// Begins to score pictures. On a GPU they are on their way when this returns, and so are the copies of the results:
    /// what is begun after them does not put them off, and they do not make it wait. On a CPU, and for a segmenter, they
    /// are kept until [`Self::finish`].
    pub fn begin<I: Borrow<GreyImage>>(&self, images: Vec<I>) -> Result<Begun<I>, ScoreError> {
        Ok(Begun(match &self.networks {
            _ if !self.device.is_gpu() => Work::Later(images),
            Networks::Ensemble(ensemble) => Work::Ensemble(ensemble.begin(&images)?),
            Networks::Classifier(network) => Work::Classifier(network.begin(&images)?),
            Networks::Segmenter(_) => Work::Later(images),
        }))
    }

    /// Waits for the scores of pictures that this scorer began.
    pub fn finish<I: Borrow<GreyImage>>(&self, begun: Begun<I>) -> Result<Vec<Scores>, ScoreError> {
        match (&self.networks, begun.0) {
            (Networks::Ensemble(ensemble), Work::Ensemble(begun)) => ensemble.finish(begun),
            (Networks::Classifier(network), Work::Classifier(begun)) => network.finish(begun),
            (_, Work::Later(images)) => self.score(&images),
            (_, Work::Ensemble(_) | Work::Classifier(_)) => {
                Err(ScoreError::Device { reason: "another model began this".to_owned() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Bundle, selftest};
    use crate::device::Device;

    #[test]
    fn what_was_begun_gives_what_is_scored_at_once() {
        let bundle = Bundle::embedded().unwrap();
        let pictures = [selftest::picture(64, 64), selftest::picture(80, 60)];
        for scorer in
            [Scorer::load(&bundle, &Device::reference()), Scorer::load_burn(&bundle, &Device::reference())]
        {
            let scorer = scorer.unwrap();
            let expected = pictures.each_ref().map(|picture| scorer.score(&[picture]).unwrap());
            let (one, other) =
                (scorer.begin(vec![&pictures[0]]).unwrap(), scorer.begin(vec![&pictures[1]]).unwrap());
            // in any order
            assert_eq!(scorer.finish(other).unwrap(), expected[1]);
            assert_eq!(scorer.finish(one).unwrap(), expected[0]);
        }
    }

    /// As on a GPU: asked for both before one is read.
    #[test]
    fn networks_that_were_asked_twice_answer_twice() {
        let bundle = Bundle::embedded().unwrap();
        let scorer = Scorer::load_burn(&bundle, &Device::reference()).unwrap();
        let pictures = [selftest::picture(64, 64), selftest::picture(80, 60)];
        let Networks::Ensemble(ensemble) = &scorer.networks else { panic!("an ensemble") };
        let (one, other) = (ensemble.begin(&pictures[..1]).unwrap(), ensemble.begin(&pictures[1..]).unwrap());
        let apart = [ensemble.finish(one).unwrap(), ensemble.finish(other).unwrap()].concat();
        let alone: Vec<Scores> =
            pictures.iter().flat_map(|picture| scorer.score(&[picture]).unwrap()).collect();
        assert_eq!(apart, alone, "bit by bit");
    }
}
