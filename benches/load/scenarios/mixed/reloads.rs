//! Changes to Sideman during `mixed`: its settings change and it gets SIGHUP, and its
//! certificate is replaced, repeatedly.

use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use super::scale::Extent;
use crate::{
    certificate::Certificate,
    client::{self, Client},
    endpoint::Door,
    server::Server,
};

const POLL: Duration = Duration::from_millis(10);
/// Time limit until a reload is counted.
const TIME_LIMIT: Duration = Duration::from_secs(5);
const OK: &str = "sideman_reloads_total{result=\"ok\"}";
const COUNTER: &str = "sideman_reloads_total";

/// When and with which settings Sideman reloads.
#[derive(Debug)]
pub(super) struct Plan {
    /// Sideman's settings file.
    pub(super) settings: PathBuf,
    pub(super) extent: Extent,
}

/// The result.
#[derive(Debug)]
pub(super) struct Reloads {
    asked: u32,
    /// By Sideman's own counter; `None` if it has none.
    counted: Option<u64>,
    /// Lines of the counter for results other than `ok`, if they are not 0.
    others: Vec<String>,
    /// Certificates that clients have seen, and the number of all.
    certificates: (usize, usize),
}

// === impl Plan ===

impl Plan {
    /// Writes the settings of this round, which differ from the previous ones and are valid.
    pub(super) fn write(&self, round: u32) -> io::Result<()> {
        let text = format!(
            "[server]\nmax_body = \"{}MiB\"\nidle_timeout = \"{}s\"\n\n\
             [upstream]\nmax_in_flight = {}\n",
            100 + round,
            75 + round,
            100 + round
        );
        let new = self.settings.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(new, &self.settings)
    }
}

// === impl Reloads ===

impl Reloads {
    /// For people.
    pub(super) fn said(&self) -> String {
        let Self { asked, counted, others, certificates: (shown, all) } = self;
        let counted = match counted {
            Some(counted) => format!("{counted} counted as ok by {COUNTER}"),
            None => format!(
                "none counted: {COUNTER} is not among the metrics, so this Sideman does not reload \
                 and the run shows nothing about reloads"
            ),
        };
        let others = others.iter().map(|line| format!("\n  {line}")).collect::<String>();
        format!(
            "reloads: {asked} asked for, {counted}{others}\ncertificates: {shown} of {all} shown to clients"
        )
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "asked": self.asked,
            "counted": self.counted,
            "others": self.others,
            "certificates": self.certificates.1,
            "certificates_shown": self.certificates.0,
        })
    }
}

/// Reloads at even distances, with a new certificate between every other two.
pub(super) async fn run(
    plan: &Plan,
    server: &Server,
    certificate: &Certificate,
) -> io::Result<Reloads> {
    let Extent { length, reloads, .. } = plan.extent;
    let (began, step) = (Instant::now(), length / (reloads + 1));
    for round in 1..=reloads {
        sleep_until((began + step * round).into()).await;
        plan.write(round)?;
        let before = count(server).await?;
        server.reload()?;
        // Signals that arrive before the last one was handled count as one.
        let deadline = Instant::now() + TIME_LIMIT;
        while before.is_some() && count(server).await? <= before && Instant::now() < deadline {
            sleep(POLL).await;
        }
        if round % 2 == 1 {
            sleep_until((began + step * round + step / 2).into()).await;
            certificate.swap()?;
        }
    }
    sleep_until((began + length).into()).await;
    let metrics = metrics(server).await?;
    let others = metrics
        .lines()
        .filter(|line| line.starts_with(COUNTER) && !line.starts_with(OK) && !line.ends_with(" 0"));
    Ok(Reloads {
        asked: reloads,
        counted: value(&metrics),
        others: others.map(str::to_owned).collect(),
        certificates: certificate.known.shown(),
    })
}

/// The number of successful reloads by Sideman's counter; `None` if it has none.
async fn count(server: &Server) -> io::Result<Option<u64>> {
    Ok(value(&metrics(server).await?))
}

fn value(metrics: &str) -> Option<u64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(OK));
    // A counter may appear only once it has counted.
    let absent = || metrics.contains(COUNTER).then_some(0);
    line.map_or_else(absent, |value| value.trim().parse().ok())
}

async fn metrics(server: &Server) -> io::Result<String> {
    let mut client = Client::connect(&Door::plain(server.admin)).await?;
    let mut body = Vec::new();
    let request = client::request(server.admin, "/metrics", "");
    let reply = client.fetch(&request, |piece| body.extend_from_slice(piece)).await?;
    if reply.status != 200 {
        return Err(io::Error::other(format!("/metrics answers {}", reply.status)));
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
