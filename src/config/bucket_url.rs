//! URLs of buckets: `s3://BUCKET/PREFIX?region=REGION&endpoint=URL`.

use super::{
    secret::{NO_BUCKET_QUERY, NO_USER},
    url::{self, HttpOrigin},
};

/// The beginning of every URL of a bucket.
pub(super) const SCHEME: &str = "s3://";

/// A bucket, and the beginning of the keys of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketUrl {
    pub(super) bucket: String,
    /// Empty, or ends with `/`.
    pub(super) prefix: String,
    /// `None` is the region of the environment.
    pub(super) region: Option<String>,
    /// The server, if it is not that of AWS.
    pub(super) endpoint: Option<HttpOrigin>,
}

/// Reads a URL that begins with [`SCHEME`].
pub(super) fn read(text: &str) -> Result<BucketUrl, String> {
    let rest = text.strip_prefix(SCHEME).ok_or("must begin with s3://")?;
    if rest.contains('#') {
        return Err("a fragment (#) is not allowed".into());
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    check_bucket(bucket)?;
    let (mut region, mut endpoint) = (None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("region", name)) if region.is_none() => region = Some(self::region(name)?),
            Some(("endpoint", url)) if endpoint.is_none() => endpoint = Some(self::endpoint(url)?),
            Some((name @ ("region" | "endpoint"), _)) => {
                return Err(format!("{name} is written twice: remove one"));
            }
            Some(_) | None => return Err(NO_BUCKET_QUERY.into()),
        }
    }
    Ok(BucketUrl { bucket: bucket.into(), prefix: self::prefix(prefix)?, region, endpoint })
}

/// Returns a text that [`read`] reads as this.
pub(super) fn show(url: &BucketUrl) -> String {
    let BucketUrl { bucket, prefix, region, endpoint } = url;
    let region = region.as_ref().map(|region| format!("region={region}"));
    let endpoint = endpoint.as_ref().map(|origin| format!("endpoint={}", url::show_origin(origin)));
    let query: Vec<String> = region.into_iter().chain(endpoint).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{SCHEME}{bucket}/{prefix}{mark}{}", query.join("&"))
}

/// Accepts the names that S3 allows for new buckets.
fn check_bucket(name: &str) -> Result<(), String> {
    if name.contains('@') {
        return Err(format!("{NO_USER}: keys come from the environment"));
    }
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_end(byte) || matches!(byte, b'.' | b'-');
    let ends = [name.bytes().next(), name.bytes().next_back()];
    let is_valid = (3..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && ends.into_iter().flatten().all(is_end)
        && !name.contains("..");
    match is_valid {
        true => Ok(()),
        false => Err(
            "behind s3:// must be the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens"
                .into(),
        ),
    }
}

pub(super) fn region(name: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match (1..=32).contains(&name.len()) && name.bytes().all(allowed) {
        true => Ok(name.into()),
        false => Err("the region must be a name such as eu-west-1".into()),
    }
}

fn endpoint(text: &str) -> Result<HttpOrigin, String> {
    let origin = url::origin(text).map_err(|_| {
        "the endpoint must be http://HOST[:PORT] or https://HOST[:PORT], such as https://minio.internal:9000"
    })?;
    match origin.base.as_str() {
        "" => Ok(origin),
        _ => {
            Err("the endpoint must have no path: write the prefix of the keys behind the bucket"
                .into())
        }
    }
}

/// Reads the beginning of the keys. Appends `/` to one without.
fn prefix(text: &str) -> Result<String, String> {
    let segments = text.strip_suffix('/').unwrap_or(text);
    if segments.is_empty() {
        return match text {
            "" => Ok(String::new()),
            _ => Err("the prefix of the keys must not begin with /".into()),
        };
    }
    if segments.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("in the prefix of the keys, //, . and .. are not allowed as a segment".into());
    }
    if text.contains('%') || text.chars().any(char::is_control) {
        return Err(
            "in the prefix of the keys, % and control characters are not possible: write it decoded"
                .into(),
        );
    }
    if segments.len() > MAX_PREFIX_LENGTH {
        return Err(format!("the prefix of the keys has at most {MAX_PREFIX_LENGTH} bytes"));
    }
    Ok(format!("{segments}/"))
}

/// A key has at most 1024 bytes.
const MAX_PREFIX_LENGTH: usize = 512;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls() {
        for (text, expected) in [
            ("s3://site", "s3://site/"),
            ("s3://site/", "s3://site/"),
            ("s3://site/media", "s3://site/media/"),
            ("s3://my.site-1/a/b c/?region=eu-west-1", "s3://my.site-1/a/b c/?region=eu-west-1"),
            (
                "s3://site/?endpoint=HTTP://Minio:9000&region=x",
                "s3://site/?region=x&endpoint=http://minio:9000",
            ),
            ("s3://site?endpoint=https://a", "s3://site/?endpoint=https://a:443"),
        ] {
            assert_eq!(read(text).map(|url| show(&url)), Ok(expected.into()), "{text}");
        }
        let name = "behind s3:// must be the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens";
        let region = "the region must be a name such as eu-west-1";
        let query = NO_BUCKET_QUERY;
        let endpoint = "the endpoint must be http://HOST[:PORT] or https://HOST[:PORT], such as \
                        https://minio.internal:9000";
        let segment = "in the prefix of the keys, //, . and .. are not allowed as a segment";
        for (text, fault) in [
            ("s3://", name),
            ("s3:///media", name),
            ("s3://Site", name),
            ("s3://a_b", name),
            ("s3://-ab", name),
            ("s3://a..b", name),
            (
                "s3://key:hunter2@site",
                "a user name or password is not allowed here: keys come from the environment",
            ),
            ("s3://site?region=", region),
            ("s3://site?region=EU", region),
            ("s3://site?region=a&region=b", "region is written twice: remove one"),
            ("s3://site?key=a", query),
            ("s3://site?region", query),
            ("s3://site?endpoint=minio:9000", endpoint),
            ("s3://site?endpoint=ftp://a", endpoint),
            (
                "s3://site?endpoint=http://a/b",
                "the endpoint must have no path: write the prefix of the keys behind the bucket",
            ),
            ("s3://site//a", segment),
            ("s3://site//", "the prefix of the keys must not begin with /"),
            ("s3://site/a//b", segment),
            ("s3://site/../b", segment),
            (
                "s3://site/a%20b",
                "in the prefix of the keys, % and control characters are not possible: write it decoded",
            ),
            ("s3://site/a#b", "a fragment (#) is not allowed"),
        ] {
            assert_eq!(read(text), Err(fault.into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_url_reads_back(
            text in "s3://[a-z0-9.-]{3,8}(/[a-z ./]{0,8})?(\\?region=[a-z0-9-]{1,9})?",
            rest in any::<String>(),
        ) {
            if let Ok(url) = read(&text) {
                prop_assert!(url.prefix.is_empty() || url.prefix.ends_with('/'));
                prop_assert_eq!(read(&show(&url)), Ok(url));
            }
            let _ = read(&format!("{SCHEME}{rest}"));
        }
    }
}
