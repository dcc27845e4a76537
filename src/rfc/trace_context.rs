//! The ids of a trace as numbers: read from `traceparent` (W3C Trace Context, 3.2) or `X-Amzn-Trace-Id` (AWS X-Ray,
//! "Tracing header"), and written in both forms.

/// The id of a trace; never all zero.
pub type TraceId = [u8; 16];
/// The id of a span; never all zero.
pub type SpanId = [u8; 8];

/// What a request says about the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteContext {
    pub trace_id: TraceId,
    /// The span that has sent the request. A load balancer has none.
    pub parent: Option<SpanId>,
    /// Whether the sender records the trace; `None` if it leaves that to others.
    pub is_sampled: Option<bool>,
}

/// The length of a `traceparent`.
pub const TRACEPARENT_LENGTH: usize = 55;
/// The length of the `X-Amzn-Trace-Id` that [`amazon`] writes.
pub const AMAZON_LENGTH: usize = 74;

// === impl RemoteContext ===

impl RemoteContext {
    /// Reads a `traceparent`. Later versions may add fields at its end (W3C Trace Context, 4.3).
    pub fn of_traceparent(value: &[u8]) -> Option<Self> {
        let mut parts = value.splitn(5, |byte| *byte == b'-');
        let [version] = number::<1>(parts.next()?)?;
        let trace_id = number::<16>(parts.next()?)?;
        let parent = number::<8>(parts.next()?)?;
        let [flags] = number::<1>(parts.next()?)?;
        let has_more = parts.next().is_some();
        let is_valid = version != 0xff && (version != 0 || !has_more);
        let is_zero = trace_id == [0; 16] || parent == [0; 8];
        let is_sampled = Some(flags & 1 == 1);
        (is_valid && !is_zero).then_some(Self { trace_id, parent: Some(parent), is_sampled })
    }

    /// Reads an `X-Amzn-Trace-Id`. Its root `1-67891233-abcdef012345678912345678` is the id
    /// `67891233abcdef012345678912345678` everywhere else.
    pub fn of_amazon(value: &[u8]) -> Option<Self> {
        let (mut root, mut parent, mut is_sampled) = (None, None, None);
        for part in value.split(|byte| *byte == b';') {
            let part = part.trim_ascii();
            let at = part.iter().position(|byte| *byte == b'=');
            let Some((name, text)) = at.and_then(|at| part.split_at_checked(at)) else { continue };
            match (name, text.get(1..).unwrap_or_default()) {
                (b"Root", id) if root.is_none() => root = Some(id),
                (b"Parent", id) => parent = number::<8>(id).filter(|id| *id != [0; 8]),
                (b"Sampled", b"1") => is_sampled = Some(true),
                (b"Sampled", b"0") => is_sampled = Some(false),
                _ => {}
            }
        }
        let (epoch, unique) = root?.strip_prefix(b"1-")?.split_at_checked(8)?;
        let (epoch, unique) = (number::<4>(epoch)?, number::<12>(unique.strip_prefix(b"-")?)?);
        let mut trace_id = [0; 16];
        let (begin, end) = trace_id.split_at_mut(4);
        begin.copy_from_slice(&epoch);
        end.copy_from_slice(&unique);
        (trace_id != [0; 16]).then_some(Self { trace_id, parent, is_sampled })
    }
}

/// Writes a `traceparent`: `parent` is the span that sends the request.
pub fn traceparent(
    trace_id: TraceId,
    parent: SpanId,
    is_sampled: bool,
) -> [u8; TRACEPARENT_LENGTH] {
    let flags: &[u8] = if is_sampled { b"-01" } else { b"-00" };
    let (trace_id, parent) = (hex::<32>(&trace_id), hex::<16>(&parent));
    joined([b"00-", &trace_id, b"-", &parent, flags])
}

/// Writes an `X-Amzn-Trace-Id`: `parent` is the span that sends the request.
pub fn amazon(trace_id: TraceId, parent: SpanId, is_sampled: bool) -> [u8; AMAZON_LENGTH] {
    let sampled: &[u8] = if is_sampled { b";Sampled=1" } else { b";Sampled=0" };
    let (trace_id, parent) = (hex::<32>(&trace_id), hex::<16>(&parent));
    let (epoch, unique) = trace_id.split_at(8);
    joined([b"Root=1-", epoch, b"-", unique, b";Parent=", &parent, sampled])
}

/// Returns an id as lowercase hex digits.
pub fn hex<const LENGTH: usize>(id: &[u8]) -> [u8; LENGTH] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; LENGTH];
    for (pair, byte) in text.chunks_exact_mut(2).zip(id) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = DIGITS.get(usize::from(value)).copied().unwrap_or_default();
        }
    }
    text
}

/// Reads exactly this many bytes as lowercase hex digits.
fn number<const LENGTH: usize>(text: &[u8]) -> Option<[u8; LENGTH]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * LENGTH {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Puts parts behind each other that have this length in all.
fn joined<const LENGTH: usize, const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; LENGTH] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), LENGTH);
    let mut made = [b'-'; LENGTH];
    let bytes = parts.into_iter().flatten();
    for (place, byte) in made.iter_mut().zip(bytes) {
        *place = *byte;
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";
    const ROOT: &str = "Root=1-0af76519-16cd43dd8448eb211c80319c";

    fn trace_id() -> TraceId {
        number(TRACE.as_bytes()).unwrap()
    }

    fn span() -> SpanId {
        number(SPAN.as_bytes()).unwrap()
    }

    #[test]
    fn traceparents() {
        let read = |value: String| RemoteContext::of_traceparent(value.as_bytes());
        let context = |is_sampled| {
            let is_sampled = Some(is_sampled);
            Some(RemoteContext { trace_id: trace_id(), parent: Some(span()), is_sampled })
        };
        for (value, expected) in [
            (format!("00-{TRACE}-{SPAN}-01"), context(true)),
            (format!("00-{TRACE}-{SPAN}-00"), context(false)),
            (format!("00-{TRACE}-{SPAN}-03"), context(true)),
            (format!("cc-{TRACE}-{SPAN}-01"), context(true)),
            (format!("cc-{TRACE}-{SPAN}-01-more-of-it"), context(true)),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("0-{TRACE}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{TRACE}-{SPAN}"), None),
            (format!("00-{TRACE}-{SPAN}-"), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00-{TRACE}0-{SPAN}-01"), None),
            (String::new(), None),
        ] {
            assert_eq!(read(value.clone()), expected, "{value}");
        }
    }

    #[test]
    fn headers_of_amazon() {
        let read = |value: &str| RemoteContext::of_amazon(value.as_bytes());
        let context = |parent: Option<SpanId>, is_sampled| {
            Some(RemoteContext { trace_id: trace_id(), parent, is_sampled })
        };
        for (value, expected) in [
            (ROOT.to_owned(), context(None, None)),
            (format!("Self=1-a-b; {ROOT}"), context(None, None)),
            (format!("{ROOT};Parent={SPAN};Sampled=1"), context(Some(span()), Some(true))),
            (
                format!("{ROOT};Parent={SPAN};Sampled=0 ;Lineage=a:1"),
                context(Some(span()), Some(false)),
            ),
            (format!("{ROOT};Parent={SPAN};Sampled=?"), context(Some(span()), None)),
            (format!("{ROOT};Parent={}", "0".repeat(16)), context(None, None)),
            (format!("{ROOT};Parent=short"), context(None, None)),
            (ROOT.replace("1-", "2-"), None),
            (format!("{ROOT}0"), None),
            (ROOT.replace("0af7", "0AF7"), None),
            (format!("Root=1-{}-{}", "0".repeat(8), "0".repeat(24)), None),
            ("Root=1-0af76519".to_owned(), None),
            ("Self=1-0af76519-16cd43dd8448eb211c80319c".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(read(&value), expected, "{value}");
        }
    }

    #[test]
    fn both_forms_are_written() {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let (trace_id, span) = (trace_id(), span());
        assert_eq!(text(&traceparent(trace_id, span, true)), format!("00-{TRACE}-{SPAN}-01"));
        assert_eq!(text(&amazon(trace_id, span, false)), format!("{ROOT};Parent={SPAN};Sampled=0"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            trace_id: TraceId,
            span: SpanId,
            is_sampled: bool,
        ) {
            let parent = Some(span).filter(|id| *id != [0; 8]);
            let expected = Some(RemoteContext { trace_id, parent, is_sampled: Some(is_sampled) })
                .filter(|_| trace_id != [0; 16]);
            let read = RemoteContext::of_amazon(&amazon(trace_id, span, is_sampled));
            prop_assert_eq!(read, expected);
            let read = RemoteContext::of_traceparent(&traceparent(trace_id, span, is_sampled));
            prop_assert_eq!(read, expected.filter(|_| parent.is_some()));
        }

        #[test]
        fn nothing_panics(value: Vec<u8>) {
            let _ = RemoteContext::of_traceparent(&value);
            let _ = RemoteContext::of_amazon(&value);
        }
    }
}
