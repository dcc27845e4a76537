//! The application writes to the same stdout as Sideman.

use std::thread;

use super::child;

/// Lines of both are whole, though the application writes all the time.
#[test]
fn lines_of_the_application_and_the_access_log_do_not_mix() {
    let Some(settings) = child(&["{socket}", "print"]) else { return };
    let sideman = settings.start().until_ready();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = sideman.connect();
                for _ in 0..250 {
                    assert_eq!(client.get("/some/path/of/a/page").status, 200);
                }
            });
        }
    });
    let (code, lines) = sideman.shut_down();
    assert_eq!(code, Some(0));
    let is_application = |line: &str| {
        line.starts_with("application x") && line.ends_with("x end") && line.len() == 916
    };
    let others: Vec<&String> = lines.iter().filter(|line| !is_application(line)).collect();
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let odd: Vec<_> = others.iter().filter(|line| !is_json(line)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(others.iter().filter(|line| line.contains("/some/path")).count(), 1000);
}
