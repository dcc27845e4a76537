//! One request from top to bottom. Read [`handle`] first; each step is a file of its own:
//!
//! 1. [`record`] notes what came, and [`finish`] logs and counts it when its answer has ended.
//! 2. [`route`] decides who answers: [`health`], [`files`] or the application.
//! 3. [`guard`] refuses what must not go further.
//! 4. [`proxy`] sends the request that [`forward`] has made fit to the application.
//! 5. [`reply`] turns an error into a status and a page.

mod app;
mod client;
mod files;
mod finish;
mod forward;
mod guard;
mod health;
mod leftover;
mod local;
mod proxy;
mod record;
mod reply;
mod route;
mod sendable;

pub use self::{
    app::App,
    client::{Activity, Client, Departure},
    finish::Answer,
    health::application_accepts,
    local::Local,
    sendable::Sendable,
};

use std::rc::Rc;

use http::{Request, Response};
use hyper::body::Incoming;

use self::{record::Record, route::Destination};
use crate::{
    body::{Body, RequestBody},
    error::Error,
};

/// Answers one request. Dropping the future is how a client leaves: the record notices.
pub async fn handle(
    local: Rc<Local>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Response<Answer> {
    let (parts, body) = request.into_parts();
    let body = RequestBody::new(body, Rc::clone(client.awaits_body()));
    let mut record = Record::begin(Rc::clone(&local), client, parts);
    let mut body = Some(body);
    let response = match answer(&local, &mut record, &mut body).await {
        Ok(response) => response,
        Err(error) => reply::failure(&mut record, &error),
    };
    if let Some(unread) = body {
        leftover::read(&record.parts, unread).await;
    }
    finish::seal(record, response)
}

async fn answer(
    local: &Local,
    record: &mut Record,
    body: &mut Option<RequestBody>,
) -> Result<Response<Body>, Error> {
    let destination = route::decide(&local.app, &record.parts.uri);
    match destination {
        // Before every rule: a load balancer asks with any Host, or none.
        Ok(Destination::Health) => return Ok(health::health(local, record)),
        Ok(Destination::Ready) => return Ok(health::ready(local, record).await),
        _ => {}
    }
    guard::check(&record.parts)?;
    match destination? {
        Destination::File { root, name } => files::serve(local, record, root, &name).await,
        Destination::Application => match body.take() {
            Some(body) => proxy::serve(local, record, body).await,
            None => unreachable!("nobody has taken it"),
        },
        Destination::Health | Destination::Ready => unreachable!("answered above"),
    }
}
