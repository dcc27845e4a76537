//! The wall clock in the formats of log lines (RFC 3339, and that of `combined`), in UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The wall clock, formatted once a second.
#[derive(Debug, Default)]
pub struct Clock {
    second: u64,
    rfc3339: String,
    combined: String,
    millisecond: u32,
}

/// A date and time in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CivilTime {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

// === impl Clock ===

impl Clock {
    /// Returns the second, without its fraction and zone.
    pub(super) fn rfc3339(&self) -> &str {
        &self.rfc3339
    }

    /// Returns the second, with its zone.
    pub(super) fn combined(&self) -> &str {
        &self.combined
    }

    /// Returns the fraction of the second.
    pub(super) fn millisecond(&self) -> u32 {
        self.millisecond
    }

    /// Reads the current time.
    pub fn tick(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.set(now);
    }

    /// Sets a given time since 1970.
    pub fn set(&mut self, now: Duration) {
        self.millisecond = now.subsec_millis();
        if now.as_secs() == self.second && !self.rfc3339.is_empty() {
            return;
        }
        self.second = now.as_secs();
        let CivilTime { year, month, day, hour, minute, second } = civil(self.second);
        self.rfc3339 = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        let name = (1..).zip(MONTHS).find_map(|(number, name)| (number == month).then_some(name));
        let name = name.unwrap_or_default();
        self.combined =
            format!("{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000");
    }
}

/// Converts seconds since 1970 to a date and time in UTC (proleptic Gregorian calendar).
fn civil(seconds: u64) -> CivilTime {
    let days = seconds / 86_400;
    let rest = seconds % 86_400;
    // Years begin in March in this calculation, so the leap day is the last of its year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    CivilTime {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
        hour: rest / 3_600,
        minute: rest / 60 % 60,
        second: rest % 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms() {
        let mut clock = Clock::default();
        clock.set(Duration::from_millis(951_782_400_007));
        assert_eq!(clock.rfc3339(), "2000-02-29T00:00:00");
        assert_eq!(clock.combined(), "29/Feb/2000:00:00:00 +0000");
        assert_eq!(clock.millisecond(), 7);
    }

    proptest! {
        #[test]
        fn agrees_with_the_http_date(seconds in 0_u64..253_402_300_799) {
            let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun",
                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let c = civil(seconds);
            let month = names[usize::try_from(c.month).unwrap() - 1];
            let tail = format!("{:02} {month} {:04} {:02}:{:02}:{:02} GMT",
                               c.day, c.year, c.hour, c.minute, c.second);
            let expected = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            prop_assert!(expected.ends_with(&tail), "{} {}", expected, tail);
        }
    }
}
