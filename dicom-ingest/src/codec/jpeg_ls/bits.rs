//! The bits of a JPEG-LS scan: after a byte of ones, the next byte holds seven bits (A.1).

use super::super::jpeg::failed;
use crate::refusal::Refusal;

/// Bits that a refill leaves at the least, where the scan still has them.
const FILLED: u32 = 57;

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
    #[inline]
    fn fill(&mut self) {
        let ahead = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        if let Some(ahead) = ahead.filter(|_| !self.after_ones) {
            let word = u64::from_be_bytes(*ahead);
            if !has_ones(word) {
                let bytes = (u64::BITS - self.available) / 8;
                self.buffer |= word >> self.available;
                self.available += 8 * bytes;
                self.at += bytes as usize;
                return;
            }
        }
        self.fill_bytewise();
    }

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
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> Result<i32, Refusal> {
        if self.available < count {
            self.fill();
            if self.available < count {
                return Err(ended());
            }
        }
        let taken = high(self.buffer, count);
        self.drop_bits(count);
        Ok(taken)
    }

    /// Takes zeros, the one after them and `count` bits, where that is short and there are fewer zeros than `limit`;
    /// takes nothing where it is not.
    #[inline]
    pub(super) fn short_code(&mut self, limit: u32, count: u32) -> Option<(u32, i32)> {
        if self.available < 32 {
            self.fill();
        }
        let zeros = self.buffer.leading_zeros();
        let length = zeros + 1 + count;
        if zeros >= limit || length > self.available {
            return None;
        }
        // in two steps, since the whole may be 64 bits
        let rest = self.buffer << zeros << 1;
        let taken = high(rest, count);
        self.buffer = rest << count;
        self.available -= length;
        Some((zeros, taken))
    }

    /// Takes zeros up to and with the next one; returns their number, at most `limit`.
    pub(super) fn zeros(&mut self, limit: u32) -> Result<u32, Refusal> {
        let mut zeros = 0;
        loop {
            if self.available == 0 {
                self.fill();
            }
            if self.available == 0 {
                return Err(ended());
            }
            let leading = self.buffer.leading_zeros().min(self.available);
            zeros += leading;
            if zeros > limit {
                return Err(failed("the JPEG-LS scan holds a code that is too long"));
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

fn ended() -> Refusal {
    failed("the JPEG-LS scan ends before its last pixel")
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
