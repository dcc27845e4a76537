//! What a response of S3 says, by its status and the code in its body.

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
}

/// Whether a response is for the client: the object, a part of it, or the result of its conditions or range.
pub(super) fn is_for_client(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::OK
            | StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE
    )
}

/// Judges any other response. `code` is that of its body.
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
