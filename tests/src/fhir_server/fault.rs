//! What can go wrong between a client and a FHIR server, and when it does.

use std::collections::VecDeque;
use std::time::Duration;

use super::http::Reply;
use super::store;

/// Kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `POST` to the base.
    Transaction,
    /// `GET metadata`.
    Metadata,
    /// `GET` of a type with a query.
    Search,
    /// Any other `GET`.
    Read,
    /// What no client of ours does.
    Other,
}

impl Route {
    /// The kind of a request.
    pub fn of(method: &str, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = path.trim_end_matches('/');
        let is_search = !query.is_empty() && !path.trim_start_matches("/fhir/").contains('/');
        match method {
            "POST" if path == "/fhir" => Self::Transaction,
            "GET" if path == "/fhir/metadata" => Self::Metadata,
            "GET" if is_search => Self::Search,
            "GET" => Self::Read,
            _ => Self::Other,
        }
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, nothing is stored; with an OperationOutcome of this issue code.
    Status(u16, &'static str),
    /// 503 or 429 with this `Retry-After`, nothing is stored.
    Busy(u16, String),
    /// The connection is cut before anything is stored.
    Lost,
    /// The bundle is stored, and the connection cut instead of an answer.
    AnswerLost,
    /// The connection is reset while the request is still sent: only so many bytes of it are read.
    ResetMidRequest(usize),
    /// The bundle is stored, and the connection is reset in the middle of the answer.
    ResetMidAnswer,
    /// Nothing is stored, and no answer ever comes.
    Hang,
    /// The bundle is stored, and the connection is reset after the last byte of the answer.
    ResetAfterAnswer,
    /// The bundle is stored, and the status is this one of failure.
    FailureStored(u16),
    /// 200, and every entry is said to be created; nothing is stored.
    Promise,
    /// The request comes twice, as from a proxy that tries again by itself; both are stored.
    Twice,
    /// The bundle is stored, and no answer ever comes.
    HangStored,
    /// The bundle is stored, and the answer comes after this time.
    Delay(Duration),
    /// 200 with an OperationOutcome of failure, nothing is stored.
    OutcomeInSuccess(&'static str),
    /// 200 with a page, nothing is stored.
    NotJson,
    /// 200 with a page, though the bundle is stored.
    NotJsonStored,
    /// The bundle is stored, and the answer's JSON ends in the middle.
    TruncatedJson,
    /// The bundle is stored, and the answer is as long as this, in bytes.
    Huge(u64),
    /// 307 to this URL, nothing is stored.
    Redirect(String),
    /// 409 though the bundle is stored: an earlier try of it was.
    ConflictStored,
    /// A transaction-response whose second entry failed; nothing is stored.
    BrokenTransaction,
}

impl Fault {
    /// Whether the request has its effect in spite of it.
    pub fn is_stored(&self) -> bool {
        matches!(
            self,
            Self::AnswerLost
                | Self::ResetMidAnswer
                | Self::ResetAfterAnswer
                | Self::FailureStored(_)
                | Self::Twice
                | Self::HangStored
                | Self::Delay(_)
                | Self::NotJsonStored
                | Self::TruncatedJson
                | Self::Huge(_)
                | Self::ConflictStored
        )
    }

    /// What is answered instead of `good`.
    pub(crate) fn spoil(fault: Option<Self>, good: Reply) -> Reply {
        let page = || Reply::Whole {
            status: 200,
            headers: vec![("content-type".into(), "text/html".into())],
            body: b"<html>Please log in</html>".to_vec(),
        };
        match fault {
            None | Some(Self::Twice | Self::Promise) => good,
            Some(Self::Status(status, issue)) => Reply::json(status, &store::outcome(issue)),
            Some(Self::Busy(status, after)) => {
                Reply::json(status, &store::outcome("throttled")).with("retry-after", &after)
            }
            Some(Self::Lost | Self::AnswerLost) => Reply::Cut,
            Some(Self::ResetMidRequest(_)) => Reply::Reset { after: Vec::new() },
            Some(Self::ResetMidAnswer) => Reply::Reset { after: good.first_half() },
            Some(Self::ResetAfterAnswer) => Reply::Reset { after: good.bytes() },
            Some(Self::FailureStored(status)) => Reply::json(status, &store::outcome("exception")),
            Some(Self::Hang | Self::HangStored) => Reply::Never,
            Some(Self::Delay(time)) => Reply::Late(time, Box::new(good)),
            Some(Self::OutcomeInSuccess(issue)) => Reply::json(200, &store::outcome(issue)),
            Some(Self::NotJson | Self::NotJsonStored) => page(),
            Some(Self::TruncatedJson) => good.truncated(),
            Some(Self::Huge(bytes)) => Reply::Endless { bytes },
            Some(Self::Redirect(url)) => {
                Reply::json(307, &store::outcome("processing")).with("location", &url)
            }
            Some(Self::ConflictStored) => Reply::json(409, &store::outcome("conflict")),
            Some(Self::BrokenTransaction) => Reply::json(200, &store::broken_transaction()),
        }
    }
}

/// Transactions meet a fault now and then, the same ones for the same seed.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// Where the choices start.
    pub seed: u64,
    /// How many of 1000 transactions meet one.
    pub per_mille: u64,
    /// Which ones.
    pub faults: Vec<Fault>,
}

/// What is still to go wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    queued: VecDeque<(Route, Fault)>,
    rule: Option<FaultRule>,
    drawn: u64,
}

impl Faults {
    pub(crate) fn queue(&mut self, on: Route, fault: Fault) {
        self.queued.push_back((on, fault));
    }

    pub(crate) fn set_rule(&mut self, rule: Option<FaultRule>) {
        self.rule = rule;
    }

    /// The fault of the next request of this kind.
    pub(crate) fn next(&mut self, route: Route) -> Option<Fault> {
        if let Some(place) = self.queued.iter().position(|(on, _)| *on == route) {
            return self.queued.remove(place).map(|(_, fault)| fault);
        }
        let rule =
            self.rule.as_ref().filter(|rule| route == Route::Transaction && !rule.faults.is_empty())?;
        self.drawn += 1;
        let drawn = mixed(rule.seed.wrapping_add(self.drawn));
        let which = usize::try_from(mixed(drawn) % rule.faults.len() as u64).ok()?;
        (drawn % 1000 < rule.per_mille).then(|| rule.faults[which].clone())
    }
}

/// SplitMix64.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
