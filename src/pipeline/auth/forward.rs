//! Forward authentication: an auth server decides whether a request goes on. It gets a request of its own about it,
//! without the body, and the status of its response is the verdict: 2xx lets the request pass, 401, 403 and a redirect
//! go to the client, and everything else is an error.
//!
//! [`subrequest`] makes the request, and [`verdict`](super::verdict) reads the response.

use std::{io, rc::Rc, time::Instant};

use http::Method;
use tokio::time::timeout;

use super::{
    subrequest::{self, SubrequestTexts},
    verdict::Verdict,
};
use crate::{
    body::{ClientShare, RequestBody},
    error::{Error, FailureKind},
    pipeline::{client_network, request_context::RequestContext, response::Response},
    plan::ForwardAuth,
    upstream::{
        QueueClock, RequestFraming, RequestTimeouts, SendNotes, UpstreamClient, UpstreamRequestHead,
    },
};

/// Asks the auth server about a request. Returns its response if that is for the client; `None` lets the request pass,
/// with the fields that the context then has. Dropping the future closes the connection to the auth server.
pub(super) async fn check(
    context: &mut RequestContext,
    auth: &ForwardAuth,
) -> Result<Option<Response>, Error> {
    let begin = Instant::now();
    let local = Rc::clone(&context.local);
    let Some(client) = local.auth_server(auth.server) else {
        return Err(Error::new(FailureKind::AuthServerFailed));
    };
    let asked = timeout(auth.timeout, ask(client, context, auth)).await;
    let metrics = &local.metrics;
    metrics.forward_auth_duration.observe(begin.elapsed());
    match asked {
        Ok(Ok(Verdict::Allowed(fields))) => {
            metrics.forward_auth_allowed.add(1);
            context.auth_fields.get_or_insert_default().add(fields);
            Ok(None)
        }
        Ok(Ok(Verdict::Denied(denial))) => {
            metrics.forward_auth_denied.add(1);
            Ok(Some(denial.respond(context)))
        }
        Ok(Err(error)) => {
            metrics.forward_auth_failed.add(1);
            Err(named(client, error))
        }
        Err(_) => {
            metrics.forward_auth_failed.add(1);
            let cause = io::Error::new(io::ErrorKind::TimedOut, client.names());
            Err(Error::io(FailureKind::AuthServerTimeout, cause))
        }
    }
}

/// Sends the request to the auth server, and returns what its response says.
async fn ask(
    client: &UpstreamClient,
    context: &RequestContext,
    auth: &ForwardAuth,
) -> Result<Verdict, Error> {
    let texts = SubrequestTexts::of(context);
    let fields = subrequest::fields(context, &texts, &auth.response_headers);
    let method = Method::GET;
    let origin = texts.origin(context);
    let head = UpstreamRequestHead { method: &method, target: &auth.target, fields, origin };
    let notes = SendNotes {
        client: client_network::of(context).map(ClientShare::of),
        queue: &QueueClock::default(),
        server: None,
        attempts: None,
        timeouts: RequestTimeouts::default(),
        interim: None,
    };
    let response = client.send(&head, RequestFraming::None, RequestBody::empty(), notes).await?;
    Verdict::read(response, &auth.response_headers).await
}

/// Converts a failure at the auth server into one that does not speak of the application, and names the server.
#[expect(clippy::wildcard_enum_match_arm, reason = "every other failure is one of the server")]
fn named(client: &UpstreamClient, error: Error) -> Error {
    let kind = match error.kind() {
        // The process as a whole has no descriptor left.
        FailureKind::DescriptorsExhausted => return error,
        FailureKind::QueueFull | FailureKind::QueueTimeout => FailureKind::AuthServerBusy,
        FailureKind::UpstreamConnectTimeout
        | FailureKind::UpstreamReadTimeout
        | FailureKind::UpstreamTotalTimeout => FailureKind::AuthServerTimeout,
        _ => FailureKind::AuthServerFailed,
    };
    let fault = match (error.kind(), error.cause()) {
        (FailureKind::AuthServerFailed, Some(cause)) => cause.to_string(),
        _ => error.to_string(),
    };
    Error::io(kind, io::Error::other(format!("{}: {fault}", client.names())))
}
