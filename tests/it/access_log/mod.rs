//! The access log: what a line tells (`lines`), what can be chosen about it (`choices`), and what it does
//! to requests when nobody reads it (`slow`).

mod choices;
mod escapes;
mod lines;
mod slow;
