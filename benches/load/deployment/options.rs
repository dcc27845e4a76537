//! The options of a load on a running deployment.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::destination::Verification;

/// What `--target` needs to know besides connections and seconds.
#[derive(Debug, Args)]
#[command(next_help_heading = "A running deployment")]
pub(crate) struct DeploymentOptions {
    /// Load the deployment at this URL (http or https, over HTTP/1.1) in place of a server of this test's own, and
    /// print requests/s, latency, statuses and errors; ends after --seconds
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = ["scenario", "rows", "versus", "server", "rounds", "workers", "settings", "slow", "instructions"]
    )]
    pub(crate) target: Option<String>,

    /// Request this path too, in turn with the others; may be given up to 100 times. Replaces a URL's `/`
    #[arg(long = "path", value_name = "PATH", requires = "target")]
    pub(crate) paths: Vec<String>,

    /// Send this header field with every request; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", requires = "target")]
    pub(crate) headers: Vec<String>,

    /// Requests that are due per second, evenly spaced, whatever becomes of those before; latency then counts from
    /// when a request was due [default: each connection sends the next request when it has the response]
    #[arg(long, value_name = "NUMBER", requires = "target", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) rate: Option<u32>,

    /// How long a request may take before it counts as an error
    #[arg(long, value_name = "SECONDS", requires = "target", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=120))]
    timeout: u16,

    /// Verify the server's certificate with the CAs of this PEM file [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "target")]
    ca: Option<PathBuf>,

    /// Accept every certificate
    #[arg(long, requires = "target", conflicts_with = "ca")]
    insecure: bool,

    /// The target has a public address, and you are responsible for the server and everything before it
    #[arg(long, requires = "target")]
    pub(crate) public: bool,
}

// === impl DeploymentOptions ===

impl DeploymentOptions {
    /// How long a request may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    /// How the server's certificate is verified.
    pub(crate) fn verification(&self) -> Verification<'_> {
        match (&self.ca, self.insecure) {
            (_, true) => Verification::Disabled,
            (Some(path), false) => Verification::CasOf(path),
            (None, false) => Verification::SystemCas,
        }
    }
}
