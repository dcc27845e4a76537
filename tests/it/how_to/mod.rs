//! docs/how-to: every configuration of a page is started here as printed, with free ports and
//! test directories, and does what the page says.

mod acme;
mod autoscaling;
mod big_uploads;
mod cdn;
mod client_certificates;
mod ecs_deploys;
mod file_servers;
mod pages;
mod tracing;
mod varnish;
mod video;
mod whitenoise;
mod wrappers;

use std::{fs, path::Path};

use crate::support::{Settings, TempDir};

/// A page of docs/how-to.
struct Page {
    name: String,
    text: String,
}

// === impl Page ===

impl Page {
    #[track_caller]
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to").join(name);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { name: name.to_owned(), text }
    }

    /// All pages.
    fn all() -> Vec<Self> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/how-to");
        let names = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| Self::read(name.to_str().unwrap())).collect()
    }

    /// The text in fences of this language, without the indent of a list; "" is a fence without a language.
    fn blocks(&self, language: &str) -> Vec<String> {
        let (mut blocks, mut fence): (Vec<String>, Option<(usize, bool)>) = (Vec::new(), None);
        for line in self.text.lines() {
            let trimmed = line.trim_start();
            match (trimmed.strip_prefix("```"), fence) {
                (Some(found), None) => {
                    fence = Some((line.len() - trimmed.len(), found == language));
                    if found == language {
                        blocks.push(String::new());
                    }
                }
                (Some(_), Some(_)) => fence = None,
                (None, Some((indent, true))) => {
                    let block = blocks.last_mut().unwrap();
                    block.push_str(line.get(indent..).unwrap_or_default());
                    block.push('\n');
                }
                (None, _) => {}
            }
        }
        blocks
    }

    /// The block of this language that contains this text.
    #[track_caller]
    fn block(&self, language: &str, part: &str) -> String {
        let mut found = self.blocks(language);
        found.retain(|block| block.contains(part));
        let count = found.len();
        let [block] = <[String; 1]>::try_from(found).unwrap_or_else(|_| {
            panic!("{}: {count} blocks of {language} have {part:?}", self.name)
        });
        block
    }

    /// Contains every one of these words.
    #[track_caller]
    fn says(&self, words: &[&str]) {
        // Sentences are wrapped.
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(text.contains(word), "{}: nothing of {word:?}", self.name);
        }
    }

    /// Adds the variables of a block to settings that already have an application and ports.
    #[track_caller]
    fn variables(&self, part: &str, changes: &[(&str, &str)], settings: Settings) -> Settings {
        let block = changed(self.block("ini", part), changes);
        pairs(&block).fold(settings, |settings, (name, value)| settings.variable(name, value))
    }

    /// Like `variables`, with a settings file, which is written into `home`.
    #[track_caller]
    fn file(
        &self,
        part: &str,
        changes: &[(&str, &str)],
        settings: Settings,
        home: &TempDir,
    ) -> Settings {
        let path = home.write("page.toml", changed(self.block("toml", part), changes));
        settings.args(&["--config", path.to_str().unwrap()])
    }
}

/// A block with each of these texts replaced; all of them must occur.
#[track_caller]
fn changed(block: impl AsRef<str>, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(block.as_ref().to_owned(), |block, (from, to)| {
        assert!(block.contains(from), "nothing of {from:?} in\n{block}");
        block.replace(from, to)
    })
}

/// Names and values of variables.
fn pairs(block: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = block.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap_or_else(|| panic!("no variable: {line}")))
}
