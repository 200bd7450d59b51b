//! How the device's thread forms batches, whom it serves first, and that every job gets its own numbers.

use super::*;

fn shared(asks: impl IntoIterator<Item = (Lane, Ask)>) -> Shared {
    let shared = Shared { waiting: Mutex::default(), changed: Condvar::new() };
    for (lane, ask) in asks {
        shared.ask(lane, ask);
    }
    shared
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

fn kinds(batch: Option<Vec<Ask>>) -> Vec<String> {
    let kind = |ask: &Ask| match ask {
        Ask::Score(..) => "score".to_owned(),
        Ask::Saliency(_, label, _) => label.clone(),
    };
    batch.unwrap().iter().map(kind).collect()
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
    (waiting.stat_under_way, waiting.kept_free_until) = (1, Some(now + KEPT_FREE));
    assert!(waiting.pop(now).is_none(), "it comes back for its map");
    waiting.stat_in_a_row = STAT_IN_A_ROW;
    assert_eq!(waiting.lane(now), Some(1), "a routine picture is due");
    waiting.stat_in_a_row = 1;
    assert_eq!(waiting.lane(now + KEPT_FREE), Some(1), "it took too long");
    waiting.stat_under_way = 0;
    assert_eq!(waiting.lane(now), Some(1), "it is done");
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
        shared.ask(Lane::Stat, score());
        forming.join().unwrap()
    });
    assert_eq!(batch, ["score"; 2]);
}

#[test]
fn every_job_gets_the_numbers_of_its_own_picture() {
    let bundle = Arc::new(Bundle::embedded().unwrap());
    let batching = Batching { max: 4, wait: Duration::ZERO };
    let device =
        DeviceThread::start(Arc::clone(&bundle), DeviceArg::Cpu, batching, Metrics::new("digest")).unwrap();
    let picture = |grey: fn(u16) -> u16| {
        let values = (0..64 * 64).map(|index| f32::from(grey(index)) / 64.0).collect();
        Arc::new(GreyImage::new(64, 64, values).unwrap())
    };
    let (one, other) = (picture(|index| index % 64), picture(|index| index / 64));
    let alone: Vec<_> =
        [&one, &other].map(|image| device.lane(Lane::Stat).score(image).unwrap().findings[0].logit).into();
    let together = std::thread::scope(|scope| {
        let asks = [&one, &other].map(|image| {
            let device = &device;
            scope.spawn(move || device.lane(Lane::Routine).score(image).unwrap().findings[0].logit)
        });
        asks.map(|ask| ask.join().unwrap())
    });
    assert_eq!(alone, together);
    assert!((alone[0] - alone[1]).abs() > 1e-6);
    assert!(device.lane(Lane::Stat).saliency(&one, "no such finding").is_err());
    assert!(device.health().is_ready(), "a question that makes no sense is no failure of the device");
}
