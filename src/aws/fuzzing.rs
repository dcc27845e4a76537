//! Fuzz targets of [`crate::fuzzing`]: error documents of S3, and the keys of a role.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target fails by panicking, and nothing of it is in the program"
)]

use serde_json::Value;

use super::{error_document::error_code, role_keys};

/// Reads the code of an error document, and compares it with a plain reading.
pub fn s3_error(data: &[u8]) {
    let code = error_code(data);
    assert_eq!(code.map(str::as_bytes), plain_code(data));
    if let Some(code) = code {
        let document = format!("<?xml version=\"1.0\"?><Error><Code>\n{code} </Code></Error>");
        assert_eq!(error_code(document.as_bytes()), Some(code), "another code");
    }
}

/// Returns the code in the first element `Code`.
fn plain_code(data: &[u8]) -> Option<&[u8]> {
    let begin = data.windows(6).position(|bytes| bytes == b"<Code>")? + 6;
    let end = begin + data[begin..].iter().position(|&byte| byte == b'<')?;
    let code = data[begin..end].trim_ascii();
    let is_code = (1..=64).contains(&code.len()) && code.iter().all(u8::is_ascii_alphanumeric);
    is_code.then_some(code)
}

/// Reads the keys of a role, and compares them with the JSON as a tree.
pub fn role_keys(data: &[u8]) {
    let Ok(role) = role_keys::read(data) else { return };
    let keys = &role.keys;
    assert!(std::str::from_utf8(data).is_ok_and(|text| text.trim_start().starts_with('{')));
    // The tree also has the members that mean nothing, whose numbers and depth have limits.
    let tree = serde_json::from_slice::<Value>(data).ok();
    let text = |name: &str| tree.as_ref()?.get(name)?.as_str();
    if tree.is_some() {
        assert_eq!(text("AccessKeyId"), Some(&*keys.access_key_id));
        assert_eq!(text("SecretAccessKey"), Some(&*keys.secret_access_key));
        assert_eq!(text("Token"), keys.session_token.as_deref());
        assert_eq!(text("Expiration").is_some(), role.expires.is_some());
    }
    let token = keys.session_token.as_ref();
    for text in [&keys.access_key_id, &keys.secret_access_key].into_iter().chain(token) {
        assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let shown =
        format!("RoleKeys {{ keys: keys of {}, expires: {:?} }}", keys.access_key_id, role.expires);
    assert_eq!(format!("{role:?}"), shown, "a secret is shown");

    let again = serde_json::json!({
        "AccessKeyId": keys.access_key_id,
        "SecretAccessKey": keys.secret_access_key,
        "Token": keys.session_token,
        "Expiration": text("Expiration"),
    });
    if tree.is_some() {
        assert_eq!(role_keys::read(again.to_string().as_bytes()), Ok(role));
    }
}
