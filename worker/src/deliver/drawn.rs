//! The report as targets of files and of DICOM objects take it: with the pixels of its overlay, which no ledger stores.

use std::borrow::Cow;

use crate::ledger::ReportBytes;
use crate::report::overlay;

/// The report with its overlay as a file; `None` where what is stored is none that this version draws.
pub(crate) async fn drawn(report: &ReportBytes) -> Option<Cow<'_, ReportBytes>> {
    let Some(plan) = report.overlay.as_ref().filter(|stored| overlay::is_plan(stored)) else {
        return Some(Cow::Borrowed(report));
    };
    let (plan, page) = (plan.clone(), report.html.clone());
    // it takes milliseconds, and others wait for this thread
    let drawing = tokio::task::spawn_blocking(move || overlay::file(&plan, &page).map(Cow::into_owned)).await;
    let overlay = drawing.ok().flatten()?;
    Some(Cow::Owned(ReportBytes { overlay: Some(overlay), ..report.clone() }))
}

#[cfg(test)]
mod tests {
    use super::super::sample::report;
    use super::*;
    use crate::report::{html, sample};

    #[tokio::test]
    async fn a_plan_is_drawn_and_anything_else_is_left_as_it_is() {
        for overlay in [None, Some(vec![0; 132])] {
            let plain = ReportBytes { overlay, ..report() };
            assert_eq!(drawn(&plain).await.as_deref(), Some(&plain));
        }
        let composed = sample::sample();
        let page = html::page(&composed).into_bytes();
        let stored = ReportBytes { overlay: overlay::plan(&composed), html: page, ..report() };
        let file = overlay::document(&composed);
        assert!(file.is_some());
        assert_eq!(drawn(&stored).await.as_deref(), Some(&ReportBytes { overlay: file, ..stored.clone() }));
        assert!(drawn(&ReportBytes { html: Vec::new(), ..stored }).await.is_none());
    }
}
