//! Changes to header fields: `set NAME: VALUE`, `add NAME: VALUE`, `default NAME: VALUE`, `remove NAME`. A value may
//! have placeholders.

use http::{HeaderName, HeaderValue, header};

use crate::{
    plan::{HeaderEdit, HeaderText, TemplatePart},
    rfc::fields,
};

use super::{
    format::{FormatProperties, TextFormat},
    suggest, template,
};

/// A change to one header of a response. It may be secret: some headers authenticate Sideman to a CDN.
pub(super) const RESPONSE: TextFormat<HeaderEdit> = TextFormat::new(
    "set NAME: VALUE, add NAME: VALUE, default NAME: VALUE or remove NAME, such as set X-Frame-Options: DENY",
    response,
    show,
)
.with(FormatProperties {
    is_private: true,
    stands_alone: true,
    continues,
    ..FormatProperties::PLAIN
});

/// A change to one header of the request that an application gets.
pub(super) const REQUEST: TextFormat<HeaderEdit> = TextFormat::new(
    "set NAME: VALUE, add NAME: VALUE, default NAME: VALUE or remove NAME, such as remove Cookie",
    request,
    show,
)
.with(FormatProperties {
    is_private: true,
    stands_alone: true,
    continues,
    ..FormatProperties::PLAIN
});

const ACTIONS: [&str; 4] = ["set", "add", "default", "remove"];

/// Reads a change to a response.
fn response(text: &str) -> Result<HeaderEdit, String> {
    let edit = edit(text, template::OF_RESPONSE)?;
    if matches!(&edit, HeaderEdit::Set(name, _) if name == header::SET_COOKIE) {
        let field = text.trim().split_once(' ').map_or("", |(_, field)| field.trim());
        return Err(format!("this would delete the application's cookies: write add {field}"));
    }
    Ok(edit)
}

/// Reads a change to a request. Names with `_` are refused: CGI and WSGI cannot tell them from those with `-`.
fn request(text: &str) -> Result<HeaderEdit, String> {
    let edit = edit(text, template::FACTS)?;
    let name = edit.name();
    if name == header::HOST {
        return Err("set host_header instead".into());
    }
    if name == header::EXPECT {
        return Err("Sideman answers Expect itself: remove this rule".into());
    }
    if name.as_str().contains('_') {
        return Err(format!("write {}", name.as_str().replace('_', "-")));
    }
    Ok(edit)
}

/// Reads one change.
fn edit(text: &str, names: &template::Names) -> Result<HeaderEdit, String> {
    let text = text.trim();
    let (action, field) = text.split_once(' ').unwrap_or((text, ""));
    let field = field.trim();
    Ok(match action {
        "set" => {
            let (name, value) = name_and_value(field, names)?;
            HeaderEdit::Set(name, value)
        }
        "add" => {
            let (name, value) = name_and_value(field, names)?;
            HeaderEdit::Add(name, value)
        }
        "default" => {
            let (name, value) = name_and_value(field, names)?;
            HeaderEdit::Default(name, value)
        }
        "remove" => match field.split_once(':') {
            Some((name, _)) => {
                return Err(format!("remove takes the name alone: write remove {name}"));
            }
            None => HeaderEdit::Remove(field_name(field)?),
        },
        action => return Err(no_action(text, action)),
    })
}

/// Returns a text that [`edit`] reads as this.
pub(super) fn show(edit: &HeaderEdit) -> String {
    match edit {
        HeaderEdit::Set(name, text) => format!("set {name}: {}", show_text(text)),
        HeaderEdit::Add(name, text) => format!("add {name}: {}", show_text(text)),
        HeaderEdit::Default(name, text) => format!("default {name}: {}", show_text(text)),
        HeaderEdit::Remove(name) => format!("remove {name}"),
    }
}

pub(super) fn show_text(text: &HeaderText) -> String {
    match text {
        HeaderText::Fixed(value) => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        HeaderText::Template(parts) => template::show(parts),
    }
}

/// Returns whether the text after a comma of the environment continues the value before it. Text that begins with an
/// action does not.
fn continues(piece: &str) -> bool {
    let action = piece.trim_start().split(' ').next().unwrap_or_default();
    !action.is_empty() && !ACTIONS.contains(&action)
}

/// Reads a value, which may have placeholders.
pub(super) fn value(value: &str, names: &template::Names) -> Result<HeaderText, String> {
    if let Some(variable) = variable(value) {
        return Err(format!(
            "{variable} would be sent as it is: the placeholders are {}",
            template::list(names)
        ));
    }
    // RFC 9110, 5.5, without obsolete forms: everything else has a quoted or encoded form.
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("the value may only contain visible ASCII characters and spaces".into());
    }
    let parts = template::read(value, names)?;
    Ok(match parts.as_slice() {
        [TemplatePart::Text(fixed)] => HeaderText::Fixed(
            HeaderValue::from_str(fixed).map_err(|_| "this is not the value of a header")?,
        ),
        _ => HeaderText::Template(parts),
    })
}

fn name_and_value(
    field: &str,
    names: &template::Names,
) -> Result<(HeaderName, HeaderText), String> {
    let Some((name, value)) = field.split_once(':') else {
        let (name, value) = field.split_once(' ').unwrap_or((field, "VALUE"));
        return Err(format!("the : between name and value is missing: write {name}: {value}"));
    };
    let name = field_name(name)?;
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("the value is missing: to delete the header, write remove {name}"));
    }
    Ok((name, self::value(value, names)?))
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
            "{name} describes the content of a message and cannot be changed: remove this rule"
        ));
    }
    Ok(name)
}

fn no_action(edit: &str, action: &str) -> String {
    if action.ends_with(':') {
        return format!("set or add is missing: write set {edit}");
    }
    // Names of the actions in other programs.
    match action {
        "unset" | "delete" | "del" | "hide" | "clear" => return "write remove".into(),
        "append" => return "write add".into(),
        "replace" | "override" => return "write set".into(),
        _ => {}
    }
    suggest::did_you_mean(&suggest::nearest(action, ACTIONS, ""))
        .unwrap_or_else(|| "must begin with set, add, default or remove".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: &str) {
        let read = response(text).map(|read| show(&read));
        assert_eq!(read.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
    }

    #[test]
    fn edits() {
        reads("set X-Frame-Options: DENY", "set x-frame-options: DENY");
        reads("add Vary:Origin", "add vary: Origin");
        reads("default Referrer-Policy: same-origin", "default referrer-policy: same-origin");
        reads("remove Server", "remove server");
        reads(" set  X-A:  b=c: d,  e ", "set x-a: b=c: d,  e");
        reads("add Set-Cookie: a=b", "add set-cookie: a=b");
        reads("set X-A: {host} b{query}", "set x-a: {host} b{query}");
        reads(r#"set NEL: {"report_to":"a"}"#, r#"set nel: {"report_to":"a"}"#);
    }

    #[test]
    fn invalid_edits_have_a_remedy() {
        reads("X-A: b", "no: set or add is missing: write set X-A: b");
        reads("Set X-A: b", "no: did you mean set?");
        reads("delete X-A", "no: write remove");
        reads("append X-A: b", "no: write add");
        reads("change X-A: b", "no: must begin with set, add, default or remove");
        reads("", "no: must begin with set, add, default or remove");
        reads("set", "no: the : between name and value is missing: write : VALUE");
        reads("set X-A", "no: the : between name and value is missing: write X-A: VALUE");
        reads("set X-A b c", "no: the : between name and value is missing: write X-A: b c");
        reads("set : b", "no: the name is missing");
        reads("set X A: b", "no: \"X A\" cannot be the name of a field");
        reads("set X-A : b", "no: \"X-A \" cannot be the name of a field");
        reads("set X-A:", "no: the value is missing: to delete the header, write remove x-a");
        reads("remove", "no: the name is missing");
        reads("remove X-A: b", "no: remove takes the name alone: write remove X-A");
        let visible = "no: the value may only contain visible ASCII characters and spaces";
        reads("set X-A: \u{e9}", visible);
        reads("set X-A: a\r\nX-B: c", visible);
        reads(
            "set Set-Cookie: a=b",
            "no: this would delete the application's cookies: write add Set-Cookie: a=b",
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
            let fault = response(&format!("set X-A: {value}")).unwrap_err();
            let begin = format!("{variable} would be sent as it is: the placeholders are {{host}}");
            assert!(fault.starts_with(&begin), "{fault}");
        }
        for value in
            ["$5", "a$", "100%", "{\"group\":\"a\"}", "a=%20", "$", "${".trim_end_matches('{')]
        {
            assert!(response(&format!("add X-A: {value}")).is_ok(), "{value}");
        }
    }

    #[test]
    fn headers_of_the_connection_and_the_content_are_refused() {
        for name in ["Connection", "Transfer-Encoding", "keep-alive", "Upgrade", "TE", "Trailer"] {
            for text in [format!("set {name}: a"), format!("remove {name}")] {
                assert!(
                    response(&text).unwrap_err().contains("describes the connection"),
                    "{text}"
                );
            }
        }
        for name in ["Content-Length", "Content-Encoding", "Content-Range", "Date"] {
            let fault = response(&format!("add {name}: 1")).unwrap_err();
            assert!(fault.contains("describes the content"), "{name}: {fault}");
        }
    }

    #[test]
    fn requests_have_rules_of_their_own() {
        assert!(request("remove Accept-Encoding").is_ok());
        assert!(request("set Set-Cookie: a=b").is_ok());
        for (text, fault) in [
            ("set Host: a", "set host_header instead"),
            ("remove Expect", "Sideman answers Expect itself: remove this rule"),
            ("set X_A: b", "write x-a"),
        ] {
            assert_eq!(request(text).map(|read| show(&read)), Err(fault.into()), "{text}");
        }
        assert!(
            request("remove Transfer-Encoding").unwrap_err().contains("describes the connection")
        );
    }

    #[test]
    fn commas_of_the_environment() {
        assert!(continues(" max-age=60"));
        assert!(continues("*/*"));
        assert!(!continues(" set A: b"));
        assert!(!continues("remove A"));
        assert!(!continues("  "));
    }

    proptest! {
        #[test]
        fn a_shown_edit_reads_back(
            text in "(set|add|default|remove) [a-zA-Z-]{1,6}(: ?([ -~]|\\{host\\}){0,8})?",
        ) {
            if let Ok(read) = response(&text) {
                prop_assert_eq!(response(&show(&read)), Ok(read));
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = response(&text);
            let _ = response(&format!("set {text}"));
            let _ = response(&format!("set a: {text}"));
            let _ = continues(&text);
        }
    }
}
