//! The section `upstream` to what the application is, how it is spoken to, and how it is protected.

use std::time::Duration;

use crate::plan::{Admission, Flavour, Probe, Protocol, Upstream, Uwsgi};

use super::{
    path,
    reader::Reader,
    servers::{self, Server},
};

pub(super) const URL: &str = "upstream.url";
/// What uWSGI has without a setting of its own.
const UWSGI_BUFFER: u64 = 4096;
/// What the uwsgi protocol can say, and gunicorn takes.
const GUNICORN_BUFFER: u64 = u16::MAX as u64;

/// What holds for every application, whatever its servers are.
pub(super) struct Manner {
    admission: Admission,
    abort: bool,
    times: Times,
    pool: Pool,
    probe: Option<Probe>,
    uwsgi: Uwsgi,
}

struct Times {
    connect: Duration,
    read: Duration,
    total: Option<Duration>,
    tunnel: Duration,
}

struct Pool {
    idle_timeout: Duration,
    max_idle: usize,
    max_age: Duration,
}

/// The servers of the application, and what holds for every other one as well.
pub(super) fn upstream(reader: &mut Reader<'_>) -> Option<(Vec<Server>, Manner)> {
    let servers = reader.list(URL, servers::server, servers::show);
    for (fault, plain) in servers.as_deref().map(servers::faults).unwrap_or_default() {
        reader.conflict_of(&[URL], fault, plain);
    }
    let admission = admission(reader);
    let abort = reader.boolean("upstream.abort");
    let times = times(reader);
    let pool = pool(reader);
    let probe = probe(reader);
    let uwsgi = uwsgi(reader);
    let manner = Manner {
        admission: admission?,
        abort: abort?,
        times: times?,
        pool: pool?,
        probe: probe?,
        uwsgi: uwsgi?,
    };
    Some((servers?, manner))
}

// === impl Manner ===

impl Manner {
    /// The application that these servers are; `None` if there are none.
    pub(super) fn towards(&self, servers: Vec<Server>) -> Option<Upstream> {
        let protocol = match servers.first()? {
            (Protocol::Http1, _) => Protocol::Http1,
            // What an address says of it is that it is uwsgi.
            (Protocol::Uwsgi(_), _) => Protocol::Uwsgi(self.uwsgi),
        };
        Some(Upstream {
            protocol,
            targets: servers.into_iter().map(|(_, target)| target).collect(),
            connect_timeout: self.times.connect,
            read_timeout: self.times.read,
            total_timeout: self.times.total,
            idle_timeout: self.pool.idle_timeout,
            max_idle: self.pool.max_idle,
            max_age: self.pool.max_age,
            admission: self.admission,
            probe: self.probe.clone(),
            abort: self.abort,
            tunnel_timeout: self.times.tunnel,
        })
    }
}

fn admission(reader: &mut Reader<'_>) -> Option<Admission> {
    let max_in_flight = reader.integer("upstream.max_in_flight");
    let queue = reader.integer("upstream.queue");
    let queue_timeout = reader.duration("upstream.queue_timeout");
    let wait = reader.duration("upstream.wait");
    Some(Admission {
        max_in_flight: max_in_flight?,
        queue: queue?,
        queue_timeout: queue_timeout?,
        wait: wait?,
    })
}

fn times(reader: &mut Reader<'_>) -> Option<Times> {
    let connect = reader.duration("upstream.connect_timeout");
    let read = reader.duration("upstream.read_timeout");
    let total = reader.duration_or_word("upstream.total_timeout");
    let tunnel = reader.duration("upstream.tunnel_timeout");
    Some(Times { connect: connect?, read: read?, total: total?, tunnel: tunnel? })
}

fn pool(reader: &mut Reader<'_>) -> Option<Pool> {
    let idle_timeout = reader.duration("upstream.idle_timeout");
    let max_idle = reader.integer("upstream.max_idle");
    let max_age = reader.duration("upstream.max_age");
    Some(Pool { idle_timeout: idle_timeout?, max_idle: max_idle?, max_age: max_age? })
}

fn probe(reader: &mut Reader<'_>) -> Option<Option<Probe>> {
    const PATH: &str = "upstream.probe_path";
    let interval = reader.duration_or_word("upstream.probe");
    let path = reader.one_or_none(PATH, path::probe, String::clone);
    let (interval, path) = (interval?, path?);
    if interval.is_none() && path.is_some() {
        reader.conflict(PATH, "upstream.probe is off: set it, such as to 5s, or leave this out");
    }
    Some(interval.map(|interval| Probe { interval, path }))
}

fn uwsgi(reader: &mut Reader<'_>) -> Option<Uwsgi> {
    let flavour = reader.choice("upstream.uwsgi_flavour", &[Flavour::Uwsgi, Flavour::Gunicorn]);
    let buffer_size = reader.size_or_word("upstream.uwsgi_buffer_size");
    let (flavour, buffer_size) = (flavour?, buffer_size?);
    let usual = match flavour {
        Flavour::Uwsgi => UWSGI_BUFFER,
        Flavour::Gunicorn => GUNICORN_BUFFER,
    };
    let buffer_size = usize::try_from(buffer_size.unwrap_or(usual)).ok()?;
    Some(Uwsgi { flavour, buffer_size })
}

#[cfg(test)]
mod tests {
    use crate::plan::Target;

    use super::*;
    use crate::config::{
        keys,
        sources::{Origin, Sources, Value},
    };

    fn manner(settings: &[(&str, &str)]) -> Manner {
        let mut sources = Sources::defaults();
        for (name, text) in [(URL, "http://app:8000")].iter().chain(settings) {
            let origin = Origin::Environment { name: (*name).into() };
            sources.set(keys::find(name).unwrap(), Value { items: vec![(*text).into()], origin });
        }
        let mut reader = Reader::new(&sources, Vec::new());
        upstream(&mut reader).unwrap().1
    }

    fn at(protocol: Protocol) -> Server {
        (protocol, Target::Unix("/run/app.sock".into()))
    }

    #[test]
    fn the_settings_of_uwsgi_are_those_of_its_servers() {
        let said = Uwsgi { flavour: Flavour::Uwsgi, buffer_size: 1 };
        let (flavour, size) = ("upstream.uwsgi_flavour", "upstream.uwsgi_buffer_size");
        for (settings, flavour, buffer_size) in [
            (&[][..], Flavour::Uwsgi, 4096),
            (&[(flavour, "gunicorn")], Flavour::Gunicorn, 65_535),
            (&[(size, "32KiB")], Flavour::Uwsgi, 32_768),
            (&[(flavour, "gunicorn"), (size, "8KiB")], Flavour::Gunicorn, 8_192),
        ] {
            let manner = manner(settings);
            let uwsgi = manner.towards(vec![at(Protocol::Uwsgi(said))]).unwrap();
            assert_eq!(uwsgi.protocol, Protocol::Uwsgi(Uwsgi { flavour, buffer_size }));
            let http = manner.towards(vec![at(Protocol::Http1)]).unwrap();
            assert_eq!(http.protocol, Protocol::Http1);
            assert_eq!((http.targets.len(), http.admission), (1, uwsgi.admission));
        }
        assert_eq!(manner(&[]).towards(Vec::new()), None);
    }
}
