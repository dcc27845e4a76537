//! The table of rows, by grid name: what is asked, and what must come back. Data only.
//!
//! A row of a known scenario is one entry here: its file is made by `site`. A new scenario is a new
//! variant with a function beside `measure::Bench::keep_alive`.

/// One line of the result.
#[derive(Debug)]
pub(crate) struct Row {
    /// `<what is served>_<size>_<how>`.
    pub(crate) name: &'static str,
    /// For who chooses rows.
    pub(crate) what: &'static str,
    pub(crate) scenario: Scenario,
}

/// How a row presses on the server.
#[derive(Debug)]
pub(crate) enum Scenario {
    /// A fixed number of kept-alive connections, each with one GET at a time.
    KeepAlive(Get),
}

/// One request, and the answer that counts as right.
#[derive(Debug)]
pub(crate) struct Get {
    pub(crate) path: &'static str,
    pub(crate) body: Body,
    /// Headers without which the answer would be cheaper than an equivalent one.
    pub(crate) headers: &'static [&'static str],
    /// Whether every request must leave a line in the access log.
    pub(crate) logged: bool,
}

/// What the body of a right answer is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// Anything, as long as it never changes.
    Any,
    /// A static file of so many bytes.
    File(usize),
    /// What the origin answers.
    Origin,
}

/// Every row, in the order in which they run.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "health",
        what: "the load balancer's check",
        scenario: Scenario::KeepAlive(Get {
            path: "/healthz",
            body: Body::Any,
            headers: &[],
            logged: false,
        }),
    },
    file("files_1k_keepalive", "1 KiB file", "/static/1k.0123456789ab.bin", 1 << 10),
    file("files_100k_keepalive", "100 KiB file", "/static/100k.123456789abc.bin", 100 << 10),
    file("files_1m_keepalive", "1 MiB file", "/static/1m.23456789abcd.bin", 1 << 20),
    Row {
        name: "proxy_1k_keepalive",
        what: "1 KiB from the application, connections kept on both sides",
        scenario: Scenario::KeepAlive(Get {
            path: "/page?of=1",
            body: Body::Origin,
            headers: &["content-type"],
            logged: true,
        }),
    },
];

/// The rows with these names, in the table's order; all of them when none is named.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Row>, String> {
    if let Some(unknown) = names.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        let known = ROWS.iter().map(|row| format!("\n  {:<21} {}", row.name, row.what));
        return Err(format!(
            "there is no row `{unknown}`; the rows are{}",
            known.collect::<String>()
        ));
    }
    Ok(ROWS
        .iter()
        .filter(|row| names.is_empty() || names.iter().any(|name| name == row.name))
        .collect())
}

/// A file with a name as Django's manifest storage makes them: twelve hexadecimal digits.
const fn file(name: &'static str, what: &'static str, path: &'static str, size: usize) -> Row {
    Row {
        name,
        what,
        scenario: Scenario::KeepAlive(Get {
            path,
            body: Body::File(size),
            headers: &["etag", "last-modified", "cache-control", "content-type"],
            logged: true,
        }),
    }
}
