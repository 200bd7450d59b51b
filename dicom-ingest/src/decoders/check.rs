//! Whether what a process says can be true. It read a file that nobody vouches for, so its own words are no better: what
//! later arithmetic relies on is looked at again on this side.

use crate::frame::GreyTransform;
use crate::instance::Instance;
use crate::modality_lut::{LookupTable, ModalityLut};
use crate::pixel_facts::{MOST_OF_TWO_BYTES, PixelFacts};
use crate::refusal::Refusal;
use crate::sr::SrReport;
use crate::voi::Voi;

/// Longest sentence of a refusal, in bytes.
const MOST_SENTENCE: usize = 4096;

/// Whether header facts are of a kind that a header can have.
pub(super) fn instance(instance: &Instance) -> bool {
    let spacing = |spacing: &Option<[f64; 2]>| {
        spacing.is_none_or(|pair| pair.iter().all(|mm| mm.is_finite() && *mm > 0.0))
    };
    instance.age_years.is_none_or(|age| (0.0..150.0).contains(&age))
        && spacing(&instance.pixel_spacing)
        && spacing(&instance.imager_pixel_spacing)
        && instance.pixels.as_ref().is_none_or(pixels)
}

fn pixels(facts: &PixelFacts) -> bool {
    let count = 1..=MOST_OF_TWO_BYTES;
    [facts.rows, facts.columns, facts.samples_per_pixel].iter().all(|one| count.contains(one))
        && facts.frames > 0
        && (1..=64).contains(&facts.bits_allocated)
        && (1..=facts.bits_allocated).contains(&facts.bits_stored)
}

/// Whether facts are of a kind that a report can tell.
pub(super) fn report(report: &SrReport) -> bool {
    let prostate = &report.prostate;
    report.nodules.iter().all(|nodule| nodule.diameter_mm.is_none_or(f64::is_finite))
        && prostate.pi_rads.is_none_or(|category| (1..=5).contains(&category))
        && prostate.volume_ml.is_none_or(|volume| volume.is_finite() && volume > 0.0)
        && prostate.psa.is_none_or(|psa| psa.ng_ml.is_finite() && psa.ng_ml >= 0.0)
        && prostate.faults.len() <= 9
        && report.nodule_faults.len() <= 3
}

/// Whether a refusal is one sentence.
pub(super) fn refusal(refusal: &Refusal) -> bool {
    refusal.message.len() <= MOST_SENTENCE
}

/// Whether grey can be computed by this transform: its range is that of two bytes, its numbers are numbers.
pub(super) fn transform(transform: &GreyTransform) -> bool {
    let (lowest, highest) = (*transform.possible.start(), *transform.possible.end());
    let two_bytes = (lowest >= 0 && highest <= 0xFFFF) || (lowest >= -0x8000 && highest <= 0x7FFF);
    let modality = match &transform.modality {
        ModalityLut::Rescale { slope, intercept } => {
            slope.is_finite() && *slope != 0.0 && intercept.is_finite()
        }
        ModalityLut::Table(entries) => table(entries),
    };
    let voi = transform.voi.as_ref().is_none_or(|voi| match voi {
        Voi::Table(entries) => table(entries),
        Voi::Window { center, width, .. } => center.is_finite() && width.is_finite() && *width > 0.0,
        Voi::Range { low, high } => low.is_finite() && high.is_finite(),
    });
    lowest <= highest && two_bytes && modality && voi
}

fn table(table: &LookupTable) -> bool {
    table.first.is_finite() && (8..=16).contains(&table.bits) && (1..=0x1_0000).contains(&table.entries.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel_facts::Photometric;

    fn honest() -> GreyTransform {
        GreyTransform {
            modality: ModalityLut::IDENTITY,
            voi: None,
            invert: false,
            padding: None,
            possible: 0..=4095,
        }
    }

    #[test]
    fn a_picture_of_more_rows_than_two_bytes_count_is_a_lie() {
        let sound = PixelFacts {
            rows: 0xFFFF,
            columns: 1,
            frames: 1,
            samples_per_pixel: 1,
            bits_allocated: 16,
            bits_stored: 12,
            high_bit: 11,
            signed: false,
            photometric: Photometric::Monochrome2,
        };
        assert!(pixels(&sound));
        for (rows, columns, samples_per_pixel) in
            [(0x1_0000, 1, 1), (1, u32::MAX, 1), (1, 1, 0x1_0000), (u32::MAX, u32::MAX, u32::MAX)]
        {
            let facts = PixelFacts { rows, columns, samples_per_pixel, ..sound.clone() };
            assert!(!pixels(&facts));
            assert!(facts.samples_per_frame() > 0xFFFF, "and nothing overflows");
        }
    }

    #[test]
    fn a_transform_that_no_file_has_is_a_lie() {
        assert!(transform(&honest()));
        for possible in [i32::MIN..=i32::MAX, -1..=0xFFFF, std::ops::RangeInclusive::new(5, 4)] {
            assert!(!transform(&GreyTransform { possible, ..honest() }));
        }
        let wide = LookupTable { first: 0.0, entries: vec![1], bits: 40 };
        let lies = [
            ModalityLut::Table(wide.clone()),
            ModalityLut::Table(LookupTable { entries: Vec::new(), bits: 8, ..wide }),
            ModalityLut::Rescale { slope: f64::NAN, intercept: 0.0 },
            ModalityLut::Rescale { slope: 0.0, intercept: 0.0 },
        ];
        for modality in lies {
            assert!(!transform(&GreyTransform { modality, ..honest() }));
        }
        let voi = Some(Voi::Range { low: f64::INFINITY, high: 0.0 });
        assert!(!transform(&GreyTransform { voi, ..honest() }));
    }
}
