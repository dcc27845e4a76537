//! The coding for a client, by its request and by the time and memory that are left to the worker.

use std::{rc::Rc, time::Instant};

use super::encoding::Encoding;
use crate::{
    compression::MadeCoding,
    pipeline::{request_context::RequestContext, worker_state::WorkerState},
    rfc::{
        conditional,
        encoding::{AcceptedCodings, Coding},
        request_parts::{FieldName, Headers},
        response_lines::ResponseLines,
    },
    telemetry::{CodingLabel, CompressionSkip},
};

/// The codings in the order of preference, if a client likes them equally: the fastest first.
const CODINGS: [(MadeCoding, Coding); 3] = [
    (MadeCoding::Zstd, Coding::Zstd),
    (MadeCoding::Brotli, Coding::Brotli),
    (MadeCoding::Gzip, Coding::Gzip),
];

/// Returns an encoder for the response to a request; `None` if it goes out as it is.
pub(super) fn encoding(local: &WorkerState, context: &RequestContext) -> Option<Encoding> {
    let coding = preferred(AcceptedCodings::of(&context.parts.headers))?;
    let encoding = begin(local, &context.parts.headers, coding);
    match &encoding {
        Ok(_) => local.metrics.compressed(label(coding)).add(1),
        Err(reason) => local.metrics.uncompressed(*reason).add(1),
    }
    encoding.ok()
}

/// Returns the coding for a client, of a response that everyone may get.
pub(in crate::pipeline) fn coding(headers: &Headers) -> Option<MadeCoding> {
    preferred(AcceptedCodings::of(headers))
}

fn begin(
    local: &WorkerState,
    headers: &Headers,
    coding: MadeCoding,
) -> Result<Encoding, CompressionSkip> {
    if is_cross_site_with_session(headers) {
        return Err(CompressionSkip::AnotherSite);
    }
    let encoders = &local.encoders;
    if encoders.share.as_ref().is_some_and(|share| !share.has_some(Instant::now())) {
        return Err(CompressionSkip::Cpu);
    }
    let room = local.app.buffers.reserve_for_response(coding.memory());
    let room = room.ok_or(CompressionSkip::Memory)?;
    let encoder = encoders.take(coding).map_err(|_| CompressionSkip::Memory)?;
    Ok(Encoding { coding, encoder, encoders: Rc::clone(encoders), _room: room })
}

/// Returns the coding that a client likes best, if it likes it no less than none.
fn preferred(accepted: AcceptedCodings) -> Option<MadeCoding> {
    let least = accepted.quality(Coding::Identity).max(1);
    let liked = CODINGS.map(|(made, coding)| (made, accepted.quality(coding)));
    let best = liked.iter().map(|(_, quality)| *quality).max()?;
    let found = liked.iter().find(|(_, quality)| *quality == best && best >= least)?;
    Some(found.0)
}

fn label(coding: MadeCoding) -> CodingLabel {
    match coding {
        MadeCoding::Gzip => CodingLabel::Gzip,
        MadeCoding::Brotli => CodingLabel::Brotli,
        MadeCoding::Zstd => CodingLabel::Zstd,
    }
}

/// Whether another site has made the browser send this request, with the cookies of its user. An attacker who can do
/// that must not learn from lengths what the page says (BREACH).
fn is_cross_site_with_session(headers: &Headers) -> bool {
    headers.get(FieldName::SecFetchSite).is_some_and(|site| site == b"cross-site")
        && (headers.get(FieldName::Cookie).is_some()
            || headers.get(FieldName::Authorization).is_some())
}

/// Whether the client has the compressed form of the response that a 304 confirms: it asks with the weak form of the
/// tag.
pub(super) fn has_weak_form(context: &RequestContext, lines: &ResponseLines) -> bool {
    let headers = &context.parts.headers;
    headers.get(FieldName::IfNoneMatch).is_some()
        && lines
            .iter()
            .any(|(name, tag)| name == b"etag" && conditional::names_only_weak(headers, tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_coding_by_quality_then_by_cost() {
        use MadeCoding::{Brotli, Gzip, Zstd};
        for (field, expected) in [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("gzip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("br;q=0.5, gzip;q=0.9", Some(Gzip)),
            ("zstd;q=0.1, br;q=0.2", Some(Brotli)),
            ("*", Some(Zstd)),
            ("*, zstd;q=0", Some(Brotli)),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=0", None),
            ("deflate", None),
            ("identity", None),
            ("", None),
        ] {
            let headers = Headers::from_iter([("accept-encoding", field)]);
            assert_eq!(preferred(AcceptedCodings::of(&headers)), expected, "{field}");
        }
        assert_eq!(preferred(AcceptedCodings::of(&Headers::default())), None);
    }

    #[test]
    fn cross_site_requests_with_a_session_are_told_apart() {
        const SESSION: (&str, &str) = ("cookie", "sessionid=a");
        const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
        for (fields, expected) in [
            (&[CROSS, SESSION][..], true),
            (&[CROSS, ("authorization", "Token a")], true),
            (&[CROSS], false),
            (&[SESSION], false),
            (&[("sec-fetch-site", "same-origin"), SESSION], false),
            (&[("sec-fetch-site", "none"), SESSION], false),
        ] {
            let headers = fields.iter().copied().collect();
            assert_eq!(is_cross_site_with_session(&headers), expected, "{fields:?}");
        }
    }
}
