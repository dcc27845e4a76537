//! Runs a few threads in every order in which they may touch what they share.
//!
//! Each access to a type of [`crate::sync`] is a point where the thread stops until it is its turn. One thread runs at a
//! time, so a run is a list of decisions, and all lists are tried, depth first. Of orders that differ only in accesses
//! that do not affect each other, one is tried (`order`). Loads below `SeqCst` also return older values, as far as C++'s
//! memory model allows (`atomic`).
//!
//! loom does not fit: it takes `SeqCst` for `AcqRel`, so that code which relies on one order of all `SeqCst` accesses
//! fails there without a fault, and under `cfg(loom)` tokio has no sockets, so that the crate can't be built.

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
    Access, AccessOrder, OrderDecision, THREADS, ThreadProgress, VectorClock, another, join,
};

/// What a script's thread runs.
pub(crate) type ScriptThread = Box<dyn FnOnce() + Send>;

/// What is run in every order: threads, and what must be true after them.
pub(crate) struct ThreadScript {
    pub(crate) threads: Vec<ScriptThread>,
    pub(crate) end: Box<dyn FnOnce()>,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exploration {
    /// Runs that differ in more than the order of accesses that do not affect each other.
    pub(crate) orders: u64,
    /// Other runs.
    pub(crate) repeated: u64,
}

/// A thread within a run.
#[derive(Clone)]
pub(super) struct CurrentThread {
    pub(super) run: Arc<ScriptRun>,
    pub(super) thread: usize,
}

/// One order of events.
pub(super) struct ScriptRun {
    /// Tells runs apart.
    pub(super) id: u64,
    state: Mutex<AccessOrder>,
    /// One for each thread, and one for who started them.
    turns: [Condvar; THREADS + 1],
}

thread_local! {
    static HERE: RefCell<Option<CurrentThread>> = const { RefCell::new(None) };
}

static RUNS: AtomicU64 = AtomicU64::new(1);

/// Runs what `script` gives in every order. Panics when a thread panics, when none can go on, or when `end` panics.
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

/// Waits for a future in a thread of a script. Time stands still.
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

/// The thread of a run that this is.
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

/// The threads that scripts run on: the same for all runs.
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
        Self((0..THREADS).map(start).collect())
    }

    fn hand_out(&self, run: &Arc<ScriptRun>, threads: Vec<ScriptThread>) {
        assert!(threads.len() <= THREADS);
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
            clock: [0; THREADS],
            after: [0; THREADS],
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

    /// Wakes whose turn it is.
    fn wake_next(&self, state: &AccessOrder) {
        let whose = match state.failure {
            None => state.running.unwrap_or(THREADS),
            Some(_) => THREADS,
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
            state = self.turns[THREADS].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

// === impl CurrentThread ===

impl CurrentThread {
    /// Waits until it is this thread's turn to do this.
    pub(super) fn stop(&self, access: Access, location: &'static Location<'static>) {
        let mut state = self.run.state();
        if thread::panicking() {
            // What its locks guard may be in any state, and others wait for it.
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

    /// What happened before this moment.
    pub(super) fn clock(&self) -> VectorClock {
        self.run.state().threads[self.thread].clock
    }

    /// What happened before that has happened before what this thread does from now on.
    pub(super) fn learn(&self, other: &VectorClock) {
        join(&mut self.run.state().threads[self.thread].clock, other);
    }

    /// Decides for one of so many values.
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
