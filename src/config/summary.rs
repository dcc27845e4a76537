//! The settings that were set, as one text for the event at the start. Where nothing else shows them, as on ECS, the
//! log does.

use super::{read::Setting, sources::ValueOrigin};

/// Maximum length of one value, in characters.
const MAX_VALUE_LENGTH: usize = 120;
/// Maximum length of the text, in bytes: Docker splits lines of 16 KiB.
const MAX_SUMMARY_LENGTH: usize = 8 * 1024;

/// Returns `KEY=VALUE (SOURCE)` for each setting, separated by commas. Values of files are hidden, long values are cut.
pub fn summary(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut left_out = 0;
    for setting in settings.iter().filter(|setting| setting.is_set()) {
        let one = format!("{}={} ({})", setting.id, shown(setting), setting.origin);
        if text.len() + one.len() > MAX_SUMMARY_LENGTH {
            left_out += 1;
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&one);
    }
    if left_out > 0 {
        text.push_str(&format!(" and {left_out} more, which `sideman check` shows"));
    }
    text
}

fn shown(setting: &Setting) -> String {
    // Many people can read a log.
    if setting.id.key.kind.properties().is_private && setting.text != "none" {
        return "(not shown)".into();
    }
    match setting.text.char_indices().nth(MAX_VALUE_LENGTH) {
        Some((end, _)) => format!("{}...", setting.text.get(..end).unwrap_or_default()),
        None => setting.text.clone(),
    }
}

// === impl Setting ===

impl Setting {
    /// Whether the setting was set.
    pub fn is_set(&self) -> bool {
        self.origin != ValueOrigin::Default
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{self, SettingId};

    fn setting(name: &str, text: &str, origin: ValueOrigin) -> Setting {
        Setting { id: keys::find(name).unwrap().into(), text: text.into(), origin }
    }

    #[test]
    fn what_was_set_is_named_with_its_source() {
        let environment = |name: &str| ValueOrigin::Environment { name: name.into() };
        let settings = [
            setting("server.listen", "0.0.0.0:80", ValueOrigin::Flag { name: "--listen" }),
            setting("server.workers", "auto", ValueOrigin::Default),
            setting(
                "upstream.url",
                "(from file)",
                ValueOrigin::SecretFile {
                    name: "SIDEMAN_UPSTREAM_FILE".into(),
                    path: "/run/url".into(),
                },
            ),
            Setting {
                id: SettingId::of_route(keys::find_of_route("response_headers").unwrap(), "a"),
                ..setting(
                    "log.level",
                    "set x-a: hunter2",
                    environment("SIDEMAN_ROUTE__A__RESPONSE_HEADERS"),
                )
            },
            setting("log.level", "warn", ValueOrigin::File { path: "/etc/s.toml".into(), line: 3 }),
        ];
        assert_eq!(
            summary(&settings),
            "server.listen=0.0.0.0:80 (--listen), upstream.url=(from file) \
             (SIDEMAN_UPSTREAM_FILE=/run/url), route.a.response_headers=(not shown) (SIDEMAN_ROUTE__A__RESPONSE_HEADERS), \
             log.level=warn (/etc/s.toml:3)"
        );
        assert_eq!(summary(&[]), "");
    }

    #[test]
    fn its_length_has_a_bound() {
        let long = "x".repeat(100_000);
        let origin = ValueOrigin::Environment { name: "SIDEMAN_STATIC".into() };
        let settings: Vec<_> =
            (0..100).map(|_| setting("static.roots", &long, origin.clone())).collect();
        let text = summary(&settings);
        assert!(text.len() <= MAX_SUMMARY_LENGTH + 100, "{}", text.len());
        assert!(text.ends_with("more, which `sideman check` shows"), "{text}");
        assert!(text.contains("xxx... (SIDEMAN_STATIC)"), "{text}");
    }
}
