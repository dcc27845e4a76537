//! Judges a response: that of S3 by its status and the code in its body, that of a file server by its status.

use http::StatusCode;

use crate::telemetry::BucketResult;

/// The verdict about a response that is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Missing,
    /// The error is temporary.
    Retry,
    /// The result, and what to do.
    Fault(BucketResult, Remedy),
}

/// What the operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    Access,
    Keys,
    NewKeys,
    Signature,
    Clock,
    Bucket,
    Region,
    Archived,
    /// The code says it.
    None,
    Redirect,
    Login,
    Loop,
    /// The file server knows.
    Server,
}

/// Whether a response is for the client: the object, a part of it, or the result of its conditions or range.
pub(super) fn is_for_client(status: StatusCode, has_range: bool, has_condition: bool) -> bool {
    match status {
        StatusCode::OK => true,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => has_range,
        StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED => has_condition,
        _ => false,
    }
}

/// Judges any other response of a file server.
pub(super) fn judge_server(status: StatusCode) -> Verdict {
    let refused = |remedy| Verdict::Fault(BucketResult::Refused, remedy);
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Verdict::Missing,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(Remedy::Login),
        StatusCode::LOOP_DETECTED => refused(Remedy::Loop),
        StatusCode::TOO_MANY_REQUESTS => Verdict::Retry,
        status if status.is_server_error() => Verdict::Retry,
        status if status.is_redirection() => refused(Remedy::Redirect),
        _ => refused(Remedy::Server),
    }
}

/// Judges any other response of S3. `code` is that of its body.
pub(super) fn judge(status: StatusCode, code: Option<&str>) -> Verdict {
    let refused = |remedy| Verdict::Fault(BucketResult::Refused, remedy);
    let credentials = |remedy| Verdict::Fault(BucketResult::Credentials, remedy);
    match code {
        Some("NoSuchKey" | "KeyTooLongError" | "MethodNotAllowed") => Verdict::Missing,
        Some("SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable") => {
            Verdict::Retry
        }
        Some("AccessDenied") => Verdict::Fault(BucketResult::Denied, Remedy::Access),
        Some("ExpiredToken" | "TokenRefreshRequired") => credentials(Remedy::NewKeys),
        Some("InvalidAccessKeyId" | "InvalidToken" | "InvalidSecurity") => {
            credentials(Remedy::Keys)
        }
        Some("SignatureDoesNotMatch") => refused(Remedy::Signature),
        Some("RequestTimeTooSkewed" | "RequestExpired") => refused(Remedy::Clock),
        Some("NoSuchBucket" | "InvalidBucketName") => refused(Remedy::Bucket),
        Some(
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => refused(Remedy::Region),
        Some("InvalidObjectState") => refused(Remedy::Archived),
        Some(_) | None => match status {
            StatusCode::NOT_FOUND => Verdict::Missing,
            StatusCode::FORBIDDEN => Verdict::Fault(BucketResult::Denied, Remedy::Access),
            StatusCode::TOO_MANY_REQUESTS => Verdict::Retry,
            status if status.is_server_error() => Verdict::Retry,
            status if status.is_redirection() => refused(Remedy::Region),
            _ => refused(Remedy::None),
        },
    }
}

// === impl Remedy ===

impl Remedy {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Access => "give the role s3:GetObject and s3:ListBucket",
            Self::Keys => "set valid keys, or give the task or pod a role",
            Self::NewKeys => "the keys have expired: set new ones, or give the task or pod a role",
            Self::Signature => "check AWS_SECRET_ACCESS_KEY and the host of endpoint",
            Self::Clock => "set the clock of this machine",
            Self::Bucket => "check the name of the bucket and the endpoint",
            Self::Region => "set the region of the bucket: s3://BUCKET/PREFIX?region=REGION",
            Self::Archived => "the object is archived: restore it, or change its storage class",
            Self::None => "see the documentation of this code",
            Self::Redirect => {
                "redirects are not followed: name the address that it leads to in accel.roots"
            }
            Self::Login => {
                "the request carries no login: allow this machine there, or name the file with a query that does"
            }
            Self::Loop => {
                "the request comes back here: name the server that has the files in accel.roots"
            }
            Self::Server => "see the log of that server",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_for_the_client() {
        for (status, expected) in [
            (200, [true, true, true]),
            (206, [false, true, false]),
            (416, [false, true, false]),
            (304, [false, false, true]),
            (412, [false, false, true]),
            (204, [false; 3]),
            (301, [false; 3]),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let received = [(false, false), (true, false), (false, true)]
                .map(|(range, condition)| is_for_client(status, range, condition));
            assert_eq!(received, expected, "{status}");
        }
    }

    #[test]
    fn file_server_says_it_by_the_status() {
        let refused = |remedy| Verdict::Fault(BucketResult::Refused, remedy);
        for (status, expected) in [
            (404, Verdict::Missing),
            (410, Verdict::Missing),
            (401, refused(Remedy::Login)),
            (403, refused(Remedy::Login)),
            (302, refused(Remedy::Redirect)),
            (304, refused(Remedy::Redirect)),
            (204, refused(Remedy::Server)),
            (206, refused(Remedy::Server)),
            (405, refused(Remedy::Server)),
            (508, refused(Remedy::Loop)),
            (429, Verdict::Retry),
            (500, Verdict::Retry),
            (503, Verdict::Retry),
        ] {
            assert_eq!(judge_server(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn codes_precede_statuses() {
        use BucketResult::{Credentials, Denied, Refused};
        let fault = |result, remedy| Verdict::Fault(result, remedy);
        for (status, code, expected) in [
            (404, None, Verdict::Missing),
            (404, Some("NoSuchKey"), Verdict::Missing),
            (404, Some("NoSuchBucket"), fault(Refused, Remedy::Bucket)),
            (403, None, fault(Denied, Remedy::Access)),
            (403, Some("AccessDenied"), fault(Denied, Remedy::Access)),
            (403, Some("SignatureDoesNotMatch"), fault(Refused, Remedy::Signature)),
            (403, Some("RequestTimeTooSkewed"), fault(Refused, Remedy::Clock)),
            (403, Some("InvalidAccessKeyId"), fault(Credentials, Remedy::Keys)),
            (403, Some("InvalidObjectState"), fault(Refused, Remedy::Archived)),
            (400, Some("ExpiredToken"), fault(Credentials, Remedy::NewKeys)),
            (400, Some("AuthorizationHeaderMalformed"), fault(Refused, Remedy::Region)),
            (400, Some("InvalidArgument"), fault(Refused, Remedy::None)),
            (301, Some("PermanentRedirect"), fault(Refused, Remedy::Region)),
            (307, None, fault(Refused, Remedy::Region)),
            (400, Some("RequestTimeout"), Verdict::Retry),
            (503, Some("SlowDown"), Verdict::Retry),
            (500, None, Verdict::Retry),
            (429, None, Verdict::Retry),
            (204, None, fault(Refused, Remedy::None)),
        ] {
            let received = judge(StatusCode::from_u16(status).unwrap(), code);
            assert_eq!(received, expected, "{status} {code:?}");
        }
    }
}
