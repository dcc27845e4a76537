//! The access log: the fields of a line (`lines`), its settings (`choices`), and how requests behave
//! when nobody reads the log (`slow`).

mod choices;
mod escapes;
mod lines;
mod slow;
