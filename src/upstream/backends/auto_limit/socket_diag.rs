//! Asks the kernel for the unread bytes of a TCP socket that another process in the same network namespace has:
//! `sock_diag(7)`, for exactly one socket. It needs no privileges.

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

use rustix::{
    io,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
    },
};

/// `SOCK_DIAG_BY_FAMILY`, of a question and its answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Header of netlink and `struct inet_diag_req_v2`.
const QUESTION: usize = 16 + 56;
/// Where an answer has `idiag_rqueue`: behind both headers, the addresses and the timer.
const UNREAD_AT: usize = 16 + 4 + 48 + 4;

/// A netlink socket, opened at the first question.
#[derive(Debug, Default)]
pub(super) struct SocketDiag {
    socket: Option<OwnedFd>,
    /// The number of the last question.
    number: u32,
}

// === impl SocketDiag ===

impl SocketDiag {
    /// Returns the unread bytes of the TCP socket with this address and this peer; `None` if there is no such socket in
    /// this network namespace, or if questions are not allowed.
    pub(super) fn unread(&mut self, own: SocketAddr, peer: SocketAddr) -> Option<u32> {
        self.number = self.number.wrapping_add(1);
        let question = question(self.number, own, peer);
        let answer = self.ask(&question);
        if answer.is_err() {
            // Another socket may work, if answers to earlier questions were left in this one.
            self.socket = None;
        }
        let (answer, length) = answer.ok()?;
        unread(answer.get(..length)?, self.number)
    }

    /// The kernel answers before the question is sent.
    fn ask(&mut self, question: &[u8]) -> io::Result<([u8; 512], usize)> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(open()?),
        };
        send(&*socket, question, SendFlags::empty())?;
        let mut answer = [0; 512];
        let (length, _) = recv(&*socket, &mut answer[..], RecvFlags::DONTWAIT)?;
        Ok((answer, length))
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))
}

/// Writes the question for one socket.
fn question(number: u32, own: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(QUESTION);
    bytes.extend_from_slice(&(QUESTION as u32).to_ne_bytes());
    bytes.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes.extend_from_slice(&REQUEST.to_ne_bytes());
    bytes.extend_from_slice(&number.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let family = if own.is_ipv4() { AF_INET } else { AF_INET6 };
    bytes.extend_from_slice(&[family, IPPROTO_TCP, 0, 0]);
    // All states.
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes());
    bytes.extend_from_slice(&own.port().to_be_bytes());
    bytes.extend_from_slice(&peer.port().to_be_bytes());
    for address in [own, peer] {
        match address.ip() {
            IpAddr::V4(ip) => {
                bytes.extend_from_slice(&ip.octets());
                bytes.extend_from_slice(&[0; 12]);
            }
            IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
        }
    }
    // Any interface, and no cookie.
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[0xff; 8]);
    bytes
}

/// Reads the unread bytes from the answer to the question with this number. An error is an answer of another type.
fn unread(answer: &[u8], number: u32) -> Option<u32> {
    let kind = answer.get(4..6)?;
    let answered = answer.get(8..12)?;
    if kind != BY_FAMILY.to_ne_bytes() || answered != number.to_ne_bytes() {
        return None;
    }
    let bytes = answer.get(UNREAD_AT..UNREAD_AT + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn question_has_the_size_that_it_names() {
        for (own, peer) in [("127.0.0.1:80", "127.0.0.1:4000"), ("[::1]:80", "[::1]:4000")] {
            let question = question(1, own.parse().unwrap(), peer.parse().unwrap());
            assert_eq!(question.len(), QUESTION, "{own}");
        }
    }

    #[test]
    fn socket_that_does_not_exist_has_no_answer() {
        let mut diag = SocketDiag::default();
        let (own, peer) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        assert_eq!(diag.unread(own, peer), None);
        // The next question still works.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, peer) = (client.peer_addr().unwrap(), client.local_addr().unwrap());
        assert_eq!(diag.unread(own, peer), Some(0));
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in prop::collection::vec(any::<u8>(), 0..200), number: u32) {
            let _ = unread(&answer, number);
        }
    }
}
