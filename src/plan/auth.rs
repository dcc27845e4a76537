//! Authentication: how the clients of a route prove who they are.

use std::{fmt, path::PathBuf};

use ipnet::IpNet;

use super::forward_auth::ForwardAuth;

/// The authentication of a route. A request takes all of it from one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthPolicy {
    pub auth: Auth,
    /// Networks whose clients need no authentication.
    pub allow: Vec<IpNet>,
}

/// The way to authenticate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// None, whatever less specific routes set.
    Off,
    /// The verdict of a server.
    Forward(ForwardAuth),
    /// A user name and a password (RFC 7617).
    Basic(BasicAuth),
}

/// The users that may send requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    pub users: UserSource,
    /// The text that a browser shows: visible ASCII without `"` and `\`.
    pub realm: String,
}

/// Where the users are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSource {
    /// A file, which `config` reads at the start and at each reload.
    File(PathBuf),
    List(UserList),
}

/// Users with different names; at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct UserList(pub Vec<User>);

/// A user who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub hash: PasswordHash,
}

/// The hash of a password, in the text form of crypt(3) and htpasswd. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    pub kind: HashKind,
    /// Has the form of its kind.
    pub text: String,
}

/// The ways to hash a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKind {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `$apr1$`: Apache's MD5.
    Apr1,
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
}

impl fmt::Debug for UserList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.0.len())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}
