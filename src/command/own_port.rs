//! The port that a platform names for requests, which `sideman exec` listens at by default.

use std::ffi::OsStr;

use crate::config::{Environment, Flags, ValueOrigin};

/// The variable of platforms. Many servers look there for their own port.
pub(super) const PORT: &str = "PORT";

/// Makes the port of the environment the default of `server.listen`. Returns whether there is one.
pub(super) fn use_own_port(flags: &mut Flags, environment: &Environment) -> bool {
    let Some(port) = environment.get(OsStr::new(PORT)).and_then(|port| port.to_str()) else {
        return false;
    };
    let origin = ValueOrigin::Environment { name: PORT.into() };
    flags.defaults.push(("server.listen", format!("0.0.0.0:{port}"), origin));
    true
}
