//! Turns text settings into a [`Plan`](crate::plan::Plan). The sources are defaults, the TOML file, the environment and
//! flags; each overrides the ones before. Read `load` first. `keys` is the table of all settings and of their fields in
//! the `draft` of the plan. After the start nothing reads a setting's text again.

mod inert;
mod keys;
mod load;
mod warnings;

mod conflict;
mod constraints;
mod draft;
mod rate_limit;
mod read;
mod redis_url;

mod environment;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod otel;
mod overlap;
mod sources;
mod text_file;

mod acme;
mod address;
mod auth;
mod auth_url;
mod aws;
mod aws_environment;
mod bucket_url;
mod buckets;
mod cache_names;
mod caching;
mod certificates;
mod cors;
mod error_pages;
mod file_place;
mod format;
mod forwarding;
mod header_edit;
mod header_name;
mod host;
mod htpasswd;
mod list_item;
mod local_path;
mod log_names;
mod media_type;
mod own_address;
mod path;
mod path_pattern;
mod plain_passwords;
mod route_action;
mod route_constraints;
mod route_draft;
mod route_match;
mod servers;
mod signed_urls;
mod template;
mod upstream_tls;
mod url;
mod user_files;
mod value;

mod problem;
mod secret;
mod suggest;
mod summary;

pub use self::{
    environment::{Environment, environment},
    keys::{FlagSpec, KEYS, ROUTE_KEYS, ROUTE_SECTION, SECTIONS, SettingId, SettingKey},
    load::{Flags, HealthTarget, LoadedSettings, admin_address, check_text, health_target, load},
    problem::{Problem, Problems},
    read::Setting,
    secret::{masked, masked_url},
    sources::ValueOrigin,
    summary::summary,
    upstream_tls::client_identity,
    user_files::read_user_files,
    value::duration,
    warnings::{notes, warnings},
};

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
