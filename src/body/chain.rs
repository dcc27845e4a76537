//! Several bodies in sequence as one body: the parts of a multipart response and the delimiters between them.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::Error;

/// Bodies in sequence. The first error ends the sequence. Trailers end a message, so only those of the last body are
/// forwarded.
#[derive(Debug)]
pub(super) struct Chain<B> {
    /// The current body. A body that has ended is dropped at once, with its memory and its file.
    current: Option<B>,
    rest: vec::IntoIter<B>,
}

// === impl Chain ===

impl<B> Chain<B> {
    pub(super) fn new(bodies: Vec<B>) -> Self {
        let mut rest = bodies.into_iter();
        Self { current: rest.next(), rest }
    }

    fn left(&self) -> impl Iterator<Item = &B> {
        self.current.iter().chain(self.rest.as_slice())
    }
}

impl<B: Body<Data = Bytes, Error = Error> + Unpin> Body for Chain<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            let Some(current) = &mut this.current else { return Poll::Ready(None) };
            match ready!(Pin::new(current).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_trailers() && this.rest.len() > 0 => {}
                Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => {
                    this.current = None;
                    this.rest = Vec::new().into_iter();
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.current = this.rest.next(),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left().all(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let mut sum = SizeHint::with_exact(0);
        for hint in self.left().map(Body::size_hint) {
            let upper =
                sum.upper().zip(hint.upper()).and_then(|(one, other)| one.checked_add(other));
            let lower = sum.lower().saturating_add(hint.lower());
            sum = SizeHint::new();
            sum.set_lower(lower);
            if let Some(upper) = upper {
                sum.set_upper(upper);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use http::{HeaderMap, HeaderValue};
    use std::{collections::VecDeque, task::Waker};

    /// A body with the given frames, which reports its size if that is known.
    #[derive(Debug)]
    struct SizedFrames {
        frames: VecDeque<Poll<Result<Frame<Bytes>, Error>>>,
        size: Option<u64>,
    }

    impl Body for SizedFrames {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            match self.frames.pop_front() {
                Some(Poll::Ready(frame)) => {
                    if let (Ok(frame), Some(size)) = (&frame, &mut self.size) {
                        *size -= frame.data_ref().map_or(0, |data| data.len() as u64);
                    }
                    Poll::Ready(Some(frame))
                }
                Some(Poll::Pending) => Poll::Pending,
                None => Poll::Ready(None),
            }
        }

        fn is_end_stream(&self) -> bool {
            self.size.is_some() && self.frames.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn data(text: &'static str) -> Poll<Result<Frame<Bytes>, Error>> {
        Poll::Ready(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
    }

    fn trailers(name: &'static str) -> Poll<Result<Frame<Bytes>, Error>> {
        let map = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static("1"))]);
        Poll::Ready(Ok(Frame::trailers(map)))
    }

    fn sized(texts: &[&'static str]) -> SizedFrames {
        let size = texts.iter().map(|text| text.len() as u64).sum();
        SizedFrames { frames: texts.iter().map(|text| data(text)).collect(), size: Some(size) }
    }

    /// Returns a frame as text; `...` while none is ready.
    fn next(chain: &mut Chain<SizedFrames>) -> Option<Result<String, FailureKind>> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(chain).poll_frame(&mut cx) {
            Poll::Pending => Some(Ok("...".to_owned())),
            Poll::Ready(None) => None,
            Poll::Ready(Some(Err(error))) => Some(Err(error.kind())),
            Poll::Ready(Some(Ok(frame))) => Some(Ok(match frame.into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).unwrap(),
                Err(frame) => format!("{:?}", frame.into_trailers().unwrap()),
            })),
        }
    }

    #[test]
    fn bodies_are_chained_in_order() {
        let slow = SizedFrames {
            frames: [Poll::Pending, data("three"), Poll::Pending, data("four")].into(),
            size: Some(9),
        };
        let mut chain = Chain::new(vec![
            sized(&["one", "two"]),
            sized(&[]),
            slow,
            sized(&["five"]),
            sized(&[]),
        ]);
        let expected = ["one", "two", "...", "three", "...", "four", "five"];
        let mut left = 19;
        for text in expected {
            assert_eq!(chain.size_hint().exact(), Some(left), "before {text}");
            assert!(!chain.is_end_stream(), "before {text}");
            assert_eq!(next(&mut chain), Some(Ok(text.to_owned())));
            left -= if text == "..." { 0 } else { text.len() as u64 };
        }
        // Known with the last frame, not only when the next one is requested.
        assert!(chain.is_end_stream());
        assert_eq!(chain.size_hint().exact(), Some(0));
        assert_eq!(next(&mut chain), None);
        assert_eq!(next(&mut chain), None);
    }

    #[test]
    fn of_nothing_is_nothing() {
        for bodies in [vec![], vec![sized(&[]), sized(&[])]] {
            let mut chain = Chain::new(bodies);
            assert!(chain.is_end_stream());
            assert_eq!(chain.size_hint().exact(), Some(0));
            assert_eq!(next(&mut chain), None);
        }
    }

    #[test]
    fn the_first_error_is_the_end() {
        let failing = SizedFrames {
            frames: [data("a"), Poll::Ready(Err(Error::new(FailureKind::FileChanged)))].into(),
            size: Some(9),
        };
        let mut chain = Chain::new(vec![failing, sized(&["never"])]);
        assert_eq!(next(&mut chain), Some(Ok("a".to_owned())));
        assert!(!chain.is_end_stream());
        assert_eq!(next(&mut chain), Some(Err(FailureKind::FileChanged)));
        assert_eq!(next(&mut chain), None);
    }

    #[test]
    fn an_unknown_size_makes_the_sum_unknown() {
        let unknown = SizedFrames { frames: [data("a")].into(), size: None };
        let mut chain = Chain::new(vec![sized(&["one"]), unknown]);
        assert_eq!((chain.size_hint().lower(), chain.size_hint().upper()), (3, None));
        assert_eq!(next(&mut chain), Some(Ok("one".to_owned())));
        assert_eq!(chain.size_hint().exact(), None);
        assert_eq!(next(&mut chain), Some(Ok("a".to_owned())));
        assert!(!chain.is_end_stream());
        assert_eq!(next(&mut chain), None);
        assert!(chain.is_end_stream());
    }

    #[test]
    fn trailers_of_the_last_body_alone_are_passed_on() {
        let with =
            |text, name| SizedFrames { frames: [data(text), trailers(name)].into(), size: None };
        let mut chain = Chain::new(vec![with("a", "x-first"), with("b", "x-last")]);
        assert_eq!(next(&mut chain), Some(Ok("a".to_owned())));
        assert_eq!(next(&mut chain), Some(Ok("b".to_owned())));
        assert_eq!(next(&mut chain), Some(Ok("{\"x-last\": \"1\"}".to_owned())));
        assert_eq!(next(&mut chain), None);
    }
}
