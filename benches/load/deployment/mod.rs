//! `--target URL`: loads a deployment that runs already, for a bounded time, and says what it did.
//!
//! `destination` is where, `page` what, `load` how; `connection` and `response` are the client; `tally`, `histogram`
//! and `failure` count; `summary` prints. `checks` runs all of it against scripted peers.

pub(crate) mod checks;
mod connection;
mod destination;
mod failure;
mod first_look;
mod histogram;
mod load;
pub(crate) mod options;
mod page;
mod peers;
mod response;
mod summary;
mod tally;

use std::io;

use serde_json::json;

use self::{
    destination::Destination, first_look::FirstLook, load::LoadPlan, page::Page, summary::Summary,
};
use crate::{
    generator,
    machine::Machine,
    options::Options,
    proc::Tree,
    saved_run::{RunKind, SavedRun},
};

/// Loads the target of these options and prints the result.
pub(crate) fn run(options: &Options, target: &str) -> io::Result<()> {
    let deployment = &options.deployment;
    let destination = Destination::resolve(target, deployment.verification())?;
    if let Some(address) = destination.public_address().filter(|_| !deployment.public) {
        return Err(io::Error::other(format!(
            "{address} is a public address: load a server in your own network; if the server and everything before \
             it are yours, add --public"
        )));
    }
    let pages = page::pages(&destination, &deployment.paths, &deployment.headers)?;
    let plan = LoadPlan {
        connections: options.target_connections(),
        length: options.target_length(),
        rate: deployment.rate,
        timeout: deployment.timeout(),
    };
    println!("{}", announcement(&destination, &pages, &plan));

    let runtime = generator::runtime()?;
    let looked = runtime.block_on(first_look::look(destination, &pages, &plan))?;
    let FirstLook { destination, server } = looked;
    let paths: Vec<_> = pages.iter().map(|page| page.path.clone()).collect();
    let (url, process) = (destination.url.clone(), Tree::of_one(std::process::id()));
    let before = process.cpu()?;
    let result = runtime.block_on(load::run(destination, pages, plan))?;
    let cpu = process.cpu()?.saturating_sub(before);
    let paced = plan.rate.is_some();
    let summary = Summary { paths: &paths, result: &result, cpu, paced };
    println!("{}", summary.text());
    options.save(&SavedRun {
        kind: RunKind::Target,
        machine: Machine::look()?.json(),
        servers: json!([{"name": url, "version": server}]),
        load: json!({
            "connections": plan.connections,
            "seconds": plan.length.as_secs_f64(),
            "rate": plan.rate,
            "timeout_seconds": plan.timeout.as_secs(),
        }),
        columns: &summary::COLUMNS,
        runs: summary.runs(),
        plot: Some(summary.plot(&url).svg()),
    })?;
    if summary.all().responses == 0 {
        return Err(io::Error::other("no request was answered; the errors above say what to do"));
    }
    Ok(())
}

/// What will be done, for people, before it is done.
fn announcement(destination: &Destination, pages: &[Page], plan: &LoadPlan) -> String {
    let addresses: Vec<_> = destination.addresses.iter().map(ToString::to_string).collect();
    let paths: Vec<_> = pages.iter().map(|page| page.path.as_str()).collect();
    let LoadPlan { connections, length, timeout, .. } = plan;
    let how = match (plan.rate, plan.requests()) {
        (Some(rate), Some(requests)) => format!(
            "{rate} requests/s for {length:?}, {requests} in all, on up to {connections} connections"
        ),
        _ => format!(
            "{connections} connections for {length:?}, each sends the next request when it has the response"
        ),
    };
    format!(
        "target: {} ({})\nrequests: GET {}, in turn\nload: {how}; timeout {timeout:?}\n",
        destination.url,
        addresses.join(", "),
        paths.join(" "),
    )
}
