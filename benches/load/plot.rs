//! Bars as an SVG file, readable on a light and on a dark page: it has its own background in both.

use std::fmt::Write as _;

const LABELS: f64 = 350.0;
/// The maximum number of letters.
const LABEL_LETTERS: usize = 52;
const BARS: f64 = 400.0;
const NOTES: f64 = 130.0;
const LINE: f64 = 20.0;
const MARGIN: f64 = 16.0;
/// Blue up to the reference, orange beyond it: red-green colour-blind readers can tell these apart.
const STYLE: &str = "text{fill:#1f2328}.page{fill:#fff}.bar{fill:#54aeff}.beyond{fill:#fb8f44}.line{stroke:#1f2328}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.page{fill:#0d1117}.bar{fill:#1f6feb}.beyond{fill:#bd561d}\
    .line{stroke:#f0f6fc}}";

/// A title and panels one below the other.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

/// Bars with one scale.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// A line across all bars; those that are longer have another colour.
    pub(crate) reference: Option<f64>,
    pub(crate) bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    /// The lowest and the highest of the values that `value` is the median of.
    pub(crate) range: Option<(f64, f64)>,
    /// The value in words, beside the bar.
    pub(crate) note: String,
}

// === impl Plot ===

impl Plot {
    /// The text of the file.
    pub(crate) fn svg(&self) -> String {
        let width = MARGIN + LABELS + BARS + NOTES;
        let mut body = String::new();
        let mut y = MARGIN + LINE / 2.0;
        let title = escaped(&self.title);
        let _ = writeln!(
            body,
            "<text x=\"{MARGIN}\" y=\"{y}\" font-size=\"15\" font-weight=\"bold\">{title}</text>"
        );
        for panel in &self.panels {
            y += LINE * 1.5;
            y = panel.draw(y, &mut body);
        }
        let height = y + MARGIN;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n{body}</svg>\n"
        )
    }
}

// === impl Panel ===

impl Panel {
    /// Draws the panel from `y` on; returns where it ends.
    fn draw(&self, y: f64, body: &mut String) -> f64 {
        let left = MARGIN + LABELS;
        let highest = |bar: &Bar| bar.range.map_or(bar.value, |(_, highest)| highest);
        let values = self.bars.iter().map(highest).chain(self.reference);
        let most = values.filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
        let x = |value: f64| if value.is_finite() { value / most * BARS } else { 0.0 };
        let title = escaped(&self.title);
        let _ =
            writeln!(body, "<text x=\"{MARGIN}\" y=\"{y}\" font-weight=\"bold\">{title}</text>");
        let (top, mut y) = (y + LINE / 2.0, y);
        for bar in &self.bars {
            y += LINE;
            let beyond = self.reference.is_some_and(|reference| bar.value > reference);
            let _ = writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"{}\" x=\"{left}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" rx=\"2\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                left - 8.0,
                y + 1.0,
                escaped(&shortened(&bar.label)),
                if beyond { "beyond" } else { "bar" },
                y - 9.0,
                x(bar.value),
                left + x(highest(bar)) + 8.0,
                y + 1.0,
                escaped(&bar.note),
            );
            if let Some((lowest, highest)) = bar.range {
                let (from, to, middle) = (left + x(lowest), left + x(highest), y - 3.0);
                let _ = writeln!(
                    body,
                    "<path class=\"line\" d=\"M{from:.1} {middle:.1}H{to:.1}M{from:.1} {:.1}v6M{to:.1} {:.1}v6\"/>",
                    middle - 3.0,
                    middle - 3.0,
                );
            }
        }
        if let Some(reference) = self.reference {
            let at = left + x(reference);
            let _ = writeln!(
                body,
                "<path class=\"line\" stroke-dasharray=\"3 3\" d=\"M{at:.1} {top:.1}V{:.1}\"/>",
                y + 6.0
            );
        }
        y
    }
}

/// The end of a label, as far as it fits.
fn shortened(label: &str) -> String {
    match label.char_indices().rev().nth(LABEL_LETTERS - 1) {
        Some((start, _)) if start > 0 => format!("…{}", label.get(start..).unwrap_or_default()),
        _ => label.to_owned(),
    }
}

/// Text within XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
