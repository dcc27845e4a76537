//! `sideman import-nginx`: prints the settings file for an nginx configuration.

use std::{ffi::OsStr, io, process::ExitCode};

use super::args::ImportNginxArgs;
use crate::{
    config::{self, Environment},
    import_nginx,
};

/// Exit status if something was not translated.
const LOST: u8 = 1;
/// Exit status if a file cannot be read or is no configuration.
const UNREADABLE: u8 = 2;

/// Prints the settings to `out`, and the error or the number of lines that were not translated to `err`.
pub(super) fn import_nginx(
    args: &ImportNginxArgs,
    environment: &Environment,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> ExitCode {
    let variable = |name: &str| environment.get(OsStr::new(name))?.to_str().map(str::to_owned);
    let (text, note, code) = match import_nginx::import(&args.files, &variable) {
        Ok(mut import) => {
            if let Err(problems) = config::check_text(import.checkable()) {
                import.add_problems(&problems.to_string());
            }
            let (note, code) = match import.lost {
                0 => (String::new(), ExitCode::SUCCESS),
                1 => ("1 line was not translated\n".to_owned(), ExitCode::from(LOST)),
                lost => (format!("{lost} lines were not translated\n"), ExitCode::from(LOST)),
            };
            (import.text, note, code)
        }
        Err(error) => (String::new(), format!("error: {error}\n"), ExitCode::from(UNREADABLE)),
    };
    // If the output is closed, the exit status still gives the result.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let _ = err.write_all(note.as_bytes()).and_then(|()| err.flush());
    code
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    fn run(text: &str) -> (ExitCode, String, String) {
        let name = format!("sideman-import-command-{}-{}", process::id(), fastrand::u64(..));
        let path = env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        let environment = [("PORT", "81")].map(|(name, value)| (name.into(), value.into()));
        let args = ImportNginxArgs { files: vec![path.clone()] };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = import_nginx(&args, &environment.into(), &mut out, &mut err);
        fs::remove_file(&path).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(path.to_str().unwrap(), "f");
        (code, text(out), text(err))
    }

    #[test]
    fn exit_status_says_whether_everything_was_translated() {
        let (code, out, err) = run("server { listen $PORT; location / { proxy_pass http://a; } }");
        assert_eq!((code, err.as_str()), (ExitCode::SUCCESS, ""));
        assert!(out.contains("listen = [\"0.0.0.0:81\"]"), "{out}");
        let (code, out, err) = run("server { location / { proxy_pass http://a; auth_basic x; } }");
        assert_eq!((code, err.as_str()), (ExitCode::from(LOST), "1 line was not translated\n"));
        assert!(out.contains("respond = \"403\""), "{out}");
        let (code, out, err) = run("server {\n");
        assert_eq!((code, out.as_str()), (ExitCode::from(UNREADABLE), ""));
        assert_eq!(err, "error: f:1: the block of `server` is not closed by `}`\n");
    }
}
