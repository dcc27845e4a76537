//! Settings in pages are read like by `sideman check`: each block of TOML as a file, each setting within
//! a line as a file too, each variable in a block as the environment.

use std::fs;

use sideman::config::{self, Environment, Flags};

use super::{readme, text};
use crate::support::TempDir;

/// Required settings that an example omits.
const APPLICATION: (&str, &str) = ("SIDEMAN_UPSTREAM", "http://127.0.0.1:8000");

/// Reads a complete settings file, or a part of one without its upstream. Named files need not exist.
fn read_file(toml: &str) -> Result<(), String> {
    let directory = TempDir::new();
    let path = directory.path().join("sideman.toml");
    fs::write(&path, toml).unwrap();
    let sets_application = toml.contains("[upstream]") && toml.contains("\nurl = ");
    let environment = if sets_application { Vec::new() } else { vec![APPLICATION] };
    read(&Flags { config: Some(path), ..Flags::default() }, environment)
}

fn read(flags: &Flags, environment: Vec<(&str, &str)>) -> Result<(), String> {
    let pairs = environment.into_iter().map(|(name, value)| (name.into(), value.into()));
    let environment: Environment = pairs.collect();
    config::load(flags, &environment).map(drop).map_err(|problems| problems.to_string())
}

/// The blocks of a page, each with the word behind its fence.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

#[test]
fn every_block_of_toml_in_the_pages_is_valid() {
    let mut count = 0;
    for page in readme::pages() {
        for (_, block) in blocks(&text(&page)).into_iter().filter(|(word, _)| *word == "toml") {
            let result = read_file(&format!("{block}\n"));
            assert_eq!(result, Ok(()), "{page}:\n{block}");
            count += 1;
        }
    }
    assert!(count >= 10, "{count} blocks");
}

/// Such as `upstream.wait = "0s"` in a sentence or a table.
#[test]
fn every_setting_with_a_value_in_a_line_is_valid() {
    let (mut count, mut faults) = (0, Vec::new());
    for page in readme::pages() {
        let text = text(&page);
        let lines = text.lines().filter(|line| !line.starts_with("```"));
        let codes = lines.flat_map(|line| line.split('`').skip(1).step_by(2));
        for code in codes {
            let Some((name, _)) = code.split_once(" = ") else { continue };
            let is_key = |(section, _): &(&str, &str)| name.starts_with(&format!("{section}."));
            if !name.starts_with("route.") && !config::SECTIONS.iter().any(is_key) {
                continue;
            }
            faults.extend(
                read_file(&format!("{code}\n")).err().map(|fault| format!("{page}: {fault}")),
            );
            count += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count >= 20, "{count} settings");
}

/// Lines of a block may be alternatives, so each is read alone.
#[test]
fn every_variable_in_a_block_has_a_valid_value() {
    let mut count = 0;
    for page in readme::pages() {
        for (_, block) in blocks(&text(&page)) {
            for line in block.lines().filter(|line| line.starts_with("SIDEMAN_")) {
                let (name, value) = line.split_once('=').unwrap();
                // The reader has the file with this value; `how_to` starts Sideman with one.
                if name.ends_with("_FILE") {
                    continue;
                }
                let value = value.split("  ").next().unwrap().trim();
                let result = read(&Flags::default(), vec![APPLICATION, (name, value)]);
                assert_eq!(result, Ok(()), "{page}: {line}");
                count += 1;
            }
        }
    }
    assert!(count >= 10, "{count} variables");
}

/// The number and unit after a setting, such as `upstream.wait` (10 s), in the form of settings.
fn number_after(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix(" (").or_else(|| rest.strip_prefix(", "))?;
    rest.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    let end = rest.find([')', '|', ';', ':']).unwrap_or(rest.len());
    let end = rest.get(..end)?.find(", ").unwrap_or(end);
    let mut words = rest.get(..end)?.split_whitespace();
    let number = words.next()?.trim_end_matches(['.', ',']).replace(',', "");
    let unit = match words.next().unwrap_or_default() {
        "min" => "m",
        unit @ ("ms" | "s" | "h" | "d" | "B" | "KiB" | "MiB" | "GiB") => unit,
        _ => "",
    };
    Some(number + unit)
}

/// The value in parentheses after the name of a setting is its default.
#[test]
fn every_number_behind_a_setting_is_its_default() {
    let (mut count, mut faults) = (0, Vec::new());
    for page in readme::pages() {
        let text = text(&page);
        for key in config::KEYS.iter() {
            let Some([default]) = key.default else { continue };
            let mention = format!("`{}`", key.name);
            for number in text.split(&mention).skip(1).filter_map(number_after) {
                count += 1;
                // A page may describe the value of auto.
                if number != *default && *default != "auto" {
                    faults.push(format!("{page}: {mention} is {default}, not {number}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count >= 30, "{count} numbers");
    assert_eq!(number_after(" (1,024 more)").as_deref(), Some("1024"));
    assert_eq!(number_after(", 10 min; then").as_deref(), Some("10m"));
    assert_eq!(number_after(" (auto)"), None);
}

#[test]
fn an_unknown_key_or_a_wrong_value_is_found() {
    for toml in [
        "[server]\nmax_bodi = \"1MiB\"\n",
        "[serve]\nmax_body = \"1MiB\"\n",
        "[server]\nmax_body = \"1 lot\"\n",
        "server.max_body = 1MiB\n",
        "[upstream]\nurl = \"ftp://127.0.0.1\"\n",
    ] {
        read_file(toml).expect_err(toml);
    }
    read(&Flags::default(), vec![APPLICATION, ("SIDEMAN_SERVER__MAX_BODI", "1MiB")]).unwrap_err();
    assert_eq!(blocks("a\n```toml\nb\n```\nc\n```\nd\n```\n"), [("toml", "b"), ("", "d")]);
}
