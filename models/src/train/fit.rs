//! The epochs of one network: shuffle, step, watch, checkpoint, stop early.

use burn::module::Module;
use burn::tensor::Tensor;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::checkpoint::{Checkpoint, Checkpoints};
use super::config::{Progress, Stage, TrainError};
use super::learner::{Learner, Rates};

/// Most epochs of a network, far more than any has use for: steps can be counted.
pub(super) const MOST_EPOCHS: usize = 1_000_000;

/// How long and in which steps a network is trained.
pub(crate) struct Plan {
    pub(crate) stage: Stage,
    pub(crate) fold: usize,
    /// Samples it is trained on.
    pub(crate) order: Vec<usize>,
    /// Samples a step.
    pub(crate) batch: usize,
    pub(crate) epochs: usize,
    pub(crate) rates: Rates,
    /// Epochs without a better watched value after which it ends; the best epoch's weights are kept.
    pub(crate) patience: Option<usize>,
}

/// What a network learns.
pub(crate) trait Task<M> {
    /// The loss of one step on these samples.
    fn loss(&self, network: &M, members: &[usize], rng: &mut ChaCha8Rng) -> Tensor<1>;

    /// What is watched after each epoch, lower is better; nothing unless the task has it.
    fn watch(&self, _network: &M) -> Result<Option<f64>, TrainError> {
        Ok(None)
    }
}

impl Plan {
    /// The name of the network's checkpoint.
    fn name(&self) -> String {
        format!("{}-{}", self.stage.as_str(), self.fold)
    }
}

/// Trains `network`, which is on a device with autodiff, from where its checkpoint stands; gives it without autodiff.
pub(crate) fn fit<M: Module>(
    plan: Plan,
    network: M,
    task: &impl Task<M>,
    rng: &mut ChaCha8Rng,
    checkpoints: &Checkpoints,
    report: &dyn Fn(Progress),
) -> Result<M, TrainError> {
    let batches = (plan.order.len() / plan.batch).max(1);
    let (stage, fold, epochs) = (plan.stage, plan.fold, plan.epochs);
    let mut learner = Learner::new(network, plan.rates, batches * epochs);
    let name = plan.name();
    let mut at = Checkpoint { order: plan.order, ..Checkpoint::default() };
    if let Some(saved) = checkpoints.read(&name, learner.size(), &at.order)? {
        at = saved;
        learner.resume(std::mem::take(&mut at.numbers));
        rng.set_word_pos(at.word);
        report(Progress::Resumed { stage, fold, epoch: at.epoch, epochs, done: at.done });
    }
    while !at.done {
        at.epoch += 1;
        at.order.shuffle(rng);
        let mut sum = 0.0;
        for members in at.order.chunks(plan.batch).take(batches) {
            let loss = task.loss(learner.network(), members, rng);
            sum += learner.step(loss)?;
        }
        let loss = sum / batches as f64;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { fold, epoch: at.epoch });
        }
        let watched = task.watch(&learner.with(learner.average()))?;
        if let Some(value) = watched
            && at.best.is_none_or(|(best, _)| value < best)
        {
            at.best = Some((value, at.epoch));
            at.best_values = learner.average().to_vec();
        }
        let stale = at.best.map_or(0, |(_, epoch)| at.epoch - epoch);
        at.done = at.epoch >= epochs || plan.patience.is_some_and(|patience| stale >= patience);
        at.word = rng.get_word_pos();
        at.numbers = learner.state()?;
        checkpoints.write(&name, &at)?;
        report(Progress::Epoch { stage, fold, epoch: at.epoch, epochs, loss, watched, done: at.done });
    }
    let values = if at.best.is_some() { &at.best_values } else { learner.average() };
    Ok(learner.with(values))
}
