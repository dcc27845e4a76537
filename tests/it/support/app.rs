//! An application that responds to each request with the result of a function, and keeps its connections open.

use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::wire::{Request, Wire};

/// Listens on its own port.
#[derive(Debug)]
pub(crate) struct App {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Connections that carried a request; probes don't count.
    connections: AtomicUsize,
    requests: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    ends: AtomicBool,
}

// === impl App ===

impl App {
    /// The function returns the bytes of a whole response; one with `Connection: close` is the last
    /// on its connection.
    pub(crate) fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), answer)
    }

    /// Serves a listener that the test has created.
    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &shared, &Arc::new(answer)))
        };
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// Responds to every request with this text, and keeps connections as gunicorn's threaded worker does.
    pub(crate) fn saying(text: &'static str) -> Self {
        Self::start(move |_| Self::reply(text.as_bytes()))
    }

    /// A response that keeps the connection.
    pub(crate) fn reply(body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of connections that have carried a request.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The number of accepted connections, including those without a request.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// The number of requests that have arrived.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            // A panic was printed when it happened.
            let _ = acceptor.join();
        }
        // Ends the connections' threads, which wait for requests.
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept<F>(listener: &TcpListener, shared: &Arc<Shared>, answer: &Arc<F>)
where
    F: Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
{
    loop {
        let (stream, _) = listener.accept().unwrap();
        if shared.ends.load(Ordering::Relaxed) {
            return;
        }
        shared.open.lock().unwrap().push(stream.try_clone().unwrap());
        let (shared, answer) = (Arc::clone(shared), Arc::clone(answer));
        thread::spawn(move || {
            let mut wire = Wire::new(stream);
            let mut is_new = true;
            // The program under test may disconnect at any time: that is not a failure of the application.
            while let Ok(Some(request)) = wire.request() {
                shared.connections.fetch_add(usize::from(is_new), Ordering::Relaxed);
                shared.requests.fetch_add(1, Ordering::Relaxed);
                is_new = false;
                let response = answer(&request);
                // A head may be incomplete.
                let head_end = memchr::memmem::find(&response, b"\r\n\r\n");
                let head_end = head_end.unwrap_or(response.len());
                let closes =
                    memchr::memmem::find(&response[..head_end], b"Connection: close").is_some();
                if wire.write(&response).is_err() || closes {
                    break;
                }
            }
            // The clone above would keep the connection open.
            let _ = wire.stream().shutdown(Shutdown::Both);
        });
    }
}
