//! Splits a command into words, as a shell would. No shell runs it: an image may have none.

/// Returns the words of a `--before` command.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let fault = |fault: &str| Err(format!("--before {text:?}: {fault}"));
    let Ok(words) = shell_words::split(text) else {
        return fault("a quote is not closed");
    };
    if words.is_empty() {
        return fault("write a command, such as 'python manage.py migrate'");
    }
    let operator = words.iter().find(|word| {
        ["&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1"].contains(&word.as_str())
    });
    match operator {
        Some(operator) => fault(&format!(
            "no shell reads it, so {operator} has no meaning: write --before once for each command, or sh -c '...'"
        )),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(split("python manage.py migrate").unwrap(), ["python", "manage.py", "migrate"]);
        assert_eq!(split(r#"a 'b c' "d e" f\ g ''"#).unwrap(), ["a", "b c", "d e", "f g", ""]);
        assert_eq!(split("sh -c 'a && b'").unwrap(), ["sh", "-c", "a && b"]);
    }

    #[test]
    fn command_that_needs_a_shell_is_refused() {
        for (text, expected) in [
            ("", "write a command"),
            ("a 'b", "a quote is not closed"),
            ("a && b", "so && has no meaning: write --before once for each command"),
            ("a > b", "so > has no meaning"),
        ] {
            let fault = split(text).unwrap_err();
            assert!(fault.starts_with(&format!("--before {text:?}: ")), "{fault}");
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
