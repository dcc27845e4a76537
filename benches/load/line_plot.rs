//! Values over time as an SVG file: cells with two panels each, side by side, readable on a light and on a dark page.

use std::fmt::Write as _;

use crate::plot::escaped;

const MARGIN: f64 = 16.0;
const AXIS: f64 = 40.0;
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 90.0;
const LINE: f64 = 16.0;
/// The height of a cell: its title, the panels, each with a legend above it, and the axis of time.
const CELL: f64 = 3.0 * LINE + 2.0 * (HEIGHT + LINE);
/// Colours that red-green colour-blind readers can tell apart, for light pages and for dark ones.
const STYLE: &str = "text{fill:#1f2328}.page{fill:#fff}.frame{fill:none;stroke:#d1d9e0}.a,.b,.c{fill:none;\
    stroke-width:1.3}.a{stroke:#0969da}.b{stroke:#fb8f44}.c{stroke:#8c959f}.a-text{fill:#0969da}.b-text{fill:#bc4c00}\
    .c-text{fill:#6e7781}@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117}.frame{stroke:#3d444d}\
    .a{stroke:#4493f8}.a-text{fill:#4493f8}.b-text{fill:#fb8f44}.c-text{fill:#9198a1}}";
const CLASSES: [&str; 3] = ["a", "b", "c"];

/// A title and rows of cells.
#[derive(Clone, Debug)]
pub(crate) struct LinePlot {
    pub(crate) title: String,
    pub(crate) rows: Vec<Vec<LineCell>>,
    /// The end of the axis of time, in seconds.
    pub(crate) seconds: f64,
}

/// Two panels, one below the other.
#[derive(Clone, Debug)]
pub(crate) struct LineCell {
    pub(crate) title: String,
    pub(crate) panels: [LinePanel; 2],
}

/// Lines with one scale.
#[derive(Clone, Debug)]
pub(crate) struct LinePanel {
    /// At most three.
    pub(crate) lines: Vec<TimeLine>,
    /// The highest value that is shown.
    pub(crate) most: f64,
    /// Whether the scale is logarithmic, from zero on: of 1 + value.
    pub(crate) is_logarithmic: bool,
}

/// A line with its name.
#[derive(Clone, Debug)]
pub(crate) struct TimeLine {
    pub(crate) name: &'static str,
    /// Time in seconds, and value. A value holds until the next one.
    pub(crate) points: Vec<(f64, f64)>,
}

// === impl LinePlot ===

impl LinePlot {
    /// The text of the file.
    pub(crate) fn svg(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = MARGIN + columns as f64 * (AXIS + WIDTH + MARGIN);
        let height = 2.0 * MARGIN + LINE + self.rows.len() as f64 * CELL;
        let title = escaped(&self.title);
        let mut body = String::new();
        let mut y = MARGIN + LINE / 2.0;
        let _ = writeln!(
            body,
            "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"15\" font-weight=\"bold\">{title}</text>"
        );
        y += LINE;
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let x = MARGIN + AXIS + column as f64 * (AXIS + WIDTH + MARGIN);
                cell.draw(x, y, self.seconds, &mut body);
            }
            y += CELL;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n{body}</svg>\n"
        )
    }
}

// === impl LineCell ===

impl LineCell {
    fn draw(&self, x: f64, y: f64, seconds: f64, body: &mut String) {
        let title = escaped(&self.title);
        let mut y = y + LINE;
        let _ = writeln!(body, "<text x=\"{x}\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
        for panel in &self.panels {
            y += LINE;
            panel.draw(x, y, seconds, body);
            y += HEIGHT;
        }
        for part in 0..=3 {
            let at = f64::from(part) / 3.0;
            let _ = writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} s</text>",
                x + at * WIDTH,
                y + LINE - 3.0,
                at * seconds
            );
        }
    }
}

// === impl LinePanel ===

impl LinePanel {
    /// Draws the legend above `y`, and the lines below it.
    fn draw(&self, x: f64, y: f64, seconds: f64, body: &mut String) {
        let mut at = x;
        let _ = writeln!(
            body,
            "<rect class=\"frame\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>"
        );
        for (line, class) in self.lines.iter().zip(CLASSES) {
            let name = escaped(line.name);
            let _ = writeln!(
                body,
                "<text class=\"{class}-text\" x=\"{at}\" y=\"{:.1}\">{name}</text>",
                y - 4.0
            );
            at += 7.0 * line.name.len() as f64 + LINE;
            let mut path = String::new();
            for (time, value) in line.points.iter().filter(|(time, _)| *time <= seconds) {
                let (across, down) = (x + time / seconds * WIDTH, y + self.down(*value));
                let _ = match path.is_empty() {
                    true => write!(path, "M{across:.1} {down:.1}"),
                    false => write!(path, "H{across:.1}V{down:.1}"),
                };
            }
            let _ = writeln!(body, "<path class=\"{class}\" d=\"{path}\"/>");
        }
        for tick in self.ticks() {
            let _ = writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                x - 4.0,
                y + self.down(tick) + 4.0
            );
        }
    }

    /// The distance of a value from the upper edge.
    fn down(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.is_logarithmic { value.ln_1p() } else { value };
        let part = scaled(value) / scaled(self.most).max(f64::MIN_POSITIVE);
        HEIGHT * (1.0 - part.clamp(0.0, 1.0))
    }

    fn ticks(&self) -> Vec<f64> {
        if !self.is_logarithmic {
            return vec![0.0, self.most.round()];
        }
        [0.0, 1.0, 4.0, 10.0, 100.0, 1e3].into_iter().filter(|tick| *tick <= self.most).collect()
    }
}
