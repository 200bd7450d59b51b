//! A writer of JPEG-LS of one component (ITU-T T.87, annex A), lossless and near-lossless, with the standard's defaults.

use super::bits::{BitWriter, Stuffing};

/// Order of run-length codes by run index (table A.5).
const J: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Statistics are halved after so many samples of a context.
const RESET: i32 = 64;

/// Encodes samples of `precision` bits, from 8 to 16; each is off by at most `near` afterwards.
pub(super) fn encode(samples: &[u16], columns: usize, precision: u8, near: u8) -> Vec<u8> {
    let rows = samples.len() / columns;
    let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xF7, 0, 11, precision];
    out.extend(short(rows));
    out.extend(short(columns));
    out.extend([1, 1, 0x11, 0, 0xFF, 0xDA, 0, 8, 1, 1, 0, near, 0, 0]);
    let mut encoder = Encoder::new(i32::from(precision), i32::from(near));
    // One sample more at both ends: Ra and Rc of the first column, Rd of the last (A.2.1).
    let (mut above, mut line) = (vec![0; columns + 2], vec![0; columns + 2]);
    for row in samples.chunks_exact(columns) {
        line[0] = above[1];
        let mut at = 1;
        while at <= columns {
            at = encoder.next(row, &above, &mut line, at);
        }
        line[columns + 1] = line[columns];
        std::mem::swap(&mut above, &mut line);
    }
    out.extend(encoder.bits.finish(false));
    out.extend([0xFF, 0xD9]);
    out
}

/// Magnitudes A, bias B, correction C, occurrences N (A.2.1); the two of runs keep negative errors Nn in `b`.
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    c: i32,
    n: i32,
}

struct Encoder {
    bits: BitWriter,
    near: i32,
    maxval: i32,
    range: i32,
    qbpp: u32,
    limit: u32,
    thresholds: [i32; 3],
    regular: Vec<Context>,
    ended: [Context; 2],
    run_index: usize,
}

impl Encoder {
    fn new(precision: i32, near: i32) -> Self {
        let maxval = (1 << precision) - 1;
        let range = (maxval + 2 * near) / (2 * near + 1) + 1;
        let factor = (maxval.min(4095) + 128) / 256;
        let bpp = precision.max(2).cast_unsigned();
        let context = Context { a: ((range + 32) / 64).max(2), b: 0, c: 0, n: 1 };
        Self {
            bits: BitWriter::new(Stuffing::Bit),
            near,
            maxval,
            range,
            qbpp: i32::BITS - (range - 1).leading_zeros(),
            limit: 2 * (bpp + bpp.max(8)),
            thresholds: [factor + 2 + 3 * near, factor * 4 + 3 + 5 * near, factor * 17 + 4 + 7 * near],
            regular: vec![context; 365],
            ended: [context; 2],
            run_index: 0,
        }
    }

    /// Encodes the sample at `at`, or the run that begins there; gives the next place. `line` holds what a reader has then.
    fn next(&mut self, row: &[u16], above: &[i32], line: &mut [i32], at: usize) -> usize {
        let (left, up, up_left, up_right) = (line[at - 1], above[at], above[at - 1], above[at + 1]);
        let gradients = [up_right - up, up - up_left, up_left - left];
        if gradients.iter().all(|gradient| gradient.abs() <= self.near) {
            return self.run(row, above, line, at);
        }
        let signed = gradients.into_iter().fold(0, |all, own| all * 9 + self.quantized(own));
        let prediction = if up_left >= left.max(up) {
            left.min(up)
        } else if up_left <= left.min(up) {
            left.max(up)
        } else {
            left + up - up_left
        };
        line[at] = self.sample(i32::from(row[at - 1]), signed, prediction);
        at + 1
    }

    /// A gradient as one of nine regions (A.3.3).
    fn quantized(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let bounds = [self.near + 1, t1, t2, t3];
        let region = bounds.iter().map(|bound| i32::from(gradient.abs() >= *bound)).sum::<i32>();
        if gradient < 0 { -region } else { region }
    }

    /// Regular mode (A.4 to A.6).
    fn sample(&mut self, value: i32, signed: i32, prediction: i32) -> i32 {
        let sign = if signed < 0 { -1 } else { 1 };
        let own = self.regular[signed.unsigned_abs() as usize];
        let prediction = (prediction + sign * own.c).clamp(0, self.maxval);
        let error = self.error(sign * (value - prediction));
        let k = order(own.n, own.a);
        let mapped = if self.near == 0 && k == 0 && 2 * own.b <= -own.n {
            if error >= 0 { 2 * error + 1 } else { -2 * (error + 1) }
        } else if error >= 0 {
            2 * error
        } else {
            -2 * error - 1
        };
        self.golomb(mapped, k, self.limit);
        let step = 2 * self.near + 1;
        update(&mut self.regular[signed.unsigned_abs() as usize], error, step);
        self.reconstructed(prediction, sign * error)
    }

    /// Run mode (A.7).
    fn run(&mut self, row: &[u16], above: &[i32], line: &mut [i32], start: usize) -> usize {
        let (value, columns) = (line[start - 1], row.len());
        let alike = row[start - 1..].iter().take_while(|own| (i32::from(**own) - value).abs() <= self.near);
        let mut left = alike.count();
        let end = start + left;
        line[start..end].fill(value);
        while left >= 1 << J[self.run_index] {
            self.bits.put(1, 1);
            left -= 1 << J[self.run_index];
            self.run_index = (self.run_index + 1).min(J.len() - 1);
        }
        if end > columns {
            if left > 0 {
                self.bits.put(1, 1);
            }
            return end;
        }
        self.bits.put(0, 1);
        self.bits.put(u32::try_from(left).unwrap_or_default(), J[self.run_index]);
        line[end] = self.interruption(i32::from(row[end - 1]), value, above[end]);
        self.run_index = self.run_index.saturating_sub(1);
        end + 1
    }

    /// The sample that ends a run (A.7.2).
    fn interruption(&mut self, value: i32, left: i32, up: i32) -> i32 {
        let alike = (left - up).abs() <= self.near;
        let kind = i32::from(alike);
        let (prediction, sign) = if alike { (left, 1) } else { (up, if left > up { -1 } else { 1 }) };
        let error = self.error(sign * (value - prediction));
        let own = self.ended[usize::from(alike)];
        let k = order(own.n, if alike { own.a + (own.n >> 1) } else { own.a });
        let more = own.b * 2 >= own.n;
        let map = (k == 0 && error > 0 && !more) || (error < 0 && (more || k != 0));
        let mapped = 2 * error.abs() - kind - i32::from(map);
        self.golomb(mapped, k, self.limit - J[self.run_index] - 1);
        let own = &mut self.ended[usize::from(alike)];
        own.b += i32::from(error < 0);
        own.a += (mapped + 1 - kind) >> 1;
        if own.n == RESET {
            (own.a, own.n, own.b) = (own.a >> 1, own.n >> 1, own.b >> 1);
        }
        own.n += 1;
        self.reconstructed(prediction, sign * error)
    }

    /// A prediction error, quantized (A.4.4) and reduced modulo the range (A.4.5).
    fn error(&self, difference: i32) -> i32 {
        let step = 2 * self.near + 1;
        let quantized =
            if difference > 0 { (difference + self.near) / step } else { -(self.near - difference) / step };
        let wrapped = if quantized < 0 { quantized + self.range } else { quantized };
        if wrapped >= (self.range + 1) / 2 { wrapped - self.range } else { wrapped }
    }

    /// What a reader makes of it.
    fn reconstructed(&self, prediction: i32, error: i32) -> i32 {
        let step = 2 * self.near + 1;
        let mut sample = prediction + error * step;
        if sample < -self.near {
            sample += self.range * step;
        } else if sample > self.maxval + self.near {
            sample -= self.range * step;
        }
        sample.clamp(0, self.maxval)
    }

    /// A Golomb code of limited length (A.5.3).
    fn golomb(&mut self, mapped: i32, k: u32, limit: u32) {
        let (mapped, longest) = (mapped.cast_unsigned(), limit - self.qbpp - 1);
        let high = mapped >> k;
        if high < longest {
            self.zeros(high);
            self.bits.put(mapped, k);
        } else {
            self.zeros(longest);
            self.bits.put(mapped - 1, self.qbpp);
        }
    }

    /// So many zeros, and a one.
    fn zeros(&mut self, mut count: u32) {
        while count >= 24 {
            self.bits.put(0, 24);
            count -= 24;
        }
        self.bits.put(1, count + 1);
    }
}

/// The Golomb parameter (A.5.1).
fn order(n: i32, a: i32) -> u32 {
    (0..24).find(|k| n << k >= a).unwrap_or(24)
}

/// A.6.1 and A.6.2.
fn update(own: &mut Context, error: i32, step: i32) {
    own.b += error * step;
    own.a += error.abs();
    if own.n == RESET {
        own.a >>= 1;
        own.b = if own.b >= 0 { own.b >> 1 } else { -((1 - own.b) >> 1) };
        own.n >>= 1;
    }
    own.n += 1;
    if own.b <= -own.n {
        own.b = (own.b + own.n).max(1 - own.n);
        own.c = (own.c - 1).max(-128);
    } else if own.b > 0 {
        own.b = (own.b - own.n).min(0);
        own.c = (own.c + 1).min(127);
    }
}
