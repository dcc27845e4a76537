//! The connections of the admin listener, with a limit for each client. If there are too many, the oldest is closed for
//! the new one. A request takes milliseconds, so the oldest is one that sends nothing or reads slowly.

use std::collections::HashMap;

use tokio::task::AbortHandle;

use crate::plan::ClientNetwork;

/// The limit of concurrent connections. Each scraper needs one.
const MAX_CONNECTIONS: usize = 64;
/// The limit of concurrent connections for one client.
const MAX_PER_CLIENT: usize = 16;

/// The open connections, oldest first.
#[derive(Debug, Default)]
pub(super) struct AdminClients(Vec<(ClientNetwork, AbortHandle)>);

// === impl AdminClients ===

impl AdminClients {
    /// Adds a connection. Returns `true` if another was closed for it.
    pub(super) fn enter(&mut self, client: ClientNetwork, connection: AbortHandle) -> bool {
        self.0.retain(|(_, connection)| !connection.is_finished());
        let crowded = self.crowded(client);
        let oldest = self.0.iter().position(|(client, _)| Some(*client) == crowded);
        if let Some(oldest) = oldest {
            let (_, connection) = self.0.remove(oldest);
            connection.abort();
        }
        self.0.push((client, connection));
        oldest.is_some()
    }

    /// Returns the client whose oldest connection must be closed for a new one of `client`, if any.
    fn crowded(&self, client: ClientNetwork) -> Option<ClientNetwork> {
        let mut counts = HashMap::<ClientNetwork, usize>::new();
        for (client, _) in &self.0 {
            *counts.entry(*client).or_default() += 1;
        }
        if counts.get(&client).is_some_and(|count| *count >= MAX_PER_CLIENT) {
            return Some(client);
        }
        let max = || counts.into_iter().max_by_key(|(_, count)| *count);
        if self.0.len() >= MAX_CONNECTIONS { max().map(|(client, _)| client) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, net::Ipv4Addr};

    use super::*;

    fn client(number: u8) -> ClientNetwork {
        ClientNetwork::of(Ipv4Addr::new(192, 0, 2, number).into())
    }

    #[tokio::test]
    async fn client_with_most_connections_loses_its_oldest() {
        let mut clients = AdminClients::default();
        let mut enter = |number| {
            let connection = tokio::spawn(pending::<()>());
            (clients.enter(client(number), connection.abort_handle()), connection)
        };
        let mut many = Vec::new();
        for index in 0..MAX_PER_CLIENT + 3 {
            let (closes, connection) = enter(1);
            assert_eq!(closes, index >= MAX_PER_CLIENT);
            many.push(connection);
        }
        for number in 0..MAX_CONNECTIONS - MAX_PER_CLIENT {
            let (closes, _) = enter(u8::try_from(number).unwrap() + 2);
            assert!(!closes, "{number}");
        }
        let (closes, other) = enter(250);
        assert!(closes);
        for (index, connection) in many.into_iter().enumerate() {
            // The oldest are closed: three for newer ones of their client, and one for another client.
            if index < 4 {
                assert!(connection.await.unwrap_err().is_cancelled(), "{index}");
            } else {
                assert!(!connection.is_finished(), "{index}");
            }
        }
        assert!(!other.is_finished());
    }

    #[tokio::test]
    async fn connections_that_have_ended_count_no_more() {
        let mut clients = AdminClients::default();
        for _ in 0..2 * MAX_CONNECTIONS {
            let connection = tokio::spawn(async {});
            let handle = connection.abort_handle();
            connection.await.unwrap();
            assert!(!clients.enter(client(1), handle));
        }
        assert_eq!(clients.0.len(), 1);
    }
}
