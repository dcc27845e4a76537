//! Content codings (RFC 9110, 8.4 and 12.5.3): which ones a client accepts, and which of several representations it
//! prefers.

use std::cmp::Reverse;

use super::request_parts::{FieldName, Headers};

/// A coding in which a representation may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// No coding.
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

/// The quality that a client gives to each coding, in thousandths; 0 is a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedCodings {
    identity: u16,
    gzip: u16,
    brotli: u16,
    zstd: u16,
}

/// The qualities as listed in the fields.
struct ListedCodings {
    identity: u16,
    gzip: u16,
    brotli: u16,
    zstd: u16,
    /// `*`: every coding that is not listed.
    others: u16,
}

/// Larger than any quality, so that the lower of two mentions is always a listed one.
const UNLISTED: u16 = u16::MAX;
/// The weight if none is given, and the highest possible one (RFC 9110, 12.4.2).
const MAX_QUALITY: u16 = 1000;

/// Returns the index of the representation that the client prefers: the smallest of those with the highest quality, and
/// among equally small ones the one without a coding. `None` if it accepts none of them (406).
///
/// ```
/// use sideman::rfc::encoding::{choose, AcceptedCodings, Coding};
/// let headers = sideman::rfc::request_parts::Headers::from_iter([("accept-encoding", "gzip, br;q=0.9")]);
/// let available = [(Coding::Identity, 900), (Coding::Brotli, 200), (Coding::Gzip, 300)];
/// assert_eq!(choose(AcceptedCodings::of(&headers), available.into_iter()), Some(2));
/// ```
pub fn choose(
    accepted: AcceptedCodings,
    available: impl Iterator<Item = (Coding, u64)>,
) -> Option<usize> {
    let mut best = None;
    for (index, (coding, size)) in available.enumerate() {
        let quality = accepted.quality(coding);
        if quality == 0 {
            continue;
        }
        let rank = (Reverse(quality), size, coding != Coding::Identity);
        if best.is_none_or(|(lowest, _)| rank < lowest) {
            best = Some((rank, index));
        }
    }
    best.map(|(_, index)| index)
}

// === impl Coding ===

impl Coding {
    /// Returns the name in `Accept-Encoding` and `Content-Encoding`.
    pub fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Returns the suffix of a file's name with this coding.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => ".gz",
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
        }
    }
}

// === impl AcceptedCodings ===

impl AcceptedCodings {
    /// The qualities if a client sends no field. It accepts anything (RFC 9110, 12.5.3), but as it may be a very simple
    /// client, a coding is used only if nothing else is available.
    pub const NO_FIELD: Self = Self { identity: MAX_QUALITY, gzip: 1, brotli: 1, zstd: 1 };

    /// Parses the `Accept-Encoding` fields. Malformed members are skipped; if a coding is mentioned twice, the lower
    /// quality counts.
    ///
    /// The RFC gives no quality to identity if it is acceptable without being listed. It then gets the quality of `*`,
    /// or else that of the coding that the client likes least. So the codings that the client asks for come first, and
    /// among equals the size decides.
    pub fn of(headers: &Headers) -> Self {
        let mut fields = headers.get_all(FieldName::AcceptEncoding).peekable();
        if fields.peek().is_none() {
            return Self::NO_FIELD;
        }
        let mut listed = ListedCodings {
            identity: UNLISTED,
            gzip: UNLISTED,
            brotli: UNLISTED,
            zstd: UNLISTED,
            others: UNLISTED,
        };
        for field in fields {
            for member in field.split(|byte| *byte == b',') {
                listed.add(member);
            }
        }
        listed.into()
    }

    /// Returns the quality in thousandths; 0 if the coding must not be used.
    pub fn quality(self, coding: Coding) -> u16 {
        match coding {
            Coding::Identity => self.identity,
            Coding::Gzip => self.gzip,
            Coding::Brotli => self.brotli,
            Coding::Zstd => self.zstd,
        }
    }
}

impl From<ListedCodings> for AcceptedCodings {
    fn from(listed: ListedCodings) -> Self {
        let ListedCodings { identity, gzip, brotli, zstd, others } = listed;
        let or = |quality, otherwise| if quality == UNLISTED { otherwise } else { quality };
        let min = [gzip, brotli, zstd]
            .into_iter()
            .filter(|quality| *quality != UNLISTED && *quality > 0)
            .min()
            .unwrap_or(MAX_QUALITY);
        let coded = or(others, 0);
        Self {
            identity: or(identity, or(others, min)),
            gzip: or(gzip, coded),
            brotli: or(brotli, coded),
            zstd: or(zstd, coded),
        }
    }
}

// === impl ListedCodings ===

impl ListedCodings {
    /// Adds one member of the list: `codings [ OWS ";" OWS "q=" qvalue ]`.
    fn add(&mut self, member: &[u8]) {
        let mut pieces = member.splitn(2, |byte| *byte == b';');
        let token = pieces.next().unwrap_or_default();
        let quality = match pieces.next() {
            None => MAX_QUALITY,
            Some(text) => match weight(text) {
                Some(quality) => quality,
                None => return,
            },
        };
        // Codings are case-insensitive; x-gzip is an old name (RFC 9110, 8.4.1).
        let token = token.trim_ascii();
        let is = |name: &[u8]| token.eq_ignore_ascii_case(name);
        let known = match token.len() {
            1 if is(b"*") => &mut self.others,
            2 if is(b"br") => &mut self.brotli,
            4 if is(b"gzip") => &mut self.gzip,
            4 if is(b"zstd") => &mut self.zstd,
            6 if is(b"x-gzip") => &mut self.gzip,
            8 if is(b"identity") => &mut self.identity,
            _ => return,
        };
        *known = quality.min(*known);
    }
}

/// Parses `OWS "q=" qvalue OWS` into thousandths (RFC 9110, 12.4.2).
pub(super) fn weight(text: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = text.trim_ascii() else { return None };
    let (whole, digits) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = digits.get(place).unwrap_or(&b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(MAX_QUALITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity, Zstd};
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn accepted(fields: &[&[u8]]) -> AcceptedCodings {
        AcceptedCodings::of(&fields.iter().map(|field| ("accept-encoding", field)).collect())
    }

    #[test]
    fn qualities() {
        // Identity, gzip, br, zstd.
        let cases: &[(&[&str], [u16; 4])] = &[
            (&[], [1000, 1, 1, 1]),
            (&[""], [1000, 0, 0, 0]),
            (&[" , ,"], [1000, 0, 0, 0]),
            (&["gzip, deflate, br, zstd"], [1000, 1000, 1000, 1000]),
            (&["gzip, deflate"], [1000, 1000, 0, 0]),
            (&["gzip", "br"], [1000, 1000, 1000, 0]),
            (&["GZip,BR"], [1000, 1000, 1000, 0]),
            (&["x-gzip"], [1000, 1000, 0, 0]),
            (&["deflate"], [1000, 0, 0, 0]),
            (&["identity"], [1000, 0, 0, 0]),
            // Weights.
            (&["gzip;q=0.5, br;q=0.9"], [500, 500, 900, 0]),
            (&["gzip ; q=0.5 , br\t;\tQ=0.25"], [250, 500, 250, 0]),
            (&["br;q=1.000, gzip;q=0.001, zstd;q=1."], [1, 1, 1000, 1000]),
            (&["br;q=0.12, gzip;q=0."], [120, 0, 120, 0]),
            (&["gzip;q=0"], [1000, 0, 0, 0]),
            (&["gzip;q=0.000, identity;q=0.3"], [300, 0, 0, 0]),
            (&["deflate;q=0.1, gzip"], [1000, 1000, 0, 0]),
            // Identity is acceptable unless it is refused.
            (&["identity;q=0"], [0, 0, 0, 0]),
            (&["gzip, identity;q=0"], [0, 1000, 0, 0]),
            (&["gzip, *;q=0"], [0, 1000, 0, 0]),
            (&["*;q=0"], [0, 0, 0, 0]),
            (&["identity;q=0.5, *;q=0"], [500, 0, 0, 0]),
            (&["*;q=0, identity"], [1000, 0, 0, 0]),
            // The others.
            (&["*"], [1000, 1000, 1000, 1000]),
            (&["*;q=0.5"], [500, 500, 500, 500]),
            (&["gzip;q=0.2, *;q=0.7"], [700, 200, 700, 700]),
            (&["br;q=0, *"], [1000, 1000, 0, 1000]),
            (&["identity;q=0, *;q=0.4"], [0, 400, 400, 400]),
            // Twice: a refusal counts.
            (&["gzip, gzip;q=0.4"], [400, 400, 0, 0]),
            (&["gzip;q=0, x-gzip"], [1000, 0, 0, 0]),
            // Malformed members are skipped.
            (&["br;q=2, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=1.001, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=0.1234, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=.5, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=00.5, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=-1, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=, gzip"], [1000, 1000, 0, 0]),
            (&["br;q, gzip"], [1000, 1000, 0, 0]),
            (&["br;, gzip"], [1000, 1000, 0, 0]),
            (&["br;q =1, gzip"], [1000, 1000, 0, 0]),
            (&["br;q= 1, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=0.5;x=1, gzip"], [1000, 1000, 0, 0]),
            (&["br;level=5, gzip"], [1000, 1000, 0, 0]),
            (&["br;q=0,5, gzip"], [1000, 1000, 0, 0]),
            (&["b r, gzip"], [1000, 1000, 0, 0]),
            (&[";q=0, gzip"], [1000, 1000, 0, 0]),
            (&["gzip br"], [1000, 0, 0, 0]),
        ];
        for (fields, expected) in cases {
            let bytes: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            let accepted = accepted(&bytes);
            let received = [Identity, Gzip, Brotli, Zstd].map(|coding| accepted.quality(coding));
            assert_eq!(received, *expected, "{fields:?}");
        }
    }

    #[test]
    fn the_best_is_chosen() {
        let all = [(Identity, 900), (Gzip, 300), (Brotli, 200), (Zstd, 250)];
        type Available<'a> = &'a [(Coding, u64)];
        let cases: &[(&str, Available<'_>, Option<Coding>)] = &[
            ("gzip, deflate, br, zstd", &all, Some(Brotli)),
            ("gzip, zstd", &all, Some(Zstd)),
            ("gzip", &all, Some(Gzip)),
            ("deflate", &all, Some(Identity)),
            ("", &all, Some(Identity)),
            ("gzip;q=0.9, br;q=0.8", &all, Some(Gzip)),
            ("gzip;q=0.5", &all, Some(Gzip)),
            ("identity, gzip;q=0.5", &all, Some(Identity)),
            ("identity;q=0.5, gzip;q=0.6", &all, Some(Gzip)),
            ("*", &all, Some(Brotli)),
            ("br", &[(Identity, 100), (Brotli, 120)], Some(Identity)),
            ("br", &[(Brotli, 100), (Identity, 100)], Some(Identity)),
            ("br, identity;q=0.1", &[(Identity, 100), (Brotli, 120)], Some(Brotli)),
            ("br, identity;q=0", &[(Identity, 100)], None),
            ("*;q=0", &all, None),
            ("gzip, *;q=0", &all, Some(Gzip)),
            ("gzip", &[(Brotli, 100)], None),
            ("gzip", &[], None),
        ];
        for (field, available, expected) in cases {
            let accepted = accepted(&[field.as_bytes()]);
            let received = choose(accepted, available.iter().copied())
                .and_then(|index| available.get(index))
                .map(|(coding, _)| *coding);
            assert_eq!(received, *expected, "{field:?} of {available:?}");
        }
    }

    #[test]
    fn missing_accept_encoding_prefers_identity() {
        let of = |available: &[(Coding, u64)]| choose(accepted(&[]), available.iter().copied());
        assert_eq!(of(&[(Gzip, 1), (Identity, 900)]), Some(1));
        assert_eq!(of(&[(Gzip, 300), (Brotli, 200)]), Some(1));
    }

    fn coding() -> impl Strategy<Value = Coding> {
        prop_oneof![Just(Identity), Just(Gzip), Just(Brotli), Just(Zstd)]
    }

    proptest! {
        #[test]
        fn nothing_panics(value in proptest::collection::vec(0x20_u8..=0xff, 0..60)) {
            if HeaderValue::from_bytes(&value).is_ok() {
                accepted(&[&value]);
            }
        }

        #[test]
        fn weights_are_read_as_numbers(thousandths in 0_u16..=1000, digits in 0_usize..=3) {
            let cut = [1000, 100, 10, 1][digits];
            let quality = thousandths / cut * cut;
            let text = format!("{:.digits$}", f64::from(quality) / 1000.0);
            let accepted = accepted(&[format!("br;q={text}").as_bytes()]);
            prop_assert_eq!(accepted.quality(Brotli), quality, "{}", text);
        }

        #[test]
        fn a_refused_coding_is_never_chosen(
            refused in coding(),
            others in "((gzip|br|zstd|identity|\\*)(;q=(1|0\\.[0-9]))?,){0,4}",
            is_first: bool,
            sizes: [u16; 4],
        ) {
            let refusal = format!("{};q=0", refused.token());
            let field = if is_first {
                format!("{refusal},{others}")
            } else {
                format!("{others}{refusal}")
            };
            let available: Vec<(Coding, u64)> =
                [Identity, Gzip, Brotli, Zstd].into_iter().zip(sizes.map(u64::from)).collect();
            let accepted = accepted(&[field.as_bytes()]);
            let chosen = choose(accepted, available.iter().copied()).map(|at| available[at]);
            prop_assert_ne!(chosen.map(|(coding, _)| coding), Some(refused), "{}", field);
            if let Some((coding, size)) = chosen {
                for (other, its_size) in available {
                    let (mine, its) = (accepted.quality(coding), accepted.quality(other));
                    prop_assert!(mine > its || (mine == its && size <= its_size));
                }
            }
        }
    }
}
