//! The context model (annex A): predicts each sample from its neighbours, and learns from the errors.

use super::super::jpeg::failed;
use super::bits::Bits;
use super::parameters::Parameters;
use crate::refusal::Refusal;

/// Regular contexts: 81 x Q1 + 9 x Q2 + Q3 of quantized gradients from -4 to 4, up to sign.
const CONTEXTS: usize = 365;
/// Bounds of the prediction correction C (A.6.2).
const MIN_CORRECTION: i32 = -128;
const MAX_CORRECTION: i32 = 127;
/// Order of run-length codes by run index (A.2.1, table A.5).
const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Statistics of a regular context: magnitudes A, bias B, correction C, occurrences N.
#[derive(Debug, Clone, Copy)]
struct Regular {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

/// Statistics of a run interruption context: magnitudes A, occurrences N, negative errors Nn.
#[derive(Debug, Clone, Copy)]
struct Interruption {
    a: i32,
    n: i32,
    nn: i32,
}

pub(super) struct Model<'a> {
    parameters: &'a Parameters,
    regular: Vec<Regular>,
    interruptions: [Interruption; 2],
    run_index: usize,
}

/// The Golomb parameter: the least k with N x 2^k >= A (A.5.1).
fn golomb_order(n: i32, a: i32) -> u32 {
    let mut k = 0;
    while k < 24 && (n << k) < a {
        k += 1;
    }
    k
}

impl<'a> Model<'a> {
    pub(super) fn new(parameters: &'a Parameters) -> Self {
        let a = ((parameters.range + 32) / 64).max(2);
        Self {
            parameters,
            regular: vec![Regular { a, b: 0, c: 0, n: 1 }; CONTEXTS],
            interruptions: [Interruption { a, n: 1, nn: 0 }; 2],
            run_index: 0,
        }
    }

    /// Decodes the sample at `at`, or the run that begins there; returns the next place. `above` and `line` have
    /// a sample more at both ends.
    pub(super) fn next(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
        at: usize,
        columns: usize,
    ) -> Result<usize, Refusal> {
        let (left, up, up_left, up_right) = (line[at - 1], above[at], above[at - 1], above[at + 1]);
        let gradients = [up_right - up, up - up_left, up_left - left];
        if gradients.iter().all(|gradient| gradient.abs() <= self.parameters.near) {
            return self.run(bits, above, line, at, columns);
        }
        let context =
            gradients.into_iter().fold(0, |context, gradient| context * 9 + self.quantize(gradient));
        let prediction = if up_left >= left.max(up) {
            left.min(up)
        } else if up_left <= left.min(up) {
            left.max(up)
        } else {
            left + up - up_left
        };
        line[at] = self.sample(bits, context, prediction)?;
        Ok(at + 1)
    }

    /// Quantizes a gradient to -4 to 4 (A.3.3).
    fn quantize(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.parameters.thresholds;
        let size = gradient.abs();
        let region = if size <= self.parameters.near {
            0
        } else if size < t1 {
            1
        } else if size < t2 {
            2
        } else if size < t3 {
            3
        } else {
            4
        };
        if gradient < 0 { -region } else { region }
    }

    /// Decodes a sample in regular mode (A.4 to A.6).
    fn sample(&mut self, bits: &mut Bits<'_>, signed_context: i32, prediction: i32) -> Result<i32, Refusal> {
        let sign = if signed_context < 0 { -1 } else { 1 };
        let parameters = self.parameters;
        let context = &mut self.regular[signed_context.unsigned_abs() as usize];
        let k = golomb_order(context.n, context.a);
        let mapped = golomb(bits, k, parameters.limit, parameters)?;
        let prediction = (prediction + sign * context.c).clamp(0, parameters.maxval);
        let skewed = parameters.near == 0 && k == 0 && 2 * context.b <= -context.n;
        let error = match (skewed, mapped % 2 == 1) {
            (false, false) => mapped / 2,
            (false, true) => -(mapped + 1) / 2,
            (true, true) => (mapped - 1) / 2,
            (true, false) => -(mapped / 2) - 1,
        };
        context.update(error, parameters);
        Ok(reconstruct(prediction, sign * error, parameters))
    }

    /// Decodes a run and the sample that interrupts it (A.7).
    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
        start: usize,
        columns: usize,
    ) -> Result<usize, Refusal> {
        let value = line[start - 1];
        let mut end = start;
        while end <= columns && bits.take(1)? == 1 {
            let whole = 1_usize << J[self.run_index];
            let length = whole.min(columns + 1 - end);
            line[end..end + length].fill(value);
            end += length;
            if length == whole {
                self.run_index = (self.run_index + 1).min(J.len() - 1);
            }
        }
        if end > columns {
            return Ok(end);
        }
        let rest = usize::try_from(bits.take(J[self.run_index])?).unwrap_or_default();
        if rest > columns - end {
            return Err(failed("a JPEG-LS run is longer than its line"));
        }
        line[end..end + rest].fill(value);
        end += rest;
        line[end] = self.interruption(bits, value, above[end])?;
        self.run_index = self.run_index.saturating_sub(1);
        Ok(end + 1)
    }

    /// Decodes the sample that ends a run (A.7.2).
    fn interruption(&mut self, bits: &mut Bits<'_>, left: i32, up: i32) -> Result<i32, Refusal> {
        let parameters = self.parameters;
        let alike = (left - up).abs() <= parameters.near;
        let kind = i32::from(alike);
        let context = &mut self.interruptions[usize::from(alike)];
        let magnitude = if alike { context.a + (context.n >> 1) } else { context.a };
        let k = golomb_order(context.n, magnitude);
        let mapped = golomb(bits, k, parameters.limit - J[self.run_index] - 1, parameters)?;
        let doubled = mapped + kind;
        let odd = doubled % 2 == 1;
        let size = i32::midpoint(doubled, i32::from(odd));
        let error = if (k != 0 || 2 * context.nn >= context.n) == odd { -size } else { size };
        context.update(error, mapped, kind, parameters.reset);
        let (prediction, sign) = if alike { (left, 1) } else { (up, if left > up { -1 } else { 1 }) };
        Ok(reconstruct(prediction, sign * error, parameters))
    }
}

/// Decodes a Golomb code of limited length (A.5.3). A mapped error is at most about the range; a greater one is
/// damage, and would grow beyond what the statistics can hold.
fn golomb(bits: &mut Bits<'_>, k: u32, limit: u32, parameters: &Parameters) -> Result<i32, Refusal> {
    let Parameters { qbpp, range, .. } = *parameters;
    let longest = limit - qbpp - 1;
    let zeros = bits.zeros(longest)?;
    let value = if zeros < longest {
        let high = i32::try_from(zeros).unwrap_or_default() << k;
        high + bits.take(k)?
    } else {
        bits.take(qbpp)? + 1
    };
    if value > range + 1 {
        return Err(failed("a JPEG-LS error is greater than its range"));
    }
    Ok(value)
}

/// The sample of a prediction and an error, which is known modulo the range (A.4.5, A.8).
fn reconstruct(prediction: i32, error: i32, parameters: &Parameters) -> i32 {
    let Parameters { maxval, near, step, range, .. } = *parameters;
    let mut sample = prediction + error * step;
    if sample < -near {
        sample += range * step;
    } else if sample > maxval + near {
        sample -= range * step;
    }
    sample.clamp(0, maxval)
}

impl Regular {
    /// A.6.1 and A.6.2.
    fn update(&mut self, error: i32, parameters: &Parameters) {
        self.b += error * parameters.step;
        self.a += error.abs();
        if self.n == parameters.reset {
            self.a >>= 1;
            self.b = if self.b >= 0 { self.b >> 1 } else { -((1 - self.b) >> 1) };
            self.n >>= 1;
        }
        self.n += 1;
        if self.b <= -self.n {
            self.b = (self.b + self.n).max(1 - self.n);
            self.c = (self.c - 1).max(MIN_CORRECTION);
        } else if self.b > 0 {
            self.b = (self.b - self.n).min(0);
            self.c = (self.c + 1).min(MAX_CORRECTION);
        }
    }
}

impl Interruption {
    /// A.7.2.3.
    fn update(&mut self, error: i32, mapped: i32, kind: i32, reset: i32) {
        if error < 0 {
            self.nn += 1;
        }
        self.a += (mapped + 1 - kind) >> 1;
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.nn >>= 1;
        }
        self.n += 1;
    }
}
