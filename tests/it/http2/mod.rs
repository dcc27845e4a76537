//! HTTP/2 with prior knowledge on the plain listener: with a test client
//! that sends exactly the given frames, and with common clients.

mod bodies;
mod drain;
mod files;
mod floods;
mod frames;
mod malformed;
mod preface;
mod responses;
mod rules;
mod slow;
mod tools;

use std::fs;

use crate::support::{Http2, Sideman};

fn connect(sideman: &Sideman) -> Http2 {
    Http2::connect(sideman.address())
}

/// CPU time of the process in hundredths of a second.
fn ticks(sideman: &Sideman) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", sideman.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
