//! The file around the pages: fonts, pictures, structure, and what PDF/A asks for (ISO 19005-2): the colours' profile, and
//! metadata as XMP.

mod fonts;
mod structure;
mod xmp;

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{OutputIntentSubtype, Predictor, TabOrder};
use pdf_writer::writers::ImageXObject;
use pdf_writer::{Filter, Finish as _, Name, Pdf, Rect, Ref, TextStr};
use sha2::{Digest as _, Sha256};

use super::content::{self, BOLD, OVERLAY, RADIOGRAPH, REGULAR, Used, Written};
use super::face::{Faces, Weight};
use super::mark::{Pages, Which};
use super::picture::{self, Colours, Pictures, Rows, Samples};
use super::{A4, COMPACT, PdfError};
use crate::report::document::Report;

/// Whose numbers the colours are: sRGB, from Compact ICC Profiles (CC0).
const SRGB: &[u8] = include_bytes!("../../../assets/pdf/sRGB-v2-magic.icc");

/// The same, packed once.
static PROFILE: LazyLock<Vec<u8>> = LazyLock::new(|| packed_at(SRGB, Compression::best()));

/// The colours of a palette.
const DEVICE_RGB: Name<'_> = Name(b"DeviceRGB");

/// What a file is shorter than without its pictures, as a rule.
const ROOM: usize = 128 * 1024;

/// How hard streams are packed: as little as there is, for the time that it takes. Those of a sheet are a tenth of its file.
const PACKED: Compression = Compression::fast();

/// Hands out the numbers of objects, in order.
struct Numbers(i32);

impl Numbers {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// Writes the file.
pub(super) fn written(report: &Report, faces: &Faces<'_>, pages: &Pages) -> Result<Vec<u8>, PdfError> {
    let pictures = report.picture.as_ref().map(picture::pictures).transpose()?;
    let has = |which| match which {
        Which::Radiograph => pictures.is_some(),
        Which::Overlay => pictures.as_ref().is_some_and(|pictures| pictures.overlay.is_some()),
    };
    let mut used = Used::default();
    let contents: Vec<Written> =
        pages.pages.iter().map(|marks| content::page(marks, faces, &mut used, has)).collect();

    let mut numbers = Numbers(0);
    let mut pdf =
        Pdf::with_settings_and_capacity(COMPACT, ROOM + pictures.as_ref().map_or(0, Pictures::size));
    let (catalog, tree, metadata, profile) = (numbers.next(), numbers.next(), numbers.next(), numbers.next());
    let fonts = [
        fonts::write(&mut pdf, &mut numbers, faces, Weight::Regular, &used.regular.shown)?,
        fonts::write(&mut pdf, &mut numbers, faces, Weight::Bold, &used.bold.shown)?,
    ];
    let images =
        pictures.as_ref().map(|pictures| images(&mut pdf, &mut numbers, pictures)).unwrap_or_default();
    let page_numbers: Vec<Ref> = contents.iter().map(|_| numbers.next()).collect();
    for (place, content) in contents.iter().enumerate() {
        let stream = numbers.next();
        let mut page = pdf.page(page_numbers[place]);
        page.media_box(Rect::new(0.0, 0.0, A4.0, A4.1)).parent(tree).contents(stream);
        page.struct_parents(i32::try_from(place).unwrap_or_default()).tab_order(TabOrder::StructureOrder);
        page.group().transparency().color_space().device_rgb();
        let mut resources = page.resources();
        resources.fonts().pair(Name(REGULAR), fonts[0]).pair(Name(BOLD), fonts[1]);
        let mut objects = resources.x_objects();
        for (name, number) in &images {
            objects.pair(Name(name), number);
        }
        objects.finish();
        resources.finish();
        page.finish();
        pdf.stream(stream, &packed(&content.bytes)).filter(Filter::FlateDecode);
    }
    let count = i32::try_from(page_numbers.len()).unwrap_or_default();
    pdf.pages(tree).kids(page_numbers.iter().copied()).count(count);
    let root = structure::write(&mut pdf, &mut numbers, &pages.parts, &contents, &page_numbers);

    pdf.icc_profile(profile, &PROFILE).n(3).filter(Filter::FlateDecode);
    pdf.metadata(metadata, xmp::packet(report).as_bytes());
    let mut entry = pdf.catalog(catalog);
    entry.pages(tree).metadata(metadata).lang(TextStr(report.language.tag()));
    entry.mark_info().marked(true);
    entry.viewer_preferences().display_doc_title(true);
    entry.pair(Name(b"StructTreeRoot"), root);
    let mut intents = entry.output_intents();
    let mut intent = intents.push();
    intent.subtype(OutputIntentSubtype::PDFA).output_condition_identifier(TextStr("sRGB"));
    intent.info(TextStr("sRGB IEC61966-2.1")).dest_output_profile(profile);
    intent.finish();
    intents.finish();
    entry.finish();
    // one report has one first half, each version a second of its own
    let half = |key: &str| Sha256::digest(key)[..16].to_vec();
    pdf.set_file_id((half(&report.keys.report), half(&report.keys.job)));
    Ok(pdf.finish())
}

fn images(pdf: &mut Pdf, numbers: &mut Numbers, pictures: &Pictures) -> Vec<(&'static [u8], Ref)> {
    let mut written = vec![(RADIOGRAPH, image(pdf, numbers, &pictures.radiograph))];
    if let Some(overlay) = &pictures.overlay {
        written.push((OVERLAY, image(pdf, numbers, overlay)));
    }
    written
}

fn image(pdf: &mut Pdf, numbers: &mut Numbers, samples: &Samples) -> Ref {
    let number = numbers.next();
    let mask = samples.alpha.as_ref().map(|alpha| {
        let mask = numbers.next();
        let mut image = stream(pdf, mask, samples, &alpha.rows, 1);
        image.color_space().device_gray();
        image.decode([0.0, alpha.most]);
        mask
    });
    let channels = if matches!(samples.colours, Colours::Rgb) { 3 } else { 1 };
    let mut image = stream(pdf, number, samples, &samples.rows, channels);
    match &samples.colours {
        Colours::Grey => image.color_space().device_gray(),
        Colours::Rgb => image.color_space().device_rgb(),
        Colours::Palette(colours) => image.color_space().indexed(DEVICE_RGB, 255, colours),
    }
    if let Some(mask) = mask {
        image.s_mask(mask);
    }
    number
}

/// The rows of a picture with so many samples a pixel.
fn stream<'p>(
    pdf: &'p mut Pdf,
    number: Ref,
    samples: &Samples,
    rows: &'p Rows,
    channels: i32,
) -> ImageXObject<'p> {
    let side = |length: u32| i32::try_from(length).unwrap_or(i32::MAX);
    let mut image = pdf.image_xobject(number, &rows.bytes);
    image.width(side(samples.width)).height(side(samples.height)).bits_per_component(8);
    image.filter(Filter::FlateDecode);
    if rows.is_filtered {
        let mut parameters = image.decode_parms();
        parameters.predictor(Predictor::PngOptimum).colors(channels).bits_per_component(8);
        parameters.columns(side(samples.width));
    }
    image
}

/// The bytes as zlib writes them.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    packed_at(bytes, PACKED)
}

/// The same, packed as hard as this; writing to memory cannot fail.
fn packed_at(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    let _infallible = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
