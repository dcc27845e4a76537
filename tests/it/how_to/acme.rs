//! docs/how-to/acme.md. `acme/` checks what the page says, with a real authority.

use super::Page;
use crate::support::{Settings, TempDir};

#[test]
fn settings_of_the_page_are_valid() {
    let (page, home) = (Page::read("acme.md"), TempDir::new());
    let staging = page.block("ini", "SIDEMAN_ACME__DIRECTORY");
    let (name, url) = staging.trim().split_once('=').unwrap();
    let check = Settings::default().args(&["check"]).variable(name, url);
    let ended = page.file("[acme]", &[], check, &home).run_to_end();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(!ended.stderr.contains("has no effect"), "{}", ended.stderr);
}
