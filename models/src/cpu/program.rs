//! The steps of a plan, and the memory they run in.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::aligned::Aligned;
use super::map::{Part, Shape};
use super::pool;
use super::sketch::{Id, Sketch};
use super::step::{Reads, Step};

/// What is done to a picture of one size, step by step.
#[derive(Debug)]
pub(super) struct Program {
    picture: Shape,
    shapes: Vec<Shape>,
    steps: Vec<Step>,
    /// Values of working memory that a thread needs.
    scratch: usize,
    /// Memory that no picture uses now.
    idle: Mutex<Vec<Memory>>,
}

/// Memory for one picture: the maps, and working memory a thread.
#[derive(Debug, Default)]
pub(super) struct Memory {
    maps: Vec<Aligned>,
    scratch: Vec<Vec<f32>>,
}

impl Memory {
    /// A map's values, its border included.
    pub(super) fn values(&self, id: Id) -> &[f32] {
        self.maps[id].values()
    }
}

impl Program {
    /// What was drawn up; the sketch's first map is the picture.
    pub(super) fn new(picture: Shape, sketch: Sketch<'_>) -> Self {
        let Sketch { shapes, steps, .. } = sketch;
        let scratch = steps.iter().map(|step| step.work.scratch()).max().unwrap_or_default();
        Self { picture, shapes, steps, scratch, idle: Mutex::default() }
    }

    /// The picture it takes.
    pub(super) fn picture(&self) -> Shape {
        self.picture
    }

    /// Values of a picture.
    pub(super) fn picture_values(&self) -> usize {
        self.picture.pixels() * self.picture.channels
    }

    /// The shape of a map.
    pub(super) fn shape(&self, id: Id) -> Shape {
        self.shapes[id]
    }

    /// Runs pictures `[channels, height, width]`, which lie one behind the other in `pictures`: as many at once as there are
    /// threads; the rest one after the other, each by all threads. `read` takes what is wanted of each. Each gives what it
    /// gives alone, to the last bit. `None` where they are no whole pictures, or a value is no finite number: what comes of
    /// such is the module's to say.
    pub(super) fn run<T: Send>(
        &self,
        pictures: &[f32],
        read: impl Fn(&Memory) -> T + Sync,
    ) -> Option<Vec<T>> {
        let size = self.picture_values();
        if !pictures.len().is_multiple_of(size) || !pictures.iter().all(|value| value.is_finite()) {
            return None;
        }
        let threads = rayon::current_num_threads();
        let (together, alone) = pictures.split_at(pictures.len() / size / threads * threads * size);
        let mut all: Vec<T> =
            together.par_chunks_exact(size).map(|picture| self.one(picture, 1, &read)).collect();
        if !alone.is_empty() {
            // in a thread of the pool, so that no step waits to get into it
            let rest = || alone.chunks_exact(size).map(|picture| self.one(picture, threads, &read)).collect();
            all.extend(rayon::scope(|_| -> Vec<T> { rest() }));
        }
        Some(all)
    }

    /// One picture by so many threads.
    fn one<T>(&self, picture: &[f32], threads: usize, read: &impl Fn(&Memory) -> T) -> T {
        let mut memory = self.memory(threads);
        if let Some(input) = memory.maps.first_mut() {
            pool::fill(picture, self.picture, input.values_mut());
        }
        for step in &self.steps {
            let mut target = std::mem::take(&mut memory.maps[step.to]);
            let reads = Reads {
                source: memory.maps[step.from].values(),
                add: step.add.map(|add| memory.maps[add].values()),
            };
            let shape = self.shapes[step.to];
            let part = Part { pixels: 0..shape.pixels(), target: target.values_mut(), origin: 0 };
            step.work.run(reads, shape, part, &mut memory.scratch[..threads]);
            memory.maps[step.to] = target;
        }
        let own = read(&memory);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        own
    }

    /// Memory that was used before, or new.
    fn memory(&self, threads: usize) -> Memory {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = idle.unwrap_or_else(|| Memory {
            maps: self.shapes.iter().map(|shape| Aligned::zeros(shape.values())).collect(),
            scratch: Vec::new(),
        });
        while memory.scratch.len() < threads {
            memory.scratch.push(vec![0.0; self.scratch]);
        }
        memory
    }
}
