//! The lowest, the median and the highest of the rounds.

/// The spread of the values of all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

// === impl Spread ===

impl Spread {
    /// The lowest and the highest, for people.
    pub(crate) fn range(self) -> String {
        format!("({} - {})", figure(self.lowest, 2), figure(self.highest, 2))
    }
}

/// With this number of decimals, unless the number is large.
pub(crate) fn figure(value: f64, decimals: usize) -> String {
    let decimals = if value < 1_000.0 { decimals } else { 0 };
    format!("{value:.decimals$}")
}

/// The spread of a value of the items; not a number if there are none.
pub(crate) fn spread<T>(items: &[T], value: impl Fn(&T) -> f64) -> Spread {
    let mut values: Vec<_> = items.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    // The mean of the middle two, for an even number.
    Spread { lowest: at(0), median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, highest: at(last) }
}
