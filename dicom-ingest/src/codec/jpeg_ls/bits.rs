//! The bits of a JPEG-LS scan: after a byte of ones, the next byte holds seven bits (A.1).

#![expect(clippy::inline_always, reason = "once a pixel: a call of their own costs a tenth of the whole")]
#![expect(clippy::cast_possible_truncation, reason = "checked or bounded: a code's low bits are at most 24")]

use super::damage::Damage;

/// Bits that a refill leaves at the least, where the scan still has them.
const FILLED: u32 = 56;

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits that were read and not taken, at the high end; what lies below them is zero or what comes next.
    buffer: u64,
    available: u32,
    after_ones: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, available: 0, after_ones: false }
    }

    /// Fills the buffer up to a marker or the end of the bytes.
    #[inline(always)]
    fn fill(&mut self) {
        let ahead = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        if let Some(ahead) = ahead.filter(|_| !self.after_ones) {
            let word = u64::from_be_bytes(*ahead);
            if !has_ones(word) {
                // below 64 bits are there, so that nothing here can overflow
                let bytes = 63_u32.wrapping_sub(self.available) / 8;
                self.buffer |= word.wrapping_shr(self.available);
                self.available = self.available.wrapping_add(8 * bytes);
                self.at = self.at.wrapping_add(bytes as usize);
                return;
            }
        }
        self.fill_bytewise();
    }

    #[cold]
    #[inline(never)]
    fn fill_bytewise(&mut self) {
        while self.available < FILLED {
            let Some(byte) = self.bytes.get(self.at).copied() else { return };
            let width = if self.after_ones { 7 } else { 8 };
            if self.after_ones && byte >= 0x80 {
                return; // a marker
            }
            self.buffer |= u64::from(byte) << (u64::BITS - width - self.available);
            self.available += width;
            self.after_ones = byte == 0xFF;
            self.at += 1;
        }
    }

    /// Drops bits that are there.
    #[inline]
    fn drop_bits(&mut self, count: u32) {
        self.buffer <<= count;
        self.available -= count;
    }

    /// Takes up to 24 bits, highest first.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> Result<i32, Damage> {
        if self.available < count {
            self.fill();
            if self.available < count {
                return Err(Damage::Ended);
            }
        }
        let taken = high(self.buffer, count);
        self.drop_bits(count);
        Ok(taken)
    }

    /// Takes a Golomb code of order `k` (zeros, a one and `k` bits), where it is short and there are fewer zeros than
    /// `limit`; takes nothing where it is not. Its value is below `limit << k`.
    #[inline(always)]
    pub(super) fn short_code(&mut self, limit: u32, k: u32) -> Option<i32> {
        self.fill();
        let zeros = (self.buffer | 1).leading_zeros();
        let length = zeros.wrapping_add(k).wrapping_add(1);
        if zeros >= limit || length > self.available {
            return None;
        }
        // the one and what follows: as much as `1 << k` and the low bits
        let low = self.buffer.wrapping_shl(zeros).wrapping_shr(63_u32.wrapping_sub(k)) as u32;
        // in two steps, since the whole may be 64 bits
        self.buffer = self.buffer.wrapping_shl(length.wrapping_sub(1)) << 1;
        self.available = self.available.wrapping_sub(length);
        Some(zeros.wrapping_sub(1).wrapping_shl(k).wrapping_add(low).cast_signed())
    }

    /// Takes ones, at most as many, and the zero after them; takes nothing where there are more.
    #[inline(always)]
    pub(super) fn short_run(&mut self, most: u32) -> Option<u32> {
        self.fill();
        let ones = (!self.buffer | 1).leading_zeros();
        if ones > most || ones >= self.available {
            return None;
        }
        self.buffer = self.buffer.wrapping_shl(ones) << 1;
        self.available = self.available.wrapping_sub(ones).wrapping_sub(1);
        Some(ones)
    }

    /// Takes zeros up to and with the next one; returns their number, at most `limit`.
    pub(super) fn zeros(&mut self, limit: u32) -> Result<u32, Damage> {
        let mut zeros = 0;
        loop {
            if self.available == 0 {
                self.fill();
            }
            if self.available == 0 {
                return Err(Damage::Ended);
            }
            let leading = self.buffer.leading_zeros().min(self.available);
            zeros += leading;
            if zeros > limit {
                return Err(Damage::LongCode);
            }
            if leading < self.available {
                self.buffer = self.buffer << leading << 1;
                self.available -= leading + 1;
                return Ok(zeros);
            }
            (self.buffer, self.available) = (0, 0);
        }
    }
}

/// The highest bits of a word, up to 24.
#[inline]
fn high(word: u64, count: u32) -> i32 {
    i32::try_from(word >> 32 >> (u32::BITS - 1 - count) >> 1).unwrap_or_default()
}

/// Whether one of its bytes is 0xFF.
#[inline]
fn has_ones(word: u64) -> bool {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let zeros = !word;
    zeros.wrapping_sub(LOW) & word & (LOW << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_end_with_the_bits() {
        // order 2: two zeros, a one and 01 are 2 x 4 + 1; then three zeros, which no one follows
        let mut bits = Bits::new(&[0b0010_1000]);
        assert_eq!(bits.short_code(24, 2), Some(9));
        assert_eq!((bits.short_code(24, 0), bits.zeros(24)), (None, Err(Damage::Ended)));
        // as many zeros as the limit are no short code, and are left there
        let mut bits = Bits::new(&[0b0001_0000]);
        assert_eq!((bits.short_code(3, 0), bits.short_code(4, 0)), (None, Some(3)));
    }

    #[test]
    fn short_runs_end_with_a_zero() {
        let mut bits = Bits::new(&[0b1101_1101]);
        assert_eq!((bits.short_run(1), bits.short_run(2)), (None, Some(2)));
        assert_eq!((bits.short_run(3), bits.take(1)), (Some(3), Ok(1)));
        // the last one has no zero after it
        let mut bits = Bits::new(&[0b0000_0001]);
        assert_eq!((bits.take(7), bits.short_run(3), bits.take(1)), (Ok(0), None, Ok(1)));
    }

    /// A byte of ones is followed by a bit that is none of the scan's, wherever eight bytes are read at once.
    #[test]
    fn the_bit_after_ones_is_left_out() {
        for before in 0..12 {
            let mut bytes = vec![0; before];
            bytes.extend([0xFF, 0x7F, 0x01, 0, 0, 0, 0, 0, 0, 0]);
            let mut bits = Bits::new(&bytes);
            for _ in 0..before {
                assert_eq!(bits.take(8), Ok(0));
            }
            assert_eq!((bits.take(15), bits.short_code(24, 0)), (Ok(0x7FFF), Some(7)));
        }
    }
}
