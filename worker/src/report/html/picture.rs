//! The radiograph, and where the model looked or what it outlines, as SVG images inside the page.
//!
//! A check box lays the overlay over the picture; the style sheet does it, no script. On paper nobody can click, so the
//! picture is printed without and with the overlay.

use base64_simd::STANDARD;
use maud::{Markup, PreEscaped, html};

use crate::report::document::{Picture, Saliency, Shows};
use crate::report::language::{Language, Message};
use crate::report::text::visible;

/// The picture with the overlay's switch. The pixels of both are in the page once.
pub(super) fn figure(language: Language, picture: &Picture) -> Markup {
    html! {
        @if let Some(saliency) = &picture.saliency {
            input type="checkbox" id="overlay" class="switch" autocomplete="off";
            label for="overlay" class="switch-label" { (language.text(switch(saliency.shows))) }
        }
        div class="figures" {
            figure data-instance=(visible(&picture.sop_instance_uid)) {
                (svg(picture, language.text(Message::PictureAlt), &html! {
                    defs {
                        image id="radiograph" width=(picture.width) height=(picture.height) href=(data(&picture.png)) {}
                        @if let Some(saliency) = &picture.saliency {
                            image id="heat" width=(picture.width) height=(picture.height) preserveAspectRatio="none"
                                href=(data(&saliency.png)) {}
                        }
                    }
                    use href="#radiograph" {}
                    @if picture.saliency.is_some() { use href="#heat" class="heat" {} }
                }))
                figcaption class="plain" { (language.text(Message::PictureCaption)) }
                @if let Some(saliency) = &picture.saliency {
                    figcaption class="looked" { (looked(language, saliency)) }
                }
            }
            @if let Some(saliency) = &picture.saliency {
                figure class="on-paper" {
                    (svg(picture, &alternative(language, saliency), &html! {
                        use href="#radiograph" {}
                        use href="#heat" {}
                    }))
                    figcaption { (looked(language, saliency)) }
                }
            }
        }
    }
}

fn switch(shows: Shows) -> Message {
    match shows {
        Shows::WhereItLooked => Message::ShowOverlay,
        Shows::Outlines => Message::ShowOutlines,
    }
}

fn alternative(language: Language, saliency: &Saliency) -> String {
    let said = match saliency.shows {
        Shows::WhereItLooked => Message::OverlayAlt,
        Shows::Outlines => Message::OutlinesAlt,
    };
    language.say(said, &[("finding", &visible(&saliency.finding))])
}

fn looked(language: Language, saliency: &Saliency) -> String {
    let (finding, method) = (visible(&saliency.finding), visible(&saliency.method));
    match saliency.shows {
        Shows::WhereItLooked => {
            language.say(Message::OverlayCaption, &[("finding", &finding), ("method", &method)])
        }
        Shows::Outlines => language.say(Message::OutlinesCaption, &[("finding", &finding)]),
    }
}

fn svg(picture: &Picture, label: &str, content: &Markup) -> Markup {
    html! {
        svg class="picture" role="img" aria-label=(label) viewBox={ "0 0 " (picture.width) " " (picture.height) } {
            (content)
        }
    }
}

/// The pixels as an address. Nothing in it is to be escaped, and it is by far the longest text of the page.
fn data(png: &[u8]) -> PreEscaped<String> {
    let mut address = String::with_capacity(png.len() / 3 * 4 + 32);
    address.push_str("data:image/png;base64,");
    STANDARD.encode_append(png, &mut address);
    PreEscaped(address)
}

/// What [`data`] wrote into an element of a page, up to the pixels.
const ADDRESS: &str = "href=\"data:image/png;base64,";

/// The radiograph and what lies over it, as the PNG files that a page of ours holds; `None` where it lacks one.
pub(super) fn files(page: &str) -> Option<[Vec<u8>; 2]> {
    let file = |id: &str| {
        let (_, element) = page.split_once(&format!("<image id=\"{id}\""))?;
        let (_, pixels) = element.split_once(ADDRESS)?;
        STANDARD.decode_to_vec(pixels.split_once('"')?.0).ok()
    };
    Some([file("radiograph")?, file("heat")?])
}
