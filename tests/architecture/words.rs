//! Words that must not come back. ARCHITECTURE.md has the glossary of the words in use; this is its other column, as
//! far as the tree is free of it: each word with what to say instead, and why it was given up.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::{Sources, collect};

/// A retired word.
struct Retired {
    word: &'static str,
    say: &'static str,
    reason: &'static str,
}

/// Not a part of any name: `shelf` also retires `Shelf`, `shelf_size` and `src/files/shelf.rs`.
const NAMES: &[Retired] = &[
    retired("shelf", "cache", "entries are kept in a cache, and evicted from it"),
    retired(
        "fleet",
        "backends",
        "proxies call the servers behind them backends or upstream servers",
    ),
    retired("tend", "supervise", "a supervisor watches over others"),
    retired("tended", "upstream_handle", "a handle keeps what it stands for alive"),
    retired("ticket", "guard", "what is released on drop is a guard"),
    retired("guest", "idle_connection", "it is a connection without a request"),
    retired("strain", "pressure", "back pressure is the usual term"),
    retired("cork", "coalesce", "small writes are coalesced; TCP_CORK is something else"),
    retired("corked", "coalescer", "small writes are coalesced; TCP_CORK is something else"),
    retired("teller", "reporter", "events are reported"),
    retired("fate", "progress", "it says how far something is, or what is done with it"),
    retired("hurry", "retry_soon", "it brings the next attempt forward"),
    retired("stranger", "untrusted_peer", "the setting says trusted_proxies"),
    retired("absence", "unavailable_error", "servers are available or unavailable"),
    retired("rests", "ejections", "a server that fails is ejected, as outlier detection calls it"),
    retired("outlast", "wait", "it waits for a server"),
    retired("outlasts", "retry_time", "requests are retried for a time"),
    retired("salvage", "recover", "it recovers the fields of a refused head"),
    retired("spoil", "discard", "lower sources are discarded"),
    retired("excuse", "waive", "a requirement is waived"),
    retired(
        "sibling",
        "precompressed",
        "nginx and Django call `a.css.gz` beside `a.css` precompressed",
    ),
    retired(
        "siblings",
        "precompressed",
        "nginx and Django call `a.css.gz` beside `a.css` precompressed",
    ),
    retired("orphans", "detached", "tasks that nobody waits for are detached"),
    retired("leftover", "drain_body", "what is left of a body is drained"),
    retired("shaken", "outcome", "a handshake has an outcome"),
];

/// Not in messages, comments and the pages for users.
const PHRASES: &[Retired] = &[
    retired("taken up", "reloaded", "certificates and settings are reloaded or applied"),
    retired("took up", "reloaded", "certificates and settings are reloaded or applied"),
    retired("broke off", "was aborted", "responses are aborted, reset or incomplete"),
    retired("breaks off", "is aborted", "responses are aborted, reset or incomplete"),
    retired("stays behind", "is not removed", "it says what failed"),
    retired("has left", "has disconnected", "clients disconnect"),
    retired("cut off", "closed", "connections are closed or reset, data is truncated"),
    retired(
        "is away",
        "is unavailable",
        "an application that accepts no connections is unavailable",
    ),
    retired("thrown out", "evicted", "caches evict entries"),
    retired("for want of", "because there is no", "it is out of use"),
    retired("in its turn", "then", "it is out of use"),
    retired("at the most", "at most", "it is the same, and shorter"),
    retired("can't", "cannot", "one spelling"),
];

/// Not in messages, nor in the pages for users.
const TEXTS: &[Retired] = &[
    retired("client_gone", "client_disconnected", "clients disconnect"),
    retired("upstream_garbage", "upstream_invalid_response", "the response is invalid"),
    retired("body_beyond_buffers", "body_exceeds_buffers", "limits are exceeded"),
    retired(
        "sideman_rescued_files",
        "sideman_static_fallback",
        "it counts look-ups after a first miss",
    ),
    retired("sideman_buffer_held_up", "sideman_buffer_paused", "the application is paused"),
    retired("sideman_buffer_answer_bytes", "sideman_buffer_response_bytes", "HTTP has responses"),
    retired("sideman_access_log_left_out", "sideman_access_log_sampled_out", "lines are sampled"),
    retired("buffers.answer", "buffers.max_response", "HTTP has responses"),
    retired("buffers.each", "buffers.memory_per_body", "a setting names what it limits"),
    retired("what still runs is cut", "aborting in-flight requests", "requests are aborted"),
];

const fn retired(word: &'static str, say: &'static str, reason: &'static str) -> Retired {
    Retired { word, say, reason }
}

#[test]
fn retired_words_do_not_come_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut sources, mut pages) = (Sources::new(), Sources::new());
    for directory in ["src", "benches", "tests", "fuzz/fuzz_targets"] {
        collect(root, &root.join(directory), "rs", &mut sources);
    }
    for (directory, extension) in
        [("docs", "md"), ("config", "toml"), ("config", "yaml"), ("config", "json")]
    {
        collect(root, &root.join(directory), extension, &mut pages);
    }
    sources.retain(|name, _| name != "tests/architecture/words.rs");
    assert!(sources.contains_key("src/lib.rs") && pages.contains_key("docs/settings.md"));

    let mut violations = Vec::new();
    for (name, source) in &sources {
        violations.extend(check_path(name));
        violations.extend(check_source(name, source));
    }
    for (name, text) in &pages {
        for (number, line) in text.lines().enumerate() {
            violations.extend(check_text(&format!("{name}:{}", number + 1), line));
        }
    }
    for (name, text) in sources.iter().chain(&pages) {
        for (number, line) in text.lines().enumerate() {
            violations.extend(check_phrases(&format!("{name}:{}", number + 1), line));
        }
    }
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

/// The words of a path, which are names of modules.
fn check_path(path: &str) -> Vec<String> {
    path.split(['/', '.']).flat_map(|part| check_name(path, part)).collect()
}

/// The names and the texts of a source, its comments left out.
fn check_source(name: &str, source: &str) -> Vec<String> {
    let mut violations = Vec::new();
    match source.parse() {
        Ok(tokens) => check_tokens(name, tokens, &mut violations),
        Err(error) => violations.push(format!("{name}: cannot be parsed: {error}")),
    }
    violations
}

fn check_tokens(file: &str, tokens: TokenStream, violations: &mut Vec<String>) {
    let mut is_attribute = false;
    for token in tokens {
        let at = format!("{file}:{}", token.span().start().line);
        match token {
            TokenTree::Ident(name) => violations.extend(check_name(&at, &name.to_string())),
            TokenTree::Literal(text) => violations.extend(check_text(&at, &text.to_string())),
            // A doc comment is an attribute.
            TokenTree::Group(group) if !is_attribute || group.delimiter() != Delimiter::Bracket => {
                check_tokens(file, group.stream(), violations);
            }
            TokenTree::Group(_) => {}
            TokenTree::Punct(mark) => {
                is_attribute =
                    matches!(mark.as_char(), '#' | '!') && (is_attribute || mark.as_char() == '#');
                continue;
            }
        }
        is_attribute = false;
    }
}

fn check_name(at: &str, name: &str) -> Vec<String> {
    let parts = parts(name);
    let found = NAMES.iter().filter(|retired| parts.iter().any(|part| part == retired.word));
    found.map(|retired| retired.violation(at, name)).collect()
}

fn check_text(at: &str, text: &str) -> Vec<String> {
    let found = TEXTS.iter().filter(|retired| text.contains(retired.word));
    found.map(|retired| retired.violation(at, retired.word)).collect()
}

/// The phrases in a line, comments included; one that is divided between two lines is not seen.
fn check_phrases(at: &str, line: &str) -> Vec<String> {
    let is_word = |found: &str| {
        let (before, after) = line.split_once(found).unwrap_or_default();
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    };
    let found =
        PHRASES.iter().filter(|retired| line.contains(retired.word) && is_word(retired.word));
    found.map(|retired| retired.violation(at, retired.word)).collect()
}

/// The words of `a_name`, `A_NAME` or `AName`, in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() && was_lower {
            parts.push(String::new());
        }
        was_lower = letter.is_lowercase();
        if let Some(part) = parts.last_mut()
            && letter != '_'
        {
            part.extend(letter.to_lowercase());
        }
    }
    parts
}

// === impl Retired ===

impl Retired {
    fn violation(&self, at: &str, found: &str) -> String {
        format!("{at}: `{found}` has a retired word: say `{}` ({})", self.say, self.reason)
    }
}

#[test]
fn names_are_split_into_words() {
    for (name, expected) in [
        ("a_shelf", vec!["a", "shelf"]),
        ("ShelfSize", vec!["shelf", "size"]),
        ("SHELF", vec!["shelf"]),
        ("shelves", vec!["shelves"]),
    ] {
        assert_eq!(parts(name), expected);
    }
}

#[test]
fn retired_words_are_found_with_their_line() {
    let found = check_source(
        "src/a.rs",
        "//! A shelf.\nstruct Shelf;\n/// The shelf.\nfn f() {\n    g(\"client_gone\");\n}",
    );
    assert_eq!(
        found,
        [
            "src/a.rs:2: `Shelf` has a retired word: say `cache` (entries are kept in a cache, and evicted from it)",
            "src/a.rs:5: `client_gone` has a retired word: say `client_disconnected` (clients disconnect)",
        ]
    );
    assert_eq!(check_path("src/files/shelf.rs").len(), 1);
    let line = "// Whose client has left, is dropped.";
    assert_eq!(
        check_phrases("src/a.rs:1", line),
        ["src/a.rs:1: `has left` has a retired word: say `has disconnected` (clients disconnect)"]
    );
    assert!(check_phrases("src/a.rs:1", "// The button was left at the mosts.").is_empty());
}
