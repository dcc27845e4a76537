//! Where a response comes from that is not stored: an application of the plan, or a bucket.

use std::{rc::Rc, time::Duration};

use http::{Method, StatusCode};

use crate::{
    error::Error,
    pipeline::{
        bucket::{self, WantedObject},
        store_kind::StoreKind,
        worker_state::WorkerState,
    },
    plan::{BucketObjects, ClientNetwork},
    rfc::{request_parts::Headers, response_lines::ResponseLines},
    upstream::{Trouble, UpstreamResponse},
};

/// Where a response comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The application of this route, or the main one.
    Application(Option<usize>),
    Bucket(Rc<OwnedObject>),
}

/// A [`WantedObject`] in its own memory.
#[derive(Debug)]
pub(super) struct OwnedObject {
    objects: BucketObjects,
    store_kind: StoreKind,
    root: usize,
    name: Box<[u8]>,
    client: Option<ClientNetwork>,
}

/// How long a bucket may take, if a stale object may be sent.
const PATIENCE: Duration = Duration::from_secs(2);

// === impl Source ===

impl Source {
    /// Returns why a stale response is better than a request that has waited for so long.
    pub(super) fn trouble(&self, local: &WorkerState, waited: Duration) -> Option<Trouble> {
        match self {
            Self::Application(route) => local.application(*route).trouble(),
            Self::Bucket(_) => (waited >= PATIENCE).then_some(Trouble::Unavailable),
        }
    }
}

// === impl OwnedObject ===

impl OwnedObject {
    pub(super) fn of(wanted: WantedObject<'_>) -> Self {
        let WantedObject { objects, store_kind, root, name, url: _, client } = wanted;
        Self { objects: objects.clone(), store_kind, root, name: name.into(), client }
    }

    /// Requests the whole object, or whether it is still the one of the conditions. One that does not exist is a 404.
    pub(super) async fn fetch(
        &self,
        local: &WorkerState,
        conditions: &Headers,
    ) -> Result<UpstreamResponse, Error> {
        let Self { objects, store_kind, root, name, client } = self;
        let (store_kind, root, client) = (*store_kind, *root, *client);
        let wanted = WantedObject { objects, store_kind, root, name, url: None, client };
        let found = bucket::fetch(local, (&Method::GET, conditions), wanted).await?;
        let (status, fields, body) = match found {
            Some(response) => {
                let fields = ResponseLines::from(&response.head.headers);
                (response.head.status, fields, response.body)
            }
            None => (StatusCode::NOT_FOUND, ResponseLines::default(), Default::default()),
        };
        Ok(UpstreamResponse {
            status,
            reason: None,
            fields,
            announced: None,
            has_directives: false,
            body,
            first_byte: Default::default(),
            is_prompt: false,
            upgraded: None,
        })
    }
}
