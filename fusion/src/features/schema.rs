//! The features of the record as data: codes, units, ranges.
//!
//! | source | what |
//! |---|---|
//! | LOINC long common names | what a code measures; 3209-4 is coagulation factor **VIII** by LOINC, though some records display it as factor XIII |
//! | UCUM | units |
//! | this table | plausible ranges: what is possible in a living person, wide on purpose |
//!
//! A code is checked together with its unit: a value whose unit does not fit its code is refused.

/// LOINC.
pub(crate) const LOINC: &str = "http://loinc.org";
/// SNOMED CT.
pub(crate) const SNOMED: &str = "http://snomed.info/sct";

/// What a unit measures; conversion stays within one of these, but for mass and substance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// Base mg/L.
    Mass,
    /// Base umol/L.
    Substance,
    /// Base 10*9/L.
    Count,
    /// Base mm[Hg].
    Pressure,
    /// Base U/L.
    Catalytic,
    /// Base %.
    Fraction,
    /// Base Cel.
    Temperature,
    /// Base kg/m2.
    BodyMassIndex,
    /// Base kg.
    BodyMass,
    /// Base mm.
    Length,
    /// Base a (365.25 days).
    Duration,
}

/// The unit of a feature and what may be brought into it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    /// UCUM code of the feature.
    pub(crate) ucum: &'static str,
    /// mg/L that one umol/L of the analyte is.
    pub(crate) per_mole: Option<f64>,
    /// A pure number is meant: no unit, `1` or an annotation alone fit.
    pub(crate) plain: bool,
    /// Units written for a pure number.
    pub(crate) aliases: &'static [&'static str],
}

/// One LOINC code of an analyte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabCode {
    pub(crate) loinc: &'static str,
    /// What a value of this code is multiplied by, after its unit was converted.
    pub(crate) factor: f64,
    /// What the reader should know of a value of this code.
    pub(crate) note: Option<&'static str>,
    /// Annotation of a unit that contradicts the code.
    pub(crate) contradiction: Option<&'static str>,
}

/// A measured value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Analyte {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) vital: bool,
    pub(crate) codes: &'static [LabCode],
    pub(crate) unit: Unit,
    /// Least and greatest plausible value, in the feature's unit.
    pub(crate) range: (f64, f64),
}

/// Windows of the statistics, in days; a last value older than the longest is stale.
pub(crate) const LAB_WINDOWS_DAYS: [u32; 4] = [30, 180, 365, 1825];
/// Windows of vital signs.
pub(crate) const VITAL_WINDOWS_DAYS: [u32; 3] = [1, 7, 30];
/// A body measurement older than this is stale, in days.
pub(crate) const VITAL_MAX_AGE_DAYS: f64 = 1825.0;

const fn unit(ucum: &'static str) -> Unit {
    Unit { ucum, per_mole: None, plain: false, aliases: &[] }
}

const fn molar(ucum: &'static str, mg_per_umol: f64) -> Unit {
    Unit { per_mole: Some(mg_per_umol), ..unit(ucum) }
}

const fn plain(ucum: &'static str) -> Unit {
    Unit { plain: true, aliases: &["1", "INR", "ratio"], ..unit(ucum) }
}

const fn code(loinc: &'static str) -> LabCode {
    LabCode { loinc, factor: 1.0, note: None, contradiction: None }
}

const fn noted(loinc: &'static str, note: &'static str) -> LabCode {
    LabCode { note: Some(note), ..code(loinc) }
}

const fn lab(
    id: &'static str,
    label: &'static str,
    codes: &'static [LabCode],
    unit: Unit,
    range: (f64, f64),
) -> Analyte {
    Analyte { id, label, vital: false, codes, unit, range }
}

const fn vital(
    id: &'static str,
    label: &'static str,
    codes: &'static [LabCode],
    unit: Unit,
    range: (f64, f64),
) -> Analyte {
    Analyte { vital: true, ..lab(id, label, codes, unit, range) }
}

const FEU: LabCode = LabCode { contradiction: Some("DDU"), ..code("48065-7") };
const DDU: LabCode = LabCode {
    factor: 2.0,
    contradiction: Some("FEU"),
    ..noted("48066-5", "measured in DDU; FEU taken as twice that, which is approximate")
};
const FACTOR: LabCode = noted(
    "3209-4",
    "LOINC 3209-4 is coagulation factor VIII; some records display it as factor XIII, so it is no model input",
);

/// All measured values, in the order of the table.
pub(crate) const ANALYTES: &[Analyte] = &[
    lab("crp", "C-reactive protein", &[code("1988-5"), code("30522-7")], unit("mg/L"), (0.0, 1000.0)),
    lab("ldh", "Lactate dehydrogenase", &[code("2532-0"), code("14804-9")], unit("U/L"), (10.0, 20000.0)),
    lab("d-dimer", "D-dimer (FEU)", &[FEU, DDU], unit("mg/L"), (0.0, 500.0)),
    lab("lymphocytes", "Lymphocytes", &[code("731-0"), code("26474-7")], unit("10*9/L"), (0.0, 1000.0)),
    lab("neutrophils", "Neutrophils", &[code("751-8"), code("26499-4")], unit("10*9/L"), (0.0, 500.0)),
    lab(
        "lymphocytes-percent",
        "Lymphocytes, share",
        &[code("736-9"), code("26478-8")],
        unit("%"),
        (0.0, 100.0),
    ),
    lab(
        "neutrophils-percent",
        "Neutrophils, share",
        &[code("770-8"), code("26511-6")],
        unit("%"),
        (0.0, 100.0),
    ),
    lab("leukocytes", "Leukocytes", &[code("6690-2"), code("26464-8")], unit("10*9/L"), (0.0, 1000.0)),
    lab("platelets", "Platelets", &[code("777-3"), code("26515-7")], unit("10*9/L"), (0.0, 5000.0)),
    lab("haemoglobin", "Haemoglobin", &[code("718-7")], molar("g/dL", 1e4 / 620.6), (1.0, 30.0)),
    lab(
        "pao2",
        "Arterial oxygen pressure",
        &[noted("2703-7", "the inspired oxygen fraction is not known")],
        unit("mm[Hg]"),
        (10.0, 700.0),
    ),
    lab("paco2", "Arterial carbon dioxide pressure", &[code("2019-8")], unit("mm[Hg]"), (5.0, 200.0)),
    lab("sao2", "Arterial oxygen saturation", &[code("2708-6")], unit("%"), (20.0, 100.0)),
    lab("albumin", "Albumin", &[code("1751-7")], unit("g/L"), (5.0, 80.0)),
    lab(
        "creatinine",
        "Creatinine",
        &[code("2160-0"), code("38483-4")],
        molar("mg/dL", 1.0 / 8.84),
        (0.05, 50.0),
    ),
    lab("bilirubin", "Bilirubin, total", &[code("1975-2")], molar("mg/dL", 1.0 / 1.71), (0.0, 80.0)),
    lab("inr", "INR", &[code("6301-6")], plain("{INR}"), (0.5, 20.0)),
    lab(
        "coagulation-factor-3209-4",
        "Coagulation factor activity (LOINC 3209-4)",
        &[FACTOR],
        unit("%"),
        (0.0, 1000.0),
    ),
    lab("cea", "Carcinoembryonic antigen", &[code("2039-6")], unit("ng/mL"), (0.0, 100_000.0)),
    lab("psa", "Prostate-specific antigen", &[code("2857-1")], unit("ng/mL"), (0.0, 100_000.0)),
    lab("psa-free", "Prostate-specific antigen, free", &[code("10886-0")], unit("ng/mL"), (0.0, 100_000.0)),
    lab("fev1-fvc", "FEV1/FVC", &[code("19926-5")], unit("%"), (10.0, 100.0)),
    vital("spo2", "Oxygen saturation by pulse oximetry", &[code("59408-5")], unit("%"), (20.0, 100.0)),
    vital("temperature", "Body temperature", &[code("8310-5"), code("8331-1")], unit("Cel"), (25.0, 45.0)),
];

/// Body mass index; derived from height and weight where it is not measured.
pub(crate) const BMI: Analyte =
    vital("bmi", "Body mass index", &[code("39156-5")], unit("kg/m2"), (8.0, 120.0));
/// Body height.
pub(crate) const HEIGHT: Analyte =
    vital("height", "Body height", &[code("8302-2")], unit("cm"), (50.0, 260.0));
/// Body weight.
pub(crate) const WEIGHT: Analyte =
    vital("weight", "Body weight", &[code("29463-7")], unit("kg"), (10.0, 500.0));

/// A ratio of two measured values at most 7 days apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) id: &'static str,
    pub(crate) label: &'static str,
    pub(crate) over: &'static str,
    pub(crate) under: &'static str,
    pub(crate) unit: &'static str,
}

/// Longest time between the two parts of a ratio, in days.
pub(crate) const RATIO_MAX_GAP_DAYS: f64 = 7.0;

/// All ratios.
pub(crate) const RATIOS: &[Ratio] = &[
    Ratio {
        id: "nlr",
        label: "Neutrophils / lymphocytes",
        over: "neutrophils",
        under: "lymphocytes",
        unit: "1",
    },
    Ratio { id: "plr", label: "Platelets / lymphocytes", over: "platelets", under: "lymphocytes", unit: "1" },
    Ratio {
        id: "crp-albumin",
        label: "C-reactive protein / albumin",
        over: "crp",
        under: "albumin",
        unit: "mg/g",
    },
    Ratio {
        id: "ldh-albumin",
        label: "Lactate dehydrogenase / albumin",
        over: "ldh",
        under: "albumin",
        unit: "U/g",
    },
];
