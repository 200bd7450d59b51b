//! The context model (annex A): predicts each sample from its neighbours, and learns from the errors.
#![expect(clippy::inline_always, reason = "once a pixel: a call of their own costs a tenth of the whole")]
#![expect(
    clippy::cast_possible_truncation,
    reason = "orders are below 32, steps from -1 to 1, short runs below 4"
)]

use super::bits::Bits;
use super::damage::Damage;
use super::parameters::Parameters;

/// Regular contexts: 81 x Q1 + 9 x Q2 + Q3 of quantized gradients from -4 to 4, up to sign.
const CONTEXTS: usize = 365;
/// Bounds of the prediction correction C (A.6.2).
const MIN_CORRECTION: i16 = -128;
const MAX_CORRECTION: i16 = 127;
/// Run indices of order 0, and samples of a run that are written whether it has as many or not.
const AT_ONCE: usize = 4;
/// Order of run-length codes by run index (A.2.1, table A.5).
const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Statistics of a regular context: magnitudes A, bias B, occurrences N, correction C; and the Golomb parameter that
/// follows from A and N, found before it is needed, since all else waits for it.
#[derive(Debug, Clone, Copy)]
struct Regular {
    a: i32,
    b: i32,
    n: i32,
    c: i16,
    k: u16,
}

/// Statistics of a run interruption context: magnitudes A, occurrences N, negative errors Nn, and the Golomb parameter
/// of them, found before it is needed.
#[derive(Debug, Clone, Copy)]
struct Interruption {
    a: i32,
    n: i32,
    nn: i32,
    k: u32,
}

pub(super) struct Model<'a> {
    parameters: &'a Parameters,
    /// Region of each gradient from -T3 to T3, which are those of all beyond; empty for a frame of fewer samples.
    regions: Vec<i8>,
    regular: [Regular; CONTEXTS],
    interruptions: [Interruption; 2],
    run_index: usize,
}

/// The Golomb parameter: the least k with N x 2^k >= A (A.5.1). Both are above 0; with as many bits as A has more, N
/// is at least half of it.
#[inline(always)]
fn golomb_order(n: i32, a: i32) -> u32 {
    let k = (n | 1).leading_zeros().saturating_sub((a | 1).leading_zeros());
    k.wrapping_add(u32::from(n.wrapping_shl(k) < a))
}

impl<'a> Model<'a> {
    /// The model of a frame of so many samples.
    pub(super) fn new(parameters: &'a Parameters, samples: usize) -> Self {
        let a = ((parameters.range + 32) / 64).max(2);
        let [.., t3] = parameters.thresholds;
        // a file may have thousands of frames of a few samples, and the table would be most of the work
        let is_worth_it = samples as u64 > 2 * u64::from(t3.unsigned_abs());
        let gradients = if is_worth_it { -t3..t3 + 1 } else { 0..0 };
        Self {
            parameters,
            regions: gradients.map(|gradient| region(gradient, parameters)).collect(),
            regular: [Regular::new(a); CONTEXTS],
            interruptions: [Interruption::new(a, 0), Interruption::new(a, 1)],
            run_index: 0,
        }
    }

    /// Decodes a line. `above` and `line` have a sample more at both ends; the first of `line` is set.
    pub(super) fn line(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
    ) -> Result<(), Damage> {
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
    ) -> Result<(), Damage> {
        let columns = line.len() - 2;
        let mut at = 1;
        while at <= columns {
            let (mut left, mut up_left, mut up) = (line[at - 1], above[at - 1], above[at]);
            let mut before = self.region::<TABLE>(up - up_left);
            let rest = line[at..=columns].iter_mut().zip(&above[at + 1..]);
            for (sample, &up_right) in rest {
                let next = self.region::<TABLE>(up_right.wrapping_sub(up));
                let context = 81 * next + 9 * before + self.region::<TABLE>(up_left.wrapping_sub(left));
                if context == 0 {
                    break; // all three regions are 0
                }
                // the median of the two neighbours and the plane through the three
                let prediction =
                    left.wrapping_add(up).wrapping_sub(up_left).max(left.min(up)).min(left.max(up));
                left = self.sample::<LOSSLESS>(bits, context, prediction)?;
                *sample = left;
                (up_left, up, before) = (up, up_right, next);
                at += 1;
            }
            if at <= columns {
                at = self.run::<LOSSLESS>(bits, above, line, at, columns)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn region<const TABLE: bool>(&self, gradient: i32) -> i32 {
        if !TABLE {
            return i32::from(region(gradient, self.parameters));
        }
        let [.., t3] = self.parameters.thresholds;
        let at = gradient.clamp(-t3, t3).wrapping_add(t3);
        i32::from(self.regions[at.cast_unsigned() as usize])
    }

    /// Decodes a sample in regular mode (A.4 to A.6).
    #[inline(always)]
    fn sample<const LOSSLESS: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        signed_context: i32,
        prediction: i32,
    ) -> Result<i32, Damage> {
        // all ones for the mirrored contexts: `(x ^ sign) - sign` is x or -x
        let sign = signed_context >> 31;
        let parameters = self.parameters;
        let context = &mut self.regular[signed_context.unsigned_abs() as usize];
        let k = u32::from(context.k);
        let mapped = golomb(bits, k, parameters.limit, parameters)?;
        let correction = (i32::from(context.c) ^ sign).wrapping_sub(sign);
        let prediction = prediction.wrapping_add(correction).max(0).min(parameters.maxval);
        let skewed = LOSSLESS && k == 0 && context.b.wrapping_mul(2) <= context.n.wrapping_neg();
        // 0, 1, 2, 3 are 0, -1, 1, -2, and -1, 0, -2, 1 where errors are skewed (A.5.2)
        let error = (mapped >> 1) ^ (mapped & 1).wrapping_neg() ^ i32::from(skewed).wrapping_neg();
        context.update(error, if LOSSLESS { 1 } else { parameters.step }, parameters.reset);
        Ok(reconstruct::<LOSSLESS>(prediction, (error ^ sign).wrapping_sub(sign), parameters))
    }

    /// Decodes a run and the sample that interrupts it (A.7).
    #[inline(always)]
    fn run<const LOSSLESS: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
        start: usize,
        columns: usize,
    ) -> Result<usize, Damage> {
        let value = line[start - 1];
        // most runs are short: what stands behind is not decoded yet
        if let Some(first) = line.get_mut(start..).and_then(|rest| rest.first_chunk_mut::<AT_ONCE>()) {
            *first = [value; AT_ONCE];
        }
        let most = (AT_ONCE - 1).checked_sub(self.run_index).map(|most| most.min(columns - start));
        let (end, order) = match most.and_then(|most| bits.short_run(most as u32)) {
            // every one is a sample as long as the order is 0, and so is the order of what remains
            Some(ones) if start + AT_ONCE <= line.len() => {
                self.run_index += ones as usize;
                (start + ones as usize, 0)
            }
            Some(ones) => {
                self.run_index += ones as usize;
                line[start..start + ones as usize].fill(value);
                (start + ones as usize, 0)
            }
            None => match self.long_run(bits, line, start, columns)? {
                (end, _) if end > columns => return Ok(end),
                ended => ended,
            },
        };
        line[end] = self.interruption::<LOSSLESS>(bits, value, above[end], order)?;
        self.run_index = self.run_index.saturating_sub(1);
        Ok(end + 1)
    }

    /// Fills a run of any length; returns its end and the order of its last code (A.7.1).
    #[inline(never)]
    fn long_run(
        &mut self,
        bits: &mut Bits<'_>,
        line: &mut [i32],
        start: usize,
        columns: usize,
    ) -> Result<(usize, u32), Damage> {
        let mut end = start;
        let mut order = J[self.run_index];
        let value = line[start - 1];
        while end <= columns && bits.take(1)? == 1 {
            let whole = 1_usize << order;
            let length = whole.min(columns + 1 - end);
            end += length;
            if length == whole {
                self.run_index = (self.run_index + 1).min(J.len() - 1);
                order = J[self.run_index];
            }
        }
        if end <= columns {
            end += usize::try_from(bits.take(order)?).unwrap_or_default();
            if end > columns {
                return Err(Damage::LongRun);
            }
        }
        line[start..end].fill(value);
        Ok((end, order))
    }

    /// Decodes the sample that ends a run (A.7.2), whose last code had this order.
    #[inline(always)]
    fn interruption<const LOSSLESS: bool>(
        &mut self,
        bits: &mut Bits<'_>,
        left: i32,
        up: i32,
        order: u32,
    ) -> Result<i32, Damage> {
        let parameters = self.parameters;
        let near = if LOSSLESS { 0 } else { parameters.near };
        let alike = left.wrapping_sub(up).wrapping_abs() <= near;
        let kind = i32::from(alike);
        let context = &mut self.interruptions[usize::from(alike)];
        let k = context.k;
        let mapped = golomb(bits, k, parameters.limit.wrapping_sub(order).wrapping_sub(1), parameters)?;
        // without branches, which the data would decide
        let doubled = mapped.wrapping_add(kind);
        let odd = doubled & 1;
        let size = doubled.wrapping_add(odd) >> 1;
        let mostly_negative = i32::from((k != 0) | (context.nn.wrapping_mul(2) >= context.n));
        let minus = (mostly_negative ^ odd ^ 1).wrapping_neg();
        let error = (size ^ minus).wrapping_sub(minus);
        context.update(error, mapped, kind, parameters.reset);
        let prediction = if alike { left } else { up };
        let sign = i32::from(!alike && left > up).wrapping_neg();
        Ok(reconstruct::<LOSSLESS>(prediction, (error ^ sign).wrapping_sub(sign), parameters))
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
fn golomb(bits: &mut Bits<'_>, k: u32, limit: u32, parameters: &Parameters) -> Result<i32, Damage> {
    let Parameters { qbpp, range, .. } = *parameters;
    let longest = limit.wrapping_sub(qbpp).wrapping_sub(1);
    let value = match bits.short_code(longest, k) {
        Some(value) => value,
        None => long_code(bits, k, longest, qbpp)?,
    };
    if value > range {
        return Err(Damage::GreatError);
    }
    Ok(value)
}

#[cold]
fn long_code(bits: &mut Bits<'_>, k: u32, longest: u32, qbpp: u32) -> Result<i32, Damage> {
    let zeros = bits.zeros(longest)?;
    Ok(if zeros < longest { (zeros.cast_signed() << k) + bits.take(k)? } else { bits.take(qbpp)? + 1 })
}

/// The sample of a prediction and an error, which is known modulo the range (A.4.5, A.8).
#[inline(always)]
fn reconstruct<const LOSSLESS: bool>(prediction: i32, error: i32, parameters: &Parameters) -> i32 {
    let Parameters { maxval, range, .. } = *parameters;
    let (near, step) = if LOSSLESS { (0, 1) } else { (parameters.near, parameters.step) };
    // a sample has 16 bits, an error as many and its sign, and NEAR eight
    let sample = prediction.wrapping_add(error.wrapping_mul(step));
    let whole = range.wrapping_mul(step);
    let sample = if sample < near.wrapping_neg() { sample.wrapping_add(whole) } else { sample };
    let sample = if sample > maxval.wrapping_add(near) { sample.wrapping_sub(whole) } else { sample };
    sample.max(0).min(maxval)
}

impl Regular {
    fn new(a: i32) -> Self {
        Self { a, b: 0, n: 1, c: 0, k: golomb_order(1, a) as u16 }
    }

    /// A.6.1 and A.6.2.
    #[inline(always)]
    fn update(&mut self, error: i32, step: i32, reset: i32) {
        // bounded by the range and RESET, as the test below has it
        self.b = self.b.wrapping_add(error.wrapping_mul(step));
        self.a = self.a.wrapping_add(error.wrapping_abs());
        if self.n == reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n = self.n.wrapping_add(1);
        self.k = golomb_order(self.n, self.a) as u16;
        // without branches, which the data would decide: B comes back into ]-N, 0], and C follows
        let least = 1_i32.wrapping_sub(self.n);
        let step = i32::from(self.b < least).wrapping_sub(i32::from(self.b > 0));
        self.b = self.b.wrapping_add(step.wrapping_mul(self.n)).max(least).min(0);
        self.c = self.c.wrapping_sub(step as i16).clamp(MIN_CORRECTION, MAX_CORRECTION);
    }
}

impl Interruption {
    /// Of samples that are unlike the one above (kind 0) or alike (1).
    fn new(a: i32, kind: i32) -> Self {
        let mut new = Self { a, n: 1, nn: 0, k: 0 };
        new.k = new.order(kind);
        new
    }

    /// A.7.2.1.
    #[inline(always)]
    fn order(&self, kind: i32) -> u32 {
        golomb_order(self.n, self.a.wrapping_add((self.n >> 1) & kind.wrapping_neg()))
    }

    /// A.7.2.3.
    #[inline(always)]
    fn update(&mut self, error: i32, mapped: i32, kind: i32, reset: i32) {
        self.nn = self.nn.wrapping_add(i32::from(error < 0));
        self.a = self.a.wrapping_add(mapped.wrapping_add(1).wrapping_sub(kind) >> 1);
        if self.n == reset {
            self.a >>= 1;
            self.n >>= 1;
            self.nn >>= 1;
        }
        self.n = self.n.wrapping_add(1);
        self.k = self.order(kind);
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
        let mut regular = Regular::new(1024);
        let mut interruption = Interruption::new(1024, 0);
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
