//! Reads the files that settings name into the plan: users, the certificates for upstreams, and the keys of
//! signed URLs.

use crate::plan::Plan;

use super::{htpasswd, signed_urls, upstream_tls};

/// Reads the files at the start and at each reload. Returns a sentence for each that is unreadable or has a fault.
pub fn read_user_files(plan: &mut Plan) -> Vec<String> {
    let mut faults = htpasswd::read_files(plan);
    faults.extend(upstream_tls::read_files(plan));
    faults.extend(signed_urls::read_files(plan));
    faults
}
