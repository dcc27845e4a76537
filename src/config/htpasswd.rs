//! Users and the hashes of their passwords, one `NAME:HASH` on each line, as `htpasswd` writes them. No message
//! contains a part of a hash.

use crate::plan::{Auth, HashKind, PasswordHash, Plan, User, UserList, UserSource};

use super::text_file;

/// Maximum number of users.
const MAX_USERS: usize = 10_000;
/// Maximum length of a name, in bytes.
pub(super) const MAX_NAME: usize = 255;
/// The costs of bcrypt: each doubles the time of a check. This one takes about half a second.
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=13;
/// The rounds of SHA-crypt. The most take about half a second.
const SHA_ROUNDS: std::ops::RangeInclusive<u32> = 1000..=700_000;

const NOT_HASHED: &str = "this password is not hashed, or with an insecure method (DES, {SHA}, MD5 without apr1): write \
                          the line with htpasswd -B";
const UNKNOWN: &str =
    "the method that hashed this password is not known: write the line with htpasswd -B";
const MALFORMED: &str = "the hash of the password is not complete: write the line with htpasswd -B";

/// Reads the users of files into the plan. Returns a sentence for each file that is unreadable or has a fault.
pub(super) fn read_files(plan: &mut Plan) -> Vec<String> {
    let mut faults = Vec::new();
    for route in &mut plan.routes {
        let auth = route.policies.auth.as_mut().map(|policy| &mut policy.auth);
        let Some(Auth::Basic(basic)) = auth else { continue };
        let UserSource::File(path) = &basic.users else { continue };
        let shown = text_file::shown(path).into_owned();
        let read = text_file::read(path, &shown)
            .and_then(|text| users(&text).map_err(|fault| format!("in {shown}: {fault}")));
        match read {
            Ok(users) => basic.users = UserSource::List(users),
            Err(fault) => faults.push(format!("route.{}.auth_users: {fault}", route.name)),
        }
    }
    faults
}

/// Reads users. Empty lines and those that begin with `#` mean nothing, nor does what follows a second colon.
pub(super) fn users(text: &str) -> Result<UserList, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut users: Vec<User> = Vec::new();
    let mut names = std::collections::HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |fault: &str| format!("line {number}: {fault}");
        let user = user(line).map_err(fault)?;
        if !names.insert(user.name.clone()) {
            return Err(fault("an earlier line has the same user: remove one"));
        }
        users.push(user);
        if users.len() > MAX_USERS {
            return Err(format!(
                "there are more than {MAX_USERS} users: split them, or let the application check them"
            ));
        }
    }
    if users.is_empty() {
        return Err("there is no user: add one with htpasswd -B".into());
    }
    Ok(UserList(users))
}

fn user(line: &str) -> Result<User, &'static str> {
    let (name, rest) = line.split_once(':').ok_or("there is no colon: write NAME:HASH")?;
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err("a name must have 1 to 255 bytes, and no control characters");
    }
    let hash = rest.split(':').next().unwrap_or_default();
    Ok(User { name: name.into(), hash: password_hash(hash)? })
}

fn password_hash(text: &str) -> Result<PasswordHash, &'static str> {
    let Some((kind, rest)) = text.strip_prefix('$').and_then(|text| text.split_once('$')) else {
        return Err(NOT_HASHED);
    };
    let kind = match kind {
        "2a" | "2b" | "2y" => HashKind::Bcrypt,
        "apr1" => HashKind::Apr1,
        "5" => HashKind::Sha256,
        "6" => HashKind::Sha512,
        "1" => return Err(NOT_HASHED),
        _ => return Err(UNKNOWN),
    };
    match kind {
        HashKind::Bcrypt => bcrypt(rest)?,
        HashKind::Apr1 => salted(rest, 8, 22)?,
        HashKind::Sha256 => sha_crypt(rest, 43)?,
        HashKind::Sha512 => sha_crypt(rest, 86)?,
    }
    Ok(PasswordHash { kind, text: text.into() })
}

/// Checks `COST$`, 22 characters of salt and 31 of the hash.
fn bcrypt(text: &str) -> Result<(), &'static str> {
    let (cost, rest) = text.split_once('$').ok_or(MALFORMED)?;
    let cost: u32 = cost.parse().ok().filter(|_| cost.len() == 2).ok_or(MALFORMED)?;
    if !BCRYPT_COST.contains(&cost) {
        return Err(
            "the cost of the hash must be from 4 to 13, so that a check takes less than a second: write the line \
                    with htpasswd -B -C 12",
        );
    }
    if rest.len() == 53 && is_crypt64(rest) { Ok(()) } else { Err(MALFORMED) }
}

/// Checks `rounds=NUMBER$`, which may be missing, the salt and the hash.
fn sha_crypt(text: &str, length: usize) -> Result<(), &'static str> {
    let Some(rest) = text.strip_prefix("rounds=") else { return salted(text, 16, length) };
    let (rounds, rest) = rest.split_once('$').ok_or(MALFORMED)?;
    let is_number = !rounds.starts_with('0') && rounds.bytes().all(|byte| byte.is_ascii_digit());
    let rounds: u32 = rounds.parse().ok().filter(|_| is_number).unwrap_or(u32::MAX);
    if !SHA_ROUNDS.contains(&rounds) {
        return Err(
            "the rounds of the hash must be from 1000 to 700000, so that a check takes less than a second: write the \
                    line with htpasswd -B",
        );
    }
    salted(rest, 16, length)
}

/// Checks a salt and a hash of this length.
fn salted(text: &str, max_salt: usize, length: usize) -> Result<(), &'static str> {
    let (salt, hash) = text.split_once('$').ok_or(MALFORMED)?;
    let is_valid = (1..=max_salt).contains(&salt.len())
        && is_crypt64(salt)
        && hash.len() == length
        && is_crypt64(hash);
    if is_valid { Ok(()) } else { Err(MALFORMED) }
}

/// Whether a text has only the 64 characters of crypt(3).
fn is_crypt64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BCRYPT: &str = "$2y$05$R17SCXoKeC9uvgn5Bgtd6OOuvrAOtUN4oLCMAissPMMatrurK3AmK";

    fn fault(text: &str) -> String {
        users(text).expect_err(text)
    }

    #[test]
    fn names_and_hashes_are_read() {
        let sha512 = format!("$6$rounds=5000$saltstring${}", "a".repeat(86));
        let text = format!(
            "\u{feff}# staff\n\nalice:{BCRYPT}\r\nbob smith:$apr1$xxxxxxxx${}:Bob\n\
             j\u{f6}rg:$5$salt${}\ncarol:{sha512}\n",
            "b".repeat(22),
            "c".repeat(43)
        );
        let list = users(&text).unwrap();
        let found: Vec<_> =
            list.0.iter().map(|user| (user.name.as_str(), user.hash.kind)).collect();
        assert_eq!(
            found,
            [
                ("alice", HashKind::Bcrypt),
                ("bob smith", HashKind::Apr1),
                ("j\u{f6}rg", HashKind::Sha256),
                ("carol", HashKind::Sha512),
            ]
        );
        assert_eq!(list.0[0].hash.text, BCRYPT);
        assert_eq!(
            format!("{list:?} {:?}", list.0[0]),
            "4 users User { name: \"alice\", hash: Bcrypt }"
        );
    }

    #[test]
    fn faults_name_the_line_and_no_part_of_a_hash() {
        let sha = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
        for (hash, expected) in [
            ("hunter2", NOT_HASHED),
            ("rqXexS6ZhobKA", NOT_HASHED),
            (sha, NOT_HASHED),
            ("{PLAIN}hunter2", NOT_HASHED),
            ("", NOT_HASHED),
            ("$1$xxxxxxxx$UYCIxa628.9qXjpQCjM4a.", NOT_HASHED),
            ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", UNKNOWN),
            ("$2x$05$R17SCXoKeC9uvgn5Bgtd6OOuvrAOtUN4oLCMAissPMMatrurK3AmK", UNKNOWN),
            ("$2y$05$R17SCXoKeC9uvgn5Bgtd6OOuvrAOtUN4oLCMAissPMMatrurK3Am", MALFORMED),
            ("$2y$5$R17SCXoKeC9uvgn5Bgtd6OOuvrAOtUN4oLCMAissPMMatrurK3AmK", MALFORMED),
            ("$6$salt$short", MALFORMED),
            ("$6$", MALFORMED),
            ("$apr1$$", MALFORMED),
        ] {
            assert_eq!(
                fault(&format!("# x\nalice:{hash}")),
                format!("line 2: {expected}"),
                "{hash}"
            );
        }
        let costly = BCRYPT.replace("$05$", "$14$");
        assert!(fault(&format!("a:{costly}")).starts_with("line 1: the cost of the hash must be"));
        for rounds in ["999", "700001", "01000", "", "99999999999", "+5000"] {
            let line = format!("a:$5$rounds={rounds}$salt${}", "c".repeat(43));
            assert!(fault(&line).starts_with("line 1: the rounds of the hash must be"), "{rounds}");
        }
        assert_eq!(fault("alice"), "line 1: there is no colon: write NAME:HASH");
        assert!(fault(&format!(":{BCRYPT}")).contains("a name must have"));
        let twice = format!("a:{BCRYPT}\nb:{BCRYPT}\na:{BCRYPT}");
        assert_eq!(fault(&twice), "line 3: an earlier line has the same user: remove one");
        assert_eq!(fault("\n# nobody\n"), "there is no user: add one with htpasswd -B");
        let many: String = (0..=MAX_USERS).map(|number| format!("{number}:{BCRYPT}\n")).collect();
        assert!(fault(&many).starts_with("there are more than 10000 users"));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_faults_do_not_show_the_text(
            text in "([a-z]{0,3}:?[$]?(2y|apr1|5|6|1)?[$]?(rounds=)?[0-9]{0,3}[$]?[A-Z./]{6,60}(:|\n)?){0,4}",
            any in any::<String>(),
        ) {
            let _ = users(&any);
            match users(&text) {
                Ok(list) => {
                    let shown = format!("{list:?}");
                    prop_assert!(!shown.contains('$'), "{}", shown);
                }
                Err(fault) => {
                    let secrets = text.split(|letter: char| !letter.is_ascii_uppercase() && !"./".contains(letter));
                    for secret in secrets.filter(|secret| secret.len() >= 6) {
                        prop_assert!(!fault.contains(secret), "{}", fault);
                    }
                }
            }
        }
    }
}
