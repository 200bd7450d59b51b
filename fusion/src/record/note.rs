//! What is kept of a note: DocumentReference, DiagnosticReport, Composition, and the texts in them.
//!
//! | resource | texts | known since | read where its status is |
//! |---|---|---|---|
//! | DocumentReference | attachments of `content` | `date`, else the attachment's `creation` | `current`, and `docStatus` absent, `final`, `amended` or `appended` |
//! | DiagnosticReport | `conclusion`, attachments of `presentedForm`; the narrative where there is neither | `issued`, else the end of the effective time | `final`, `amended`, `corrected`, `appended` |
//! | Composition | the narrative of each section, its title as the heading; the resource's own where no section has one | `date` | `final`, `amended` |
//!
//! An attachment is read where its data is in the resource and its type is plain text, HTML or XHTML, in UTF-8 or ISO-8859-1.
//! Nothing is fetched: what an attachment only points to is counted as unread.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::fact::{Concept, Origin};
use super::json::{concept, concept_at, list, moment, owned, text};
use crate::time::Moment;

/// Largest text that is read of one attachment, section or narrative, in bytes.
pub const MAX_NOTE_BYTES: usize = 512 * 1024;

/// Most texts of one note.
const MAX_TEXTS: usize = 200;

/// Deepest nesting of sections of a Composition.
const MAX_SECTION_DEPTH: usize = 8;

/// What is kept of a note.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    pub(crate) origin: Origin,
    pub(crate) usable: bool,
    /// Whether its status says that it was changed after it was first written.
    pub(crate) corrected: bool,
    /// The element that says since when it was known.
    pub(crate) known: Option<Moment>,
    /// Whether the effective time may stand in for it.
    pub(crate) effective_says_known: bool,
    pub(crate) effective: Option<Moment>,
    pub(crate) effective_end: Option<Moment>,
    /// All codings of a DiagnosticReport's `category` and `code` together; of other notes none.
    pub(crate) kind: Concept,
    pub(crate) texts: Vec<NoteText>,
    /// Attachments that are not read: elsewhere, of another type, too long, or broken.
    pub(crate) unread: usize,
}

/// One text of a note.
#[derive(Clone, PartialEq)]
pub(crate) struct NoteText {
    /// Path of the element within the resource, such as `content[0].attachment`.
    pub(crate) element: String,
    /// Title of its section, where it has one.
    pub(crate) heading: Option<String>,
    pub(crate) is_markup: bool,
    pub(crate) text: String,
}

impl std::fmt::Debug for NoteText {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NoteText").field("element", &self.element).finish_non_exhaustive()
    }
}

pub(crate) fn document_reference(value: &Value, origin: Origin) -> Note {
    let current = text(value, "status") == Some("current");
    let finished =
        text(value, "docStatus").is_none_or(|status| matches!(status, "final" | "amended" | "appended"));
    let period = value.get("context").and_then(|context| context.get("period"));
    let created = list(value, "content").find_map(|content| moment(content.get("attachment")?, "creation"));
    let mut note = Note {
        known: moment(value, "date").or(created),
        effective: period.and_then(|period| moment(period, "start")),
        effective_end: period.and_then(|period| moment(period, "end")),
        corrected: is_changed(text(value, "docStatus")),
        ..empty(origin, current && finished)
    };
    for (index, content) in list(value, "content").enumerate() {
        if let Some(attachment) = content.get("attachment") {
            note.attachment(attachment, format!("content[{index}].attachment"));
        }
    }
    note
}

pub(crate) fn diagnostic_report(value: &Value, origin: Origin) -> Note {
    let status = text(value, "status");
    let usable = matches!(status, Some("final" | "amended" | "corrected" | "appended"));
    let period = value.get("effectivePeriod");
    let mut note = Note {
        known: moment(value, "issued"),
        effective_says_known: true,
        effective: moment(value, "effectiveDateTime")
            .or_else(|| period.and_then(|period| moment(period, "start"))),
        effective_end: period.and_then(|period| moment(period, "end")),
        corrected: is_changed(status),
        kind: kind(value),
        ..empty(origin, usable)
    };
    if let Some(conclusion) = value.get("conclusion").and_then(Value::as_str) {
        note.text("conclusion".to_owned(), Some("conclusion"), false, conclusion);
    }
    for (index, attachment) in list(value, "presentedForm").enumerate() {
        note.attachment(attachment, format!("presentedForm[{index}]"));
    }
    if note.texts.is_empty() {
        note.narrative(value, "text.div", None);
    }
    note
}

pub(crate) fn composition(value: &Value, origin: Origin) -> Note {
    let status = text(value, "status");
    let usable = matches!(status, Some("final" | "amended"));
    let mut note =
        Note { known: moment(value, "date"), corrected: is_changed(status), ..empty(origin, usable) };
    note.sections(value, "", 0);
    if note.texts.is_empty() {
        note.narrative(value, "text.div", None);
    }
    note
}

/// What a report is of: its categories and its code.
fn kind(value: &Value) -> Concept {
    let categories = list(value, "category").map(concept);
    let codings = categories.chain([concept_at(value, "code")]).flat_map(|one| one.codings).collect();
    Concept { codings, text: None }
}

/// Whether a status says that there was a version before.
fn is_changed(status: Option<&str>) -> bool {
    matches!(status, Some("amended" | "corrected" | "appended"))
}

fn empty(origin: Origin, usable: bool) -> Note {
    Note {
        origin,
        usable,
        corrected: false,
        known: None,
        effective_says_known: false,
        effective: None,
        effective_end: None,
        kind: Concept::default(),
        texts: Vec::new(),
        unread: 0,
    }
}

impl Note {
    /// The narratives of the sections of `value`, and of their sections.
    fn sections(&mut self, value: &Value, path: &str, depth: usize) {
        for (index, section) in list(value, "section").enumerate() {
            let path = format!("{path}section[{index}].");
            self.narrative(section, &format!("{path}text.div"), text(section, "title"));
            if depth < MAX_SECTION_DEPTH {
                self.sections(section, &path, depth + 1);
            }
        }
    }

    fn narrative(&mut self, value: &Value, element: &str, heading: Option<&str>) {
        let Some(div) = value.get("text").and_then(|text| text.get("div")).and_then(Value::as_str) else {
            return;
        };
        self.text(element.to_owned(), heading, true, div);
    }

    fn attachment(&mut self, value: &Value, element: String) {
        match read(value) {
            Some((is_markup, text)) => self.text(element, None, is_markup, &text),
            None if value.get("data").is_some() || value.get("url").is_some() => self.unread += 1,
            None => {}
        }
    }

    fn text(&mut self, element: String, heading: Option<&str>, is_markup: bool, text: &str) {
        if text.len() > MAX_NOTE_BYTES || self.texts.len() >= MAX_TEXTS {
            self.unread += 1;
        } else if !text.trim().is_empty() {
            let (heading, text) = (heading.map(str::to_owned), text.to_owned());
            self.texts.push(NoteText { element, heading, is_markup, text });
        }
    }
}

/// Whether an attachment is markup, and its text.
fn read(value: &Value) -> Option<(bool, String)> {
    let kind = owned(value, "contentType")?.to_ascii_lowercase();
    let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let is_markup = match kind.trim() {
        "text/plain" => false,
        "text/html" | "application/xhtml+xml" => true,
        _ => return None,
    };
    let data = value.get("data")?.as_str()?;
    // base64 is a third longer than what it holds
    if data.len() > MAX_NOTE_BYTES * 3 / 2 {
        return None;
    }
    let data: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, config).decode(data).ok()?;
    let latin = ["iso-8859-1", "latin1", "windows-1252"].iter().any(|name| parameters.contains(name));
    let text = if latin {
        bytes.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8(bytes).ok()?
    };
    Some((is_markup, text))
}
