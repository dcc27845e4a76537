//! Runs the commands before the application, then the application: starts it again when it ends, gives up when it
//! cannot be started, and stops it when the shutdown says so.

use std::{
    cell::RefCell,
    fs, io,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{select, sync::watch, time::sleep};

use super::{
    acceptance::until_accepted,
    call::{ChildCommand, ProgramCall},
    child_setup::ChildLimits,
    exit::{ProcessExit, code_of_start},
    forwarding::ForwardedSignals,
    group::ProcessGroup,
    reaper::Reaper,
    restarts::{MAX_FAILED_STARTS, RestartHistory},
    stop::{ChildStop, kill},
};
use crate::{phase::Phase, pipeline::App};

/// How long processes may run that outlive the application at a port: they keep the next one from listening.
const LEFT_AT_PORT: Duration = Duration::from_secs(5);
/// The same at a unix socket, which the next one replaces: they complete their requests.
const LEFT_AT_SOCKET: Duration = Duration::from_secs(30);

/// The application's process, and what is needed to start it again.
#[derive(Debug)]
pub(in crate::lifecycle) struct ChildSupervisor {
    command: ChildCommand,
    limits: ChildLimits,
    reaper: Reaper,
    signals: ForwardedSignals,
    /// The running process.
    running: Option<ProcessGroup>,
    /// What earlier processes have left behind.
    left: Vec<ProcessGroup>,
}

/// Why the supervisor has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lifecycle) enum ChildOutcome {
    /// All processes have ended as they were told.
    Stopped,
    /// Processes were killed, because they ignored SIGTERM.
    Killed,
    /// There is no application, and there will be none. Sideman ends with this exit status.
    Failed(u8),
}

/// Supervises the application, if there is one, until it has stopped or failed.
pub(in crate::lifecycle) async fn supervise(
    child: Option<ChildSupervisor>,
    app: &RefCell<Arc<App>>,
    mut phase: watch::Receiver<Phase>,
    mut stop: ChildStop,
) -> ChildOutcome {
    let Some(mut child) = child else { return std::future::pending().await };
    let outcome = select! {
        outcome = child.run(app, &mut phase) => Some(outcome),
        _ = stop.ordered() => None,
    };
    match outcome {
        Some(outcome) => {
            for group in child.left {
                kill(group, &mut child.reaper).await;
            }
            outcome
        }
        None => child.stop(&mut stop).await,
    }
}

// === impl ChildSupervisor ===

impl ChildSupervisor {
    /// Must be called within a runtime, and before the process raises its limits.
    pub(in crate::lifecycle) fn new(command: ChildCommand) -> io::Result<Self> {
        let (reaper, signals) = (Reaper::listen()?, ForwardedSignals::listen()?);
        let limits = ChildLimits::of_this_process();
        Ok(Self { command, limits, reaper, signals, running: None, left: Vec::new() })
    }

    /// Runs all commands. May be cancelled anywhere: what runs then is in `running`.
    async fn run(
        &mut self,
        app: &RefCell<Arc<App>>,
        phase: &mut watch::Receiver<Phase>,
    ) -> ChildOutcome {
        for call in self.command.before.clone() {
            if let Err(outcome) = self.run_before(&call, phase).await {
                return outcome;
            }
        }
        let mut history = RestartHistory::default();
        let mut is_first = true;
        loop {
            self.remove_socket();
            let group = match self.command.application.start(self.limits) {
                Ok(group) => group,
                Err(error) => {
                    report_start(&self.command.application, &error);
                    match history.next_pause(None) {
                        // The first time, the command itself is wrong.
                        Some(pause) if !is_first => {
                            self.pause(pause).await;
                            continue;
                        }
                        Some(_) | None => return ChildOutcome::Failed(code_of_start(&error)),
                    }
                }
            };
            is_first = false;
            let program = self.command.application.program();
            let pid = group.leader().as_raw_nonzero();
            tracing::info!(program, pid, "application started");
            self.running = Some(group);
            let starts = Arc::clone(&app.borrow());
            starts.metrics.process().application_starts.fetch_add(1, Ordering::Relaxed);
            drop(starts);
            let (exit, served) = self.until_exit(group, app).await;
            self.running = None;
            self.end_left(group).await;
            let Some(pause) = history.next_pause(served) else {
                tracing::error!(
                    %exit,
                    starts = MAX_FAILED_STARTS,
                    "giving up, because the application has ended after each of its last starts; its own output says why"
                );
                return ChildOutcome::Failed(exit.code());
            };
            tracing::error!(%exit, pid, ?pause, "application ended, starting it again");
            self.pause(pause).await;
        }
    }

    /// Runs a command to its end. A signal to Sideman ends it, because nothing depends on it yet.
    async fn run_before(
        &mut self,
        call: &ProgramCall,
        phase: &mut watch::Receiver<Phase>,
    ) -> Result<(), ChildOutcome> {
        let begin = Instant::now();
        let command = call.shown();
        tracing::info!(command, "running a command before the application");
        let group = call.start(self.limits).map_err(|error| {
            report_start(call, &error);
            ChildOutcome::Failed(code_of_start(&error))
        })?;
        self.running = Some(group);
        let mut draining = pin!(phase.wait_for(|phase| *phase >= Phase::Draining));
        let exit = select! {
            exit = self.reaper.wait_for(group.leader()) => exit,
            _ = &mut draining => {
                group.signal(rustix::process::Signal::TERM);
                // The shutdown stops what ignores it.
                self.reaper.wait_for(group.leader()).await;
                return Err(ChildOutcome::Stopped);
            }
        };
        self.running = None;
        if exit.is_success() {
            tracing::info!(command, after = ?begin.elapsed(), "command completed");
            return Ok(());
        }
        tracing::error!(
            command,
            %exit,
            "the command before the application failed, so the application is not started; its own output says why"
        );
        Err(ChildOutcome::Failed(exit.code()))
    }

    /// Waits for the end of the process. Returns how long it has accepted connections.
    async fn until_exit(
        &mut self,
        group: ProcessGroup,
        app: &RefCell<Arc<App>>,
    ) -> (ProcessExit, Option<Duration>) {
        let mut accepted = None;
        let mut exit = pin!(self.reaper.wait_for(group.leader()));
        let mut acceptance = pin!(until_accepted(app, &self.command));
        let exit = loop {
            select! {
                exit = &mut exit => break exit,
                () = &mut acceptance, if accepted.is_none() => accepted = Some(Instant::now()),
                () = self.signals.pass_one(group) => {}
            }
        };
        (exit, accepted.map(|since| since.elapsed()))
    }

    /// Ends the processes that outlive it, such as workers without their master.
    async fn end_left(&mut self, group: ProcessGroup) {
        self.left.retain(|group| group.has_members());
        if !group.has_members() {
            return;
        }
        self.left.push(group);
        if self.command.socket.is_some() {
            tokio::spawn(group.end(Instant::now() + LEFT_AT_SOCKET));
            return;
        }
        select! {
            () = group.end(Instant::now() + LEFT_AT_PORT) => {}
            never = self.reaper.reap_others() => match never {},
        }
    }

    async fn pause(&mut self, time: Duration) {
        select! {
            () = sleep(time) => {}
            never = self.reaper.reap_others() => match never {},
        }
    }

    /// Not every server replaces a socket file that is there.
    fn remove_socket(&self) {
        let Some(path) = &self.command.socket else { return };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %path.display(), "cannot remove the socket of the last process");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Stops all processes.
    async fn stop(mut self, stop: &mut ChildStop) -> ChildOutcome {
        let begin = Instant::now();
        let mut is_killed = false;
        if let Some(group) = self.running {
            is_killed = stop.end(group, &mut self.reaper).await;
            let pid = group.leader().as_raw_nonzero();
            match is_killed {
                false => tracing::info!(pid, after = ?begin.elapsed(), "application stopped"),
                true => tracing::warn!(
                    pid,
                    after = ?begin.elapsed(),
                    "application killed, because it was still running; let it end on SIGTERM, or raise shutdown.timeout"
                ),
            }
        }
        for group in self.left.iter().filter(|group| group.has_members()) {
            kill(*group, &mut self.reaper).await;
        }
        if is_killed { ChildOutcome::Killed } else { ChildOutcome::Stopped }
    }
}

fn report_start(call: &ProgramCall, error: &io::Error) {
    let program = call.program();
    tracing::error!(
        program,
        %error,
        "cannot start the program: give its path, or add its directory to PATH"
    );
}
