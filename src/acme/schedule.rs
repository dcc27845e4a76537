//! When the next order may begin, as pure functions of what is known. Authorities count orders, failed validations and
//! certificates: Let's Encrypt allows 5 failed validations of a name an hour and 5 certificates for the same names a
//! week. Each limit here is below its counterpart, whatever the process is made to do.

use super::{
    history::{AttemptHistory, DAY, HOUR, MINUTE, WEEK, digest_of},
    issued::IssuedCertificate,
};

/// Pauses after 1, 2, … failures in a row.
const PAUSES: [u64; 6] = [MINUTE, 5 * MINUTE, 25 * MINUTE, 2 * HOUR, 10 * HOUR, DAY];
/// The same, if no authority was reached.
const UNREACHED_PAUSES: [u64; 6] = [MINUTE / 2, MINUTE, 2 * MINUTE, 5 * MINUTE, 20 * MINUTE, HOUR];

/// The most orders within a time.
const ORDER_LIMITS: [(usize, u64); 3] = [(4, HOUR), (16, DAY), (60, WEEK)];
/// The most certificates within a week: for the same names, and for any.
const SAME_CERTIFICATES: usize = 4;
const ALL_CERTIFICATES: usize = 20;

/// A start or a reload tries again earlier than planned, but not more often than this: a crash loop starts too.
const START_PAUSE: u64 = 10 * MINUTE;

/// Why the time of the next order is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The process has started, or its settings were reloaded: somebody may have fixed something.
    Start,
    Timer,
}

/// Returns when to begin the next order, which may be in the past. `certificate` is the one in use.
pub(super) fn next_order(
    history: &AttemptHistory,
    certificate: Option<&IssuedCertificate>,
    domains: &[String],
    trigger: Trigger,
) -> u64 {
    let covering = certificate.filter(|certificate| certificate.covers(domains));
    let wanted = covering.map_or(0, |certificate| renewal_time(certificate, history));
    wanted.max(earliest_order(history, domains, trigger))
}

/// Returns the pause after this many failures in a row; `jitter` is from 0 to 1.
pub(super) fn pause(failures: u32, is_reached: bool, jitter: f64) -> u64 {
    let pauses = if is_reached { PAUSES } else { UNREACHED_PAUSES };
    let [.., longest] = pauses;
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = pauses.get(index).copied().unwrap_or(longest);
    pause + fraction_of(pause / 4, jitter)
}

/// Returns when a certificate is to be renewed: within the authority's window (RFC 9773, 4.2), else when a third of its
/// lifetime is left. The same certificate gets the same time at every start.
fn renewal_time(certificate: &IssuedCertificate, history: &AttemptHistory) -> u64 {
    let IssuedCertificate { start, end, seed, .. } = certificate;
    let lifetime = end.saturating_sub(*start);
    let jitter = fastrand::Rng::with_seed(*seed).f64();
    // A wrong window must not let the certificate expire.
    let latest = end.saturating_sub(lifetime / 6);
    let window = certificate.name().and_then(|name| history.window_of(&name));
    let window = window.filter(|window| window.start < window.end);
    match window {
        Some(window) => {
            let within = fraction_of(window.end.saturating_sub(window.start), jitter);
            window.start.saturating_add(within).min(latest)
        }
        None => {
            let third = end.saturating_sub(lifetime / 3);
            third.saturating_sub(fraction_of(lifetime / 50, jitter))
        }
    }
}

/// Returns when the limits allow the next order.
fn earliest_order(history: &AttemptHistory, domains: &[String], trigger: Trigger) -> u64 {
    let digest = digest_of(domains);
    let last = history.orders.iter().max().copied().unwrap_or_default();
    // Other names are another matter.
    let backoff = history.failed_names(domains).map_or(0, |names| match trigger {
        Trigger::Start => names.retry_at.min(last.saturating_add(START_PAUSE)),
        Trigger::Timer => names.retry_at,
    });
    let by_orders =
        ORDER_LIMITS.map(|(most, time)| after(history.orders.iter().copied(), most, time));
    let same = history.issued.iter().filter(|entry| entry.domains == digest);
    let by_same = after(same.map(|entry| entry.at), SAME_CERTIFICATES, WEEK);
    let by_all = after(history.issued.iter().map(|entry| entry.at), ALL_CERTIFICATES, WEEK);
    let limits = by_orders.into_iter().chain([by_same, by_all, history.not_before]);
    limits.fold(backoff, u64::max)
}

/// Returns when there were fewer than `most` of these within `time`.
fn after(times: impl Iterator<Item = u64>, most: usize, time: u64) -> u64 {
    let mut times: Vec<_> = times.collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    let oldest = most.checked_sub(1).and_then(|index| times.get(index));
    oldest.map_or(0, |oldest| oldest.saturating_add(time))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a time span needs no precision, and the part is not negative"
)]
fn fraction_of(whole: u64, part: f64) -> u64 {
    (whole as f64 * part.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::history::{FailedAttempt, FailedNames, RenewalWindow},
        *,
    };

    const NOW: u64 = 1_800_000_000;

    fn domains() -> Vec<String> {
        vec!["a.test".into()]
    }

    fn refused(not_before: Option<u64>) -> FailedAttempt {
        FailedAttempt { not_before, has_order: true, is_issued: false }
    }

    fn certificate(days: u64) -> IssuedCertificate {
        let id =
            instant_acme::CertificateIdentifier::new([1].as_slice().into(), [2].as_slice().into());
        let (start, end) = (NOW, NOW + days * DAY);
        IssuedCertificate { names: domains(), start, end, id: Some(id), seed: 7 }
    }

    #[test]
    fn first_certificate_is_ordered_at_once() {
        let none = AttemptHistory::default();
        assert_eq!(next_order(&none, None, &domains(), Trigger::Start), 0);
        // As is one for more names.
        let more = ["a.test".to_owned(), "b.test".to_owned()];
        assert_eq!(next_order(&none, Some(&certificate(90)), &more, Trigger::Start), 0);
    }

    #[test]
    fn certificate_is_renewed_with_a_third_of_its_lifetime_left() {
        for days in [6, 45, 90] {
            let at = next_order(
                &AttemptHistory::default(),
                Some(&certificate(days)),
                &domains(),
                Trigger::Start,
            );
            let lifetime = days * DAY;
            let third = NOW + lifetime - lifetime / 3;
            assert!((third - lifetime / 50..=third).contains(&at), "{days}");
        }
    }

    #[test]
    fn window_of_the_authority_decides_for_its_certificate() {
        let certificate = certificate(90);
        let at = |start: u64, end: u64, name: &str| {
            let window = RenewalWindow { certificate: name.into(), start, end, check_at: 0 };
            let history = AttemptHistory { windows: vec![window], ..AttemptHistory::default() };
            next_order(&history, Some(&certificate), &domains(), Trigger::Timer)
        };
        let id = certificate.id.as_ref().unwrap().to_string();
        let soon = at(NOW + DAY, NOW + 2 * DAY, &id);
        assert!((NOW + DAY..NOW + 2 * DAY).contains(&soon));
        assert_eq!(at(NOW + DAY, NOW + 2 * DAY, &id), soon, "the same at every start");
        // Revoked: the window is in the past.
        assert!(at(NOW - 2 * DAY, NOW - DAY, &id) < NOW);
        // Never later than the end, nor for another certificate, nor backwards.
        assert_eq!(at(NOW + 100 * DAY, NOW + 200 * DAY, &id), NOW + 75 * DAY);
        let usual =
            next_order(&AttemptHistory::default(), Some(&certificate), &domains(), Trigger::Timer);
        assert_eq!(at(NOW + DAY, NOW + 2 * DAY, "other.id"), usual);
        assert_eq!(at(NOW + DAY, NOW + DAY, &id), usual);
        assert_eq!(at(NOW + 2 * DAY, NOW + DAY, &id), usual);
    }

    #[test]
    fn pauses_grow_to_a_day() {
        let all = [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|failures| pause(failures, true, 0.0));
        let hours = [MINUTE, MINUTE, 5 * MINUTE, 25 * MINUTE, 2 * HOUR, 10 * HOUR, DAY, DAY, DAY];
        assert_eq!(all, hours);
        assert_eq!(pause(6, true, 1.0), DAY + 6 * HOUR);
        assert_eq!((pause(1, false, 0.0), pause(9, false, 0.0)), (30, HOUR));
    }

    #[test]
    fn start_tries_earlier_than_planned() {
        let mut history = AttemptHistory::default();
        history.begin(NOW, &domains(), DAY);
        let at = |history: &AttemptHistory, trigger| next_order(history, None, &domains(), trigger);
        assert_eq!(at(&history, Trigger::Timer), NOW + DAY);
        assert_eq!(at(&history, Trigger::Start), NOW + START_PAUSE);
        // Other names at once.
        assert_eq!(next_order(&history, None, &["b.test".to_owned()], Trigger::Timer), 0);
        // But never before the authority's time.
        history.fail(NOW, MINUTE, refused(Some(NOW + 3 * HOUR)));
        assert_eq!(at(&history, Trigger::Start), NOW + 3 * HOUR);
        // Which is for all names, in any order.
        let others = ["b.test".to_owned(), "a.test".to_owned()];
        assert_eq!(next_order(&history, None, &others, Trigger::Start), NOW + 3 * HOUR);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Start,
        Timer,
        OtherNames(u8),
        Reorder,
        Crash,
        Succeed,
        Fail,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Start),
            Just(Step::Timer),
            (1..4u8).prop_map(Step::OtherNames),
            Just(Step::Reorder),
            Just(Step::Crash),
            Just(Step::Succeed),
            Just(Step::Fail),
        ]
    }

    proptest! {
        /// The worst environment: always without a usable certificate, restarted and reloaded at every moment.
        #[test]
        fn limits_of_authorities_hold(steps in prop::collection::vec((step(), 0..4000u64), 1..400)) {
            let (mut now, mut names) = (NOW, domains());
            let mut history = AttemptHistory::default();
            let (mut orders, mut issued) = (Vec::new(), Vec::new());
            let (mut trigger, mut outcome) = (Trigger::Start, Step::Fail);
            for (step, wait) in steps {
                match step {
                    Step::Start => trigger = Trigger::Start,
                    Step::Timer => trigger = Trigger::Timer,
                    Step::OtherNames(index) => names = vec![format!("{index}.test"), "0.test".to_owned()],
                    Step::Reorder => names.reverse(),
                    Step::Crash | Step::Succeed | Step::Fail => outcome = step,
                }
                now += wait;
                history = AttemptHistory::read(history.to_text().as_bytes(), now);
                if next_order(&history, None, &names, trigger) > now {
                    continue;
                }
                history.begin(now, &names, pause(history.failures_of(&names) + 1, true, 0.5));
                orders.push(now);
                match outcome {
                    Step::Succeed => {
                        history.succeed(now);
                        issued.push((now, names.clone()));
                    }
                    Step::Fail => {
                        history.fail(now, pause(history.failures_of(&names), true, 0.5), refused(None));
                    }
                    Step::Start | Step::Timer | Step::OtherNames(_) | Step::Reorder | Step::Crash => {}
                }
            }
            let most = |times: &[u64], span: u64| {
                let within = |at: u64| times.iter().filter(|&&other| (at..at + span).contains(&other)).count();
                times.iter().map(|&at| within(at)).max().unwrap_or(0)
            };
            prop_assert!(most(&orders, HOUR) <= 4);
            prop_assert!(most(&orders, 3 * HOUR) <= 12);
            prop_assert!(most(&orders, DAY) <= 16);
            for index in 1..4 {
                let name = format!("{index}.test");
                let same = issued.iter().filter(|(_, names)| names.contains(&name)).map(|(at, _)| *at);
                prop_assert!(most(&same.collect::<Vec<_>>(), WEEK) <= 4);
            }
            prop_assert!(most(&issued.iter().map(|(at, _)| *at).collect::<Vec<_>>(), WEEK) <= 20);
        }

        #[test]
        fn nothing_overflows(numbers in any::<[u64; 8]>(), failures in any::<u32>(), jitter in any::<f64>()) {
            let [start, end, seed, retry_at, not_before, from, to, check_at] = numbers;
            let certificate = IssuedCertificate { start, end, seed, ..certificate(1) };
            let window = certificate.id.as_ref().unwrap().to_string();
            let windows = vec![RenewalWindow { certificate: window, start: from, end: to, check_at }];
            let failed = vec![FailedNames { domains: digest_of(&domains()), failures, retry_at }];
            let history = AttemptHistory { failed, not_before, windows, ..Default::default() };
            let _ = next_order(&history, Some(&certificate), &domains(), Trigger::Timer);
            prop_assert!(pause(failures, true, jitter) <= 2 * DAY);
        }
    }
}
