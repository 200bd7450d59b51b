//! Checkpoints of a training run: one file a network, written whole or not at all.
//!
//! A file is the length of its head (8 bytes, little-endian), the head (JSON), the
//! numbers (f32, little-endian) and the SHA-256 of all that. It holds everything
//! that the next epoch depends on beside configuration and data, whose digest
//! stands in the head: a run goes on only from a checkpoint of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fit::MOST_EPOCHS;
use super::learner::Numbers;
use crate::image::GreyImage;

/// The head's longest length in bytes.
const MAX_HEAD_BYTES: usize = 64 << 20;

/// Why a checkpoint could not be written or used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file could not be written.
    #[error("could not write the checkpoint `{path}`: check the folder's rights and free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error("could not read the checkpoint `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is damaged.
    #[error("the checkpoint `{path}` is damaged: delete it, and the network is trained from its start")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A file is of another run.
    #[error(
        "the checkpoint `{path}` is of another configuration or other data: give another folder, or delete it"
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
    },
}

impl CheckpointError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Write { .. } => "CheckpointWrite",
            Self::Read { .. } => "CheckpointRead",
            Self::Damaged { .. } => "CheckpointDamaged",
            Self::OtherRun { .. } => "CheckpointOtherRun",
        }
    }
}

/// Where a run keeps its checkpoints.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    folder: Option<PathBuf>,
    run: String,
}

/// The digest of all that a run's weights depend on.
pub(crate) struct RunDigest(Sha256);

impl RunDigest {
    /// Begins with the recipe.
    pub(crate) fn new(recipe: &impl Serialize) -> Self {
        // a recipe is plain data, which always has a text
        Self(Sha256::new_with_prefix(serde_json::to_vec(recipe).unwrap_or_default()))
    }

    /// Adds a picture.
    pub(crate) fn picture(&mut self, picture: &GreyImage) {
        self.0.update((picture.width() as u64).to_le_bytes());
        self.numbers(picture.pixels());
    }

    /// Adds numbers.
    pub(crate) fn numbers(&mut self, numbers: &[f32]) {
        self.0.update((numbers.len() as u64).to_le_bytes());
        for value in numbers {
            self.0.update(value.to_le_bytes());
        }
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// The digest, lower-case hexadecimal.
    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            // writing into a String cannot fail
            let _ignored = write!(text, "{byte:02x}");
            text
        })
    }
}

/// One network's training after an epoch.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Checkpoint {
    /// Epochs made.
    pub(crate) epoch: usize,
    /// Whether the training ended.
    pub(crate) done: bool,
    /// Place in the generator's stream.
    pub(crate) word: u128,
    /// The order of the samples, which each epoch shuffles on.
    pub(crate) order: Vec<usize>,
    /// The best value watched, and the epoch it is of.
    pub(crate) best: Option<(f64, usize)>,
    /// The averaged weights of that epoch.
    pub(crate) best_values: Vec<f32>,
    /// The learner.
    pub(crate) numbers: Numbers,
}

impl Checkpoint {
    /// Whether a training on `samples` can stand there.
    fn is_reached(&self, samples: &[usize]) -> bool {
        let sorted = |samples: &[usize]| {
            let mut samples = samples.to_vec();
            samples.sort_unstable();
            samples
        };
        self.epoch <= MOST_EPOCHS
            && self.best.is_none_or(|(_, epoch)| epoch <= self.epoch)
            && self.numbers.step <= self.epoch.saturating_mul(samples.len())
            && sorted(&self.order) == sorted(samples)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    run: String,
    epoch: usize,
    done: bool,
    word: String,
    order: Vec<usize>,
    best: Option<(f64, usize)>,
    step: usize,
    /// Lengths of weights, average, first and second moment, and best weights.
    lengths: [usize; 5],
}

impl Checkpoints {
    /// Keeps the checkpoints of the run with digest `run` in `folder`, or none at all.
    pub(crate) fn new(folder: Option<&Path>, run: String) -> Self {
        Self { folder: folder.map(Path::to_owned), run }
    }

    /// Writes the checkpoint `name`: beside the old one, synced, then in its place.
    pub(crate) fn write(&self, name: &str, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(format!("{name}.checkpoint"));
        let failed = |source| CheckpointError::Write { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let beside = folder.join(format!("{name}.checkpoint.new"));
        let bytes = to_bytes(&self.run, checkpoint).map_err(|error| failed(error.into()))?;
        let mut file = std::fs::File::create(&beside).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&beside, &path).map_err(failed)
    }

    /// Reads the checkpoint `name` of a network of `size` values that learns from `samples`, where there is one.
    pub(crate) fn read(
        &self,
        name: &str,
        size: usize,
        samples: &[usize],
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join(format!("{name}.checkpoint"));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Read { path, source }),
        };
        let Some((run, checkpoint)) = from_bytes(&bytes) else {
            return Err(CheckpointError::Damaged { path });
        };
        let fits = |values: &[f32]| values.is_empty() || values.len() == size;
        let numbers = &checkpoint.numbers;
        let all =
            [&numbers.values, &numbers.average, &numbers.first, &numbers.second, &checkpoint.best_values];
        if run != self.run || !all.into_iter().all(|values| fits(values)) {
            return Err(CheckpointError::OtherRun { path });
        }
        if checkpoint.numbers.values.len() != size || !checkpoint.is_reached(samples) {
            return Err(CheckpointError::Damaged { path });
        }
        Ok(Some(checkpoint))
    }
}

fn to_bytes(run: &str, checkpoint: &Checkpoint) -> serde_json::Result<Vec<u8>> {
    let numbers = &checkpoint.numbers;
    let parts = [&numbers.values, &numbers.average, &numbers.first, &numbers.second, &checkpoint.best_values];
    let head = serde_json::to_vec(&Head {
        format: 1,
        run: run.to_owned(),
        epoch: checkpoint.epoch,
        done: checkpoint.done,
        word: checkpoint.word.to_string(),
        order: checkpoint.order.clone(),
        best: checkpoint.best,
        step: numbers.step,
        lengths: parts.map(Vec::len),
    })?;
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend(head);
    bytes.extend(parts.into_iter().flatten().flat_map(|value| value.to_le_bytes()));
    let digest = Sha256::digest(&bytes);
    bytes.extend(digest);
    Ok(bytes)
}

/// The run's digest and the checkpoint; `None` where the bytes are not what [`to_bytes`] wrote.
fn from_bytes(bytes: &[u8]) -> Option<(String, Checkpoint)> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let (length, rest) = body.split_first_chunk::<8>()?;
    let length =
        usize::try_from(u64::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_HEAD_BYTES)?;
    let (head, mut rest) = rest.split_at_checked(length)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    let mut take = |count: usize| {
        let (own, after) = rest.split_at_checked(count.checked_mul(4)?)?;
        rest = after;
        let values = own.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        Some(values.collect::<Vec<f32>>())
    };
    let [values, average, first, second, best] = head.lengths;
    let numbers = Numbers {
        step: head.step,
        values: take(values)?,
        average: take(average)?,
        first: take(first)?,
        second: take(second)?,
    };
    let best_values = take(best)?;
    if head.format != 1 || !rest.is_empty() {
        return None;
    }
    let checkpoint = Checkpoint {
        epoch: head.epoch,
        done: head.done,
        word: head.word.parse().ok()?,
        order: head.order,
        best: head.best,
        best_values,
        numbers,
    };
    Some((head.run, checkpoint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLES: [usize; 3] = [0, 1, 2];

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            epoch: 3,
            done: false,
            word: u128::from(u64::MAX) + 5,
            order: vec![2, 0, 1],
            best: Some((0.1 + 0.2, 2)),
            best_values: vec![f32::MIN_POSITIVE, -0.0],
            numbers: Numbers {
                step: 9,
                values: vec![1.5, -2.25],
                average: vec![0.1, 0.2],
                first: vec![1e-30, 3.0],
                second: vec![4.0, 5.0],
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_only_by_its_own_run() {
        let folder = tempfile::tempdir().unwrap();
        let own = Checkpoints::new(Some(folder.path()), "a".to_owned());
        assert_eq!(own.read("net", 2, &SAMPLES).unwrap(), None);
        own.write("net", &checkpoint()).unwrap();
        assert_eq!(own.read("net", 2, &SAMPLES).unwrap(), Some(checkpoint()));
        let code = |store: &Checkpoints, size| store.read("net", size, &SAMPLES).unwrap_err().code();
        assert_eq!(code(&own, 3), "CheckpointOtherRun");
        assert_eq!(code(&Checkpoints::new(Some(folder.path()), "b".to_owned()), 2), "CheckpointOtherRun");
        let none = Checkpoints::new(None, "a".to_owned());
        none.write("net", &checkpoint()).unwrap();
        assert_eq!(none.read("net", 2, &SAMPLES).unwrap(), None);
    }

    #[test]
    fn where_no_training_can_stand_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = Checkpoints::new(Some(folder.path()), "a".to_owned());
        let whole = checkpoint();
        for wrong in [
            Checkpoint { order: vec![0, 1, 3], ..whole.clone() },
            Checkpoint { order: vec![0, 1], ..whole.clone() },
            Checkpoint { epoch: usize::MAX, ..whole.clone() },
            Checkpoint { best: Some((0.5, 4)), ..whole.clone() },
            Checkpoint { numbers: Numbers { step: usize::MAX, ..whole.numbers.clone() }, ..whole.clone() },
            Checkpoint { numbers: Numbers { values: Vec::new(), ..whole.numbers.clone() }, ..whole.clone() },
        ] {
            store.write("net", &wrong).unwrap();
            let error = store.read("net", 2, &SAMPLES).unwrap_err();
            assert_eq!(error.code(), "CheckpointDamaged", "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_or_a_lost_end_is_seen(at in 0.0_f64..1.0, bit in 0_u32..8, cut in any::<bool>()) {
            let mut bytes = to_bytes("run", &checkpoint()).unwrap();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the bytes")]
            let place = (at * bytes.len() as f64) as usize;
            if cut { bytes.truncate(place); } else { bytes[place] ^= 1 << bit; }
            prop_assert_eq!(from_bytes(&bytes), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(from_bytes(&bytes), None);
        }
    }
}
