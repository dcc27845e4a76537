//! Text settings to a [`Plan`](crate::plan::Plan): defaults, then a TOML file, then the environment,
//! then flags, each above the one before. `load` is the file to read first; `keys` is the table of
//! everything that can be set, and says where in the `draft` of the plan each value lands. Nothing after the start
//! reads a setting's text again.

mod inert;
mod keys;
mod load;
mod warnings;

mod conflict;
mod constraints;
mod draft;
mod read;

mod environment;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod sources;
mod text_file;

mod address;
mod caching;
mod certificates;
mod cors;
mod field;
mod format;
mod header_name;
mod host;
mod local_path;
mod log_names;
mod media_type;
mod own_address;
mod path;
mod route;
mod servers;
mod url;
mod value;

mod problem;
mod secret;
mod suggest;
mod summary;

pub use self::{
    environment::{Environment, environment},
    keys::{FlagSpec, KEYS, SECTIONS, SettingKey},
    load::{Flags, HealthTarget, LoadedSettings, health_target, load},
    problem::{Problem, Problems},
    read::Setting,
    secret::{masked, masked_url},
    sources::ValueOrigin,
    summary::summary,
    value::duration,
    warnings::{notes, warnings},
};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
