//! Splits the text of an nginx configuration into words and marks, as nginx does: quotes, escapes, comments, and
//! `${name}` within a word. Expressions of templates (`{{ name }}`) stay in their words.

use super::{problem::SyntaxError, template::STATEMENTS};

/// One token and the line that it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) line: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

const RENDER_FIRST: &str = "render the template and import the result";

struct Lexer<'a> {
    rest: &'a str,
    line: u32,
}

/// Returns the tokens of `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut lexer = Lexer { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

// === impl Lexer ===

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Token>, SyntaxError> {
        loop {
            self.skip_space();
            if self.rest.starts_with('#') {
                self.skip_line();
            } else if self.rest.starts_with("{#") {
                self.skip_template_comment()?;
            } else {
                break;
            }
        }
        let line = self.line;
        for (begin, language) in [("{%", "Jinja"), ("<%", "ERB")] {
            if self.rest.starts_with(begin) {
                let message = format!("{language} statement: {RENDER_FIRST}");
                return Err(SyntaxError { line, message });
            }
        }
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let kind = match first {
            ';' => TokenKind::End,
            '{' if !self.rest.starts_with("{{") => TokenKind::Open,
            '}' => TokenKind::Close,
            '"' | '\'' => return self.quoted(first).map(Some),
            _ => return self.word().map(Some),
        };
        self.take();
        Ok(Some(Token { kind, line }))
    }

    /// Takes the next character.
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        if next == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(next)
    }

    fn skip_space(&mut self) {
        while self.rest.starts_with(is_space) {
            self.take();
        }
    }

    fn skip_line(&mut self) {
        while self.take().is_some_and(|next| next != '\n') {}
    }

    fn skip_template_comment(&mut self) -> Result<(), SyntaxError> {
        let line = self.line;
        while !self.rest.starts_with("#}") {
            if self.take().is_none() {
                return Err(SyntaxError::new(line, "this template comment has no end (`#}`)"));
            }
        }
        self.rest = self.rest.get(2..).unwrap_or_default();
        Ok(())
    }

    /// Reads a word in quotes.
    fn quoted(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let line = self.line;
        self.take();
        let mut word = String::new();
        loop {
            match self.take() {
                None => return Err(SyntaxError::new(line, "this quote is never closed")),
                Some(next) if next == quote => break,
                Some('\\') => self.escape(&mut word),
                Some(next) => word.push(next),
            }
        }
        let ends = |next| is_space(next) || matches!(next, ';' | '{' | ')' | '}');
        match self.rest.chars().next() {
            // nginx takes `if ("$a" = "b")` apart at spaces only.
            Some(')') => {
                self.take();
                word.push(')');
            }
            Some(next) if !ends(next) => {
                let message = format!("unexpected `{}` after a quote", next.escape_debug());
                return Err(SyntaxError { line: self.line, message });
            }
            _ => {}
        }
        Ok(Token { kind: TokenKind::Word(word), line })
    }

    /// Reads a word without quotes.
    fn word(&mut self) -> Result<Token, SyntaxError> {
        let line = self.line;
        let mut word = String::new();
        loop {
            if self.rest.starts_with("{{") {
                self.template_expression(&mut word)?;
                continue;
            }
            let Some(next) = self.rest.chars().next() else { break };
            match next {
                ';' | '{' => break,
                next if is_space(next) => break,
                '\\' => {
                    self.take();
                    self.escape(&mut word);
                }
                '$' => {
                    self.take();
                    word.push('$');
                    // `${name}`: its brace begins no block.
                    if self.rest.starts_with('{') && !self.rest.starts_with("{{") {
                        self.variable(&mut word)?;
                    }
                }
                next => {
                    self.take();
                    word.push(next);
                }
            }
        }
        Ok(Token { kind: TokenKind::Word(word), line })
    }

    fn variable(&mut self, word: &mut String) -> Result<(), SyntaxError> {
        let line = self.line;
        loop {
            match self.take() {
                Some('}') => {
                    word.push('}');
                    return Ok(());
                }
                Some(next) if next == '{' || !(is_space(next) || next == ';') => word.push(next),
                _ => return Err(SyntaxError::new(line, "this variable has no closing brace")),
            }
        }
    }

    /// Copies what follows a backslash. As in nginx, only some escapes are replaced: `\.` of a regular expression
    /// stays.
    fn escape(&mut self, word: &mut String) {
        match self.take() {
            Some(next @ ('"' | '\'' | '\\')) => word.push(next),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(next) => word.extend(['\\', next]),
            None => word.push('\\'),
        }
    }

    fn template_expression(&mut self, word: &mut String) -> Result<(), SyntaxError> {
        let line = self.line;
        let end = self.rest.find("}}").filter(|end| {
            self.rest.get(..*end).is_some_and(|expression| !expression.contains('\n'))
        });
        let (Some(expression), Some(rest)) = (
            end.and_then(|end| self.rest.get(2..end)),
            end.and_then(|end| self.rest.get(end + 2..)),
        ) else {
            return Err(SyntaxError::new(line, "this template expression has no end (`}}`)"));
        };
        let inner = expression.trim_matches(['-', ' ', '\t']);
        let first = inner.split_whitespace().next().unwrap_or_default();
        if STATEMENTS.contains(&first) {
            let message = format!("template statement `{first}`: {RENDER_FIRST}");
            return Err(SyntaxError { line, message });
        }
        word.push_str("{{ ");
        word.push_str(inner);
        word.push_str(" }}");
        self.rest = rest;
        Ok(())
    }
}

fn is_space(next: char) -> bool {
    matches!(next, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let tokens = tokens(text).unwrap().into_iter().map(|token| match token.kind {
            TokenKind::Word(word) => word,
            TokenKind::End => ";".into(),
            TokenKind::Open => "{".into(),
            TokenKind::Close => "}".into(),
        });
        tokens.collect()
    }

    fn error(text: &str) -> (u32, String) {
        let error = tokens(text).unwrap_err();
        (error.line, error.message)
    }

    #[test]
    fn words_end_at_spaces_semicolons_and_braces() {
        assert_eq!(words("listen 80;"), ["listen", "80", ";"]);
        assert_eq!(
            words("location / {\r\n\tdeny all;}"),
            ["location", "/", "{", "deny", "all", ";", "}"]
        );
        assert_eq!(words("a#b c#d # e\nf"), ["a#b", "c#d", "f"]);
        assert_eq!(words("\u{feff}a"), ["a"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn quotes_keep_spaces_and_marks_together() {
        assert_eq!(words(r#"a "b; {c}" 'd "e"';"#), ["a", "b; {c}", "d \"e\"", ";"]);
        assert_eq!(words(r#"a "" ;"#), ["a", "", ";"]);
        assert_eq!(words(r#"if ($a = "b c") {"#), ["if", "($a", "=", "b c)", "{"]);
        assert_eq!(words("a\"b\" ;"), ["a\"b\"", ";"]);
        assert_eq!(error("x\n'a\nb"), (2, "this quote is never closed".into()));
        assert_eq!(error("'a'b"), (1, "unexpected `b` after a quote".into()));
    }

    #[test]
    fn escapes_are_those_of_nginx() {
        assert_eq!(words(r"\.php$ \\.x \d \;"), [r"\.php$", r"\.x", r"\d", r"\;"]);
        assert_eq!(words(r#""a\"b\\c\.d\n""#), ["a\"b\\c\\.d\n"]);
        assert_eq!(words("a\\"), ["a\\"]);
    }

    #[test]
    fn variables_in_braces_begin_no_block() {
        assert_eq!(words("a ${b}/c${d}{"), ["a", "${b}/c${d}", "{"]);
        assert_eq!(error("a ${b c}"), (1, "this variable has no closing brace".into()));
        assert_eq!(words("~ ^/a$ {"), ["~", "^/a$", "{"]);
    }

    #[test]
    fn template_expressions_stay_in_their_word() {
        assert_eq!(
            words("server {{host}}:{{ port|default(80) }};"),
            ["server", "{{ host }}:{{ port|default(80) }}", ";"]
        );
        assert_eq!(words("a {# b\n c #} d"), ["a", "d"]);
        assert_eq!(words("x ${{ a }};"), ["x", "${{ a }}", ";"]);
        assert_eq!(error("\n{{ a").0, 2);
        assert_eq!(error("a {# b").0, 1);
    }

    #[test]
    fn template_statements_are_refused_with_their_line() {
        let (line, message) = error("a;\n{% if b %}\nc;\n{% endif %}");
        assert_eq!(
            (line, message.as_str()),
            (2, "Jinja statement: render the template and import the result")
        );
        assert_eq!(error("a\n\n<% if b %>").0, 3);
        assert_eq!(
            error("{{- if eq .Proto \"uwsgi\" }}").1.split(':').next().unwrap(),
            "template statement `if`"
        );
    }

    #[test]
    fn lines_are_counted_from_one() {
        let lines: Vec<_> =
            tokens("a\n\"b\nc\" d\n# e\n;").unwrap().iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 2, 3, 5]);
    }
}
