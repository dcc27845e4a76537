//! What `sideman demo` puts behind Sideman: a small application that plays Django's part, and the
//! static files of its pages. Nothing here knows of Sideman's own modules, and nothing prints: the
//! command that starts the server in front says what there is to say.

mod app;
mod assets;
mod body;
mod html;
mod multipart;
mod pages;
mod site;
mod sound;
#[cfg(test)]
mod tests;

use self::{app::serve, site::Site};

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    thread::JoinHandle,
};

use tokio::sync::oneshot;

/// The running application and its static files; dropping it ends the one and removes the other.
#[derive(Debug)]
pub(super) struct Demo {
    /// Where the application listens.
    pub(super) application: SocketAddr,
    /// The directory to serve below `/static/`.
    pub(super) static_directory: PathBuf,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    _site: Site,
}

/// Writes the static files and starts the application on a thread of its own.
pub(super) fn start() -> io::Result<Demo> {
    let site = Site::new()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let application = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("demo-app".into()).spawn(move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                },
                Err(error) => tracing::error!(%error, "the demo's application could not start"),
            }
        });
    })?;
    Ok(Demo {
        application,
        static_directory: site.directory().to_owned(),
        thread: Some((stop, thread)),
        _site: site,
    })
}

/// The lines that tell a person where to look; the three are whole URLs.
pub(super) fn banner(site: &str, health: &str, metrics: &str) -> String {
    format!(
        "\n  Sideman demo\n  ────────────\n  \
         Site      {site}\n  \
         Health    {health}\n  \
         Metrics   {metrics}\n\n  \
         Open the site in a browser. Every request becomes one line here; Ctrl-C ends the demo.\n\n"
    )
}

// === impl Demo ===

impl Drop for Demo {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}
