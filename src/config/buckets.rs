//! The buckets of the plan, the servers that have them, and file servers.

use std::{path::PathBuf, time::Duration};

use crate::plan::{
    AdmissionSettings, BucketObjects, BucketProtocol, BucketSettings, TlsTrust, UpstreamSettings,
    UpstreamTarget, UpstreamTls,
};

use super::{
    bucket_url::{self, BucketUrl},
    file_place::FilePlace,
    url::{self, HttpOrigin, Scheme},
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
    /// For file servers, which may make what is requested.
    read_timeout: Duration,
    buckets: Vec<BucketSettings>,
}

// === impl BucketList ===

impl BucketList {
    /// Creates an empty list. `region` is that of URLs without one.
    pub(super) fn new(region: Option<String>, tls: UpstreamTls, read_timeout: Duration) -> Self {
        Self { region, tls, read_timeout, buckets: Vec::new() }
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
                FilePlace::Server(origin) => bucket = Some(self.files(&origin)),
            }
        }
        (directories, bucket)
    }

    /// Returns the objects that a URL names.
    pub(super) fn objects(&mut self, url: BucketUrl) -> BucketObjects {
        let region = url.region.or_else(|| self.region.clone());
        let region = region.unwrap_or_else(|| OTHER_REGION.into());
        let (target, tls, host, base) = match &url.endpoint {
            Some(origin) => self.other_server(origin, format!("/{}", url.bucket)),
            None => aws_server(&url.bucket, &region),
        };
        let server = server(target, tls);
        let (url, prefix) = (format!("{}{}", bucket_url::SCHEME, url.bucket), url.prefix);
        let protocol = BucketProtocol::S3 { region };
        let bucket = self.add(BucketSettings { url, protocol, server, host, base });
        BucketObjects { bucket, prefix }
    }

    /// Returns the files of a file server.
    fn files(&mut self, origin: &HttpOrigin) -> BucketObjects {
        let (target, tls, host, base) = self.other_server(origin, origin.base.clone());
        let url = url::show_origin(origin);
        let server = UpstreamSettings { read_timeout: self.read_timeout, ..server(target, tls) };
        let protocol = BucketProtocol::Http;
        let bucket = self.add(BucketSettings { url, protocol, server, host, base });
        BucketObjects { bucket, prefix: String::new() }
    }

    pub(super) fn into_buckets(self) -> Vec<BucketSettings> {
        self.buckets
    }

    /// Returns the index of a bucket, which is added unless it is known.
    fn add(&mut self, settings: BucketSettings) -> usize {
        let known = self.buckets.iter().position(|known| *known == settings);
        known.unwrap_or_else(|| {
            self.buckets.push(settings);
            self.buckets.len() - 1
        })
    }

    fn other_server(&self, origin: &HttpOrigin, base: String) -> BucketServer {
        let tls = (origin.scheme == Scheme::Https).then(|| self.tls.clone());
        (origin.target(), tls, origin.name(), base)
    }
}

fn server(target: UpstreamTarget, tls: Option<UpstreamTls>) -> UpstreamSettings {
    UpstreamSettings {
        targets: vec![target],
        tls,
        connect_timeout: CONNECT_TIMEOUT,
        read_timeout: READ_TIMEOUT,
        idle_timeout: IDLE_TIMEOUT,
        max_idle: MAX_IDLE,
        max_age: MAX_AGE,
        // `pipeline/bucket` limits the requests to a bucket.
        admission: AdmissionSettings { max_in_flight: usize::MAX, ..AdmissionSettings::default() },
        abort: true,
        trusts_protocol: true,
        ..UpstreamSettings::default()
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
            let mut list =
                BucketList::new(Some("eu-west-1".into()), UpstreamTls::default(), READ_TIMEOUT);
            let first = list.objects(bucket_url::read(url).unwrap());
            let [bucket] = list.buckets.as_slice() else { panic!("one bucket") };
            let BucketSettings { server, base, protocol, .. } = bucket;
            let BucketProtocol::S3 { region } = protocol else { panic!("S3") };
            let scheme = if server.tls.is_some() { "https" } else { "http" };
            let shown = format!("{scheme} {} {base:?} {region}", server.targets[0]);
            assert_eq!(shown, expected);
            assert_eq!(list.objects(bucket_url::read(url).unwrap()), first, "added once");
            assert_eq!(list.into_buckets().len(), 1);
        }
    }
}
