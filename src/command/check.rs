//! `sideman check`: prints the settings that `run` would use, or all problems.

use std::{fmt::Write as _, io, process::ExitCode};

use super::{args::CheckArgs, check_request};
use crate::{
    config::{self, Environment, LoadedSettings, Setting},
    lifecycle,
    plan::{Plan, UpstreamSettings},
};

/// Exit status for wrong usage, as in shells and orchestrators.
const BAD_SETTINGS: u8 = 2;
/// Exit status for warnings with `--strict`.
const HAS_WARNINGS: u8 = 1;
/// Longer values would move their origins too far to the right.
const MAX_VALUE_WIDTH: usize = 32;

/// Prints the settings to `out`, and problems and warnings to `err`.
pub(super) fn check(
    args: &CheckArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    let (text, notes, code) = match config::load(&args.settings.flags(), environment) {
        Ok(loaded) => {
            let (notes, code) = verdict(&loaded, args.strict);
            match &args.request {
                None => {
                    let text = table(&loaded.settings, args.all);
                    (text + &found_limit(&loaded.plan), notes, code)
                }
                Some(request) => match check_request::explain(&loaded, request, args.client) {
                    Ok(text) => (text, notes, code),
                    Err(fault) => (
                        String::new(),
                        format!("--request: {fault}\n"),
                        ExitCode::from(BAD_SETTINGS),
                    ),
                },
            }
        }
        Err(problems) => (String::new(), format!("{problems}\n"), ExitCode::from(BAD_SETTINGS)),
    };
    // If the output is closed, the exit status still gives the result.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let _ = err.write_all(notes.as_bytes()).and_then(|()| err.flush());
    code
}

/// Returns the messages about valid settings, the most serious last, and the exit status.
fn verdict(loaded: &LoadedSettings, strict: bool) -> (String, ExitCode) {
    let mut text = String::new();
    for note in config::notes(loaded) {
        let _ = writeln!(text, "note: {note}");
    }
    let warnings = config::warnings(loaded);
    for warning in &warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    let faults = lifecycle::file_faults(&loaded.plan);
    for fault in &faults {
        let _ = writeln!(text, "error: {fault}");
    }
    let code = match (faults.is_empty(), warnings.is_empty()) {
        (false, _) => ExitCode::from(BAD_SETTINGS),
        (true, false) if strict => ExitCode::from(HAS_WARNINGS),
        (true, _) => ExitCode::SUCCESS,
    };
    (text, code)
}

/// Formats `key = value  (origin)` in columns.
fn table(settings: &[Setting], all: bool) -> String {
    let shown: Vec<&Setting> = settings.iter().filter(|setting| all || setting.is_set()).collect();
    let keys = shown.iter().map(|setting| setting.id.to_string().len()).max().unwrap_or_default();
    let values = shown.iter().map(|setting| setting.text.len());
    let values = values.filter(|len| *len <= MAX_VALUE_WIDTH).max().unwrap_or_default();
    let mut text = String::new();
    for Setting { id, text: value, origin } in &shown {
        let _ = writeln!(text, "{:keys$} = {value:values$}  ({origin})", id.to_string());
    }
    let defaults = settings.len() - shown.len();
    if defaults > 0 {
        let _ = writeln!(text, "{defaults} more have default values: --all shows them");
    }
    text
}

/// Says how `upstream.max_in_flight` is found, if it is not set.
fn found_limit(plan: &Plan) -> String {
    // Without an application there is nothing to find.
    let upstream = Some(&plan.upstream).filter(|upstream| !upstream.targets.is_empty());
    let way = upstream.and_then(UpstreamSettings::found_by);
    way.map(|way| format!("upstream.max_in_flight is found {way}\n")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::args::SettingsArgs;

    fn run_with(all: bool, strict: bool, variables: &[(&str, &str)]) -> (ExitCode, String, String) {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let client = std::net::Ipv4Addr::LOCALHOST.into();
        let settings = SettingsArgs::default();
        let args = CheckArgs { all, strict, request: None, client, settings };
        let code = check(&args, &environment.collect(), &mut out, &mut err);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn run(variables: &[(&str, &str)]) -> (ExitCode, String, String) {
        run_with(false, false, variables)
    }

    #[test]
    fn good_settings_are_a_table() {
        let variables = [
            ("SIDEMAN_UPSTREAM", "http://app:8000"),
            ("SIDEMAN_TRUSTED_PROXIES", "10.0.0.0/8,192.168.100.0/24,172.16.0.0/12"),
        ];
        let (code, out, err) = run(&variables);
        assert_eq!((code, err.as_str()), (ExitCode::SUCCESS, ""));
        let more = config::KEYS.len() - 2;
        assert_eq!(
            out,
            format!(
                "server.trusted_proxies = 10.0.0.0/8, 192.168.100.0/24, 172.16.0.0/12  \
                 (SIDEMAN_TRUSTED_PROXIES)\n\
                 upstream.url           = http://app:8000  (SIDEMAN_UPSTREAM)\n\
                 {more} more have default values: --all shows them\n\
                 upstream.max_in_flight is found by throughput, or by unread requests if the application is in this \
                 network namespace\n"
            )
        );
        let (code, out, err) = run_with(true, true, &variables);
        assert_eq!((code, err.as_str()), (ExitCode::SUCCESS, ""));
        assert_eq!(out.lines().count(), config::KEYS.len() + 1);
        let line = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(
            line("upstream.url"),
            "upstream.url                    = http://app:8000        (SIDEMAN_UPSTREAM)"
        );
        assert_eq!(
            line("log.level"),
            "log.level                       = info                   (default)"
        );
        assert_eq!(
            line("server.trusted_proxies"),
            "server.trusted_proxies          = 10.0.0.0/8, 192.168.100.0/24, 172.16.0.0/12  \
             (SIDEMAN_TRUSTED_PROXIES)"
        );
    }

    #[test]
    fn check_says_how_the_limit_is_found() {
        let found = |upstream: &str, number: &str| {
            let variables = [("SIDEMAN_UPSTREAM", upstream), ("SIDEMAN_MAX_IN_FLIGHT", number)];
            let (_, out, _) = run(&variables);
            let line = out.lines().find(|line| line.contains("is found"));
            line.map(|line| line.split(',').next().unwrap_or_default().to_owned())
        };
        let by_unread = Some("upstream.max_in_flight is found by unread requests".to_owned());
        for local in ["http://127.0.0.1:8000", "http://[::1]:8000", "http+unix:/run/app.sock"] {
            assert_eq!(found(local, "auto"), by_unread, "{local}");
        }
        let by_throughput = Some("upstream.max_in_flight is found by throughput".to_owned());
        assert_eq!(found("http://app:8000", "auto"), by_throughput);
        assert_eq!(found("http://app:8000", "8"), None);
    }

    #[test]
    fn check_reports_every_bad_setting() {
        let (code, out, err) = run(&[("SIDEMAN_LOG__LEVEL", "loud"), ("SIDEMAN_ADMIN", "x")]);
        assert_eq!((code, out.as_str()), (ExitCode::from(2), ""));
        assert!(err.starts_with("3 problems with the settings:\n"), "{err}");
        for name in ["upstream.url", "admin.listen", "log.level"] {
            assert!(err.contains(name), "{err}");
        }
    }

    #[test]
    fn what_may_come_right_is_a_warning() {
        let (code, _, err) = run(&[
            ("SIDEMAN_UPSTREAM", "http+unix:/nowhere/app.sock"),
            (
                "SIDEMAN_STATIC",
                concat!("/a/=/nowhere/a,/b/=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            ),
            ("SIDEMAN_MEDIA", "/m/=/nowhere/m"),
            ("SIDEMAN_ACCEL", "/p/=/nowhere/p"),
            ("SIDEMAN_TRUSTED_PROXIES", "0.0.0.0/0"),
        ]);
        assert_eq!(code, ExitCode::SUCCESS);
        let strictly = run_with(
            false,
            true,
            &[("SIDEMAN_UPSTREAM", "http://app:8000"), ("SIDEMAN_TRUSTED_PROXIES", "0.0.0.0/0")],
        );
        assert_eq!(strictly.0, ExitCode::from(HAS_WARNINGS));
        let warnings: Vec<&str> = err.lines().collect();
        assert_eq!(warnings.len(), 6, "{err}");
        assert!(warnings[0].starts_with("warning: /nowhere/a (static.roots) is not accessible"));
        assert!(warnings[1].contains("Cargo.toml (static.roots) is not a directory"));
        assert!(warnings[2].starts_with("warning: /nowhere/m (media.roots) is not accessible"));
        assert!(warnings[3].starts_with("warning: /nowhere/p (accel.roots) is not accessible"));
        assert!(warnings[4].starts_with("warning: the socket /nowhere/app.sock (upstream.url)"));
        assert!(
            warnings[5].starts_with("warning: server.trusted_proxies trusts every IPv4 address")
        );
    }

    #[test]
    fn what_is_not_there_for_the_application_is_a_warning() {
        let (code, _, err) = run(&[
            ("SIDEMAN_UPSTREAM", "http://app:8000"),
            ("SIDEMAN_ROUTE__WS__PATH", "/ws/"),
            ("SIDEMAN_ROUTE__WS__UPSTREAM", "http+unix:/nowhere/ws.sock"),
            ("SIDEMAN_SERVER__REDIRECT_HTTPS", "true"),
            ("SIDEMAN_BUFFERS__DIRECTORY", "/nowhere/spill"),
            ("SIDEMAN_ERRORS__404", "/dev/null"),
            ("SIDEMAN_ERRORS__502", "/nowhere/502.html"),
            ("SIDEMAN_MAINTENANCE__FLAG", "/dev/null"),
        ]);
        assert_eq!(code, ExitCode::SUCCESS);
        let warnings: Vec<&str> = err.lines().collect();
        assert_eq!(warnings.len(), 7, "{err}");
        for (warning, begin) in warnings.iter().zip([
            "the socket /nowhere/ws.sock (route.ws.upstream) is not accessible",
            "server.redirect_https has no effect",
            "/nowhere/spill (buffers.directory) is not accessible",
            "server.max_body (100MiB) is more than buffers.memory",
            "/dev/null (errors.404) is not a file",
            "/nowhere/502.html (errors.502) is not accessible",
            "/dev/null (maintenance.flag) exists",
        ]) {
            assert!(warning.starts_with(&format!("warning: {begin}")), "{warning}");
        }
    }

    #[test]
    fn directories_inside_of_each_other_are_a_warning() {
        let check = |roots: [&str; 3], expected: Option<(&str, &str)>| {
            let names = ["SIDEMAN_STATIC", "SIDEMAN_MEDIA", "SIDEMAN_ACCEL"];
            let places = ["/s/=", "/m/=", "/p/="];
            let values = names.iter().zip(places.iter().zip(roots));
            let mut variables: Vec<(&str, String)> = values
                .filter(|(_, (_, root))| !root.is_empty())
                .map(|(name, (prefix, root))| (*name, format!("{prefix}{root}")))
                .collect();
            variables.push(("SIDEMAN_UPSTREAM", "http://app:8000".into()));
            let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let (code, _, err) = run(&variables);
            assert_eq!(code, ExitCode::SUCCESS);
            let found: Vec<_> =
                err.lines().filter(|line| line.contains("place of its own")).collect();
            match expected {
                None => assert!(found.is_empty(), "{err}"),
                Some((places, danger)) => {
                    assert_eq!(found.len(), 1, "{err}");
                    assert!(found[0].starts_with(&format!("warning: {places}: ")), "{err}");
                    assert!(found[0].contains(danger), "{err}");
                }
            }
        };
        let public = "uploads are also served below /s/";
        let uploads = "an upload can replace the site's own files";
        let public_files = "are public below";
        check(["/w/s", "/w/m", "/w/p"], None);
        check(
            [
                "s3://bkt/s?region=eu-west-1",
                "s3://bkt/s-m?region=eu-west-1",
                "s3://bkt/p?region=eu-west-1",
            ],
            None,
        );
        check(
            ["s3://bkt/s?region=eu-west-1", "s3://other/s/m?region=eu-west-1", "https://b/s/p"],
            None,
        );
        check(
            ["s3://bkt?region=eu-west-1", "s3://bkt/m?region=eu-west-1", ""],
            Some(("s3://bkt/m (media.roots) is inside s3://bkt/ (static.roots)", public)),
        );
        check(
            ["", "s3://bkt/m?region=eu-west-1", "s3://bkt/m/p?region=eu-west-1"],
            Some(("s3://bkt/m/p (accel.roots) is inside s3://bkt/m (media.roots)", public_files)),
        );
        // A longer name that begins alike is no directory inside.
        check(["/w/s", "/w/s-media", ""], None);
        check(
            ["/w/s", "/w/s/m", ""],
            Some(("/w/s/m (media.roots) is inside /w/s (static.roots)", public)),
        );
        check(
            ["/w/s", "/w/s/", ""],
            Some(("/w/s/ (media.roots) is the same as /w/s (static.roots)", public)),
        );
        check(
            ["/w/m/s", "/w/m", ""],
            Some(("/w/m/s (static.roots) is inside /w/m (media.roots)", uploads)),
        );
        check(
            ["/w/s", "", "/w/s/p"],
            Some(("/w/s/p (accel.roots) is inside /w/s (static.roots)", public_files)),
        );
        check(
            ["/w/p/s", "", "/w/p"],
            Some(("/w/p/s (static.roots) is inside /w/p (accel.roots)", public_files)),
        );
        check(
            ["", "/w/m", "/w/m/p"],
            Some(("/w/m/p (accel.roots) is inside /w/m (media.roots)", public_files)),
        );
        check(
            ["", "/w/m", "/w/m"],
            Some(("/w/m (accel.roots) is the same as /w/m (media.roots)", public_files)),
        );
        // The application may well send what is public.
        check(["", "/w/p/m", "/w/p"], None);
    }
}
