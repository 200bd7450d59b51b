//! The report as targets of files and of DICOM objects take it: with the pixels of its overlay, which no ledger stores.

use std::borrow::Cow;

use super::{DeliverError, TerminalCode};
use crate::ledger::ReportBytes;
use crate::message::Name;
use crate::report::overlay;

/// The report with its overlay as a file; an error, as this target's, where what is stored is none that this version draws.
pub(crate) async fn drawn<'a>(
    report: &'a ReportBytes,
    target: &Name,
) -> Result<Cow<'a, ReportBytes>, DeliverError> {
    let Some(plan) = report.overlay.as_ref().filter(|stored| overlay::is_plan(stored)) else {
        return Ok(Cow::Borrowed(report));
    };
    let (plan, page) = (plan.clone(), report.html.clone());
    // it takes milliseconds, and others wait for this thread
    let drawing = tokio::task::spawn_blocking(move || overlay::file(&plan, &page).map(Cow::into_owned)).await;
    let overlay = drawing.ok().flatten().ok_or_else(|| DeliverError::Terminal {
        target: target.clone(),
        code: TerminalCode::OverlayUnusable,
        reason: "the stored overlay is not one that this version draws".into(),
    })?;
    Ok(Cow::Owned(ReportBytes { overlay: Some(overlay), ..report.clone() }))
}

#[cfg(test)]
mod tests {
    use super::super::sample::report;
    use super::*;
    use crate::report::{html, sample};

    #[tokio::test]
    async fn a_plan_is_drawn_and_anything_else_is_left_as_it_is() {
        let target: Name = "pacs".parse().unwrap();
        for overlay in [None, Some(vec![0; 132])] {
            let plain = ReportBytes { overlay, ..report() };
            assert_eq!(*drawn(&plain, &target).await.unwrap(), plain);
        }
        let composed = sample::sample();
        let page = html::page(&composed).into_bytes();
        let stored = ReportBytes { overlay: overlay::plan(&composed), html: page, ..report() };
        let file = overlay::document(&composed);
        assert!(file.is_some());
        let sent = drawn(&stored, &target).await.unwrap();
        assert_eq!(*sent, ReportBytes { overlay: file, ..stored.clone() });
        let refused = drawn(&ReportBytes { html: Vec::new(), ..stored.clone() }, &target).await.unwrap_err();
        assert_eq!(refused.code(), "OverlayUnusable");
    }
}
