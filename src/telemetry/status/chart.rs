//! Charts of the status page: bars in SVG, the newest at the right. Colours are those of the page's style.

use std::fmt::Write as _;

use super::window::StatusWindow;

/// The number of bars, and the size of the picture in its own units.
const BARS: usize = 60;
const BAR_WIDTH: usize = 10;
const HEIGHT: u64 = 100;

/// The last upper bound of a duration; longer ones are drawn like it.
const MAX_MICROS: u64 = 60_000_000;

/// A bar: its height, and the part from the ground that failed.
struct ChartBar {
    value: u64,
    failed: u64,
}

/// Draws requests a second, with the responses of status 5xx in another colour.
pub(super) fn requests(windows: &[StatusWindow]) -> String {
    let bars =
        windows.iter().map(|window| ChartBar { value: window.requests(), failed: window.failed() });
    let most = windows.iter().map(StatusWindow::tenths_a_second).max().unwrap_or_default();
    let title = format!("Requests a second, at most {}.{}; 5xx in red", most / 10, most % 10);
    draw(&title, "requests", &bars.collect::<Vec<_>>())
}

/// Draws the 95th percentile of the application's durations.
pub(super) fn p95(windows: &[StatusWindow]) -> String {
    let micros = windows
        .iter()
        .map(|window| window.percentile(95).map_or(0, |bound| bound.unwrap_or(MAX_MICROS)));
    let bars: Vec<_> = micros.map(|value| ChartBar { value, failed: 0 }).collect();
    let most = bars.iter().map(|bar| bar.value).max().unwrap_or_default();
    draw(&format!("p95 of the application, at most {} ms", most.div_ceil(1000)), "time", &bars)
}

/// Draws bars whose highest fills the picture.
fn draw(title: &str, class: &str, bars: &[ChartBar]) -> String {
    let width = BARS * BAR_WIDTH;
    let mut svg = format!(
        "<h3>{title}</h3>\n<svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{title}\">"
    );
    let highest = bars.iter().map(|bar| bar.value).max().unwrap_or_default();
    for (index, bar) in bars.iter().rev().take(BARS).enumerate() {
        let x = width.saturating_sub((index + 1) * BAR_WIDTH);
        for (class, value) in [(class, bar.value), ("failed", bar.failed)] {
            // Something is visible of every request.
            let height = value.saturating_mul(HEIGHT).checked_div(highest).unwrap_or_default();
            let height = height.max(2);
            if value == 0 {
                continue;
            }
            let y = HEIGHT.saturating_sub(height);
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"8\" height=\"{height}\"/>"
            );
        }
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_bar_is_at_the_right_and_highest_fills_the_picture() {
        let bars = [(0, 0), (200, 0), (100, 1)];
        let bars = bars.map(|(value, failed)| ChartBar { value, failed });
        let svg = draw("t", "requests", &bars);
        for rect in [
            "<rect class=\"requests\" x=\"580\" y=\"0\" width=\"8\" height=\"100\"/>",
            "<rect class=\"requests\" x=\"590\" y=\"50\" width=\"8\" height=\"50\"/>",
            "<rect class=\"failed\" x=\"590\" y=\"98\" width=\"8\" height=\"2\"/>",
        ] {
            assert!(svg.contains(rect), "{svg}");
        }
        assert_eq!(svg.matches("<rect").count(), 3);
        assert_eq!(draw("t", "requests", &[]).matches("<rect").count(), 0);
    }
}
