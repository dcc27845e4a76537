//! A text that replaces the last one on the screen of a terminal.

use std::io;

use rustix::termios::tcgetwinsize;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScreenSize {
    rows: usize,
    columns: usize,
}

/// The cursor goes to the first line.
const HOME: &str = "\x1b[H";
/// The rest of the line is cleared.
const CLEAR_LINE: &str = "\x1b[K";
/// The rest of the screen is cleared.
const CLEAR_BELOW: &str = "\x1b[J";

// === impl ScreenSize ===

impl ScreenSize {
    /// Returns the size of the terminal at stdout, or that of an old one if it does not tell.
    pub(super) fn of_stdout() -> Self {
        let size = tcgetwinsize(io::stdout()).ok();
        let size = size.filter(|size| size.ws_row > 0 && size.ws_col > 0);
        let (rows, columns) = size.map_or((24, 80), |size| (size.ws_row, size.ws_col));
        Self { rows: rows.into(), columns: columns.into() }
    }

    /// Returns what shows a text in place of the last one. Lines that are too long, and those at the end that do not
    /// fit, are truncated.
    pub(super) fn frame(self, text: &str) -> String {
        let mut frame = HOME.to_owned();
        // The cursor stands behind the text, on a line of its own.
        for line in text.lines().take(self.rows.saturating_sub(1)) {
            frame.extend(line.chars().take(self.columns));
            frame.push_str(CLEAR_LINE);
            frame.push('\n');
        }
        frame + CLEAR_BELOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_the_screen() {
        let size = ScreenSize { rows: 3, columns: 4 };
        assert_eq!(size.frame("one\nthree\nlast\n"), "\x1b[Hone\x1b[K\nthre\x1b[K\n\x1b[J");
        assert_eq!(size.frame(""), "\x1b[H\x1b[J");
    }
}
