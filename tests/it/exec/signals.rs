//! Signals for the application.

use rustix::process::Signal;

use super::{child, process};

#[test]
fn signals_with_a_handler_are_passed() {
    let Some(settings) = child(&["{socket}", "handle"]) else { return };
    let sideman = settings.start().until_ready();
    let application = process(&sideman);
    for (signal, name) in [
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::TTIN, "SIGTTIN"),
        (Signal::TTOU, "SIGTTOU"),
        (Signal::HUP, "SIGHUP"),
    ] {
        sideman.signal(signal);
        sideman.event(&format!("got {name}"));
    }
    // SIGHUP is for the settings too.
    sideman.event("reloaded");
    assert_eq!(process(&sideman), application);
    assert_eq!(sideman.shut_down().0, Some(0));
}

#[test]
fn signals_without_a_handler_do_not_end_the_application() {
    let Some(settings) = child(&["{socket}"]) else { return };
    let sideman = settings.start().until_ready();
    let application = process(&sideman);
    for (signal, name) in [(Signal::USR1, "SIGUSR1"), (Signal::HUP, "SIGHUP")] {
        sideman.signal(signal);
        let event = sideman.event(&format!("signal=\"{name}\""));
        assert!(event.contains("signal not passed to the application"), "{event}");
    }
    assert_eq!(process(&sideman), application);
}

#[test]
fn reload_by_the_admin_listener_is_for_the_settings_alone() {
    let Some(settings) = child(&["{socket}", "handle"]) else { return };
    let sideman = settings.start().until_ready();
    assert_eq!(sideman.admin_post("/-/reload").status, 200);
    let (_, lines) = sideman.stop_for_events();
    assert!(!lines.iter().any(|line| line.contains("got SIGHUP")), "{lines:#?}");
}
