//! The command line. Values of settings stay text here: `config` checks them together with those of the file and the
//! environment, and reports all problems at once.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser, Subcommand, value_parser};

use crate::config::{FlagSpec, Flags, KEYS, SettingKey};

/// The flag with the path of the settings file. It is not a setting, because a file cannot name itself.
const CONFIG: &str = "config";

/// The reverse-proxy sidecar for Django.
///
/// Serves the collected static files and forwards all other requests to gunicorn, uWSGI or an ASGI server.
/// Limits the requests in flight, queues the rest, responds to health checks, and writes logs and metrics.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "sideman",
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = EXAMPLES
)]
pub struct Cli {
    /// Print the version
    #[arg(short = 'V', long, required = true)]
    pub version: bool,
    /// With --version: also print how the program was built
    #[arg(short, long)]
    pub verbose: bool,
    /// `None` with `--version`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommand to run.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve static files and health checks, and forward all other requests to the application
    #[command(after_help = RUN_HELP)]
    Run(SettingsArgs),
    /// Start the application, and serve in front of it as `run` does
    #[command(after_help = EXEC_HELP)]
    Exec(ExecArgs),
    /// Check the settings that `run` would use, and print those that are set
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Check whether the running process is healthy: exit status 0 or 1
    #[command(after_help = HEALTHCHECK_HELP)]
    Healthcheck(HealthcheckArgs),
    /// Purge stored responses from the cache of the running process
    #[command(after_help = PURGE_HELP)]
    Purge(PurgeArgs),
    /// Print the status of the running process
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Look for mistakes in the deployment: in a file, or beside the running process
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Run a demonstration with a small built-in application
    Demo(DemoArgs),
    /// Print the settings file for an nginx configuration
    #[command(after_help = IMPORT_NGINX_HELP)]
    ImportNginx(ImportNginxArgs),
}

/// The settings that have a flag. All others are set in the file or in the environment.
#[derive(Clone, Debug, Default)]
pub struct SettingsArgs(Flags);

/// The arguments of `exec`.
#[derive(Args, Clone, Debug)]
pub struct ExecArgs {
    /// Command to run before the application; may be repeated, they run in order
    #[arg(long, value_name = "COMMAND")]
    pub before: Vec<String>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Command that starts the application; {socket}, {host} and {port} become its address
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// The arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Print every setting, including those with their default
    #[arg(long)]
    pub all: bool,
    /// Exit with status 1 if there is a warning
    #[arg(long)]
    pub strict: bool,
    /// Show the routes that a request matches, and what they set for it, such as 'GET /api/'
    #[arg(long, value_name = "METHOD URL", conflicts_with = "all")]
    pub request: Option<String>,
    /// With --request: the client's address
    #[arg(long, value_name = "ADDR", requires = "request", default_value = "127.0.0.1")]
    pub client: IpAddr,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The arguments of `healthcheck`.
#[derive(Args, Clone, Debug)]
pub struct HealthcheckArgs {
    /// URL to request [default: health.path on the first address of server.listen]
    pub url: Option<String>,
    /// How long the whole check may take
    #[arg(long, value_name = "TIME", default_value = "3s")]
    pub timeout: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The arguments of `purge`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub struct PurgeArgs {
    /// URL of a page of the site; with /* at the end, of all pages below
    #[arg(group = "what")]
    pub urls: Vec<String>,
    /// Purge the responses with this tag (Surrogate-Key, xkey, Cache-Tag, Cache-Groups); may be repeated
    #[arg(long, value_name = "TAG", group = "what")]
    pub tag: Vec<String>,
    /// Purge everything
    #[arg(long, group = "what", conflicts_with_all = ["urls", "tag"])]
    pub all: bool,
    /// Make the responses stale instead of removing them
    #[arg(long)]
    pub soft: bool,
    /// How long each request may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show the status again each second, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// How long the request may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The arguments of `doctor`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("file").multiple(false))]
pub struct DoctorArgs {
    /// Check a task definition of Amazon ECS, in JSON
    #[arg(long, value_name = "FILE", group = "file")]
    pub task_definition: Option<PathBuf>,
    /// Check a file of docker compose
    #[arg(long, value_name = "FILE", group = "file")]
    pub compose: Option<PathBuf>,
    /// Check a manifest of AWS Copilot
    #[arg(long, value_name = "FILE", group = "file")]
    pub copilot: Option<PathBuf>,
    /// One of the site's names, for requests to the running process [default: one of the settings, or localhost]
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub host: Option<String>,
    /// Path of a page to look at, besides / and login pages; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    pub page: Vec<String>,
    /// How long each request may take
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// The arguments of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Address of the site
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of /metrics [default: 127.0.0.1:9180, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

/// The arguments of `import-nginx`.
#[derive(Args, Clone, Debug)]
pub struct ImportNginxArgs {
    /// Configuration of nginx; the files that it includes are read too
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  sideman demo
  sideman run --upstream http://127.0.0.1:8000 --max-in-flight 8 --static /static/=/srv/static
  sideman exec --static /static/=/srv/static -- gunicorn shop.wsgi
  sideman check --config /etc/sideman.toml
  sideman healthcheck
  sideman import-nginx /etc/nginx/nginx.conf > sideman.toml";

const RUN_HELP: &str = "\
Every setting can be given in the settings file, or in the environment as
SIDEMAN_SECTION__KEY; a name that ends with _FILE reads the value from a file.
Flags take precedence over the environment, the environment over the file.

Examples:
  sideman run --upstream http://127.0.0.1:8000 --max-in-flight 8 --static /static/=/srv/static
  sideman run --upstream uwsgi://127.0.0.1:3031
  sideman run --upstream http+unix:/run/gunicorn.sock --listen 0.0.0.0:80 --listen [::]:80
  sideman run --upstream http://app:8000 --static /static/=/srv/static --static /static/=/srv/old
  sideman run --upstream http://app:8000 --media /media/=/srv/media --accel /private/=/srv/private
  SIDEMAN_UPSTREAM=http://app:8000 SIDEMAN_UPSTREAM__READ_TIMEOUT=30s sideman run";

const EXEC_HELP: &str = "\
Sideman chooses the application's address, a private unix socket or a port of 127.0.0.1, and passes
it to gunicorn, uvicorn, granian, hypercorn, daphne, waitress-serve, uwsgi and manage.py runserver.
Other programs find the port in PORT, or get the address in place of {socket} or {host}:{port}.
With --upstream the application chooses its address by itself.
If PORT is set, as on many platforms, it is the port of Sideman.

SIGTERM drains Sideman, then stops the application. SIGHUP reloads both.
Exit status: 0; that of the application or of a --before command if it fails, as in a shell;
3 if requests were aborted; 137 if the application had to be killed; 2 if there are problems.

Examples:
  sideman exec --static /static/=/srv/static -- gunicorn shop.wsgi --workers 4
  sideman exec --before 'python manage.py migrate' -- gunicorn shop.wsgi
  sideman exec -- ./serve --listen {host}:{port}";

const CHECK_HELP: &str = "\
Prints the settings that are set and their sources, then warnings. If there are problems, prints
all of them. Exit status: 0; 1 if there is a warning and --strict is given; 2 if there are problems.

Examples:
  sideman check --strict --config /etc/sideman.toml
  sideman check --all
  sideman check --request 'GET https://example.org/api/'
  SIDEMAN_UPSTREAM=http://app:8000 sideman check";

const HEALTHCHECK_HELP: &str = "\
Prints nothing if the process is healthy. If the container's process has a --listen flag, give
it here too, or set SIDEMAN_LISTEN for both.

Examples:
  HEALTHCHECK CMD [\"/sideman\", \"healthcheck\"]
  sideman healthcheck http://127.0.0.1:8080/readyz";

const PURGE_HELP: &str = "\
Asks the running process at admin.listen, and prints how many stored responses it purged. Each
process has a cache of its own: run it beside each of them. Exit status: 0, or 1 if it failed.

Examples:
  sideman purge https://example.org/blog/
  sideman purge 'https://example.org/blog/*' --soft
  sideman purge --tag product-17 --tag category-3
  sideman purge --all";

const STATUS_HELP: &str = "\
Asks the running process at admin.listen for its requests in flight and queued, those of the last
minute and hour, memory, cache, certificates, and its most frequent errors with advice.
Exit status: 0, or 1 if it failed.

Examples:
  sideman status
  sideman status --json";

const DOCTOR_HELP: &str = "\
Prints what is wrong with the deployment, the worst first: how it was seen, what to do, and the page
with the background. A check that cannot be certain prints nothing.
Without a file it looks at the running process with the same settings: it sends some requests
through server.listen to the application, and reads admin.listen. They change nothing.
Exit status: 0 if nothing was found; 1 if something was; 2 if it could not look.

Examples:
  sideman doctor --host www.example.org
  sideman doctor --task-definition task-definition.json
  sideman doctor --compose compose.yaml
  sideman doctor --copilot copilot/site/manifest.yml --json";

const IMPORT_NGINX_HELP: &str = "\
Prints the settings, each with the line that it comes from. Comments at the end list what was not
translated and what to do, what differs, and what became unnecessary. Nothing is guessed that would
open access: what restricts it and cannot be translated becomes a route that responds 403.
Includes of files below /etc/nginx are looked for beside FILE. ${NAME} gets its value from the
environment, as with envsubst; render other templates first.
Exit status: 0; 1 if something was not translated; 2 if a file cannot be read, or is no configuration.

Examples:
  sideman import-nginx /etc/nginx/nginx.conf > sideman.toml
  sideman import-nginx nginx.conf conf.d/default.conf
  DOMAIN=example.org sideman import-nginx default.conf.template";

// === impl SettingsArgs ===

impl SettingsArgs {
    /// Returns the flags that were given, each with the key it sets.
    pub fn flags(&self) -> Flags {
        self.0.clone()
    }
}

impl Args for SettingsArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Settings file in TOML [also: SIDEMAN_CONFIG]");
        // Flags without a short environment name are needed least, and come last.
        let (short, others): (Vec<_>, Vec<_>) =
            with_flag().partition(|(key, _)| key.short_env.is_some());
        let flags = short.into_iter().chain(others);
        command.arg(config).args(flags.map(|(key, flag)| argument(key, flag)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingsArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |(key, _): (&'static SettingKey, FlagSpec)| {
            let given = matches.get_many::<String>(key.name)?;
            Some((key.name, given.cloned().collect()))
        };
        let values = with_flag().filter_map(values).collect();
        let config = matches.get_one(CONFIG).cloned();
        Ok(Self(Flags { config, values, defaults: Vec::new() }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn with_flag() -> impl Iterator<Item = (&'static SettingKey, FlagSpec)> {
    KEYS.iter().filter_map(|key| Some((key, key.flag?)))
}

fn argument(key: &'static SettingKey, flag: FlagSpec) -> Arg {
    let mut help = flag.help.to_owned();
    if let Some(name) = key.short_env {
        help += &format!(" [also: {name}]");
    }
    if let Some([default, ..]) = key.default.filter(|default| **default != ["auto"]) {
        help += &format!(" [default: {default}]");
    }
    Arg::new(key.name)
        .long(flag.name.trim_start_matches("--"))
        .value_name(flag.value)
        .action(if key.is_list() { ArgAction::Append } else { ArgAction::Set })
        .help(help)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn clap_finds_no_mistake() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_table_sets_its_key() {
        for (key, flag) in with_flag() {
            let cli = Cli::try_parse_from(["sideman", "run", flag.name, "text"]).unwrap();
            let Some(Command::Run(args)) = cli.command else { panic!("{:?}", cli.command) };
            assert_eq!(args.flags().values, [(key.name, vec!["text".to_owned()])]);
        }
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let flags = run.get_arguments().filter_map(|arg| arg.get_long()).map(|n| format!("--{n}"));
        let known = with_flag().map(|(_, flag)| flag.name.to_owned()).chain(["--config".into()]);
        assert_eq!(flags.collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
    }

    #[test]
    fn the_help_names_what_the_table_names() {
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run").unwrap();
        let help = run.render_long_help().to_string();
        for key in KEYS.iter().filter(|key| key.flag.is_some()) {
            assert!(key.short_env.is_none_or(|name| help.contains(name)), "{}", key.name);
            let default = key.default.and_then(|items| items.first());
            let shown = default.is_none_or(|text| *text == "auto" || help.contains(text));
            assert!(shown, "{}", key.name);
        }
        for scheme in ["http://", "http+unix:", "uwsgi://", "uwsgi+unix:"] {
            assert!(help.contains(scheme), "{scheme}");
        }
    }
}
