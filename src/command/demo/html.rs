//! Putting text into HTML: the escaping, and templates with `{{name}}` places.

use std::borrow::Cow;

/// What stands at one place of a template.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// Anything, above all what came from the client: escaped when it is put in.
    Text(Cow<'a, str>),
    /// HTML that was made here.
    Markup(Cow<'a, str>),
}

/// Makes text safe between tags and within quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Fills a template's places in one pass: what is put in is not searched for places again.
pub(super) fn fill(template: &str, values: &[(&str, Value<'_>)]) -> String {
    let mut page = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        page.push_str(before);
        match values.iter().find(|(known, _)| *known == name.trim()) {
            Some((_, Value::Text(text))) => page.push_str(&escape(text)),
            Some((_, Value::Markup(markup))) => page.push_str(markup),
            None => debug_assert!(false, "no value for {name}"),
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// A number as people read it: `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

// === impl Value ===

impl<'a> Value<'a> {
    /// Text of any origin.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// HTML, as it is.
    pub(super) fn markup(markup: impl Into<Cow<'a, str>>) -> Self {
        Self::Markup(markup.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_escaped_and_markup_is_not() {
        let values = [("a", Value::text("<b>{{b}}")), ("b", Value::markup("<i>"))];
        assert_eq!(fill("1 {{a}} 2 {{ b }} 3", &values), "1 &lt;b&gt;{{b}} 2 <i> 3");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (67_108_864, "67,108,864"),
            (123_456, "123,456"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }

    proptest! {
        #[test]
        fn escaped_text_holds_nothing_that_html_acts_on(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            // Every ampersand that is left begins one of the five references.
            let plain = escaped
                .replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"")
                .replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(plain, text);
        }

        #[test]
        fn what_is_put_in_is_not_a_template(text in "[{}a-c<>]{0,12}") {
            let page = fill("({{a}})", &[("a", Value::text(text.as_str()))]);
            prop_assert_eq!(page, format!("({})", escape(&text)));
        }
    }
}
