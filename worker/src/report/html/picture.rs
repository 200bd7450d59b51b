//! The radiograph and where the model looked, as SVG images inside the page.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{Markup, html};

use crate::report::document::{Picture, Saliency};
use crate::report::text::visible;

/// The picture, and a second time with the overlay. Its pixels are in the page once.
pub(super) fn figures(picture: &Picture) -> Markup {
    html! {
        figure {
            (svg(picture, "Radiograph as it was read", &html! {
                defs { image id="radiograph" width=(picture.width) height=(picture.height) href=(data(&picture.png)) {} }
                use href="#radiograph" {}
            }))
            figcaption { "The radiograph as it was read, downscaled. Not for diagnosis." }
        }
        @if let Some(saliency) = &picture.saliency { (overlaid(picture, saliency)) }
    }
}

fn overlaid(picture: &Picture, saliency: &Saliency) -> Markup {
    let finding = visible(&saliency.finding);
    html! {
        figure {
            (svg(picture, &format!("Where the model looked for: {finding}"), &html! {
                use href="#radiograph" {}
                image width=(picture.width) height=(picture.height) preserveAspectRatio="none"
                    href=(data(&saliency.png)) {}
            }))
            figcaption {
                "Where the model looked for " strong { (finding) } " (" (visible(&saliency.method))
                "). An aid to orientation, no proof and no outline of a lesion."
            }
        }
    }
}

fn svg(picture: &Picture, label: &str, content: &Markup) -> Markup {
    html! {
        svg class="picture" role="img" aria-label=(label) viewBox={ "0 0 " (picture.width) " " (picture.height) } {
            title { (label) }
            (content)
        }
    }
}

fn data(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}
