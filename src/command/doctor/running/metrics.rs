//! Reads values of the admin listener's metrics.

use std::time::Duration;

use crate::command::http_request::{self, CheckPeer};

/// The metrics at one moment, in the text format of Prometheus.
#[derive(Debug)]
pub(super) struct Metrics(String);

// === impl Metrics ===

impl Metrics {
    /// Asks the admin listener.
    pub(super) fn fetch(address: &str, time: Duration) -> Result<Self, String> {
        let request = format!(
            "GET /metrics HTTP/1.0\r\nHost: {address}\r\nUser-Agent: sideman-doctor\r\nConnection: close\r\n\r\n"
        );
        let text = http_request::send(&CheckPeer::Host(address.into()), &request, time)?;
        match text.contains("sideman_build_info") {
            true => Ok(Self(text)),
            false => Err("the response has no metrics of Sideman".into()),
        }
    }

    /// Returns the sum of a whole number over all of its series that contain `label`. It ends at the largest number.
    pub(super) fn sum(&self, name: &str, label: &str) -> u64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let is_whole = rest.starts_with(['{', ' ']);
            let value = rest.rsplit(' ').next().filter(|_| is_whole && rest.contains(label))?;
            value.parse::<u64>().ok()
        });
        values.fold(0, u64::saturating_add)
    }

    #[cfg(test)]
    pub(super) fn of_text(text: &str) -> Self {
        Self(text.into())
    }
}

#[test]
fn series_are_summed() {
    let metrics = Metrics::of_text(
        "# TYPE a counter\na_total{b=\"c\"} 2\na_total{b=\"d\"} 3\na_total_x 9\ne 1\n",
    );
    assert_eq!(metrics.sum("a_total", ""), 5);
    assert_eq!(metrics.sum("a_total", "b=\"d\""), 3);
    assert_eq!(metrics.sum("e", ""), 1);
    let largest = Metrics::of_text("a{b=\"c\"} 18446744073709551615\na{b=\"d\"} 1\n");
    assert_eq!(largest.sum("a", ""), u64::MAX);
}
