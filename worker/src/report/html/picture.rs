//! The radiograph and where the model looked, as SVG images inside the page.
//!
//! A check box lays the overlay over the picture; the style sheet does it, no script. On paper nobody can click, so the
//! picture is printed without and with the overlay.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};

use crate::report::document::{Picture, Saliency};
use crate::report::language::{Language, Message};
use crate::report::text::visible;

/// The picture with the overlay's switch. The pixels of both are in the page once.
pub(super) fn figure(language: Language, picture: &Picture) -> Markup {
    html! {
        @if picture.saliency.is_some() {
            input type="checkbox" id="overlay" class="switch" autocomplete="off";
            label for="overlay" class="switch-label" { (language.text(Message::ShowOverlay)) }
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

fn alternative(language: Language, saliency: &Saliency) -> String {
    language.say(Message::OverlayAlt, &[("finding", &visible(&saliency.finding))])
}

fn looked(language: Language, saliency: &Saliency) -> String {
    let (finding, method) = (visible(&saliency.finding), visible(&saliency.method));
    language.say(Message::OverlayCaption, &[("finding", &finding), ("method", &method)])
}

fn svg(picture: &Picture, label: &str, content: &Markup) -> Markup {
    html! {
        svg class="picture" role="img" aria-label=(label) viewBox={ "0 0 " (picture.width) " " (picture.height) } {
            (content)
        }
    }
}

fn data(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}
