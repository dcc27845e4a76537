//! Finds the hash of a user's password.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use crate::plan::{PasswordHash, UserList};

/// The users of one route.
#[derive(Debug)]
pub(in crate::pipeline) struct UserTable {
    hashes: Vec<PasswordHash>,
    /// The index of each user's hash.
    names: HashMap<Box<[u8]>, usize, RandomState>,
}

/// The hash that a password is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    pub(super) hash: &'a PasswordHash,
    /// Whether the user exists. Otherwise the hash is somebody else's, and no password is right.
    pub(super) is_known: bool,
}

// === impl UserTable ===

impl UserTable {
    pub(in crate::pipeline) fn new(list: &UserList) -> Self {
        let names = list.0.iter().map(|user| user.name.as_bytes().into());
        Self {
            names: names.zip(0..).collect(),
            hashes: list.0.iter().map(|user| user.hash.clone()).collect(),
        }
    }

    /// Returns the account with a name. An unknown name has the hash of a user who is chosen by it, in a way that
    /// nobody outside can predict: so the time of a check does not reveal which names exist. `None` if there are no
    /// users.
    pub(super) fn account(&self, name: &[u8]) -> Option<Account<'_>> {
        let known = self.names.get(name).copied();
        let index = known.unwrap_or_else(|| {
            self.names.hasher().hash_one(name) as usize % self.hashes.len().max(1)
        });
        Some(Account { hash: self.hashes.get(index)?, is_known: known.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{HashKind, User};

    #[test]
    fn unknown_names_have_the_hash_of_some_user() {
        let user = |name: &str| User {
            name: name.into(),
            hash: PasswordHash { kind: HashKind::Bcrypt, text: format!("hash of {name}") },
        };
        let table = UserTable::new(&UserList(vec![user("alice"), user("bob")]));
        let alice = table.account(b"alice").unwrap();
        assert_eq!((alice.hash.text.as_str(), alice.is_known), ("hash of alice", true));
        let unknown = |number: u32| table.account(format!("x{number}").as_bytes()).unwrap();
        assert!((0..100).all(|number| !unknown(number).is_known));
        // Each has always the same.
        assert!((0..100).all(|number| unknown(number).hash == unknown(number).hash));
        assert!((0..100).any(|number| unknown(number).hash.text == "hash of alice"));
        assert!((0..100).any(|number| unknown(number).hash.text == "hash of bob"));
        assert!(!table.account(b"Alice").unwrap().is_known);
        assert!(UserTable::new(&UserList(vec![])).account(b"alice").is_none());
    }
}
