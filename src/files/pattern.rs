//! Matches a name against the form that a caching rule describes: a glob, or a bundler's naming scheme.
//!
//! Caches keep a name that counts as hashed for a year, and it cannot be recalled. A hashed name that is not recognised
//! only costs a revalidation a minute later. So a hash must not look like a word or a number.

use crate::plan::NamePatternRule;

/// A token of a glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GlobToken {
    /// This character.
    One(char),
    /// `?`: one character except `/`.
    Any,
    /// `*`: any number of characters except `/`.
    Segment,
    /// `**`: any number of characters.
    Deep,
    /// `**/` where a segment begins: any number of directories, including none.
    Directories,
}

/// Whether a file's name below its directory matches. Bytes that are not UTF-8 are characters that only wildcards
/// match.
///
/// A glob that begins with `/` stands for the whole name as well; `**/` also matches no directory. Of true hashes, one
/// in thirty of Vite's, one in ten of webpack's with eight digits and one in four of esbuild's are not recognised. A
/// glob such as `assets/**` is more reliable for a directory that holds nothing else.
pub(super) fn matches(pattern: &NamePatternRule, name: &[u8]) -> bool {
    let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    match pattern {
        NamePatternRule::Glob(glob) => match glob.strip_prefix('/') {
            Some(glob) => matches_glob(glob, name),
            None if glob.contains('/') => matches_glob(glob, name),
            None => matches_glob(glob, last),
        },
        NamePatternRule::Vite => after_dash(last).is_some_and(is_vite_hash),
        NamePatternRule::Webpack => between_dots(last).is_some_and(is_hex_hash),
        NamePatternRule::Esbuild => after_dash(last).is_some_and(is_base32_hash),
    }
}

/// Follows all ways to match at once, so the time is at most the product of the lengths.
fn matches_glob(glob: &str, name: &[u8]) -> bool {
    let tokens = tokens(glob);
    // The tokens before which the match can be after the characters read so far, and whether it can be behind the last.
    let mut before = vec![false; tokens.len()];
    let mut done = skip(&tokens, &mut before, true, true);
    for character in String::from_utf8_lossy(name).chars() {
        let mut moved = false;
        for (here, token) in before.iter_mut().zip(&tokens) {
            let was_here = *here;
            *here = moved || (was_here && token.stays(character));
            moved = was_here && token.moves(character);
        }
        done = moved | skip(&tokens, &mut before, false, character == '/');
        if !done && !before.contains(&true) {
            return false;
        }
    }
    done
}

/// Skips the tokens that may match nothing. Returns whether that leads behind the last.
fn skip(tokens: &[GlobToken], before: &mut [bool], mut open: bool, at_segment: bool) -> bool {
    for (here, token) in before.iter_mut().zip(tokens) {
        *here |= open;
        open = *here && token.may_be_nothing(at_segment);
    }
    open
}

fn tokens(glob: &str) -> Vec<GlobToken> {
    let mut tokens = Vec::with_capacity(glob.len());
    let mut rest = glob;
    let mut at_segment = true;
    while let Some(character) = rest.chars().next() {
        let behind_stars = rest.trim_start_matches('*');
        let (token, behind) = match (character, rest.len() - behind_stars.len()) {
            (_, 1) => (GlobToken::Segment, behind_stars),
            (_, 2..) => match behind_stars.strip_prefix('/') {
                Some(behind) if at_segment => (GlobToken::Directories, behind),
                _ => (GlobToken::Deep, behind_stars),
            },
            ('?', 0) => (GlobToken::Any, rest.get(1..).unwrap_or_default()),
            (_, 0) => {
                (GlobToken::One(character), rest.get(character.len_utf8()..).unwrap_or_default())
            }
        };
        at_segment = matches!(token, GlobToken::One('/') | GlobToken::Directories);
        tokens.push(token);
        rest = behind;
    }
    tokens
}

// === impl GlobToken ===

impl GlobToken {
    /// Whether it can match this character and further ones.
    fn stays(self, character: char) -> bool {
        match self {
            Self::Segment => character != '/',
            Self::Deep | Self::Directories => true,
            Self::One(_) | Self::Any => false,
        }
    }

    /// Whether it can match this character as its last.
    fn moves(self, character: char) -> bool {
        match self {
            Self::One(expected) => character == expected,
            Self::Any => character != '/',
            Self::Segment | Self::Deep | Self::Directories => false,
        }
    }

    fn may_be_nothing(self, at_segment: bool) -> bool {
        match self {
            Self::Segment | Self::Deep => true,
            Self::Directories => at_segment,
            Self::One(_) | Self::Any => false,
        }
    }
}

/// Returns the hash in `name-12345678.ext`.
fn after_dash(name: &[u8]) -> Option<&[u8]> {
    let (stem, extension) = split_at_last_dot(name)?;
    let (stem, hash) = stem.split_at_checked(stem.len().checked_sub(8)?)?;
    let stem = stem.strip_suffix(b"-")?;
    (!stem.is_empty() && is_extension(extension)).then_some(hash)
}

/// Returns the hash in `name.12345678.ext`, `12345678.ext` and, as Create React App writes it,
/// `name.12345678.chunk.js`.
fn between_dots(name: &[u8]) -> Option<&[u8]> {
    let (stem, extension) = split_at_last_dot(name)?;
    let stem = stem.strip_suffix(b".chunk").unwrap_or(stem);
    let (name, hash) = split_at_last_dot(stem).unwrap_or((b"name", stem));
    (!name.is_empty() && is_extension(extension)).then_some(hash)
}

/// Whether this is an extension, except that of source maps: a comment changes them, but not the script whose hash they
/// carry.
fn is_extension(extension: &[u8]) -> bool {
    extension.iter().all(u8::is_ascii_alphanumeric) && !matches!(extension, b"" | b"map")
}

fn split_at_last_dot(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    Some((name.get(..dot)?, name.get(dot + 1..)?))
}

/// Whether this is a hash of Vite's. Rollup 4 writes base64url, where one hash in fifty has no capital and almost every
/// word has none; Rollup 3 wrote hexadecimal digits. Two joined words, such as `UserList`, have the form of a hash as
/// well.
fn is_vite_hash(part: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_mixed = part.iter().any(u8::is_ascii_uppercase) && !is_word_and_number(part);
    part.iter().all(is_base64) && (is_mixed || is_hex_hash(part))
}

fn is_base32_hash(part: &[u8]) -> bool {
    part.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')) && !is_word_and_number(part)
}

/// Whether this is a word, a number, or a word with a number behind it: `Template`, `SETTINGS`, `IMG_1234`.
fn is_word_and_number(part: &[u8]) -> bool {
    let behind = |bytes: &[u8], is_skipped: fn(&u8) -> bool| {
        bytes.iter().position(|byte| !is_skipped(byte)).unwrap_or(bytes.len())
    };
    let mut rest = part;
    for class in [
        u8::is_ascii_uppercase,
        u8::is_ascii_lowercase,
        |byte: &u8| matches!(byte, b'-' | b'_'),
        u8::is_ascii_digit,
    ] {
        rest = rest.get(behind(rest, class)..).unwrap_or_default();
    }
    rest.is_empty()
}

/// Whether this is a hexadecimal hash: neither a number nor a word, nor one beside the other (`20240131`, `cafe2024`),
/// nor a date (`1dec2024`).
fn is_hex_hash(part: &[u8]) -> bool {
    let letters = part.iter().filter(|byte| byte.is_ascii_lowercase());
    (8..=64).contains(&part.len())
        && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && part.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).count() >= 3
        && !letters.clone().eq(b"dec")
        && !letters.clone().eq(b"feb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};

    #[test]
    fn globs() {
        for (glob, names, others) in [
            ("*.css", "a.css css/a.css .css", "a.css.map css a.CSS"),
            ("base.*", "base.css a/base. base.a.b", "a.base.css base"),
            ("robots.txt", "robots.txt a/robots.txt", "robotsxtxt robots.txt/a"),
            ("/robots.txt", "robots.txt", "a/robots.txt"),
            ("css/*.css", "css/a.css", "css/a/b.css a/css/b.css css/a.css/b"),
            ("css/**", "css/a css/a/b.css css/", "css a/css/b"),
            ("**/*.css", "a.css a/b.css a/b/c.css", "a.css/b a/b"),
            ("a/**/b", "a/b a/x/b a/x/y/b", "ab a/xb a/b/c xa/b"),
            ("a**b", "ab axb", "a/b"),
            ("x/a**b", "x/ab x/a/b x/ayb/yb", "x/a a/b"),
            ("?.js", "a.js é.js b/ü.js", "ab.js .js"),
            ("a/?/b", "a/x/b", "a//b a/xy/b"),
            ("*", "a a/b .a", ""),
            ("[a].js", "[a].js", "a.js"),
            ("é*", "é éa", "e"),
        ] {
            let pattern = NamePatternRule::Glob(glob.to_owned());
            for name in names.split(' ') {
                assert!(matches(&pattern, name.as_bytes()), "{glob} and {name}");
            }
            for name in others.split_whitespace() {
                assert!(!matches(&pattern, name.as_bytes()), "{glob} and {name}");
            }
        }
        assert!(matches(&NamePatternRule::Glob("a?.js".to_owned()), b"a\xff.js"));
        assert!(!matches(&NamePatternRule::Glob("a??.js".to_owned()), "aé.js".as_bytes()));
    }

    #[test]
    fn a_glob_never_explodes() {
        let glob = NamePatternRule::Glob(format!("/{}b", "**a*?".repeat(40)));
        let begin = std::time::Instant::now();
        assert!(!matches(&glob, &[b'a'; 4095]));
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    }

    /// Names as the bundlers write them, including those of their manuals and templates, and look-alikes.
    #[test]
    fn bundlers() {
        for (pattern, names) in [
            (
                NamePatternRule::Vite,
                "index-DiwrgTda.css index-f40OySzR.js assets/react-CHdo91hT.svg index-n_ryQ3BS.css \
                 shared-B7PI925R.js foo-BRBmoGS9.js foo-5UjPuW-k.css shared-ChJ_j-JG.css \
                 baz-B2H3sXNv.js bar-gkvgaI9m.js index-legacy-Bf3gkJsd.js index--Bq7xKd2.js \
                 foo.module-B7PI925R.css index-06d14ce2.js vendor-4b3f5a9c.js",
            ),
            (
                NamePatternRule::Webpack,
                "static/js/main.86265e7e.js 787.dd20aa60.chunk.js main.073c9b0a.css \
                 logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg 6ce24c58023cc2f8fd88.woff2 \
                 main.4dc5c6e9b1b9a0b0b0d1.js base.934aa95f5b5f.css index.06d14ce2.js a.b.2d91f3a0.js",
            ),
            (
                NamePatternRule::Esbuild,
                "chunk-3YSFNLPC.js index-Z4VHXZJY.css app-4SFSC7VK.js logo-W2Q7XKZA.svg",
            ),
        ] {
            for name in names.split_whitespace() {
                assert!(matches(&pattern, name.as_bytes()), "{pattern:?} and {name}");
            }
            for name in LOOK_ALIKES.split_whitespace() {
                assert!(!matches(&pattern, name.as_bytes()), "{pattern:?} and {name}");
            }
        }
        // Each form is distinct.
        for other in ["index.DiwrgTda.css", "index-DiwrgTda", "-DiwrgTda.css", "DiwrgTda.css"] {
            assert!(!matches(&NamePatternRule::Vite, other.as_bytes()), "{other}");
        }
    }

    const LOOK_ALIKES: &str = "jquery-migrate.js app-settings.js site-security.css email-Template.html data-SETTINGS.json og-1200x630.png icon-1024x768.png \
        report-20240131.pdf photo-12345678.jpg photo-IMG_1234.jpg photo-DSC_0042.jpg \
        photo-DSCN2345.jpg open-sans-v9-latin.woff2 doc-version2.html book-Chapter1.html \
        menu-cafe2024.pdf menu.cafe2024.pdf report-1dec2024.pdf report.1dec2024.pdf 20240131.pdf \
        report.20240131.csv 20240131a.pdf report.2024feb01.pdf deadbeef.js app.deadbeef.js \
        data-22334455.json README-TEMPLATE.md a-b-c-d-e-f-g.js \
        main.8626537e.js.map index-DiwrgTda.js.map chunk-3YSFNLPC.js.map main.8626537e.map \
        main.8626537e.js.LICENSE.txt main.8626537e. index-DiwrgTda. .8626537e.js main.8626537.js \
        main.8626537E.js jquery-3.7.1.js jquery.3.7.1.min.js bootstrap.bundle.min.js \
        index-DiwrgTd.css index-DiwrgTdab0.css index-Diwr.Tda.css 8626537e base.css LICENSE";

    /// The limits of the forms: words that look like a hash, and hashes that look like words.
    #[test]
    fn ambiguous_word_counts_as_a_hash() {
        for name in ["user-UserList.js", "app-fontSize.js", "app-jQueryUI.js", "doc-HTML5doc.html"]
        {
            assert!(matches(&NamePatternRule::Vite, name.as_bytes()), "{name}");
            assert!(!matches(&NamePatternRule::Esbuild, name.as_bytes()), "{name}");
        }
        for name in ["main-QXKZVJWP.js", "index-ZYVHXZJ4.css"] {
            assert!(!matches(&NamePatternRule::Esbuild, name.as_bytes()), "{name}");
        }
    }

    /// The cost of the rules: the part of true hashes that they recognise.
    #[test]
    fn most_hashes_are_recognised() {
        const HEX: &[u8] = b"0123456789abcdef";
        const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut random = fastrand::Rng::with_seed(3);
        for (pattern, stem, alphabet, length, expected) in [
            (NamePatternRule::Vite, "index-", BASE64, 8, 960),
            (NamePatternRule::Vite, "index-", HEX, 8, 880),
            (NamePatternRule::Webpack, "main.", HEX, 8, 880),
            (NamePatternRule::Webpack, "main.", HEX, 20, 999),
            (NamePatternRule::Esbuild, "chunk-", BASE32, 8, 730),
        ] {
            let mut recognised = 0;
            for _ in 0..10_000 {
                let hash = (0..length).map(|_| char::from(*random.choice(alphabet).unwrap()));
                let name = format!("{stem}{}.js", hash.collect::<String>());
                recognised += usize::from(matches(&pattern, name.as_bytes()));
            }
            assert!(recognised >= expected * 10, "{pattern:?}: {recognised} of 10000");
        }
    }

    /// The glob's meaning, in its simplest implementation.
    fn model(glob: &[char], name: &[char], at_segment: bool) -> bool {
        let rest = |from: usize| (from..=name.len()).map(|at| (name.get(..at), name.get(at..)));
        match glob {
            [] => name.is_empty(),
            ['*', '*', '/', behind @ ..] if at_segment => rest(0).any(|(taken, left)| {
                taken.unwrap().last().is_none_or(|&last| last == '/')
                    && model(behind, left.unwrap(), true)
            }),
            ['*', '*', '*', behind @ ..] => {
                model(&[&['*', '*'], behind].concat(), name, at_segment)
            }
            ['*', '*', behind @ ..] => rest(0).any(|(_, left)| model(behind, left.unwrap(), false)),
            ['*', behind @ ..] => rest(0).any(|(taken, left)| {
                !taken.unwrap().contains(&'/') && model(behind, left.unwrap(), false)
            }),
            [wanted, behind @ ..] => name.split_first().is_some_and(|(first, left)| {
                (first == wanted || (*wanted == '?' && *first != '/'))
                    && model(behind, left, *wanted == '/')
            }),
        }
    }

    proptest! {
        #[test]
        fn globs_do_what_the_model_does(
            glob in prop::collection::vec(select(&['*', '*', '*', '?', '/', '/', 'a', 'é'][..]), 0..9),
            name in prop::collection::vec(select(&['/', 'a', 'a', 'b', 'é'][..]), 0..9),
        ) {
            let (text, subject): (String, String) = (glob.iter().collect(), name.iter().collect());
            prop_assert_eq!(matches_glob(&text, subject.as_bytes()), model(&glob, &name, true));
        }

        #[test]
        fn any_name_has_an_answer(name: Vec<u8>) {
            for pattern in [NamePatternRule::Vite, NamePatternRule::Webpack, NamePatternRule::Esbuild] {
                matches(&pattern, &name);
            }
        }
    }
}
