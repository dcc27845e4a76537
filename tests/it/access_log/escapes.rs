//! Characters that change how a log is displayed: none of them is in a line or an event unescaped.

use crate::support::{App, Settings, TempDir};

/// Terminals obey U+009B like ESC [, readers end a line at U+0085 and U+2028, and the others
/// change the direction of text, or hide in it.
const UNSEEN: [char; 14] = [
    '\u{80}', '\u{85}', '\u{9b}', '\u{9f}', '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}',
    '\u{2028}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{feff}',
];

#[track_caller]
fn has_none(text: &str) {
    for unseen in UNSEEN {
        assert!(!text.contains(unseen), "{unseen:?} in {text}");
    }
    assert!(!text.contains(|c: char| c.is_control()), "{text}");
}

#[test]
fn control_and_direction_characters_are_escaped_in_both_formats() {
    let application = App::saying("hello");
    for form in ["json", "combined"] {
        let sideman = Settings::before(&application.url()).set("log.access", form).start();
        let text: String = UNSEEN.iter().collect();
        let fields = format!("User-Agent: a{text}b\r\nReferer: https://a.test/{text}\r\n");
        assert_eq!(sideman.connect().ask("GET", "/marked", &fields).status, 200);
        let line = sideman.out_line("/marked");
        has_none(&line);
        match form {
            // No character is lost.
            "json" => {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                assert_eq!(line["user_agent"], format!("a{text}b"));
                assert_eq!(line["referer"], format!("https://a.test/{text}"));
            }
            _ => assert!(line.contains(r"a\xC2\x80\xC2\x85\xC2\x9B"), "{line}"),
        }
    }
}

#[test]
fn untrusted_names_are_escaped_in_events() {
    let directory = TempDir::new();
    let encoded: String = UNSEEN
        .iter()
        .map(|c| c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect::<String>())
        .collect();
    let application = App::start(move |_| {
        let target = format!("/private/{encoded}%0A2026-01-01T00:00:00Z%20ERROR%20forged%1B[31m");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Accel-Redirect: {target}\r\n\r\n");
        head.into_bytes()
    });
    let sideman = Settings::before(&application.url())
        .args(&["--accel", &format!("/private/={}", directory.path().display())])
        .start();
    assert_eq!(sideman.get("/").status, 404);
    has_none(&sideman.event("the application named a file that does not exist"));
    let (code, events) = sideman.stop_for_events();
    assert_eq!(code, Some(0));
    for event in &events {
        has_none(event);
        assert!(event.starts_with("20") && !event.contains("T00:00:00Z  "), "{event}");
    }
    assert!(!events.iter().any(|event| event.starts_with("2026-01-01")), "{events:?}");
}
