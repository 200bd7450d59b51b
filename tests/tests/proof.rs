//! The proof in small: workers die, stall and are cut off at every point, and nothing is lost, doubled or mixed up.
//! `scripts/soak` does the same for longer.

mod calm;
mod canaries;
mod deaths;
mod poison;
mod recall;
mod rejected;
mod remote;
mod weather;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use chiasm_tests::site::servers::Servers;
use chiasm_tests::site::{Mode, Plan, Site};

/// How long the work of a test may take when everything goes as it should.
const PATIENCE: Duration = Duration::from_mins(2);

/// One broker and one database for all these tests; `None` where they are not installed.
static SERVERS: OnceLock<Option<Servers>> = OnceLock::new();

/// One test after the other: each has processes enough for the whole machine.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn servers() -> Option<&'static Servers> {
    SERVERS.get_or_init(Servers::start).as_ref()
}

/// A site with this plan in each mode that this machine can run.
fn modes() -> Vec<Mode<'static>> {
    let distributed = servers().map(Mode::Distributed);
    std::iter::once(Mode::Embedded).chain(distributed).collect()
}

/// A distributed site, where this machine can run one.
fn distributed(plan: Plan) -> Option<(Site, &'static Servers)> {
    let servers = servers()?;
    Some((Site::open(Mode::Distributed(servers), plan), servers))
}
