//! Where a trace comes from and goes to: W3C Trace Context, the header `traceparent`.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::lane::Lane;

/// The span of one delivery, from its receipt to its settling: a child of whoever asked, where `trace_parent` says who in
/// the right form. It is untrusted; one of another form is passed over. Everything done for the delivery runs inside:
/// `work.instrument(delivery_span(..))`.
pub fn delivery_span(lane: Lane, trace_parent: Option<&str>) -> Span {
    let span = tracing::info_span!("delivery", lane = lane.as_str(), otel.kind = "consumer");
    if let Some(asker) = trace_parent.and_then(parse) {
        let parent = opentelemetry::Context::new().with_remote_span_context(asker);
        if let Err(error) = span.set_parent(parent) {
            tracing::trace!(%error, "no traces are sent");
        }
    }
    span
}

/// The `traceparent` of the span that this is called in, for messages that go out. `None` where no traces are sent.
pub fn trace_parent() -> Option<String> {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    span.is_valid()
        .then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, lower case, neither id all zeros (W3C Trace Context, 3.2).
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [version.len(), trace.len(), span.len(), flags.len()];
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if parts.next().is_some() || lengths != [2, 32, 16, 2] || version != "00" {
        return None;
    }
    if ![trace, span, flags].into_iter().all(is_hex) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let asker = SpanContext::new(trace, span, flags, true, TraceState::default());
    asker.is_valid().then_some(asker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_form_is_followed() {
        let right = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let asker = parse(right).unwrap();
        assert_eq!(asker.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(asker.is_sampled() && asker.is_remote());
        for wrong in [
            "",
            "Public^Jane",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
