//! The bodies that the demo's application sends: a whole page, or a stream of events.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior};

/// A response's body.
#[derive(Debug)]
pub(super) enum Body {
    /// All at once; `None` once it went out.
    Whole(Option<Bytes>),
    /// One beat after the other.
    Events(Events),
}

/// Beats, numbered from 1, in the form of `text/event-stream`.
#[derive(Debug)]
pub(super) struct Events {
    clock: Interval,
    next: u32,
    last: u32,
    ended: bool,
}

// === impl Body ===

impl Body {
    /// A body that is known whole.
    pub(super) fn whole(content: impl Into<Bytes>) -> Self {
        Self::Whole(Some(content.into()).filter(|content| !content.is_empty()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(content) => Poll::Ready(content.take().map(|all| Ok(Frame::data(all)))),
            Self::Events(events) => {
                events.poll_next(cx).map(|event| event.map(|text| Ok(Frame::data(text.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(content) => content.is_none(),
            Self::Events(events) => events.ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(content) => {
                SizeHint::with_exact(content.as_ref().map_or(0, |content| content.len() as u64))
            }
            Self::Events(_) => SizeHint::default(),
        }
    }
}

// === impl Events ===

impl Events {
    /// The beats `first..=last`, `period` apart, the first at once.
    pub(super) fn new(first: u32, last: u32, period: Duration) -> Self {
        let mut clock = tokio::time::interval(period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { clock, next: first, last, ended: false }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<String>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.next > self.last {
            self.ended = true;
            return Poll::Ready(Some("event: end\ndata: {}\n\n".to_owned()));
        }
        self.clock.poll_tick(cx).map(|_| {
            let (beat, last) = (self.next, self.last);
            self.next += 1;
            let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            Some(format!(
                "id: {beat}\nevent: beat\ndata: {{\"beat\": {beat}, \"of\": {last}, \"sent\": {sent}}}\n\n"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use std::future::poll_fn;

    #[test]
    fn the_stream_ends_after_its_last_beat() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut body = Body::Events(Events::new(3, 5, Duration::from_millis(1)));
            let mut text = String::new();
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
            }
            let ids: Vec<&str> = text.lines().filter(|line| line.starts_with("id:")).collect();
            assert_eq!(ids, ["id: 3", "id: 4", "id: 5"]);
            assert!(text.ends_with("event: end\ndata: {}\n\n"), "{text}");
            assert!(body.is_end_stream());
        });
    }

    #[test]
    fn an_empty_page_is_at_its_end() {
        assert!(Body::whole("").is_end_stream());
        assert_eq!(Body::whole("four").size_hint().exact(), Some(4));
    }
}
