//! The section `tls` to the listeners that speak it, if there are any.

use std::path::PathBuf;

use crate::plan::{CertificateFiles, Certificates, Listen, Tls, TlsVersion};

use super::{address, local_path, reader::Reader, repeated::repeated};

const LISTEN: &str = "tls.listen";
const CERTIFICATES: &str = "tls.certificates";
const SELF_SIGNED: &str = "tls.self_signed";

/// Reads the section; `plain` is where no TLS is spoken.
pub(super) fn tls(reader: &mut Reader<'_>, plain: Option<&[Listen]>) -> Option<Option<Tls>> {
    let listen = reader.list(LISTEN, address::endpoint, Listen::to_string);
    let files = reader.list(CERTIFICATES, certificate, show);
    let self_signed = reader.boolean(SELF_SIGNED);
    let min_version = reader.choice("tls.min_version", &[TlsVersion::V12, TlsVersion::V13]);
    let handshake_timeout = reader.duration("tls.handshake_timeout");
    let handshakes = reader.integer("tls.handshakes");
    if let Some(files) = &files {
        for pair in repeated(files.iter().map(show)) {
            let fault = format!("{pair} is here twice: leave one out");
            reader.conflict_of(
                &[CERTIFICATES],
                fault,
                "a certificate is here twice: leave one out",
            );
        }
    }
    let (listen, files, self_signed) = (listen?, files?, self_signed?);
    if let Some(plain) = plain {
        apart(reader, &listen, plain);
    }
    match (listen.is_empty(), files.is_empty(), self_signed) {
        (true, true, false) => return Some(None),
        (true, false, _) => {
            reader.conflict(CERTIFICATES, "tls.listen is none: set it, or leave this out");
            return None;
        }
        (true, true, true) => {
            reader.conflict(SELF_SIGNED, "tls.listen is none: set it, or leave this out");
            return None;
        }
        (false, true, false) => {
            let fault = "there is no certificate: set tls.certificates, or tls.self_signed to true";
            reader.conflict(LISTEN, fault);
            return None;
        }
        (false, false, true) => {
            reader.conflict(SELF_SIGNED, "tls.certificates has some: leave one of the two out");
            return None;
        }
        (false, true, true) | (false, false, false) => {}
    }
    let certificates =
        if self_signed { Certificates::SelfSigned } else { Certificates::Files(files) };
    Some(Some(Tls {
        listen,
        certificates,
        min_version: min_version?,
        handshake_timeout: handshake_timeout?,
        handshakes: handshakes?,
    }))
}

/// One port speaks either.
fn apart(reader: &mut Reader<'_>, tls: &[Listen], plain: &[Listen]) {
    let within = tls.iter().enumerate().any(|(index, one)| {
        let after = tls.get(index + 1..).unwrap_or_default();
        after.iter().any(|other| address::same(one, other))
    });
    if within {
        reader.conflict(LISTEN, "two of these want the same port or socket: leave one out");
    }
    if tls.iter().any(|one| plain.iter().any(|other| address::same(one, other))) {
        reader.conflict(LISTEN, "server.listen has this port or socket: use another");
    }
    if tls.is_empty() && plain.is_empty() {
        let fault = "nothing would be listened at: name an address here, or in tls.listen";
        reader.conflict("server.listen", fault);
    }
}

/// Reads `CERTIFICATE=KEY`.
fn certificate(text: &str) -> Result<CertificateFiles, String> {
    let Some((certificate, key)) = text.split_once('=') else {
        return Err("the = between the certificate's path and the key's is missing".into());
    };
    let read = |what: &str, text: &str| -> Result<PathBuf, String> {
        local_path::file(text).map_err(|fault| format!("in the {what}'s path: {fault}"))
    };
    Ok(CertificateFiles { certificate: read("certificate", certificate)?, key: read("key", key)? })
}

fn show(files: &CertificateFiles) -> String {
    format!("{}={}", files.certificate.display(), files.key.display())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_of_files() {
        let reads = |text: &str, expected: &str| {
            let found = certificate(text).map_or_else(|fault| format!("no: {fault}"), |p| show(&p));
            assert_eq!(found, expected, "{text:?}");
        };
        reads("/tls/a.pem=/tls/a.key", "/tls/a.pem=/tls/a.key");
        reads("/tls/both.pem=/tls/both.pem", "/tls/both.pem=/tls/both.pem");
        let missing = "no: the = between the certificate's path and the key's is missing";
        reads("/tls/a.pem", missing);
        reads("", missing);
        let relative = "the path must be absolute: the / in front is missing";
        reads("a.pem=/a.key", &format!("no: in the certificate's path: {relative}"));
        reads("/a.pem=a.key", &format!("no: in the key's path: {relative}"));
        reads("/a.pem=", "no: in the key's path: it is empty");
        let directory = "this is the path of a directory: write that of a file";
        reads("/tls/=/a.key", &format!("no: in the certificate's path: {directory}"));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "(/[a-z.]{0,3}){0,2}=?(/[a-z.=]{0,3}){0,2}") {
            if let Ok(read) = certificate(&text) {
                prop_assert_eq!(certificate(&show(&read)), Ok(read));
            }
        }
    }
}
