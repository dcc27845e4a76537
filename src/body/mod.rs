//! The one response body type: the frequent variants inline, and all others in one boxed variant. Also the body of a
//! request, streamed or collected.
//!
//! Buffered bodies, those of requests ([`collected`]) and of responses ([`relay`]), share [`buffers`]. They stay in
//! memory ([`budgeted_buffer`]) within the [`budget`], then spill to a file ([`spill`], [`spill_reader`]).

mod budget;
mod budgeted_buffer;
mod buffers;
mod chain;
mod client;
mod client_shares;
mod collected;
mod deadline;
mod discard;
mod disk_body;
mod file;
mod memfd;
mod page_cache;
mod rate;
mod relay;
mod request;
#[cfg(test)]
mod script;
mod sealed;
mod slow_client;
mod spill;
mod spill_reader;
mod version;

pub use self::{
    budget::{Budget, Budgets, Reservation},
    buffers::{BodyBuffers, BodyLimits},
    client::{BodyReader, ClientBody},
    client_shares::{ClientShare, ClientShares},
    deadline::Deadline,
    discard::discard,
    disk_body::{DiskBodies, DiskBody, DiskBodyWriter},
    file::{AllowedChanges, CachedPart, FilePiece, FileStream},
    memfd::seal,
    relay::Pressure,
    request::RequestBody,
    sealed::{SealedPart, is_sendable},
    slow_client::SlowClientLimits,
    spill::SpillLocation,
    version::{FileIdentity, FileVersion},
};

use std::{
    fmt, mem,
    num::NonZeroU64,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use self::{
    chain::Chain,
    rate::RateLimitedBody,
    relay::{RelayStart, RelayedBody},
};
use crate::error::Error;

/// A response body. Every variant knows whether it is at its end and how much is left.
#[derive(Default)]
pub enum Body {
    #[default]
    Empty,
    /// The whole body, in memory.
    Full(Bytes),
    /// The whole body, in memory and in a sealed file.
    Sealed(SealedPart),
    /// A part of a file.
    File(FileStream),
    /// A body that arrives while it is sent.
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error>>>),
}

// === impl Body ===

impl Body {
    /// Wraps a body that arrives while it is sent.
    pub fn stream(body: impl HttpBody<Data = Bytes, Error = Error> + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// Makes one body of several, one after the other.
    pub fn chain(bodies: Vec<Self>) -> Self {
        Self::stream(Chain::new(bodies))
    }

    /// Reads a stream to its end as fast as it arrives, ahead of the client, within the limits of `buffers`. A body
    /// that has arrived already needs no task. Fails if the stream ended with an error before any of it was given to
    /// the client. `report` is called the first time that a part spills to a file, and the first time that the buffers
    /// are full.
    pub async fn relayed(
        self,
        buffers: &BodyBuffers,
        report: impl Fn(Pressure) + 'static,
    ) -> Result<Self, Error> {
        match self {
            Self::Empty | Self::Full(_) | Self::Sealed(_) | Self::File(_) => Ok(self),
            Self::Stream(_) => match RelayedBody::begin(self, buffers, report).await? {
                RelayStart::Complete(bytes) => Ok(Self::from(bytes)),
                RelayStart::Relayed(relayed) => Ok(Self::stream(relayed)),
            },
        }
    }

    /// Takes the whole body, if it is in a sealed file.
    pub fn take_sealed(&mut self) -> Option<SealedPart> {
        if !matches!(self, Self::Sealed(_)) {
            return None;
        }
        if let Self::Sealed(part) = mem::take(self) { Some(part) } else { None }
    }

    /// Limits the body to `rate` bytes a second; 0 is no limit.
    #[must_use]
    pub fn paced(self, rate: u64) -> Self {
        match NonZeroU64::new(rate) {
            Some(rate) if !self.is_end_stream() => Self::stream(RateLimitedBody::new(self, rate)),
            Some(_) | None => self,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Sealed(part) => {
                let bytes = mem::take(&mut part.bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::File(file) => Pin::new(file).poll_frame(cx),
            Self::Stream(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) | Self::Sealed(_) => false,
            Self::File(file) => file.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Sealed(part) => SizeHint::with_exact(part.bytes.len() as u64),
            Self::File(file) => file.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Sealed(part) => write!(f, "Sealed({} bytes)", part.bytes.len()),
            Self::File(file) => file.fmt(f),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn frames(mut body: Body) -> Vec<Bytes> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
            all.push(frame.unwrap().into_data().unwrap());
        }
        all
    }

    #[test]
    fn a_chain_has_the_size_of_its_parts() {
        let texts = ["before ", "the part", "", " after"];
        let chain = Body::chain(texts.map(|text| Body::from(Bytes::from(text))).into());
        assert_eq!(chain.size_hint().exact(), Some(21));
        assert_eq!(frames(chain), ["before ", "the part", " after"]);
        assert!(Body::chain(Vec::new()).is_end_stream());
    }

    #[test]
    fn without_a_rate_or_a_body_there_is_no_limit() {
        let text = Bytes::from_static(b"text");
        assert!(matches!(Body::from(text.clone()).paced(0), Body::Full(_)));
        assert!(matches!(Body::Empty.paced(5), Body::Empty));
        let paced = Body::from(text.clone()).paced(5);
        assert_eq!(paced.size_hint().exact(), Some(4));
        assert_eq!(frames(paced), [text]);
    }
}
