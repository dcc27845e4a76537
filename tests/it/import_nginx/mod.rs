//! `sideman import-nginx`: nginx with a configuration, and Sideman with the imported settings, give the same responses
//! and pass the same requests on.

mod adapt;
mod application;
mod compare;
mod kinds;
mod servers;
mod statements;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use self::{adapt::Site, compare::Difference, servers::Nginx};

/// Compares both with this configuration. Everything must be translated, and every difference must be one that is
/// meant.
#[track_caller]
fn assert_equal(text: &str) {
    let site = Site::new(&[("site.conf".into(), text.into())], 1).expect("a site without TLS");
    let Some(nginx) = Nginx::start(&site) else { return };
    let imported = servers::import(&site);
    assert_eq!(imported.code, Some(0), "{}\n{}", imported.errors, imported.settings);
    let sideman = servers::start(&site, &imported);
    let found = compare::compare(&site, nginx.address, sideman.address());
    let unexplained: Vec<&Difference> = found.iter().filter(|one| one.reason.is_none()).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}\n{}\n{}", site.text, imported.settings);
}

/// Compares every configuration below `SIDEMAN_NGINX_CORPUS` that can run here: a directory each, whose file `MAIN` (or
/// `SOURCE`, its first word) names the first file. Prints what differs. For configurations that are no part of this
/// project.
#[test]
#[ignore = "needs configurations that are no part of this project, in the directory of SIDEMAN_NGINX_CORPUS"]
fn corpus_is_compared() {
    let corpus = std::env::var_os("SIDEMAN_NGINX_CORPUS").map(PathBuf::from);
    let corpus = corpus.expect("set SIDEMAN_NGINX_CORPUS to the directory of the configurations");
    let mut sites: Vec<PathBuf> = fs::read_dir(&corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    sites.sort();
    let mut report = String::new();
    let (mut compared, mut equal) = (0, 0);
    for path in sites {
        let name = path.file_name().unwrap().display().to_string();
        match std::panic::catch_unwind(|| one_of_corpus(&path)) {
            Ok(Some((text, is_equal))) => {
                compared += usize::from(is_equal.is_some());
                equal += usize::from(is_equal == Some(true));
                let _ = writeln!(report, "{name}: {text}");
            }
            Ok(None) => {}
            Err(_) => {
                let _ = writeln!(report, "{name}: failed");
            }
        }
    }
    let _ = writeln!(report, "{equal} of {compared} equal or explained");
    fs::write(corpus.with_file_name("COMPARED"), report).unwrap();
    assert!(compared > 0, "none of the configurations can run here");
}

/// The lines about one configuration, and whether both were equal; `None` if it cannot run here.
fn one_of_corpus(path: &Path) -> Option<(String, Option<bool>)> {
    let (files, main) = files(path);
    let site = Site::new(&files, main)?;
    let imported = servers::import(&site);
    if imported.code == Some(2) {
        return Some((imported.errors, None));
    }
    if imported.settings.contains("# Not valid") {
        return Some((format!("not valid\n{}", imported.settings), None));
    }
    let nginx = Nginx::start(&site)?;
    let sideman = servers::start(&site, &imported);
    let found = compare::compare(&site, nginx.address, sideman.address());
    let unexplained = found.iter().filter(|one| one.reason.is_none()).count();
    let mut text = format!(
        "import {:?}, {} requests, {} explained, {unexplained} unexplained",
        imported.code,
        compare::questions(&site).len(),
        found.len() - unexplained,
    );
    for one in found.iter().filter(|one| one.reason.is_none()) {
        let _ = write!(text, "\n    {}: {}", one.question, one.what);
    }
    Some((text, Some(unexplained == 0)))
}

/// The files of a directory, those first that are given to nginx.
fn files(path: &Path) -> (Vec<(String, String)>, usize) {
    let read = |name: &str| fs::read_to_string(path.join(name)).ok();
    let main = read("MAIN")
        .or_else(|| Some(read("SOURCE")?.split_whitespace().next()?.to_owned()))
        .unwrap_or_default();
    let main: Vec<&str> = main.split_whitespace().collect();
    let mut files: Vec<(String, String)> =
        main.iter().map(|name| ((*name).to_owned(), read(name).unwrap_or_default())).collect();
    let mut directories = vec![path.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let inner = entry.unwrap().path();
            if inner.is_dir() {
                directories.push(inner);
                continue;
            }
            let name = inner.strip_prefix(path).unwrap().display().to_string();
            if !main.contains(&name.as_str()) && !matches!(name.as_str(), "MAIN" | "SOURCE") {
                files.push((name.clone(), read(&name).unwrap_or_default()));
            }
        }
    }
    (files, main.len())
}
