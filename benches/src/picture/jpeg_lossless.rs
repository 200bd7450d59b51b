//! A writer of lossless JPEG, process 14 (ITU-T T.81, annex H): one component, one Huffman table made for the picture.

use super::bits::{BitWriter, Stuffing};

/// Categories of a difference (H.1.2.2).
const CATEGORIES: usize = 17;

/// Lengths of codes by rank: a prefix code that leaves the code of all ones free, as C.2 asks.
const RANKED: [u32; CATEGORIES] = [2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Encodes samples of `precision` bits by predictor 1 (left) or 7 (mean of left and above); other numbers are as 1.
pub(super) fn encode(samples: &[u16], columns: usize, precision: u8, predictor: u8) -> Vec<u8> {
    let differences = differences(samples, columns, precision, predictor);
    let mut counts = [0_u64; CATEGORIES];
    for difference in &differences {
        counts[category(*difference)] += 1;
    }
    let lengths = lengths(&counts);
    let codes = codes(&lengths);
    let rows = samples.len() / columns;
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xC3, 0, 11, precision];
    out.extend(u16::try_from(rows).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(u16::try_from(columns).unwrap_or(u16::MAX).to_be_bytes());
    out.extend([1, 1, 0x11, 0]);
    out.extend(table(&lengths));
    out.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, predictor, 0, 0]);
    let mut bits = BitWriter::new(Stuffing::Byte);
    for difference in differences {
        let own = category(difference);
        let (code, length) = codes[own];
        bits.put(code, length);
        if (1..=15).contains(&own) {
            let value = if difference < 0 { difference + (1 << own) - 1 } else { difference };
            bits.put(value.cast_unsigned(), u32::try_from(own).unwrap_or_default());
        }
    }
    out.extend(bits.finish(true));
    out.extend([0xFF, 0xD9]);
    out
}

/// Sample less prediction, modulo 2^16 (H.1.2.1).
fn differences(samples: &[u16], columns: usize, precision: u8, predictor: u8) -> Vec<i32> {
    let sample = |at: usize| i32::from(samples[at]);
    let one = |at: usize| {
        let prediction = match (at / columns, at % columns) {
            (0, 0) => 1 << (precision - 1),
            (0, _) => sample(at - 1),
            (_, 0) => sample(at - columns),
            _ if predictor == 7 => i32::midpoint(sample(at - 1), sample(at - columns)),
            _ => sample(at - 1),
        };
        let difference = (sample(at) - prediction).rem_euclid(65_536);
        if difference > 32_768 { difference - 65_536 } else { difference }
    };
    (0..samples.len()).map(one).collect()
}

fn category(difference: i32) -> usize {
    (32 - difference.unsigned_abs().leading_zeros()) as usize
}

/// The length of each category's code: the more frequent, the shorter.
fn lengths(counts: &[u64; CATEGORIES]) -> Vec<(usize, u32)> {
    let mut order: Vec<usize> = (0..CATEGORIES).filter(|own| counts[*own] > 0).collect();
    order.sort_by_key(|own| (u64::MAX - counts[*own], *own));
    order.into_iter().zip(RANKED).collect()
}

/// Codes of ascending length (C.2).
fn codes(lengths: &[(usize, u32)]) -> [(u32, u32); CATEGORIES] {
    let mut codes = [(0, 0); CATEGORIES];
    let (mut code, mut last) = (0_u32, 0);
    for (own, length) in lengths {
        code <<= length - last;
        codes[*own] = (code, *length);
        (code, last) = (code + 1, *length);
    }
    codes
}

/// The segment that defines the table (B.2.4.2).
fn table(lengths: &[(usize, u32)]) -> Vec<u8> {
    let byte = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    let mut out = vec![0xFF, 0xC4, 0, byte(19 + lengths.len()), 0];
    out.extend((1..=16).map(|length| byte(lengths.iter().filter(|own| own.1 == length).count())));
    out.extend(lengths.iter().map(|own| byte(own.0)));
    out
}
