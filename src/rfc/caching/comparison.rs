//! The same responses and requests, judged by this module and by the crate http-cache-semantics: may the second request
//! have the response to the first? Where the two differ, a row of [`DIFFERENCES`] says why.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Request, Response, StatusCode};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;

use super::{
    super::{date, request_parts::Headers, response_lines::ResponseLines},
    ExchangeTimes, Freshness, MAX_SECONDS, RequestDirectives, RequestTraits, ResponsePolicy,
    selecting_value,
};

const NOW: u64 = 784_111_777;

/// Two requests and the response to the first.
#[derive(Clone, Debug, Default)]
struct Case {
    status: u16,
    response: Vec<(&'static str, String)>,
    first: Vec<(&'static str, String)>,
    second: Vec<(&'static str, String)>,
    /// Seconds between the response and the second request.
    later: u64,
}

/// Which of the two reuses more responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    Stricter,
    Looser,
    Either,
}

/// A kind of cases that the crate judges differently, with an example.
struct Row {
    reason: &'static str,
    difference: Difference,
    applies: fn(&Case) -> bool,
    /// Status, fields of the response, of the first and of the second request, and seconds.
    example: (u16, Fields, Fields, Fields, u64),
}

type Fields = &'static [(&'static str, &'static str)];

const DIFFERENCES: &[Row] = &[
    Row {
        reason: "names of directives have no case (RFC 9111, 5.2)",
        difference: Difference::Either,
        applies: |case| case.control().any(|value| value.contains(char::is_uppercase)),
        example: (200, &[("cache-control", "MAX-AGE=60")], &[], &[], 0),
    },
    Row {
        reason: "a comma in quotes separates nothing (RFC 9110, 5.6.4)",
        difference: Difference::Either,
        applies: |case| case.control().any(|value| value.contains("=\"") && value.contains(", ")),
        example: (200, &[("cache-control", "max-age=60, x=\"a, private, b\"")], &[], &[], 0),
    },
    Row {
        reason: "private and no-cache with names restrict these fields only (RFC 9111, 5.2.2.4 and 5.2.2.7)",
        difference: Difference::Looser,
        applies: |case| case.has_member("private=") || case.has_member("no-cache="),
        example: (200, &[("cache-control", "max-age=60, private=\"x-a\"")], &[], &[], 0),
    },
    Row {
        reason: "of contradicting times the shortest counts, in place of the first (RFC 9111, 4.2.1)",
        difference: Difference::Either,
        applies: |case| {
            ["max-age=", "s-maxage="].iter().any(|name| {
                let members = case.members();
                members.filter(|member| member.starts_with(name)).count() > 1
            })
        },
        example: (200, &[("cache-control", "max-age=60, max-age=5")], &[], &[], 10),
    },
    Row {
        reason: "must-understand overrides no-store, where the status is known (RFC 9111, 5.2.2.3)",
        difference: Difference::Either,
        applies: |case| case.has_member("must-understand"),
        example: (200, &[("cache-control", "max-age=60, no-store, must-understand")], &[], &[], 0),
    },
    Row {
        reason: "any final status is stored with an explicit lifetime (RFC 9111, 3)",
        difference: Difference::Looser,
        applies: |case| !matches!(case.status, 200 | 301 | 302 | 404),
        example: (599, &[("cache-control", "max-age=60")], &[], &[], 0),
    },
    Row {
        reason: "a response with Set-Cookie is not shared, public or not",
        difference: Difference::Stricter,
        applies: |case| case.value("set-cookie").is_some(),
        example: (
            200,
            &[("cache-control", "max-age=60, public"), ("set-cookie", "a=b")],
            &[],
            &[],
            0,
        ),
    },
    Row {
        reason: "proxy-revalidate forbids stale responses, not fresh ones (RFC 9111, 5.2.2.8)",
        difference: Difference::Either,
        applies: |case| case.has_member("proxy-revalidate"),
        example: (200, &[("cache-control", "max-age=60, proxy-revalidate")], &[], &[], 0),
    },
    Row {
        reason: "the time since Date counts as age (RFC 9111, 4.2.3)",
        difference: Difference::Stricter,
        applies: |case| case.date() < NOW,
        example: (
            200,
            &[("cache-control", "max-age=60"), ("date", "Sun, 06 Nov 1994 07:49:37 GMT")],
            &[],
            &[],
            0,
        ),
    },
    Row {
        reason: "of several members of Age the first counts (RFC 9111, 5.1)",
        difference: Difference::Stricter,
        applies: |case| case.value("age").is_some_and(|value| value.contains(',')),
        example: (200, &[("cache-control", "max-age=60"), ("age", "90, 0")], &[], &[], 0),
    },
    Row {
        reason: "Pragma means nothing in responses (RFC 9111, 5.4)",
        difference: Difference::Looser,
        applies: |case| case.value("pragma").is_some(),
        example: (
            200,
            &[("expires", "Sun, 06 Nov 1994 09:49:37 GMT"), ("pragma", "no-cache")],
            &[],
            &[],
            0,
        ),
    },
    Row {
        reason: "a time without a value is 0, and does not make room for Expires",
        difference: Difference::Stricter,
        applies: |case| case.members().any(|member| member == "max-age" || member == "s-maxage"),
        example: (
            200,
            &[("cache-control", "max-age"), ("expires", "Sun, 06 Nov 1994 09:49:37 GMT")],
            &[],
            &[],
            0,
        ),
    },
    Row {
        reason: "the cache makes encoded forms itself, so Accept-Encoding selects nothing",
        difference: Difference::Looser,
        applies: |case| case.value("vary").is_some_and(|value| value.contains("accept-encoding")),
        example: (
            200,
            &[("cache-control", "max-age=60"), ("vary", "accept-encoding")],
            &[("accept-encoding", "gzip")],
            &[],
            0,
        ),
    },
    Row {
        reason: "white space and lines of a list do not make another variant (RFC 9111, 4.1)",
        difference: Difference::Looser,
        applies: |case| {
            let mut fields = case.first.iter().chain(&case.second);
            fields.any(|(name, value)| *name == "foo" && value.contains(' '))
        },
        example: (
            200,
            &[("cache-control", "max-age=60"), ("vary", "foo")],
            &[("foo", "a,b")],
            &[("foo", "a, b")],
            0,
        ),
    },
    Row {
        reason: "max-stale does not override s-maxage and no-cache (RFC 9111, 4.2.4), nor store what has no lifetime",
        difference: Difference::Stricter,
        applies: |case| {
            let has_lifetime = case.has_member("max-age=") || case.value("expires").is_some();
            case.has_demand("max-stale")
                && (!has_lifetime || case.has_member("s-maxage") || case.has_member("no-cache"))
        },
        example: (
            200,
            &[("cache-control", "s-maxage=60")],
            &[],
            &[("cache-control", "max-stale=60")],
            90,
        ),
    },
    Row {
        reason: "what is stale on arrival is not stored without a validator",
        difference: Difference::Stricter,
        applies: |case| case.has_demand("max-stale") && !case.is_fresh_on_arrival(),
        example: (
            200,
            &[("cache-control", "max-age=0")],
            &[],
            &[("cache-control", "max-stale=60")],
            0,
        ),
    },
    Row {
        reason: "max-stale=5 accepts five seconds: \"no more than\" (RFC 9111, 5.2.1.2)",
        difference: Difference::Looser,
        applies: |case| case.has_demand("max-stale="),
        example: (
            200,
            &[("cache-control", "max-age=60")],
            &[],
            &[("cache-control", "max-stale=5")],
            65,
        ),
    },
];

// === impl Case ===

impl Case {
    fn of((status, response, first, second, later): (u16, Fields, Fields, Fields, u64)) -> Self {
        let own = |fields: Fields| {
            fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        Self { status, response: own(response), first: own(first), second: own(second), later }
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut fields = self.response.iter();
        fields.find(|(one, _)| *one == name).map(|(_, value)| value.as_str())
    }

    fn control(&self) -> impl Iterator<Item = &str> {
        let fields = self.response.iter().filter(|(name, _)| *name == "cache-control");
        fields.map(|(_, value)| value.as_str())
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        self.control().flat_map(|value| value.split(',')).map(str::trim)
    }

    fn has_member(&self, start: &str) -> bool {
        self.members().any(|member| member.starts_with(start))
    }

    fn has_demand(&self, start: &str) -> bool {
        self.second.iter().any(|(name, value)| *name == "cache-control" && value.starts_with(start))
    }

    fn date(&self) -> u64 {
        self.value("date").and_then(date::parse).unwrap_or(NOW)
    }

    fn policy(&self) -> ResponsePolicy {
        let mut response = Response::builder();
        for (name, value) in &self.response {
            response = response.header(*name, value);
        }
        let lines = ResponseLines::from(response.body(()).unwrap().headers());
        let status = StatusCode::from_u16(self.status).unwrap();
        ResponsePolicy::of(status, &lines, ExchangeTimes { sent: NOW, received: NOW })
    }

    fn is_fresh_on_arrival(&self) -> bool {
        matches!(self.policy().freshness(NOW), Freshness::Fresh { .. })
    }

    fn is_reused_by_us(&self) -> bool {
        let policy = self.policy();
        let (first, second): (Headers, Headers) =
            (self.first.iter().cloned().collect(), self.second.iter().cloned().collect());
        let traits = RequestTraits {
            has_authorization: self.first.iter().any(|(name, _)| *name == "authorization"),
            no_store: RequestDirectives::of(&first).no_store,
        };
        let mut names = policy.vary().iter();
        policy.storable(traits).is_ok()
            && policy.satisfies(&RequestDirectives::of(&second), NOW + self.later)
            && names.all(|name| selecting_value(&first, name) == selecting_value(&second, name))
    }

    fn their_policy(&self) -> CachePolicy {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.response {
            response = response.header(*name, value);
        }
        let options = CacheOptions {
            shared: true,
            cache_heuristic: 0.0,
            immutable_min_time_to_live: Duration::ZERO,
            ignore_cargo_cult: false,
        };
        let response = response.body(()).unwrap();
        CachePolicy::new_options(&request(&self.first), &response, moment(NOW), options)
    }

    fn is_reused_by_them(&self) -> bool {
        let policy = self.their_policy();
        let answer = policy.before_request(&request(&self.second), moment(NOW + self.later));
        policy.is_storable() && matches!(answer, BeforeRequest::Fresh(_))
    }
}

fn request(fields: &[(&'static str, String)]) -> Request<()> {
    let mut request = Request::builder().uri("/");
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    request.body(()).unwrap()
}

fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn examples_are_judged_differently() {
    for Row { reason, difference, applies, example } in DIFFERENCES {
        let case = Case::of(*example);
        assert!(applies(&case), "{reason}");
        let (ours, theirs) = (case.is_reused_by_us(), case.is_reused_by_them());
        assert_ne!(ours, theirs, "{reason}");
        assert!(*difference != Difference::Stricter || theirs, "{reason}");
        assert!(*difference != Difference::Looser || ours, "{reason}");
    }
}

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(60), 0_u64..200, Just(MAX_SECONDS)]
}

fn member() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "public",
        "private",
        "no-cache",
        "no-store",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "immutable",
        "private=\"x-a\"",
        "no-cache=\"x-a\"",
        "x=\"a, private, b\"",
        "No-Store",
        "max-age",
        "max-age=x",
        "s-maxage=-5",
        "foo",
        "",
    ]);
    prop_oneof![
        seconds().prop_map(|seconds| format!("max-age={seconds}")),
        seconds().prop_map(|seconds| format!("s-maxage={seconds}")),
        seconds().prop_map(|seconds| format!("max-age=\"{seconds}\"")),
        words.prop_map(str::to_owned),
    ]
}

fn response() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let moment = || {
        let offset = prop_oneof![Just(0_i64), Just(60), -100_i64..200];
        offset.prop_map(|offset| date::format(NOW.saturating_add_signed(offset)))
    };
    let expires = prop_oneof![4 => moment(), 1 => Just("0".to_owned())];
    let age =
        prop_oneof![4 => seconds().prop_map(|age| age.to_string()), 1 => Just("90, 0".to_owned())];
    let words =
        |words: &[&'static str]| prop::sample::select(words.to_vec()).prop_map(str::to_owned);
    let rarely = |word: &'static str| prop::option::weighted(0.05, Just(word.to_owned()));
    (
        prop::collection::vec(prop::collection::vec(member(), 0..3), 0..3),
        prop::option::weighted(0.3, expires),
        prop::option::weighted(0.4, moment()),
        prop::option::weighted(0.3, age),
        prop::option::weighted(0.3, words(&["foo", "Foo, bar", "accept-encoding", "*", "foo, *"])),
        rarely("a=b"),
        rarely("no-cache"),
    )
        .prop_map(|(control, expires, date, age, vary, cookie, pragma)| {
            let control = control.into_iter().map(|members| ("cache-control", members.join(", ")));
            let others = [
                ("expires", expires),
                ("date", date),
                ("age", age),
                ("vary", vary),
                ("set-cookie", cookie),
                ("pragma", pragma),
            ];
            let others = others.into_iter().filter_map(|(name, value)| Some((name, value?)));
            control.chain(others).collect()
        })
}

fn requests() -> impl Strategy<Value = [Vec<(&'static str, String)>; 2]> {
    let foo = || prop::option::of(prop::sample::select(vec!["a", "b", "a,b", "a, b", ""]));
    let demand = prop_oneof![
        3 => Just(String::new()),
        1 => seconds().prop_map(|seconds| format!("max-age={seconds}")),
        1 => seconds().prop_map(|seconds| format!("max-stale={seconds}")),
        1 => (1_u64..100).prop_map(|seconds| format!("min-fresh={seconds}")),
        1 => prop::sample::select(vec!["max-stale", "no-cache", "no-store", "max-age=x"]).prop_map(str::to_owned),
    ];
    (foo(), foo(), prop::bool::weighted(0.2), prop::bool::weighted(0.05), demand).prop_map(
        |(one, other, is_authenticated, no_store, demand)| {
            let foo = |value: Option<&str>| value.map(|value| ("foo", value.to_owned()));
            let authorization = is_authenticated.then(|| ("authorization", "x".to_owned()));
            let no_store = no_store.then(|| ("cache-control", "no-store".to_owned()));
            let demand = (!demand.is_empty()).then_some(("cache-control", demand));
            [
                foo(one).into_iter().chain(authorization).chain(no_store).collect(),
                foo(other).into_iter().chain(demand).collect(),
            ]
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn responses_are_reused_alike(
        status in prop_oneof![8 => Just(200), 1 => prop::sample::select(vec![206, 301, 302, 400, 404, 500, 599])],
        response in response(),
        [first, second] in requests(),
        later in seconds(),
    ) {
        let case = Case { status, response, first, second, later };
        let found: Vec<Difference> = DIFFERENCES
            .iter()
            .filter(|row| (row.applies)(&case))
            .map(|row| row.difference)
            .collect();
        let (ours, theirs) = (case.is_reused_by_us(), case.is_reused_by_them());
        let may_be = |difference| found.contains(&difference) || found.contains(&Difference::Either);
        prop_assert!(ours <= theirs || may_be(Difference::Looser), "looser: {case:?}");
        prop_assert!(theirs <= ours || may_be(Difference::Stricter), "stricter: {case:?}");
    }

    #[test]
    fn ages_and_lifetimes_are_alike(
        max_age in seconds(), age in prop::option::of(seconds()), is_shared: bool, later in seconds(),
    ) {
        let name = if is_shared { "s-maxage" } else { "max-age" };
        let mut case = Case { status: 200, later, ..Case::default() };
        case.response.push(("cache-control", format!("{name}={max_age}")));
        case.response.extend(age.map(|age| ("age", age.to_string())));
        let (ours, theirs) = (case.policy(), case.their_policy());
        let now = moment(NOW + later);
        prop_assert_eq!(ours.age(NOW + later), theirs.age(now).as_secs().min(MAX_SECONDS));
        let left = match ours.freshness(NOW + later) {
            Freshness::Fresh { left } => left,
            Freshness::Stale { .. } => 0,
        };
        prop_assert_eq!(left, theirs.time_to_live(now).as_secs());
        prop_assert_eq!(left == 0, theirs.is_stale(now));
    }
}
