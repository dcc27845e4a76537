//! Converts OpenMetrics text to the text format 0.0.4, which older scrapers, agents and `promtool check metrics` read.
//! Clients that request OpenMetrics get OpenMetrics.

/// The media type of [`from_open_metrics`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns the same samples. In this format a counter is described by its full name, and there are no info metrics.
pub fn from_open_metrics(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // The help precedes the type, which decides on the name.
    let mut help = None;
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|described| described.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take_if(|(described, _)| *described == name) {
                push(&mut plain, &["# HELP ", name, suffix, " ", help]);
            }
            push(&mut plain, &["# TYPE ", name, suffix, " ", kind]);
        } else if line != "# EOF" && !line.starts_with("# UNIT ") {
            push(&mut plain, &[line]);
        }
    }
    plain
}

fn push(text: &mut String, parts: &[&str]) {
    text.extend(parts.iter().copied().chain(["\n"]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_those_of_the_older_format() {
        let open = "# HELP a_seconds Help of a.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                    a_seconds_total{b=\"c d\"} 1\n# HELP g Help: \"g\".\n# TYPE g gauge\ng 2\n\
                    # HELP h Of h.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 0.5\nh_count 3\n\
                    # HELP i Of i.\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n";
        let plain = "# HELP a_seconds_total Help of a.\n# TYPE a_seconds_total counter\n\
                     a_seconds_total{b=\"c d\"} 1\n# HELP g Help: \"g\".\n# TYPE g gauge\ng 2\n\
                     # HELP h Of h.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 0.5\nh_count 3\n\
                     # HELP i_info Of i.\n# TYPE i_info gauge\ni_info{v=\"1\"} 1\n";
        assert_eq!(from_open_metrics(open), plain);
        assert_eq!(from_open_metrics("# EOF\n"), "");
    }
}
