//! Chromium without a window, driven over its DevTools protocol through a pair of pipes.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{TempDir, skip::Tool, wait::eventually_within};

/// The time limit of every action. The browser starts slowly on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(90);

/// It reaches nothing but loopback, has no window, and plays without a user's click.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
];

/// The shell passes its pipes on with the descriptor numbers that Chromium expects.
const PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// A browser with one page, until it is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
    session: Option<String>,
    _profile: TempDir,
}

// === impl Browser ===

impl Browser {
    /// Starts it with an empty page. Skips the test if it is not installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let chromium = Tool::Chromium.path()?;
        let profile = TempDir::new();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", PIPES]).arg(chromium).args(FLAGS);
        shell.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, replies) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in BufReader::new(replies).split(0) {
                let Ok(message) = message else { return };
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let mut browser =
            Self { child, commands, messages, last_id: 0, session: None, _profile: profile };
        browser.call("Browser.setDownloadBehavior", &json!({ "behavior": "deny" })).unwrap();
        let page = browser.call("Target.createTarget", &json!({ "url": "about:blank" })).unwrap();
        let target = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &target).unwrap();
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        Some(browser)
    }

    /// Opens an address; does not wait for the page.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url })).unwrap();
    }

    /// A command of the DevTools protocol whose result does not matter.
    #[track_caller]
    pub(crate) fn command(&mut self, method: &str, arguments: &Value) {
        self.call(method, arguments).unwrap();
    }

    /// Returns the result of a script in the page, or of its promise; an error if it throws.
    pub(crate) fn evaluate(&mut self, script: &str) -> Result<Value, String> {
        let arguments =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let response = self.call("Runtime.evaluate", &arguments)?;
        match response.get("exceptionDetails") {
            Some(exception) => Err(exception.to_string()),
            None => Ok(response["result"]["value"].clone()),
        }
    }

    /// Repeats a script in the page until it returns something true, and returns that. While a page is loading,
    /// scripts may fail.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, script: &str) -> Value {
        let mut last = Ok(Value::Null);
        let deadline = Instant::now() + TIME_LIMIT;
        eventually_within(TIME_LIMIT * 2, what, || {
            last = self.evaluate(script);
            assert!(Instant::now() < deadline, "{what}: never, but {last:?}");
            let is_true = |value: &&Value| !matches!(value, Value::Null | Value::Bool(false));
            last.as_ref().ok().filter(is_true).cloned()
        })
    }

    /// Sends one command and returns its reply. Events are skipped.
    fn call(&mut self, method: &str, arguments: &Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut command = json!({ "id": self.last_id, "method": method, "params": arguments });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        let deadline = Instant::now() + TIME_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut message = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("the browser never answers {method}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser has ended"),
            };
            if message["id"] == self.last_id {
                let error = message.get("error").map(Value::to_string);
                return error.map_or_else(|| Ok(message["result"].take()), Err);
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser's other processes exit with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
