//! Generates the manual pages and shell completions in docs/manual. `UPDATE_EXPECT=1 cargo test --lib manual` rewrites
//! them.

use std::{env, fs, io, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;

/// Writes a part of a page.
type ManualSection = fn(&Man, &mut dyn io::Write) -> io::Result<()>;

/// Returns the files with their expected content.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let commands = [&whole].into_iter().chain(whole.get_subcommands());
    let mut files: Vec<_> = commands
        .map(|command| {
            let name = command.get_display_name().unwrap_or("sideman").to_owned();
            (format!("{name}.1"), page(command.clone()))
        })
        .collect();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "sideman", &mut text);
        files.push((format!("completions/sideman.{shell}"), text));
    }
    files
}

/// Returns one page. Lines of its examples must not be filled.
fn page(command: clap::Command) -> Vec<u8> {
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command);
    let mut page = Vec::new();
    let sections: [ManualSection; 6] = [
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
        Man::render_subcommands_section,
    ];
    for section in sections {
        section(&man, &mut page).expect("memory takes it");
    }
    let notes = notes.replace('\\', "\\e").replace('-', "\\-");
    page.extend(format!(".SH NOTES\n.nf\n{notes}\n.fi\n").into_bytes());
    page
}

#[test]
fn manual_page_and_completions_are_those_of_the_command_line() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual");
    for (name, text) in files() {
        let path = directory.join(name);
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let is_current = fs::read(&path).is_ok_and(|file| file == text);
        assert!(is_current, "UPDATE_EXPECT=1 cargo test --lib manual rewrites {}", path.display());
    }
}
