//! The statements of an nginx configuration: enough to adapt a real one to this machine.

/// A statement: its words, and its block if it has one.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// As they are written, quotes included.
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Self>>,
}

/// Reads the statements of a text.
pub(super) fn read(text: &str) -> Vec<Statement> {
    let mut tokens = tokens(text).into_iter();
    block(&mut tokens)
}

fn block(tokens: &mut impl Iterator<Item = String>) -> Vec<Statement> {
    let (mut statements, mut words) = (Vec::new(), Vec::new());
    while let Some(token) = tokens.next() {
        match token.as_str() {
            ";" => {
                statements.push(Statement { words: std::mem::take(&mut words), block: None });
            }
            "{" => {
                let inner = block(tokens);
                statements
                    .push(Statement { words: std::mem::take(&mut words), block: Some(inner) });
            }
            "}" => break,
            _ => words.push(token),
        }
    }
    statements
}

/// Words with their quotes, and the marks.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars().peekable();
    let end = |word: &mut String, tokens: &mut Vec<String>| {
        if !word.is_empty() {
            tokens.push(std::mem::take(word));
        }
    };
    while let Some(letter) = letters.next() {
        match letter {
            '#' if word.is_empty() => while letters.next().is_some_and(|next| next != '\n') {},
            '"' | '\'' if word.is_empty() || word.ends_with('(') => {
                word.push(letter);
                while let Some(next) = letters.next() {
                    word.push(next);
                    match next {
                        '\\' => word.extend(letters.next()),
                        next if next == letter => break,
                        _ => {}
                    }
                }
            }
            '\\' => {
                word.push(letter);
                word.extend(letters.next());
            }
            '$' if letters.peek() == Some(&'{') => {
                word.push(letter);
                for next in letters.by_ref() {
                    word.push(next);
                    if next == '}' {
                        break;
                    }
                }
            }
            ';' | '{' | '}' => {
                end(&mut word, &mut tokens);
                tokens.push(letter.to_string());
            }
            letter if letter.is_whitespace() => end(&mut word, &mut tokens),
            letter => word.push(letter),
        }
    }
    end(&mut word, &mut tokens);
    tokens
}

/// Writes statements.
pub(super) fn write(statements: &[Statement]) -> String {
    let mut text = String::new();
    for statement in statements {
        text.push_str(&statement.words.join(" "));
        match &statement.block {
            Some(inner) => {
                text.push_str(" {\n");
                text.push_str(&write(inner));
                text.push_str("}\n");
            }
            None => text.push_str(";\n"),
        }
    }
    text
}

// === impl Statement ===

impl Statement {
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// An argument without its quotes.
    pub(super) fn arg(&self, index: usize) -> &str {
        self.words.get(index + 1).map_or("", |word| word.trim_matches(['"', '\'']))
    }

    /// Calls the function with every statement, the inner ones included.
    pub(super) fn each(&self, called: &mut impl FnMut(&Self)) {
        called(self);
        for inner in self.block.iter().flatten() {
            inner.each(called);
        }
    }
}
