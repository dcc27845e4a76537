//! Reads the sections of a PEM file (RFC 7468). It accepts line ends that were changed by a variable, an editor or a
//! secret store. Error messages are constants, so none can contain a byte of the file, which may be a private key.

use memchr::memmem::find;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// What is wrong with a file. A constant, so that it cannot contain anything from the file.
pub(super) type PemFault = &'static str;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Longer than any label in use.
const MAX_LABEL: usize = 64;
/// Base64 characters in a line (RFC 7468, 2).
const LINE_LENGTH: usize = 64;

/// The contents of a section, by its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PemLabel {
    Certificate,
    /// A private key without a passphrase, unless its headers say otherwise.
    Key(KeyFormat),
    EncryptedKey,
    OpenSshKey,
    DsaKey,
    PublicKey,
    Parameters,
    Request,
    Pkcs7,
    TrustedCertificate,
    Other,
}

/// The format of a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyFormat {
    Pkcs8,
    Pkcs1,
    Sec1,
}

/// A section whose contents are not decoded yet. It is not `Debug`, because it may be a private key.
pub(super) struct PemSection<'a> {
    pub(super) label: PemLabel,
    body: &'a [u8],
}

/// Returns the sections of a file in order. Text around them is ignored.
pub(super) fn sections(file: &[u8]) -> Result<Vec<PemSection<'_>>, PemFault> {
    let mut rest = file;
    let mut sections = Vec::new();
    while let Some(at) = find(rest, BEGIN) {
        rest = rest.get(at + BEGIN.len()..).unwrap_or_default();
        let end = find(rest, DASHES).filter(|end| *end <= MAX_LABEL);
        let (label, after) =
            end.and_then(|end| rest.split_at_checked(end)).ok_or(DAMAGED_MARKER)?;
        let after = after.get(DASHES.len()..).unwrap_or_default();
        let end = find(after, DASHES).ok_or(NO_END)?;
        let (body, closing) = after.split_at_checked(end).ok_or(NO_END)?;
        let closing = closing.strip_prefix(END).ok_or(NO_END)?;
        let closing = closing.strip_prefix(label).ok_or(OTHER_END)?;
        rest = closing.strip_prefix(DASHES).ok_or(DAMAGED_MARKER)?;
        sections.push(PemSection { label: label_of(label), body });
    }
    match not_pem(file).filter(|_| sections.is_empty()) {
        Some(fault) => Err(fault),
        None => Ok(sections),
    }
}

fn label_of(label: &[u8]) -> PemLabel {
    match label {
        b"CERTIFICATE" | b"X509 CERTIFICATE" => PemLabel::Certificate,
        b"PRIVATE KEY" => PemLabel::Key(KeyFormat::Pkcs8),
        b"RSA PRIVATE KEY" => PemLabel::Key(KeyFormat::Pkcs1),
        b"EC PRIVATE KEY" => PemLabel::Key(KeyFormat::Sec1),
        b"ENCRYPTED PRIVATE KEY" => PemLabel::EncryptedKey,
        b"OPENSSH PRIVATE KEY" | b"SSH2 ENCRYPTED PRIVATE KEY" => PemLabel::OpenSshKey,
        b"DSA PRIVATE KEY" => PemLabel::DsaKey,
        b"PUBLIC KEY" | b"RSA PUBLIC KEY" | b"EC PUBLIC KEY" | b"SSH2 PUBLIC KEY" => {
            PemLabel::PublicKey
        }
        b"EC PARAMETERS" | b"DH PARAMETERS" | b"X9.42 DH PARAMETERS" | b"DSA PARAMETERS" => {
            PemLabel::Parameters
        }
        b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST" => PemLabel::Request,
        b"PKCS7" | b"PKCS #7 SIGNED DATA" | b"CMS" => PemLabel::Pkcs7,
        b"TRUSTED CERTIFICATE" => PemLabel::TrustedCertificate,
        _ => PemLabel::Other,
    }
}

const DAMAGED_MARKER: PemFault = "one of its lines that begin with -----BEGIN or -----END is damaged: \
                               write the file again from its source";
const NO_END: PemFault =
    "a -----BEGIN line has no -----END line: the file is truncated, write it again from its source";
const OTHER_END: PemFault = "an -----END line does not match the -----BEGIN line before it: \
                          write the file again from its source";
const NOT_BASE64: PemFault = "the text between its -----BEGIN and -----END lines is not base64: write \
    the file again from its source";
const BAD_BASE64: PemFault = "the text between its -----BEGIN and -----END lines is incomplete or too \
    long: write the file again from its source";
const EMPTY: PemFault = "it is empty between its -----BEGIN and -----END lines: write the file again \
                      from its source";
/// For the format of OpenSSL before 1.0, with `Proc-Type` and `DEK-Info` before the contents.
pub(super) const PASSPHRASE: PemFault = "it has a passphrase, which is not supported: write the key \
                                      without one (openssl pkey -in OLD -out NEW)";
const HEADERS: PemFault = "it has header lines, which are not supported: write it without them (openssl pkey \
                        -in OLD -out NEW)";

/// Guesses the format of a file without a section.
fn not_pem(file: &[u8]) -> Option<PemFault> {
    let text = file.trim_ascii();
    match text {
        [] => Some("it is empty: write the PEM text into it"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it is UTF-16 text: save it as UTF-8 or ASCII"),
        [b'-', 0, ..] | [0, b'-', ..] => Some("it is UTF-16 text: save it as UTF-8 or ASCII"),
        [0xfe, 0xed, 0xfe, 0xed, ..] => Some(
            "it is a Java key store: convert it to PEM (keytool -importkeystore, then openssl pkcs12)",
        ),
        [0x30, rest @ ..] if !text.is_ascii() => Some(match is_pkcs12(rest) {
            true => {
                "it is PKCS#12 (.p12, .pfx): convert it to PEM (openssl pkcs12 -nodes -in OLD -out NEW)"
            }
            false => {
                "it is DER: convert it to PEM (openssl x509 or openssl pkey, -inform DER -in OLD -out NEW)"
            }
        }),
        // The base64 of -----BEGIN.
        text if text.starts_with(b"LS0tLS1CRUdJT") => Some(
            "it is PEM encoded with base64 once more, as in a Kubernetes manifest: decode it (base64 -d)",
        ),
        text if find(text, b"BEGIN").is_some() => Some(DAMAGED_MARKER),
        _ => None,
    }
}

/// Whether version 3 is the first element of the outer sequence (RFC 7292, 4).
fn is_pkcs12(behind_tag: &[u8]) -> bool {
    let length = match behind_tag.first() {
        Some(long @ 0x81..=0x84) => usize::from(long & 0x7f) + 1,
        _ => 1,
    };
    behind_tag.get(length..).is_some_and(|inner| inner.starts_with(&[2, 1, 3]))
}

// === impl PemSection ===

impl PemSection<'_> {
    /// Decodes the contents. Line ends may be missing, or be replaced by spaces or by `\n` as text. None of these
    /// characters is base64, so the contents are unambiguous.
    pub(super) fn decode(&self) -> Result<Vec<u8>, PemFault> {
        let headers = self.body.contains(&b':');
        if headers && find(self.body, b"ENCRYPTED").is_some() {
            return Err(PASSPHRASE);
        }
        if headers {
            return Err(HEADERS);
        }
        // The label is of a kind that the decoder knows, whatever the section is.
        let mut text = b"-----BEGIN CERTIFICATE-----\n".to_vec();
        for line in base64(self.body)?.chunks(LINE_LENGTH) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text.extend_from_slice(b"-----END CERTIFICATE-----\n");
        // The errors of the decoder repeat its input.
        match CertificateDer::from_pem_slice(&text) {
            Ok(der) if !der.is_empty() => Ok(der.to_vec()),
            Ok(_) | Err(_) => Err(BAD_BASE64),
        }
    }
}

/// Keeps only the base64 characters.
fn base64(body: &[u8]) -> Result<Vec<u8>, PemFault> {
    let mut text = Vec::with_capacity(body.len());
    let mut rest = body.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => text.push(byte),
            byte if byte.is_ascii_whitespace() || byte == 0x0b => {}
            // `\n`, `\r\n`, and those with more than one backslash, which repeated quoting produces.
            b'\\' => {
                let mut escaped = rest.next();
                while escaped == Some(&b'\\') {
                    escaped = rest.next();
                }
                if !matches!(escaped, None | Some(b'n' | b'r' | b't' | b'\n' | b'\r')) {
                    return Err(NOT_BASE64);
                }
            }
            _ => return Err(NOT_BASE64),
        }
    }
    if text.is_empty() { Err(EMPTY) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three bytes are four letters.
    const BODY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n\
                        4lgOEePzNm0tRgeLezV6ffAt0gun";

    fn decoded(text: &str) -> Result<Vec<u8>, PemFault> {
        let sections = sections(text.as_bytes())?;
        assert_eq!(sections.len(), 1, "{text}");
        sections[0].decode()
    }

    fn key(body: &str) -> String {
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    #[test]
    fn lost_line_ends_are_read() {
        let text = key(BODY);
        let expected = decoded(&text).unwrap();
        assert_eq!(expected.len(), 69);
        for (what, changed) in [
            ("spaces", text.replace('\n', " ")),
            ("nothing", text.replace('\n', "")),
            ("\\n", text.replace('\n', "\\n")),
            ("\\r\\n", text.replace('\n', "\\r\\n")),
            ("\\\\n", text.replace('\n', "\\\\n")),
            ("a backslash at the end of each line", text.replace('\n', "\\\n")),
            ("CRLF", text.replace('\n', "\r\n")),
            ("CR", text.replace('\n', "\r")),
            ("a byte order mark", format!("\u{feff}{text}")),
            ("quotes", format!("\"{}\"", text.replace('\n', "\\n"))),
            ("text around", format!("Bag Attributes: a\n{text}# b\n")),
            ("indentation", text.replace('\n', "\n    ")),
        ] {
            assert_eq!(decoded(&changed), Ok(expected.clone()), "{what}");
        }
    }

    #[test]
    fn each_pem_fault_has_its_own_message() {
        let text = key(BODY);
        for (changed, expected) in [
            (text[..100].to_owned(), NO_END),
            (text.replace("-----END PRIVATE KEY-----", ""), NO_END),
            (text.replace("END PRIVATE", "END EC PRIVATE"), OTHER_END),
            (text.replace("KEY-----\n", "KEY---\n"), DAMAGED_MARKER),
            (text.replace("4lgO", "4l!O"), NOT_BASE64),
            (text.replace("4lgO", "4l\\O"), NOT_BASE64),
            (text.replace("4lgO", "4=gO"), BAD_BASE64),
            (key(""), EMPTY),
            (key("DEK-Info: AES-256-CBC,00\n\nAAAA"), HEADERS),
            (key("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA"), PASSPHRASE),
            ("\u{2014}BEGIN PRIVATE KEY\u{2014}".to_owned(), DAMAGED_MARKER),
            ("-----BEGINPRIVATEKEY-----".to_owned(), DAMAGED_MARKER),
        ] {
            assert_eq!(decoded(&changed), Err(expected), "{changed}");
        }
        let instead = |file: &[u8]| sections(file).err().unwrap_or_default();
        assert!(instead(b" \n").contains("it is empty"));
        assert!(instead(b"\xff\xfe-\0-\0").contains("UTF-16"));
        assert!(instead(b"-\0-\0").contains("UTF-16"));
        assert!(instead(b"\xfe\xed\xfe\xed\0").contains("Java"));
        assert!(instead(b"\x30\x82\x01\x22\x02\x01\x03\xff").contains("PKCS#12"));
        assert!(instead(b"\x30\x82\x01\x22\x02\x01\x00\xff").contains("DER"));
        assert!(instead(b"LS0tLS1CRUdJTiBQUklWQVRF").contains("once more"));
        assert!(sections(b"no PEM").is_ok_and(|sections| sections.is_empty()));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("-----BEGIN "), Just("-----END "), Just("-----"), Just("PRIVATE KEY"),
                    Just("CERTIFICATE"), Just("\n"), Just("\\n"), Just("AAAA"), Just("="), Just(":"),
                ],
                0..12,
            ),
            bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            for file in [parts.concat().into_bytes(), bytes] {
                for section in sections(&file).unwrap_or_default() {
                    let _ = section.decode();
                }
            }
        }
    }
}
