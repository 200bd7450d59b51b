//! Pictures and labels of a classifier: from an `.npz` in MedMNIST's form, or from a folder with `labels.csv`.

use std::path::Path;

use dicom_ingest::limits::Limits;
use models::GreyImage;
use models::train::Split;
use models::train::classifier::Picture;

use super::file::Data;
use super::npz::{Array, Npz, NpzError};
use super::table::{Row, Table, TableError, picture};

/// The data of a classifier could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PicturesError {
    /// The archive.
    #[error(transparent)]
    Npz(#[from] NpzError),
    /// The table or a picture.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The arrays of one part do not belong together.
    #[error(
        "arrays `{part}_images` and `{part}_labels` are not pictures of 8 bit with {labels} labels of 0 and 1 each"
    )]
    Shape {
        /// `train` or `val`.
        part: &'static str,
        /// Labels wanted.
        labels: usize,
    },
}

/// Reads the data at `path` with the labels `names`.
pub fn pictures(
    path: &Path,
    data: &Data,
    names: &[String],
    limits: &Limits,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Picture>, PicturesError> {
    match data {
        Data::Npz => {
            let npz = Npz::open(path)?;
            let mut pictures = part(&npz, "train", Split::Train, names.len())?;
            pictures.extend(part(&npz, "val", Split::Validation, names.len())?);
            Ok(pictures)
        }
        Data::Table { teacher_prefix } => {
            let table = Table::open(&path.join("labels.csv"))?;
            let mut pictures = Vec::with_capacity(table.len());
            for row in table.rows() {
                pictures.push(from_row(path, row, names, teacher_prefix.as_deref(), limits)?);
                progress(pictures.len(), table.len());
            }
            Ok(pictures)
        }
    }
}

/// One part of an archive. The set says nothing of patients: each picture counts as one of its own.
fn part(npz: &Npz, part: &'static str, split: Split, labels: usize) -> Result<Vec<Picture>, PicturesError> {
    let images = npz.array(&format!("{part}_images"))?;
    let truth = npz.array(&format!("{part}_labels"))?;
    let wrong = || PicturesError::Shape { part, labels };
    let [count, height, width] = images.shape[..] else { return Err(wrong()) };
    let Array { shape, values } = truth;
    let area = height.checked_mul(width).filter(|area| *area > 0).ok_or_else(wrong)?;
    if shape != [count, labels] || values.iter().any(|label| *label > 1) || labels == 0 {
        return Err(wrong());
    }
    let rows = images.values.chunks_exact(area).zip(values.chunks_exact(labels));
    rows.enumerate()
        .map(|(index, (pixels, labels))| {
            let pixels = pixels.iter().map(|value| f32::from(*value) / 255.0).collect();
            Ok(Picture {
                image: GreyImage::new(width, height, pixels).map_err(|_| wrong())?,
                labels: labels.iter().copied().map(f32::from).collect(),
                teacher: Vec::new(),
                patient: format!("{part}-{index}"),
                split,
            })
        })
        .collect()
}

fn from_row(
    folder: &Path,
    row: Row<'_>,
    names: &[String],
    teacher_prefix: Option<&str>,
    limits: &Limits,
) -> Result<Picture, TableError> {
    let labels = names.iter().map(|name| Ok(f32::from(u8::from(row.flag(name)?))));
    let teacher = match teacher_prefix {
        Some(prefix) => {
            names.iter().map(|name| row.number(&format!("{prefix}{name}"))).collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    Ok(Picture {
        image: picture(&folder.join(row.text("file")?), limits)?,
        labels: labels.collect::<Result<_, TableError>>()?,
        teacher,
        patient: row.text("patient_id")?.to_owned(),
        split: if row.either("split", "train", "val")? { Split::Train } else { Split::Validation },
    })
}
