//! Takes an object's fields one by one, each into a type. A refusal names the path of the field and never its value,
//! nor the name of a field that nobody knows: both are the sender's text.

use super::json::Json;
use super::{MessageRefusal, refusal};

/// An object whose fields are taken out.
pub(super) struct Fields {
    path: String,
    left: Vec<(usize, String, Json)>,
    null_is_absent: bool,
}

impl Fields {
    /// The members of the message itself; `None` when it is no object.
    pub(super) fn root(value: Json) -> Option<Self> {
        Self::of(value, String::new())
    }

    fn of(value: Json, path: String) -> Option<Self> {
        let Json::Object(members) = value else { return None };
        let left = members.into_iter().enumerate().map(|(at, (name, value))| (at + 1, name, value)).collect();
        Some(Self { path, left, null_is_absent: false })
    }

    /// Whether the field is there, `null` or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(_, known, _)| known == name)
    }

    /// The text of a field that stays where it is; `None` where it is no text.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.left.iter().find_map(|(_, known, value)| match value {
            Json::Text(text) if known == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// Takes `null` as absent, as CloudEvents asks for its attributes, and as serialisers of other systems write.
    pub(super) fn with_null_as_absent(self) -> Self {
        Self { null_is_absent: true, ..self }
    }

    /// A field that may be absent. `form` completes "`path` is not".
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        form: &str,
        read: impl FnOnce(Json) -> Option<T>,
    ) -> Result<Option<T>, MessageRefusal> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| self.bad(name, form)),
        }
    }

    /// A field that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        form: &str,
        read: impl FnOnce(Json) -> Option<T>,
    ) -> Result<T, MessageRefusal> {
        self.optional(name, form, read)?
            .ok_or_else(|| refusal("MissingField", format!("`{}` is missing: {form}", self.path_of(name))))
    }

    /// An object that must be there.
    pub(super) fn object(&mut self, name: &str) -> Result<Self, MessageRefusal> {
        let path = self.path_of(name);
        self.required(name, "an object", |value| Self::of(value, path))
    }

    /// An object that may be absent.
    pub(super) fn optional_object(&mut self, name: &str) -> Result<Option<Self>, MessageRefusal> {
        let path = self.path_of(name);
        self.optional(name, "an object", |value| Self::of(value, path))
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), MessageRefusal> {
        match self.left.first() {
            None => Ok(()),
            Some((at, ..)) => {
                let of = if self.path.is_empty() { "the message" } else { &format!("`{}`", self.path) };
                Err(refusal("UnknownField", format!("this version does not know field {at} of {of}")))
            }
        }
    }

    /// The refusal of a field of a wrong form.
    pub(super) fn bad(&self, name: &str, form: &str) -> MessageRefusal {
        refusal("BadField", format!("`{}` is not {form}", self.path_of(name)))
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let at = self.left.iter().position(|(_, known, _)| known == name)?;
        let value = self.left.remove(at).2;
        if self.null_is_absent && value == Json::Null { None } else { Some(value) }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// Reads a text by `read`.
pub(super) fn text<T>(read: impl Fn(&str) -> Option<T>) -> impl Fn(Json) -> Option<T> {
    move |value| match value {
        Json::Text(text) => read(&text),
        _ => None,
    }
}

/// Reads a whole number from 0 on by `read`.
pub(super) fn integer<T>(read: impl Fn(u64) -> Option<T>) -> impl Fn(Json) -> Option<T> {
    move |value| match value {
        Json::Integer(number) => read(number),
        _ => None,
    }
}

/// Reads a list of at most `most` entries, each by `read`.
pub(super) fn list<T>(
    most: usize,
    read: impl FnMut(Json) -> Option<T>,
) -> impl FnOnce(Json) -> Option<Vec<T>> {
    move |value| match value {
        Json::List(values) if values.len() <= most => values.into_iter().map(read).collect(),
        _ => None,
    }
}
