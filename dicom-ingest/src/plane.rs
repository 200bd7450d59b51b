//! Where a frame lies in the patient (PS3.3 C.7.6.2, C.7.6.16.2.3, C.7.6.16.2.4).

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use crate::dataset::View;
use crate::pixel_facts::PixelFacts;

/// A vector in the patient's coordinates (to the left, to the back, to the head), in mm or of length 1.
pub type Vector = [f64; 3];

/// How far a direction may be from length 1, and two of them from a right angle: writers round to six digits, some to
/// four. Beyond it the orientation contradicts itself.
const DIRECTION_TOLERANCE: f64 = 1e-3;

/// The plane of a frame, as its header states it. What is absent or contradicts itself is `None`, never guessed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Image Position (Patient) (0020,0032): the centre of the first pixel.
    pub position: Option<Vector>,
    /// Image Orientation (Patient) (0020,0037): along a row, then along a column; of length 1 and at a right angle.
    pub directions: Option<[Vector; 2]>,
    /// Pixel Spacing (0028,0030) in mm: between rows, between columns. Imager Pixel Spacing is no substitute: it holds
    /// at the detector and not in the patient.
    pub spacing: Option<[f64; 2]>,
    /// Slice Thickness (0018,0050) in mm. It says nothing about how far slices lie apart.
    pub thickness: Option<f64>,
    /// Spacing Between Slices (0018,0088) in mm, as stated. It is compared with what is measured, never used.
    pub stated_step: Option<f64>,
    /// Image Type or Frame Type names a localizer.
    pub localizer: bool,
    /// The unit of modality values: Rescale Type (0028,1054), Hounsfield units of a CT with a rescale that states none, or Units
    /// (0054,1001) of a PET.
    pub unit: Option<String>,
}

/// How a plane lies in the patient, by its normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// Across the body: the normal runs to the head or the feet.
    Axial,
    /// The normal runs to the front or the back.
    Coronal,
    /// The normal runs to a side.
    Sagittal,
    /// The normal is more than 30 degrees away from each of the three.
    Oblique,
}

impl Orientation {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
            Self::Oblique => "oblique",
        }
    }
}

/// Least cosine between a plane's normal and an axis of the patient for the plane to be named after it: 30 degrees. Radiology
/// angles its axial slices to the disc, the prostate or the skull base, and calls them axial.
const NAMED_COSINE: f64 = 0.866_025_403_784_438_6;

impl Plane {
    /// How the plane lies in the patient; `None` where its directions are not stated.
    pub fn orientation(&self) -> Option<Orientation> {
        let [row, column] = self.directions?;
        let [left, back, head] = cross(row, column).map(f64::abs);
        let named = [(left, Orientation::Sagittal), (back, Orientation::Coronal), (head, Orientation::Axial)];
        let found = named.into_iter().find(|(cosine, _)| *cosine >= NAMED_COSINE);
        Some(found.map_or(Orientation::Oblique, |(_, orientation)| orientation))
    }

    /// The planes of all frames; empty for an instance without an image.
    pub(crate) fn read_all(root: &View<'_>, facts: Option<&PixelFacts>) -> Vec<Self> {
        let Some(facts) = facts else { return Vec::new() };
        let shared = root.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
        let mut per_frame = root.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let is_localizer =
            |texts: Vec<String>| texts.iter().any(|text| text.eq_ignore_ascii_case("LOCALIZER"));
        let whole = is_localizer(root.texts(tags::IMAGE_TYPE));
        (0..facts.frames)
            .map(|_| {
                let groups: Vec<View<'_>> = per_frame.next().into_iter().chain(shared).collect();
                let group = |tag: Tag| groups.iter().find_map(|group| group.item(tag)).unwrap_or(*root);
                let frame_types = [
                    tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
                    tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
                    tags::PET_FRAME_TYPE_SEQUENCE,
                ];
                let measures = group(tags::PIXEL_MEASURES_SEQUENCE);
                let localizer = whole
                    || frame_types.into_iter().any(|tag| {
                        groups.iter().any(|group| {
                            group.item(tag).is_some_and(|item| is_localizer(item.texts(tags::FRAME_TYPE)))
                        })
                    });
                Self {
                    position: vector(
                        &group(tags::PLANE_POSITION_SEQUENCE).numbers(tags::IMAGE_POSITION_PATIENT),
                    ),
                    directions: directions(
                        &group(tags::PLANE_ORIENTATION_SEQUENCE).numbers(tags::IMAGE_ORIENTATION_PATIENT),
                    ),
                    spacing: match measures.numbers(tags::PIXEL_SPACING).as_slice() {
                        [rows, columns] => positive(*rows).zip(positive(*columns)).map(<[f64; 2]>::from),
                        _ => None,
                    },
                    thickness: measures.number(tags::SLICE_THICKNESS).and_then(positive),
                    stated_step: measures
                        .number(tags::SPACING_BETWEEN_SLICES)
                        .map(f64::abs)
                        .and_then(positive),
                    localizer,
                    unit: unit(root, &group(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE), localizer),
                }
            })
            .collect()
    }
}

/// The unit of modality values. `US` says that there is none to name; a CT image with a rescale and without a statement is in
/// Hounsfield units unless it is a localizer (PS3.3 C.8.2.1.1.2, C.11.1.1.2). Without a rescale its values are what the maker
/// stored, in whatever unit.
fn unit(root: &View<'_>, transformation: &View<'_>, localizer: bool) -> Option<String> {
    let modality = root.first(tags::MODALITY).map(|text| text.to_uppercase());
    let mut rescale = [tags::RESCALE_SLOPE, tags::RESCALE_INTERCEPT].into_iter();
    let rescaled = rescale.all(|tag| transformation.number(tag).is_some());
    match (transformation.first(tags::RESCALE_TYPE), modality.as_deref()) {
        (Some(stated), _) => Some(stated).filter(|unit| unit != "US"),
        (None, Some("CT")) if rescaled && !localizer => Some("HU".to_owned()),
        (None, Some("PT")) => root.first(tags::UNITS),
        (None, _) => None,
    }
}

fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number > 0.0).then_some(number)
}

fn vector(numbers: &[f64]) -> Option<Vector> {
    <Vector>::try_from(numbers).ok().filter(|vector| vector.iter().all(|number| number.is_finite()))
}

/// Two unit vectors at a right angle, freed of the writer's rounding; `None` where they are none.
fn directions(numbers: &[f64]) -> Option<[Vector; 2]> {
    let (row, column) = numbers.split_at_checked(3)?;
    let (row, column) = (vector(row)?, vector(column)?);
    let unit = |vector: Vector| (dot(vector, vector).sqrt() - 1.0).abs() <= DIRECTION_TOLERANCE;
    if !unit(row) || !unit(column) || dot(row, column).abs() > DIRECTION_TOLERANCE {
        return None;
    }
    let row = scaled(row, 1.0 / dot(row, row).sqrt());
    let column = sum(column, scaled(row, -dot(row, column)));
    Some([row, scaled(column, 1.0 / dot(column, column).sqrt())])
}

/// The scalar product.
pub fn dot(one: Vector, other: Vector) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// The vector product.
pub fn cross(one: Vector, other: Vector) -> Vector {
    let minor = |first: usize, second: usize| one[first] * other[second] - one[second] * other[first];
    [minor(1, 2), minor(2, 0), minor(0, 1)]
}

/// A vector times a number.
pub fn scaled(vector: Vector, by: f64) -> Vector {
    vector.map(|number| number * by)
}

/// The sum of two vectors.
pub fn sum(one: Vector, other: Vector) -> Vector {
    std::array::from_fn(|axis| one[axis] + other[axis])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_named_after_the_nearest_axis_within_30_degrees() {
        let tilted = |degrees: f64| {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            Plane { directions: Some([[1.0, 0.0, 0.0], [0.0, cosine, sine]]), ..Plane::default() }
        };
        for (degrees, named) in [
            (0.0, Orientation::Axial),
            (-29.9, Orientation::Axial),
            (31.0, Orientation::Oblique),
            (45.0, Orientation::Oblique),
            (61.0, Orientation::Coronal),
            (-90.0, Orientation::Coronal),
        ] {
            assert_eq!(tilted(degrees).orientation(), Some(named), "{degrees}");
        }
        let side = Plane { directions: Some([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]), ..Plane::default() };
        assert_eq!(side.orientation(), Some(Orientation::Sagittal));
        assert_eq!(Plane::default().orientation(), None);
    }

    #[test]
    fn directions_are_unit_vectors_at_a_right_angle_or_none() {
        let rounded = [0.999_999_2, -0.000_398_6, -0.001_192, 0.0, 0.948_376_5, -0.317_146_8];
        let [row, column] = directions(&rounded).unwrap();
        assert!(dot(row, column).abs() < 1e-15 && (dot(column, column) - 1.0).abs() < 1e-15);
        let normal = cross(row, column);
        assert!((dot(normal, normal) - 1.0).abs() < 1e-15 && normal[2] > 0.9);
        for bad in [
            &[1.0, 0.0, 0.0, 0.0, 1.0][..],
            &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            &[1.0, 0.0, 0.0, 0.0, 0.5, 0.0],
            &[0.0; 6],
            &[f64::NAN, 0.0, 0.0, 0.0, 1.0, 0.0],
        ] {
            assert_eq!(directions(bad), None, "{bad:?}");
        }
    }
}
