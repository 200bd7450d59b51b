//! The bits of a JPEG-LS scan: after a byte of ones, the next byte holds seven bits (A.1).

use super::super::jpeg::failed;
use crate::refusal::Refusal;

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits that were read and not taken, at the low end.
    buffer: u64,
    available: u32,
    after_ones: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, available: 0, after_ones: false }
    }

    /// Fills the buffer up to a marker or the end of the bytes.
    fn fill(&mut self) {
        while self.available <= 48 {
            let Some(byte) = self.bytes.get(self.at).copied() else { return };
            let width = if self.after_ones { 7 } else { 8 };
            if self.after_ones && byte >= 0x80 {
                return; // a marker
            }
            self.buffer = self.buffer << width | u64::from(byte);
            self.available += width;
            self.after_ones = byte == 0xFF;
            self.at += 1;
        }
    }

    /// Takes up to 32 bits, highest first.
    pub(super) fn take(&mut self, count: u32) -> Result<i32, Refusal> {
        if self.available < count {
            self.fill();
            if self.available < count {
                return Err(failed("the JPEG-LS scan ends before its last pixel"));
            }
        }
        self.available -= count;
        let taken = (self.buffer >> self.available) & ((1 << count) - 1);
        i32::try_from(taken).map_err(|_| failed("the JPEG-LS scan holds a number that is too great"))
    }

    /// Takes zeros up to and with the next one; returns their number, at most `limit`.
    pub(super) fn zeros(&mut self, limit: u32) -> Result<u32, Refusal> {
        let mut zeros = 0;
        loop {
            if self.available == 0 {
                self.fill();
            }
            if self.available == 0 {
                return Err(failed("the JPEG-LS scan ends before its last pixel"));
            }
            let leading = (self.buffer << (u64::BITS - self.available)).leading_zeros().min(self.available);
            zeros += leading;
            if zeros > limit {
                return Err(failed("the JPEG-LS scan holds a code that is too long"));
            }
            if leading < self.available {
                self.available -= leading + 1;
                return Ok(zeros);
            }
            self.available = 0;
        }
    }
}
