//! Asks whether the application accepts connections, without sending it a request.

use super::{connect::connect, resolve::Resolver};
use crate::{error::Error, plan::Upstream};

/// Opens a connection and closes it again.
pub async fn accepts(plan: &Upstream) -> Result<(), Error> {
    connect(plan, &Resolver::default()).await.map(drop)
}
