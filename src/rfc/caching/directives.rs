//! Cache directives (RFC 9111, 5.2) of requests and responses, with the extensions of RFC 5861 and RFC 8246. Responses
//! say them in `Cache-Control`, or as a structured dictionary in a targeted field (RFC 9213, 2.1).
//!
//! A directive that is known but malformed counts in its strictest sense: a broken `private` is private, a broken
//! `max-age` is 0. A mistake of the application can then cost a hit, and never shows one visitor's page to another.

use std::borrow::Cow;

use super::{
    super::{
        request_parts::{FieldName, Headers},
        token,
    },
    structured::Value,
};

/// Larger times count as this one (RFC 9111, 1.2.2).
pub const MAX_SECONDS: u64 = 1 << 31;

/// What a request demands of a cache (RFC 9111, 5.2.1). Times are in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age: Option<u64>,
    pub min_fresh: Option<u64>,
    /// `Some(None)` accepts any staleness.
    pub max_stale: Option<Option<u64>>,
}

/// What a response allows a shared cache (RFC 9111, 5.2.2). Times are in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    pub no_store: bool,
    pub no_cache: Restriction,
    pub private: Restriction,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub immutable: bool,
    pub max_age: Option<u64>,
    pub s_maxage: Option<u64>,
    pub stale_while_revalidate: Option<u64>,
    pub stale_if_error: Option<u64>,
}

/// A restriction of the whole response, or only of some of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Restriction {
    #[default]
    None,
    /// Names in lower case, at least one.
    Fields(Vec<String>),
    All,
}

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Directive<'a> {
    name: &'a [u8],
    argument: Argument<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument<'a> {
    Missing,
    /// Without quotes.
    Value(Cow<'a, [u8]>),
    Malformed,
}

// === impl RequestDirectives ===

impl RequestDirectives {
    /// Parses the `Cache-Control` fields of a request. Without one, `Pragma: no-cache` means the same (RFC 9111, 5.4).
    pub fn of(headers: &Headers) -> Self {
        if headers.contains(FieldName::CacheControl) {
            return Self::parse(headers.get_all(FieldName::CacheControl));
        }
        let mut pragmas = directives(headers.get_all(FieldName::Pragma));
        let no_cache = pragmas.any(|pragma| pragma.name.eq_ignore_ascii_case(b"no-cache"));
        Self { no_cache, ..Self::default() }
    }

    /// Parses fields. Times that are not valid are ignored: a client cannot make a cache less strict by mistake.
    pub fn parse<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut this = Self::default();
        for Directive { name, argument } in directives(fields) {
            let seconds = argument.seconds();
            match name.to_ascii_lowercase().as_slice() {
                b"no-cache" => this.no_cache = true,
                b"no-store" => this.no_store = true,
                b"only-if-cached" => this.only_if_cached = true,
                b"max-age" => this.max_age = least(this.max_age, seconds),
                b"min-fresh" => this.min_fresh = this.min_fresh.max(seconds),
                b"max-stale" if argument == Argument::Missing => {
                    this.max_stale = this.max_stale.or(Some(None));
                }
                b"max-stale" if seconds.is_some() => {
                    this.max_stale = Some(least(this.max_stale.flatten(), seconds));
                }
                _ => {}
            }
        }
        this
    }
}

// === impl ResponseDirectives ===

impl ResponseDirectives {
    /// Parses `Cache-Control` fields. Of contradicting times the shortest counts (RFC 9111, 4.2.1).
    pub fn parse<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut this = Self::default();
        for Directive { name, argument } in directives(fields) {
            let name = name.to_ascii_lowercase();
            // The one flag that makes a response less strict.
            if name == b"public" && argument != Argument::Missing {
                continue;
            }
            if let Some(restriction) = this.restriction(&name) {
                restriction.add(argument.names());
            } else if let Some(flag) = this.flag(&name) {
                *flag = true;
            } else if let Some(time) = this.time(&name) {
                *time = least(*time, Some(argument.seconds().unwrap_or(0)));
            }
        }
        this
    }

    /// Reads the members of a targeted field. `None` if a time is not an integer: then the field is not valid as a
    /// whole.
    pub fn of_dictionary(members: &[(String, Value)]) -> Option<Self> {
        let mut this = Self::default();
        for (key, value) in members {
            let key = key.as_bytes();
            if let Some(time) = this.time(key) {
                let Value::Integer(seconds) = value else { return None };
                *time = Some(u64::try_from(*seconds).unwrap_or(0).min(MAX_SECONDS));
                continue;
            }
            let is_exact = *value == Value::Boolean(true);
            if *value == Value::Boolean(false) || (key == b"public" && !is_exact) {
                continue;
            }
            if let Some(flag) = this.flag(key) {
                *flag = true;
            } else if let Some(restriction) = this.restriction(key) {
                let names = if let Value::Text(names) = value { names.as_str() } else { "" };
                restriction.add(Some(names.as_bytes()));
            }
        }
        Some(this)
    }

    /// The lifetime that a shared cache uses (RFC 9111, 4.2.1).
    pub fn lifetime(&self) -> Option<u64> {
        self.s_maxage.or(self.max_age)
    }

    /// Whether a stale response must not be used, whatever the reason (RFC 9111, 4.2.4 and 5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate
            || self.proxy_revalidate
            || self.s_maxage.is_some()
            || self.no_cache == Restriction::All
    }

    fn restriction(&mut self, name: &[u8]) -> Option<&mut Restriction> {
        match name {
            b"no-cache" => Some(&mut self.no_cache),
            b"private" => Some(&mut self.private),
            _ => None,
        }
    }

    fn flag(&mut self, name: &[u8]) -> Option<&mut bool> {
        match name {
            b"no-store" => Some(&mut self.no_store),
            b"public" => Some(&mut self.public),
            b"must-revalidate" => Some(&mut self.must_revalidate),
            b"proxy-revalidate" => Some(&mut self.proxy_revalidate),
            b"must-understand" => Some(&mut self.must_understand),
            b"immutable" => Some(&mut self.immutable),
            _ => None,
        }
    }

    fn time(&mut self, name: &[u8]) -> Option<&mut Option<u64>> {
        match name {
            b"max-age" => Some(&mut self.max_age),
            b"s-maxage" => Some(&mut self.s_maxage),
            b"stale-while-revalidate" => Some(&mut self.stale_while_revalidate),
            b"stale-if-error" => Some(&mut self.stale_if_error),
            _ => None,
        }
    }
}

// === impl Restriction ===

impl Restriction {
    /// Whether this field is restricted by its own name. `name` is in lower case.
    pub fn names(&self, name: &[u8]) -> bool {
        matches!(self, Self::Fields(fields) if fields.iter().any(|one| one.as_bytes() == name))
    }

    /// Adds a directive with these names. Without names, or if one is no name, it is for the whole response.
    fn add(&mut self, names: Option<&[u8]>) {
        let listed = names.unwrap_or_default().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        let listed: Vec<&[u8]> = listed.filter(|name| !name.is_empty()).collect();
        if listed.is_empty() || !listed.iter().all(|name| token::is_token(name)) {
            *self = Self::All;
            return;
        }
        let lower = |name: &&[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
        match self {
            Self::None => *self = Self::Fields(listed.iter().map(lower).collect()),
            Self::Fields(known) => known.extend(listed.iter().map(lower)),
            Self::All => {}
        }
    }
}

// === impl Argument ===

impl Argument<'_> {
    fn seconds(&self) -> Option<u64> {
        match self {
            Self::Value(value) => delta_seconds(value),
            Self::Missing | Self::Malformed => None,
        }
    }

    fn names(&self) -> Option<&[u8]> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Malformed => None,
        }
    }
}

/// Parses delta-seconds (RFC 9111, 1.2.2). A value that is too large is [`MAX_SECONDS`].
pub fn delta_seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')).min(MAX_SECONDS)
    };
    Some(text.iter().fold(0, add))
}

/// Iterates over the directives of some fields. Members that do not begin with a name are skipped.
fn directives<'a>(fields: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Directive<'a>> {
    fields.flat_map(|field| {
        let mut rest = field;
        std::iter::from_fn(move || next(&mut rest))
    })
}

/// Takes the next directive.
fn next<'a>(rest: &mut &'a [u8]) -> Option<Directive<'a>> {
    loop {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            *rest = tail;
        }
        if rest.is_empty() {
            return None;
        }
        let (name, tail) = rest.split_at_checked(token::length(rest))?;
        let (argument, tail) = match tail {
            [b'=', value @ ..] => argument(value),
            _ => (Argument::Missing, tail),
        };
        let tail = tail.trim_ascii_start();
        let is_complete = tail.is_empty() || tail.starts_with(b",");
        *rest = if is_complete { tail } else { behind_comma(tail) };
        if !name.is_empty() {
            let argument = if is_complete { argument } else { Argument::Malformed };
            return Some(Directive { name, argument });
        }
    }
}

/// Splits an argument from what follows: a token or a quoted string.
fn argument(value: &[u8]) -> (Argument<'_>, &[u8]) {
    if value.starts_with(b"\"") {
        return match quoted(value) {
            Some((text, tail)) => (Argument::Value(text), tail),
            None => (Argument::Malformed, value),
        };
    }
    match value.split_at_checked(token::length(value)) {
        Some((token, tail)) if !token.is_empty() => (Argument::Value(Cow::Borrowed(token)), tail),
        _ => (Argument::Malformed, value),
    }
}

/// Splits off a quoted string (RFC 9110, 5.6.4). `None` if its end is missing.
fn quoted(value: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let inner = value.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    if inner.get(end) == Some(&b'"') {
        return Some((Cow::Borrowed(inner.get(..end)?), inner.get(end + 1..)?));
    }
    let (mut text, mut left) = (Vec::new(), inner);
    loop {
        match left {
            [b'"', tail @ ..] => return Some((Cow::Owned(text), tail)),
            [b'\\', byte, tail @ ..] | [byte, tail @ ..] => {
                text.push(*byte);
                left = tail;
            }
            [] => return None,
        }
    }
}

/// Returns what follows the next comma that is not quoted. A quote without an end quotes nothing, because a `private`
/// may follow.
fn behind_comma(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        match rest {
            [] | [b',', ..] => return rest,
            [b'"', tail @ ..] => rest = quoted(rest).map_or(tail, |(_, behind)| behind),
            [_, tail @ ..] => rest = tail,
        }
    }
}

/// Returns the smaller of two times, or the only one.
fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::structured::dictionary, *};
    use proptest::prelude::*;

    fn response(fields: &[&str]) -> ResponseDirectives {
        ResponseDirectives::parse(fields.iter().map(|field| field.as_bytes()))
    }

    fn request(field: &str) -> RequestDirectives {
        RequestDirectives::parse(std::iter::once(field.as_bytes()))
    }

    fn names(names: &[&str]) -> Restriction {
        Restriction::Fields(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn times() {
        for (field, expected) in [
            ("max-age=60", Some(60)),
            ("MaX-aGe=60", Some(60)),
            ("max-age=\"60\"", Some(60)),
            ("public,max-age=60 , x", Some(60)),
            ("foobar, max-age=60", Some(60)),
            ("x=\"a, b\", max-age=60", Some(60)),
            ("max-age=60, max-age=30", Some(30)),
            ("max-age=30, max-age=60", Some(30)),
            ("max-age=2147483648", Some(MAX_SECONDS)),
            ("max-age=99999999999999999999999", Some(MAX_SECONDS)),
            ("max-age=0060", Some(60)),
            ("max-age=-1", Some(0)),
            ("max-age=6.0", Some(0)),
            ("max-age=60a", Some(0)),
            ("max-age='60'", Some(0)),
            ("max-age", Some(0)),
            ("max-age=", Some(0)),
            ("max-age =60", Some(0)),
            ("max-age= 60", Some(0)),
            ("max-age=60 s", Some(0)),
            ("max-age=60;x", Some(0)),
            ("max-age=\"60", Some(0)),
            ("max-age=\"60\"1", Some(0)),
            ("x=\"max-age=60\"", None),
            ("x=\"a\\\", max-age=60\"", None),
            ("xmax-age=60", None),
            ("", None),
            (", ,", None),
        ] {
            assert_eq!(response(&[field]).max_age, expected, "{field}");
        }
        assert_eq!(response(&["max-age=60", "max-age=30"]).max_age, Some(30));
        let all = response(&["s-maxage=1, stale-while-revalidate=2, stale-if-error=3, max-age=4"]);
        assert_eq!((all.lifetime(), all.max_age), (Some(1), Some(4)));
        assert_eq!((all.stale_while_revalidate, all.stale_if_error), (Some(2), Some(3)));
    }

    #[test]
    fn restrictions() {
        for (field, expected) in [
            ("private", Restriction::All),
            ("Private=\"Set-Cookie, x-a\"", names(&["set-cookie", "x-a"])),
            ("private=x-a", names(&["x-a"])),
            ("private=\"x-a\", private=\"x-b\"", names(&["x-a", "x-b"])),
            ("private=\"\"", Restriction::All),
            ("private=\"x a\"", Restriction::All),
            ("private=\"x-a", Restriction::All),
            ("private x", Restriction::All),
            ("private; max-age=60", Restriction::All),
            ("x y, private", Restriction::All),
            ("=, \"a\" , private", Restriction::All),
            ("x=\"y, private", Restriction::All),
            ("private=\"x-a\", private", Restriction::All),
            ("private, private=\"x-a\"", Restriction::All),
            ("public", Restriction::None),
            ("x=private", Restriction::None),
        ] {
            assert_eq!(response(&[field]).private, expected, "{field}");
        }
    }

    #[test]
    fn flags() {
        let flags = |directives: &ResponseDirectives| {
            [
                directives.no_store,
                directives.public,
                directives.must_revalidate,
                directives.immutable,
            ]
        };
        for (field, expected) in [
            ("no-store", [true, false, false, false]),
            ("No-StOrE", [true, false, false, false]),
            ("no-store=1, public=1, immutable", [true, false, false, true]),
            ("public foo, must-revalidate foo", [false, false, true, false]),
            ("public, must-revalidate, no-stores", [false, true, true, false]),
        ] {
            assert_eq!(flags(&response(&[field])), expected, "{field}");
        }
        for (field, forbids) in [
            ("must-revalidate", true),
            ("proxy-revalidate", true),
            ("s-maxage=5", true),
            ("no-cache", true),
            ("no-cache=\"x-a\"", false),
            ("max-age=5, public, stale-if-error=5", false),
        ] {
            assert_eq!(response(&[field]).forbids_stale(), forbids, "{field}");
        }
    }

    #[test]
    fn dictionaries_say_the_same() {
        let parse = |field: &str| {
            let members = dictionary(std::iter::once(field.as_bytes()))?;
            ResponseDirectives::of_dictionary(&members)
        };
        for (field, plain) in [
            ("max-age=60, s-maxage=30;x", "max-age=60, s-maxage=30"),
            ("max-age=999999999999999", "max-age=2147483648"),
            ("max-age=-5", "max-age=0"),
            ("no-store, private, public=?1", "no-store, private, public"),
            ("no-store=?0, private=?0, public=?0, x=1", ""),
            ("no-store=1, private=(\"a\"), public=1", "no-store, private"),
            ("no-cache=\"a, b\", immutable", "no-cache=\"a, b\", immutable"),
        ] {
            assert_eq!(parse(field), Some(response(&[plain])), "{field}");
        }
        for field in ["max-age=\"60\"", "max-age=1.5", "max-age", "s-maxage=?0", "max-age=60, &"] {
            assert_eq!(parse(field), None, "{field}");
        }
    }

    #[test]
    fn requests() {
        let all =
            request("no-cache, no-store, only-if-cached, max-age=1, min-fresh=2, max-stale=3");
        let expected = RequestDirectives {
            no_cache: true,
            no_store: true,
            only_if_cached: true,
            max_age: Some(1),
            min_fresh: Some(2),
            max_stale: Some(Some(3)),
        };
        assert_eq!(all, expected);
        assert_eq!(request("max-stale").max_stale, Some(None));
        assert_eq!(request("max-stale, max-stale=5").max_stale, Some(Some(5)));
        assert_eq!(request("max-stale=5, max-stale").max_stale, Some(Some(5)));
        assert_eq!(request("max-age=x, max-stale=x, min-fresh"), RequestDirectives::default());
        for (fields, expected) in [
            (&[("pragma", "no-cache")][..], true),
            (&[("pragma", "x, No-Cache")], true),
            (&[("pragma", "x")], false),
            (&[("pragma", "no-cache"), ("cache-control", "max-age=5")], false),
            (&[("cache-control", "no-cache")], true),
        ] {
            let headers = fields.iter().copied().collect();
            assert_eq!(RequestDirectives::of(&headers).no_cache, expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(field in prop::collection::vec(any::<u8>(), 0..80)) {
            ResponseDirectives::parse(std::iter::once(field.as_slice()));
            RequestDirectives::parse(std::iter::once(field.as_slice()));
        }

        #[test]
        fn nothing_panics_near_the_grammar(field in "[-a-z0-9=\"\\\\, ;]{0,60}") {
            response(&[&field]);
            request(&field);
        }

        /// Whatever stands before it or after it, a restriction between commas is found.
        #[test]
        fn restrictions_are_found(before in "[a-z=0-9 ;\\\\]{0,20}", after in "[a-z=0-9 \",]{0,20}") {
            let field = format!("{before}, no-store , private,{after}");
            let directives = response(&[&field]);
            prop_assert!(directives.no_store, "{}", field);
            prop_assert_eq!(directives.private, Restriction::All);
        }

        #[test]
        fn written_directives_are_read(max_age in 0_u64..1 << 31, is_public: bool, is_quoted: bool) {
            let time = if is_quoted { format!("\"{max_age}\"") } else { max_age.to_string() };
            let field = format!("x=\"a, b\",max-age={time}{}", if is_public { ", public" } else { "" });
            let expected = ResponseDirectives { max_age: Some(max_age), public: is_public, ..Default::default() };
            prop_assert_eq!(response(&[&field]), expected);
        }
    }
}
