//! A page of a search, as a server answers it (<http://hl7.org/fhir/R4/http.html#search>).

use serde::Deserialize;
use serde_json::value::RawValue;

/// The resources of one page, unread, and where the next page is.
pub(super) struct SearchSet<'a> {
    entries: Vec<Found<'a>>,
    /// Address of the next page, as the server gives it.
    pub(super) next: Option<String>,
}

/// A resource of the page.
pub(super) struct Found<'a> {
    of: String,
    pub(super) id: String,
    /// The whole resource.
    pub(super) json: &'a str,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(rename = "resourceType")]
    of: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    link: Vec<Link>,
    #[serde(default, borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Link {
    relation: String,
    url: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "resourceType")]
    of: String,
    #[serde(default)]
    id: String,
}

impl<'a> SearchSet<'a> {
    /// Reads a page; `None` where it is none, or holds a resource that says no type.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let page: Page<'a> = serde_json::from_slice(bytes).ok()?;
        if page.of != "Bundle" || page.kind != "searchset" {
            return None;
        }
        let resources = page.entry.into_iter().filter_map(|entry| entry.resource);
        let found = |resource: &'a RawValue| {
            let Resource { of, id } = serde_json::from_str(resource.get()).ok()?;
            Some(Found { of, id, json: resource.get() })
        };
        let next = page.link.into_iter().find(|link| link.relation == "next").map(|link| link.url);
        Some(Self { entries: resources.map(found).collect::<Option<_>>()?, next })
    }

    /// Its resources of a type.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Found<'a>> {
        self.entries.iter().filter(move |found| found.of == kind)
    }
}
