//! Verifies Signature Version 4 as a server does, from the bytes of a request, and apart from Sideman's own code.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};

use crate::support::Request;

/// How far the date of a request may be off, in seconds.
const MAX_SKEW: u64 = 15 * 60;

/// Verifies the signature of a request that was made with one of these keys.
pub(super) fn verify(request: &Request, keys: &[(&str, &str)]) -> Result<(), String> {
    let head = &request.head;
    let [authorization] = head.all("authorization")[..] else {
        return Err("not one Authorization".into());
    };
    let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let part = |name: &str| {
        let mut parts = rest.split(", ").filter_map(|part| part.split_once('='));
        parts.find(|(known, _)| *known == name).map(|(_, value)| value).ok_or(format!("no {name}"))
    };
    let credential: Vec<&str> = part("Credential")?.split('/').collect();
    let [id, day, region, "s3", "aws4_request"] = credential[..] else {
        return Err(format!("scope {credential:?}"));
    };
    let (_, secret) = keys.iter().find(|(known, _)| *known == id).ok_or("unknown key")?;
    let date = head.get("x-amz-date").ok_or("no x-amz-date")?;
    if !date.starts_with(day) || seconds(date).abs_diff(now()) > MAX_SKEW {
        return Err(format!("date {date} and day {day}"));
    }
    let names: Vec<&str> = part("SignedHeaders")?.split(';').collect();
    let all = head.fields.iter().map(|(name, _)| name.to_lowercase());
    let required = all.filter(|name| name == "host" || name.starts_with("x-amz-"));
    for name in required {
        if !names.contains(&&*name) {
            return Err(format!("{name} is not signed"));
        }
    }
    if !names.is_sorted() {
        return Err("the signed headers are not sorted".into());
    }
    let (path, query) = request.target().split_once('?').unwrap_or((request.target(), ""));
    let fields: String =
        names.iter().map(|name| format!("{name}:{}\n", head.all(name).join(",").trim())).collect();
    let payload = head.get("x-amz-content-sha256").ok_or("no x-amz-content-sha256")?;
    if payload != hex(digest::digest(&digest::SHA256, &request.body).as_ref()) {
        return Err("the hash is not that of the body".into());
    }
    let method = request.method();
    let canonical = format!("{method}\n{path}\n{query}\n{fields}\n{}\n{payload}", names.join(";"));
    let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{day}/{region}/s3/aws4_request\n{canonical}");
    let steps = [day, region, "s3", "aws4_request", &to_sign];
    let signature = steps.iter().fold(format!("AWS4{secret}").into_bytes(), |key, step| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::sign(&key, step.as_bytes()).as_ref().to_vec()
    });
    match hex(&signature) == part("Signature")? {
        true => Ok(()),
        false => Err("another signature".into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// `YYYYMMDDTHHMMSSZ` in seconds since 1970.
fn seconds(date: &str) -> u64 {
    let number = |from: usize, to: usize| date[from..to].parse::<u64>().unwrap();
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = lengths.iter().take(usize::try_from(month).unwrap() - 1).sum();
    (years + months + day - 1) * 86_400
        + number(9, 11) * 3600
        + number(11, 13) * 60
        + number(13, 15)
}
