//! What is on the pages as a tree, for who hears them (ISO 32000-1, 14.7).

use std::num::NonZero;

use pdf_writer::types::{StructRole, TableHeaderScope};
use pdf_writer::writers::StructElement;
use pdf_writer::{Finish as _, Name, Pdf, Ref, TextStr};

use super::super::content::Written;
use super::super::mark::{Part, Role};
use super::Numbers;

/// What a part holds, in order.
#[derive(Clone, Copy)]
enum Kid {
    Part(usize),
    /// A run of marked content: page and number.
    Content(usize, usize),
}

/// Writes the tree of parts that hold something, and gives its root.
pub(super) fn write(
    pdf: &mut Pdf,
    numbers: &mut Numbers,
    parts: &[Part],
    contents: &[Written],
    pages: &[Ref],
) -> Ref {
    let kids = kids(parts, contents);
    let (root, document) = (numbers.next(), numbers.next());
    let own: Vec<Ref> = parts.iter().map(|_| numbers.next()).collect();
    let holds = |part: usize| !kids[part].is_empty();

    for (place, part) in parts.iter().enumerate().filter(|(place, _)| holds(*place)) {
        let mut element = pdf.struct_element(own[place]);
        let (role, alternative) = role(&part.role);
        element.kind(role).parent(part.parent.map_or(document, |parent| own[parent]));
        if let Some(words) = alternative {
            element.alt(TextStr(words));
        }
        match part.role {
            Role::HeaderCell { is_row } => {
                let scope = if is_row { TableHeaderScope::Row } else { TableHeaderScope::Column };
                element.attributes().push().table().scope(scope);
            }
            Role::Cell { columns } if columns > 1 => {
                element.attributes().push().table().col_span(i32::try_from(columns).unwrap_or(1));
            }
            _ => {}
        }
        write_kids(&mut element, &kids[place], &own, pages);
    }
    let top = parts.iter().enumerate().filter(|(place, part)| part.parent.is_none() && holds(*place));
    let mut element = pdf.struct_element(document);
    element.kind(StructRole::Document).parent(root);
    let mut children = element.children();
    for (place, _) in top {
        children.struct_element(own[place]);
    }
    children.finish();
    element.finish();

    // which part each run of each page belongs to
    let lists: Vec<Ref> = contents.iter().map(|_| numbers.next()).collect();
    for (list, content) in lists.iter().zip(contents) {
        pdf.indirect(*list).array().items(content.parts.iter().map(|part| own[*part]));
    }
    let parent_tree = numbers.next();
    let mut tree = pdf.number_tree::<Ref>(parent_tree);
    let mut entries = tree.nums();
    for (page, list) in lists.iter().enumerate() {
        entries.insert(i32::try_from(page).unwrap_or_default(), *list);
    }
    entries.finish();
    tree.finish();
    let mut entry = pdf.indirect(root).dict();
    entry.pair(Name(b"Type"), Name(b"StructTreeRoot")).pair(Name(b"K"), document);
    entry.pair(Name(b"ParentTree"), parent_tree);
    entry.pair(Name(b"ParentTreeNextKey"), i32::try_from(pages.len()).unwrap_or_default());
    entry.finish();
    root
}

/// Writes what an element holds. Content of the page that it begins on is named by its numbers alone.
fn write_kids(element: &mut StructElement<'_>, kids: &[Kid], own: &[Ref], pages: &[Ref]) {
    let usual = page_of(kids);
    if let Some(page) = usual {
        element.page(pages[page]);
    }
    let mut children = element.children();
    for kid in kids {
        match kid {
            Kid::Part(part) => {
                children.struct_element(own[*part]);
            }
            Kid::Content(page, number) => {
                let number = i32::try_from(*number).unwrap_or_default();
                if usual == Some(*page) {
                    children.marked_content_id(number);
                } else {
                    children.marked_content_ref().page(pages[*page]).marked_content_id(number);
                }
            }
        }
    }
}

/// The page of the first content among these, if there is any.
fn page_of(kids: &[Kid]) -> Option<usize> {
    kids.iter().find_map(|kid| match kid {
        Kid::Content(page, _) => Some(*page),
        Kid::Part(_) => None,
    })
}

/// Parts come before what is in them, and content as the pages show it.
fn kids(parts: &[Part], contents: &[Written]) -> Vec<Vec<Kid>> {
    let mut kids: Vec<Vec<Kid>> = vec![Vec::new(); parts.len()];
    for (page, content) in contents.iter().enumerate() {
        for (number, part) in content.parts.iter().enumerate() {
            kids[*part].push(Kid::Content(page, number));
        }
    }
    // from the last: a part whose own parts hold nothing holds nothing either
    for (place, part) in parts.iter().enumerate().rev() {
        if let Some(parent) = part.parent.filter(|_| !kids[place].is_empty()) {
            kids[parent].insert(0, Kid::Part(place));
        }
    }
    kids
}

fn role(role: &Role) -> (StructRole, Option<&str>) {
    let level = |level: u8| NonZero::new(u16::from(level)).unwrap_or(NonZero::<u16>::MIN);
    let kind = match role {
        Role::Section => StructRole::Sect,
        Role::Heading(1) => StructRole::H1,
        Role::Heading(2) => StructRole::H2,
        Role::Heading(number) => {
            return (if level(*number).get() > 3 { StructRole::P } else { StructRole::H3 }, None);
        }
        Role::Paragraph => StructRole::P,
        Role::List => StructRole::L,
        Role::Item => StructRole::LI,
        Role::ItemBody => StructRole::LBody,
        Role::Table => StructRole::Table,
        Role::Row => StructRole::TR,
        Role::HeaderCell { .. } => StructRole::TH,
        Role::Cell { .. } => StructRole::TD,
        Role::Caption => StructRole::Caption,
        Role::Figure(words) => return (StructRole::Figure, Some(words)),
    };
    (kind, None)
}
