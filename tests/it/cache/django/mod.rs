//! Real Django behind the cache: random visits of many visitors to a site with random settings. A model of each visitor
//! says what may be in each page; no page of one visitor reaches another.

mod model;
mod visits;

use std::{collections::HashMap, sync::Mutex, thread};

use self::{model::Visitor, visits::Visits};
use crate::support::{Django, Server, Sideman, Wsgi};

/// What a site may have besides what every site has: SITE_FEATURES of tests/django.
const FEATURES: &[&str] = &[
    "locale",
    "conditional",
    "gzip",
    "cache",
    "signed-sessions",
    "save-sessions",
    "session-csrf",
    "session-messages",
];
const THREADS: usize = 4;
const VISITORS_OF_THREAD: usize = 5;

/// Secrets that the site has given away in cookies, and to whom.
type Secrets = Mutex<HashMap<String, String>>;

/// What a round of visits came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    pages: usize,
    hits: usize,
}

/// One site with random settings, and what its visitors share.
struct Round<'a> {
    sideman: &'a Sideman,
    secrets: Secrets,
    features: &'a str,
    visits: usize,
    /// For messages.
    what: String,
}

/// Visits a site with random settings.
fn round(django: &'static Django, seed: u64, visits: usize) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let features: Vec<&str> = FEATURES.iter().copied().filter(|_| random.bool()).collect();
    let has_languages = random.bool();
    let what = format!("seed {seed}, features {features:?}, cache.languages {has_languages}");
    let features: &'static str = features.join(" ").leak();
    let variables: &'static [(&str, &str)] = vec![("SITE_FEATURES", features)].leak();
    let wsgi = Wsgi::start_with(Server::GunicornThreads, django, variables);
    let mut settings = wsgi.settings().set("cache.memory", "16MiB").set("upstream.wait", "10s");
    if has_languages {
        settings = settings.set("cache.languages", "en, de, fr");
    }
    let sideman = settings.start().until_ready();
    let secrets = Secrets::default();
    let round = Round { sideman: &sideman, secrets, features, visits, what };
    let tallies = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (round, random) = (&round, random.fork());
                scope.spawn(move || round.visit(thread, random))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect(&round.what)).collect::<Vec<_>>()
    });
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum();
    let tally = Tally { pages: sum(|one| one.pages), hits: sum(|one| one.hits) };
    // Otherwise nothing was shown. Some settings give each visitor a session, which bypasses the cache.
    assert!(tally.hits * 100 > tally.pages, "{tally:?}: {}", round.what);
    tally
}

// === impl Round ===

impl Round<'_> {
    /// The visits of one thread.
    fn visit(&self, thread: usize, mut random: fastrand::Rng) -> Tally {
        let mut visitors: Vec<Visitor> = (0..VISITORS_OF_THREAD)
            .map(|number| Visitor::new(format!("visitor{thread}{number}"), self.features))
            .collect();
        let mut visits = Visits::new(self.sideman, &self.secrets, &self.what);
        for _ in 0..self.visits / THREADS {
            let visitor = random.usize(..visitors.len());
            visits.random(&mut visitors[visitor], &mut random);
        }
        visits.tally()
    }
}

fn rounds(first_seed: u64, count: u64, visits: usize) {
    let Some(django) = Django::prepared() else { return };
    for seed in first_seed..first_seed + count {
        let tally = round(django, seed, visits);
        eprintln!("seed {seed}: {} pages, {} from the cache", tally.pages, tally.hits);
    }
}

#[test]
fn no_page_of_one_visitor_reaches_another() {
    rounds(1, 4, 800);
}

/// Half an hour: `cargo it -- --ignored hundred_thousand`.
#[test]
#[ignore = "takes half an hour"]
fn no_page_of_one_visitor_reaches_another_in_a_hundred_thousand_visits() {
    let seed = fastrand::u64(..1 << 32);
    rounds(seed, 20, 5_000);
}
