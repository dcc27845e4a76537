//! Compares a password with a hash. All comparisons of hashes take the same time, wherever they differ.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha_crypt::{PasswordHashRef, PasswordVerifier as _, ShaCrypt};

use super::apr1;
use crate::plan::{HashKind, PasswordHash};

/// Whether a password has this hash.
pub(super) fn is_right(hash: &PasswordHash, password: &[u8]) -> bool {
    match hash.kind {
        HashKind::Bcrypt => bcrypt::verify(password, &hash.text).unwrap_or(false),
        HashKind::Apr1 => is_apr1(&hash.text, password),
        HashKind::Sha256 | HashKind::Sha512 => is_sha_crypt(&hash.text, password),
    }
}

fn is_sha_crypt(text: &str, password: &[u8]) -> bool {
    let hash = PasswordHashRef::new(text);
    hash.is_ok_and(|hash| ShaCrypt::default().verify_password(password, hash).is_ok())
}

fn is_apr1(text: &str, password: &[u8]) -> bool {
    let mut parts = text.rsplit('$');
    let (Some(expected), Some(salt)) = (parts.next(), parts.next()) else { return false };
    let found = apr1::hash(password, salt.as_bytes());
    verify_slices_are_equal(found.as_bytes(), expected.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passwords with hashes of them that htpasswd, openssl and crypt(3) have made.
    const HASHES: &[(&str, &str)] = &[
        ("correct horse", "$2y$05$9LMH.7YJUXsnxIjGbly7gOWAIXy4Gk0ZsK/wL.rzEPijptVx8iv1G"),
        ("correct horse", "$2a$05$R17SCXoKeC9uvgn5Bgtd6Oy3TuQoS4UTZr84ONG8PaNpoPNN2zMhC"),
        ("correct horse", "$2b$04$qLWwEbRzJ.kk/aOtRMuc4.CZ1NkH9ZCwlPJkfo7YXVzA8B2TsR4OW"),
        ("correct horse", "$apr1$KSjbKt7x$X9Mj/4iefTRMPJZZuA3Up0"),
        ("correct horse", "$apr1$ab$2AViYtCrOwG81vjtLDlBI0"),
        ("correct horse", "$5$JREKeKJmQ1/AKDAp$WUfagNmy3XVo.orfuXXOF/x/d1FaHSEOMc0HdTGcwV7"),
        (
            "correct horse",
            "$5$rounds=10000$5meX2yV8gFJf0rTE$nh5v7StdMvXg5x4rfTiojcOiN8xl5WrRbXQ.OIDXtZ5",
        ),
        ("correct horse", "$5$0123456789abcdef$GkVfGOcpKLcryIiNM.uN6AQV7DQsJJPqGu0QqsSSMrD"),
        (
            "correct horse",
            "$6$lVkxkEJQWXlatp9i$OxAqeQuUhjY1sCNcBVdMWHRUHhcOBOZSczLp6zo7ardEAzqN9snVMoz2pqFcumiqzuEkTodRtT7K27PBEuy1j0",
        ),
        (
            "correct horse",
            "$6$rounds=1000$A4Xs6thJv8PMI7OJ$bN0E2bcRomj.PX/fVpPNNsqvWA6xqms6uLtqdZY/7S3uX3a3sNhKXpyfAHJDbi4T01nHMXl84/q9wZvIF8s8k1",
        ),
        (
            "correct horse",
            "$6$x$wyUF1cwljYxWm52mSrCNhPis.RDV.T8CKPSQFvQhatb7XvQEuU8MzHV.HKzrzjDG/HEq.wZtbdTlLzrlSjbao/",
        ),
        ("gr\u{fc}n", "$2y$05$Vu8MpbUdxyGHQsICgoHss.h4O1XSEdx0dh6Z38czClqA6qSImaGpO"),
        ("gr\u{fc}n", "$apr1$EhscIfom$3VTLgV9jygHzpLWRr424C/"),
        ("gr\u{fc}n", "$5$RdzYxcbuE/kEURyE$iO5QMN9mSw6bTb6RKV3pfd0W9MmIl4eIQyOFeaMqvv6"),
        (
            "gr\u{fc}n",
            "$6$rFubdcQk37ZIbyDj$/k94MuT38NMEQUg77TbydojkdcwmJcCPU1nVx0bKNjjVQX112NWgPhUN7xQqhPfFN8rg5eFZBlP1C7j3t0pUO1",
        ),
        ("", "$apr1$saltsalt$a8ml/vK5HEjiZ5oypDWA7/"),
        ("", "$5$saltsalt$09agN5RZ2meWdEdnEusqsq5G7RwwghB8jCKoWWADxW/"),
        (
            "",
            "$6$saltsalt$qkTgsCrWMTAS9gBGcf9W60sFfH.hU0oTCAOJjhbz5tSp/sU3/xXZK4OFwCtq8lIIdpJ6CatVdOTSHKp97TPkt/",
        ),
    ];
    /// Hashes of 200 times x.
    const HASHES_OF_LONG: &[&str] = &[
        "$2b$05$R17SCXoKeC9uvgn5Bgtd6O9sK/QxkcXOYNzg5/A2TNpWdnMQCzI52",
        "$apr1$saltsalt$bBflJ7cq7apbOefxhgS4/1",
        "$5$saltsalt$iQiojUOKkJLempkZzl7PeP58fU8nNk0BHOxTjjzegS5",
        "$6$saltsalt$W90KfnZDYZcPsGdi731h2UBWmplSflE78wuG5G5iBp4WQ9EpM6hCRhJ466Vv5mdpYE67aY0/qLij9kcIgyoQC/",
    ];

    fn hash(text: &str) -> PasswordHash {
        let kind = match text.split('$').nth(1) {
            Some("apr1") => HashKind::Apr1,
            Some("5") => HashKind::Sha256,
            Some("6") => HashKind::Sha512,
            _ => HashKind::Bcrypt,
        };
        PasswordHash { kind, text: text.into() }
    }

    #[test]
    fn hashes_of_other_tools_are_right() {
        let long = "x".repeat(200);
        let of_long = HASHES_OF_LONG.iter().map(|text| (long.as_str(), *text));
        for (password, text) in HASHES.iter().copied().chain(of_long) {
            assert!(is_right(&hash(text), password.as_bytes()), "{password} {text}");
            for wrong in ["", "x", "correct hors", "correct horse ", "Correct horse", "gr\u{fb}n"] {
                assert_eq!(
                    is_right(&hash(text), wrong.as_bytes()),
                    wrong == password,
                    "{wrong} {text}"
                );
            }
        }
        // Latin-1 and other bytes that are not UTF-8 are passwords like any other.
        assert!(!is_right(&hash(HASHES[11].1), b"gr\xfcn"));
    }

    #[test]
    fn no_other_hash_is_right() {
        for (password, text) in HASHES {
            let (before, last) = text.split_at(text.len() - 2);
            let other = if last.starts_with('a') { "b" } else { "a" };
            let changed = format!("{before}{other}{}", &last[1..]);
            assert!(!is_right(&hash(&changed), password.as_bytes()), "{changed}");
        }
        for text in ["", "$", "$2y$05$", "$apr1$", "$5$a$", "$6$rounds=5000$a$b"] {
            assert!(!is_right(&hash(text), b""), "{text}");
        }
    }

    /// The processor time that this thread has used.
    fn processor_time() -> std::time::Duration {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        std::time::Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }

    /// The bounds of `config/htpasswd.rs`: `cargo test --lib time_of_the_most -- --ignored --nocapture`. Their crates
    /// are optimised in the dev profile too.
    #[test]
    #[ignore = "prints times"]
    fn time_of_the_most_expensive_hashes() {
        let sha512 = HASHES[9].1.replace("rounds=1000", "rounds=700000");
        let sha256 = HASHES[6].1.replace("rounds=10000", "rounds=700000");
        for text in [&HASHES[0].1.replace("$05$", "$13$"), &sha256, &sha512, HASHES[3].1] {
            for length in [12, 255] {
                let begin = processor_time();
                is_right(&hash(text), &vec![b'x'; length]);
                let time = processor_time() - begin;
                println!("{} with {length} bytes: {time:?}", &text[..18]);
            }
        }
    }
}
