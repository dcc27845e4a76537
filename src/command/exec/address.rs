//! The address at which the application listens: a unix socket in a directory that only this user may enter, or a port
//! of 127.0.0.1. The port is chosen in any case, for `PORT`.

use std::{
    fs::{self, DirBuilder},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::servers::{AddressKind, AddressWish, ServerProtocol};

/// Where a directory can be made, by preference, after the directory for temporary files.
const PARENTS: [&str; 4] = ["/run", "/tmp", "/dev/shm", "/var/tmp"];
/// The maximum length of a socket's path.
const MAX_PATH: usize = 107;
/// Ports that the system does not use for outgoing connections: one of those could take the port while the application
/// restarts.
const PORTS: std::ops::Range<u16> = 10_000..32_768;
const MAX_TRIES: usize = 64;
const SOCKET: &str = "app.sock";

/// A chosen address. The directory is removed on drop.
#[derive(Debug)]
pub(super) struct ChildAddress {
    directory: Option<PrivateDirectory>,
    port: u16,
}

#[derive(Debug)]
struct PrivateDirectory(PathBuf);

// === impl ChildAddress ===

impl ChildAddress {
    /// Chooses an address. Where no directory can be made, a port takes the place of a socket if it can.
    pub(super) fn choose(wish: AddressWish) -> Result<Self, String> {
        let port = free_port()?;
        let directory = match wish.kind {
            AddressKind::Port => None,
            AddressKind::Socket => match PrivateDirectory::make() {
                None if wish.is_required => {
                    return Err("there is no writable directory for {socket}: set TMPDIR to one with a short \
                                path, or write {host}:{port} in its place"
                        .into());
                }
                made => made,
            },
        };
        Ok(Self { directory, port })
    }

    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(PrivateDirectory::socket)
    }

    pub(super) fn host(&self) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The value of `upstream.url`.
    pub(super) fn url(&self, protocol: ServerProtocol) -> String {
        let scheme = match protocol {
            ServerProtocol::Http => "http",
            ServerProtocol::Uwsgi => "uwsgi",
        };
        match self.socket() {
            Some(path) => format!("{scheme}+unix:{}", path.display()),
            None => format!("{scheme}://{}:{}", self.host(), self.port),
        }
    }
}

// === impl PrivateDirectory ===

impl PrivateDirectory {
    /// Makes a directory where it can. Returns `None` if nothing is writable.
    fn make() -> Option<Self> {
        let temporary = std::env::temp_dir();
        let parents = [temporary.as_path()].into_iter().chain(PARENTS.iter().map(Path::new));
        parents.filter(|parent| parent.is_absolute()).find_map(Self::make_below)
    }

    fn make_below(parent: &Path) -> Option<Self> {
        let name = format!("sideman-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let directory = parent.join(name);
        let path = directory.join(SOCKET);
        // Not every path fits into a URL and into the variables of servers.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let is_usable =
            path.to_str().is_some_and(|path| path.len() <= MAX_PATH && path.chars().all(is_plain));
        let is_made = is_usable && DirBuilder::new().mode(0o700).create(&directory).is_ok();
        is_made.then_some(Self(directory))
    }

    fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a port of 127.0.0.1 that nobody listens at.
fn free_port() -> Result<u16, String> {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let found = (0..MAX_TRIES).map(|_| fastrand::u16(PORTS)).find(is_free);
    found.ok_or_else(|| "there is no free port at 127.0.0.1".into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn socket_is_in_a_private_directory_that_is_removed() {
        let wish = AddressWish { kind: AddressKind::Socket, is_required: true };
        let address = ChildAddress::choose(wish).unwrap();
        let socket = address.socket().unwrap();
        let directory = socket.parent().unwrap().to_owned();
        assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(address.url(ServerProtocol::Http), format!("http+unix:{}", socket.display()));
        assert_eq!(address.url(ServerProtocol::Uwsgi), format!("uwsgi+unix:{}", socket.display()));
        fs::write(socket, "").unwrap();
        drop(address);
        assert!(fs::metadata(directory).is_err());
    }

    #[test]
    fn port_is_one_of_the_machine_itself() {
        let wish = AddressWish { kind: AddressKind::Port, is_required: false };
        let address = ChildAddress::choose(wish).unwrap();
        assert!(PORTS.contains(&address.port()) && address.socket().is_none());
        let url = format!("http://127.0.0.1:{}", address.port());
        assert_eq!(address.url(ServerProtocol::Http), url);
    }

    #[test]
    fn directory_must_fit_into_the_address() {
        for parent in ["/nowhere".to_owned(), format!("/{}", "x".repeat(100)), "/tmp/a,b".into()] {
            assert!(PrivateDirectory::make_below(Path::new(&parent)).is_none(), "{parent}");
        }
    }
}
