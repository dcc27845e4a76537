//! The operator's files that control Sideman's own responses: pages that replace the built-in ones, and the file whose
//! existence turns on maintenance. A separate thread checks them once a second. Requests see only what that thread
//! found.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;

use crate::{
    body::FileIdentity,
    error::{Error, FailureKind},
    plan::{ErrorPage, PageContent, PageSource, Plan},
};

/// The pause between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The time that a file must be unchanged before it is read. Writers write in steps, and file times advance in steps of
/// up to 10 ms.
const MIN_UNCHANGED_TIME: Duration = Duration::from_millis(20);
/// The maximum size of a page, in bytes.
const MAX_PAGE_SIZE: u64 = 1024 * 1024;

/// What the last check found.
#[derive(Debug)]
pub(super) struct StatusPages {
    /// The page for each status, unless a route has another one.
    by_status: Vec<(StatusCode, PageSource)>,
    /// All files, sorted by path.
    files: Vec<NamedFile>,
    /// The contents of the files, in their order.
    contents: Vec<Mutex<Option<PageText>>>,
    /// The file whose existence turns on maintenance.
    flag: Option<PathBuf>,
    is_maintained: AtomicBool,
    /// Set once only requests in flight use these pages: the thread then stops.
    is_retired: AtomicBool,
}

/// A file, and a setting that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NamedFile {
    path: PathBuf,
    setting: String,
}

/// A page as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusPage {
    /// Replaces the status of the error.
    pub(super) status: Option<StatusCode>,
    pub(super) media_type: &'static str,
    pub(super) text: Bytes,
}

/// The contents of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PageText {
    media_type: &'static str,
    text: Bytes,
}

/// What the thread remembers between two checks.
#[derive(Debug, Default)]
struct PageWatcher {
    /// In the order of the files.
    files: Vec<PageFile>,
    maintenance: PageFile,
}

/// One file at the last check.
#[derive(Debug, Default)]
struct PageFile {
    identity: Option<FileIdentity>,
    /// Whether its fault was logged.
    is_reported: bool,
}

// === impl StatusPages ===

impl StatusPages {
    /// Creates the pages. Opens no file.
    pub(super) fn new(plan: &Plan) -> Arc<Self> {
        let by_status = plan.pages.errors.clone();
        let files = page_files(plan);
        let contents = files.iter().map(|_| Mutex::default()).collect();
        Arc::new(Self {
            by_status,
            files,
            contents,
            flag: plan.pages.maintenance.clone(),
            is_maintained: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
        })
    }

    /// Returns this value if the settings are equal, else a new one that starts with the state of this one.
    pub(super) fn next(self: &Arc<Self>, plan: &Plan) -> Arc<Self> {
        let next = Self::new(plan);
        let is_same = |one: &Self, other: &Self| {
            (&one.by_status, &one.files, &one.flag) == (&other.by_status, &other.files, &other.flag)
        };
        if is_same(self, &next) {
            return Arc::clone(self);
        }
        if self.flag == next.flag {
            // The new value did not start maintenance anew.
            let is_maintained = self.is_maintained.load(Ordering::Relaxed);
            next.is_maintained.store(is_maintained, Ordering::Relaxed);
        }
        next
    }

    /// Stops the checks.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Checks the files once, then starts a thread that checks them until this is dropped or retired.
    pub(super) fn begin(self: &Arc<Self>) {
        if self.files.is_empty() && self.flag.is_none() {
            return;
        }
        let mut watch = PageWatcher::default();
        watch.check_files(self);
        let pages = Arc::downgrade(self);
        let started = thread::Builder::new().name("pages".into()).spawn(move || {
            loop {
                thread::sleep(CHECK_INTERVAL);
                let used = |pages: &Arc<Self>| !pages.is_retired.load(Ordering::Relaxed);
                let Some(pages) = pages.upgrade().filter(used) else { return };
                watch.check_files(&pages);
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start the thread that watches error pages and maintenance.flag: \
                changes have no effect");
        }
    }

    /// Returns the page that is set for a status, unless its file could not be read. Those of the route come first.
    pub(super) fn error(&self, status: StatusCode, of_route: &[ErrorPage]) -> Option<StatusPage> {
        let of_route = of_route.iter().find(|page| page.statuses.contains(status));
        let source = match of_route {
            Some(page) => &page.page,
            None => {
                self.by_status.iter().find(|(with, _)| *with == status).map(|(_, page)| page)?
            }
        };
        let PageText { media_type, text } = match &source.content {
            PageContent::File(path) => self.file(path)?,
            PageContent::Text { media_type, text } => {
                PageText { media_type, text: Bytes::copy_from_slice(text.as_bytes()) }
            }
        };
        Some(StatusPage { status: source.status, media_type, text })
    }

    fn file(&self, path: &Path) -> Option<PageText> {
        let index = self.files.binary_search_by(|file| file.path.as_path().cmp(path)).ok()?;
        self.contents.get(index).and_then(|page| lock(page).clone())
    }

    /// Returns an error during maintenance.
    pub(super) fn check_maintenance(&self) -> Result<(), Error> {
        if self.is_maintained.load(Ordering::Relaxed) {
            return Err(Error::new(FailureKind::Maintenance));
        }
        Ok(())
    }
}

// === impl PageWatcher ===

impl PageWatcher {
    fn check_files(&mut self, pages: &StatusPages) {
        if let Some(path) = &pages.flag {
            self.check_maintenance_flag(pages, path);
        }
        self.files.resize_with(pages.files.len(), PageFile::default);
        let files = pages.files.iter().zip(&pages.contents);
        for ((NamedFile { path, setting }, kept), seen) in files.zip(&mut self.files) {
            match seen.read_if_changed(path) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    let media_type = media_type(path);
                    *lock(kept) = Some(PageText { media_type, text });
                }
                Err(error) => {
                    *lock(kept) = None;
                    if seen.is_new_fault() {
                        tracing::warn!(
                            setting, file = %path.display(), %error,
                            "cannot read the error page, sending the built-in one until the file is readable"
                        );
                    }
                }
            }
        }
    }

    fn check_maintenance_flag(&mut self, pages: &StatusPages, path: &Path) {
        let is_there = match path.metadata() {
            Ok(_) => true,
            Err(error) if is_not_found(&error) => false,
            Err(error) => {
                if self.maintenance.is_new_fault() {
                    tracing::warn!(
                        setting = "maintenance.flag", file = %path.display(), %error,
                        "cannot check whether the file exists, keeping the current state of maintenance"
                    );
                }
                return;
            }
        };
        self.maintenance.is_reported = false;
        if pages.is_maintained.swap(is_there, Ordering::Relaxed) != is_there {
            let file = path.display();
            if is_there {
                tracing::warn!(%file, "maintenance began: the application gets no requests");
            } else {
                tracing::info!(%file, "maintenance ended");
            }
        }
    }
}

// === impl PageFile ===

impl PageFile {
    /// Returns the contents, unless they are unchanged since the last check.
    fn read_if_changed(&mut self, path: &Path) -> io::Result<Option<Bytes>> {
        let read = self.try_read(path);
        if read.is_err() {
            self.identity = None;
        }
        read
    }

    fn try_read(&mut self, path: &Path) -> io::Result<Option<Bytes>> {
        // Examined before opening: opening a pipe would wait for a writer.
        let metadata = usable(path.metadata()?)?;
        if self.identity == Some(FileIdentity::of(&metadata)) {
            return Ok(None);
        }
        let is_fresh = |metadata: &Metadata| {
            let age = metadata.modified().ok().and_then(|when| when.elapsed().ok());
            age.is_some_and(|age| age < MIN_UNCHANGED_TIME)
        };
        if is_fresh(&metadata) {
            thread::sleep(MIN_UNCHANGED_TIME);
        }
        let file = File::open(path)?;
        let before = usable(file.metadata()?)?;
        let mut text = Vec::new();
        (&file).take(MAX_PAGE_SIZE + 1).read_to_end(&mut text)?;
        let after = usable(file.metadata()?)?;
        let is_whole = text.len() as u64 == after.len();
        if is_fresh(&after) || !is_whole || FileIdentity::of(&before) != FileIdentity::of(&after) {
            // Something is still writing the file. The next check will find it unchanged.
            return Ok(None);
        }
        self.identity = Some(FileIdentity::of(&after));
        self.is_reported = false;
        Ok(Some(text.into()))
    }

    fn is_new_fault(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reported, true)
    }
}

/// Returns each file that the settings name, once.
fn page_files(plan: &Plan) -> Vec<NamedFile> {
    let of_section = plan.pages.errors.iter().filter_map(|(status, page)| {
        let path = page.file()?.clone();
        Some(NamedFile { path, setting: format!("errors.{}", status.as_u16()) })
    });
    let of_routes = plan.routes.iter().flat_map(|route| {
        route.policies.errors.iter().filter_map(|page| {
            let path = page.page.file()?.clone();
            Some(NamedFile { path, setting: format!("route.{}.errors", route.name) })
        })
    });
    let mut files: Vec<NamedFile> = of_section.chain(of_routes).collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    files
}

fn usable(metadata: Metadata) -> io::Result<Metadata> {
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > MAX_PAGE_SIZE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(metadata)
}

fn is_not_found(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}

fn lock(page: &Mutex<Option<PageText>>) -> MutexGuard<'_, Option<PageText>> {
    // The lock guards only whole pages, so a poisoned one holds a valid page.
    page.lock().unwrap_or_else(PoisonError::into_inner)
}
