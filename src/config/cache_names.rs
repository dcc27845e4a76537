//! The values of the section `cache`: names of cookies and query parameters, languages, and what a route does.

use crate::plan::{NamePattern, RouteCache};

use super::{
    format::{HOUR, SECOND, TextFormat},
    list_item::{self, DEFAULT, ListItem},
    suggest, value,
};

/// Names of cookies.
pub(super) const COOKIES: TextFormat<ListItem<NamePattern>> = TextFormat::new(
    "default, or names such as visitor or _ab_*",
    |text| or_default(text, cookie_pattern),
    |item| list_item::show(item, NamePattern::to_string),
);

/// Names of cookies of a session.
pub(super) const SESSION_COOKIES: TextFormat<NamePattern> = TextFormat::new(
    "names of cookies, such as sessionid or auth_*",
    cookie_pattern,
    NamePattern::to_string,
);

/// The name of one cookie.
pub(super) const COOKIE: TextFormat<String> =
    TextFormat::new("the name of a cookie, such as language", cookie, String::clone);

/// Names of query parameters.
pub(super) const PARAMETERS: TextFormat<ListItem<NamePattern>> = TextFormat::new(
    "default, or names such as ref or promo_*",
    |text| or_default(text, parameter_pattern),
    |item| list_item::show(item, NamePattern::to_string),
);

/// A language.
pub(super) const LANGUAGE: TextFormat<String> =
    TextFormat::new("language tags, such as pt-BR", language, String::clone);

/// What a route does with responses.
pub(super) const OF_ROUTE: TextFormat<RouteCache> = TextFormat::new(
    "off, on, or anonymous with a time from 1s to 1h, such as anonymous 5s",
    of_route,
    show_of_route,
);

/// Maximum length of a name, in bytes.
const LONGEST: usize = 128;
const ANONYMOUS: &str = "anonymous";

fn or_default(
    text: &str,
    pattern: fn(&str) -> Result<NamePattern, String>,
) -> Result<ListItem<NamePattern>, String> {
    if text == DEFAULT { Ok(ListItem::Default) } else { pattern(text).map(ListItem::One) }
}

fn cookie_pattern(text: &str) -> Result<NamePattern, String> {
    cookie(part(text)?)?;
    Ok(NamePattern::of(text))
}

fn parameter_pattern(text: &str) -> Result<NamePattern, String> {
    let part = part(text)?;
    // Names are compared as they are sent, and these characters part them.
    if let Some(odd) = part.chars().find(|c| !c.is_ascii_graphic() || "&;=?#%+".contains(*c)) {
        return Err(format!("{odd:?} cannot be part of a parameter's name here"));
    }
    Ok(NamePattern::of(text))
}

/// Returns the text of a pattern without the `*` at its ends.
fn part(text: &str) -> Result<&str, String> {
    let part = text.strip_prefix('*').unwrap_or(text);
    let part = part.strip_suffix('*').unwrap_or(part);
    match part {
        "" => Err("this would fit every name: write a part of the name".into()),
        part if part.len() > LONGEST => Err(format!("must have at most {LONGEST} characters")),
        part if part.contains('*') => Err("a * can only be the first or the last character".into()),
        part => Ok(part),
    }
}

/// Reads the name of a cookie, which is a token (RFC 6265, 4.1.1).
fn cookie(text: &str) -> Result<String, String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'+-.^_`|~".contains(c);
    match text.chars().find(|c| !is_token(*c)) {
        Some(odd) => Err(format!("{odd:?} cannot be part of a cookie's name")),
        None if text.is_empty() => Err("the name of the cookie is missing".into()),
        None if text.len() > LONGEST => Err(format!("must have at most {LONGEST} characters")),
        None => Ok(text.to_owned()),
    }
}

/// Reads a language tag: letters, then parts of letters and digits after hyphens (RFC 5646, 2.1).
fn language(text: &str) -> Result<String, String> {
    let (first, rest) =
        text.split_once('-').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let is_letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if text.contains('_') {
        return Err(format!("write {}", text.replace('_', "-")));
    }
    let has_good_rest = rest.is_none_or(|rest| rest.split('-').all(is_part));
    if !(2..=8).contains(&first.len()) || !is_letters(first) || !has_good_rest || text.len() > 35 {
        return Err("this is not a language tag".into());
    }
    Ok(text.to_ascii_lowercase())
}

fn of_route(text: &str) -> Result<RouteCache, String> {
    match text {
        "off" => return Ok(RouteCache::Off),
        "on" => return Ok(RouteCache::On),
        "false" | "no" | "none" => return Err("write off".into()),
        "true" | "yes" => return Err("write on".into()),
        ANONYMOUS => return Err("the time is missing: write anonymous 5s".into()),
        _ => {}
    }
    if let Some(time) = text.strip_prefix(ANONYMOUS).filter(|rest| rest.starts_with(' ')) {
        let time = value::duration(time.trim_start_matches(' '), SECOND, HOUR);
        return time.and_then(whole_seconds).map(RouteCache::Anonymous);
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!("write anonymous {text}"));
    }
    let near = suggest::nearest(text, ["off", "on", ANONYMOUS], "");
    Err(suggest::did_you_mean(&near).unwrap_or_else(|| "this is not one of the choices".into()))
}

/// Lifetimes count in seconds (RFC 9111, 1.2.2).
fn whole_seconds(time: std::time::Duration) -> Result<std::time::Duration, String> {
    match time.subsec_nanos() {
        0 => Ok(time),
        _ => Err("must be whole seconds".into()),
    }
}

fn show_of_route(cache: &RouteCache) -> String {
    match cache {
        RouteCache::Off => "off".into(),
        RouteCache::On => "on".into(),
        RouteCache::Anonymous(time) => format!("{ANONYMOUS} {}", value::show_duration(*time)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        config::{format::Format as _, keys::KEYS},
        plan::{IGNORED_COOKIES, IGNORED_QUERY},
    };

    fn reads<T>(format: &TextFormat<T>, text: &str, expected: &str) {
        let shown = format.read(text).map(|value| format.show(text, &value));
        assert_eq!(shown.unwrap_or_else(|fault| format!("no: {fault}")), expected, "{text:?}");
    }

    #[test]
    fn names_of_cookies() {
        reads(&COOKIES, "default", "default");
        reads(&COOKIES, "_ga_*", "_ga_*");
        reads(&COOKIES, "Visitor", "Visitor");
        reads(&COOKIES, "*", "no: this would fit every name: write a part of the name");
        reads(&COOKIES, "", "no: this would fit every name: write a part of the name");
        reads(&COOKIES, "a*b", "no: a * can only be the first or the last character");
        reads(&COOKIES, "a=b", "no: '=' cannot be part of a cookie's name");
        reads(&SESSION_COOKIES, "*_session", "*_session");
        reads(&SESSION_COOKIES, "a b", "no: ' ' cannot be part of a cookie's name");
        reads(&COOKIE, "django_language", "django_language");
        reads(&COOKIE, "lang*", "no: '*' cannot be part of a cookie's name");
        reads(&COOKIE, "", "no: the name of the cookie is missing");
        let long = "x".repeat(129);
        reads(&COOKIE, &long, "no: must have at most 128 characters");
        reads(&COOKIES, &long, "no: must have at most 128 characters");
    }

    #[test]
    fn names_of_parameters() {
        reads(&PARAMETERS, "default", "default");
        reads(&PARAMETERS, "promo_*", "promo_*");
        reads(&PARAMETERS, "filter[x]", "filter[x]");
        reads(&PARAMETERS, "a=1", "no: '=' cannot be part of a parameter's name here");
        reads(&PARAMETERS, "**", "no: this would fit every name: write a part of the name");
    }

    #[test]
    fn languages() {
        for (text, expected) in [("en", "en"), ("pt-BR", "pt-br"), ("zh-Hant-TW", "zh-hant-tw")] {
            reads(&LANGUAGE, text, expected);
        }
        reads(&LANGUAGE, "pt_BR", "no: write pt-BR");
        for text in ["", "e", "en-", "-en", "en--us", "e1", "en us", "*", "abcdefghi"] {
            reads(&LANGUAGE, text, "no: this is not a language tag");
        }
    }

    #[test]
    fn what_a_route_does() {
        reads(&OF_ROUTE, "off", "off");
        reads(&OF_ROUTE, "on", "on");
        reads(&OF_ROUTE, "anonymous 5s", "anonymous 5s");
        reads(&OF_ROUTE, "anonymous  60s", "anonymous 1m");
        reads(&OF_ROUTE, "anonymous", "no: the time is missing: write anonymous 5s");
        reads(&OF_ROUTE, "anonymous 500ms", "no: must be at least 1s");
        reads(&OF_ROUTE, "anonymous 1500ms", "no: must be whole seconds");
        reads(&OF_ROUTE, "anonymous 2h", "no: must be at most 1h");
        reads(&OF_ROUTE, "anonymous 5", "no: the unit is missing: write 5s, or 5ms");
        reads(&OF_ROUTE, "5s", "no: write anonymous 5s");
        reads(&OF_ROUTE, "true", "no: write on");
        reads(&OF_ROUTE, "none", "no: write off");
        reads(&OF_ROUTE, "anonymouz", "no: did you mean anonymous?");
        reads(&OF_ROUTE, "", "no: this is not one of the choices");
    }

    #[test]
    fn the_settings_list_the_names_that_default_means() {
        for (name, built_in, read) in [
            ("cache.ignored_cookies", IGNORED_COOKIES, cookie_pattern as fn(&str) -> _),
            ("cache.ignored_query", IGNORED_QUERY, parameter_pattern),
        ] {
            let key = KEYS.iter().find(|key| key.name == name).unwrap();
            let (_, list) = key.doc.split_once("default means ").unwrap();
            let list = list.trim_end_matches('.').replace(" and ", ", ").replace(',', "");
            let built_in: Vec<_> = built_in.split_ascii_whitespace().collect();
            assert_eq!(list.split(' ').collect::<Vec<_>>(), built_in);
            // Each of these could also be written in a settings file.
            assert!(built_in.iter().all(|name| read(name).is_ok()));
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "[*]?[!-~]{1,6}[*]?", seconds in 1..=3600u64) {
            for format in [&COOKIES, &PARAMETERS] {
                if let Ok(item) = format.read(&text) {
                    let shown = format.show(&text, &item);
                    prop_assert_eq!(format.read(&shown), Ok(item));
                }
            }
            let route = OF_ROUTE.read(&format!("anonymous {seconds}s")).unwrap();
            prop_assert_eq!(OF_ROUTE.read(&show_of_route(&route)), Ok(route));
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = (COOKIES.read(&text), SESSION_COOKIES.read(&text), COOKIE.read(&text));
            let _ = (PARAMETERS.read(&text), LANGUAGE.read(&text), OF_ROUTE.read(&text));
            let _ = OF_ROUTE.read(&format!("anonymous {text}"));
        }
    }
}
