//! Random visits, each response compared with the model.

use super::{
    Secrets, Tally,
    model::{ACCEPT_LANGUAGE, Visitor},
};
use crate::{
    cache::is_hit,
    support::{Client, Response, Sideman},
};

/// The visits of one thread.
pub(super) struct Visits<'a> {
    sideman: &'a Sideman,
    client: Client,
    /// Responses on this connection; it is replaced before the server's limit.
    responses: usize,
    secrets: &'a Secrets,
    /// The round, for messages.
    what: &'a str,
    tally: Tally,
}

const PAGES: &[&str] = &[
    "public",
    "language",
    "user",
    "session",
    "theme",
    "form",
    "notices",
    "private",
    "credentials",
    "origin",
];
/// Of each page: few enough that visitors meet, enough that some are cold.
const NUMBERS: usize = 6;
/// `{}` in base64.
const EMPTY_SESSION: &str = "e30:";
const TRACKING: &[&str] = &["utm_source=mail", "gclid=abc", "fbclid=abc"];

// === impl Visits ===

impl<'a> Visits<'a> {
    pub(super) fn new(sideman: &'a Sideman, secrets: &'a Secrets, what: &'a str) -> Self {
        let client = sideman.connect();
        Self { sideman, client, responses: 0, secrets, what, tally: Tally::default() }
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// One visit, or a change of the visitor.
    pub(super) fn random(&mut self, visitor: &mut Visitor, random: &mut fastrand::Rng) {
        match random.usize(..40) {
            0 if !visitor.is_logged_in => self.enter(visitor),
            1 | 2 => self.leave(visitor),
            3 if !visitor.has_joined => self.join(visitor),
            4 => self.say(visitor, random.u32(..)),
            5 => toggle(visitor, "theme", random.choice(["dark", "light"])),
            6 => toggle(visitor, "django_language", random.choice(["de", "fr", "en"])),
            7 => toggle(visitor, "_ga", random.choice(["GA1.2.3"])),
            8 => visitor.accept_language = random.choice(ACCEPT_LANGUAGE).copied().flatten(),
            9 => {
                visitor.authorization = random.bool().then(|| format!("Bearer {}", visitor.name));
            }
            10 => {
                visitor.origin = random.bool().then(|| format!("https://{}.test", visitor.name));
            }
            11..=13 => {
                // A new browser, without a session.
                visitor.cookies.clear();
                visitor.forget_session();
                visitor.pending.clear();
            }
            _ => self.look(visitor, random),
        }
    }

    fn look(&mut self, visitor: &mut Visitor, random: &mut fastrand::Rng) {
        let page = PAGES[random.usize(..PAGES.len())];
        let path = format!("/cached/{page}/{}/", random.usize(..NUMBERS));
        let own = random.choice(["", "", "a=1", "a=2", "a=1&b=%20"]).unwrap();
        let tracking = random.bool().then(|| TRACKING[random.usize(..TRACKING.len())]);
        let query: Vec<&str> =
            [Some(own), tracking].into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let query = query.join("&");
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let response = self.ask("GET", &target, visitor);
        let context = format!("{target} of {visitor:?}\n{response:?}\n{}", self.what);
        assert_eq!(response.status, 200, "{context}");
        self.tally.pages += 1;
        self.tally.hits += usize::from(is_hit(&response));
        let content = response.json();
        assert_eq!(content["path"], path.as_str(), "{context}");
        // Of a page that may be shared, the application does not see the tracking parameters.
        let said = content["query"].as_str().unwrap();
        assert!(said == own || said == query, "{context}");
        for (key, value) in content.as_object().unwrap() {
            if let Some(expected) = visitor.expected(key) {
                assert_eq!(value, &expected, "{key}: {context}");
            }
            if key == "secret" && value != "" {
                assert_eq!(
                    value.as_str(),
                    visitor.cookies.get("csrftoken").map(String::as_str),
                    "{context}"
                );
            }
            if key == "token" {
                self.is_own(value.as_str().unwrap(), visitor, &context);
            }
        }
        if page == "notices" {
            visitor.pending.clear();
        }
    }

    fn enter(&mut self, visitor: &mut Visitor) {
        self.act(&format!("/cached/enter/?who={}", visitor.name), visitor);
        visitor.is_logged_in = true;
    }

    fn leave(&mut self, visitor: &mut Visitor) {
        self.act("/cached/leave/", visitor);
        visitor.forget_session();
    }

    fn join(&mut self, visitor: &mut Visitor) {
        self.act(&format!("/cached/join/?who={}", visitor.name), visitor);
        visitor.has_joined = true;
    }

    fn say(&mut self, visitor: &mut Visitor, number: u32) {
        let text = format!("{}-{number}", visitor.name);
        // More than this do not fit a cookie.
        if visitor.pending.len() < 5 {
            self.act(&format!("/cached/say/?text={text}"), visitor);
            visitor.pending.push(text);
        }
    }

    fn act(&mut self, target: &str, visitor: &mut Visitor) {
        let response = self.ask("POST", target, visitor);
        assert_eq!(response.status, 204, "{target} of {visitor:?}\n{response:?}\n{}", self.what);
    }

    fn ask(&mut self, method: &str, target: &str, visitor: &mut Visitor) -> Response {
        if self.responses == 500 {
            (self.client, self.responses) = (self.sideman.connect(), 0);
        }
        self.responses += 1;
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let fields = visitor.fields() + length;
        let response = self.client.ask(method, target, &fields);
        for (name, value) in visitor.receive(&response) {
            // Signed cookies with empty sessions are equal if they are of one second.
            let is_secret = matches!(name.as_str(), "sessionid" | "csrftoken");
            if is_secret && !value.starts_with(EMPTY_SESSION) {
                let context = format!("{name} for {target} of {visitor:?}\n{}", self.what);
                self.is_own(&value, visitor, &context);
            }
        }
        response
    }

    /// A secret of one visitor has never been given to another.
    fn is_own(&self, secret: &str, visitor: &Visitor, context: &str) {
        let mut secrets = self.secrets.lock().unwrap();
        let owner = secrets.entry(secret.to_owned()).or_insert_with(|| visitor.name.clone());
        assert_eq!(*owner, visitor.name, "{context}");
    }
}

/// Sets a cookie in the browser, or removes it.
fn toggle(visitor: &mut Visitor, name: &str, value: Option<&str>) {
    if visitor.cookies.remove(name).is_none() {
        visitor.cookies.insert(name.to_owned(), value.unwrap_or_default().to_owned());
    }
}
