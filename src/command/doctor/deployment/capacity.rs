//! Limits of the container, and what the application can do: memory, descriptors, workers, and options of its server.

use super::subject::Subject;
use crate::{
    command::doctor::{
        server_command::{GUNICORN_CMD_ARGS, GUNICORN_OPTIONS, Server, ServerCommand},
        workers,
    },
    finding::{self, Check, DESCRIPTORS, Finding, Severity},
    plan::Protocol,
};

pub(in crate::command::doctor) static UWSGI_BUFFER: Check = Check {
    id: "uwsgi-buffer",
    severity: Severity::Error,
    page: "docs/workers.md#the-uwsgi-protocol",
};
pub(in crate::command::doctor) static GUNICORN_ARGS: Check = Check {
    id: "gunicorn-args",
    severity: Severity::Warning,
    page: "config/deploy/README.md#examples-of-deployments",
};

/// The budgets must fit into the container.
pub(super) fn memory_limit(subject: &Subject<'_>) -> Option<Finding> {
    let keys = ["memory.limit", "cache.memory", "static.memory", "media.memory", "buffers.memory"];
    let plan = subject.settings.plan(&keys)?;
    let container = subject.sideman.memory.or(subject.deployment.memory)?;
    finding::memory_limit(plan, container, &subject.sideman.name)
}

/// Connections need descriptors.
pub(super) fn descriptors(subject: &Subject<'_>) -> Option<Finding> {
    let connections = subject.settings.plan(&["server.max_connections"])?.server.max_connections?;
    let limit = subject.sideman.descriptors?;
    let connections = u64::try_from(connections).unwrap_or(u64::MAX);
    (connections > limit).then(|| {
        DESCRIPTORS.finding(
            "connections are refused before server.max_connections is reached",
            format!("server.max_connections is {connections}, the hard limit of nofile is {limit}"),
            "raise the hard limit of nofile to twice server.max_connections",
        )
    })
}

/// The application's command says how many workers it has.
pub(super) fn workers(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["upstream.max_in_flight", "upstream.url"])?;
    let command = subject.application?.server()?;
    workers::workers(plan.upstream.admission, &command)
}

/// A request longer than uWSGI's buffer is dropped.
pub(super) fn uwsgi_buffer(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["upstream.url", "upstream.uwsgi_buffer_size"])?;
    let Protocol::Uwsgi(uwsgi) = plan.upstream.protocol else { return None };
    let size = subject.application?.server()?.buffer_size()?;
    (uwsgi.buffer_size > size).then(|| {
        UWSGI_BUFFER.finding(
            "uWSGI drops requests with long headers, and clients get 502",
            format!(
                "upstream.uwsgi_buffer_size is {} bytes, --buffer-size of uWSGI is {size}",
                uwsgi.buffer_size
            ),
            format!("set SIDEMAN_UPSTREAM__UWSGI_BUFFER_SIZE={size}B"),
        )
    })
}

/// Flags of the command override those of `GUNICORN_CMD_ARGS`.
pub(super) fn gunicorn_args(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(app) = subject.application else { return Vec::new() };
    let variable = app.variables.get(GUNICORN_CMD_ARGS).and_then(Option::as_deref);
    let Some(wanted) = variable.and_then(ServerCommand::of_cmd_args) else { return Vec::new() };
    let Some(command) = ServerCommand::of(app.words()).filter(|one| one.server == Server::Gunicorn)
    else {
        return Vec::new();
    };
    let check = |option| {
        let (wanted, used) = (wanted.value(option)?, command.value(option)?);
        (wanted != used).then(|| {
            GUNICORN_ARGS.finding(
                format!("{} of {GUNICORN_CMD_ARGS} has no effect", option.long),
                format!(
                    "{GUNICORN_CMD_ARGS} has {wanted}, the command of {} has {used}, which wins",
                    app.name
                ),
                format!("remove {} from one of the two", option.long),
            )
        })
    };
    GUNICORN_OPTIONS.into_iter().filter_map(check).collect()
}
