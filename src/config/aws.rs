//! Region and credentials for buckets. They come from the variables that the SDKs of AWS read, because container
//! platforms set some of them.

use std::{ffi::OsStr, net::IpAddr, path::PathBuf};

use crate::plan::{
    AwsCredentials, AwsKeys, CredentialsEndpoint, EndpointAuthorization, UpstreamTarget,
};

use super::{
    aws_environment::AwsEnvironment,
    bucket_url::{self, BucketUrl},
    draft::Draft,
    environment::Environment,
    file_place::FilePlace,
    problem::Problem,
    url::{self, Scheme},
};

/// The endpoint of ECS for `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
const ECS_ENDPOINT: &str = "http://169.254.170.2";
/// The endpoints of ECS and EKS, which are on the host of the container. Secrets must not cross a network unencrypted.
const PLAIN_ENDPOINTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The name of a variable and what is wrong with its value, without a part of it.
type Fault = (&'static str, String);

/// Reads the environment into the draft if it has buckets. Returns a problem for each variable that is invalid or
/// missing.
pub(super) fn read(draft: &mut Draft, environment: &Environment) -> Vec<Problem> {
    let urls: Vec<&BucketUrl> = urls(draft).collect();
    if urls.is_empty() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut aws = AwsEnvironment::default();
    match region(environment) {
        Ok(region) => aws.region = region,
        Err(fault) => faults.push(fault),
    }
    match credentials(environment) {
        Ok(credentials) => aws.credentials = credentials,
        Err(fault) => faults.push(fault),
    }
    let needs_region = |url: &&&BucketUrl| url.region.is_none() && url.endpoint.is_none();
    if let Some(url) = urls.iter().find(needs_region)
        && aws.region.is_none()
        && faults.is_empty()
    {
        let fault = format!(
            "must be set, to the region of the bucket in {0}: or write {0}?region=REGION",
            bucket_url::show(url)
        );
        faults.push(("AWS_REGION", fault));
    }
    draft.aws = aws;
    faults.into_iter().map(|(name, fault)| Problem::about(None, name, fault)).collect()
}

/// Returns the URLs of all buckets.
fn urls(draft: &Draft) -> impl Iterator<Item = &BucketUrl> {
    let sections = [&draft.static_roots, &draft.media_roots, &draft.accel_roots];
    let prefixed = sections.into_iter().flatten().map(|(_, place)| place);
    let of_routes = draft.routes.iter().flat_map(|route| route.files.iter().chain(&route.media));
    prefixed.chain(of_routes).chain(&draft.fallback).filter_map(|place| match place {
        FilePlace::Bucket(url) => Some(url),
        FilePlace::Directory(_) | FilePlace::Server(_) => None,
    })
}

fn region(environment: &Environment) -> Result<Option<String>, Fault> {
    for name in REGIONS {
        if let Some(text) = value(environment, name)? {
            return bucket_url::region(text).map(Some).map_err(|fault| (name, fault));
        }
    }
    Ok(None)
}

/// Returns the keys of the environment, or else the endpoint that has them, as the SDKs do.
fn credentials(environment: &Environment) -> Result<AwsCredentials, Fault> {
    let id = value(environment, KEY_ID)?;
    let secret = value(environment, SECRET_KEY)?;
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let token = value(environment, SESSION_TOKEN)?;
            return Ok(AwsCredentials::Keys(AwsKeys {
                access_key_id: id.into(),
                secret_access_key: secret.into(),
                session_token: token.map(str::to_owned),
            }));
        }
        (Some(_), None) => {
            return Err((SECRET_KEY, format!("must be set too, because {KEY_ID} is set")));
        }
        (None, Some(_)) => {
            return Err((KEY_ID, format!("must be set too, because {SECRET_KEY} is set")));
        }
        (None, None) => {}
    }
    let url = match (value(environment, RELATIVE_URI)?, value(environment, FULL_URI)?) {
        (Some(path), _) if path.starts_with('/') => format!("{ECS_ENDPOINT}{path}"),
        (Some(_), _) => return Err((RELATIVE_URI, "must start with /".into())),
        (None, Some(url)) => full_uri(url).map_err(|fault| (FULL_URI, fault))?,
        (None, None) => return Ok(AwsCredentials::None),
    };
    let file = value(environment, TOKEN_FILE)?;
    let authorization = match (file, value(environment, TOKEN)?) {
        (Some(path), _) => EndpointAuthorization::File(PathBuf::from(path)),
        (None, Some(token)) => EndpointAuthorization::Token(token.into()),
        (None, None) => EndpointAuthorization::None,
    };
    Ok(AwsCredentials::Endpoint(CredentialsEndpoint { url, authorization }))
}

/// Checks the URL of an endpoint.
fn full_uri(text: &str) -> Result<String, String> {
    let authority_end = text.find("://").map(|at| {
        let begin = at + 3;
        let rest = text.get(begin..).unwrap_or_default();
        begin + rest.find(['/', '?', '#']).unwrap_or(rest.len())
    });
    let authority = authority_end.and_then(|end| text.get(..end)).unwrap_or(text);
    let origin = url::origin(authority)
        .map_err(|_| "must be http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH".to_owned())?;
    let UpstreamTarget::Tcp { host, .. } = origin.target() else { return Ok(text.into()) };
    let address = host.parse::<IpAddr>();
    let is_near = host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
        || PLAIN_ENDPOINTS.contains(&host.as_str());
    if origin.scheme != Scheme::Https && !is_near {
        return Err(
            "http:// is possible at a loopback address and at the endpoints of ECS and EKS only: use https://"
                .into(),
        );
    }
    Ok(text.into())
}

/// Returns the value of a variable; an empty one counts as unset, as in the SDKs.
fn value<'a>(environment: &'a Environment, name: &'static str) -> Result<Option<&'a str>, Fault> {
    let Some(value) = environment.get(OsStr::new(name)).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
    match text {
        Some(text) => Ok(Some(text)),
        None => Err((
            name,
            "has a space, a line end or another character that is not possible in it: remove it"
                .into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn keys_precede_endpoints() {
        let keys = [(KEY_ID, "AKIA"), (SECRET_KEY, "hunter2")];
        let token = (SESSION_TOKEN, "hunter3");
        let (ecs, eks) = ((RELATIVE_URI, "/v2/a"), (FULL_URI, "http://169.254.170.23/v1"));
        let file = (TOKEN_FILE, "/var/run/token");
        for (variables, expected) in [
            (&[][..], "None"),
            (&[(KEY_ID, ""), (SECRET_KEY, "")], "None"),
            (&[keys[0], keys[1], ecs], "Keys(keys of AKIA)"),
            (&[keys[0], keys[1], token], "Keys(keys of AKIA)"),
            (&[ecs, eks], "http://169.254.170.2/v2/a none"),
            (&[eks, file], "http://169.254.170.23/v1 the token in /var/run/token"),
            (&[eks, (TOKEN, "hunter4")], "http://169.254.170.23/v1 a token"),
            (&[(FULL_URI, "http://[::1]:80/a")], "http://[::1]:80/a none"),
            (&[(FULL_URI, "https://host/a")], "https://host/a none"),
            (&keys[..1], "AWS_SECRET_ACCESS_KEY must be set too, because AWS_ACCESS_KEY_ID is set"),
            (&keys[1..], "AWS_ACCESS_KEY_ID must be set too, because AWS_SECRET_ACCESS_KEY is set"),
            (&[(RELATIVE_URI, "a")], "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must start with /"),
            (
                &[(FULL_URI, "a")],
                "AWS_CONTAINER_CREDENTIALS_FULL_URI must be http://HOST[:PORT]/PATH or \
                 https://HOST[:PORT]/PATH",
            ),
            (
                &[(FULL_URI, "http://10.0.0.1/a")],
                "AWS_CONTAINER_CREDENTIALS_FULL_URI http:// is possible at a loopback address and at the endpoints \
                 of ECS and EKS only: use https://",
            ),
            (
                &[(KEY_ID, "AKIA\n")],
                "AWS_ACCESS_KEY_ID has a space, a line end or another character that is not possible in it: \
                 remove it",
            ),
        ] {
            let read = match credentials(&environment(variables)) {
                Ok(AwsCredentials::Endpoint(endpoint)) => {
                    format!("{} {:?}", endpoint.url, endpoint.authorization)
                }
                Ok(credentials) => format!("{credentials:?}"),
                Err((name, fault)) => format!("{name} {fault}"),
            };
            assert_eq!(read, expected, "{variables:?}");
        }
    }

    #[test]
    fn regions() {
        for (variables, expected) in [
            (&[][..], Ok(None)),
            (&[("AWS_DEFAULT_REGION", "eu-west-1")], Ok(Some("eu-west-1"))),
            (&[("AWS_REGION", "a"), ("AWS_DEFAULT_REGION", "b")], Ok(Some("a"))),
            (&[("AWS_REGION", "A")], Err("AWS_REGION")),
        ] {
            let environment = environment(variables);
            let read = region(&environment);
            let read = read.as_ref().map(|name| name.as_deref()).map_err(|(name, _)| *name);
            assert_eq!(read, expected);
        }
    }
}
