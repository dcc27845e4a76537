//! What one source file says: the paths it uses, the modules it declares, and a few words that
//! only some files may say. Code under `#[cfg(test)]` is left out.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{spanned::Spanned, visit, visit::Visit};

/// Everything the rules look at, in one file.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Paths into the crate, from its root: `use super::b::C` in `a::x` is `[a, b, C]`.
    pub(crate) references: Vec<Reference>,
    /// `std::env`.
    pub(crate) environment: Vec<usize>,
    /// `println!` and its kin.
    pub(crate) prints: Vec<Print>,
    /// `#[path]` and `include!`, which would put a module where its file is not.
    pub(crate) detours: Vec<usize>,
    /// Modules declared under `#[cfg(test)]`, from the root.
    pub(crate) test_modules: BTreeSet<Vec<String>>,
    /// Lines of code under `#[cfg(test)]`.
    pub(crate) test_lines: usize,
}

/// A path into the crate.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// A macro that prints.
#[derive(Debug)]
pub(crate) struct Print {
    pub(crate) name: String,
    pub(crate) line: usize,
}

/// Walks the syntax tree of one file.
struct Collector {
    /// The library's name, where it stands for the crate's root.
    library: Option<&'static str>,
    /// The module the walk is in.
    module: Vec<String>,
    /// Its child modules: a path may begin with their names.
    children: BTreeSet<String>,
    facts: Facts,
}

/// One name in a path as written.
#[derive(Clone, Debug)]
struct Segment {
    name: String,
    line: usize,
}

// === impl Facts ===

impl Facts {
    /// Reads a file that holds `module`. Where the binary and the library are one crate to the rules, `library` is
    /// the name by which the one calls the other.
    pub(crate) fn read(
        module: &[String],
        source: &str,
        library: Option<&'static str>,
    ) -> Result<Self, syn::Error> {
        let file = syn::parse_file(source)?;
        let mut collector = Collector {
            library,
            module: module.to_vec(),
            children: children(&file.items),
            facts: Self::default(),
        };
        collector.visit_file(&file);
        Ok(collector.facts)
    }
}

// === impl Collector ===

/// Visits that pass over what is compiled for tests only.
macro_rules! pass_over_tests {
    ($($visit:ident: $node:ident),* $(,)?) => {
        $(
            fn $visit(&mut self, node: &'ast syn::$node) {
                if is_test(&node.attrs) {
                    self.pass_over(node.span());
                } else {
                    visit::$visit(self, node);
                }
            }
        )*
    };
}

impl<'ast> Visit<'ast> for Collector {
    pass_over_tests! {
        visit_arm: Arm,
        visit_expr_block: ExprBlock,
        visit_field: Field,
        visit_impl_item_const: ImplItemConst,
        visit_impl_item_fn: ImplItemFn,
        visit_impl_item_type: ImplItemType,
        visit_item_const: ItemConst,
        visit_item_enum: ItemEnum,
        visit_item_fn: ItemFn,
        visit_item_impl: ItemImpl,
        visit_item_macro: ItemMacro,
        visit_item_static: ItemStatic,
        visit_item_struct: ItemStruct,
        visit_item_trait: ItemTrait,
        visit_item_type: ItemType,
        visit_local: Local,
        visit_stmt_macro: StmtMacro,
        visit_variant: Variant,
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        let name = plain(&node.ident);
        if is_test(&node.attrs) {
            self.facts.test_modules.insert([self.module.as_slice(), &[name]].concat());
            self.pass_over(node.span());
            return;
        }
        let inside = node.content.as_ref().map(|(_, items)| children(items)).unwrap_or_default();
        let outside = std::mem::replace(&mut self.children, inside);
        self.module.push(name);
        visit::visit_item_mod(self, node);
        self.module.pop();
        self.children = outside;
    }

    fn visit_item_use(&mut self, node: &'ast syn::ItemUse) {
        if is_test(&node.attrs) {
            self.pass_over(node.span());
        } else {
            self.import(&[], &node.tree);
        }
    }

    fn visit_path(&mut self, node: &'ast syn::Path) {
        let path: Vec<Segment> =
            node.segments.iter().map(|segment| Segment::new(&segment.ident)).collect();
        // One name alone was brought into scope by an import, which is counted where it stands.
        if path.len() > 1 {
            self.record(&path);
        }
        visit::visit_path(self, node);
    }

    /// `pub(super)` and `pub(in crate::a)` say who may look, and import nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        self.visit_path(&node.path);
        if let Some(segment) = node.path.segments.last() {
            self.called_macro(&Segment::new(&segment.ident));
        }
        self.scan(node.tokens.clone());
    }

    fn visit_attribute(&mut self, node: &'ast syn::Attribute) {
        if node.path().is_ident("path") {
            self.facts.detours.push(node.span().start().line);
        }
        visit::visit_attribute(self, node);
    }

    fn visit_meta_list(&mut self, node: &'ast syn::MetaList) {
        self.visit_path(&node.path);
        self.scan(node.tokens.clone());
    }
}

impl Collector {
    /// Counts what is left out.
    fn pass_over(&mut self, span: Span) {
        self.facts.test_lines += span.end().line + 1 - span.start().line;
    }

    /// Records each leaf of a `use`.
    fn import(&mut self, prefix: &[Segment], tree: &syn::UseTree) {
        let with = |name: Segment| [prefix, &[name]].concat();
        match tree {
            syn::UseTree::Path(path) => self.import(&with(Segment::new(&path.ident)), &path.tree),
            syn::UseTree::Name(leaf) => self.record(&with(Segment::new(&leaf.ident))),
            syn::UseTree::Rename(leaf) => self.record(&with(Segment::new(&leaf.ident))),
            syn::UseTree::Glob(leaf) => {
                let line = leaf.star_token.span().start().line;
                self.record(&with(Segment { name: "*".to_owned(), line }));
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(prefix, tree);
                }
            }
        }
    }

    /// Finds paths and printing macros in tokens that have no syntax tree.
    fn scan(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some((first, mut after)) = rest.split_first() {
            match first {
                TokenTree::Group(group) => self.scan(group.stream()),
                TokenTree::Ident(ident) => after = self.scan_path(Segment::new(ident), after),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            rest = after;
        }
    }

    /// Reads on from the first name of a path, and returns what follows the path.
    fn scan_path<'t>(&mut self, first: Segment, mut rest: &'t [TokenTree]) -> &'t [TokenTree] {
        let mut path = vec![first];
        while let [TokenTree::Punct(a), TokenTree::Punct(b), next, after @ ..] = rest
            && (a.as_char(), b.as_char()) == (':', ':')
        {
            match next {
                TokenTree::Ident(ident) => {
                    path.push(Segment::new(ident));
                    rest = after;
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let tree = TokenTree::Group(group.clone()).into();
                    if let Ok(tree) = syn::parse2::<syn::UseTree>(tree) {
                        self.import(&path, &tree);
                    }
                    return after;
                }
                TokenTree::Punct(star) if star.as_char() == '*' => {
                    path.push(Segment { name: "*".to_owned(), line: star.span().start().line });
                    rest = after;
                }
                TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => break,
            }
        }
        if let (Some(last), [TokenTree::Punct(mark), ..]) = (path.last(), rest)
            && mark.as_char() == '!'
        {
            self.called_macro(last);
        }
        if path.len() > 1 {
            self.record(&path);
        }
        rest
    }

    fn called_macro(&mut self, name: &Segment) {
        match name.name.as_str() {
            "print" | "println" | "eprint" | "eprintln" => {
                self.facts.prints.push(Print { name: name.name.clone(), line: name.line });
            }
            "include" => self.facts.detours.push(name.line),
            _ => {}
        }
    }

    /// Keeps a path that leads into the crate, seen from the crate's root, or to `std::env`.
    fn record(&mut self, path: &[Segment]) {
        // `use crate::{self as root}` and `use super::{self}` name what stands before them.
        let path = match path {
            [before @ .., last] if last.name == "self" && !before.is_empty() => before,
            path => path,
        };
        let Some((first, rest)) = path.split_first() else { return };
        let (mut base, rest) = match first.name.as_str() {
            "crate" => (Vec::new(), rest),
            name if self.library == Some(name) => (Vec::new(), rest),
            "self" => (self.module.clone(), rest),
            "super" => (self.module.clone(), path),
            "std" => {
                if rest.first().is_some_and(|second| second.name == "env") {
                    self.facts.environment.push(first.line);
                }
                return;
            }
            name if self.children.contains(name) => (self.module.clone(), path),
            _ => return,
        };
        let line = rest.iter().find(|segment| segment.name != "super").unwrap_or(first).line;
        for segment in rest {
            if segment.name == "super" {
                base.pop();
            } else {
                base.push(segment.name.clone());
            }
        }
        self.facts.references.push(Reference { path: base, line });
    }
}

// === impl Segment ===

impl Segment {
    fn new(ident: &syn::Ident) -> Self {
        Self { name: plain(ident), line: ident.span().start().line }
    }
}

/// `r#type` and `type` are one name.
fn plain(ident: &syn::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// The modules declared by `items`, those for tests left out.
fn children(items: &[syn::Item]) -> BTreeSet<String> {
    items
        .iter()
        .filter_map(|item| if let syn::Item::Mod(module) = item { Some(module) } else { None })
        .filter(|module| !is_test(&module.attrs))
        .map(|module| plain(&module.ident))
        .collect()
}

/// Whether `#[cfg(test)]` or `#[cfg(all(test, ..))]` stands over an item.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.parse_args::<syn::Meta>().is_ok_and(|condition| needs_test(&condition))
    })
}

fn needs_test(condition: &syn::Meta) -> bool {
    let syn::Meta::List(list) = condition else { return condition.path().is_ident("test") };
    list.path.is_ident("all")
        && list
            .parse_args_with(
                syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated,
            )
            .is_ok_and(|conditions| conditions.iter().any(needs_test))
}
