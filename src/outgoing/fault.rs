//! Why an exchange has failed.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    iter,
    net::SocketAddr,
    time::Duration,
};

use http_body_util::LengthLimitError;

/// Why there is no response. Its text has nothing of the request, whose fields may be secret.
#[derive(Debug)]
pub enum OutgoingError {
    /// Neither http nor https, or without a host.
    Uri,
    /// What is wrong with the certificates of the authorities.
    Authorities(&'static str),
    /// An internal error.
    TlsSettings(rustls::Error),
    Lookup(io::Error),
    NoAddress,
    Connect(SocketAddr, io::Error),
    Tls(io::Error),
    Http(hyper::Error),
    /// The body has more bytes than these.
    TooLong(usize),
    /// There was no complete response within this time.
    Time(Duration),
}

// === impl OutgoingError ===

impl OutgoingError {
    /// Whether the server has ended the connection with an alert of TLS. If it demands a certificate of the client, it
    /// does so during the handshake or, with TLS 1.3, after it.
    pub fn is_tls_alert(&self) -> bool {
        let error: Option<&(dyn Error + 'static)> = if let Self::Tls(error) = self {
            Some(error)
        } else if let Self::Http(error) = self {
            Some(error)
        } else {
            None
        };
        // hyper's error about a request may have another of its own between.
        let mut chain = iter::successors(error, |&error| error.source());
        chain.any(|error| error.downcast_ref().is_some_and(is_alert))
    }

    /// The error of a body that is read up to a maximum.
    pub(super) fn in_body(error: Box<dyn Error + Send + Sync>, max: usize) -> Self {
        match error.downcast::<hyper::Error>() {
            Ok(error) => Self::Http(*error),
            Err(error) => {
                debug_assert!(error.is::<LengthLimitError>(), "the body has no other errors");
                Self::TooLong(max)
            }
        }
    }
}

impl fmt::Display for OutgoingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri => f.write_str("the address is not http:// or https:// with a host"),
            Self::Authorities(fault) => write!(f, "{fault} in the file of authorities"),
            Self::TlsSettings(error) => write!(f, "cannot set up TLS: {error}"),
            Self::Lookup(error) => write!(f, "cannot resolve the name: {error}"),
            Self::NoAddress => f.write_str("the name has no address"),
            Self::Connect(address, error) => write!(f, "cannot connect to {address}: {error}"),
            Self::Tls(error) if error.kind() == ErrorKind::UnexpectedEof => {
                f.write_str("the server closed the connection during the TLS handshake")
            }
            Self::Tls(error) => write!(f, "the TLS handshake failed: {error}"),
            Self::Http(error) => write_with_causes(f, error),
            Self::TooLong(max) => write!(f, "the response has more than {max} bytes"),
            Self::Time(time) => write!(f, "no complete response within {} s", time.as_secs_f32()),
        }
    }
}

impl Error for OutgoingError {}

fn is_alert(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::AlertReceived(_)))
}

/// hyper names the reason as the source of its error.
fn write_with_causes(f: &mut fmt::Formatter<'_>, error: &hyper::Error) -> fmt::Result {
    write!(f, "no valid response: {error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}
