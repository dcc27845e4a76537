//! The examples of config/deploy, as files: their settings of Sideman are checked with Sideman's own
//! loader. tests/docker/run starts one of them.

mod aws;
mod cloudformation;
mod commands;
mod compose;
mod copilot;
mod ecs;
mod example;
mod image;
mod readme;
mod rules;
mod settings;
mod template;
mod yaml;

use std::{fs, path::Path};

pub(crate) use self::aws::Checker;

/// The text of a file of the project.
#[track_caller]
fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `30s`, the form of times in compose and Copilot.
#[track_caller]
fn seconds(text: &str) -> u64 {
    let number = text.strip_suffix('s').unwrap_or_else(|| panic!("{text:?} is not in seconds"));
    number.parse().unwrap()
}
