//! Changes to response headers: `PREFIX=set NAME: VALUE`, `PREFIX=add NAME: VALUE`, `PREFIX=remove NAME`.

use http::{HeaderName, HeaderValue, header};

use crate::{
    plan::{FieldEdit, FieldRule},
    rfc::fields,
};

use super::{
    format::{FormatProperties, TextFormat},
    path, suggest,
};

/// A change to one header. It may be secret: some headers authenticate Sideman to a CDN.
pub(super) const RULE: TextFormat<FieldRule> = TextFormat::new(
    "PREFIX=set NAME: VALUE, PREFIX=add NAME: VALUE or PREFIX=remove NAME, such as \
               /=set X-Frame-Options: DENY",
    rule,
    show,
)
.with(FormatProperties { is_private: true, continues, ..FormatProperties::PLAIN });

const ACTIONS: [&str; 3] = ["set", "add", "remove"];

/// Reads one rule.
fn rule(text: &str) -> Result<FieldRule, String> {
    let Some((prefix, edit)) = text.split_once('=') else {
        return Err(match text.contains(':') && !text.starts_with('/') {
            true => format!("prefix and action are missing: write /=set {text}"),
            false => "the = between prefix and change is missing".into(),
        });
    };
    let prefix = path::beginning(prefix).map_err(|fault| format!("in the prefix: {fault}"))?;
    let (action, field) = edit.split_once(' ').unwrap_or((edit, ""));
    let field = field.trim();
    let edit = match action {
        "set" => {
            let (name, value) = name_and_value(&prefix, field)?;
            if name == header::SET_COOKIE {
                return Err(format!(
                    "this would delete the application's cookies: write {prefix}=add {field}"
                ));
            }
            FieldEdit::Set(name, value)
        }
        "add" => {
            let (name, value) = name_and_value(&prefix, field)?;
            FieldEdit::Add(name, value)
        }
        "remove" => match field.split_once(':') {
            Some((name, _)) => {
                return Err(format!("remove takes the name alone: write {prefix}=remove {name}"));
            }
            None => FieldEdit::Remove(field_name(field)?),
        },
        action => return Err(no_action(&prefix, edit, action)),
    };
    Ok(FieldRule { prefix, edit })
}

/// Returns a text that [`rule`] reads as this.
pub(super) fn show(FieldRule { prefix, edit }: &FieldRule) -> String {
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    match edit {
        FieldEdit::Set(name, text) => format!("{prefix}=set {name}: {}", value(text)),
        FieldEdit::Add(name, text) => format!("{prefix}=add {name}: {}", value(text)),
        FieldEdit::Remove(name) => format!("{prefix}=remove {name}"),
    }
}

/// Returns whether the text after a comma of the environment continues the value before it. Text that looks like a rule
/// does not: its prefix lacks the leading `/`.
fn continues(piece: &str) -> bool {
    let begun = piece.trim_start();
    let is_rule = || ACTIONS.iter().any(|action| piece.contains(&format!("={action} ")));
    !begun.is_empty() && !begun.starts_with('/') && !is_rule()
}

fn name_and_value(prefix: &str, field: &str) -> Result<(HeaderName, HeaderValue), String> {
    let Some((name, value)) = field.split_once(':') else {
        let (name, value) = field.split_once(' ').unwrap_or((field, "VALUE"));
        return Err(format!("the : between name and value is missing: write {name}: {value}"));
    };
    let name = field_name(name)?;
    let value = value.trim();
    if value.is_empty() {
        return Err(format!(
            "the value is missing: to delete the header, write {prefix}=remove {name}"
        ));
    }
    if let Some(variable) = variable(value) {
        return Err(format!(
            "there are no variables: {variable} would be sent as it stands; write the value itself, or let \
             the application set this field"
        ));
    }
    // RFC 9110, 5.5, without obsolete forms: everything else has a quoted or encoded form.
    match HeaderValue::from_str(value) {
        Ok(value) if value.to_str().is_ok() => Ok((name, value)),
        _ => Err("in the value, only visible ASCII characters and spaces are possible".into()),
    }
}

/// Finds variables that other servers would substitute: nginx (`$host`, `${host}`), Apache (`%{HOST}e`), HAProxy
/// (`%[src]`), Caddy (`{http.x}`).
fn variable(value: &str) -> Option<&str> {
    let begins = |at: &usize| {
        let rest = value.as_bytes().get(*at..).unwrap_or_default();
        match rest {
            [b'$', next, ..] => next.is_ascii_alphabetic() || matches!(next, b'_' | b'{'),
            [b'%', b'{' | b'[', ..] => true,
            rest => rest.starts_with(b"{http."),
        }
    };
    let start = (0..value.len()).find(begins)?;
    let rest = value.get(start..)?;
    let end = match rest.find(['}', ']']) {
        Some(end) if !rest.starts_with('$') || rest.starts_with("${") => end + 1,
        _ => rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| !c.is_ascii_alphanumeric() && *c != '_')
            .map_or(rest.len(), |(at, _)| at),
    };
    rest.get(..end)
}

/// Reads the name of a header that Sideman does not set itself.
fn field_name(text: &str) -> Result<HeaderName, String> {
    if text.is_empty() {
        return Err("the name is missing".into());
    }
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| format!("{text:?} cannot be the name of a field"))?;
    if fields::is_hop_by_hop(&name) {
        return Err(format!(
            "{name} describes the connection, which Sideman manages: remove this rule"
        ));
    }
    let of_the_body =
        [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE, header::DATE];
    if of_the_body.contains(&name) {
        return Err(format!(
            "{name} describes the response's content and cannot be changed: remove this rule"
        ));
    }
    Ok(name)
}

fn no_action(prefix: &str, edit: &str, action: &str) -> String {
    if action.ends_with(':') {
        return format!("set or add is missing: write {prefix}=set {edit}");
    }
    // Names of the actions in other programs.
    match action {
        "unset" | "delete" | "del" | "hide" | "clear" => return "write remove".into(),
        "append" => return "write add".into(),
        "replace" | "override" => return "write set".into(),
        _ => {}
    }
    suggest::question(&suggest::nearest(action, ACTIONS, ""))
        .unwrap_or_else(|| "after the = write set, add or remove".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: &str) {
        let read = rule(text).map(|read| show(&read));
        assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
    }

    #[test]
    fn rules() {
        reads("/=set X-Frame-Options: DENY", "/=set x-frame-options: DENY");
        reads("/api/=add Vary:Origin", "/api/=add vary: Origin");
        reads("/=remove Server", "/=remove server");
        reads("/=set  X-A:  b=c: d,  e ", "/=set x-a: b=c: d,  e");
        reads("/=add Set-Cookie: a=b", "/=add set-cookie: a=b");
    }

    #[test]
    fn what_is_no_rule() {
        reads("X-A: b", "no: prefix and action are missing: write /=set X-A: b");
        reads("/a X-A: b", "no: the = between prefix and change is missing");
        reads("x=set X-A: b", "no: in the prefix: must start with /");
        reads("/=X-A: b", "no: set or add is missing: write /=set X-A: b");
        reads("/=Set X-A: b", "no: did you mean set?");
        reads("/=delete X-A", "no: write remove");
        reads("/=append X-A: b", "no: write add");
        reads("/=change X-A: b", "no: after the = write set, add or remove");
        reads("/=", "no: after the = write set, add or remove");
        reads("/=set", "no: the : between name and value is missing: write : VALUE");
        reads("/=set X-A", "no: the : between name and value is missing: write X-A: VALUE");
        reads("/=set X-A b c", "no: the : between name and value is missing: write X-A: b c");
        reads("/=set : b", "no: the name is missing");
        reads("/=set X A: b", "no: \"X A\" cannot be the name of a field");
        reads("/=set X-A : b", "no: \"X-A \" cannot be the name of a field");
        let missing = "no: the value is missing: to delete the header, write /=remove x-a";
        reads("/=set X-A:", missing);
        reads("/=remove", "no: the name is missing");
        reads("/=remove X-A: b", "no: remove takes the name alone: write /=remove X-A");
        let visible = "no: in the value, only visible ASCII characters and spaces are possible";
        reads("/=set X-A: \u{e9}", visible);
        reads("/=set X-A: a\r\nX-B: c", visible);
        reads(
            "/=set Set-Cookie: a=b",
            "no: this would delete the application's cookies: write /=add Set-Cookie: a=b",
        );
    }

    #[test]
    fn variables_of_other_programs_are_refused() {
        for (value, variable) in [
            ("$host", "$host"),
            ("a $request_id; b", "$request_id"),
            ("https://${http_host}/x", "${http_host}"),
            ("%{HTTP_HOST}e", "%{HTTP_HOST}"),
            ("%[src] a", "%[src]"),
            ("{http.request.host}", "{http.request.host}"),
        ] {
            let fault = rule(&format!("/=set X-A: {value}")).unwrap_err();
            let begin = format!("there are no variables: {variable} would be sent");
            assert!(fault.starts_with(&begin), "{fault}");
        }
        for value in
            ["$5", "a$", "100%", "{\"group\":\"a\"}", "a=%20", "$", "${".trim_end_matches('{')]
        {
            assert!(rule(&format!("/=add X-A: {value}")).is_ok(), "{value}");
        }
    }

    #[test]
    fn names_that_are_not_for_rules() {
        for name in ["Connection", "Transfer-Encoding", "keep-alive", "Upgrade", "TE", "Trailer"] {
            for text in [format!("/=set {name}: a"), format!("/=remove {name}")] {
                assert!(rule(&text).unwrap_err().contains("describes the connection"), "{text}");
            }
        }
        for name in ["Content-Length", "Content-Encoding", "Content-Range", "Date"] {
            let fault = rule(&format!("/=add {name}: 1")).unwrap_err();
            assert!(fault.contains("describes the response"), "{name}: {fault}");
        }
    }

    #[test]
    fn commas_of_the_environment() {
        assert!(continues(" max-age=60"));
        assert!(continues("*/*"));
        assert!(!continues(" /api/=set A: b"));
        assert!(!continues(" api/=set A: b"));
        assert!(!continues("  "));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(
            text in "/[a-z/]{0,4}=(set|add|remove) [a-zA-Z-]{1,6}(: ?[ -~]{0,8})?",
        ) {
            if let Ok(read) = rule(&text) {
                prop_assert_eq!(rule(&show(&read)), Ok(read));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = rule(&text);
            let _ = rule(&format!("/=set {text}"));
            let _ = rule(&format!("/=set a: {text}"));
            let _ = continues(&text);
        }
    }
}
