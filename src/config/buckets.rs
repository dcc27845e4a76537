//! The buckets of the plan, and the servers that have them.

use std::{path::PathBuf, time::Duration};

use crate::plan::{
    AdmissionSettings, BucketObjects, BucketSettings, TlsTrust, UpstreamSettings, UpstreamTarget,
    UpstreamTls,
};

use super::{
    bucket_url::BucketUrl,
    file_place::FilePlace,
    url::{FallbackOrigin, Scheme},
};

/// How long a connection attempt may take, with its TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a bucket may take to begin a response, and to pause within it.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long an idle connection stays open. S3 closes it a little later.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of idle connections, for each worker and server.
const MAX_IDLE: usize = 16;
const MAX_AGE: Duration = Duration::from_secs(600);
/// The region in signatures for servers that are not those of AWS, unless another one is set.
const OTHER_REGION: &str = "us-east-1";

/// The buckets of the plan while it is made.
#[derive(Debug)]
pub(super) struct BucketList {
    region: Option<String>,
    /// For servers that are not those of AWS.
    tls: UpstreamTls,
    buckets: Vec<BucketSettings>,
}

// === impl BucketList ===

impl BucketList {
    /// Creates an empty list. `region` is that of URLs without one.
    pub(super) fn new(region: Option<String>, tls: UpstreamTls) -> Self {
        Self { region, tls, buckets: Vec::new() }
    }

    /// Returns the directories of a prefix and its bucket, which is added to the list.
    pub(super) fn places(
        &mut self,
        places: Vec<FilePlace>,
    ) -> (Vec<PathBuf>, Option<BucketObjects>) {
        let (mut directories, mut bucket) = (Vec::new(), None);
        for place in places {
            match place {
                FilePlace::Directory(directory) => directories.push(directory),
                FilePlace::Bucket(url) => bucket = Some(self.objects(url)),
            }
        }
        (directories, bucket)
    }

    /// Returns the objects that a URL names.
    pub(super) fn objects(&mut self, url: BucketUrl) -> BucketObjects {
        let settings = self.settings(&url);
        let known = self.buckets.iter().position(|known| *known == settings);
        let bucket = known.unwrap_or_else(|| {
            self.buckets.push(settings);
            self.buckets.len() - 1
        });
        BucketObjects { bucket, prefix: url.prefix }
    }

    pub(super) fn into_buckets(self) -> Vec<BucketSettings> {
        self.buckets
    }

    fn settings(&self, url: &BucketUrl) -> BucketSettings {
        let region = url.region.clone().or_else(|| self.region.clone());
        let region = region.unwrap_or_else(|| OTHER_REGION.into());
        let name = url.bucket.clone();
        let (target, tls, host, base) = match &url.endpoint {
            Some(origin) => self.other_server(origin, &name),
            None => aws_server(&name, &region),
        };
        let server = UpstreamSettings {
            targets: vec![target],
            tls,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            max_idle: MAX_IDLE,
            max_age: MAX_AGE,
            // `pipeline/bucket` limits the requests to a bucket.
            admission: AdmissionSettings {
                max_in_flight: usize::MAX,
                ..AdmissionSettings::default()
            },
            abort: true,
            trusts_protocol: true,
            ..UpstreamSettings::default()
        };
        BucketSettings { name, server, host, base, region }
    }

    /// Returns the server of an endpoint, which has the bucket in the path of each request.
    fn other_server(&self, origin: &FallbackOrigin, bucket: &str) -> BucketServer {
        let tls = (origin.scheme == Scheme::Https).then(|| self.tls.clone());
        (origin.target(), tls, origin.name(), format!("/{bucket}"))
    }
}

/// Address, TLS, `Host`, and the beginning of each path.
type BucketServer = (UpstreamTarget, Option<UpstreamTls>, String, String);

/// Returns the server of AWS. It has a name for each bucket, but no certificate for those with dots.
fn aws_server(bucket: &str, region: &str) -> BucketServer {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let of_region = format!("s3.{region}.{domain}");
    let (host, base) = match bucket.contains('.') {
        true => (of_region, format!("/{bucket}")),
        false => (format!("{bucket}.{of_region}"), String::new()),
    };
    let trust = TlsTrust { is_public: true, ..TlsTrust::default() };
    let tls = UpstreamTls { trust, is_verified: true, ..UpstreamTls::default() };
    (UpstreamTarget::Tcp { host: host.clone(), port: 443 }, Some(tls), host, base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::bucket_url;

    #[test]
    fn hosts_and_paths() {
        for (url, expected) in [
            ("s3://site", "https site.s3.eu-west-1.amazonaws.com:443 \"\" eu-west-1"),
            ("s3://a.site", "https s3.eu-west-1.amazonaws.com:443 \"/a.site\" eu-west-1"),
            (
                "s3://site?region=cn-north-1",
                "https site.s3.cn-north-1.amazonaws.com.cn:443 \"\" cn-north-1",
            ),
            ("s3://site?endpoint=http://minio:9000", "http minio:9000 \"/site\" eu-west-1"),
            ("s3://site?endpoint=https://r2&region=auto", "https r2:443 \"/site\" auto"),
        ] {
            let mut list = BucketList::new(Some("eu-west-1".into()), UpstreamTls::default());
            let first = list.objects(bucket_url::read(url).unwrap());
            let [bucket] = list.buckets.as_slice() else { panic!("one bucket") };
            let BucketSettings { server, base, region, .. } = bucket;
            let scheme = if server.tls.is_some() { "https" } else { "http" };
            let shown = format!("{scheme} {} {base:?} {region}", server.targets[0]);
            assert_eq!(shown, expected);
            assert_eq!(list.objects(bucket_url::read(url).unwrap()), first, "added once");
            assert_eq!(list.into_buckets().len(), 1);
        }
    }
}
