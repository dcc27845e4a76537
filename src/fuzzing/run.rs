//! The corpus of each target (fuzz/corpus), and a bounded number of mutations of it, the same in each run.
//!
//! `SIDEMAN_FUZZ_INPUTS` asks for another number and `SIDEMAN_FUZZ_SEED` for others of them: see fuzz/README.md.

use std::{
    env, fs,
    ops::Range,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    time::Instant,
};

use fastrand::Rng;

/// Mutations of each target's corpus in a usual run. The slow targets get a tenth: settings, which make a whole plan,
/// and connections and responses, which start a runtime.
const INPUTS: u64 = 20_000;
/// Bytes of one mutation, at most.
const LONGEST: usize = 2048;

/// Bytes that grammars are made of.
const BYTES: &[u8] = b"\r\n\t :;,=\"%/.-+*_?#@[]{}()<>\\'0159afxAFX\0\x01\x1f\x7f\x80\xc3\xff";
/// Numbers at which a limit is likely.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "00",
    "255",
    "65535",
    "65536",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
];

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        /// All of them.
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run(stringify!($name), super::$name);
            }
        )*
    };
}

targets!(
    accel,
    acme_certificate,
    acme_problem,
    basic_auth,
    caching,
    chunked,
    conditional,
    connection,
    forwarded,
    host,
    htpasswd,
    negotiation,
    nginx_config,
    outgoing_response,
    path,
    proxy_protocol,
    range,
    redis_purge,
    redis_reply,
    reply_http1,
    reply_uwsgi,
    request_head,
    role_keys,
    s3_error,
    settings_environment,
    settings_file,
);

#[test]
fn every_target_is_in_fuzz() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in NAMES {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml lacks {name}");
        let path = fuzz().join(format!("fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(&path).unwrap();
        assert!(source.contains(&format!("sideman::fuzzing::{name}(data)")), "{path:?}");
    }
    for directory in ["fuzz_targets", "corpus"] {
        let entries =
            fs::read_dir(fuzz().join(directory)).unwrap().map(|entry| entry.unwrap().path());
        for path in entries {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(NAMES.contains(&name), "{path:?} belongs to no target");
        }
    }
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

#[expect(clippy::disallowed_methods, reason = "for whoever runs the tests, not for the program")]
fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Tests a target with its corpus, and then with mutations of it.
fn run(name: &str, check: fn(&[u8])) {
    let corpus = corpus(name);
    corpus.iter().for_each(|input| one(name, input, check));

    let is_slow =
        name.starts_with("settings_") || ["connection", "outgoing_response"].contains(&name);
    let usual = if is_slow { INPUTS / 10 } else { INPUTS };
    let inputs = variable("SIDEMAN_FUZZ_INPUTS").unwrap_or(usual);
    let mut mutator = Mutator::new(&corpus, variable("SIDEMAN_FUZZ_SEED").unwrap_or(1));
    let began = Instant::now();
    for _ in 0..inputs {
        one(name, mutator.next(), check);
    }
    println!("{name}: {inputs} inputs in {} s", began.elapsed().as_secs());
}

/// The inputs by their names; at least one.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = fuzz().join("corpus").join(name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{directory:?} is empty");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Tests one input, and prints it if the test fails.
fn one(name: &str, input: &[u8], check: fn(&[u8])) {
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| check(input))) {
        eprintln!("{name} fails with b\"{}\"", input.escape_ascii());
        panic::resume_unwind(panic);
    }
}

/// Mutates inputs.
struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    rng: Rng,
    /// The last input, which is often mutated further.
    input: Vec<u8>,
}

impl<'a> Mutator<'a> {
    fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        Self { corpus, rng: Rng::with_seed(seed), input: Vec::new() }
    }

    fn next(&mut self) -> &[u8] {
        if self.rng.u8(..) < 192 || self.input.is_empty() {
            let index = self.rng.usize(..self.corpus.len());
            self.input.clone_from(&self.corpus[index]);
        }
        for _ in 0..self.rng.usize(1..=4) {
            self.mutate();
        }
        self.input.truncate(LONGEST);
        &self.input
    }

    fn mutate(&mut self) {
        let (rng, input) = (&mut self.rng, &mut self.input);
        let at = rng.usize(..=input.len());
        let end = at + rng.usize(..=(input.len() - at).min(32));
        let next = (at + 1).min(input.len());
        let number = NUMBERS[rng.usize(..NUMBERS.len())].as_bytes();
        match rng.u8(..9) {
            0 => put(input, at..next, &[BYTES[rng.usize(..BYTES.len())]]),
            1 => put(input, at..at, &[BYTES[rng.usize(..BYTES.len())]]),
            2 => put(input, at..next, &[rng.u8(..)]),
            3 => put(input, at..end, b""),
            4 => {
                let again = input[at..end].repeat(rng.usize(1..=8));
                put(input, end..end, &again);
            }
            5 => put(input, at..at, number),
            6 => {
                // A number in place of another.
                let digits = input[at..].iter().take_while(|byte| byte.is_ascii_hexdigit());
                let length = digits.count();
                put(input, at..at + length, number);
            }
            _ => {
                // A piece of another input.
                let other = &self.corpus[rng.usize(..self.corpus.len())];
                let begin = rng.usize(..=other.len());
                let piece = &other[begin..begin + rng.usize(..=other.len() - begin)];
                put(input, at..end, piece);
            }
        }
    }
}

fn put(input: &mut Vec<u8>, range: Range<usize>, bytes: &[u8]) {
    input.splice(range, bytes.iter().copied());
}
