//! The application's processes, if they run on this machine and their command lines can be read.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{
    command::doctor::{
        server_command::{Bind, ServerCommand},
        workers,
    },
    finding::Finding,
    plan::{UpstreamSettings, UpstreamTarget},
};

/// Compares the limit of requests with the workers of the application. `None` if it is not known which command has
/// started the application.
pub(super) fn workers(application: &UpstreamSettings) -> Option<Finding> {
    let [target] = application.targets.as_slice() else { return None };
    // The forks of a server have its command line.
    let commands: BTreeSet<Vec<String>> = command_lines().collect();
    of_commands(commands, target, application)
}

fn of_commands(
    commands: BTreeSet<Vec<String>>,
    target: &UpstreamTarget,
    application: &UpstreamSettings,
) -> Option<Finding> {
    let mut there = commands
        .into_iter()
        .filter_map(ServerCommand::of)
        .filter(|command| command.binds().iter().any(|bind| is_at(bind, target)));
    let (command, None) = (there.next()?, there.next()) else { return None };
    workers::workers(application.admission, &command)
}

/// Whether a process with this address is certainly the target. Only those of the loopback are this machine's.
fn is_at(bind: &Bind, target: &UpstreamTarget) -> bool {
    match (bind, target) {
        (Bind::Tcp { host: own, port: own_port }, UpstreamTarget::Tcp { host, port }) => {
            let is_here = matches!(host.as_str(), "127.0.0.1" | "localhost");
            let is_same = matches!(own.as_str(), "" | "0.0.0.0" | "127.0.0.1" | "localhost");
            is_here && is_same && own_port == port
        }
        (Bind::Unix(own), UpstreamTarget::Unix(path)) => Path::new(own) == path,
        (Bind::Tcp { .. }, UpstreamTarget::Unix(_))
        | (Bind::Unix(_), UpstreamTarget::Tcp { .. }) => false,
    }
}

/// Returns the command lines of all processes that may be read.
fn command_lines() -> impl Iterator<Item = Vec<String>> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    texts.filter_map(|text| {
        let text = String::from_utf8(text).ok()?;
        Some(text.split_terminator('\0').map(str::to_owned).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::AdmissionSettings;

    #[test]
    fn only_a_command_that_is_certain_counts() {
        let at = |limit| UpstreamSettings {
            admission: AdmissionSettings { max_in_flight: limit, ..AdmissionSettings::default() },
            ..UpstreamSettings::default()
        };
        let port = |port| UpstreamTarget::Tcp { host: "127.0.0.1".into(), port };
        let gunicorn =
            "/venv/bin/python /venv/bin/gunicorn a.wsgi -b 127.0.0.1:8000 -w 4 --threads 2";
        let uwsgi = "uwsgi --http-socket :8000 --processes 4 --threads 2";
        let mine = "python manage.py runserver 8000";
        for (commands, target, limit, is_found) in [
            (&[gunicorn, mine][..], port(8000), 20, true),
            (&[uwsgi], port(8000), 9, true),
            (&[gunicorn], port(8000), 8, false),
            (&[gunicorn], port(8001), 20, false),
            (&[gunicorn], UpstreamTarget::Tcp { host: "10.0.0.1".into(), port: 8000 }, 20, false),
            (&["gunicorn a.wsgi -b 127.0.0.2:8000 -w 4 --threads 2"], port(8000), 20, false),
            (&[gunicorn, uwsgi], port(8000), 20, false),
            (&[gunicorn], UpstreamTarget::Unix("/run/app.sock".into()), 20, false),
            (
                &["gunicorn a.wsgi -b unix:/run/app.sock -w 4 --threads 1"],
                UpstreamTarget::Unix("/run/app.sock".into()),
                20,
                true,
            ),
            (
                &["gunicorn a.wsgi -b unix:/run/other.sock -w 4 --threads 1"],
                UpstreamTarget::Unix("/run/app.sock".into()),
                20,
                false,
            ),
            (&["gunicorn a.wsgi -b :8000 -w 4"], port(8000), 20, false),
            (&["gunicorn: master [a.wsgi]"], port(8000), 20, false),
            (&[mine], port(8000), 20, false),
        ] {
            let words = |text: &&str| text.split(' ').map(str::to_owned).collect();
            let commands: BTreeSet<Vec<String>> = commands.iter().map(words).collect();
            let shown = format!("{commands:?} {target} {limit}");
            let found = of_commands(commands, &target, &at(limit));
            assert_eq!(found.is_some(), is_found, "{shown}");
        }
    }
}
