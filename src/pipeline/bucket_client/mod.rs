//! A bucket as one worker sees it. [`client`] sends requests and repeats them after temporary errors, [`request`] makes
//! and signs one, and [`verdict`] reads the response.

mod client;
mod request;
mod verdict;

pub(super) use self::{
    client::{BucketClient, FoundObject},
    request::ObjectRequest,
};
