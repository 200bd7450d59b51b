//! `chiasm receive` against dcmtk's and Orthanc's senders, against senders of other making, and killed in the middle.

mod counted;
mod hostile;
mod killed;
mod peer;
mod senders;
mod verdicts;

use dicom_object::InMemDicomObject;

/// The data set of a file, as it goes over the wire.
fn dataset(file: &[u8]) -> &[u8] {
    let length = u32::from_le_bytes(file[140..144].try_into().unwrap());
    &file[144 + usize::try_from(length).unwrap()..]
}

/// Whether two files hold the same elements with the same values: senders write sequences with lengths of their own.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let parsed = |bytes| dicom_object::from_reader(bytes).unwrap().into_inner();
    are_same(&parsed(one), &parsed(other))
}

fn are_same(one: &InMemDicomObject, other: &InMemDicomObject) -> bool {
    one.tags().eq(other.tags())
        && one.iter().zip(other.iter()).all(|(one, other)| match (one.items(), other.items()) {
            (Some(one), Some(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| are_same(one, other))
            }
            (None, None) => one.to_bytes().unwrap() == other.to_bytes().unwrap(),
            _ => false,
        })
}
