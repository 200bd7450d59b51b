//! An engine that does as it is told: in which order batches are begun and read, and what its failures cost whom.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use models::ScoreError;

use super::super::engine::{Engine, EngineError};
use super::*;

/// What was done with a batch of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begun,
    Finished,
}

/// The steps of all engines in their order, with the names of the batch's pictures.
type Steps = Arc<Mutex<Vec<(Step, Vec<u8>)>>>;

/// What an engine fails with for a batch of these pictures.
type Fails = fn(&[u8]) -> Option<EngineError>;

/// An engine that says what its script says, for as long as it lives: the picture's first value names it.
struct Scripted {
    facts: Facts,
    begun: VecDeque<Vec<u8>>,
    script: OpenScripted,
}

#[derive(Clone)]
struct OpenScripted {
    opened: Arc<AtomicUsize>,
    steps: Steps,
    fails: Fails,
    is_gpu: bool,
    well: Scores,
}

impl OpenEngine for OpenScripted {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let models = vec![ModelFacts { is_resident: true, ..ModelFacts::default() }];
        let (description, is_gpu) = ("scripted".into(), self.is_gpu);
        let facts = Facts { description, is_gpu, models, ..Facts::default() };
        Ok(Box::new(Scripted { facts, begun: VecDeque::new(), script: self.clone() }))
    }
}

impl Engine for Scripted {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn load(&mut self, _model: ModelNumber, _if_it_fits: bool) -> Result<(), EngineError> {
        Ok(())
    }

    fn begin(&mut self, _model: ModelNumber, pictures: &[Arc<GreyImage>]) {
        let names: Vec<u8> = pictures.iter().map(|picture| name_of(picture)).collect();
        self.script.steps.lock().unwrap().push((Step::Begun, names.clone()));
        self.begun.push_back(names);
    }

    fn finish(&mut self) -> Result<Vec<Scores>, EngineError> {
        let names = self.begun.pop_front().unwrap();
        self.script.steps.lock().unwrap().push((Step::Finished, names.clone()));
        let scores = |name: &u8| {
            let mut scores = self.script.well.clone();
            scores.findings[0].logit = f64::from(*name);
            scores
        };
        (self.script.fails)(&names).map_or_else(|| Ok(names.iter().map(scores).collect()), Err)
    }

    fn saliency(
        &mut self,
        _model: ModelNumber,
        _picture: &GreyImage,
        label: &str,
    ) -> Result<GreyImage, EngineError> {
        Err(EngineError::Score(ScoreError::UnknownLabel { label: label.to_owned() }))
    }
}

fn named(name: u8) -> Arc<GreyImage> {
    Arc::new(GreyImage::new(1, 1, vec![f32::from(name) / 255.0]).unwrap())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was made from a u8")]
fn name_of(picture: &GreyImage) -> u8 {
    (picture.pixels()[0] * 255.0).round() as u8
}

/// The name that each picture got back, or the code of its job's end.
type Answers = Vec<Result<f64, String>>;

/// What became of pictures on a scripted device.
struct Became {
    answers: Answers,
    steps: Vec<(Step, Vec<u8>)>,
    opened: usize,
    health: DeviceHealth,
}

impl Became {
    /// What the engines were asked, in its order.
    fn asked(&self) -> Vec<Vec<u8>> {
        self.steps.iter().filter(|(step, _)| *step == Step::Begun).map(|(_, names)| names.clone()).collect()
    }
}

/// Scores pictures 0 to `pictures`, which all wait at first, in batches of four.
fn in_fours(pictures: u8, is_gpu: bool, fails: Fails) -> Became {
    let mut local = (OpenLocal { opening: built_in(), device: DeviceArg::Cpu }).local().unwrap();
    let well = local.score(BUILT_IN, &[named(0)]).unwrap().remove(0);
    let script = OpenScripted { opened: Arc::default(), steps: Arc::default(), fails, is_gpu, well };
    let shared = Shared::default();
    let answers: Vec<_> = (0..pictures)
        .map(|name| {
            let (reply, answer): (SyncSender<_>, _) = sync_channel(1);
            shared.ask(Lane::Routine, BUILT_IN, Ask::Score(named(name), reply));
            answer
        })
        .collect();
    let batching = Batching { max: 4, wait: Duration::ZERO };
    let (opens, metrics) = (Box::new(script.clone()), Metrics::new("digest"));
    let serving = Serving { opens, engine: None, batching, metrics, counted: Vec::new() };
    std::thread::scope(|scope| {
        let serves = scope.spawn(|| serving.serve(&shared));
        let answers = answers
            .iter()
            .map(|answer| {
                answer
                    .recv()
                    .unwrap()
                    .map(|scores| scores.findings[0].logit)
                    .map_err(|e| e.why().code.clone())
            })
            .collect();
        shared.stop();
        serves.join().unwrap();
        let steps = script.steps.lock().unwrap().clone();
        let health = shared.lock().health.clone();
        Became { answers, steps, opened: script.opened.load(Ordering::SeqCst), health }
    })
}

fn batch_of_four(fails: Fails) -> (Answers, Vec<Vec<u8>>, usize, DeviceHealth) {
    let became = in_fours(4, true, fails);
    let asked = became.asked();
    (became.answers, asked, became.opened, became.health)
}

/// What so many pictures get back where one of them may have no score.
fn each_its_own(pictures: u8, fatal: Option<(u8, &str)>) -> Answers {
    let answer = |name: u8| match fatal {
        Some((fatal, code)) if fatal == name => Err(code.to_owned()),
        _ => Ok(f64::from(name)),
    };
    (0..pictures).map(answer).collect()
}

const A: [u8; 4] = [0, 1, 2, 3];
const B: [u8; 4] = [4, 5, 6, 7];
const C: [u8; 4] = [8, 9, 10, 11];

#[test]
fn a_full_batch_is_begun_before_the_one_before_it_is_read() {
    use Step::{Begun, Finished};
    let became = in_fours(12, true, |_| None);
    assert_eq!(became.answers, each_its_own(12, None));
    let expected = [(Begun, A), (Begun, B), (Finished, A), (Begun, C), (Finished, B), (Finished, C)];
    assert_eq!(became.steps, expected.map(|(step, names)| (step, names.to_vec())));
}

#[test]
fn a_batch_that_is_not_full_is_formed_as_late_as_possible() {
    let became = in_fours(6, true, |_| None);
    let steps: Vec<Step> = became.steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Begun, Step::Finished, Step::Begun, Step::Finished]);
    assert_eq!(became.asked(), [A.to_vec(), vec![4, 5]]);
}

#[test]
fn on_a_cpu_nothing_is_begun_ahead() {
    let became = in_fours(8, false, |_| None);
    let steps: Vec<Step> = became.steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [Step::Begun, Step::Finished, Step::Begun, Step::Finished]);
}

#[test]
fn a_batch_behind_one_that_ends_the_engine_is_asked_again_whole_and_loses_nothing() {
    let became = in_fours(8, true, |names| {
        (names.len() > 2 && names.contains(&0)).then_some(EngineError::OutOfMemory)
    });
    assert_eq!(became.answers, each_its_own(8, None));
    assert_eq!(became.asked(), [A.to_vec(), B.to_vec(), vec![0, 1], vec![2, 3], B.to_vec()]);
    assert_eq!(became.opened, 2);
    assert!(became.health.is_ready() && became.health.failures == 0);
}

#[test]
fn a_picture_that_ends_every_engine_fails_alone_whatever_is_begun_beside_it() {
    for fatal in [A[2], B[2]] {
        let fails: Fails = if fatal == A[2] {
            |names| names.contains(&A[2]).then_some(EngineError::Hung { seconds: 1 })
        } else {
            |names| names.contains(&B[2]).then_some(EngineError::Hung { seconds: 1 })
        };
        let became = in_fours(12, true, fails);
        assert_eq!(became.answers, each_its_own(12, Some((fatal, "DeviceHung"))));
    }
}

#[test]
fn what_is_begun_is_finished_before_a_batch_with_no_scores_is_asked_in_parts() {
    use Step::{Begun, Finished};
    let became = in_fours(8, true, |names| {
        names.contains(&1).then_some(EngineError::Score(ScoreError::NotFinite { index: 0 }))
    });
    assert_eq!(became.answers, each_its_own(8, Some((1, "ScoreNotFinite"))));
    let first = [(Begun, A), (Begun, B), (Finished, A), (Finished, B)];
    assert_eq!(became.steps[..4], first.map(|(step, names)| (step, names.to_vec())));
    assert_eq!(became.opened, 1, "the engine is well");
}

#[test]
fn a_device_without_memory_for_a_batch_gets_half_of_it_on_a_fresh_engine() {
    let (answered, asked, opened, health) =
        batch_of_four(|names| (names.len() > 2).then_some(EngineError::OutOfMemory));
    assert_eq!(answered, [Ok(0.0), Ok(1.0), Ok(2.0), Ok(3.0)]);
    assert_eq!(asked, [vec![0, 1, 2, 3], vec![0, 1], vec![2, 3]]);
    assert_eq!(opened, 2);
    assert!(health.is_ready() && health.failures == 0);
}

#[test]
fn a_picture_that_ends_every_engine_fails_alone() {
    let (answered, asked, opened, health) = batch_of_four(|names| {
        names.contains(&2).then_some(EngineError::Lost { reason: "its process ended: signal: 11".into() })
    });
    assert_eq!(answered, [Ok(0.0), Ok(1.0), Err("DeviceLost".into()), Ok(3.0)]);
    assert_eq!(asked, [vec![0, 1, 2, 3], vec![0, 1], vec![2, 3], vec![2], vec![2], vec![3]]);
    assert_eq!(opened, 5, "one at first, one after each loss");
    assert_eq!(health.failures, 0, "the last picture was scored");
}

#[test]
fn a_device_that_never_answers_fails_each_job_with_its_code_and_is_not_ready() {
    let (answered, _, _, health) = batch_of_four(|_| Some(EngineError::Hung { seconds: 120 }));
    assert!(answered.iter().all(|answer| answer == &Err("DeviceHung".to_owned())), "{answered:?}");
    assert!(!health.is_ready());
}

#[test]
fn a_value_that_is_no_number_is_no_end_of_the_engine() {
    let (answered, _, opened, health) = batch_of_four(|names| {
        names.contains(&1).then_some(EngineError::Score(ScoreError::NotFinite { index: 0 }))
    });
    assert_eq!(answered, [Ok(0.0), Err("ScoreNotFinite".into()), Ok(2.0), Ok(3.0)]);
    assert_eq!(opened, 1);
    assert!(health.is_ready());
}
