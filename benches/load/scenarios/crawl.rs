//! Slow clients: uploads and downloads that take longer than the scenario.
//!
//! They limit segments and windows to those of the internet. On loopback the kernel would
//! take a megabyte at once and no client would be slow.

use std::{
    cell::Cell,
    io,
    net::{SocketAddr, TcpStream as StdStream},
    rc::Rc,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{client, wire};

const UPLOAD: usize = 100 << 10;
/// app.py's `/large`; its last bytes are never read.
const DOWNLOAD: usize = 1 << 20;
const TICK: Duration = Duration::from_millis(200);
/// Time until all clients are connected, one after the other.
const ARRIVAL: Duration = Duration::from_secs(1);
/// Nine tenths of an upload or download arrive within the given time.
const SHARE: f64 = 0.9;
const SEGMENT: u32 = 1_460;
const WINDOW: u32 = 16 << 10;

/// The slow clients of one run; dropping them ends them.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// The number of uploads, and as many downloads.
    each: u32,
    tally: Rc<Tally>,
    _clients: JoinSet<()>,
}

/// The progress of the slow clients.
#[derive(Debug, Default)]
struct Tally {
    /// Downloads that have begun to arrive.
    served: Cell<u32>,
    /// Slow clients whose connection closed, or that got a response during their upload.
    cut: Cell<u32>,
}

// === impl Crowd ===

impl Crowd {
    /// Time to arrive before the load begins.
    pub(crate) const SETTLING: Duration = Duration::from_secs(2);

    /// Starts this number of each kind, which stay busy for longer than `length`; returns when they had
    /// time to arrive.
    pub(crate) async fn arrive(address: SocketAddr, each: u32, length: Duration) -> Self {
        let tally = Rc::new(Tally::default());
        let mut clients = JoinSet::new();
        for index in 0..each {
            let delay = ARRIVAL * index / each;
            let seen = Rc::clone(&tally);
            clients.spawn_local(async move {
                sleep(delay).await;
                // Any end is early, because its body is never complete.
                let _ = upload(address, length).await;
                seen.cut.set(seen.cut.get() + 1);
            });
            let seen = Rc::clone(&tally);
            clients.spawn_local(async move {
                sleep(delay).await;
                let _ = download(address, length, &seen).await;
                seen.cut.set(seen.cut.get() + 1);
            });
        }
        if each > 0 {
            sleep(Self::SETTLING).await;
        }
        Self { each, tally, _clients: clients }
    }

    /// The progress, for people; nothing if there are no slow clients.
    pub(crate) fn said(&self) -> Option<String> {
        let Tally { served, cut } = &*self.tally;
        (self.each > 0).then(|| {
            let (each, served, cut) = (self.each, served.get(), cut.get());
            format!("of {each} slow downloads {served} began, {cut} slow clients were closed")
        })
    }
}

/// Returns when the server closes the connection or responds.
async fn upload(address: SocketAddr, length: Duration) -> io::Result<()> {
    let mut stream = connect(address).await?;
    wire::write_all(&mut stream, &client::post_head(address, "/", UPLOAD)).await?;
    let piece = vec![b'u'; step(UPLOAD, length)];
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = UPLOAD - 1;
    let mut answer = [0; 1];
    loop {
        tokio::select! {
            _ = ticks.tick(), if left > 0 => {}
            read = stream.readable() => {
                read?;
                match stream.try_read(&mut answer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Ok(_) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
        let piece = piece.get(..left.min(piece.len())).unwrap_or_default();
        wire::write_all(&mut stream, piece).await?;
        left -= piece.len();
    }
}

/// Returns when the server closes the connection.
async fn download(address: SocketAddr, length: Duration, tally: &Tally) -> io::Result<()> {
    let mut stream = connect(address).await?;
    wire::write_all(&mut stream, &client::request(address, "/large", "")).await?;
    let mut piece = vec![0; step(DOWNLOAD, length)];
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut begun = false;
    loop {
        ticks.tick().await;
        if wire::read(&mut stream, &mut piece).await? == 0 {
            return Ok(());
        }
        if !begun {
            tally.served.set(tally.served.get() + 1);
            begun = true;
        }
    }
}

/// Bytes for each tick.
fn step(size: usize, length: Duration) -> usize {
    let ticks = length.as_secs_f64() / TICK.as_secs_f64();
    (size as f64 * SHARE / ticks) as usize
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_mss(SEGMENT)?;
    let socket = TcpSocket::from_std_stream(StdStream::from(socket));
    socket.set_recv_buffer_size(WINDOW)?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
