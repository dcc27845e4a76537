//! Tests of relayed bodies against their source: slow and fast readers, small buffers, and every kind of end.

use super::*;
use crate::{
    body::{
        buffers::BodyLimits,
        script::{BodyStep, ScriptedBody, TestBuffers, pattern, run},
        spill::SpillLocation,
    },
    error::FailureKind,
};
use proptest::prelude::*;
use std::{cell::Cell, future::poll_fn, time::Duration};
use tokio::task::yield_now;

const EACH: BodyLimits = BodyLimits { memory: 256 * 1024, response: 1 << 30 };

/// What a client has received, and how it ended.
#[derive(Debug, PartialEq)]
struct ReceivedBody {
    bytes: Vec<u8>,
    has_trailers: bool,
    failed: Option<FailureKind>,
}

fn sum(steps: &[BodyStep]) -> usize {
    steps.iter().map(|step| if let BodyStep::Data(length) = step { *length } else { 0 }).sum()
}

async fn frame(body: &mut RelayedBody) -> Option<Result<Frame<Bytes>, Error>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

/// Reads to the end; yields `pauses[i % n]` times before frame `i`.
async fn read(body: &mut RelayedBody, pauses: &[usize]) -> ReceivedBody {
    let mut received = ReceivedBody { bytes: Vec::new(), has_trailers: false, failed: None };
    for pause in pauses.iter().cycle() {
        for _ in 0..*pause {
            yield_now().await;
        }
        let before = body.size_hint().exact();
        let Some(frame) = frame(body).await else { break };
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                assert!(!data.is_empty() || before.is_none());
                let left = before.map(|before| before - data.len() as u64);
                assert_eq!(body.size_hint().exact(), left);
                received.bytes.extend(data);
            }
            Ok(Err(_)) => received.has_trailers = true,
            Err(error) => {
                received.failed = Some(error.kind());
                break;
            }
        }
    }
    assert_eq!(body.is_end_stream(), received.failed.is_none(), "{received:?}");
    received
}

async fn begin(script: ScriptedBody, room: &TestBuffers) -> Result<RelayStart, Error> {
    RelayedBody::begin(script, &room.buffers, |_| {}).await
}

async fn relayed(script: ScriptedBody, room: &TestBuffers) -> RelayedBody {
    match begin(script, room).await.unwrap() {
        RelayStart::Relayed(relayed) => relayed,
        RelayStart::Complete(bytes) => panic!("whole: {} bytes", bytes.len()),
    }
}

/// Yields to other tasks until a condition holds.
async fn until(what: &str, is_true: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    panic!("never: {what}");
}

fn step() -> impl Strategy<Value = BodyStep> {
    prop_oneof![
        4 => (1..3_000_usize).prop_map(BodyStep::Data),
        2 => (5_000..40_000_usize).prop_map(BodyStep::Data),
        2 => Just(BodyStep::Later),
    ]
}

fn end() -> impl Strategy<Value = Option<BodyStep>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(BodyStep::Trailers)),
        2 => Just(Some(BodyStep::Fail(FailureKind::UpstreamTruncated))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn relayed_bytes_are_unchanged(
        steps in proptest::collection::vec(step(), 0..60),
        end in end(),
        knows_length: bool,
        pauses in proptest::collection::vec(0..40_usize, 1..6),
        each in 1..100_000_u64,
        answer in prop_oneof![Just(0_u64), Just(1 << 30), 0..200_000_u64],
        memory in prop_oneof![Just(1_u64 << 30), 0..100_000_u64],
        disk in prop_oneof![Just(1_u64 << 30), 0..100_000_u64],
        is_memory: bool,
    ) {
        let place = if is_memory { SpillLocation::Memory } else { SpillLocation::Auto };
        let room = TestBuffers::new(memory, disk, place, BodyLimits { memory: each, response: answer });
        let expected = sum(&steps);
        let mut steps = steps;
        // The client reaches a known length before any other event.
        let end = if knows_length { None } else { end };
        steps.extend(end.clone());
        let failed = match &end {
            Some(BodyStep::Fail(kind)) => Some(*kind),
            _ => None,
        };
        let has_trailers = matches!(end, Some(BodyStep::Trailers));
        if knows_length && expected == 0 {
            return Ok(());
        }
        run(async {
            let script = ScriptedBody::new(&steps, knows_length);
            let progress = Rc::clone(&script.progress);
            match begin(script, &room).await {
                Ok(RelayStart::Complete(bytes)) => {
                    assert!(failed.is_none() && !has_trailers);
                    assert!(bytes == pattern(expected));
                }
                Ok(RelayStart::Relayed(mut body)) => {
                    let received = read(&mut body, &pauses).await;
                    assert!(received.bytes == pattern(expected), "{} of {expected}", received.bytes.len());
                    assert_eq!((received.failed, received.has_trailers), (failed, has_trailers));
                    let (in_memory, on_disk) = room.used();
                    assert!(in_memory <= memory && on_disk <= disk);
                }
                Err(error) => assert_eq!(Some(error.kind()), failed),
            }
            until("the body is dropped", || progress.is_dropped.get()).await;
            until("everything is given back", || room.used() == (0, 0)).await;
        });
    }
}

#[test]
fn the_application_is_done_long_before_the_client() {
    run(async {
        let room = TestBuffers::new(64 << 20, 1 << 30, SpillLocation::Auto, EACH);
        let steps = vec![BodyStep::Data(16 * 1024); 320];
        let script = ScriptedBody::new(&steps, true);
        let progress = Rc::clone(&script.progress);
        let spilled = Rc::new(Cell::new(0));
        let count = Rc::clone(&spilled);
        let report = move |pressure| {
            assert_eq!(pressure, Pressure::Spilled);
            count.set(count.get() + 1);
        };
        let Ok(RelayStart::Relayed(mut body)) =
            RelayedBody::begin(script, &room.buffers, report).await
        else {
            panic!("not relayed")
        };
        until("all of it is taken", || progress.is_dropped.get()).await;
        assert_eq!(progress.given.get(), 5 << 20);
        assert_eq!(spilled.get(), 1);
        let (in_memory, on_disk) = room.used();
        assert!(in_memory <= EACH.memory + 16 * 1024, "{in_memory}");
        assert!(on_disk > 4 << 20, "{on_disk}");
        assert_eq!(read(&mut body, &[0]).await.bytes.len(), 5 << 20);
        until("everything is given back", || room.used() == (0, 0)).await;
    });
}

/// The bytes in memory go to the file as well when the budget is used up by them.
#[test]
fn a_beginning_that_fills_the_budget_stops_nothing() {
    run(async {
        for memory in (1..20).map(|frames| frames * 16 * 1024 - 1) {
            let room = TestBuffers::new(memory, 1 << 30, SpillLocation::Auto, EACH);
            let steps = vec![BodyStep::Data(16 * 1024); 40];
            let script = ScriptedBody::new(&steps, true);
            let progress = Rc::clone(&script.progress);
            let mut body = relayed(script, &room).await;
            until("all of it is taken", || progress.is_dropped.get()).await;
            assert!(room.used().0 <= memory);
            assert!(read(&mut body, &[0]).await.bytes == pattern(40 * 16 * 1024));
        }
    });
}

#[test]
fn full_buffers_pause_the_application() {
    for (memory, disk, answer) in [(64 << 20, 0, 1 << 30), (64 << 20, 1 << 30, 0), (0, 0, 0)] {
        run(async {
            let each = BodyLimits { memory: 64 * 1024, response: answer };
            let room = TestBuffers::new(memory, disk, SpillLocation::Auto, each);
            let steps = vec![BodyStep::Data(16 * 1024); 100];
            let script = ScriptedBody::new(&steps, true);
            let progress = Rc::clone(&script.progress);
            let reports = Rc::new(Cell::new(0));
            let count = Rc::clone(&reports);
            let report = move |pressure| {
                assert_eq!(pressure, Pressure::Paused);
                count.set(count.get() + 1);
            };
            let Ok(RelayStart::Relayed(mut body)) =
                RelayedBody::begin(script, &room.buffers, report).await
            else {
                panic!("not relayed")
            };
            until("it is held up", || reports.get() == 1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(progress.given.get() <= (64 + 16) * 1024, "{}", progress.given.get());
            assert!(!progress.is_dropped.get());
            assert!(read(&mut body, &[1]).await.bytes == pattern(100 * 16 * 1024));
            assert_eq!(reports.get(), 1);
        });
    }
}

#[test]
fn client_disconnect_stops_reading_the_application() {
    run(async {
        let room = TestBuffers::new(64 << 20, 1 << 30, SpillLocation::Auto, EACH);
        for first in [vec![], vec![BodyStep::Data(16 * 1024); 60]] {
            let steps = [first, vec![BodyStep::Never]].concat();
            let script = ScriptedBody::new(&steps, false);
            let progress = Rc::clone(&script.progress);
            let body = relayed(script, &room).await;
            until("all of it is taken", || progress.given.get() == sum(&steps)).await;
            assert!(!progress.is_dropped.get());
            drop(body);
            until("the body is dropped", || progress.is_dropped.get()).await;
            until("everything is given back", || room.used() == (0, 0)).await;
        }
    });
}

#[test]
fn available_body_needs_no_task() {
    // Outside of a runtime, where any spawn would fail.
    let room = TestBuffers::new(64 << 20, 1 << 30, SpillLocation::Auto, EACH);
    let waker = std::task::Waker::noop();
    let mut begun =
        Box::pin(begin(ScriptedBody::new(&vec![BodyStep::Data(10_000); 6], false), &room));
    let Poll::Ready(Ok(RelayStart::Complete(bytes))) =
        begun.as_mut().poll(&mut Context::from_waker(waker))
    else {
        panic!("not whole")
    };
    assert!(bytes == pattern(60_000));
    let steps = [BodyStep::Data(10), BodyStep::Fail(FailureKind::UpstreamTruncated)];
    let mut begun = Box::pin(begin(ScriptedBody::new(&steps, false), &room));
    let polled = begun.as_mut().poll(&mut Context::from_waker(waker));
    assert!(matches!(polled, Poll::Ready(Err(_))));
}

#[test]
fn long_available_body_needs_no_task() {
    let room = TestBuffers::new(64 << 20, 1 << 30, SpillLocation::Auto, EACH);
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    let steps = vec![BodyStep::Data(10_000); 20];
    let mut begun = Box::pin(begin(ScriptedBody::new(&steps, true), &room));
    let Poll::Ready(Ok(RelayStart::Relayed(mut body))) = begun.as_mut().poll(cx) else {
        panic!("not here")
    };
    // With the buffers that they were read into.
    assert_eq!(room.used().0, 20 * 16_384);
    let mut reading = Box::pin(read(&mut body, &[0]));
    let Poll::Ready(received) = reading.as_mut().poll(cx) else { panic!("not all of it") };
    assert!(received.bytes == pattern(200_000));
    assert_eq!(room.used(), (0, 0));
}

#[test]
fn frame_is_relayed_as_soon_as_it_arrives() {
    run(async {
        let room = TestBuffers::new(64 << 20, 1 << 30, SpillLocation::Auto, EACH);
        let steps = [BodyStep::Later, BodyStep::Data(5), BodyStep::Never];
        let mut body = relayed(ScriptedBody::new(&steps, false), &room).await;
        let data = frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, pattern(5));
        assert!(!body.is_end_stream());
    });
}

#[test]
fn memory_is_used_again_once_the_file_was_read() {
    run(async {
        let each = BodyLimits { memory: 32 * 1024, response: 1 << 30 };
        let room = TestBuffers::new(64 << 20, 1 << 30, SpillLocation::Auto, each);
        let many = vec![BodyStep::Data(8 * 1024); 40];
        let steps = [many, vec![BodyStep::Never]].concat();
        let mut body = relayed(ScriptedBody::new(&steps, false), &room).await;
        until("some is in the file", || room.used().1 > 128 * 1024).await;
        let mut received = 0;
        while received < 40 * 8 * 1024 {
            received += frame(&mut body).await.unwrap().unwrap().into_data().unwrap().len();
        }
        let more = tokio::time::timeout(Duration::from_millis(1), frame(&mut body)).await;
        assert!(more.is_err(), "{more:?}");
        until("the file is let go", || room.used() == (0, 0)).await;
    });
}
