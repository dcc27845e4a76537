//! The name of a metric, with its type, its labels and its help text.

/// A metric. Its name has no `_total`, which is appended to counters.
#[derive(Clone, Copy, Debug)]
pub struct MetricName {
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only increases.
    Counter,
    /// Increases and decreases.
    Gauge,
    /// Counts in buckets.
    Histogram,
    /// Is always 1; its labels contain the information.
    Info,
}

// === impl MetricName ===

impl MetricName {
    /// Returns the name that queries use.
    pub fn series(&self) -> String {
        let suffix = match self.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            MetricKind::Gauge | MetricKind::Histogram => "",
        };
        format!("{}{suffix}", self.name)
    }

    /// Returns the unit, which is always the last word of the name.
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| self.name.ends_with(unit))
    }

    pub(super) const fn by(self, labels: &'static [&'static str]) -> Self {
        Self { labels, ..self }
    }
}

// === impl MetricKind ===

impl MetricKind {
    /// Returns the name of the type in expositions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

pub(super) const fn counter(name: &'static str, help: &'static str) -> MetricName {
    MetricName { name, kind: MetricKind::Counter, labels: &[], help }
}

pub(super) const fn gauge(name: &'static str, help: &'static str) -> MetricName {
    MetricName { name, kind: MetricKind::Gauge, labels: &[], help }
}

pub(super) const fn histogram(name: &'static str, help: &'static str) -> MetricName {
    MetricName { name, kind: MetricKind::Histogram, labels: &[], help }
}

pub(super) const fn info(name: &'static str, help: &'static str) -> MetricName {
    MetricName { name, kind: MetricKind::Info, labels: &[], help }
}
