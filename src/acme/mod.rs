//! Certificates from an authority by ACME (RFC 8555), for servers that are not behind a load balancer with TLS.
//!
//! A thread of its own ([`Renewer`]) decides when (`schedule`, from the `history` of attempts and the certificate's
//! validity), does an `order` (an account, the challenges, the certificate), and keeps the result in `storage`. The
//! files there are what `server::tls` watches, so a new certificate is in use within seconds; at the start it takes the
//! best one (`stored`). The pipeline and the TLS listener read [`PendingChallenges`] only. Nothing here runs for a
//! request.

mod challenges;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guard;
mod history;
mod issued;
mod order;
mod renewer;
mod schedule;
mod storage;
mod stored;
mod transport;

pub use self::{
    challenges::{ACME_TLS, CHALLENGE_PATH, PendingChallenges},
    renewer::{AcmeError, Renewer, RenewerThread, authorities_fault},
    stored::stored_certificate,
};
