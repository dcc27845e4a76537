//! The plot of saved runs: a row for each scenario and application, the number on the left and `auto` on the right.

use serde_json::Value;

use crate::line_plot::{LineCell, LinePanel, LinePlot, TimeLine};

/// The plot of those of these runs that have readings; `None` if none has.
pub(crate) fn plot(runs: &[Value]) -> Option<LinePlot> {
    let mut rows: Vec<(String, Vec<LineCell>)> = Vec::new();
    let mut seconds: f64 = 0.0;
    for run in runs {
        let Some(readings) = run.pointer("/figures/readings").and_then(Value::as_array) else {
            continue;
        };
        let good = numbers(run.pointer("/figures/good")?);
        seconds = seconds.max(good.len() as f64);
        let name =
            format!("{} before {}", text(run, "/scenario"), text(run, "/figures/application"));
        let limit = match text(run, "/server") {
            "auto" => "auto".to_owned(),
            _ => run.pointer("/figures/number")?.to_string(),
        };
        let cell = cell(format!("{name}, max_in_flight = {limit}"), readings, &good);
        match rows.iter_mut().find(|(of, _)| *of == name) {
            Some((_, cells)) => cells.push(cell),
            None => rows.push((name, vec![cell])),
        }
    }
    let mut rows: Vec<_> = rows.into_iter().map(|(_, cells)| cells).collect();
    for row in &mut rows {
        level(row);
    }
    let title = "The limit of requests in flight: set by hand, and found".to_owned();
    (!rows.is_empty()).then_some(LinePlot { title, rows, seconds })
}

fn cell(title: String, readings: &[Value], good: &[f64]) -> LineCell {
    let readings: Vec<_> = readings.iter().map(numbers).collect();
    let line = |name, column: usize| TimeLine {
        name,
        points: readings.iter().filter_map(|of| Some((*of.first()?, *of.get(column)?))).collect(),
    };
    let good: Vec<_> = good.iter().enumerate().map(|(at, good)| (at as f64, *good)).collect();
    let end = good.last().map(|(at, good)| (at + 1.0, *good));
    let good = TimeLine {
        name: "good responses per second",
        points: good.into_iter().chain(end).collect(),
    };
    let counts = vec![line("limit", 1), line("in flight", 2), line("queued", 3)];
    LineCell { title, panels: [panel(counts, true), panel(vec![good], false)] }
}

fn panel(lines: Vec<TimeLine>, is_logarithmic: bool) -> LinePanel {
    let values = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    LinePanel { most: values.fold(1.0, f64::max), lines, is_logarithmic }
}

/// Gives the panels beside each other one scale.
fn level(row: &mut [LineCell]) {
    for index in 0..2 {
        let panels = |cell: &LineCell| cell.panels.get(index).map_or(0.0, |panel| panel.most);
        let most = row.iter().map(panels).fold(1.0, f64::max);
        for panel in row.iter_mut().filter_map(|cell| cell.panels.get_mut(index)) {
            panel.most = most;
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn text<'a>(run: &'a Value, path: &str) -> &'a str {
    run.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
