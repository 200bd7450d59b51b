//! The ImagingStudies that a server has of a study. It should have one or none; where an archive and another system both wrote one,
//! "create it where there is none" cannot be answered. Pure: the asking is the target's.

use super::letter::is_id;
use super::search_set::SearchSet;

/// Reads the first page of a search, and gives the place of the study that is referred to where there are several: the one whose
/// id is the shortest and comes first, which is the oldest where a server counts. `None` where the page is none, or has fewer.
pub(super) fn one_of_several(page: &[u8]) -> Option<String> {
    let set = SearchSet::read(page)?;
    let ids = set.of("ImagingStudy").filter(|study| is_id(&study.id)).map(|study| study.id.clone());
    let mut ids: Vec<String> = ids.collect();
    ids.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    match &ids[..] {
        [first, _, ..] => Some(format!("ImagingStudy/{first}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn of_several_studies_one_is_always_the_same() {
        let page = |ids: &[&str]| {
            let study = |id| json!({ "resource": { "resourceType": "ImagingStudy", "id": id } });
            let mut entries: Vec<_> = ids.iter().map(study).collect();
            entries.push(json!({ "resource": { "resourceType": "OperationOutcome", "id": "1" } }));
            json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }).to_string()
        };
        let first = |ids: &[&str]| one_of_several(page(ids).as_bytes());
        assert_eq!(first(&["10", "9", "b"]).as_deref(), Some("ImagingStudy/9"));
        assert_eq!(first(&["b", "9", "10"]).as_deref(), Some("ImagingStudy/9"));
        assert_eq!(first(&["../x", "", "b", "c"]).as_deref(), Some("ImagingStudy/b"));
        assert_eq!((first(&["../x", "", "b"]), first(&[])), (None, None));
        assert_eq!(one_of_several(br#"{"resourceType":"Bundle","type":"batch-response"}"#), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            drop(one_of_several(&bytes));
        }
    }
}
