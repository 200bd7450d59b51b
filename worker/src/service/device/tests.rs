//! How the device's thread forms batches, whom it serves first, and that every job gets its own numbers.

use super::engine::Facts;
use super::waiting::{Batch, KEPT_FREE, OVERTAKEN_AT_MOST, STAT_IN_A_ROW};
use super::*;
use crate::cli::DeviceArg;
use crate::config::Config;
use crate::model::BUILT_IN;

mod scripted;

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
fn no_full_batch_is_begun_out_of_its_turn() {
    let shared = Shared::default();
    let ask = |lane, ask| shared.ask(lane, BUILT_IN, ask);
    (0..2).for_each(|_| ask(Lane::Routine, score()));
    assert!(shared.next_full(BUILT_IN, TOGETHER).is_none(), "it is not full");
    ask(Lane::Routine, score());
    assert!(shared.next_full(ModelNumber(1), TOGETHER).is_none(), "it is of another model");
    ask(Lane::Stat, map("before it"));
    assert!(shared.next_full(BUILT_IN, TOGETHER).is_none(), "a map is before it");
    assert_eq!(kinds(shared.next(TOGETHER)), ["before it"]);
    assert_eq!(kinds(shared.next_full(BUILT_IN, TOGETHER)), ["score"; 3]);
    assert!(shared.next_full(BUILT_IN, TOGETHER).is_none(), "nothing waits");
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
