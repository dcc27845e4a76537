//! The document in which an endpoint gives the keys of a role.

use serde::Deserialize;

use super::credentials::RoleKeys;
use crate::{plan::AwsKeys, rfc::timestamp};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// Reads the keys. A fault contains no part of the document.
pub(super) fn read(document: &[u8]) -> Result<RoleKeys, &'static str> {
    // The library would also take an array with the members in order, and skip bytes that are no UTF-8 (RFC 8259, 8.1).
    let text = std::str::from_utf8(document).ok().filter(|text| text.trim_start().starts_with('{'));
    let read = text.and_then(|text| serde_json::from_str::<Document>(text).ok());
    let read = read.ok_or("the response is no JSON with AccessKeyId and SecretAccessKey")?;
    let texts = [Some(&read.access_key_id), Some(&read.secret_access_key), read.token.as_ref()];
    let is_visible =
        |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !texts.into_iter().flatten().all(is_visible) {
        return Err("a key in the response is empty, or has characters that no key has");
    }
    let expires = read.expiration.as_deref().map(timestamp::parse);
    if expires == Some(None) {
        return Err("Expiration in the response is no timestamp");
    }
    Ok(RoleKeys {
        keys: AwsKeys {
            access_key_id: read.access_key_id,
            secret_access_key: read.secret_access_key,
            session_token: read.token,
        },
        expires: expires.flatten(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents() {
        let read = |text: &str| {
            read(text.as_bytes()).map(|role| {
                let token = role.keys.session_token.unwrap_or_default();
                let AwsKeys { access_key_id, secret_access_key, .. } = role.keys;
                format!("{access_key_id} {secret_access_key} {token} {:?}", role.expires)
            })
        };
        let whole = r#"{"RoleArn":"a","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t",
            "Expiration":"2013-05-24T00:00:00Z"}"#;
        assert_eq!(read(whole), Ok("ASIA s t Some(1369353600)".into()));
        let short = r#"{"AccessKeyId":"ASIA","SecretAccessKey":"s"}"#;
        assert_eq!(read(short), Ok("ASIA s  None".into()));
        assert!(
            super::read(b"{\"A\":\"\xff\",\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\"}")
                .is_err()
        );
        for text in [
            "",
            "[]",
            r#"["ASIA","s","t","2013-05-24T00:00:00Z"]"#,
            r#"{"AccessKeyId":"ASIA"}"#,
            r#"{"AccessKeyId":"","SecretAccessKey":"s"}"#,
            r#"{"AccessKeyId":"a","SecretAccessKey":"s\nx"}"#,
            r#"{"AccessKeyId":"a","SecretAccessKey":"s","Expiration":"soon"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn keys_that_are_read_fit_a_header(
            bytes in any::<Vec<u8>>(),
            (id, secret, token) in (any::<String>(), any::<String>(), any::<Option<String>>()),
        ) {
            let document = serde_json::json!({
                "AccessKeyId": id, "SecretAccessKey": secret, "Token": token,
            });
            for document in [document.to_string().into_bytes(), bytes] {
                if let Ok(role) = read(&document) {
                    let AwsKeys { access_key_id, secret_access_key, session_token } = role.keys;
                    let all = [access_key_id, secret_access_key].into_iter().chain(session_token);
                    for text in all {
                        prop_assert!(!text.is_empty());
                        prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                    }
                }
            }
        }
    }
}
