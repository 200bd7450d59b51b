//! A radiograph as it is read: what a device is given, and the picture for the page. Both are made in one walk over the
//! stored rows; the whole picture in grey is made only where a bundle's steps begin with it, or where the image may be blank.

use std::sync::Arc;

use dicom_ingest::frame::{Frame, GreyRows};
use dicom_ingest::refusal::RefusalCode;
use models::preprocess::{Resizing, resize};
use models::{Bundle, GreyImage, ImageError};

use crate::ending::Ending;

/// The longer side of the picture on the page, in pixels.
const PAGE_SIDE: usize = 512;

/// Grey values whose standard deviation is below this hold no picture.
const LEAST_DEVIATION: f64 = 1e-4;

/// One image that is no blank one.
#[derive(Debug)]
pub(super) struct Radiograph {
    /// Width and height of the image, in pixels.
    size: (usize, usize),
    /// What a device is given.
    pub(super) input: Arc<GreyImage>,
    /// The picture for the page.
    pub(super) page: GreyImage,
}

impl Radiograph {
    /// Makes of a frame what `bundle` reads and a page shows; refused where it is no picture.
    pub(super) fn new(frame: &Frame, bundle: &Bundle) -> Result<Self, Ending> {
        let size @ (width, height) = (frame.columns, frame.rows);
        let rows = frame.grey_rows();
        // what is wrong with a picture is said by the whole of it
        let is_picture = rows.are_grey() && GreyImage::check_size(width, height, frame.stored.len()).is_ok();
        let preparation = if is_picture { bundle.preparation(width, height) } else { None };
        match preparation {
            Some(input) => Self::of_rows(&rows, size, input),
            None => Self::of_whole(&rows, size, bundle),
        }
    }

    /// Of rows that make a picture.
    fn of_rows(rows: &GreyRows<'_>, size: (usize, usize), mut input: Resizing) -> Result<Self, Ending> {
        let mut page = Resizing::new(size, within(size, PAGE_SIDE)).map_err(|error| no_picture(&error))?;
        let mut likeness = Likeness::of(size.0 * size.1);
        rows.each(|row| {
            likeness.add(row);
            input.push(row);
            page.push(row);
        });
        if likeness.are_alike && whole(rows, size)?.deviation() < LEAST_DEVIATION {
            return Err(blank());
        }
        let input = Arc::new(input.finish().map_err(|error| no_picture(&error))?);
        Ok(Self { size, input, page: page.finish().map_err(|error| no_picture(&error))? })
    }

    /// Of the whole picture.
    fn of_whole(rows: &GreyRows<'_>, size: (usize, usize), bundle: &Bundle) -> Result<Self, Ending> {
        let image = whole(rows, size)?;
        if is_blank(&image) {
            return Err(blank());
        }
        let (width, height) = within(size, PAGE_SIDE);
        let page = resize(&image, width, height);
        Ok(Self { size, input: Arc::new(bundle.prepare(image)), page })
    }

    /// Width and height of the picture where its longer side is at most this long.
    pub(super) fn within(&self, most: usize) -> (usize, usize) {
        within(self.size, most)
    }
}

fn within((width, height): (usize, usize), most: usize) -> (usize, usize) {
    let longer = width.max(height);
    let side = |length: usize| (length * most / longer).max(1);
    if longer > most { (side(width), side(height)) } else { (width, height) }
}

fn whole(rows: &GreyRows<'_>, (width, height): (usize, usize)) -> Result<GreyImage, Ending> {
    GreyImage::new(width, height, rows.all()).map_err(|error| no_picture(&error))
}

fn no_picture(error: &ImageError) -> Ending {
    Ending::refused(error.code(), error.to_string())
}

fn blank() -> Ending {
    Ending::refused(RefusalCode::BlankImage.as_str(), "the image is blank: all its grey values are the same")
}

/// Whether the standard deviation of the grey values is below the least.
fn is_blank(image: &GreyImage) -> bool {
    let mut likeness = Likeness::of(image.pixels().len());
    likeness.add(image.pixels());
    likeness.are_alike && image.deviation() < LEAST_DEVIATION
}

/// Whether all values are so near the first that only their deviation tells whether they hold a picture.
struct Likeness {
    first: Option<f64>,
    far: f64,
    are_alike: bool,
}

impl Likeness {
    /// Of so many values.
    fn of(count: usize) -> Self {
        // Two values that differ by d make a variance of d² / 2n at least: most pictures show two such in their first rows.
        let far = LEAST_DEVIATION * (2.0 * count as f64).sqrt();
        Self { first: None, far, are_alike: true }
    }

    fn add(&mut self, grey: &[f32]) {
        let first = *self.first.get_or_insert_with(|| grey.first().copied().map_or(0.0, f64::from));
        let is_near = |value: &f32| (f64::from(*value) - first).abs() <= self.far;
        self.are_alike = self.are_alike && grey.iter().all(is_near);
    }
}

#[cfg(test)]
mod tests {
    use dicom_ingest::decode::decode;
    use dicom_ingest::limits::Limits;
    use dicom_ingest::modality_lut::ModalityLut;
    use dicom_ingest::stored::StoredValues;
    use dicom_ingest::voi::Voi;

    use super::super::sample;
    use super::*;

    fn phantom() -> Frame {
        decode(&sample::phantom(), &Limits::default()).unwrap().frames.remove(0)
    }

    /// The part of a frame from here, so large.
    fn part(frame: &Frame, (left, top): (usize, usize), (columns, rows): (usize, usize)) -> Frame {
        let raw = frame.stored.clone().into_raw();
        let row = |row: usize| raw.iter().copied().skip((top + row) * frame.columns + left).take(columns);
        let stored = StoredValues::new((0..rows).flat_map(row).collect(), false);
        Frame { rows, columns, stored, transform: frame.transform.clone() }
    }

    fn bits(image: &GreyImage) -> (usize, usize, Vec<u32>) {
        (image.width(), image.height(), image.pixels().iter().map(|value| value.to_bits()).collect())
    }

    fn code(frame: &Frame) -> Option<String> {
        match Radiograph::new(frame, &Bundle::embedded().unwrap()) {
            Err(Ending::Refused(why)) => Some(why.code),
            Err(Ending::Failed(_)) | Ok(_) => None,
        }
    }

    #[test]
    fn one_walk_makes_what_the_whole_picture_makes() {
        let (bundle, phantom) = (Bundle::embedded().unwrap(), phantom());
        let side = bundle.ensemble().unwrap().preprocessing.picture_side();
        let parts = [
            part(&phantom, (0, 0), (1000, 700)),
            part(&phantom, (101, 203), (333, 801)),
            part(&phantom, (300, 300), (200, 77)),
            part(&phantom, (300, 300), (side, side)),
        ];
        for frame in parts.iter().chain([&phantom]) {
            let image = GreyImage::new(frame.columns, frame.rows, frame.grey()).unwrap();
            let radiograph = Radiograph::new(frame, &bundle).unwrap();
            let (width, height) = radiograph.within(PAGE_SIDE);
            assert!(width.max(height) <= PAGE_SIDE);
            assert_eq!(bits(&radiograph.input), bits(&resize(&image, side, side)));
            assert_eq!(bits(&radiograph.page), bits(&resize(&image, width, height)));
            if frame.columns.max(frame.rows) <= PAGE_SIDE {
                assert_eq!(bits(&radiograph.page), bits(&image), "a small picture is the page's");
            }
            let size = (frame.columns, frame.rows);
            let of_whole = Radiograph::of_whole(&frame.grey_rows(), size, &bundle).unwrap();
            assert_eq!(bits(&radiograph.input), bits(&of_whole.input));
            assert_eq!(bits(&radiograph.page), bits(&of_whole.page));
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_as_the_whole_of_it_is() {
        let phantom = phantom();
        assert_eq!(code(&phantom), None);
        let blank = |stored: Vec<u16>| Frame { stored: StoredValues::new(stored, false), ..phantom.clone() };
        let mut values = vec![1000; phantom.stored.len()];
        assert_eq!(code(&blank(values.clone())).as_deref(), Some("BlankImage"));
        values[500_000] = 1001;
        assert_eq!(code(&blank(values.clone())).as_deref(), Some("BlankImage"), "one is a little brighter");
        // none is far from the first, and they are no blank image
        for value in values.iter_mut().skip(1).step_by(2) {
            *value = 1040;
        }
        assert_eq!(code(&blank(values)), None);
        let short = Frame { rows: phantom.rows + 1, ..phantom.clone() };
        assert_eq!(code(&short).as_deref(), Some("ImagePixelCount"));
        let none = Frame { columns: 0, ..phantom.clone() };
        assert_eq!(code(&none).as_deref(), Some("ImageSize"));
        let mut odd = phantom;
        odd.transform.modality = ModalityLut::Rescale { slope: f64::NAN, intercept: 0.0 };
        odd.transform.voi = Some(Voi::Range { low: 0.0, high: 1.0 });
        assert_eq!(code(&odd).as_deref(), Some("ImageNotFinite"));
    }

    #[test]
    fn a_picture_is_blank_by_its_deviation_and_not_by_its_brightest_pixel() {
        const PIXELS: u16 = 40_000;
        let blank = |grey: Vec<f32>| is_blank(&GreyImage::new(200, 200, grey).unwrap());
        let with_one = |far: f32| {
            let mut grey = vec![0.25; PIXELS.into()];
            grey[30_000] += far;
            blank(grey)
        };
        // one pixel that is d away makes a deviation of d / 200
        assert_eq!([0.0, 0.019, 0.021, 0.5].map(with_one), [true, true, false, false]);
        let ramp = |high: f32| -> Vec<f32> {
            (0..PIXELS).map(|pixel| high * f32::from(pixel) / f32::from(PIXELS)).collect()
        };
        // that of a ramp is its height by the root of 12
        assert!(blank(ramp(3e-4)) && !blank(ramp(4e-4)) && !blank(ramp(1.0)));
    }
}
