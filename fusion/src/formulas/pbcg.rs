//! PBCG: no, low-grade or high-grade prostate cancer on biopsy, and the update of the high-grade risk by PI-RADS.
//!
//! Prostate Biopsy Collaborative Group; coefficients of the group's own calculator (ClevelandClinicQHS/riskcalc-website,
//! `prompt/risk.R` and `PBCGExtension/server.R`). One official source. Earlier biopsy, rectal examination and family
//! history may each be unknown: there is a published variant for each of the eight cases, and no other is used.

use super::logistic;

/// Antigen that the calculator accepts, ng/mL.
pub const PSA_NG_ML: (f64, f64) = (2.0, 50.0);
/// Ages that the calculator accepts.
pub const AGES: (f64, f64) = (40.0, 90.0);
/// Antigen of the update by PI-RADS: the narrower of the two ranges that its authors state, ng/mL.
pub const UPDATE_PSA_NG_ML: (f64, f64) = (2.0, 10.0);

/// Constant, log2 of the antigen, age, African ancestry, earlier negative biopsy, abnormal rectal examination, family
/// history; 0 where the variant does not have it.
type Row = [f64; 7];

/// One variant: the two rows, for low and high grade.
struct Variant {
    name: &'static str,
    low: Row,
    high: Row,
}

/// By which of biopsy, examination and family history are known: bit 2, 1, 0.
const VARIANTS: [Variant; 8] = [
    Variant {
        name: "without biopsy history, rectal examination and family history",
        low: [-2.237_949_23, 0.053_430_98, 0.015_536_27, 0.695_937_16, 0.0, 0.0, 0.0],
        high: [-6.132_929_04, 0.629_795_29, 0.060_020_02, 0.438_160_16, 0.0, 0.0, 0.0],
    },
    Variant {
        name: "without biopsy history and rectal examination",
        low: [-2.391_615_80, 0.061_296_51, 0.016_005_15, 0.811_329_28, 0.0, 0.0, 0.275_016_39],
        high: [-6.423_201_54, 0.677_790_36, 0.060_921_78, 0.504_291_30, 0.0, 0.0, 0.508_056_84],
    },
    Variant {
        name: "without biopsy history and family history",
        low: [-2.018_510_79, 0.067_454_24, 0.012_633_69, 0.639_384_72, 0.0, 0.085_628_44, 0.0],
        high: [-5.682_033_52, 0.650_592_44, 0.048_837_86, 0.492_147_93, 0.0, 0.874_215_54, 0.0],
    },
    Variant {
        name: "without biopsy history",
        low: [-2.161_474_11, 0.074_095_19, 0.013_229_88, 0.761_310_45, 0.0, 0.053_975_16, 0.292_462_19],
        high: [-5.998_970_55, 0.707_277_93, 0.049_929_68, 0.564_859_52, 0.0, 0.891_543_84, 0.569_108_73],
    },
    Variant {
        name: "without rectal examination and family history",
        low: [-2.490_503_85, 0.129_612_72, 0.020_204_29, 0.676_749_70, -0.972_758_26, 0.0, 0.0],
        high: [-6.410_890_02, 0.741_105_58, 0.064_769_11, 0.428_145_91, -1.502_743_50, 0.0, 0.0],
    },
    Variant {
        name: "without rectal examination",
        low: [-2.648_409_84, 0.131_252_83, 0.020_441_66, 0.817_928_81, -0.986_103_57, 0.0, 0.314_470_17],
        high: [-6.705_381_52, 0.776_350_03, 0.065_427_05, 0.524_014_64, -1.436_819_65, 0.0, 0.554_434_78],
    },
    Variant {
        name: "without family history",
        low: [-2.296_879_89, 0.137_855_91, 0.017_589_14, 0.638_767_91, -0.862_004_71, 0.071_933_50, 0.0],
        high: [-6.066_214_01, 0.760_539_30, 0.055_098_47, 0.517_013_73, -1.383_907_51, 0.834_422_02, 0.0],
    },
    Variant {
        name: "all inputs",
        low: [
            -2.440_521_08,
            0.136_172_44,
            0.017_806_17,
            0.787_210_39,
            -0.836_137_21,
            0.046_127_21,
            0.332_336_36,
        ],
        high: [
            -6.368_518_56,
            0.799_965_10,
            0.055_665_36,
            0.615_969_75,
            -1.274_372_49,
            0.857_801_43,
            0.610_038_48,
        ],
    },
];

/// PCPTRC 2.0, the older calculator of another cohort: a comparator.
const PCPTRC: Variant = Variant {
    name: "PCPTRC 2.0",
    low: [
        -3.002_154_69,
        0.256_133_90,
        0.016_436_37,
        0.121_725_99,
        -0.455_332_57,
        -0.038_646_28,
        0.271_972_19,
    ],
    high: [
        -7.053_045_34,
        0.704_894_41,
        0.047_538_04,
        1.041_745_29,
        -0.214_099_33,
        0.400_684_34,
        0.224_673_48,
    ],
};

/// What the formula needs. Antigen, age and ancestry are mandatory; `None` elsewhere selects the published variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Prostate-specific antigen, ng/mL.
    pub psa_ng_ml: f64,
    /// Age in years.
    pub age_years: f64,
    /// African ancestry.
    pub african_ancestry: bool,
    /// There was a biopsy, and all were negative.
    pub prior_negative_biopsy: Option<bool>,
    /// The rectal examination was abnormal.
    pub abnormal_examination: Option<bool>,
    /// Prostate cancer in a first-degree relative.
    pub family_history: Option<bool>,
}

/// Probabilities of the three results of a biopsy; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Biopsy {
    /// Which published variant it was.
    pub variant: &'static str,
    /// No cancer.
    pub none: f64,
    /// Low grade: Gleason 6.
    pub low: f64,
    /// High grade: Gleason 7 or more.
    pub high: f64,
}

impl Inputs {
    fn in_domain(&self) -> bool {
        (PSA_NG_ML.0..=PSA_NG_ML.1).contains(&self.psa_ng_ml) && (AGES.0..=AGES.1).contains(&self.age_years)
    }

    fn by(&self, variant: &Variant) -> Biopsy {
        let number = |truth: Option<bool>| f64::from(u8::from(truth.unwrap_or(false)));
        let values = [
            1.0,
            self.psa_ng_ml.log2(),
            self.age_years,
            f64::from(u8::from(self.african_ancestry)),
            number(self.prior_negative_biopsy),
            number(self.abnormal_examination),
            number(self.family_history),
        ];
        let sum = |row: &Row| row.iter().zip(values).map(|(weight, value)| weight * value).sum::<f64>().exp();
        let (low, high) = (sum(&variant.low), sum(&variant.high));
        let all = 1.0 + low + high;
        Biopsy { variant: variant.name, none: 1.0 / all, low: low / all, high: high / all }
    }
}

/// The variant for what is known; `None` outside the domain.
pub fn calculate(inputs: &Inputs) -> Option<Biopsy> {
    let known = [inputs.prior_negative_biopsy, inputs.abnormal_examination, inputs.family_history];
    let index = known.iter().fold(0, |index, one| index * 2 + usize::from(one.is_some()));
    inputs.in_domain().then(|| inputs.by(&VARIANTS[index]))
}

/// Comparator only: PCPTRC 2.0, which needs every input.
pub fn pcptrc(inputs: &Inputs) -> Option<Biopsy> {
    let known = [inputs.prior_negative_biopsy, inputs.abnormal_examination, inputs.family_history];
    (inputs.in_domain() && known.iter().all(Option::is_some)).then(|| inputs.by(&PCPTRC))
}

/// Bands of PI-RADS that the update tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PiRads {
    /// 1 or 2.
    Below3,
    /// 3.
    Is3,
    /// 4 or 5.
    Above3,
}

impl PiRads {
    /// All bands, in order.
    pub const ALL: [Self; 3] = [Self::Below3, Self::Is3, Self::Above3];

    /// Of a category from 1 to 5.
    pub fn of(category: f64) -> Option<Self> {
        match category {
            low if (1.0..=2.0).contains(&low) => Some(Self::Below3),
            three if (three - 3.0).abs() < 1e-9 => Some(Self::Is3),
            high if (4.0..=5.0).contains(&high) => Some(Self::Above3),
            _ => None,
        }
    }
}

/// The high-grade risk after MRI; `high` is [`Biopsy::high`]. Kept within 0.01 to 0.99 as its authors do. Above a risk of
/// 46 % the curve of PI-RADS 4 and 5 flattens near 62 %, so that the updated risk may be below the one without MRI.
pub fn updated(high: f64, pi_rads: PiRads) -> f64 {
    let percent = high * 100.0;
    let cube = |knot: f64| (percent - knot).max(0.0).powi(3);
    let band = match pi_rads {
        PiRads::Below3 => 0.0,
        PiRads::Is3 => 1.860_151_4,
        PiRads::Above3 => 3.447_816_7,
    };
    let sum = -4.904_372_9 + 0.068_530_716 * percent - 5.079_201_3e-5 * cube(12.0)
        + 8.223_468_8e-5 * cube(25.0)
        - 3.144_267_5e-5 * cube(46.0)
        + band;
    logistic(sum).clamp(0.01, 0.99)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(psa_ng_ml: f64, age_years: f64, african: u8, known: [Option<u8>; 3]) -> Inputs {
        let truth = |one: Option<u8>| one.map(|one| one == 1);
        Inputs {
            psa_ng_ml,
            age_years,
            african_ancestry: african == 1,
            prior_negative_biopsy: truth(known[0]),
            abnormal_examination: truth(known[1]),
            family_history: truth(known[2]),
        }
    }

    fn close(found: Biopsy, expected: [f64; 3]) {
        for (found, expected) in [found.none, found.low, found.high].into_iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6, "{found} against {expected}");
        }
    }

    #[test]
    fn worked_values() {
        let (no, yes, unknown) = (Some(0), Some(1), None);
        let rows = [
            (7.5, 65.0, 0, [no, no, no], [0.484_113, 0.199_345, 0.316_543]),
            (7.5, 65.0, 0, [no, no, unknown], [0.448_160, 0.211_093, 0.340_747]),
            (7.5, 65.0, 0, [no, unknown, no], [0.451_779, 0.176_802, 0.371_420]),
            (7.5, 65.0, 0, [unknown, no, no], [0.544_866, 0.183_901, 0.271_233]),
            (7.5, 65.0, 0, [no, unknown, unknown], [0.416_041, 0.186_854, 0.397_104]),
            (7.5, 65.0, 0, [unknown, no, unknown], [0.524_295, 0.192_638, 0.283_067]),
            (7.5, 65.0, 0, [unknown, unknown, no], [0.520_784, 0.161_134, 0.318_083]),
            (7.5, 65.0, 0, [unknown, unknown, unknown], [0.497_070, 0.170_027, 0.332_903]),
            (10.0, 68.0, 1, [no, yes, yes], [0.089_863, 0.132_505, 0.777_632]),
            (10.0, 68.0, 1, [yes, yes, yes], [0.246_391, 0.157_450, 0.596_159]),
            (10.0, 68.0, 1, [unknown, yes, yes], [0.125_395, 0.137_484, 0.737_121]),
            (10.0, 68.0, 1, [unknown, unknown, unknown], [0.298_606, 0.219_439, 0.481_955]),
        ];
        for (psa, age, african, known, expected) in rows {
            close(calculate(&inputs(psa, age, african, known)).unwrap(), expected);
        }
    }

    #[test]
    fn worked_values_of_pcptrc() {
        let (no, yes) = (Some(0), Some(1));
        let rows = [
            (7.5, 65.0, 0, [no, no, no], [0.688_734, 0.209_687, 0.101_579]),
            (4.0, 60.0, 0, [no, no, no], [0.779_019, 0.173_180, 0.047_802]),
            (10.0, 68.0, 1, [no, yes, yes], [0.368_395, 0.186_902, 0.444_704]),
        ];
        for (psa, age, african, known, expected) in rows {
            close(pcptrc(&inputs(psa, age, african, known)).unwrap(), expected);
        }
        assert_eq!(pcptrc(&inputs(7.5, 65.0, 0, [None, no, no])), None);
    }

    #[test]
    fn worked_values_of_the_update() {
        let rows = [
            (1.0, [0.010_000, 0.048_536, 0.199_723]),
            (12.0, [0.016_594, 0.097_805, 0.346_562]),
            (25.0, [0.035_479, 0.191_152, 0.536_217]),
            (31.6543, [0.043_253, 0.225_076, 0.586_942]),
            (46.0, [0.048_030, 0.244_796, 0.613_276]),
            (77.7632, [0.049_774, 0.251_794, 0.622_130]),
        ];
        for (percent, expected) in rows {
            for (band, expected) in PiRads::ALL.into_iter().zip(expected) {
                let found = updated(percent / 100.0, band);
                assert!((found - expected).abs() <= 1e-6, "{percent} {band:?}: {found}");
            }
        }
        assert_eq!([1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(PiRads::of)[1..], {
            [Some(PiRads::Below3), Some(PiRads::Is3), Some(PiRads::Above3), Some(PiRads::Above3), None]
        });
    }

    #[test]
    fn outside_the_domain_there_is_no_number() {
        for (psa, age) in [(1.9, 65.0), (50.1, 65.0), (7.5, 39.0), (7.5, 91.0), (f64::NAN, 65.0)] {
            assert_eq!(calculate(&inputs(psa, age, 0, [None; 3])), None);
        }
    }
}
