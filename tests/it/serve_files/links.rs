//! Symbolic links: followed within the directory, never, or anywhere.

use std::os::unix::fs::symlink;

use crate::support::{ReservedPort, Settings, TempDir};

#[test]
fn symlink_policy_is_a_setting() {
    let (parent, application) = (TempDir::new(), ReservedPort::new());
    parent.write("site/real/file.txt", "inside".repeat(9));
    parent.write("site/real/file.txt.gz", "packed");
    parent.write("site/page/index.html", "inside".repeat(9));
    parent.write("outside/secret.txt", "outside");
    let site = parent.join("site");
    let absolute = |name: &str| parent.join(name).display().to_string();
    for (link, target) in [
        ("file.txt", "real/file.txt"),
        ("dir", "real"),
        ("deep/up.txt", "../real/file.txt"),
        ("chain.txt", "file.txt"),
        ("out.txt", "../outside/secret.txt"),
        ("out", "../outside"),
        ("absolute.txt", &absolute("outside/secret.txt")),
        // Their targets are inside, but the path leads through the outside.
        ("around.txt", "../site/real/file.txt"),
        ("absolute-inside.txt", &absolute("site/real/file.txt")),
        ("loop", "loop"),
        ("dangling.txt", "nothing"),
        ("magic", "/proc/self/cwd"),
        ("pages", "page"),
    ] {
        let path = site.join(link);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
    // The directory's own path may lead through a link, with any policy.
    symlink("site", parent.join("current")).unwrap();

    let cases = [
        ("real/file.txt", "inside", [true, true, true]),
        ("file.txt", "inside", [false, true, true]),
        ("dir/file.txt", "inside", [false, true, true]),
        ("deep/up.txt", "inside", [false, true, true]),
        ("chain.txt", "inside", [false, true, true]),
        ("pages/", "inside", [false, true, true]),
        ("out.txt", "outside", [false, false, true]),
        ("out/secret.txt", "outside", [false, false, true]),
        ("absolute.txt", "outside", [false, false, true]),
        ("around.txt", "inside", [false, false, true]),
        ("absolute-inside.txt", "inside", [false, false, true]),
        ("loop", "", [false; 3]),
        ("dangling.txt", "", [false; 3]),
        ("magic/Cargo.toml", "", [false; 3]),
    ];
    for (index, policy) in ["never", "within", "anywhere"].into_iter().enumerate() {
        let sideman = Settings::before(&application.url())
            .files("/static/", &parent.join("current"))
            .set("static.symlinks", policy)
            .set("static.index", "index.html")
            .start();
        let mut client = sideman.connect();
        // Twice: from disk, then from memory.
        for (name, text, allowed) in cases.iter().chain(&cases) {
            let response = client.get(&format!("/static/{name}"));
            if allowed[index] {
                let seen = (response.status, response.text());
                assert!(seen.0 == 200 && seen.1.starts_with(text), "{policy}: {name}: {seen:?}");
            } else {
                assert_eq!(response.status, 404, "{policy}: {name}");
            }
        }
        // Precompressed files follow the same rules.
        let packed = client.ask("GET", "/static/dir/file.txt", "Accept-Encoding: gzip\r\n");
        let expected = if policy == "never" { None } else { Some("gzip") };
        assert_eq!(packed.header("content-encoding"), expected, "{policy}");
    }
}

#[test]
fn changed_link_is_followed() {
    // Releases are switched like this: `current` is replaced by a link to the next one.
    let (parent, application) = (TempDir::new(), ReservedPort::new());
    for release in ["one", "two"] {
        parent.write(&format!("{release}/a.css"), release);
        symlink(release, parent.join(&format!("to-{release}"))).unwrap();
    }
    symlink("one", parent.join("current")).unwrap();
    let sideman = Settings::before(&application.url())
        .files("/static/", &parent.join("current"))
        .set("static.check_interval", "50ms")
        .start();
    let mut client = sideman.connect();
    assert_eq!(client.get("/static/a.css").text(), "one");
    for release in ["two", "one"] {
        std::fs::rename(parent.join(&format!("to-{release}")), parent.join("current")).unwrap();
        crate::support::eventually("the other release", || {
            (client.get("/static/a.css").text() == release).then_some(())
        });
    }
}

#[test]
fn link_that_is_not_followed_is_reported_once() {
    let (parent, application) = (TempDir::new(), ReservedPort::new());
    parent.write("site/real/file.txt", "inside");
    parent.write("outside/secret.txt", "outside");
    let site = parent.join("site");
    let outside = parent.join("outside");
    let outside = outside.to_str().unwrap();
    let inside = parent.join("site/real/file.txt").display().to_string();
    let gone = "/nowhere/at/all.txt".to_owned();
    // The requested name, the link on its path, the link's target, and the event for each policy.
    let cases = [
        ("absolute.txt", "absolute.txt", format!("{outside}/secret.txt"), [true, true]),
        ("inside.txt", "inside.txt", inside, [true, true]),
        ("gone.txt", "gone.txt", gone, [true, true]),
        ("out.txt", "out.txt", "../outside/secret.txt".to_owned(), [true, true]),
        ("dir/secret.txt", "dir", outside.to_owned(), [true, true]),
        ("real/up.txt", "real/up.txt", "../../outside/secret.txt".to_owned(), [true, true]),
        ("relative.txt", "relative.txt", "real/file.txt".to_owned(), [true, false]),
        ("dangling.txt", "dangling.txt", "none.txt".to_owned(), [true, false]),
    ];
    for (_, link, target, _) in &cases {
        symlink(target, site.join(link)).unwrap();
    }
    // Through a link that is followed.
    symlink("absolute.txt", site.join("chain.txt")).unwrap();
    // A precompressed file follows the same rules.
    symlink(format!("{outside}/secret.txt"), site.join("real/file.txt.gz")).unwrap();

    for (index, policy) in ["never", "within"].into_iter().enumerate() {
        let sideman = Settings::before(&application.url())
            .files("/static/", &site)
            .set("static.symlinks", policy)
            .set("static.check_interval", "0s")
            .start();
        let mut client = sideman.connect();
        for _ in 0..3 {
            for (name, _, _, reported) in &cases {
                let expected = match (reported[index], *name) {
                    (false, "relative.txt") => 200,
                    _ => 404,
                };
                let response = client.get(&format!("/static/{name}"));
                assert_eq!(response.status, expected, "{policy} {name}");
            }
            assert_eq!(client.get("/static/chain.txt").status, 404, "{policy}");
            assert_eq!(client.get("/static/real/file.txt").status, 200, "{policy}");
            // A missing file is not reported.
            assert_eq!(client.get("/static/none.txt").status, 404);
            assert_eq!(client.get("/static/real/file.txt/none").status, 404);
        }
        let (_, events) = sideman.stop_for_events();
        let events: Vec<&String> =
            events.iter().filter(|line| line.contains("symbolic link not followed")).collect();
        for (_, link, target, reported) in &cases {
            let link = format!("link={}/{link} target={target} ", site.display());
            let found: Vec<_> = events.iter().filter(|line| line.contains(&link)).collect();
            assert_eq!(found.len(), usize::from(reported[index]), "{policy} {link}: {events:#?}");
            for line in found {
                let setting = format!("static.symlinks=\"{policy}\"");
                for part in [" WARN ", "static.symlinks to", setting.as_str()] {
                    assert!(line.contains(part), "{part} in {line}");
                }
            }
        }
        let precompressed = events.iter().filter(|line| line.contains("real/file.txt.gz ")).count();
        assert_eq!(precompressed, 1, "{events:#?}");
        // With the event of chain.txt, which is separate if no link is followed.
        let all = cases.iter().filter(|case| case.3[index]).count() + 1 + usize::from(index == 0);
        assert_eq!(events.len(), all, "{events:#?}");
    }
}

#[test]
fn many_links_do_not_flood_the_log() {
    // collectstatic --link makes these.
    let (parent, application) = (TempDir::new(), ReservedPort::new());
    parent.write("site/a.txt", "a");
    let source = parent.write("source.css", "a{}");
    for number in 0..200 {
        symlink(&source, parent.join(&format!("site/{number}.css"))).unwrap();
    }
    let sideman =
        Settings::before(&application.url()).files("/static/", &parent.join("site")).start();
    let mut client = sideman.connect();
    for number in 0..200 {
        assert_eq!(client.get(&format!("/static/{number}.css")).status, 404);
    }
    let (_, events) = sideman.stop_for_events();
    let count = events.iter().filter(|line| line.contains("symbolic link not followed")).count();
    assert!((1..60).contains(&count), "{count}");
    assert!(events.iter().any(|line| line.contains("collectstatic without --link")), "{events:#?}");
}
