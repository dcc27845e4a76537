//! Finds Sideman in the words of a container's command.

/// Programs that only start the one behind them.
const WRAPPERS: [&str; 5] = ["tini", "tini-static", "dumb-init", "catatonit", "docker-init"];

/// How a command starts Sideman.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SidemanCommand<'a> {
    /// The program with these arguments.
    Program(&'a [String]),
    /// The command of Django, which has arguments of its own and starts the application too.
    Django,
}

/// Returns how the words start Sideman. A word elsewhere, such as the path of a directory, is not the program.
pub(super) fn find(words: &[String]) -> Option<SidemanCommand<'_>> {
    let is_of_django = |pair: &[String]| match pair {
        [manage, command] => {
            command == "sideman"
                && matches!(last_part(manage), "manage.py" | "django" | "django-admin")
        }
        _ => false,
    };
    if words.windows(2).any(is_of_django) {
        return Some(SidemanCommand::Django);
    }
    let is_before = |word: &String| word.starts_with('-') || WRAPPERS.contains(&last_part(word));
    let begin = words.iter().position(|word| !is_before(word))?;
    let (program, arguments) = words.get(begin..)?.split_first()?;
    (last_part(program) == "sideman").then_some(SidemanCommand::Program(arguments))
}

/// Returns the name of a program without its directory.
pub(super) fn last_part(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_itself_is_found() {
        let check = |text: &str, expected: Option<SidemanCommand<'_>>| {
            let words = shell_words::split(text).unwrap();
            assert_eq!(find(&words), expected, "{text}");
        };
        let run = ["run".to_owned()];
        let program = || Some(SidemanCommand::Program(&run));
        check("/sideman run", program());
        check("tini -g -- /usr/local/bin/sideman run", program());
        check("dumb-init -- sideman run", program());
        check("sideman", Some(SidemanCommand::Program(&[])));
        check("python manage.py sideman --asgi", Some(SidemanCommand::Django));
        check("uv run ./manage.py sideman", Some(SidemanCommand::Django));
        check("python -m django sideman", Some(SidemanCommand::Django));
        check("run --config /etc/sideman", None);
        check("gunicorn --chdir /srv/sideman", None);
        check("pip install sideman", None);
        check("sh -c 'envsubst </a >/b && exec /usr/local/bin/sideman'", None);
        check("", None);
    }
}
