//! How the device's thread forms batches, whom it serves first, and that every job gets its own numbers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use models::ScoreError;

use super::engine::{Engine, EngineError, Facts};
use super::waiting::{Batch, KEPT_FREE, OVERTAKEN_AT_MOST, STAT_IN_A_ROW};
use super::*;
use crate::cli::DeviceArg;
use crate::config::Config;
use crate::model::BUILT_IN;

fn shared(asks: impl IntoIterator<Item = (Lane, Ask)>) -> Shared {
    let shared = Shared::default();
    for (lane, ask) in asks {
        shared.ask(lane, BUILT_IN, ask);
    }
    shared
}

fn built_in() -> Opening {
    Opening::built_in(&Config::load(None, None).unwrap()).unwrap()
}

fn picture() -> Arc<GreyImage> {
    Arc::new(GreyImage::new(1, 1, vec![0.5]).unwrap())
}

fn score() -> Ask {
    Ask::Score(picture(), sync_channel(1).0)
}

fn map(label: &str) -> Ask {
    Ask::Saliency(picture(), label.to_owned(), sync_channel(1).0)
}

fn kinds(batch: Option<Batch>) -> Vec<String> {
    let kind = |ask: &Ask| match ask {
        Ask::Score(..) => "score".to_owned(),
        Ask::Saliency(_, label, _) => label.clone(),
        Ask::Load(_) => "load".to_owned(),
    };
    batch.unwrap().asks.iter().map(kind).collect()
}

const TOGETHER: Batching = Batching { max: 3, wait: Duration::ZERO };

#[test]
fn pictures_of_both_lanes_are_scored_together_up_to_the_bound_and_maps_alone() {
    let asks = [
        (Lane::Routine, score()),
        (Lane::Routine, map("routine map")),
        (Lane::Routine, score()),
        (Lane::Stat, score()),
        (Lane::Routine, score()),
    ];
    let shared = shared(asks);
    assert_eq!(kinds(shared.next(TOGETHER)), ["score"; 3]);
    assert_eq!(kinds(shared.next(TOGETHER)), ["routine map"]);
    assert_eq!(kinds(shared.next(TOGETHER)), ["score"]);
}

#[test]
fn stat_goes_first_and_a_routine_ask_after_four_of_them() {
    let stat = (0..6).map(|number| (Lane::Stat, map(&format!("stat {number}"))));
    let shared = shared(std::iter::once((Lane::Routine, map("routine"))).chain(stat));
    let order: Vec<_> = (0..7).flat_map(|_| kinds(shared.next(TOGETHER))).collect();
    assert_eq!(order, ["stat 0", "stat 1", "stat 2", "stat 3", "routine", "stat 4", "stat 5"]);
}

#[test]
fn the_device_is_kept_free_for_a_stat_job_under_way_but_not_for_long() {
    let shared = shared([(Lane::Routine, score())]);
    let now = Instant::now();
    let mut waiting = shared.lock();
    waiting.urgent.begins(now + KEPT_FREE);
    assert!(waiting.pop(now).is_none(), "it comes back for its map");
    waiting.stat_in_a_row = STAT_IN_A_ROW;
    assert_eq!(waiting.lane(now), Some(1), "a routine picture is due");
    waiting.stat_in_a_row = 1;
    assert_eq!(waiting.lane(now + KEPT_FREE), Some(1), "it took too long");
    waiting.urgent.ends();
    assert_eq!(waiting.lane(now), Some(1), "it is done");
}

/// The models of the next so many batches, where model 0 is resident at first and a model that is served is the only
/// resident one from then on: a budget for one.
fn served(shared: &Shared, batches: usize) -> Vec<usize> {
    let holds = |model: usize| {
        let models = (0..2).map(|own| ModelFacts { is_resident: own == model, ..ModelFacts::default() });
        Facts { models: models.collect(), ..Facts::default() }
    };
    shared.succeeded(&holds(0));
    (0..batches)
        .map(|_| {
            let model = shared.next(TOGETHER).unwrap().model.0;
            shared.succeeded(&holds(model));
            model
        })
        .collect()
}

#[test]
fn asks_for_a_resident_model_go_first_until_the_others_have_waited_long_enough() {
    let shared = Shared::default();
    let most = OVERTAKEN_AT_MOST as usize;
    for model in [1, 1] {
        shared.ask(Lane::Routine, ModelNumber(model), map("of the other model"));
    }
    for _ in 0..2 * most {
        shared.ask(Lane::Routine, ModelNumber(0), map("of the resident model"));
    }
    let order = served(&shared, 2 * most + 2);
    let expected = [vec![0; most], vec![1; 2], vec![0; most]].concat();
    assert_eq!(order, expected, "its model is loaded once, and both its asks are served");
}

#[test]
fn with_a_budget_for_one_two_models_take_turns_and_none_starves() {
    let shared = Shared::default();
    for _ in 0..100 {
        shared.ask(Lane::Routine, ModelNumber(0), map("0"));
        shared.ask(Lane::Routine, ModelNumber(1), map("1"));
    }
    let order = served(&shared, 200);
    assert_eq!(order.iter().filter(|model| **model == 0).count(), 100);
    let loads = order.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((10..=30).contains(&loads), "{loads} loads for 200 asks that come by turns");
    let longest = order.chunk_by(|one, next| one == next).map(<[usize]>::len).max().unwrap();
    assert!(longest <= 100 && order[..20].contains(&1), "{order:?}");
}

#[test]
fn a_stat_ask_waits_for_no_other_model() {
    let shared = Shared::default();
    shared.ask(Lane::Stat, ModelNumber(1), map("of the other model"));
    shared.ask(Lane::Stat, ModelNumber(0), map("of the resident model"));
    shared.ask(Lane::Routine, ModelNumber(0), map("routine"));
    assert_eq!(served(&shared, 3), [1, 0, 0]);
}

#[test]
fn a_batch_is_of_one_model() {
    let shared = Shared::default();
    for model in [0, 1, 0, 1, 0] {
        shared.ask(Lane::Routine, ModelNumber(model), score());
    }
    let batches: Vec<_> = (0..2)
        .map(|_| shared.next(TOGETHER).unwrap())
        .map(|batch| (batch.model.0, batch.asks.len()))
        .collect();
    assert_eq!(batches, [(0, 3), (1, 2)]);
}

#[test]
fn large_pictures_are_not_scored_together_beyond_what_one_ask_may_hold() {
    let large = Arc::new(GreyImage::new(4096, 4096, vec![0.5; 4096 * 4096]).unwrap());
    let of = |picture: &Arc<GreyImage>| Ask::Score(Arc::clone(picture), sync_channel(1).0);
    let shared = Shared::default();
    for picture in [&large, &large, &large, &picture()] {
        shared.ask(Lane::Routine, BUILT_IN, of(picture));
    }
    let many = Batching { max: 8, wait: Duration::ZERO };
    // two fill an ask to the last value; the small one waits for the third
    assert_eq!(kinds(shared.next(many)).len(), 2);
    assert_eq!(kinds(shared.next(many)).len(), 2);
}

#[test]
fn a_thread_that_is_stopped_takes_nothing_more() {
    let shared = shared([(Lane::Stat, score())]);
    shared.lock().stopped = true;
    assert!(shared.next(TOGETHER).is_none());
}

#[test]
fn a_batch_waits_for_others_until_it_is_full() {
    let shared = shared([(Lane::Routine, score())]);
    let patient = Batching { max: 2, wait: Duration::from_mins(1) };
    let batch = std::thread::scope(|scope| {
        let forming = scope.spawn(|| kinds(shared.next(patient)));
        shared.ask(Lane::Stat, BUILT_IN, score());
        forming.join().unwrap()
    });
    assert_eq!(batch, ["score"; 2]);
}

#[test]
fn every_job_gets_the_numbers_of_its_own_picture() {
    let batching = Batching { max: 4, wait: Duration::ZERO };
    let opens = Box::new(OpenLocal { opening: built_in(), device: DeviceArg::Cpu });
    let device = DeviceThread::start(opens, batching, &[BUILT_IN], Metrics::new("digest")).unwrap();
    let picture = |grey: fn(u16) -> u16| {
        let values = (0..64 * 64).map(|index| f32::from(grey(index)) / 64.0).collect();
        Arc::new(GreyImage::new(64, 64, values).unwrap())
    };
    let (one, other) = (picture(|index| index % 64), picture(|index| index / 64));
    let alone: Vec<_> = [&one, &other]
        .map(|image| device.lane(Lane::Stat).score(BUILT_IN, image).unwrap().findings[0].logit)
        .into();
    let together = std::thread::scope(|scope| {
        let asks = [&one, &other].map(|image| {
            let device = &device;
            scope.spawn(move || device.lane(Lane::Routine).score(BUILT_IN, image).unwrap().findings[0].logit)
        });
        asks.map(|ask| ask.join().unwrap())
    });
    assert_eq!(alone, together);
    assert!((alone[0] - alone[1]).abs() > 1e-6);
    assert!(device.lane(Lane::Stat).saliency(BUILT_IN, &one, "no such finding").is_err());
    assert!(device.health().is_ready(), "a question that makes no sense is no failure of the device");
}

/// An engine that says what its script says, for as long as it lives: the picture's first value names it.
struct Scripted {
    facts: Facts,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    fails: fn(&[u8]) -> Option<EngineError>,
    well: Scores,
}

struct OpenScripted {
    opened: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    fails: fn(&[u8]) -> Option<EngineError>,
    well: Scores,
}

impl OpenEngine for OpenScripted {
    fn open(&self) -> Result<Box<dyn Engine>, Ending> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let facts = Facts { description: "scripted".into(), is_gpu: true, ..Facts::default() };
        let (asked, fails, well) = (Arc::clone(&self.asked), self.fails, self.well.clone());
        Ok(Box::new(Scripted { facts, asked, fails, well }))
    }
}

impl Engine for Scripted {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn load(&mut self, _model: ModelNumber, _if_it_fits: bool) -> Result<(), EngineError> {
        Ok(())
    }

    fn score(
        &mut self,
        _model: ModelNumber,
        pictures: &[Arc<GreyImage>],
    ) -> Result<Vec<Scores>, EngineError> {
        let names: Vec<u8> = pictures.iter().map(|picture| name_of(picture)).collect();
        self.asked.lock().unwrap().push(names.clone());
        let scores = |name: &u8| {
            let mut scores = self.well.clone();
            scores.findings[0].logit = f64::from(*name);
            scores
        };
        (self.fails)(&names).map_or_else(|| Ok(names.iter().map(scores).collect()), Err)
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

/// Scores pictures 0 to 3 as one batch on a scripted device: the answers, what the engines were asked, and how many were
/// opened.
fn batch_of_four(fails: fn(&[u8]) -> Option<EngineError>) -> (Answers, Vec<Vec<u8>>, usize, DeviceHealth) {
    let (opened, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let mut local = (OpenLocal { opening: built_in(), device: DeviceArg::Cpu }).local().unwrap();
    let well = local.score(BUILT_IN, &[named(0)]).unwrap().remove(0);
    let opens =
        Box::new(OpenScripted { opened: Arc::clone(&opened), asked: Arc::clone(&asked), fails, well });
    let shared = Shared::default();
    let answers: Vec<_> = (0..4)
        .map(|name| {
            let (reply, answer): (SyncSender<_>, _) = sync_channel(1);
            shared.ask(Lane::Routine, BUILT_IN, Ask::Score(named(name), reply));
            answer
        })
        .collect();
    let batching = Batching { max: 4, wait: Duration::ZERO };
    let metrics = Metrics::new("digest");
    let serving = Serving { opens, engine: None, batching, metrics, counted: Vec::new() };
    std::thread::scope(|scope| {
        scope.spawn(|| serving.serve(&shared));
        let answered = answers
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
        let asked = asked.lock().unwrap().clone();
        let health = shared.lock().health.clone();
        (answered, asked, opened.load(Ordering::SeqCst), health)
    })
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
