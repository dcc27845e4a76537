//! Symbolic links: followed within the directory, never, or anywhere.

use std::os::unix::fs::symlink;

use crate::support::{ReservedPort, Settings, TempDir};

#[test]
fn the_policy_is_a_setting() {
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
        // They end inside, but only by way of the outside.
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
    // The directory's own path may lead through a link, whatever the policy.
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
        // Twice: at first from the disk, then from memory.
        for (name, text, allowed) in cases.iter().chain(&cases) {
            let response = client.get(&format!("/static/{name}"));
            if allowed[index] {
                let seen = (response.status, response.text());
                assert!(seen.0 == 200 && seen.1.starts_with(text), "{policy}: {name}: {seen:?}");
            } else {
                assert_eq!(response.status, 404, "{policy}: {name}");
            }
        }
        // Siblings are files like others.
        let packed = client.ask("GET", "/static/dir/file.txt", "Accept-Encoding: gzip\r\n");
        let expected = if policy == "never" { None } else { Some("gzip") };
        assert_eq!(packed.header("content-encoding"), expected, "{policy}");
    }
}

#[test]
fn a_link_that_is_turned_is_followed_anew() {
    // As releases are switched: `current` is replaced by a link to the next one.
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
