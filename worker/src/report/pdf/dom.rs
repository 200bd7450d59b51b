//! The page as a tree: as much of HTML as `maud` writes, which closes what it opens and quotes every value.

use std::borrow::Cow;

/// An element of the page.
#[derive(Debug, Default)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    attributes: Vec<(&'a str, Cow<'a, str>)>,
    pub(super) children: Vec<Node<'a>>,
}

/// What stands in an element.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Element(Element<'a>),
    Text(Cow<'a, str>),
}

/// Elements that have no end (<https://html.spec.whatwg.org/#void-elements>), as far as the page has them.
const VOID: [&str; 4] = ["meta", "input", "br", "image"];

/// The page's `body`, its texts as `shown`; `None` where it is no page of ours.
pub(super) fn parse<'a>(page: &'a str, shown: impl Fn(Cow<'a, str>) -> Cow<'a, str>) -> Option<Element<'a>> {
    let body = page.find("<body")?;
    let mut open: Vec<Element<'_>> = vec![Element::default()];
    let mut rest = &page[body..];
    while let Some(at) = rest.find('<') {
        let text = &rest[..at];
        if !text.is_empty() {
            open.last_mut()?.children.push(Node::Text(shown(unescaped(text))));
        }
        let end = end_of_tag(&rest[at..])? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop()?;
            if closed.name != name {
                return None;
            }
            if name == "body" {
                return Some(closed);
            }
            open.last_mut()?.children.push(Node::Element(closed));
        } else {
            let element = element(tag)?;
            // `image` is written with an end, though it holds nothing
            if VOID.contains(&element.name) && !rest.starts_with(&format!("</{}>", element.name)) {
                open.last_mut()?.children.push(Node::Element(element));
            } else {
                open.push(element);
            }
        }
    }
    None
}

/// Where the tag ends: a value may hold `>`. A value can be a whole picture, so it is passed over at once.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.bytes().position(|byte| byte == b'"' || byte == b'>')?;
        if text.as_bytes().get(at) == Some(&b'>') {
            return Some(at);
        }
        at += 1 + text.get(at + 1..)?.find('"')? + 1;
    }
}

fn element(tag: &str) -> Option<Element<'_>> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        let trimmed = rest.trim_start();
        let name_end = trimmed.find(['=', ' ']).unwrap_or(trimmed.len());
        let name = &trimmed[..name_end];
        rest = &trimmed[name_end..];
        let mut value = Cow::default();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"')?;
            value = unescaped(&quoted[..end]);
            rest = &quoted[end + 1..];
        }
        attributes.push((name, value));
    }
    Some(Element { name, attributes, children: Vec::new() })
}

/// The four characters that `maud` escapes.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    // the ampersand last: what it stands before is no escape then
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    Cow::Owned(plain)
}

impl<'a> Element<'a> {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref())
    }

    /// A number of an attribute; zero where there is none.
    pub(super) fn number(&self, name: &str) -> f32 {
        self.attribute(name).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    pub(super) fn has_class(&self, class: &str) -> bool {
        self.attribute("class").is_some_and(|classes| classes.split(' ').any(|one| one == class))
    }

    /// The child elements.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element<'a>> {
        self.children.iter().filter_map(|child| match child {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// Every element in it of this name, in order.
    pub(super) fn all(&self, name: &str) -> Vec<&Element<'a>> {
        let mut found = Vec::new();
        for element in self.elements() {
            if element.name == name {
                found.push(element);
            }
            found.extend(element.all(name));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_maud_writes_is_read() {
        let page = maud::html! {
            body data-a="x > y & \"z\"" {
                p class="one two" { "a < b" br; "c" }
                svg { rect x="1.5" {} }
                input type="checkbox" checked;
            }
        }
        .into_string();
        let body = parse(&page, |text| text).expect("a body");
        assert_eq!(body.attribute("data-a"), Some("x > y & \"z\""));
        let names: Vec<&str> = body.elements().map(|element| element.name).collect();
        assert_eq!(names, ["p", "svg", "input"]);
        let p = body.elements().next().expect("a paragraph");
        assert!(p.has_class("two") && !p.has_class("three"));
        assert!(matches!(&p.children[0], Node::Text(text) if text == "a < b"));
        assert!((body.all("rect")[0].number("x") - 1.5).abs() < f32::EPSILON);
        for broken in ["", "<body>", "<body></p></body>", "<body><p></body>", "<body a=\"</body>"] {
            assert!(parse(broken, |text| text).is_none(), "{broken}");
        }
    }
}
