//! Which files other origins may use: a word for all prefixes, and exceptions.

use crate::plan::Cors;

use super::{format::TextFormat, path, value};

/// The accepted words with their values.
pub(super) const WORDS: &[(&str, Cors)] =
    &[("none", Cors::None), ("fonts", Cors::Fonts), ("all", Cors::All)];

/// A word for all prefixes, or for one.
pub(super) const RULE: TextFormat<CorsRule> =
    TextFormat::new("fonts, all or none; or PREFIX=WORD, such as /static/=all", rule, show);

/// One item of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CorsRule {
    /// `None` is every prefix that has no rule of its own.
    pub(super) prefix: Option<String>,
    pub(super) cors: Cors,
}

/// Reads a word, or `PREFIX=WORD`.
fn rule(text: &str) -> Result<CorsRule, String> {
    if text.contains("://") {
        return Err("single origins are not supported: write all, or none".into());
    }
    let Some((prefix, cors)) = text.rsplit_once('=') else {
        if text.starts_with('/') {
            return Err(format!("the word is missing: write {text}=all"));
        }
        return Ok(CorsRule { prefix: None, cors: word(text)? });
    };
    let prefix = path::prefix(prefix).map_err(|fault| format!("in the prefix: {fault}"))?;
    Ok(CorsRule { prefix: Some(prefix), cors: word(cors)? })
}

/// Returns a text that [`rule`] reads as this.
fn show(rule: &CorsRule) -> String {
    let word = value::word_of(&rule.cors, WORDS);
    match &rule.prefix {
        Some(prefix) => format!("{prefix}={word}"),
        None => word.into(),
    }
}

fn word(text: &str) -> Result<Cors, String> {
    if text == "*" {
        return Err("write all".into());
    }
    value::one_of(text, WORDS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, expected: Result<(Option<&str>, Cors), &str>) {
        let expected =
            expected.map(|(prefix, cors)| CorsRule { prefix: prefix.map(Into::into), cors });
        assert_eq!(rule(text), expected.map_err(str::to_owned), "{text:?}");
    }

    #[test]
    fn rules() {
        reads("none", Ok((None, Cors::None)));
        reads("fonts", Ok((None, Cors::Fonts)));
        reads("all", Ok((None, Cors::All)));
        reads("/static/=all", Ok((Some("/static/"), Cors::All)));
        reads("/static=none", Ok((Some("/static/"), Cors::None)));
        reads("*", Err("write all"));
        reads("/static/=*", Err("write all"));
        reads("font", Err("did you mean fonts?"));
        reads("/static/=yes", Err("this is not one of the choices"));
        reads("/static/", Err("the word is missing: write /static/=all"));
        reads("static/=all", Err("in the prefix: must start with /"));
        reads("/a/../b/=all", Err("in the prefix: //, . and .. are not allowed as a segment"));
        let origin = "single origins are not supported: write all, or none";
        reads("https://example.com", Err(origin));
        reads("/static/=https://example.com", Err(origin));
        reads("", Err("this is not one of the choices"));
    }

    proptest! {
        #[test]
        fn a_shown_rule_reads_back(text in "(/[a-z]{1,4}/?=)?(none|fonts|all)") {
            let read = rule(&text).unwrap();
            prop_assert_eq!(rule(&show(&read)), Ok(read));
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = rule(&text);
        }
    }
}
