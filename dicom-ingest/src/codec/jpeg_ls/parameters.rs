//! The coding parameters of a scan: from the frame header, NEAR and the preset parameters (C.2.4.1, A.2.1).

use super::super::jpeg::failed;
use crate::refusal::Refusal;

/// Preset parameters as written; 0 is the default.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Preset {
    maxval: i32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Preset {
    /// Reads an LSE segment; mapping tables are not needed where none is used.
    pub(super) fn read(&mut self, parameters: &[u8]) -> Result<(), Refusal> {
        match parameters {
            [1, values @ ..] if values.len() >= 10 => {
                let word = |at: usize| i32::from(u16::from_be_bytes([values[at], values[at + 1]]));
                *self = Self { maxval: word(0), thresholds: [word(2), word(4), word(6)], reset: word(8) };
                Ok(())
            }
            [2 | 3, ..] => Ok(()),
            _ => Err(failed("a JPEG-LS preset segment is of an unknown kind")),
        }
    }
}

/// What coding depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameters {
    pub(super) maxval: i32,
    pub(super) near: i32,
    /// Step of quantized errors: 2 x NEAR + 1.
    pub(super) step: i32,
    /// Number of values of a quantized error.
    pub(super) range: i32,
    /// Bits of a quantized error.
    pub(super) qbpp: u32,
    /// Longest Golomb code in bits.
    pub(super) limit: u32,
    pub(super) thresholds: [i32; 3],
    pub(super) reset: i32,
}

/// Default of RESET (C.2.4.1.1).
const RESET: i32 = 64;

impl Parameters {
    /// `None` when a value is outside of what table C.1 allows.
    pub(super) fn new(precision: u32, near: i32, preset: &Preset) -> Option<Self> {
        if !(2..=16).contains(&precision) {
            return None;
        }
        let greatest = (1 << precision) - 1;
        let maxval = if preset.maxval == 0 { greatest } else { preset.maxval };
        if maxval > greatest || near > (maxval / 2).min(255) {
            return None;
        }
        let defaults = default_thresholds(maxval, near);
        let [mut t1, mut t2, mut t3] = preset.thresholds;
        for (threshold, default) in [&mut t1, &mut t2, &mut t3].into_iter().zip(defaults) {
            if *threshold == 0 {
                *threshold = default;
            }
        }
        let reset = if preset.reset == 0 { RESET } else { preset.reset };
        let ordered = near < t1 && t1 <= t2 && t2 <= t3 && t3 <= maxval;
        if !ordered || !(3..=maxval.max(255)).contains(&reset) {
            return None;
        }
        let step = 2 * near + 1;
        let range = (maxval + 2 * near) / step + 1;
        let bpp = bits_for(maxval + 1).max(2);
        Some(Self {
            maxval,
            near,
            step,
            range,
            qbpp: bits_for(range),
            limit: 2 * (bpp + bpp.max(8)),
            thresholds: [t1, t2, t3],
            reset,
        })
    }
}

/// The least number of bits that hold `count` values.
fn bits_for(count: i32) -> u32 {
    i32::BITS - (count - 1).leading_zeros()
}

/// C.2.4.1.1.1.
fn default_thresholds(maxval: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, least: i32| if value > maxval || value < least { least } else { value };
    let basic = |first: i32, second: i32, third: i32| {
        let t1 = clamp(first, near + 1);
        let t2 = clamp(second, t1);
        [t1, t2, clamp(third, t2)]
    };
    if maxval >= 128 {
        let factor = (maxval.min(4095) + 128) / 256;
        basic(factor + 2 + 3 * near, factor * 4 + 3 + 5 * near, factor * 17 + 4 + 7 * near)
    } else {
        let factor = 256 / (maxval + 1);
        basic((3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_the_standard() {
        assert_eq!(default_thresholds(255, 0), [3, 7, 21]);
        assert_eq!(default_thresholds(65_535, 0), [18, 67, 276]);
        let eight = Parameters::new(8, 0, &Preset::default()).unwrap();
        assert_eq!((eight.range, eight.qbpp, eight.limit, eight.reset), (256, 8, 32, 64));
        let near = Parameters::new(8, 3, &Preset::default()).unwrap();
        assert_eq!((near.range, near.step), ((255 + 6) / 7 + 1, 7));
        assert!(Parameters::new(8, 128, &Preset::default()).is_none());
        assert!(Parameters::new(8, 0, &Preset { maxval: 256, ..Preset::default() }).is_none());
        assert!(Parameters::new(8, 0, &Preset { reset: 2, ..Preset::default() }).is_none());
    }
}
