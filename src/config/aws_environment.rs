//! What the environment says about AWS.

use crate::plan::AwsCredentials;

/// Region and credentials for buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct AwsEnvironment {
    /// The region of buckets whose URL has none.
    pub(super) region: Option<String>,
    pub(super) credentials: AwsCredentials,
}
