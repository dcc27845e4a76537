//! The committed counts (`instructions.txt`), and the comparison with them.

use std::{
    env::consts::ARCH,
    fmt::{self, Write as _},
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A row that takes this much more than the baseline fails.
pub(crate) const TOLERANCE_PERCENT: f64 = 3.0;
/// The command that writes the baseline again.
pub(crate) const UPDATE: &str = "`cargo bench --bench load -- --instructions --update`";

const FILE: &str = "benches/load/instructions.txt";
const TAKEN: &str = "# Taken: ";
const ARCHITECTURE: &str = "# Architecture: ";

/// The counts of one run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Baseline {
    pub(crate) architecture: String,
    /// The date, and the versions.
    taken: String,
    counts: Vec<(String, u64)>,
}

/// The difference of a count from that of the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    percent: f64,
}

// === impl Baseline ===

impl Baseline {
    /// The counts of a run on this machine; `taken` says with what.
    pub(crate) fn new(taken: &str, counts: Vec<(String, u64)>) -> Self {
        let now = httpdate::fmt_http_date(SystemTime::now());
        // Only the date of `Sun, 29 Nov 2026 02:41:29 GMT`.
        let date = now.get(5..16).unwrap_or(&now);
        Self { architecture: ARCH.to_owned(), taken: format!("{date}, {taken}"), counts }
    }

    /// The committed baseline.
    pub(crate) fn read() -> io::Result<Self> {
        let text = fs::read_to_string(path()).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read {FILE}: {error}; {UPDATE} writes it"))
        })?;
        Self::parse(&text).map_err(|error| io::Error::other(format!("{FILE}: {error}")))
    }

    /// Replaces the committed baseline; returns its path.
    pub(crate) fn write(&self) -> io::Result<PathBuf> {
        let path = path();
        fs::write(&path, self.text()).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot write {FILE}: {error}"))
        })?;
        Ok(path)
    }

    /// Whether its counts are valid for this machine.
    pub(crate) fn fits_machine(&self) -> bool {
        self.architecture == ARCH
    }

    /// The count of the row with this name.
    pub(crate) fn count(&self, row: &str) -> Option<u64> {
        self.counts.iter().find(|(name, _)| name == row).map(|(_, count)| *count)
    }

    /// Compares a run with the baseline; returns the rows that take so much less that the baseline
    /// should be updated.
    ///
    /// # Errors
    /// Names every row that takes more than the baseline allows, or that the baseline lacks.
    pub(crate) fn judge(
        &self,
        counts: &[(String, u64)],
        taken: &str,
    ) -> Result<Vec<String>, String> {
        let (mut lower, mut failed) = (Vec::new(), String::new());
        for (name, count) in counts {
            let Some(known) = self.count(name) else {
                let _ = write!(failed, "\n  {name}: {count}, and the baseline has no such row");
                continue;
            };
            let change = Change::new(known, *count);
            if change.percent > TOLERANCE_PERCENT {
                let _ = write!(failed, "\n  {name}: {count}, baseline {known} ({change})");
            } else if change.percent < -TOLERANCE_PERCENT {
                lower.push(name.clone());
            }
        }
        if failed.is_empty() {
            return Ok(lower);
        }
        Err(format!(
            "rows take more than {TOLERANCE_PERCENT} % more instructions than the baseline:{failed}\n\
             baseline: {}\n\
             this run: {taken}\n\
             Find the change that costs them. If the cost is wanted, or the compiler or the machine \
             changed, run {UPDATE} and commit {FILE}.",
            self.taken
        ))
    }

    fn text(&self) -> String {
        let Self { architecture, taken, counts } = self;
        let mut text = format!(
            "# User-space instructions of a request to Sideman: benches/load/README.md, \"Instructions\".\n\
             # Written by {UPDATE}.\n\
             {TAKEN}{taken}\n\
             {ARCHITECTURE}{architecture}\n"
        );
        for (name, count) in counts {
            let _ = writeln!(text, "{name} {count}");
        }
        text
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key));
            let name = key.trim_end();
            found.map(str::to_owned).ok_or_else(|| format!("there is no line `{name}`; {UPDATE}"))
        };
        let (taken, architecture) = (value(TAKEN)?, value(ARCHITECTURE)?);
        let mut counts: Vec<(String, u64)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let number = index + 1;
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(count), None) = (words.next(), words.next(), words.next()) else {
                return Err(format!("line {number} must be a row and its count: {line}"));
            };
            match count.parse() {
                Ok(count) if count > 0 => counts.push((name.to_owned(), count)),
                Ok(_) | Err(_) => {
                    return Err(format!(
                        "line {number}: the count must be a number above 0: {line}"
                    ));
                }
            }
            if counts.iter().filter(|(known, _)| known == name).count() > 1 {
                return Err(format!("line {number}: the row {name} was there before"));
            }
        }
        if counts.is_empty() {
            return Err(format!("there are no rows; {UPDATE}"));
        }
        Ok(Self { architecture, taken, counts })
    }
}

// === impl Change ===

impl Change {
    /// From the first count to the second.
    pub(crate) fn new(known: u64, count: u64) -> Self {
        Self { percent: (count as f64 / known as f64 - 1.0) * 100.0 }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:+.1} %", self.percent);
        f.pad(&text)
    }
}

/// Proves that a baseline is read as it was written, that a faulty one is refused, and that a row
/// fails above the tolerance and not below.
pub(crate) fn self_check() -> io::Result<()> {
    let counts = vec![("a".to_owned(), 10_000), ("b".to_owned(), 20_000)];
    let baseline = Baseline::new("with tools", counts);
    let text = baseline.text();
    expect(Baseline::parse(&text) == Ok(baseline), "a baseline is not read as it was written")?;
    let baseline = Baseline::parse(&text).map_err(io::Error::other)?;
    expect(baseline.fits_machine(), "a baseline of this machine does not fit it")?;
    expect(baseline.count("c").is_none(), "a row that is not there has a count")?;

    let faulty = [
        ("a 10000", "a"),
        ("a 10000", "a 10000 1"),
        ("a 10000", "a -1"),
        ("a 10000", "a 0"),
        ("a 10000", "a 10,000"),
        ("a 10000", "b 10000"),
        (TAKEN, "# "),
        (ARCHITECTURE, "# "),
    ];
    for (from, to) in faulty {
        let text = text.replacen(from, to, 1);
        expect(Baseline::parse(&text).is_err(), &format!("a faulty baseline is read: {text}"))?;
    }
    expect(Baseline::parse("").is_err(), "an empty baseline is read")?;

    let judge = |a: u64, b: u64| {
        baseline.judge(&[("a".to_owned(), a), ("b".to_owned(), b)], "with other tools")
    };
    expect(judge(10_299, 20_000) == Ok(vec![]), "2.99 % more fails")?;
    expect(judge(9_600, 19_500) == Ok(vec!["a".into()]), "4 % less is not reported")?;
    let error = judge(10_301, 20_700).err().unwrap_or_default();
    for part in ["a: 10301, baseline 10000 (+3.0 %)", "b: 20700, baseline 20000 (+3.5 %)"] {
        expect(error.contains(part), &format!("`{part}` is not in the error: {error}"))?;
    }
    let unknown = baseline.judge(&[("c".to_owned(), 1)], "");
    expect(unknown.is_err_and(|error| error.contains("no such row")), "an unknown row passes")
}

fn expect(holds: bool, otherwise: &str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(otherwise.to_owned())) }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
}
