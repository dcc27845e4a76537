//! Runs a few threads in every possible order of their accesses to shared data.
//!
//! At each access to a type of [`crate::sync`] the thread stops until its turn. One thread runs at a time, so a run is
//! a list of decisions. All lists are tried, depth first. If orders differ only in independent accesses, only one of
//! them is tried (`order`). Loads below `SeqCst` also return older values, as far as C++'s memory model allows
//! (`atomic`).
//!
//! loom does not fit for two reasons. It treats `SeqCst` as `AcqRel`, so correct code that relies on one order of all
//! `SeqCst` accesses fails. And under `cfg(loom)` tokio has no sockets, so the crate does not build.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    mem,
    panic::{self, AssertUnwindSafe, Location},
    pin::pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use super::order::{
    Access, AccessOrder, MAX_THREADS, OrderDecision, ThreadProgress, VectorClock, another, join,
};

/// The code of a script's thread.
pub(crate) type ScriptThread = Box<dyn FnOnce() + Send>;

/// A script: threads, and assertions after them.
pub(crate) struct ThreadScript {
    pub(crate) threads: Vec<ScriptThread>,
    pub(crate) end: Box<dyn FnOnce()>,
}

/// The number of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exploration {
    /// Runs that differ in more than the order of independent accesses.
    pub(crate) orders: u64,
    /// Other runs.
    pub(crate) repeated: u64,
}

/// A thread of a run.
#[derive(Clone)]
pub(super) struct CurrentThread {
    pub(super) run: Arc<ScriptRun>,
    pub(super) thread: usize,
}

/// A run: one order of events.
pub(super) struct ScriptRun {
    /// Distinguishes runs.
    pub(super) id: u64,
    state: Mutex<AccessOrder>,
    /// One for each thread, and one for the thread that started them.
    turns: [Condvar; MAX_THREADS + 1],
}

thread_local! {
    static HERE: RefCell<Option<CurrentThread>> = const { RefCell::new(None) };
}

static RUNS: AtomicU64 = AtomicU64::new(1);

/// Runs the script in every order. Panics if a thread panics, if no thread can continue, or if `end` panics.
pub(crate) fn explore(name: &str, mut script: impl FnMut() -> ThreadScript) -> Exploration {
    let mut tried = Exploration::default();
    let mut path = Vec::new();
    let workers = ScriptThreads::start();
    loop {
        let ThreadScript { threads, end } = script();
        let run = Arc::new(ScriptRun::new(threads.len(), mem::take(&mut path)));
        workers.hand_out(&run, threads);
        let mut state = run.wait_for_end();
        if let Some(failure) = state.failure.take() {
            let events = state.show_events();
            drop(state);
            panic!("{name}, in order {}: {failure}\n{events}", tried.orders + tried.repeated + 1);
        }
        match state.is_repeated {
            true => tried.repeated += 1,
            false => tried.orders += 1,
        }
        path = mem::take(&mut state.path);
        let events = mem::take(&mut state.events);
        drop(state);
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(end)) {
            let state = AccessOrder { events, ..AccessOrder::default() };
            eprintln!("{name}, in order {}:\n{}", tried.orders, state.show_events());
            panic::resume_unwind(panic);
        }
        if !another(&mut path) {
            println!("{name}: {} orders, {} repeated", tried.orders, tried.repeated);
            return tried;
        }
    }
}

/// Waits for a future in a thread of a script. Time does not advance.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let here = here().expect("a thread of a script");
    let waker = Waker::from(Arc::new(ThreadWaker(here.clone())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        here.stop(Access::Park, Location::caller());
    }
}

/// Returns the current thread of the run.
pub(super) fn here() -> Option<CurrentThread> {
    HERE.try_with(|here| here.borrow().clone()).ok().flatten()
}

struct ThreadWaker(CurrentThread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        let mut state = self.0.run.state();
        if let Some(progress) = state.threads.get_mut(self.0.thread) {
            progress.is_woken = true;
        }
    }
}

/// The OS threads for scripts, reused by all runs.
struct ScriptThreads(Vec<mpsc::Sender<(CurrentThread, ScriptThread)>>);

impl ScriptThreads {
    fn start() -> Self {
        let start = |_| {
            let (sender, orders) = mpsc::channel::<(CurrentThread, ScriptThread)>();
            thread::spawn(move || {
                for (here, body) in orders {
                    HERE.set(Some(here.clone()));
                    here.run.clone().wait_for_turn(here.thread);
                    let result = panic::catch_unwind(AssertUnwindSafe(body));
                    HERE.set(None);
                    here.end(result.is_err());
                }
            });
            sender
        };
        Self((0..MAX_THREADS).map(start).collect())
    }

    fn hand_out(&self, run: &Arc<ScriptRun>, threads: Vec<ScriptThread>) {
        assert!(threads.len() <= MAX_THREADS);
        for (thread, body) in threads.into_iter().enumerate() {
            self.0[thread].send((CurrentThread { run: Arc::clone(run), thread }, body)).unwrap();
        }
        let mut state = run.state();
        state.pass_on(None);
        run.wake_next(&state);
    }
}

// === impl ScriptRun ===

impl ScriptRun {
    fn new(threads: usize, path: Vec<OrderDecision>) -> Self {
        let progress = |_| ThreadProgress {
            next: Some(Access::Begin),
            is_woken: false,
            clock: [0; MAX_THREADS],
            after: [0; MAX_THREADS],
        };
        let threads = (0..threads).map(progress).collect();
        let state = AccessOrder { threads, path, ..AccessOrder::default() };
        Self {
            id: RUNS.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(state),
            turns: Default::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, AccessOrder> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread whose turn it is.
    fn wake_next(&self, state: &AccessOrder) {
        let whose = match state.failure {
            None => state.running.unwrap_or(MAX_THREADS),
            Some(_) => MAX_THREADS,
        };
        self.turns[whose].notify_one();
    }

    fn wait_for_turn(&self, thread: usize) {
        let mut state = self.state();
        while state.running != Some(thread) || state.failure.is_some() {
            state = self.turns[thread].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_for_end(&self) -> MutexGuard<'_, AccessOrder> {
        let mut state = self.state();
        while state.running.is_some() && state.failure.is_none() {
            state = self.turns[MAX_THREADS].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

// === impl CurrentThread ===

impl CurrentThread {
    /// Waits until it is this thread's turn for the access.
    pub(super) fn stop(&self, access: Access, location: &'static Location<'static>) {
        let mut state = self.run.state();
        if thread::panicking() {
            // Data behind its locks may be in any state, and other threads wait for it.
            state.failure.get_or_insert_with(|| format!("thread {} panics", self.thread));
            self.run.wake_next(&state);
            return;
        }
        state.threads[self.thread].next = Some(access);
        state.look_back(self.thread);
        state.pass_on(Some(self.thread));
        if state.running != Some(self.thread) || state.failure.is_some() {
            self.run.wake_next(&state);
            drop(state);
            self.run.wait_for_turn(self.thread);
            state = self.run.state();
        }
        state.made(self.thread, access, location);
        match access {
            Access::Lock(lock) => state.locked.push(lock),
            Access::Unlock(lock) => state.locked.retain(|other| *other != lock),
            Access::Park => state.threads[self.thread].is_woken = false,
            Access::Begin | Access::Read(_) | Access::Write(_) | Access::Copy(_) => {}
        }
        state.threads[self.thread].clock[self.thread] += 1;
    }

    /// Returns the events that happened before this moment.
    pub(super) fn clock(&self) -> VectorClock {
        self.run.state().threads[self.thread].clock
    }

    /// Records that these events happened before all later events of this thread.
    pub(super) fn learn(&self, other: &VectorClock) {
        join(&mut self.run.state().threads[self.thread].clock, other);
    }

    /// Chooses one of this many values.
    pub(super) fn choose(&self, of: usize) -> usize {
        if of < 2 { 0 } else { self.run.state().choose(of) }
    }

    fn end(&self, has_panicked: bool) {
        let mut state = self.run.state();
        state.threads[self.thread].next = None;
        if has_panicked {
            state.failure.get_or_insert_with(|| format!("thread {} panicked", self.thread));
        } else {
            state.pass_on(None);
        }
        self.run.wake_next(&state);
    }
}

impl fmt::Debug for CurrentThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Here({})", self.thread)
    }
}

impl fmt::Debug for ScriptRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({})", self.id)
    }
}

impl fmt::Debug for ThreadScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} threads)", self.threads.len())
    }
}
