//! Values on their way from a device: asked for now, read later, while the device computes what was asked next.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use burn::tensor::{Tensor, TensorData, Transaction, read_sync};

use super::{MAX_BATCH, ScoreError};

/// The values of some tensors, one list each.
type Values = Result<Vec<Vec<f32>>, ScoreError>;

/// Values that a device was asked for.
pub(super) enum Readback {
    /// They are on this side.
    Here(Values),
    /// Their copy to this side is queued behind what computes them.
    Coming(Pin<Box<dyn Future<Output = Values> + Send>>),
}

impl Readback {
    /// Asks for all values of a transaction of so many tensors.
    pub(super) fn begin(tensors: Transaction, count: usize) -> Self {
        Self::of(read(tensors, count))
    }

    /// Polls once, which queues the copy: a device copies in its order, and a copy that is queued only when somebody waits
    /// for it is behind the batch that was asked meanwhile.
    fn of(values: impl Future<Output = Values> + Send + 'static) -> Self {
        let mut coming: Pin<Box<dyn Future<Output = Values> + Send>> = Box::pin(values);
        match coming.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(values) => Self::Here(values),
            Poll::Pending => Self::Coming(coming),
        }
    }

    /// Waits for the values.
    pub(super) fn finish(self) -> Values {
        match self {
            Self::Here(values) => values,
            Self::Coming(values) => read_sync(values),
        }
    }
}

async fn read(tensors: Transaction, count: usize) -> Values {
    let failed = |reason| ScoreError::Device { reason };
    let read = tensors.execute_async().await.map_err(|error| failed(format!("{error:?}")))?;
    if read.len() != count {
        return Err(failed(format!("it gave {} results of {count}", read.len())));
    }
    let values = |data: &TensorData| data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")));
    read.iter().map(values).collect()
}

/// Pictures as batches of [`MAX_BATCH`]: each is asked before the one before it is read, the last of them is not read yet.
pub(crate) struct Batches<Asked, Read> {
    read: Vec<Read>,
    last: Option<Asked>,
}

impl<Asked, Read> Batches<Asked, Read> {
    /// Asks for all pictures.
    pub(super) fn begin<Picture>(
        pictures: &[Picture],
        ask: impl Fn(&[Picture]) -> Asked,
        read: impl Fn(Asked) -> Result<Vec<Read>, ScoreError>,
    ) -> Result<Self, ScoreError> {
        let mut batches = Self { read: Vec::with_capacity(pictures.len()), last: None };
        for batch in pictures.chunks(MAX_BATCH) {
            if let Some(before) = batches.last.replace(ask(batch)) {
                batches.add(read(before))?;
            }
        }
        Ok(batches)
    }

    /// Reads what was not read yet; gives all, in the pictures' order.
    pub(super) fn finish(
        mut self,
        read: impl Fn(Asked) -> Result<Vec<Read>, ScoreError>,
    ) -> Result<Vec<Read>, ScoreError> {
        if let Some(last) = self.last.take() {
            self.add(read(last))?;
        }
        Ok(self.read)
    }

    /// Adds what was read of a batch; an error names the picture by its place among all.
    fn add(&mut self, batch: Result<Vec<Read>, ScoreError>) -> Result<(), ScoreError> {
        match batch {
            Ok(batch) => {
                self.read.extend(batch);
                Ok(())
            }
            Err(ScoreError::NotFinite { index }) => {
                Err(ScoreError::NotFinite { index: self.read.len() + index })
            }
            Err(error) => Err(error),
        }
    }
}

/// A tensor's values on this side of the device.
pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, ScoreError> {
    let failed = |reason| ScoreError::Device { reason };
    let data = tensor.try_into_data().map_err(|error| failed(format!("{error:?}")))?;
    data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A device: what was asked of it in its order, and who waits.
    #[derive(Default)]
    struct Queue {
        asked: Vec<&'static str>,
        waits: Option<Waker>,
    }

    /// Asks for its copy when it is polled first, and has its values when the queue is done.
    struct Copying {
        queue: Arc<Mutex<Queue>>,
        is_queued: bool,
    }

    impl Future for Copying {
        type Output = Values;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Values> {
            let shared = Arc::clone(&self.queue);
            let mut queue = shared.lock().unwrap();
            if !self.is_queued {
                self.is_queued = true;
                queue.asked.push("copy");
            }
            if queue.asked.contains(&"done") {
                return Poll::Ready(Ok(vec![vec![1.0]]));
            }
            queue.waits = Some(context.waker().clone());
            Poll::Pending
        }
    }

    #[test]
    fn the_copy_is_queued_before_what_is_asked_next_and_read_after_it() {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let first = Readback::of(Copying { queue: Arc::clone(&queue), is_queued: false });
        queue.lock().unwrap().asked.push("next batch");
        let values = std::thread::scope(|scope| {
            let waits = scope.spawn(|| first.finish());
            let waker = {
                let mut queue = queue.lock().unwrap();
                queue.asked.push("done");
                queue.waits.take()
            };
            // its own, or that of the first poll, if it does not wait yet: then it finds the queue done
            waker.into_iter().for_each(Waker::wake);
            waits.join().unwrap()
        });
        assert_eq!(values, Ok(vec![vec![1.0]]));
        assert_eq!(queue.lock().unwrap().asked, ["copy", "next batch", "done"]);
    }

    #[test]
    fn values_come_tensor_by_tensor_and_a_missing_one_is_an_error() {
        let device = crate::device::Device::reference();
        let tensors = || {
            let one = Tensor::<1>::from_floats([1.0, 2.0], device.burn());
            let other = Tensor::<2>::from_floats([[3.0], [4.0]], device.burn());
            Transaction::default().register(one).register(other)
        };
        assert_eq!(Readback::begin(tensors(), 2).finish(), Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
        let error = Readback::begin(tensors(), 3).finish().unwrap_err();
        assert_eq!(error.code(), "ScoreDevice");
    }

    #[test]
    fn each_batch_is_asked_before_the_one_before_it_is_read() {
        let events = Mutex::new(Vec::new());
        let note = |event: String| events.lock().unwrap().push(event);
        let pictures: Vec<usize> = (0..=2 * MAX_BATCH).collect();
        let ask = |batch: &[usize]| {
            note(format!("ask {}", batch[0]));
            batch.to_vec()
        };
        let read = |batch: Vec<usize>| {
            note(format!("read {}", batch[0]));
            Ok(batch)
        };
        let begun = Batches::begin(&pictures, ask, read).unwrap();
        note("begun".to_owned());
        assert_eq!(begun.finish(read).unwrap(), pictures);
        assert_eq!(
            *events.lock().unwrap(),
            ["ask 0", "ask 32", "read 0", "ask 64", "read 32", "begun", "read 64"]
        );
    }

    #[test]
    fn a_value_that_is_no_number_is_named_by_the_place_among_all_pictures() {
        let pictures: Vec<usize> = (0..2 * MAX_BATCH).collect();
        let read = |batch: Vec<usize>| match batch.iter().position(|picture| *picture == MAX_BATCH + 3) {
            Some(index) => Err(ScoreError::NotFinite { index }),
            None => Ok(batch),
        };
        let begun = Batches::begin(&pictures, <[usize]>::to_vec, read).unwrap();
        assert_eq!(begun.finish(read), Err(ScoreError::NotFinite { index: MAX_BATCH + 3 }));
    }
}
