//! The address of the application: how it is chosen and handed over.

use super::{application, child, command, process};
use crate::support::{App, Settings, TempDir, can_mount};

#[test]
fn port_of_the_environment_is_that_of_sideman() {
    let Some(words) = application(&["{port}", "env"]) else { return };
    let settings = Settings::default()
        .args(&["exec", "--admin", "127.0.0.1:0"])
        .set("shutdown.delay", "0s")
        .variable("PATH", "/usr/bin:/bin")
        .variable("PORT", "0");
    let sideman = command(settings, &words).start();
    let event = sideman.event("started version");
    assert!(event.contains("server.listen=0.0.0.0:0 (PORT)"), "{event}");
    assert!(event.contains("(sideman exec)"), "{event}");
    // The application gets another.
    let event = sideman.event(": PORT=");
    let port = event.rsplit('=').next().unwrap().parse::<u16>().unwrap();
    assert!(port >= 10_000, "{event}");
    assert_eq!(sideman.shut_down().0, Some(0));
}

#[test]
fn setting_takes_precedence_over_the_port_of_the_environment() {
    let Some(settings) = child(&["{port}"]) else { return };
    let sideman = settings.variable("PORT", "1").start().until_ready();
    process(&sideman);
}

#[test]
fn upstream_of_the_settings_is_used_and_not_handed_over() {
    let upstream = App::saying("elsewhere");
    let Some(words) = application(&["nowhere", "env"]) else { return };
    let settings = Settings::exec().args(&["--upstream", &upstream.url()]);
    let sideman = command(settings.variable("PORT", "1"), &words).start().until_ready();
    assert_eq!(sideman.get("/").text(), "elsewhere");
    // PORT belongs to Sideman.
    assert!(sideman.event(": PORT=").ends_with("PORT="));
    assert_eq!(sideman.shut_down().0, Some(0));
}

#[test]
fn command_with_an_address_of_its_own_is_a_problem() {
    for (words, expected) in [
        (
            &["gunicorn", "--bind", "0.0.0.0:8000", "shop.wsgi"][..],
            "remove \"--bind 0.0.0.0:8000\", or write {socket} in place of the address, or give the address to \
             Sideman too, as in --upstream http://127.0.0.1:8000",
        ),
        (&["manage.py", "runserver", "8000"], "remove \"8000\", or write {host}:{port}"),
        (&["a", "{socket}", "{port}"], "keep one of them"),
    ] {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        let ended = command(Settings::exec(), &words).run_to_end();
        assert_eq!(ended.code, Some(2));
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
    let settings = Settings::exec().args(&["--upstream", "http://127.0.0.1:1"]);
    let ended = command(settings, &["a".into(), "{socket}".into()]).run_to_end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("upstream.url is set: remove one of them"), "{}", ended.stderr);
}

#[test]
fn gunicorn_options_with_an_address_are_a_problem() {
    let settings = Settings::exec().variable("GUNICORN_CMD_ARGS", "--workers 2 --bind=:80");
    let ended = command(settings, &["gunicorn".into(), "a".into()]).run_to_end();
    assert_eq!(ended.code, Some(2));
    let expected = "GUNICORN_CMD_ARGS binds gunicorn by \"--bind=:80\"";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

/// Nothing is writable, so there is no directory for a socket.
const READ_ONLY: &str = "mount --make-rprivate / && mount -o bind,ro / / && \
    for place in /tmp /run /dev/shm /var/tmp; do mount -t tmpfs -o ro,size=1m tmpfs $place || exit 1; done";

#[test]
fn read_only_system_gets_a_port() {
    if !can_mount() {
        return;
    }
    let Some(words) = application(&["{port}"]) else { return };
    let settings = command(Settings::exec().mounts(READ_ONLY), &words);
    let sideman = settings.start().until_ready();
    process(&sideman);
    assert_eq!(sideman.shut_down().0, Some(0));

    let Some(words) = application(&["{socket}"]) else { return };
    let ended = command(Settings::exec().mounts(READ_ONLY), &words).run_to_end();
    assert_eq!(ended.code, Some(2));
    let expected = "there is no writable directory for {socket}: set TMPDIR";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn directory_for_temporary_files_is_used_first() {
    let Some(settings) = child(&["{socket}"]) else { return };
    let temporary = TempDir::new();
    let settings = settings.variable("TMPDIR", temporary.path().to_str().unwrap());
    let sideman = settings.start().until_ready();
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1);
    process(&sideman);
}

#[test]
fn application_has_the_limits_that_sideman_was_started_with() {
    let Some(settings) = child(&["{socket}", "env"]) else { return };
    let sideman = settings.start().until_ready();
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap();
    assert!(sideman.event(": descriptors=").ends_with(&format!("={own}")));
    // Sideman itself uses no huge pages.
    assert!(sideman.event(": THP_enabled").ends_with('1'));
    assert_eq!(sideman.status("THP_enabled"), "0");
}
