//! The look at one answer before the load: a server that does less than the others is not measured.

use std::{io, net::SocketAddr};

use crate::{
    client::{self, Client},
    origin::{self, BODY},
    rows::{Body, Get},
    site::Site,
};

/// What every server under test must tell the application.
const FORWARDED: &[&str] = &["x-forwarded-for:", "x-forwarded-proto:", "x-request-id:"];

/// What the load relies on after the probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probed {
    /// The body's length.
    pub(crate) length: usize,
    /// Requests the probe itself made.
    pub(crate) requests: u64,
}

/// Asks once and checks status, headers and every byte of the body.
pub(crate) async fn probe(address: SocketAddr, get: &Get, site: &Site) -> io::Result<Probed> {
    let mut client = Client::connect(address).await?;
    let reply = client.fetch(&client::request(address, get.path)).await?;
    demand(reply.status == 200, || format!("GET {} answered {}", get.path, reply.status))?;
    for &name in get.headers {
        demand(reply.header(name).is_some(), || format!("GET {}: no {name} came", get.path))?;
    }
    let mut requests = 1;
    match get.body {
        Body::Any => {}
        Body::File(_) => {
            let same = reply.body == site.read(get.path)?;
            demand(same, || format!("GET {}: the body is not the file", get.path))?;
            let cache = reply.header("cache-control").unwrap_or_default();
            demand(cache.contains("immutable"), || {
                format!("GET {}: Cache-Control `{cache}` does not say immutable", get.path)
            })?;
        }
        Body::Origin => {
            let same = reply.body == BODY;
            demand(same, || format!("GET {}: the body is not the origin's", get.path))?;
            let echo = client.fetch(&client::request(address, origin::ECHO)).await?;
            requests += 1;
            let head = String::from_utf8_lossy(&echo.body).to_ascii_lowercase();
            for name in FORWARDED {
                demand(head.lines().any(|line| line.starts_with(name)), || {
                    format!("the application was not sent `{name}`")
                })?;
            }
        }
    }
    Ok(Probed { length: reply.body.len(), requests })
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, otherwise())) }
}
