//! The broker and the database of the distributed mode, one of each for many sites.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Mode;
use crate::postgres::Postgres;
use crate::rabbitmq::RabbitMq;

/// RabbitMQ and PostgreSQL.
#[derive(Debug)]
pub struct Servers {
    /// RabbitMQ.
    pub broker: RabbitMq,
    /// PostgreSQL; behind a lock, because it can be restarted.
    pub postgres: Mutex<Postgres>,
    sites: AtomicU32,
}

impl Servers {
    /// Starts both, or says what is not installed.
    pub fn start() -> Option<Self> {
        let broker = RabbitMq::start("")?;
        let postgres = Mutex::new(Postgres::start()?);
        Some(Self { broker, postgres, sites: AtomicU32::new(0) })
    }
}

/// Where one site's queue and ledger are.
#[derive(Debug, Clone)]
pub struct Backend {
    /// RabbitMQ, or the proxy before it.
    pub broker: SocketAddr,
    /// PostgreSQL, or the proxy before it.
    pub postgres: SocketAddr,
    /// The site's database, and what the names of its queues begin with.
    pub name: String,
}

impl Backend {
    pub(super) fn queue_url(&self) -> String {
        format!("amqp://chiasm@{}/%2f", self.broker)
    }

    pub(super) fn ledger_url(&self) -> String {
        format!("postgres://postgres@{}/{}", self.postgres, self.name)
    }
}

impl Mode<'_> {
    /// A fresh database and fresh names on these servers.
    pub(super) fn backend(self) -> Option<Backend> {
        let Self::Distributed(servers) = self else { return None };
        let name = format!("site{}", servers.sites.fetch_add(1, Ordering::SeqCst));
        let postgres = servers.postgres.lock().expect("nobody failed with it");
        postgres.database(&name);
        Some(Backend {
            broker: servers.broker.address(),
            postgres: SocketAddr::from((Ipv4Addr::LOCALHOST, postgres.port())),
            name,
        })
    }
}
