//! The parts that the smoke run skips because this machine lacks a program: printed at the end, and a failure
//! under `SIDEMAN_SKIP_NOTHING=1`.

use std::io;

/// The skipped parts, and the reasons.
#[derive(Debug, Default)]
pub(crate) struct Skips(Vec<String>);

// === impl Skips ===

impl Skips {
    /// Records a skipped part, with the error that says what to install.
    pub(crate) fn add(&mut self, what: &str, why: impl std::fmt::Display) {
        let line = format!("{what}: {why}");
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }

    /// Prints the list.
    ///
    /// # Errors
    /// A part was skipped although skips are not allowed.
    pub(crate) fn finish(self) -> io::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let list = self.0.join("\n  ");
        if std::env::var_os("SIDEMAN_SKIP_NOTHING").is_some_and(|value| value == "1") {
            return Err(io::Error::other(format!("nothing may be skipped here:\n  {list}")));
        }
        println!("\nskipped:\n  {list}");
        println!("With SIDEMAN_SKIP_NOTHING=1 each of these is a failure.");
        Ok(())
    }
}
