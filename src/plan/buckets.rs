//! Buckets of S3, or of servers with the same protocol, and the credentials for them. A file server is like a bucket
//! that everybody may read.

use std::{fmt, path::PathBuf};

use super::upstream::UpstreamSettings;

/// A bucket, or a file server.
#[derive(Clone, Debug, PartialEq)]
pub struct BucketSettings {
    /// `s3://BUCKET`, or the URL of a file server; for events.
    pub url: String,
    pub protocol: BucketProtocol,
    pub server: UpstreamSettings,
    /// The value of `Host`.
    pub host: String,
    /// The beginning of every request's path: empty, or it begins with `/` and does not end with one.
    pub base: String,
}

/// How files are requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketProtocol {
    S3 {
        /// The region that signatures are for.
        region: String,
    },
    /// Requests are never signed.
    Http,
}

/// The objects, or the files, behind a URL prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketObjects {
    /// The index of the bucket in the plan.
    pub bucket: usize,
    /// The beginning of every key: empty, or ends with `/`.
    pub prefix: String,
}

/// Where the keys come from that sign requests to buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AwsCredentials {
    /// Requests are not signed: public buckets accept that.
    #[default]
    None,
    /// The keys do not change while the process runs.
    Keys(AwsKeys),
    /// Keys of a role. They expire, and this endpoint has the next ones.
    Endpoint(CredentialsEndpoint),
}

/// Keys of an AWS account. Printing them shows the id only, which is in every request.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsKeys {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Temporary keys are valid with this token only.
    pub session_token: Option<String>,
}

/// The endpoint of a container platform that has the keys of the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsEndpoint {
    /// An absolute URL.
    pub url: String,
    pub authorization: EndpointAuthorization,
}

/// The value of `Authorization` for a credentials endpoint.
#[derive(Clone, PartialEq, Eq)]
pub enum EndpointAuthorization {
    None,
    Token(String),
    /// The platform replaces the contents of this file, so that it is read for each request.
    File(PathBuf),
}

// === impl AwsKeys ===

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys of {}", self.access_key_id)
    }
}

// === impl EndpointAuthorization ===

impl fmt::Debug for EndpointAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Token(_) => f.write_str("a token"),
            Self::File(path) => write!(f, "the token in {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_printed() {
        let keys = AwsKeys {
            access_key_id: "AKIAEXAMPLE".into(),
            secret_access_key: "hunter2".into(),
            session_token: Some("hunter3".into()),
        };
        let endpoint = CredentialsEndpoint {
            url: "http://169.254.170.2/v2".into(),
            authorization: EndpointAuthorization::Token("hunter4".into()),
        };
        for credentials in [AwsCredentials::Keys(keys), AwsCredentials::Endpoint(endpoint)] {
            assert!(!format!("{credentials:?}").contains("hunter"));
        }
    }
}
