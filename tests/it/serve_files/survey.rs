//! Events about the directories of the prefixes.

use crate::support::{ReservedPort, Settings, TempDir};

#[test]
fn start_logs_each_prefix_and_warns_about_empty_ones() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    for name in
        ["full/a.css", "full/deep/b.css", "full/staticfiles.json", "plain/a.css", "plain/b.css"]
    {
        directory.write(name, r#"{"version": "1.1", "paths": {}}"#);
    }
    (0..4).for_each(|number| drop(directory.write(&format!("media/{number}"), "media")));
    std::fs::create_dir(directory.join("empty")).unwrap();
    let sideman = Settings::before(&application.url())
        .files("/full/", &directory.join("full"))
        .files("/plain/", &directory.join("plain"))
        .files("/empty/", &directory.join("empty"))
        .args(&["--media", &format!("/media/={}", directory.join("media").display())])
        .start();
    for (name, files, parts) in [
        ("full", 3, &[" INFO ", "manifest=true"][..]),
        ("plain", 2, &[" INFO ", "manifest=false"]),
        ("empty", 0, &[" WARN ", "has no files", "collectstatic"]),
        ("media", 4, &[" INFO "]),
    ] {
        let place = directory.join(name).display().to_string();
        let line = sideman.event(&format!("{place} files={files}"));
        for part in [&[&*format!("/{name}/")], parts].concat() {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

#[test]
fn first_404_of_a_prefix_logs_the_searched_path() {
    let (directory, application) = (TempDir::new(), ReservedPort::new());
    directory.write("static/static/a.css", "one level off");
    directory.write("media/a.txt", "media");
    let sideman = Settings::before(&application.url())
        .files("/static/", &directory.join("static"))
        .args(&["--media", &format!("/media/={}", directory.join("media").display())])
        .start();
    for target in
        ["/static/a.css", "/static/a.css", "/static/b.css", "/media/none%0Aa.txt", "/media/b"]
    {
        assert_eq!(sideman.get(target).status, 404, "{target}");
    }
    let (_, events) = sideman.stop_for_events();
    let first: Vec<&String> = events.iter().filter(|line| line.contains("first 404")).collect();
    assert_eq!(first.len(), 2, "{events:#?}");
    let place = directory.join("static/a.css").display().to_string();
    assert!(first[0].contains(&place) && first[0].contains("/static/a.css"), "{first:?}");
    assert!(first[1].contains("/media/none"), "{first:?}");
}
