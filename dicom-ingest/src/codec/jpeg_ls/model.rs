//! The context model (annex A): predicts each sample from its neighbours, and learns from the errors.
#![expect(clippy::inline_always, reason = "once a pixel: a call of their own costs a tenth of the whole")]

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
    /// Region of each gradient, from -MAXVAL to MAXVAL; empty for a frame of fewer samples.
    regions: Vec<i8>,
    regular: [Regular; CONTEXTS],
    interruptions: [Interruption; 2],
    run_index: usize,
}

/// The Golomb parameter: the least k with N x 2^k >= A (A.5.1). Both are above 0; with as many bits as A has more, N
/// is at least half of it.
#[inline]
fn golomb_order(n: i32, a: i32) -> u32 {
    let k = n.leading_zeros().saturating_sub(a.leading_zeros());
    k + u32::from(n << k < a)
}

impl<'a> Model<'a> {
    /// The model of a frame of so many samples.
    pub(super) fn new(parameters: &'a Parameters, samples: usize) -> Self {
        let a = ((parameters.range + 32) / 64).max(2);
        let maxval = parameters.maxval;
        // a file may have thousands of frames of a few samples, and the table would be most of the work
        let is_worth_it = samples as u64 > 2 * u64::from(maxval.unsigned_abs());
        let gradients = if is_worth_it { -maxval..maxval + 1 } else { 0..0 };
        Self {
            parameters,
            regions: gradients.map(|gradient| region(gradient, parameters)).collect(),
            regular: [Regular { a, b: 0, c: 0, n: 1 }; CONTEXTS],
            interruptions: [Interruption { a, n: 1, nn: 0 }; 2],
            run_index: 0,
        }
    }

    /// Decodes a line. `above` and `line` have a sample more at both ends; the first of `line` is set.
    pub(super) fn line(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
    ) -> Result<(), Refusal> {
        match (self.parameters.near == 0, self.regions.is_empty()) {
            (true, false) => self.line_of::<true, true>(bits, above, line),
            (true, true) => self.line_of::<true, false>(bits, above, line),
            (false, false) => self.line_of::<false, true>(bits, above, line),
            (false, true) => self.line_of::<false, false>(bits, above, line),
        }
    }

    fn line_of<const LOSSLESS: bool, const TABLE: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
    ) -> Result<(), Refusal> {
        let columns = line.len() - 2;
        let mut at = 1;
        while at <= columns {
            let (mut left, mut up_left, mut up) = (line[at - 1], above[at - 1], above[at]);
            let mut before = self.region::<TABLE>(up - up_left);
            let rest = line[at..=columns].iter_mut().zip(&above[at + 1..]);
            for (sample, &up_right) in rest {
                let next = self.region::<TABLE>(up_right - up);
                let context = 81 * next + 9 * before + self.region::<TABLE>(up_left - left);
                if context == 0 {
                    break; // all three regions are 0
                }
                // the median of the two neighbours and the plane through the three
                let prediction = (left + up - up_left).clamp(left.min(up), left.max(up));
                left = self.sample::<LOSSLESS>(bits, context, prediction)?;
                *sample = left;
                (up_left, up, before) = (up, up_right, next);
                at += 1;
            }
            if at <= columns {
                at = self.run(bits, above, line, at, columns)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn region<const TABLE: bool>(&self, gradient: i32) -> i32 {
        if !TABLE {
            return i32::from(region(gradient, self.parameters));
        }
        let at = gradient + self.parameters.maxval;
        i32::from(self.regions[at.unsigned_abs() as usize])
    }

    /// Decodes a sample in regular mode (A.4 to A.6).
    #[inline(always)]
    fn sample<const LOSSLESS: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        signed_context: i32,
        prediction: i32,
    ) -> Result<i32, Refusal> {
        // all ones for the mirrored contexts: `(x ^ sign) - sign` is x or -x
        let sign = signed_context >> 31;
        let parameters = self.parameters;
        let context = &mut self.regular[signed_context.unsigned_abs() as usize];
        let k = golomb_order(context.n, context.a);
        let mapped = golomb(bits, k, parameters.limit, parameters)?;
        let prediction = (prediction + (context.c ^ sign) - sign).clamp(0, parameters.maxval);
        let skewed = LOSSLESS && k == 0 && 2 * context.b <= -context.n;
        // 0, 1, 2, 3 are 0, -1, 1, -2, and -1, 0, -2, 1 where errors are skewed (A.5.2)
        let error = (mapped >> 1) ^ -(mapped & 1) ^ -i32::from(skewed);
        context.update(error, if LOSSLESS { 1 } else { parameters.step }, parameters.reset);
        Ok(reconstruct::<LOSSLESS>(prediction, (error ^ sign) - sign, parameters))
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
        Ok(reconstruct::<false>(prediction, sign * error, parameters))
    }
}

/// Quantizes a gradient to -4 to 4 (A.3.3).
fn region(gradient: i32, parameters: &Parameters) -> i8 {
    let [t1, t2, t3] = parameters.thresholds;
    let size = gradient.abs();
    let region = [parameters.near + 1, t1, t2, t3].iter().map(|bound| i8::from(size >= *bound)).sum::<i8>();
    if gradient < 0 { -region } else { region }
}

/// Decodes a Golomb code of limited length (A.5.3). A mapped error is at most the range; a greater one is
/// damage, and would grow beyond what the statistics can hold.
#[inline(always)]
fn golomb(bits: &mut Bits<'_>, k: u32, limit: u32, parameters: &Parameters) -> Result<i32, Refusal> {
    let Parameters { qbpp, range, .. } = *parameters;
    let longest = limit - qbpp - 1;
    let value = match bits.short_code(longest, k) {
        Some((zeros, low)) => (zeros.cast_signed() << k) + low,
        None => long_code(bits, k, longest, qbpp)?,
    };
    if value > range {
        return Err(failed("a JPEG-LS error is greater than its range"));
    }
    Ok(value)
}

#[cold]
fn long_code(bits: &mut Bits<'_>, k: u32, longest: u32, qbpp: u32) -> Result<i32, Refusal> {
    let zeros = bits.zeros(longest)?;
    Ok(if zeros < longest { (zeros.cast_signed() << k) + bits.take(k)? } else { bits.take(qbpp)? + 1 })
}

/// The sample of a prediction and an error, which is known modulo the range (A.4.5, A.8).
#[inline(always)]
fn reconstruct<const LOSSLESS: bool>(prediction: i32, error: i32, parameters: &Parameters) -> i32 {
    let Parameters { maxval, range, .. } = *parameters;
    let (near, step) = if LOSSLESS { (0, 1) } else { (parameters.near, parameters.step) };
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
    #[inline(always)]
    fn update(&mut self, error: i32, step: i32, reset: i32) {
        self.b += error * step;
        self.a += error.abs();
        if self.n == reset {
            self.a >>= 1;
            self.b = if self.b >= 0 { self.b >> 1 } else { -((1 - self.b) >> 1) };
            self.n >>= 1;
        }
        self.n += 1;
        // without branches, which the data would decide: B comes back into ]-N, 0], and C follows
        let step = i32::from(self.b <= -self.n) - i32::from(self.b > 0);
        self.b = (self.b + step * self.n).clamp(1 - self.n, 0);
        self.c = (self.c - step).clamp(MIN_CORRECTION, MAX_CORRECTION);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// With the longest reset, halving comes last: the statistics hold the greatest errors that pass.
    #[test]
    fn the_statistics_hold_the_greatest_errors() {
        let (range, reset) = (65_536, 65_535);
        let parameters = Parameters {
            maxval: 65_535,
            near: 0,
            step: 1,
            range,
            qbpp: 16,
            limit: 64,
            thresholds: [18, 67, 276],
            reset,
        };
        let greatest = |bits: &[u8]| golomb(&mut Bits::new(bits), 0, parameters.limit, &parameters);
        // 47 zeros, a one, and 16 bits that are the error less one
        let escaped = [0, 0, 0, 0, 0, 1, 0xFF, 0x7F, 0x80, 0];
        let mapped = greatest(&escaped).unwrap();
        assert_eq!(mapped, range);
        let mut regular = Regular { a: 1024, b: 0, c: 0, n: 1 };
        let mut interruption = Interruption { a: 1024, n: 1, nn: 0 };
        for _ in 0..4 * reset {
            regular.update(-(mapped >> 1), 1, reset);
            interruption.update(-(mapped >> 1), mapped, 0, reset);
            assert!(
                regular.a > 0
                    && interruption.a > 0
                    && interruption.a.checked_add(interruption.n >> 1).is_some()
            );
        }
        let nearest = Parameters { maxval: 4, range: 5, ..parameters };
        let beyond = |zeros: usize| {
            let mut bits = vec![0; zeros / 8];
            bits.extend([0x80 >> (zeros % 8), 0, 0, 0, 0, 0, 0, 0]);
            golomb(&mut Bits::new(&bits), 0, 32, &nearest).is_err()
        };
        assert_eq!([beyond(5), beyond(6)], [false, true]);
    }
}
