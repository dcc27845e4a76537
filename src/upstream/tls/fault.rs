//! Explains why TLS to a server failed, and what to do.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of rustls grow; what has no sentence of its own here is shown as rustls says it"
)]

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage};

use crate::{
    error::{Error, FailureKind},
    rfc::date,
};

/// Returns the error of a handshake that has failed.
pub(super) fn in_handshake(error: &io::Error) -> Error {
    if let Some(fault) = fault(error) {
        return explained(fault);
    }
    let text = match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the server closed the connection during the TLS handshake: its log may say why"
                .to_owned()
        }
        _ => format!("the TLS handshake failed: {error}"),
    };
    Error::io(FailureKind::UpstreamTls, io::Error::new(error.kind(), text))
}

/// Returns the error if a read has failed because of TLS. In TLS 1.3 a server refuses the client's certificate only
/// then (RFC 8446, 4.4.2.4).
pub(in crate::upstream) fn after_handshake(error: &io::Error) -> Option<Error> {
    fault(error).map(explained)
}

fn fault(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

fn explained(fault: &TlsError) -> Error {
    let (kind, text) = match fault {
        TlsError::InvalidCertificate(fault) => {
            (FailureKind::UpstreamCertificate, certificate(fault))
        }
        fault => (FailureKind::UpstreamTls, other(fault)),
    };
    // This kind of cause makes the error a lasting one.
    Error::io(kind, io::Error::new(ErrorKind::InvalidData, text))
}

fn certificate(fault: &CertificateError) -> String {
    match fault {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the certificate expired on {}: renew it", date::format(not_after.as_secs()))
        }
        CertificateError::Expired => "the certificate has expired: renew it".into(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the certificate is not valid before {}: check the clocks of this machine and of the one that issued it",
            date::format(not_before.as_secs())
        ),
        CertificateError::BadEncoding => {
            "the certificate is damaged, or of a kind that is not supported: have another one issued".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not for servers (extendedKeyUsage): have one issued for serverAuth".into()
        }
        CertificateError::Other(other) => other.to_string(),
        fault => format!("the certificate is not valid: {fault}"),
    }
}

fn other(fault: &TlsError) -> String {
    match fault {
        TlsError::AlertReceived(alert) => alerted(*alert),
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS at this port: write http:// in its URL, or the port that has TLS".into()
        }
        TlsError::PeerIncompatible(fault) => format!(
            "the server supports nothing that Sideman does ({fault:?}): enable TLS 1.2 or 1.3 with a modern cipher \
             suite there"
        ),
        TlsError::NoApplicationProtocol => {
            "the server does not accept http/1.1 by ALPN: enable it there".into()
        }
        fault => format!("the TLS handshake failed: {fault}"),
    }
}

/// Explains an alert that the server has sent (RFC 8446, 6.2).
fn alerted(alert: AlertDescription) -> String {
    const REFUSED: &str = "check that upstream.tls_client_certificate was issued by the authority that the server trusts";
    let advice = match alert {
        AlertDescription::CertificateRequired => {
            "the server demands a client certificate: set upstream.tls_client_certificate"
        }
        AlertDescription::ProtocolVersion => {
            "the server supports no version of TLS that Sideman does: enable TLS 1.2 or 1.3 there"
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            return format!(
                "the server refused the client certificate (alert {alert:?}): {REFUSED}"
            );
        }
        AlertDescription::CertificateExpired | AlertDescription::CertificateRevoked => {
            "the server refused the client certificate, because it has expired or was revoked: renew it"
        }
        AlertDescription::HandshakeFailure => {
            "the server refused the handshake: it may demand a client certificate (upstream.tls_client_certificate), \
             or have no common version or cipher suite"
        }
        AlertDescription::UnrecognisedName => {
            "the server has no certificate for this name: write its host in the URL, or set upstream.tls_server_name"
        }
        AlertDescription::NoApplicationProtocol => {
            "the server does not accept http/1.1 by ALPN: enable it there"
        }
        alert => {
            return format!(
                "the server ended the TLS handshake (alert {alert:?}): its log may say why"
            );
        }
    };
    advice.into()
}
