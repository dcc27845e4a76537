//! The network that limits for each client count a request for.

use super::request_context::RequestContext;
use crate::plan::ClientNetwork;

/// Returns the network of a request's client; `None` behind a trusted proxy that does not name it. Such requests must
/// not share the limit of one client.
pub(super) fn of(context: &RequestContext) -> Option<ClientNetwork> {
    let is_proxy = context.is_trusted
        && (context.client == context.connection.address
            || context.local.app.is_trusted(context.client));
    (!is_proxy).then(|| ClientNetwork::of(context.client))
}
