//! Apache's variant of the MD5-based crypt(3) of FreeBSD, which `htpasswd -m` writes. Its rounds are few: bcrypt is
//! better.

use md5::{Digest as _, Md5};

const MAGIC: &[u8] = b"$apr1$";
const ROUNDS: usize = 1000;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The bytes of the digest that make four characters each, the most significant first.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
/// The byte that makes the last two characters.
const LAST: usize = 11;

/// Returns the part of the hash that follows the salt and its `$`.
pub(super) fn hash(password: &[u8], salt: &[u8]) -> String {
    let inner =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut context = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
    for chunk in password.chunks(inner.len()) {
        context.update(inner.get(..chunk.len()).unwrap_or_default());
    }
    // The bits of the length, the lowest first: a zero byte for 1, the first letter for 0.
    let mut bits = password.len();
    while bits > 0 {
        match bits & 1 {
            1 => context.update([0]),
            _ => context.update(password.get(..1).unwrap_or_default()),
        }
        bits >>= 1;
    }
    let mut digest = context.finalize();
    for round in 0..ROUNDS {
        let is_odd = round % 2 == 1;
        let mut context = Md5::new();
        context.update(if is_odd { password } else { &digest });
        if round % 3 != 0 {
            context.update(salt);
        }
        if round % 7 != 0 {
            context.update(password);
        }
        context.update(if is_odd { &digest } else { password });
        digest = context.finalize();
    }
    let byte = |index: usize| u32::from(digest.get(index).copied().unwrap_or_default());
    let mut text = String::with_capacity(22);
    for [first, second, third] in GROUPS {
        push(&mut text, byte(first) << 16 | byte(second) << 8 | byte(third), 4);
    }
    push(&mut text, byte(LAST), 2);
    text
}

/// Appends characters of six bits each, the lowest first.
fn push(text: &mut String, mut bits: u32, count: usize) {
    for _ in 0..count {
        let letter = ALPHABET.get((bits & 0x3f) as usize).copied().unwrap_or_default();
        text.push(char::from(letter));
        bits >>= 6;
    }
}
