//! The forms that values have, each with its bounds and a phrase that says what is expected.

use std::time::Duration;

use crate::{
    config::value::{show_duration, show_size},
    plan::LogField,
};

/// The form of a setting's value, with its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of addresses and sockets to listen at.
    Listen,
    /// A list of `CERTIFICATE=KEY`.
    Certificates,
    /// One address to listen on, or `off`.
    ListenOrOff,
    /// A number, or `auto`.
    Workers { most: usize },
    /// A list of networks.
    Networks,
    /// A list of `PREFIX=DIR`.
    Roots { example: &'static str },
    /// A list of `PATTERN=LIFETIME`.
    CacheRules,
    /// A list of `EXT=TYPE/SUBTYPE`.
    Types,
    /// A list of a word and exceptions of the form `PREFIX=WORD`.
    Cors,
    /// A list of host names.
    Hosts,
    /// A list of names of header fields.
    HeaderNames,
    /// The addresses of the application's servers; one needs no array.
    Urls,
    /// A list of `PREFIX=URL`.
    Routes,
    /// A list of `PREFIX=DIRECTION`.
    Unbuffered,
    /// A list of `PREFIX=ACTION NAME: VALUE`.
    Fields,
    /// A list of things that a line of the access log tells.
    LogFields,
    /// A list of names of query parameters.
    ParameterNames,
    /// Another server's address, or `none`.
    HttpUrlOrNone,
    /// A URL path.
    Path,
    /// A URL path, or `none`.
    PathOrNone,
    /// The absolute path of a file, or `none`.
    FileOrNone { example: &'static str },
    /// A directory for temporary files, or one of two words.
    Spill,
    /// The name of a file, without a directory, or `none`.
    FileNameOrNone,
    /// A charset, or `none`.
    CharsetOrNone,
    /// A time span.
    Duration { least: Duration, most: Duration },
    /// A time span, or a word for one without an end.
    DurationOrWord { least: Duration, most: Duration, word: &'static str },
    /// A number of bytes.
    Size { least: u64, most: u64 },
    /// A number of bytes, or a word for any number.
    SizeOrWord { least: u64, most: u64, word: &'static str },
    /// A whole number.
    Integer { least: usize, most: usize },
    /// `true` or `false`.
    Bool,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const KIB: u64 = 1 << 10;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

// === impl Kind ===

impl Kind {
    /// Whether a value is a list: an array in the file, comma separated in the environment, a
    /// repeated flag.
    pub fn is_list(self) -> bool {
        self.may_be_none() || matches!(self, Self::Cors | Self::Urls | Self::LogFields)
    }

    /// Whether the word `none` stands for the empty list.
    pub fn may_be_none(self) -> bool {
        matches!(
            self,
            Self::Listen
                | Self::Certificates
                | Self::Networks
                | Self::Hosts
                | Self::HeaderNames
                | Self::Routes
                | Self::Unbuffered
                | Self::Fields
                | Self::ParameterNames
                | Self::Roots { .. }
                | Self::CacheRules
                | Self::Types
        )
    }

    /// What a value (or an item of a list) must look like, to follow the word "expected".
    pub fn expected(self) -> String {
        match self {
            Self::Listen => {
                "IP:PORT, such as 0.0.0.0:8080 or [::]:8080, a port alone, or unix:/PATH; or \
                             none"
                    .into()
            }
            Self::Certificates => {
                "CERTIFICATE=KEY, such as /run/tls/site.pem=/run/tls/site.key; or none".into()
            }
            Self::ListenOrOff => "IP:PORT, such as 127.0.0.1:9180, or off".into(),
            Self::Workers { most } => format!("auto, or a number from 1 to {most}"),
            Self::Networks => {
                "networks or addresses, such as 10.0.0.0/8; or alb, or private; or none".into()
            }
            Self::Hosts => "hosts, such as example.org, or .example.org; or none".into(),
            Self::HeaderNames => "names of headers, such as Remote-User; or none".into(),
            Self::Roots { example } => format!("PREFIX=DIR, such as {example}; or none"),
            Self::CacheRules => "PATTERN=LIFETIME, such as *.pdf=1h, img/**=no-store or \
                                        vite=immutable; or none"
                .into(),
            Self::Types => "EXT=TYPE/SUBTYPE, such as gpx=application/gpx+xml; or none".into(),
            Self::Cors => "fonts, all or none; or PREFIX=WORD, such as /static/=all".into(),
            Self::Urls => "http://HOST:PORT, such as http://127.0.0.1:8000, http+unix:/PATH, \
                                  uwsgi://HOST:PORT or uwsgi+unix:/PATH"
                .into(),
            Self::Routes => "PREFIX=URL, such as /ws/=http://127.0.0.1:9000; or none".into(),
            Self::Unbuffered => {
                "PREFIX=request, PREFIX=response or PREFIX=both, such as /events/=response; or none"
                    .into()
            }
            Self::Fields => {
                "PREFIX=set NAME: VALUE, PREFIX=add NAME: VALUE or PREFIX=remove NAME, such \
                             as /=set X-Frame-Options: DENY; or none"
                    .into()
            }
            Self::LogFields => {
                let names: Vec<_> = LogField::ALL.iter().map(|field| field.name()).collect();
                format!("default, {}", names.join(", "))
            }
            Self::ParameterNames => {
                "default, or names such as token, *_key or *secret*, without regard to case; or none"
                    .into()
            }
            Self::HttpUrlOrNone => {
                "http://HOST[:PORT][/BASE], such as http://previous:8080; or none".into()
            }
            Self::Path => "a path, such as /healthz".into(),
            Self::PathOrNone => "a path, such as /healthz; or none".into(),
            Self::FileOrNone { example } => {
                format!("the absolute path of a file, such as {example}; or none")
            }
            Self::Spill => "auto, memory, or a directory, such as /var/tmp".into(),
            Self::FileNameOrNone => "the name of a file, such as index.html; or none".into(),
            Self::CharsetOrNone => "a charset, such as utf-8; or none".into(),
            Self::Duration { least, most } => time(least, most),
            Self::DurationOrWord { least, most, word } => {
                format!("{}; or {word}", time(least, most))
            }
            Self::Size { least, most } => size(least, most),
            Self::SizeOrWord { least, most, word } => format!("{}; or {word}", size(least, most)),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Bool => "true or false".into(),
            Self::Choice(words) => words.join(", "),
        }
    }
}

fn time(least: Duration, most: Duration) -> String {
    let (least, most) = (show_duration(least), show_duration(most));
    format!("a time from {least} to {most}, with its unit: ms, s, m, h or d")
}

fn size(least: u64, most: u64) -> String {
    let (least, most) = (show_size(least), show_size(most));
    format!("a size from {least} to {most}, with its unit: B, KiB, MiB, GiB, KB, MB or GB")
}
