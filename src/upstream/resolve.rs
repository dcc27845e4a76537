//! The application's addresses. A name is looked up when a connection needs it, not at the start;
//! answers are kept for a moment, and the last good one while the resolver fails.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::net::lookup_host;

/// How long an answer is used without asking again: container DNS changes at every deployment.
const FRESH: Duration = Duration::from_secs(5);

/// Remembers one name's addresses.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    answer: RefCell<Option<(Instant, Vec<SocketAddr>)>>,
}

// === impl Resolver ===

impl Resolver {
    /// The addresses of a host, never an empty list.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if let Some((since, addresses)) = &*self.answer.borrow()
            && since.elapsed() < FRESH
        {
            return Ok(addresses.clone());
        }
        let error = match lookup_host((host, port)).await {
            Ok(found) => {
                let addresses: Vec<SocketAddr> = found.collect();
                if !addresses.is_empty() {
                    self.answer.replace(Some((Instant::now(), addresses.clone())));
                    return Ok(addresses);
                }
                io::Error::new(io::ErrorKind::NotFound, "the name has no address")
            }
            Err(error) => error,
        };
        let last_good = self.answer.borrow().as_ref().map(|(_, addresses)| addresses.clone());
        last_good.ok_or(error)
    }

    /// Forgets that the answer is fresh: nothing listened there.
    pub(super) fn doubt(&self) {
        if let Some((since, _)) = &mut *self.answer.borrow_mut()
            && let Some(past) = since.checked_sub(FRESH)
        {
            *since = past;
        }
    }
}
