//! "Did you mean" suggestions: the existing names that are most similar to an unknown one.

/// Suggestions below this similarity would be guesses.
const MIN_SIMILARITY: f64 = 0.6;
/// Similarity of a name whose last part is right and whose section is wrong or missing.
const SAME_LEAF_SIMILARITY: f64 = 0.95;
/// Similarity of a word and a longer form of it, such as warn and warning.
const BEGINNING_SIMILARITY: f64 = 0.9;

/// Returns the candidates most similar to `wrong`: usually one, several if they are equally similar, none if all differ
/// too much.
///
/// `separator` is between a section and a key; pass `""` for words that have none.
pub(super) fn nearest<'a>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    separator: &str,
) -> Vec<&'a str> {
    most_similar(wrong, candidates.into_iter().collect(), separator)
}

/// Not generic: a sort is 7 kB of code for each of the two dozen callers.
fn most_similar<'a>(wrong: &str, candidates: Vec<&'a str>, separator: &str) -> Vec<&'a str> {
    let wrong = wrong.to_lowercase();
    let mut scored: Vec<(f64, &str)> = candidates
        .into_iter()
        .map(|candidate| (likeness(&wrong, &candidate.to_lowercase(), separator), candidate))
        .filter(|(score, _)| *score >= MIN_SIMILARITY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    scored.iter().take_while(|(score, _)| *score == best).take(3).map(|(_, name)| *name).collect()
}

/// Returns `did you mean a, b or c?`, or nothing.
pub(super) fn did_you_mean(names: &[impl AsRef<str>]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let (last, others) = names.split_last()?;
    if others.is_empty() {
        return Some(format!("did you mean {last}?"));
    }
    Some(format!("did you mean {} or {last}?", others.join(", ")))
}

fn likeness(wrong: &str, candidate: &str, separator: &str) -> f64 {
    let leaf = |name: &str| match separator {
        "" => None,
        separator => name.rsplit(separator).next().map(str::to_owned),
    };
    let whole = strsim::normalized_damerau_levenshtein(wrong, candidate);
    let begins = separator.is_empty()
        && candidate.len().min(wrong.len()) >= 3
        && (wrong.starts_with(candidate) || candidate.starts_with(wrong));
    match (leaf(wrong), leaf(candidate)) {
        (Some(wrong), Some(candidate)) if wrong == candidate => whole.max(SAME_LEAF_SIMILARITY),
        _ if begins => whole.max(BEGINNING_SIMILARITY),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] =
        ["server.listen", "admin.listen", "upstream.url", "upstream.read_timeout", "log.level"];

    fn check(wrong: &str, expected: Option<&str>) {
        assert_eq!(did_you_mean(&nearest(wrong, NAMES, ".")).as_deref(), expected, "{wrong}");
    }

    #[test]
    fn names_what_is_near() {
        check("upstream.read_timout", Some("did you mean upstream.read_timeout?"));
        check("server.read_timeout", Some("did you mean upstream.read_timeout?"));
        check("Upstream.URL", Some("did you mean upstream.url?"));
        check("listen", Some("did you mean server.listen or admin.listen?"));
        check("colour", None);
        check("", None);
    }
}
