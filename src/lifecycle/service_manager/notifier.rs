//! Reports of the process's state to the service manager: `NOTIFY_SOCKET` of sd_notify(3).

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use crate::config::Environment;

/// How long a report may wait for room in the service manager's queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends reports; does nothing without a service manager.
#[derive(Debug, Default)]
pub(crate) struct Notifier(Option<SocketAddr>);

// === impl Notifier ===

impl Notifier {
    /// Sends to the socket that the environment names.
    pub(super) fn of(environment: &Environment) -> Self {
        let socket = environment.get(OsStr::new("NOTIFY_SOCKET"));
        let socket = socket.filter(|name| !name.is_empty());
        Self(socket.and_then(|name| address(name.as_bytes()).ok()))
    }

    /// Clients can connect.
    pub(in crate::lifecycle) fn ready(&self) {
        self.send("READY=1");
    }

    /// The process ends within this time. The service manager waits as long, whatever its own timeout is.
    pub(in crate::lifecycle) fn stopping(&self, within: Duration) {
        self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", within.as_micros()));
    }

    fn send(&self, state: &str) {
        let Some(address) = &self.0 else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            // The queue may be full for a moment while many units start, but must not hold the process up.
            socket.set_write_timeout(Some(PATIENCE))?;
            socket.send_to_addr(state.as_bytes(), address)
        });
        if let Err(error) = sent {
            tracing::warn!(
                %error,
                state,
                "cannot send the state to NOTIFY_SOCKET, so the service manager does not know it; check that the unit \
                 has Type=notify and NotifyAccess=main"
            );
        }
    }
}

/// A name that begins with `@` is in the abstract namespace.
fn address(name: &[u8]) -> io::Result<SocketAddr> {
    match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(OsStr::from_bytes(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Environment {
        [("NOTIFY_SOCKET".into(), name.into())].into_iter().collect()
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn states_arrive_at_an_abstract_name() {
        let name = format!("sideman-notify-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = Notifier::of(&environment(&format!("@{name}")));
        notifier.ready();
        assert_eq!(received(&socket), "READY=1");
        notifier.stopping(Duration::from_secs(30));
        assert_eq!(received(&socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000");
    }

    #[test]
    fn state_waits_for_room_in_the_queue() {
        let name = format!("sideman-notify-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        let mut filled = 0;
        while filler.send_to_addr(b"other", &address).is_ok() {
            filled += 1;
        }
        let notifier = Notifier::of(&environment(&format!("@{name}")));
        std::thread::scope(|scope| {
            scope.spawn(|| notifier.ready());
            for _ in 0..filled {
                assert_eq!(received(&socket), "other");
            }
            assert_eq!(received(&socket), "READY=1");
        });
    }

    #[test]
    fn nothing_is_sent_without_a_service_manager() {
        assert!(Notifier::of(&environment("")).0.is_none());
        Notifier::of(&Environment::default()).ready();
        assert!(Notifier::of(&Environment::default()).0.is_none());
    }
}
