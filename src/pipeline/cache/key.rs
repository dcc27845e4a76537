//! The primary key of a response (RFC 9111, 2): the bytes of the request for the application that may change the
//! response without being among its header fields. Whatever the application gets is in the key, in the same bytes:
//! host, port and path are neither decoded nor converted to another case.

/// What the key consists of.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyFacts<'a> {
    /// The address of the application's first server, or of the object.
    pub(super) server: &'a str,
    pub(super) scheme: &'static str,
    pub(super) host: &'a [u8],
    pub(super) port: u16,
    pub(super) script_name: &'a str,
    /// Path and query.
    pub(super) target: &'a str,
    /// The value of the language cookie. Django chooses a language by it without saying so in `Vary`.
    pub(super) language: &'a [u8],
}

/// Stored responses.
pub(super) const EVERYONE: u8 = 0;
/// Notes about visitors with cookies or credentials.
pub(super) const SOME: u8 = 1;
/// Stored objects of buckets.
pub(super) const OBJECT: u8 = 2;

// === impl KeyFacts ===

impl KeyFacts<'_> {
    /// Returns the bytes of the key. Each part but the last has its length, so that none can reach into another.
    pub(super) fn bytes(&self, kind: u8) -> Box<[u8]> {
        let parts = [
            self.server.as_bytes(),
            self.scheme.as_bytes(),
            self.host,
            self.script_name.as_bytes(),
            self.language,
        ];
        let length = parts.iter().map(|part| part.len() + 4).sum::<usize>() + self.target.len() + 3;
        let mut bytes = Vec::with_capacity(length);
        bytes.push(kind);
        bytes.extend_from_slice(&self.port.to_be_bytes());
        for part in parts {
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(self.target.as_bytes());
        bytes.into_boxed_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FACTS: KeyFacts<'static> = KeyFacts {
        server: "127.0.0.1:8000",
        scheme: "https",
        host: b"example.com",
        port: 443,
        script_name: "",
        target: "/a?b",
        language: b"de",
    };

    #[test]
    fn every_part_makes_another_key() {
        let all = [
            FACTS,
            KeyFacts { server: "127.0.0.1:8001", ..FACTS },
            KeyFacts { scheme: "http", ..FACTS },
            KeyFacts { host: b"Example.com", ..FACTS },
            KeyFacts { host: b"example.com.", ..FACTS },
            KeyFacts { port: 8443, ..FACTS },
            KeyFacts { script_name: "/app", ..FACTS },
            KeyFacts { target: "/A?b", ..FACTS },
            KeyFacts { target: "/%61?b", ..FACTS },
            KeyFacts { language: b"", ..FACTS },
            KeyFacts { language: b"", target: "de/a?b", ..FACTS },
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(one.bytes(EVERYONE), other.bytes(EVERYONE), "{one:?} {other:?}");
            }
            assert_ne!(one.bytes(EVERYONE), one.bytes(SOME));
        }
    }

    proptest! {
        #[test]
        fn no_part_reaches_into_another(
            one in prop::array::uniform3("[ab\0]{0,3}"),
            other in prop::array::uniform3("[ab\0]{0,3}"),
        ) {
            let bytes = |[host, language, target]: &[String; 3]| {
                let facts = KeyFacts {
                    host: host.as_bytes(),
                    language: language.as_bytes(),
                    target,
                    ..FACTS
                };
                facts.bytes(EVERYONE)
            };
            prop_assert_eq!(bytes(&one) == bytes(&other), one == other);
        }
    }
}
