//! The rules, each proven to fail on a small tree that breaks it, with the exact words.

use crate::{Sources, rules};

/// The violations in a tree of files, each of which gets a header as its first line.
fn violations(files: &[(&str, &str)]) -> Vec<String> {
    let sources: Sources = files
        .iter()
        .map(|(name, source)| ((*name).to_owned(), format!("//! Duty.\n{source}")))
        .collect();
    rules::check(&sources)
}

/// Adds an importable file for each module that the examples name.
fn with_modules(name: &str, source: &str) -> Vec<String> {
    let mut files = vec![(name, source)];
    for module in ["src/pipeline/mod.rs", "src/plan/mod.rs", "src/files/mod.rs", "src/cache/mod.rs"]
    {
        if module != name {
            files.push((module, ""));
        }
    }
    violations(&files)
}

const FILES: &str = "files may import error, rfc, sync, compression, plan, body, telemetry";

fn files_to_pipeline(line: usize) -> String {
    format!("src/files/store.rs:{line}: files -> pipeline is not allowed; {FILES}")
}

#[test]
fn a_tree_that_keeps_the_rules_passes() {
    assert_eq!(
        violations(&[
            ("src/lib.rs", "pub mod files;\npub mod plan;\npub mod pipeline;"),
            (
                "src/main.rs",
                "use sideman::config;\nfn main() { println!(\"{:?}\", std::env::args()); }"
            ),
            (
                "src/command/mod.rs",
                "use crate::{config::load, lifecycle};\nfn f() { eprintln!(); }"
            ),
            ("src/config/mod.rs", "use std::env;\nuse crate::plan::Plan;"),
            ("src/lifecycle/mod.rs", "use crate::server::Listener;"),
            ("src/server/mod.rs", "mod listener;\npub use self::listener::Listener;"),
            ("src/server/listener.rs", "use crate::pipeline;\nuse super::workers::Workers;"),
            ("src/server/workers.rs", "pub(super) struct Workers;"),
            ("src/pipeline/mod.rs", "use crate::{files::{self, Store}, phase::Phase};"),
            ("src/files/mod.rs", "mod store;\npub use store::Store;\npub(crate) struct Hit;"),
            (
                "src/files/store.rs",
                "use std::{collections, fs};\npub(in crate::files) struct Store;"
            ),
            ("src/phase.rs", ""),
            ("src/plan/mod.rs", "/// See [`crate::pipeline`].\npub struct Plan;"),
        ]),
        [""; 0]
    );
}

#[test]
fn every_way_to_write_an_import_is_seen() {
    for (source, line) in [
        ("use crate::pipeline;", 2),
        ("use crate::pipeline as p;", 2),
        ("use crate::pipeline::handle;", 2),
        ("use crate::pipeline::*;", 2),
        ("pub use crate::pipeline::handle;", 2),
        ("use crate::{\n    plan::Plan,\n    pipeline::{self},\n};", 4),
        ("use crate::{plan::{self, Plan}, pipeline::{reply::{Reply}}};", 2),
        ("use super::super::pipeline::handle;", 2),
        ("use self::super::super::pipeline;", 2),
        ("use sideman::pipeline;", 2),
        ("use crate::r#pipeline;", 2),
        ("mod inline {\n    use super::super::super::pipeline;\n}", 3),
        ("fn f() {\n    use crate::pipeline;\n}", 3),
        ("fn f() {\n    crate::pipeline::handle();\n}", 3),
        ("fn f() {\n    super::super::pipeline::handle();\n}", 3),
        ("fn f(_: Vec<crate::pipeline::Reply>) {}", 2),
        ("fn f() -> impl crate::pipeline::Stage {}", 2),
        ("struct S {\n    pub(crate) reply: Option<\n        crate::pipeline::Reply>,\n}", 4),
        ("impl crate::pipeline::Stage for S {}", 2),
        ("fn f() { <S as crate::pipeline::Stage>::run(); }", 2),
        ("fn f() { match x { crate::pipeline::Reply::A => {} } }", 2),
        ("fn f() {\n    assert_eq!(\n        1,\n        [crate::pipeline::ONE]);\n}", 5),
        ("fn f() { tracing::info!(status = %super::super::pipeline::status()); }", 2),
        ("fn f() { crate::pipeline::event!(); }", 2),
        ("crate::pipeline::event! {}", 2),
        ("macro_rules! m { () => { $crate::pipeline::handle() } }", 2),
        ("tokio::select! { _ = x => { use crate::{plan, pipeline::handle}; } }", 2),
        ("some! { use crate::pipeline::*; }", 2),
        ("#[arg(value_parser = crate::pipeline::parse)]\nstruct S;", 2),
        ("#[derive(crate::pipeline::Derive)]\nstruct S;", 2),
        ("#[crate::pipeline::attribute]\nstruct S;", 2),
        ("#[cfg(not(test))]\nuse crate::pipeline;", 3),
        ("#[cfg(any(test, unix))]\nuse crate::pipeline;", 3),
    ] {
        let found = with_modules("src/files/store.rs", source);
        assert_eq!(found, [files_to_pipeline(line)], "in {source}");
    }
}

#[test]
fn modules_of_one_layer_never_import_each_other() {
    assert_eq!(
        with_modules("src/files/store.rs", "use crate::cache::Cache;"),
        [format!("src/files/store.rs:2: files -> cache is not allowed; {FILES}")]
    );
}

#[test]
fn the_lowest_layer_imports_nothing() {
    assert_eq!(
        with_modules("src/rfc/range.rs", "use crate::plan;"),
        ["src/rfc/range.rs:2: rfc -> plan is not allowed; rfc may import nothing of ours"]
    );
}

#[test]
fn the_library_root_re_exports_nothing() {
    assert_eq!(
        with_modules("src/lib.rs", "pub mod pipeline;\npub use pipeline::handle;"),
        ["src/lib.rs:3: lib -> pipeline is not allowed; lib may import nothing of ours"]
    );
}

#[test]
fn the_binary_is_held_to_its_row() {
    for source in [
        "use sideman::pipeline;",
        "fn main() { sideman::pipeline::handle() }",
        "mod pipeline;\nuse pipeline::handle;",
    ] {
        let line = source.lines().count() + 1;
        assert_eq!(
            with_modules("src/main.rs", source),
            [format!(
                "src/main.rs:{line}: main -> pipeline is not allowed; main may import allocator, command, \
                 config, lifecycle, plan, phase"
            )],
            "in {source}"
        );
    }
}

#[test]
fn the_crates_root_is_no_way_around_the_table() {
    for (source, path) in [
        ("use crate::Shortcut;", "Shortcut"),
        ("use crate::*;", "*"),
        ("use super::super::*;", "*"),
        ("use crate as root;", ""),
        ("use crate::{self as root};", ""),
        ("fn f() { crate::shortcut() }", "shortcut"),
    ] {
        assert_eq!(
            with_modules("src/files/store.rs", source),
            [format!(
                "src/files/store.rs:2: files -> the crate's root (`crate::{path}`) is not \
                 allowed; import from the module that holds the name"
            )],
            "in {source}"
        );
    }
}

#[test]
fn a_new_top_level_module_needs_a_layer() {
    assert_eq!(
        violations(&[
            ("src/files/mod.rs", "use crate::extra::X;"),
            ("src/extra/mod.rs", "use crate::files;"),
            ("src/extra/other.rs", ""),
            ("src/single.rs", ""),
        ]),
        [
            "src/extra/mod.rs: extra has no layer; add it to tests/architecture/table.rs and to \
             ARCHITECTURE.md",
            "src/single.rs: single has no layer; add it to tests/architecture/table.rs and to \
             ARCHITECTURE.md",
            "src/extra/mod.rs:2 -> src/files/mod.rs:2 -> src/extra/mod.rs is an import cycle; \
             move what they share into a file below them",
        ]
    );
}

#[test]
fn neighbour_cycle_is_shown_as_a_path() {
    assert_eq!(
        violations(&[
            ("src/server/mod.rs", "mod a;\nmod b;\nmod c;\npub use self::c::C;"),
            ("src/server/a.rs", "use crate::phase::Phase;\nuse super::b::B;"),
            ("src/server/b.rs", "use crate::server::c::C;"),
            ("src/server/c.rs", "fn f() {\n    super::a::g();\n}"),
            ("src/phase.rs", ""),
        ]),
        ["src/server/a.rs:3 -> src/server/b.rs:2 -> src/server/c.rs:3 -> src/server/a.rs is an \
          import cycle; move what they share into a file below them"]
    );
}

#[test]
fn a_child_that_imports_from_its_parent_makes_a_circle() {
    for composition in ["pub use self::a::A;", "pub use a::A;", "fn f() { a::g() }"] {
        for import in ["use super::Item;", "use crate::server::Item;", "use super::*;"] {
            assert_eq!(
                violations(&[
                    ("src/server/mod.rs", &format!("mod a;\n{composition}")),
                    ("src/server/a.rs", import),
                ]),
                [
                    "src/server/a.rs:2 -> src/server/mod.rs:3 -> src/server/a.rs is an import cycle; \
                  move what they share into a file below them"
                ],
                "for {composition} and {import}"
            );
        }
    }
}

#[test]
fn a_parent_that_only_declares_its_children_makes_no_circle() {
    assert_eq!(
        violations(&[("src/server/mod.rs", "mod a;"), ("src/server/a.rs", "use super::Item;")]),
        [""; 0]
    );
}

#[test]
fn two_knots_are_two_violations() {
    let found = violations(&[
        ("src/server/a.rs", "use super::b;"),
        ("src/server/b.rs", "use super::a;"),
        ("src/server/c.rs", "use super::d;"),
        ("src/server/d.rs", "use super::c;"),
    ]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_file_past_the_limit_is_too_long_and_its_tests_do_not_count() {
    let code = "fn f() {}\n".repeat(499);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn f() {}\n".repeat(100));
    let at_the_limit = format!("{tests}{code}");
    assert_eq!(violations(&[("src/error.rs", &at_the_limit)]), [""; 0]);

    let past_it = format!("{code}fn one_more() {{}}\n{tests}");
    assert_eq!(
        violations(&[("src/error.rs", &past_it)]),
        ["src/error.rs: 501 lines without tests; the limit is 500: split it by duty"]
    );
}

#[test]
fn the_load_test_has_no_circles_and_no_long_files() {
    let long = "\n".repeat(500);
    assert_eq!(
        violations(&[
            ("benches/load/main.rs", "mod nginx;\nmod server;\nfn main() { println!(); }"),
            ("benches/load/nginx.rs", "use crate::server::Setup;"),
            // A module of its own, not the library.
            ("benches/load/sideman.rs", "use crate::long;"),
            ("benches/load/server.rs", "use crate::{nginx, sideman};\nfn f() { sideman::run() }"),
            ("benches/load/long.rs", &long),
            // The same names mean other modules there.
            ("src/plan/mod.rs", ""),
        ]),
        [
            "benches/load/nginx.rs:2 -> benches/load/server.rs:2 -> benches/load/nginx.rs is an \
             import cycle; move what they share into a file below them",
            "benches/load/long.rs: 501 lines without tests; the limit is 500: split it by duty",
        ]
    );
}

#[test]
fn every_file_needs_a_header() {
    let sources = Sources::from([
        ("src/error.rs".to_owned(), "use std::io;\n".to_owned()),
        ("src/phase.rs".to_owned(), "\n//! Too late.\n".to_owned()),
        ("src/rfc/mod.rs".to_owned(), "//!\n//! Empty at first.\n".to_owned()),
        ("src/plan/mod.rs".to_owned(), String::new()),
    ]);
    assert_eq!(
        rules::check(&sources),
        ["src/error.rs", "src/phase.rs", "src/plan/mod.rs", "src/rfc/mod.rs"]
            .map(|name| format!("{name}:1: must open with a `//!` line that says its duty"))
    );
}

#[test]
fn comments_are_not_too_wide() {
    let fits = "é".repeat(117);
    let source =
        format!("// {fits}\n    // {fits}\n// https://{fits}\n/// {fits}\nfn long() {{}}\n");
    assert_eq!(
        violations(&[("src/error.rs", &source)]),
        ["src/error.rs:3", "src/error.rs:5"]
            .map(|place| format!("{place}: wrap the comment at 120 characters"))
    );
}

#[test]
fn the_environment_is_read_in_few_places() {
    for source in [
        "use std::env;",
        "use std::{env::var, fs};",
        "use ::std::env;",
        "fn f() { std::env::var(\"HOME\"); }",
        "fn f() { assert!(std::env::var(\"HOME\").is_ok()); }",
    ] {
        assert_eq!(
            violations(&[
                ("src/server/mod.rs", source),
                ("src/config/mod.rs", source),
                ("src/command/mod.rs", source),
                ("src/main.rs", source),
            ]),
            ["src/server/mod.rs:2: `std::env` is for config, command and main; pass the value \
              instead"],
            "in {source}"
        );
    }
}

#[test]
fn printing_is_for_the_command_line() {
    for (source, name) in [
        ("fn f() { println!(); }", "println"),
        ("fn f() { std::eprintln!(\"x\"); }", "eprintln"),
        ("fn f() { print!(\"x\") }", "print"),
        ("fn f() { tokio::select! { _ = x => { eprint!(\"x\") } } }", "eprint"),
    ] {
        assert_eq!(
            violations(&[
                ("src/server/mod.rs", source),
                ("src/command/mod.rs", source),
                ("src/main.rs", source),
            ]),
            [format!(
                "src/server/mod.rs:2: `{name}!` is for command and main; events go through \
                 tracing, requests to the access log"
            )],
            "in {source}"
        );
    }
}

#[test]
fn code_lives_where_its_file_is() {
    for source in ["#[path = \"../pipeline/mod.rs\"] mod p;", "include!(\"../pipeline/mod.rs\");"] {
        assert_eq!(
            violations(&[("src/files/mod.rs", source)]),
            ["src/files/mod.rs:2: `#[path]` and `include!` hide where code lives; declare a \
              module in its place"],
            "in {source}"
        );
    }
}

#[test]
fn tests_may_import_and_print_anything() {
    let bad = "use crate::pipeline;\nfn f() { println!(\"{:?}\", std::env::args()); }";
    for source in [
        format!("#[cfg(test)]\nmod tests {{\n{bad}\n}}"),
        format!("#[cfg(all(test, unix))]\nmod tests {{\n{bad}\n}}"),
        "#[cfg(test)]\nuse crate::pipeline;".to_owned(),
        "#[cfg(test)]\nfn f() { println!() }".to_owned(),
        "impl S {\n#[cfg(test)]\nfn f() { println!() }\n}".to_owned(),
    ] {
        assert_eq!(with_modules("src/files/store.rs", &source), [""; 0], "in {source}");
    }
}

#[test]
fn a_test_file_is_one_that_its_parent_declares_for_tests() {
    let long = "use crate::pipeline;\n".repeat(600);
    let tree = |declaration| {
        violations(&[
            ("src/files/mod.rs", declaration),
            ("src/files/tests.rs", &long),
            ("src/files/tests/support.rs", &long),
            ("src/pipeline/mod.rs", ""),
        ])
    };
    assert_eq!(tree("#[cfg(test)]\nmod tests;"), [""; 0]);
    assert!(!tree("mod tests;").is_empty(), "a name alone exempts nothing");
}

#[test]
fn a_file_that_is_no_rust_is_named() {
    assert_eq!(
        violations(&[("src/error.rs", "fn 1() {}")]),
        ["src/error.rs:2: cannot be parsed: expected identifier"]
    );
}
