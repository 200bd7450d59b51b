//! Examples for `cxr-findings` from a folder with `labels.csv` (see `chiasm models train --help`).

use std::path::Path;

use dicom_ingest::limits::Limits;
use models::GreyImage;
use models::train::classifier::Picture;
use models::train::vocabulary::VOCABULARY;
use models::train::{Example, FINDINGS, Split};

use super::table::{Row, Table, TableError, picture};

/// Reads `labels.csv` and decodes every study it names.
///
/// Columns: `file`, `patient_id`, `age`, `sex` (`M`, `F`), `view` (`PA`, `AP`), `split` (`train`, `val`), one column
/// a finding (0, 1) and `chexnet_<finding>` with the teacher's probability.
pub fn examples(
    folder: &Path,
    limits: &Limits,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Example>, TableError> {
    let table = Table::open(&folder.join("labels.csv"))?;
    let mut examples = Vec::with_capacity(table.len());
    for row in table.rows() {
        examples.push(example(folder, row, limits)?);
        progress(examples.len(), table.len());
    }
    Ok(examples)
}

fn example(folder: &Path, row: Row<'_>, limits: &Limits) -> Result<Example, TableError> {
    let mut labels = [0.0; FINDINGS];
    let mut teacher = [0.0; FINDINGS];
    for (index, entry) in VOCABULARY.iter().enumerate() {
        labels[index] = f32::from(u8::from(row.flag(entry.name)?));
        teacher[index] = row.number(&format!("chexnet_{}", entry.name))?;
    }
    Ok(Example {
        image: picture(&folder.join(row.text("file")?), limits)?,
        labels,
        teacher,
        age_years: row.number("age")?,
        male: row.either("sex", "M", "F")?,
        view_ap: row.either("view", "AP", "PA")?,
        patient: row.text("patient_id")?.to_owned(),
        split: if row.either("split", "train", "val")? { Split::Train } else { Split::Validation },
    })
}

/// The validation part with the attributes that subgroups are made by: sex, view and age.
pub fn validation(examples: &[Example]) -> (Vec<Picture>, Vec<(String, Vec<String>)>) {
    let own: Vec<&Example> = examples.iter().filter(|example| example.split == Split::Validation).collect();
    let column = |name: &str, value: fn(&Example) -> &'static str| {
        (name.to_owned(), own.iter().map(|example| value(example).to_owned()).collect())
    };
    let attributes = vec![
        column("sex", |example| if example.male { "M" } else { "F" }),
        column("view", |example| if example.view_ap { "AP" } else { "PA" }),
        column("age", |example| match example.age_years {
            age if age < 18.0 => "under 18",
            age if age < 50.0 => "18 to 49",
            age if age < 65.0 => "50 to 64",
            _ => "65 and over",
        }),
    ];
    let picture = |example: &&Example| Picture {
        image: example.image.clone(),
        labels: example.labels.to_vec(),
        teacher: example.teacher.to_vec(),
        patient: example.patient.clone(),
        split: example.split,
    };
    (own.iter().map(picture).collect(), attributes)
}

/// Photographs as grey pictures: examples of what is no radiograph. Files that are no JPEG or PNG are passed over.
pub fn photographs(folder: &Path) -> Result<Vec<GreyImage>, TableError> {
    let fail = |source| TableError::Read { path: folder.to_owned(), source };
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(fail)?;
    paths.sort();
    Ok(paths.iter().filter_map(|path| grey_picture(path)).collect())
}

/// A JPEG or PNG file as a grey picture.
pub fn grey_picture(path: &Path) -> Option<GreyImage> {
    let picture = image::open(path).ok()?.to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.pixels().map(|pixel| f32::from(pixel.0[0]) / 255.0).collect();
    GreyImage::new(width, height, pixels).ok()
}
