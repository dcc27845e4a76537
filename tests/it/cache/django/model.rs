//! A visitor, as the site must see them: cookies, language, login, and what is in their session.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::Response;

/// One visitor with a browser of their own.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) name: String,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) accept_language: Option<&'static str>,
    pub(super) authorization: Option<String>,
    pub(super) origin: Option<String>,
    /// Whether the site knows their name by a login.
    pub(super) is_logged_in: bool,
    /// Whether it knows their name by the session's data.
    pub(super) has_joined: bool,
    /// Messages that no page has shown yet.
    pub(super) pending: Vec<String>,
    has_locale: bool,
    has_session_messages: bool,
}

// === impl Visitor ===

impl Visitor {
    pub(super) fn new(name: String, features: &str) -> Self {
        let has = |feature| features.split(' ').any(|one| one == feature);
        Self {
            name,
            cookies: BTreeMap::new(),
            accept_language: None,
            authorization: None,
            origin: None,
            is_logged_in: false,
            has_joined: false,
            pending: Vec::new(),
            has_locale: has("locale"),
            has_session_messages: has("session-messages"),
        }
    }

    /// The fields of their requests.
    pub(super) fn fields(&self) -> String {
        let mut lines = String::new();
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            lines += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        for (name, value) in [
            ("Accept-Language", self.accept_language),
            ("Authorization", self.authorization.as_deref()),
            ("Origin", self.origin.as_deref()),
        ] {
            if let Some(value) = value {
                lines += &format!("{name}: {value}\r\n");
            }
        }
        lines
    }

    /// Takes the cookies of a response; returns the new ones.
    pub(super) fn receive(&mut self, response: &Response) -> Vec<(String, String)> {
        let mut new = Vec::new();
        for line in response.head.all("set-cookie") {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect(line);
            let is_deleted = attributes.to_lowercase().contains("max-age=0");
            if is_deleted {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
                new.push((name.to_owned(), value.to_owned()));
            }
        }
        new
    }

    /// They have logged out: Django forgets the session.
    pub(super) fn forget_session(&mut self) {
        self.is_logged_in = false;
        self.has_joined = false;
        if self.has_session_messages {
            self.pending.clear();
        }
    }

    /// What a page must say under this key; `None` for keys that say nothing of a visitor.
    pub(super) fn expected(&self, key: &str) -> Option<Value> {
        let named = |is_known: bool| if is_known { self.name.as_str() } else { "" };
        let cookie = |name: &str| self.cookies.get(name).map_or("", String::as_str);
        Some(match key {
            "user" => json!(named(self.is_logged_in)),
            "owner" => json!(named(self.has_joined)),
            "theme" => json!(cookie("theme")),
            "language" => json!(self.language()),
            "authorization" => json!(self.authorization.as_deref().unwrap_or_default()),
            "origin" => json!(self.origin.as_deref().unwrap_or_default()),
            "messages" => json!(self.pending),
            _ => return None,
        })
    }

    fn language(&self) -> &str {
        if !self.has_locale {
            return "en";
        }
        if let Some(chosen) = self.cookies.get("django_language") {
            return chosen;
        }
        match self.accept_language {
            Some("de" | "fr;q=0.5, de-AT") => "de",
            Some("fr, en;q=0.3") => "fr",
            _ => "en",
        }
    }
}

/// The languages that browsers ask for; `Visitor::language` knows what Django makes of them.
pub(super) const ACCEPT_LANGUAGE: &[Option<&str>] =
    &[None, Some("en"), Some("de"), Some("fr;q=0.5, de-AT"), Some("fr, en;q=0.3")];
