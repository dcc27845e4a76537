//! One request for each page before the load: what would fail as a whole fails here, with what to do.

use std::{io, net::SocketAddr};

use super::{
    connection::Response,
    destination::Destination,
    load::{self, LoadPlan},
    page::Page,
};

/// The destination with the addresses that accept connections, and the name that the server gives itself.
#[derive(Debug)]
pub(crate) struct FirstLook {
    pub(crate) destination: Destination,
    pub(crate) server: Option<String>,
}

/// Requests each page once and prints what came.
pub(crate) async fn look(
    mut destination: Destination,
    pages: &[Page],
    plan: &LoadPlan,
) -> io::Result<FirstLook> {
    let mut open: Vec<SocketAddr> = Vec::new();
    let mut problems = String::new();
    for address in std::mem::take(&mut destination.addresses) {
        destination.addresses = vec![address];
        match destination.connect_within(plan.timeout).await {
            Ok(_) => open.push(address),
            Err(failure) => problems += &format!("\n  {address}: {failure}"),
        }
    }
    if open.is_empty() {
        return Err(io::Error::other(format!("cannot load {}{problems}", destination.url)));
    }
    destination.addresses = open;
    let mut server = None;
    for page in pages {
        let path = &page.path;
        match load::first(&destination, page, plan.timeout).await {
            Ok(response) => {
                let (status, bytes) = (response.head.status, response.received);
                let hint = hint(&response).map(|hint| format!("; {hint}")).unwrap_or_default();
                println!("first response: GET {path}: {status}, {bytes} bytes{hint}");
                server = server.or(response.head.server);
            }
            Err(failure) => println!("first response: GET {path}: none: {failure}"),
        }
    }
    println!();
    Ok(FirstLook { destination, server })
}

/// What may be wrong with a request that has a response of this status.
fn hint(response: &Response) -> Option<String> {
    let location = response.head.location.as_deref();
    Some(match (response.head.status, location) {
        (300..=399, Some(location)) if location.starts_with("https://") => format!(
            "redirects to {location}: load that URL, or add --header 'X-Forwarded-Proto: https' if TLS ends before \
             this server"
        ),
        (300..=399, Some(location)) => {
            format!("redirects to {location}, which is not followed: load that path")
        }
        (400, _) => "Django refuses hosts that are not in ALLOWED_HOSTS: add --header 'Host: NAME'"
            .to_owned(),
        (401 | 403, _) => "add --header 'Authorization: …' or --header 'Cookie: …'".to_owned(),
        (404, _) => "correct the path, or you load the page for missing files".to_owned(),
        (500.., _) => "the deployment fails before there is any load: look at its log".to_owned(),
        _ => return None,
    })
}
