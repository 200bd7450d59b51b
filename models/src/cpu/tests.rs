//! Convolutions against a naive one, over shapes that fill no vector, no tile and no block.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::convolution::{Affine, Before, Convolution, Kernel};
use super::depthwise::Depthwise;
use super::map::{Part, Shape};
use super::pool::{Largest, Mean};
use super::step::{Reads, Work};
use super::vector::Rectifier;
use super::window::{Padding, Window};

/// A map drawn from `seed`, its border zero.
fn drawn(shape: Shape, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = vec![0.0; shape.values()];
    for pixel in 0..shape.pixels() {
        let place = shape.place(pixel);
        values[place..place + shape.channels].fill_with(|| rng.random_range(-1.0..1.0));
    }
    values
}

fn affine(channels: usize, seed: u64) -> Affine {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = |low, high| (0..channels).map(|_| rng.random_range(low..high)).collect();
    Affine { scale: values(0.5, 1.5), shift: values(-0.5, 0.5) }
}

/// A value of a map, zero outside of it.
fn at(shape: Shape, values: &[f32], [row, column]: [isize; 2], channel: usize) -> f64 {
    let inside = |own: isize, extent: usize| usize::try_from(own).ok().filter(|own| *own < extent);
    match (inside(row, shape.height), inside(column, shape.width)) {
        (Some(row), Some(column)) => {
            f64::from(values[shape.at(row + shape.border, column + shape.border) + channel])
        }
        _ => 0.0,
    }
}

#[derive(Debug, Clone)]
struct Case {
    source: Shape,
    inputs: usize,
    outputs: usize,
    window: Window,
    /// Channels of the target before and behind those that are written.
    around: (usize, usize),
    rectifier: Rectifier,
    add: bool,
    threads: usize,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (1..14_usize, 1..14_usize, 1..40_usize, 0..3_usize);
    let kernel = (1..70_usize, prop::sample::select(vec![1_usize, 2, 3, 5, 7]), 1..4_usize, any::<bool>());
    let rest = ((0..5_usize, 0..3_usize), rectifiers(), any::<bool>(), 1..5_usize, any::<u64>());
    (shape, kernel, rest, any::<bool>()).prop_map(|(shape, kernel, rest, all)| {
        let (height, width, channels, more) = shape;
        let (outputs, side, stride, same) = kernel;
        let (around, rectifier, add, threads, seed) = rest;
        let padding = if same { Padding::Same } else { Padding::Each(side / 2) };
        let window = Window { side, stride, padding };
        let source = Shape { height, width, channels, border: side / 2 + more };
        let inputs = if all { channels } else { channels.div_ceil(2) };
        Case { source, inputs, outputs, window, around, rectifier, add, threads, seed }
    })
}

fn rectifiers() -> impl Strategy<Value = Rectifier> {
    prop::sample::select(vec![Rectifier::None, Rectifier::Zero, Rectifier::Six])
}

/// What a sum is rectified to.
fn rectified(rectifier: Rectifier, sum: f64) -> f64 {
    match rectifier {
        Rectifier::None => sum,
        Rectifier::Zero => sum.max(0.0),
        Rectifier::Six => sum.clamp(0.0, 6.0),
    }
}

/// The row and column of a map that the kernel's first place reads for this pixel; zeros by the rule of PyTorch or TensorFlow.
fn first(window: Window, source: Shape, target: Shape, pixel: usize) -> [isize; 2] {
    let signed = |value: usize| isize::try_from(value).unwrap();
    let one = |place: usize, out: usize, extent: usize| {
        let zeros = match window.padding {
            Padding::Each(padding) => padding,
            Padding::Same => ((out - 1) * window.stride + window.side).saturating_sub(extent) / 2,
        };
        signed(place * window.stride) - signed(zeros)
    };
    [
        one(pixel / target.width, target.height, source.height),
        one(pixel % target.width, target.width, source.width),
    ]
}

fn run(work: &Work, reads: Reads<'_>, shape: Shape, target: &mut [f32], threads: usize) {
    let mut scratch = vec![vec![0.0; work.scratch()]; threads];
    let part = Part { pixels: 0..shape.pixels(), target, origin: 0 };
    work.run(reads, shape, part, &mut scratch);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_convolution_is_the_naive_one(case in cases()) {
        let Case { source, inputs, outputs, window, around, .. } = case;
        let side = window.side;
        let mut rng = ChaCha8Rng::seed_from_u64(case.seed);
        let weights: Vec<f32> =
            (0..outputs * inputs * side * side).map(|_| rng.random_range(-1.0..1.0)).collect();
        let kernel = Kernel { weights: &weights, inputs, outputs, window };
        let target = Shape {
            height: window.out(source.height),
            width: window.out(source.width),
            channels: around.0 + outputs + around.1,
            border: 1,
        };
        let after = affine(outputs, case.seed);
        let own = Convolution::new(kernel, &after, source, (target, around.0)).unwrap().rectified(case.rectifier);
        let values = drawn(source, case.seed);
        let add = drawn(target, case.seed.wrapping_add(1));
        let mut found = drawn(target, case.seed.wrapping_add(2));
        let before = found.clone();
        let reads = Reads { source: &values, add: case.add.then_some(&add) };
        run(&Work::Convolution(Box::new(own)), reads, target, &mut found, case.threads);
        let signed = |value: usize| isize::try_from(value).unwrap();
        for pixel in 0..target.pixels() {
            let [row, column] = first(window, source, target, pixel);
            for output in 0..outputs {
                let mut sum = 0.0;
                for (index, weight) in weights[output * inputs * side * side..].iter().enumerate() {
                    let (input, place) = (index / (side * side), index % (side * side));
                    if input == inputs {
                        break;
                    }
                    let here = [row + signed(place / side), column + signed(place % side)];
                    sum += f64::from(*weight) * at(source, &values, here, input);
                }
                let place = target.place(pixel) + around.0 + output;
                let mut wanted = sum * f64::from(after.scale[output]) + f64::from(after.shift[output]);
                wanted += if case.add { f64::from(add[place]) } else { 0.0 };
                wanted = rectified(case.rectifier, wanted);
                prop_assert!((f64::from(found[place]) - wanted).abs() < 1e-4 * wanted.abs().max(1.0));
            }
        }
        // nothing else was written
        let written = |index: usize| {
            let (row, column) = (index / target.row(), index % target.row() / target.channels);
            let channel = index % target.channels;
            (1..=target.height).contains(&row)
                && (1..=target.width).contains(&column)
                && (around.0..around.0 + outputs).contains(&channel)
        };
        prop_assert!((0..found.len()).all(|index| written(index) || found[index].to_bits() == before[index].to_bits()));
    }

    #[test]
    fn a_depthwise_convolution_is_the_naive_one(
        (height, width, channels, more) in (1..14_usize, 1..14_usize, 1..70_usize, 0..2_usize),
        (side, stride, same) in (prop::sample::select(vec![1_usize, 3, 5, 7]), 1..4_usize, any::<bool>()),
        rectifier in rectifiers(), threads in 1..5_usize, seed in any::<u64>(),
    ) {
        let source = Shape { height, width, channels, border: side / 2 + more };
        let padding = if same { Padding::Same } else { Padding::Each(side / 2) };
        let window = Window { side, stride, padding };
        let target = Shape { height: window.out(height), width: window.out(width), channels, border: 1 };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // so large that some sums are above 6
        let weights: Vec<f32> = (0..channels * side * side).map(|_| rng.random_range(-6.0..6.0)).collect();
        let kernel = Kernel { weights: &weights, inputs: 1, outputs: channels, window };
        let after = affine(channels, seed);
        let own = Depthwise::new(kernel, &after, source, target).unwrap().rectified(rectifier);
        let values = drawn(source, seed);
        let mut found = vec![0.0; target.values()];
        let reads = Reads { source: &values, add: None };
        run(&Work::Depthwise(Box::new(own)), reads, target, &mut found, threads);
        let signed = |value: usize| isize::try_from(value).unwrap();
        let mut written = vec![false; found.len()];
        for pixel in 0..target.pixels() {
            let [row, column] = first(window, source, target, pixel);
            for channel in 0..channels {
                let own = &weights[channel * side * side..][..side * side];
                let sum: f64 = own.iter().enumerate().map(|(place, weight)| {
                    let here = [row + signed(place / side), column + signed(place % side)];
                    f64::from(*weight) * at(source, &values, here, channel)
                }).sum();
                let wanted = sum * f64::from(after.scale[channel]) + f64::from(after.shift[channel]);
                let wanted = rectified(rectifier, wanted);
                let place = target.place(pixel) + channel;
                written[place] = true;
                prop_assert!((f64::from(found[place]) - wanted).abs() < 1e-4 * wanted.abs().max(1.0));
            }
        }
        prop_assert!(written.iter().zip(&found).all(|(written, value)| *written || value.to_bits() == 0));
    }

    #[test]
    fn what_stands_before_is_the_naive_one(
        (height, width, channels, border) in (2..15_usize, 2..15_usize, 1..40_usize, 0..2_usize),
        outputs in 1..70_usize, halve in any::<bool>(), threads in 1..5_usize, seed in any::<u64>(),
    ) {
        let source = Shape { height, width, channels, border };
        let inputs = channels.div_ceil(2);
        let scale = if halve { 2 } else { 1 };
        let target = Shape { height: height / scale, width: width / scale, channels: outputs, border: 0 };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let weights: Vec<f32> = (0..outputs * inputs).map(|_| rng.random_range(-1.0..1.0)).collect();
        let kernel = Kernel { weights: &weights, inputs, outputs, window: Window::POINT };
        let (first, after) = (affine(inputs, seed), affine(outputs, seed.wrapping_add(1)));
        let own = Convolution::new(kernel, &after, source, (target, 0)).unwrap();
        let own = own.with(Before { affine: first.clone(), halve });
        let values = drawn(source, seed);
        let mut found = vec![0.0; target.values()];
        let reads = Reads { source: &values, add: None };
        run(&Work::Convolution(Box::new(own)), reads, target, &mut found, threads);
        let signed = |value: usize| isize::try_from(value).unwrap();
        for pixel in 0..target.pixels() {
            let (row, column) = (pixel / target.width * scale, pixel % target.width * scale);
            let read: Vec<f64> = (0..inputs).map(|input| {
                let places = (0..scale * scale).map(|own| [row + own / scale, column + own % scale]);
                let sum: f64 = places.map(|[row, column]| {
                    let value = at(source, &values, [signed(row), signed(column)], input);
                    (value * f64::from(first.scale[input]) + f64::from(first.shift[input])).max(0.0)
                }).sum();
                sum / (scale * scale) as f64
            }).collect();
            for output in 0..outputs {
                let own = &weights[output * inputs..(output + 1) * inputs];
                let sum: f64 = own.iter().zip(&read).map(|(weight, value)| f64::from(*weight) * value).sum();
                let wanted = sum * f64::from(after.scale[output]) + f64::from(after.shift[output]);
                let value = f64::from(found[target.place(pixel) + output]);
                prop_assert!((value - wanted).abs() < 1e-4 * wanted.abs().max(1.0));
            }
        }
    }

    #[test]
    fn the_largest_and_the_mean_are_the_naive_ones(
        (height, width, channels, border) in (1..15_usize, 1..15_usize, 1..40_usize, 0..2_usize),
        threads in 1..5_usize, seed in any::<u64>(),
    ) {
        let source = Shape { height, width, channels, border };
        let target = Shape { height: Largest::out(height), width: Largest::out(width), channels: channels + 3, border: 1 };
        let values = drawn(source, seed);
        let reads = Reads { source: &values, add: None };
        let mut found = vec![0.0; target.values()];
        run(&Work::Largest(Largest { source, target }), reads, target, &mut found, threads);
        for pixel in 0..target.pixels() {
            let (row, column) = (2 * (pixel / target.width), 2 * (pixel % target.width));
            for channel in 0..channels {
                let near = |extent: usize, own: usize| own.saturating_sub(1)..(own + 2).min(extent);
                let most = near(height, row)
                    .flat_map(|row| near(width, column).map(move |column| (row, column)))
                    .map(|(row, column)| values[source.at(row + border, column + border) + channel])
                    .fold(f32::MIN, f32::max);
                prop_assert_eq!(found[target.place(pixel) + channel].to_bits(), most.to_bits());
            }
        }
        let before = affine(channels, seed);
        let mut means = vec![0.0; channels];
        let work = Work::Mean(Mean { source, before: Some(before.clone()) });
        run(&work, reads, Shape::point(channels), &mut means, threads);
        for (channel, mean) in means.iter().enumerate() {
            let sum: f64 = (0..source.pixels()).map(|pixel| {
                let value = f64::from(values[source.place(pixel) + channel]);
                (value * f64::from(before.scale[channel]) + f64::from(before.shift[channel])).max(0.0)
            }).sum();
            prop_assert!((f64::from(*mean) - sum / source.pixels() as f64).abs() < 1e-5);
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let source = Shape { height: 1, width: 1, channels: 20, border: 0 };
    let target = Shape { channels: 19, ..source };
    let weights = vec![1.0; 20 * 19];
    let kernel = Kernel { weights: &weights, inputs: 20, outputs: 19, window: Window::POINT };
    let own =
        Convolution::new(kernel, &affine(19, 1), source, (target, 0)).unwrap().rectified(Rectifier::Six);
    let own = own.with(Before { affine: affine(20, 2), halve: false });
    let mut found = vec![0.0; 19];
    let values = vec![f32::NAN; 20];
    let reads = Reads { source: &values, add: None };
    run(&Work::Convolution(Box::new(own)), reads, target, &mut found, 1);
    assert!(found.iter().all(|value| value.is_nan()), "{found:?}");
    let square = Shape { height: 2, width: 2, ..source };
    let target = Shape { channels: 20, ..source };
    for wrong in 0..4 {
        let mut values = vec![1.0; square.values()];
        values[square.place(wrong)..][..20].fill(f32::NAN);
        let mut most = vec![0.0; 20];
        let reads = Reads { source: &values, add: None };
        run(&Work::Largest(Largest { source: square, target }), reads, target, &mut most, 1);
        assert!(most.iter().all(|value| value.is_nan()), "{wrong}: {most:?}");
    }
}

#[test]
fn what_is_no_number_stays_none_in_a_depthwise_convolution() {
    for channels in [5, 20] {
        let source = Shape { height: 1, width: 1, channels, border: 1 };
        let weights = vec![1.0; channels * 9];
        let window = Window { side: 3, stride: 1, padding: Padding::Same };
        let kernel = Kernel { weights: &weights, inputs: 1, outputs: channels, window };
        let own = Depthwise::new(kernel, &affine(channels, 1), source, source).unwrap();
        let mut values = vec![0.0; source.values()];
        values[source.place(0)..][..channels].fill(f32::NAN);
        let mut found = vec![0.0; source.values()];
        let reads = Reads { source: &values, add: None };
        run(&Work::Depthwise(Box::new(own.rectified(Rectifier::Six))), reads, source, &mut found, 1);
        assert!(found[source.place(0)..][..channels].iter().all(|value| value.is_nan()), "{found:?}");
    }
}

#[test]
fn shapes_that_do_not_fit_make_no_convolution() {
    let source = Shape { height: 4, width: 4, channels: 3, border: 1 };
    let target = Shape { channels: 5, ..source };
    let weights = vec![0.0; 5 * 3 * 9];
    let window = Window { side: 3, stride: 1, padding: Padding::Each(1) };
    let kernel = Kernel { weights: &weights, inputs: 3, outputs: 5, window };
    let after = affine(5, 1);
    assert!(Convolution::new(kernel, &after, source, (target, 0)).is_some());
    assert!(Convolution::new(kernel, &after, source, (target, 1)).is_none(), "past the last channel");
    assert!(Convolution::new(kernel, &affine(4, 1), source, (target, 0)).is_none(), "four sums for five");
    assert!(Convolution::new(kernel, &after, Shape { border: 0, ..source }, (target, 0)).is_none());
    assert!(Convolution::new(Kernel { inputs: 4, ..kernel }, &after, source, (target, 0)).is_none());
    for wrong in [Window { side: 0, ..window }, Window { stride: 0, ..window }] {
        assert!(Convolution::new(Kernel { window: wrong, ..kernel }, &after, source, (target, 0)).is_none());
    }
    let kernel = Kernel { weights: &weights[..27], inputs: 1, outputs: 3, window };
    let after = affine(3, 1);
    assert!(Depthwise::new(kernel, &after, source, source).is_some());
    assert!(Depthwise::new(kernel, &after, source, target).is_none(), "five channels for three");
    assert!(Depthwise::new(kernel, &after, Shape { border: 0, ..source }, source).is_none());
    assert!(Depthwise::new(kernel, &after, source, Shape { width: 3, ..source }).is_none());
    let behind = Window { side: 5, stride: 2, padding: Padding::Same };
    let weights = vec![0.0; 3 * 25];
    let (kernel, half) =
        (Kernel { weights: &weights, window: behind, ..kernel }, Shape { height: 2, width: 2, ..source });
    assert!(Depthwise::new(kernel, &after, Shape { border: 2, ..source }, half).is_some());
    assert!(Depthwise::new(kernel, &after, source, half).is_none(), "one zero before, but two behind");
}
