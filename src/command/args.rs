//! The command line. Values of settings stay text here: `config` checks them together with those of
//! the file and the environment, so that all problems come out at once.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::config::Flags;

/// The reverse-proxy sidecar for Django.
///
/// Serves the collected static files, passes everything else to gunicorn, uWSGI or an ASGI server, no
/// more at a time than it can work on, answers the load balancer's health checks, and says what
/// happened.
#[derive(Clone, Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve static files and health checks, and pass everything else to the application
    #[command(after_help = RUN_HELP)]
    Run(SettingsArgs),
    /// Check the settings as `run` would read them, and print those that were set
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Ask the running process whether it is in service: exit status 0 or 1
    #[command(after_help = HEALTHCHECK_HELP)]
    Healthcheck(HealthcheckArgs),
    /// Show everything at work, with a small application that comes along
    Demo(DemoArgs),
}

/// The settings that have a flag; all others are set in the file or in the environment.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingsArgs {
    /// Settings file in TOML [also: SIDEMAN_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to serve on, once or more [also: SIDEMAN_LISTEN] [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<String>,
    /// Where the application listens, once or more: http://HOST:PORT, http+unix:/PATH,
    /// uwsgi://HOST:PORT or uwsgi+unix:/PATH [also: SIDEMAN_UPSTREAM]
    #[arg(long, value_name = "URL")]
    pub upstream: Vec<String>,
    /// Requests at the application at the same time: its workers x threads; others wait here
    /// [also: SIDEMAN_MAX_IN_FLIGHT] [default: 100]
    #[arg(long, value_name = "N")]
    pub max_in_flight: Option<String>,
    /// Serve the files of DIR below the URL prefix, once or more [also: SIDEMAN_STATIC]
    #[arg(long = "static", value_name = "PREFIX=DIR")]
    pub roots: Vec<String>,
    /// The same for files that users uploaded, hardened [also: SIDEMAN_MEDIA]
    #[arg(long, value_name = "PREFIX=DIR")]
    pub media: Vec<String>,
    /// The same for files that only the application may send, by X-Accel-Redirect or X-Sendfile
    /// [also: SIDEMAN_ACCEL]
    #[arg(long, value_name = "PREFIX=DIR")]
    pub accel: Vec<String>,
    /// Address of the metrics, or off [also: SIDEMAN_ADMIN] [default: 127.0.0.1:9180]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Worker threads [default: one for each core that may be used]
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
}

/// What `check` prints, and what it makes of warnings.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Print every setting, also those that have their default
    #[arg(long)]
    pub all: bool,
    /// Exit with status 1 if there is a warning
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// What `healthcheck` asks, and how long it waits.
#[derive(Args, Clone, Debug)]
pub struct HealthcheckArgs {
    /// What to ask [default: health.path on the first address of server.listen]
    pub url: Option<String>,
    /// How long the whole check may take
    #[arg(long, value_name = "TIME", default_value = "3s")]
    pub timeout: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// Where the demonstration is to be seen.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Address of the site
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of /metrics [default: 127.0.0.1:9180, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

const EXAMPLES: &str = "\
Examples:
  sideman demo
  sideman run --upstream http://127.0.0.1:8000 --max-in-flight 8 --static /static/=/srv/static
  sideman check --config /etc/sideman.toml
  sideman healthcheck";

const RUN_HELP: &str = "\
Every setting can be given in the settings file, or in the environment as
SIDEMAN_SECTION__KEY; a name with _FILE behind it reads the value from that file.
Flags win over the environment, the environment over the file.

Examples:
  sideman run --upstream http://127.0.0.1:8000 --max-in-flight 8 --static /static/=/srv/static
  sideman run --upstream uwsgi://127.0.0.1:3031
  sideman run --upstream http+unix:/run/gunicorn.sock --listen 0.0.0.0:80 --listen [::]:80
  sideman run --upstream http://app:8000 --static /static/=/srv/static --static /static/=/srv/old
  sideman run --upstream http://app:8000 --media /media/=/srv/media --accel /private/=/srv/private
  SIDEMAN_UPSTREAM=http://app:8000 SIDEMAN_UPSTREAM__READ_TIMEOUT=30s sideman run";

const CHECK_HELP: &str = "\
Prints the settings that were set, each with where, then warnings. Exit status 0; 1 if there is a
warning and --strict was given; 2 if anything is wrong, and then everything that is.

Examples:
  sideman check --strict --config /etc/sideman.toml
  sideman check --all
  SIDEMAN_UPSTREAM=http://app:8000 sideman check";

const HEALTHCHECK_HELP: &str = "\
Prints nothing if all is well. In a container that serves on an address given with --listen, give
the same flag here, or set SIDEMAN_LISTEN for both.

Examples:
  HEALTHCHECK CMD [\"/sideman\", \"healthcheck\"]
  sideman healthcheck http://127.0.0.1:8080/readyz";

// === impl SettingsArgs ===

impl SettingsArgs {
    /// The flags that were given, each with the key it sets.
    pub fn flags(&self) -> Flags {
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let mut values = vec![
            ("server.listen", self.listen.clone()),
            ("upstream.url", self.upstream.clone()),
            ("upstream.max_in_flight", one(&self.max_in_flight)),
            ("static.roots", self.roots.clone()),
            ("media.roots", self.media.clone()),
            ("accel.roots", self.accel.clone()),
            ("admin.listen", one(&self.admin)),
            ("server.workers", one(&self.workers)),
        ];
        values.retain(|(_, items)| !items.is_empty());
        Flags { config: self.config.clone(), values }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use crate::config::KEYS;

    use super::*;

    #[test]
    fn clap_finds_no_mistake() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_table_sets_its_key() {
        let with_flag = || KEYS.iter().filter_map(|key| Some((key, key.flag?)));
        for (key, flag) in with_flag() {
            let cli = Cli::try_parse_from(["sideman", "run", flag, "text"]).unwrap();
            let Command::Run(args) = cli.command else { panic!("{:?}", cli.command) };
            assert_eq!(args.flags().values, [(key.name, vec!["text".to_owned()])]);
        }
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let flags = run.get_arguments().filter_map(|arg| arg.get_long()).map(|n| format!("--{n}"));
        let known = with_flag().map(|(_, flag)| flag.to_owned()).chain(["--config".into()]);
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
