//! Open files of the store: a deleted file is closed without a request for it.

use std::fs;

use super::Site;
use crate::support::{eventually, pattern};

/// Too large for memory.
const SIZE: usize = 3 << 20;

/// Descriptors of the process for a file of this name, deleted or not.
fn open(site: &Site, name: &str) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", site.sideman.pid())).unwrap();
    let paths = descriptors.filter_map(|one| fs::read_link(one.unwrap().path()).ok());
    paths.filter(|path| path.to_string_lossy().contains(name)).count()
}

#[test]
fn deleted_and_replaced_files_are_closed_without_a_request() {
    let content = pattern(SIZE);
    let names = ["deleted.bin", "replaced.bin", "moved.bin", "kept.bin"];
    let site = Site::with(&names.map(|name| (name, &content[..])));
    let mut client = site.sideman.connect();
    for name in names {
        assert!(client.get(&format!("/static/{name}")).body == content);
        assert_eq!(open(&site, name), 1, "{name}");
    }
    fs::remove_file(site.directory.join("deleted.bin")).unwrap();
    let temporary = site.directory.write("temporary", "the next version");
    fs::rename(temporary, site.directory.join("replaced.bin")).unwrap();
    // The file still has a name, and another one.
    fs::rename(site.directory.join("moved.bin"), site.directory.join("elsewhere")).unwrap();
    for name in ["deleted.bin", "replaced.bin", "elsewhere"] {
        eventually("its end", || (open(&site, name) == 0).then_some(()));
    }
    assert_eq!(open(&site, "kept.bin"), 1);
    assert!(client.get("/static/kept.bin").body == content);
    assert_eq!(client.get("/static/replaced.bin").text(), "the next version");
    assert_eq!(client.get("/static/deleted.bin").status, 404);

    // And again, after a while without any.
    fs::remove_file(site.directory.join("kept.bin")).unwrap();
    eventually("its end", || (open(&site, "kept.bin") == 0).then_some(()));
    assert!(client.get("/static/elsewhere").body == content);
    assert_eq!(open(&site, "elsewhere"), 1);
    fs::remove_file(site.directory.join("elsewhere")).unwrap();
    eventually("its end", || (open(&site, "elsewhere") == 0).then_some(()));
}
