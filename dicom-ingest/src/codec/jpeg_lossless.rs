//! Lossless JPEG, process 14 with every predictor (ISO/IEC 10918-1 annex H, Huffman coding of annex F).
//!
//! Our own: `jpeg-decoder` ignores restart intervals and the point transform with the first predictor.

use super::Codestream;
use super::jpeg::{EOI, SOS, Segment, failed, segment};
use super::samples::{any_bits, low_16, mask, store_unsigned};
use crate::pixel_facts::PixelFacts;
use crate::refusal::{Refusal, RefusalCode};
use crate::stored::StoredValues;

/// Most samples that a byte can hold: a sample takes one bit at least.
const SAMPLES_PER_BYTE: u64 = 8;
/// Longest Huffman code in bits.
const MAX_CODE: usize = 16;

/// Decodes a frame of one component.
pub(super) fn decode(coded: &[u8], header: Codestream, facts: &PixelFacts) -> Result<StoredValues, Refusal> {
    header.check(facts, coded.len(), SAMPLES_PER_BYTE)?;
    if facts.samples_per_frame() > (coded.len() as u64).saturating_mul(SAMPLES_PER_BYTE) {
        return Err(failed("the JPEG codestream is too short for its pixels"));
    }
    let scan = Scan::read(coded)?;
    if header.precision > 16 || u32::from(scan.point_transform) >= header.precision {
        return Err(failed("the JPEG point transform is not below the precision"));
    }
    let raw = scan.samples(header)?;
    // Padded to a byte, one sample's sign cannot be told from another's value.
    let ambiguous = facts.signed && header.precision < facts.bits_stored;
    if ambiguous && any_bits(&raw) > mask(header.precision - 1) {
        return Err(Refusal::new(
            RefusalCode::PixelMismatch,
            format!("signed samples of {} bits in a codestream of {}", facts.bits_stored, header.precision),
        ));
    }
    store_unsigned(raw, header.precision, facts, true)
}

/// What the headers say about the one scan.
struct Scan<'a> {
    table: Huffman,
    predictor: u8,
    point_transform: u8,
    restart_interval: usize,
    entropy: &'a [u8],
}

impl<'a> Scan<'a> {
    /// Reads the headers up to the scan (B.2).
    fn read(coded: &'a [u8]) -> Result<Self, Refusal> {
        let mut tables: [Option<Huffman>; 4] = [const { None }; 4];
        let mut restart_interval = 0;
        let mut at = 2;
        loop {
            let Segment { marker, parameters, end } = segment(coded, at)?;
            at = end;
            match marker {
                0xC4 => Huffman::read_all(parameters, &mut tables)?,
                0xDD => {
                    let [high, low, ..] = *parameters else {
                        return Err(failed("a JPEG segment is cut off"));
                    };
                    restart_interval = usize::from(u16::from_be_bytes([high, low]));
                }
                SOS => {
                    let [1, _component, selectors, predictor, _, point_transform, ..] = *parameters else {
                        return Err(failed("the JPEG scan is not of one component"));
                    };
                    let table = tables.get_mut(usize::from(selectors >> 4)).and_then(Option::take);
                    let table = table
                        .ok_or_else(|| failed("the JPEG scan names a Huffman table that is not there"))?;
                    if !(1..=7).contains(&predictor) {
                        return Err(failed("the JPEG scan names no predictor"));
                    }
                    let point_transform = point_transform & 0x0F;
                    let entropy = coded.get(at..).unwrap_or_default();
                    return Ok(Self { table, predictor, point_transform, restart_interval, entropy });
                }
                EOI => return Err(failed("the JPEG codestream has no scan")),
                _ => {}
            }
        }
    }

    /// Decodes all samples (H.1.2). Restart intervals are whole lines (H.1.1); each begins as the first line does.
    fn samples(&self, header: Codestream) -> Result<Vec<u16>, Refusal> {
        let (rows, columns) = (header.rows as usize, header.columns as usize);
        if !self.restart_interval.is_multiple_of(columns) {
            return Err(failed("the JPEG restart interval is not a whole number of lines"));
        }
        let lines_per_interval = self.restart_interval / columns;
        let first = 1_i32 << (header.precision - u32::from(self.point_transform) - 1);
        let mut bits = Bits::new(self.entropy);
        let mut samples: Vec<u16> = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            let line_in_interval = if lines_per_interval == 0 { row } else { row % lines_per_interval };
            if row > 0 && line_in_interval == 0 {
                bits.restart(row / lines_per_interval - 1)?;
            }
            for column in 0..columns {
                let before = |back: usize| i32::from(samples[samples.len() - back]);
                let prediction = match (line_in_interval, column) {
                    (0, 0) => first,
                    (0, _) => before(1),
                    (_, 0) => before(columns),
                    _ => self.predict(before(1), before(columns), before(columns + 1)),
                };
                let difference = self.table.difference(&mut bits)?;
                samples.push(low_16(prediction + difference));
            }
        }
        if any_bits(&samples) > mask(header.precision - u32::from(self.point_transform)) {
            return Err(failed("a JPEG sample is greater than the precision allows"));
        }
        if self.point_transform > 0 {
            for sample in &mut samples {
                *sample <<= self.point_transform;
            }
        }
        Ok(samples)
    }

    /// Table H.1: `a` is to the left, `b` above, `c` above to the left.
    fn predict(&self, a: i32, b: i32, c: i32) -> i32 {
        match self.predictor {
            1 => a,
            2 => b,
            3 => c,
            4 => a + b - c,
            5 => a + ((b - c) >> 1),
            6 => b + ((a - c) >> 1),
            _ => (a + b) >> 1,
        }
    }
}

/// A Huffman table in canonical form (annex C, F.2.2.3).
struct Huffman {
    /// For every code length: the greatest code, or -1, and the index of the value of code 0 of that length.
    lengths: [(i32, i32); MAX_CODE],
    values: Vec<u8>,
}

impl Huffman {
    /// Reads the tables of one DHT segment (B.2.4.2).
    fn read_all(mut parameters: &[u8], tables: &mut [Option<Self>; 4]) -> Result<(), Refusal> {
        let bad = || failed("a JPEG Huffman table is damaged");
        while let Some((selector, rest)) = parameters.split_first() {
            let (counts, rest) = rest.split_first_chunk::<MAX_CODE>().ok_or_else(bad)?;
            let total = counts.iter().map(|count| usize::from(*count)).sum();
            let values = rest.get(..total).ok_or_else(bad)?;
            parameters = &rest[total..];
            let slot = tables.get_mut(usize::from(*selector)).ok_or_else(bad)?;
            *slot = Some(Self::new(counts, values).ok_or_else(bad)?);
        }
        Ok(())
    }

    /// Builds the table; `None` when the counts do not make a prefix code.
    fn new(counts: &[u8; MAX_CODE], values: &[u8]) -> Option<Self> {
        let mut lengths = [(-1, 0); MAX_CODE];
        let (mut code, mut index) = (0_i32, 0_i32);
        for (bits, (count, length)) in counts.iter().zip(&mut lengths).enumerate() {
            let count = i32::from(*count);
            if code + count > 1 << (bits + 1) {
                return None;
            }
            if count > 0 {
                *length = (code + count - 1, index - code);
            }
            code = (code + count) << 1;
            index += count;
        }
        Some(Self { lengths, values: values.to_vec() })
    }

    /// Decodes a difference (H.1.2.2).
    fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Refusal> {
        match self.category(bits)? {
            0 => Ok(0),
            16 => Ok(32_768),
            category @ 1..=15 => {
                let magnitude = bits.take(category)?;
                let negative = magnitude < 1 << (category - 1);
                Ok(if negative { magnitude - i32::from(mask(category)) } else { magnitude })
            }
            _ => Err(failed("a JPEG difference has no category")),
        }
    }

    fn category(&self, bits: &mut Bits<'_>) -> Result<u32, Refusal> {
        let mut code = 0;
        for (greatest, base) in self.lengths {
            code = code << 1 | bits.take(1)?;
            if code <= greatest {
                let value = usize::try_from(code + base).ok().and_then(|index| self.values.get(index));
                return value
                    .map(|value| u32::from(*value))
                    .ok_or_else(|| failed("a JPEG code has no value"));
            }
        }
        Err(failed("the JPEG scan holds a code that its table does not"))
    }
}

/// The bits of entropy-coded data, with stuffed zeros taken out (F.1.2.3).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    buffer: u64,
    available: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, available: 0 }
    }

    /// Takes up to 16 bits, highest first.
    fn take(&mut self, count: u32) -> Result<i32, Refusal> {
        while self.available < count {
            let byte = *self.bytes.get(self.at).ok_or_else(short)?;
            let stuffed = byte == 0xFF;
            if stuffed && self.bytes.get(self.at + 1) != Some(&0) {
                return Err(short());
            }
            self.at += if stuffed { 2 } else { 1 };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.available += 8;
        }
        self.available -= count;
        let taken = (self.buffer >> self.available) & ((1 << count) - 1);
        i32::try_from(taken).map_err(|_| short())
    }

    /// Drops the rest of the byte and reads the restart marker that must follow.
    fn restart(&mut self, index: usize) -> Result<(), Refusal> {
        let number = u8::try_from(index % 8).unwrap_or_default();
        self.available = 0;
        self.buffer = 0;
        while self.bytes.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1; // fill bytes may stand before a marker (B.1.1.2)
        }
        if self.bytes.get(self.at..self.at + 2) != Some(&[0xFF, 0xD0 + number]) {
            return Err(failed("a JPEG restart marker is missing"));
        }
        self.at += 2;
        Ok(())
    }
}

fn short() -> Refusal {
    failed("the JPEG scan ends before its last pixel")
}
