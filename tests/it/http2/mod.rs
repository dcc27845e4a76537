//! HTTP/2 from clients, with prior knowledge on the plain listener: a client of the tests' own
//! that says exactly what a test wants, and others'.

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

/// Hundredths of a second for which the process has kept a processor.
fn ticks(sideman: &Sideman) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", sideman.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
