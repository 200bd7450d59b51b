//! Invented patients with records, and small phantom studies of them.
//!
//! The phantom is drawn a few times only and made smaller, so that thousands of studies are cheap to write, to read and
//! to score; each study has its own identifiers and its own patient.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How many different pictures are drawn, once for all sites of a test run.
const PICTURES: u64 = 3;

static PICTURE: OnceLock<Vec<DefaultDicomObject>> = OnceLock::new();

fn pictures() -> &'static [DefaultDicomObject] {
    PICTURE.get_or_init(|| (1..=PICTURES).map(|seed| small(&crate::phantom(seed))).collect())
}

/// By how much a picture is made smaller in each direction.
const SHRINK: usize = 4;

const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";

/// An invented patient. Every value of hers is a canary: it must appear in no log, metric, trace, message or header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Patient ID.
    pub id: String,
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// Birth date as in DICOM, `YYYYMMDD`.
    pub birth_date: String,
}

impl Patient {
    fn new(seed: u64, number: usize) -> Self {
        let drawn = digest(seed, "patient", number);
        Self {
            id: format!("KP{:08}", drawn % 100_000_000),
            family: format!("Kanarienfeld{:06}", drawn / 7 % 1_000_000),
            given: format!("Zitronella{:06}", drawn / 11 % 1_000_000),
            birth_date: format!("19{}{:02}{:02}", 31 + drawn % 50, 1 + drawn / 13 % 12, 1 + drawn / 17 % 28),
        }
    }

    /// Texts that give this patient away.
    pub fn canaries(&self) -> Vec<String> {
        let dashed = self.birth_date_of_fhir();
        vec![self.id.clone(), self.family.clone(), self.given.clone(), self.birth_date.clone(), dashed]
    }

    fn birth_date_of_fhir(&self) -> String {
        format!("{}-{}-{}", &self.birth_date[..4], &self.birth_date[4..6], &self.birth_date[6..])
    }

    fn record(&self) -> serde_json::Value {
        json!({
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{
                "fullUrl": format!("https://records.invalid/Patient/{}", self.resource_id()),
                "resource": self.resource()
            }]
        })
    }

    /// The patient as the site's FHIR server knows her.
    pub fn resource(&self) -> serde_json::Value {
        json!({
            "resourceType": "Patient",
            "id": self.resource_id(),
            "identifier": [{"system": "urn:oid:1.2.3", "value": self.id}],
            "name": [{"family": self.family, "given": [self.given]}],
            "gender": "female",
            "birthDate": self.birth_date_of_fhir()
        })
    }

    /// The id of the patient's resource in her record.
    fn resource_id(&self) -> String {
        format!("p-{}", self.id.to_lowercase())
    }
}

/// Studies and whose they are.
#[derive(Debug)]
pub struct Cohort {
    seed: u64,
    patients: Vec<Patient>,
    /// Study Instance UID to the index of its patient.
    studies: BTreeMap<String, usize>,
    /// Study Instance UID to the number of its order.
    orders: BTreeMap<String, usize>,
    made: usize,
}

impl Cohort {
    /// Invents patients and writes their records to `records`.
    ///
    /// # Panics
    /// Where a file cannot be written.
    pub fn new(seed: u64, patients: usize, records: &Path) -> Self {
        let patients: Vec<_> = (0..patients).map(|number| Patient::new(seed, number)).collect();
        fs::create_dir_all(records).expect("a folder for records");
        for (number, patient) in patients.iter().enumerate() {
            let record = serde_json::to_vec(&patient.record()).expect("JSON");
            fs::write(records.join(format!("record-{number}.json")), record).expect("a written record");
        }
        Self { seed, patients, studies: BTreeMap::new(), orders: BTreeMap::new(), made: 0 }
    }

    /// Writes `count` more studies below `source`, one folder each, and gives their UIDs.
    ///
    /// # Panics
    /// Where a file cannot be written.
    pub fn add(&mut self, count: usize, source: &Path) -> Vec<String> {
        (0..count).map(|_| self.write_one(source)).collect()
    }

    fn write_one(&mut self, source: &Path) -> String {
        let number = self.made;
        self.made += 1;
        let of = number % self.patients.len();
        let study = format!("2.25.{}", digest(self.seed, "study", number));
        self.orders.insert(study.clone(), number);
        self.write(source, &study, "image", number, (&self.patients[of], &self.patients[of]));
        self.studies.insert(study.clone(), of);
        study
    }

    /// Writes a file of a study: with the identifiers of the first patient and the name of the second.
    fn write(&self, source: &Path, study: &str, file: &str, number: usize, who: (&Patient, &Patient)) {
        let uid = |kind: &str| format!("2.25.{}", digest(self.seed, &format!("{kind} {file}"), number));
        let instance = uid("instance");
        let mut dataset: InMemDicomObject = (*pictures()[number % pictures().len()]).clone();
        let (patient, named) = who;
        for (tag, vr, value) in [
            (tags::STUDY_INSTANCE_UID, VR::UI, study),
            (tags::SERIES_INSTANCE_UID, VR::UI, &uid("series")),
            (tags::SOP_INSTANCE_UID, VR::UI, &instance),
            (tags::PATIENT_ID, VR::LO, &patient.id),
            (tags::PATIENT_NAME, VR::PN, &format!("{}^{}", named.family, named.given)),
            (tags::PATIENT_BIRTH_DATE, VR::DA, &named.birth_date),
            (tags::ACCESSION_NUMBER, VR::SH, &accession(self.orders.get(study).copied().unwrap_or(number))),
        ] {
            dataset.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        }
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(EXPLICIT_LITTLE)
            .media_storage_sop_class_uid(pictures()[0].meta().media_storage_sop_class_uid())
            .media_storage_sop_instance_uid(&instance);
        let folder = source.join(study);
        fs::create_dir_all(&folder).expect("a study's folder");
        let whole = dataset.with_meta(meta).expect("a file's meta information");
        whole.write_to_file(folder.join(file)).expect("a written study");
    }

    /// Adds an instance to a study.
    ///
    /// # Panics
    /// Where the study is not of this cohort, or cannot be written.
    pub fn grow(&mut self, study: &str, source: &Path) {
        let patient = self.patient(study).expect("a study of this cohort");
        self.write(source, study, "later", self.made, (patient, patient));
        self.made += 1;
    }

    /// Writes a study anew, with its own patient's ID and the name and birth date of another's.
    ///
    /// # Panics
    /// Where a study is not of this cohort, or cannot be written.
    pub fn mix_up(&mut self, study: &str, with: &str, source: &Path) {
        let (own, other) = (self.patient(study), self.patient(with));
        let who = own.zip(other).expect("studies of this cohort");
        self.write(source, study, "image", self.made, who);
        self.made += 1;
    }

    /// All patients.
    pub fn patients(&self) -> &[Patient] {
        &self.patients
    }

    /// Whose study it is.
    pub fn patient(&self, study_uid: &str) -> Option<&Patient> {
        self.studies.get(study_uid).map(|of| &self.patients[*of])
    }

    /// Everything that gives a patient away: of all patients, and accession numbers.
    pub fn canaries(&self) -> Vec<String> {
        let accessions = (0..self.made).map(accession);
        self.patients.iter().flat_map(Patient::canaries).chain(accessions).collect()
    }
}

fn accession(number: usize) -> String {
    format!("ZUGANG{number:06}")
}

/// The phantom in a quarter of its size, as uncompressed pixels.
fn small(file: &[u8]) -> DefaultDicomObject {
    let mut file = dicom_object::from_reader(file).expect("the phantom is a DICOM file");
    let pixels =
        file.element(tags::PIXEL_DATA).expect("pixels").to_multi_int::<u16>().expect("16-bit pixels");
    let side = pixels.len().isqrt();
    let small = side / SHRINK;
    let mean = |row: usize, column: usize| {
        let block = (0..SHRINK * SHRINK)
            .map(|at| u32::from(pixels[(row * SHRINK + at / SHRINK) * side + column * SHRINK + at % SHRINK]));
        u16::try_from(block.sum::<u32>() as usize / (SHRINK * SHRINK)).expect("a mean of 16-bit numbers")
    };
    let shrunk: Vec<u16> = (0..small * small).map(|at| mean(at / small, at % small)).collect();
    let rows = u16::try_from(small).expect("a small picture");
    let spacing = dicom_ingest::phantom::PIXEL_SPACING_MM * SHRINK as f64;
    file.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(shrunk.into())));
    for (tag, vr, value) in [
        (tags::ROWS, VR::US, PrimitiveValue::from(rows)),
        (tags::COLUMNS, VR::US, PrimitiveValue::from(rows)),
        (tags::IMAGER_PIXEL_SPACING, VR::DS, PrimitiveValue::from(format!("{spacing}\\{spacing}"))),
    ] {
        file.put(DataElement::new(tag, vr, value));
    }
    file
}

fn digest(seed: u64, kind: &str, number: usize) -> u64 {
    let digest =
        Sha256::new().chain_update(seed.to_be_bytes()).chain_update(kind).chain_update(number.to_be_bytes());
    digest.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
