//! Builds the tree of directives from tokens. Every directive has the line it begins on.

use std::{rc::Rc, vec};

use super::{
    lexer::{self, Token, TokenKind},
    problem::{Place, SyntaxError},
    template,
};

/// More than any real configuration has; bounds the recursion.
const MAX_DEPTH: usize = 24;

/// A directive with its arguments, and the directives of its block if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) block: Option<Vec<Self>>,
    pub(super) place: Place,
}

struct Parser<'a> {
    tokens: vec::IntoIter<Token>,
    file: &'a Rc<str>,
}

/// How a list of directives ended.
enum ListEnd {
    /// At a `}` on this line.
    Close(u32),
    EndOfFile,
}

/// Returns the directives of a file.
pub(super) fn parse(text: &str, file: &Rc<str>) -> Result<Vec<Directive>, SyntaxError> {
    let mut parser = Parser { tokens: lexer::tokens(text)?.into_iter(), file };
    match parser.list(0)? {
        (directives, ListEnd::EndOfFile) => Ok(directives),
        (_, ListEnd::Close(line)) => Err(SyntaxError::new(line, "unexpected `}`")),
    }
}

// === impl Directive ===

impl Directive {
    /// The argument at `index`, or an empty text.
    pub(super) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map(String::as_str).unwrap_or_default()
    }

    /// The directives of the block.
    pub(super) fn children(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

// === impl Parser ===

impl Parser<'_> {
    fn list(&mut self, depth: usize) -> Result<(Vec<Directive>, ListEnd), SyntaxError> {
        let mut directives = Vec::new();
        while let Some(Token { kind, line }) = self.tokens.next() {
            match kind {
                TokenKind::Close => return Ok((directives, ListEnd::Close(line))),
                TokenKind::End => return Err(SyntaxError::new(line, "unexpected `;`")),
                TokenKind::Open => return Err(SyntaxError::new(line, "unexpected `{`")),
                TokenKind::Word(name) => directives.push(self.directive(name, line, depth)?),
            }
        }
        Ok((directives, ListEnd::EndOfFile))
    }

    fn directive(
        &mut self,
        name: String,
        line: u32,
        depth: usize,
    ) -> Result<Directive, SyntaxError> {
        let place = Place { file: Rc::clone(self.file), line };
        let mut directive = Directive { name, args: Vec::new(), block: None, place };
        if self.is_lone_placeholder(&directive.name, line) {
            return Ok(directive);
        }
        if directive.name.ends_with("_by_lua_block") {
            let message = format!("{}: Lua cannot be imported: remove this block", directive.name);
            return Err(SyntaxError { line, message });
        }
        loop {
            match self.tokens.next().map(|token| (token.kind, token.line)) {
                Some((TokenKind::Word(word), _)) => directive.args.push(word),
                Some((TokenKind::End, _)) => return Ok(directive),
                Some((TokenKind::Open, at)) => {
                    if depth >= MAX_DEPTH {
                        let message = format!("blocks are nested more than {MAX_DEPTH} deep");
                        return Err(SyntaxError { line: at, message });
                    }
                    let (block, ListEnd::Close(_)) = self.list(depth + 1)? else {
                        return Err(unclosed(line, &directive.name));
                    };
                    directive.block = Some(block);
                    return Ok(directive);
                }
                Some((TokenKind::Close, at)) => {
                    return Err(SyntaxError { line: at, message: unended(&directive, line) });
                }
                None => return Err(SyntaxError { line, message: unended(&directive, line) }),
            }
        }
    }

    /// Whether a line has nothing but a placeholder of a template, which stands for whole directives.
    fn is_lone_placeholder(&mut self, name: &str, line: u32) -> bool {
        template::is_placeholder(name)
            && self
                .tokens
                .as_slice()
                .first()
                .is_none_or(|next| next.line > line || next.kind == TokenKind::Close)
    }
}

fn unended(directive: &Directive, line: u32) -> String {
    format!("`{}` of line {line} is not ended by `;`", directive.name)
}

fn unclosed(line: u32, name: &str) -> SyntaxError {
    SyntaxError { line, message: format!("the block of `{name}` is not closed by `}}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<Directive> {
        parse(text, &"f".into()).unwrap()
    }

    fn error(text: &str) -> (u32, String) {
        let error = parse(text, &"f".into()).unwrap_err();
        (error.line, error.message)
    }

    #[test]
    fn blocks_hold_directives_with_their_lines() {
        let tree = parsed("http {\n  server { listen 80 ssl; }\n\n  gzip on; }\nuser www;");
        assert_eq!(tree.len(), 2);
        let http = &tree[0];
        assert_eq!((http.name.as_str(), http.place.to_string().as_str()), ("http", "f:1"));
        let server = &http.children()[0];
        assert_eq!(server.children()[0].args, ["80", "ssl"]);
        assert_eq!(http.children()[1].place.line, 4);
        assert_eq!((tree[1].arg(0), tree[1].arg(1)), ("www", ""));
        assert_eq!(tree[1].block, None);
        assert_eq!(parsed("events {}")[0].block, Some(vec![]));
    }

    #[test]
    fn errors_name_the_line_and_the_directive() {
        assert_eq!(error("a;\n}"), (2, "unexpected `}`".into()));
        assert_eq!(error("a;;"), (1, "unexpected `;`".into()));
        assert_eq!(error("a;\n{"), (2, "unexpected `{`".into()));
        assert_eq!(error("a {\nb;\n"), (1, "the block of `a` is not closed by `}`".into()));
        assert_eq!(
            error("a {\nlisten 80\n}"),
            (3, "`listen` of line 2 is not ended by `;`".into())
        );
        assert_eq!(error("\nlisten"), (2, "`listen` of line 2 is not ended by `;`".into()));
        assert!(error("a {\ncontent_by_lua_block { x = {} }\n}").1.contains("Lua"));
    }

    #[test]
    fn a_placeholder_alone_on_its_line_is_a_directive() {
        let tree = parsed("server {\n  ${REALIP}\n  {{ extra }}\n  listen 80;\n  ${LAST} }");
        let names: Vec<_> = tree[0].children().iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["${REALIP}", "{{ extra }}", "listen", "${LAST}"]);
        // On the same line it is a word like others.
        assert_eq!(parsed("${NAME} on;")[0].args, ["on"]);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "a {".repeat(depth) + &"}".repeat(depth);
        assert!(parse(&nested(MAX_DEPTH), &"f".into()).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH + 1)).1, "blocks are nested more than 24 deep");
        assert!(error(&"a {".repeat(100_000)).1.contains("deep"));
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        /// Writes a tree in a way that must be read as the same tree.
        fn write(directives: &[Directive], text: &mut String) {
            for Directive { name, args, block, .. } in directives {
                text.push_str(name);
                for arg in args {
                    let escaped = arg.replace('\\', "\\\\").replace('"', "\\\"");
                    *text += &format!("\n \"{escaped}\"");
                }
                match block {
                    None => text.push_str(" ;\n"),
                    Some(block) => {
                        text.push_str(" { # comment ;\n");
                        write(block, text);
                        text.push_str("}\n");
                    }
                }
            }
        }

        /// The tree without its lines.
        fn plain(directives: &[Directive]) -> Vec<Directive> {
            let plain = directives.iter().map(|directive| Directive {
                name: directive.name.clone(),
                args: directive.args.clone(),
                block: directive.block.as_deref().map(plain),
                place: Place { file: "".into(), line: 0 },
            });
            plain.collect()
        }

        fn tree() -> impl Strategy<Value = Vec<Directive>> {
            let leaf = ("[a-z_]{1,8}", prop::collection::vec("[ -~\u{e4}\n]{0,8}", 0..3));
            let leaf = leaf.prop_map(|(name, args)| Directive {
                name,
                args,
                block: None,
                place: Place { file: "".into(), line: 0 },
            });
            let leaf = leaf.prop_filter("Lua", |leaf| !leaf.name.ends_with("_by_lua_block"));
            let one = leaf.clone().prop_recursive(3, 24, 4, move |inner| {
                (leaf.clone(), prop::collection::vec(inner, 0..4)).prop_map(|(mut node, block)| {
                    node.block = Some(block);
                    node
                })
            });
            prop::collection::vec(one, 0..6)
        }

        proptest! {
            #[test]
            fn what_is_written_is_read_again(tree in tree()) {
                let mut text = String::new();
                write(&tree, &mut text);
                let read = parse(&text, &"f".into()).unwrap();
                prop_assert_eq!(plain(&read), tree);
            }

            #[test]
            fn any_text_gives_a_tree_or_a_line_within_it(
                text in "([ -~]|\n|[{};#\"'\\\\$]|\\{\\{|\u{e4}){0,64}",
            ) {
                let lines = text.split('\n').count() as u32;
                match parse(&text, &"f".into()) {
                    Ok(tree) => prop_assert!(tree.iter().all(|node| node.place.line <= lines)),
                    Err(error) => prop_assert!((1..=lines).contains(&error.line)),
                }
            }
        }
    }
}
