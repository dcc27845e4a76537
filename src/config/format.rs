//! Formats of values. A format describes valid values, reads and shows them, and has properties for the file, the
//! environment and messages. Formats of numbers and words are here; every other format is a [`TextFormat`] beside its
//! parser.

use std::time::Duration;

use super::{
    secret::TextKind,
    value::{self, show_duration, show_size},
};

/// The format of one value, or of one item of a list.
pub(super) trait Format: Sync {
    type Value;

    /// Describes valid values; messages and docs put it after "expected".
    fn expected(&self) -> String;

    /// Returns the value, or a sentence that says what to write instead.
    fn read(&self, text: &str) -> Result<Self::Value, String>;

    /// Shows a value in its canonical form; the default is the text as written.
    fn show(&self, text: &str, _value: &Self::Value) -> String {
        text.to_owned()
    }

    fn properties(&self) -> FormatProperties {
        FormatProperties::PLAIN
    }
}

/// Facts about a format that sources and messages need.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormatProperties {
    pub(super) toml: TomlType,
    /// The kind of the values, which decides which parts of them are hidden.
    pub(super) kind: TextKind,
    /// Whether values must not appear in logs.
    pub(super) is_private: bool,
    /// Whether values must never be shown. Faults of such a format contain no part of the value.
    pub(super) is_secret: bool,
    /// Whether the settings file may use a string instead of an array with one item.
    pub(super) stands_alone: bool,
    /// Whether text after a comma in the environment continues the item before the comma.
    pub(super) continues: fn(&str) -> bool,
}

/// The TOML type of a value in the settings file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TomlType {
    Text,
    Bool,
    Number,
    /// A number or a word.
    NumberOrText,
    /// A number with its unit, as text.
    Quantity,
}

/// Text with a parser of its own.
pub(super) struct TextFormat<T> {
    pub(super) expected: &'static str,
    pub(super) read: fn(&str) -> Result<T, String>,
    /// Returns a text that `read` reads as this value.
    pub(super) show: fn(&T) -> String,
    pub(super) properties: FormatProperties,
}

/// A time span from the first to the second.
pub(super) struct TimeFormat(pub(super) Duration, pub(super) Duration);

/// A number of bytes from the first to the second.
pub(super) struct SizeFormat(pub(super) u64, pub(super) u64);

/// A whole number from the first to the second.
pub(super) struct NumberFormat(pub(super) usize, pub(super) usize);

/// A number from 1 to this, or `auto`, which is `None`.
pub(super) struct NumberOrAuto(pub(super) usize);

/// `true` or `false`.
pub(super) struct BoolFormat;

/// One of a few words, each with its value.
pub(super) struct ChoiceFormat<T: 'static>(pub(super) &'static [(&'static str, T)]);

/// Another format, or `none`.
pub(super) struct OrNone<F>(pub(super) F);

/// Another format, or a word that means `None`.
pub(super) struct OrWord<F> {
    pub(super) format: F,
    pub(super) word: &'static str,
    /// Names that other programs use instead of the word. Messages suggest the word for them.
    pub(super) meant: &'static [&'static str],
}

/// A part of something, or `off`.
pub(super) const PERCENT_OR_OFF: OrWord<TextFormat<u8>> = OrWord {
    format: TextFormat::new("1% to 100%", percent, |percent| format!("{percent}%")),
    word: "off",
    meant: &["none", "unlimited", "0%", "0"],
};

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

/// A size, or a word for no limit.
pub(super) const fn size_or(min: u64, max: u64, word: &'static str) -> OrWord<SizeFormat> {
    OrWord { format: SizeFormat(min, max), word, meant: &["0", "0B", "none", "off"] }
}

/// Reads a percentage.
fn percent(text: &str) -> Result<u8, String> {
    let fault = || "must be from 1% to 100%".to_owned();
    let number = text.strip_suffix('%').ok_or_else(fault)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let percent = number.parse().ok().filter(|_| is_number);
    percent.filter(|percent| (1..=100).contains(percent)).ok_or_else(fault)
}

/// A time span, or `off` for no limit.
pub(super) const fn time_or_off(min: Duration, max: Duration) -> OrWord<TimeFormat> {
    let meant = &["0", "0s", "none", "never", "false", "no"];
    OrWord { format: TimeFormat(min, max), word: "off", meant }
}

// === impl FormatProperties ===

impl FormatProperties {
    pub(super) const PLAIN: Self = Self {
        toml: TomlType::Text,
        kind: TextKind::Other,
        is_private: false,
        is_secret: false,
        stands_alone: false,
        continues: |_| false,
    };
    pub(super) const ADDRESS: Self = Self { kind: TextKind::Address, ..Self::PLAIN };
    const QUANTITY: Self = Self { toml: TomlType::Quantity, ..Self::PLAIN };
}

// === impl TextFormat ===

impl<T> TextFormat<T> {
    pub(super) const fn new(
        expected: &'static str,
        read: fn(&str) -> Result<T, String>,
        show: fn(&T) -> String,
    ) -> Self {
        Self { expected, read, show, properties: FormatProperties::PLAIN }
    }

    pub(super) const fn address(
        expected: &'static str,
        read: fn(&str) -> Result<T, String>,
        show: fn(&T) -> String,
    ) -> Self {
        Self::new(expected, read, show).with(FormatProperties::ADDRESS)
    }

    /// Sets the properties.
    pub(super) const fn with(self, properties: FormatProperties) -> Self {
        Self { properties, ..self }
    }
}

// === impl Format ===

impl<T> Format for TextFormat<T> {
    type Value = T;

    fn expected(&self) -> String {
        self.expected.into()
    }

    fn read(&self, text: &str) -> Result<T, String> {
        (self.read)(text)
    }

    fn show(&self, _text: &str, value: &T) -> String {
        (self.show)(value)
    }

    fn properties(&self) -> FormatProperties {
        self.properties
    }
}

impl Format for TimeFormat {
    type Value = Duration;

    fn expected(&self) -> String {
        let (min, max) = (show_duration(self.0), show_duration(self.1));
        format!("a time from {min} to {max}, with its unit: ms, s, m, h or d")
    }

    fn read(&self, text: &str) -> Result<Duration, String> {
        value::duration(text, self.0, self.1)
    }

    fn properties(&self) -> FormatProperties {
        FormatProperties::QUANTITY
    }
}

impl Format for SizeFormat {
    type Value = u64;

    fn expected(&self) -> String {
        let (min, max) = (show_size(self.0), show_size(self.1));
        format!("a size from {min} to {max}, with its unit: B, KiB, MiB, GiB, KB, MB or GB")
    }

    fn read(&self, text: &str) -> Result<u64, String> {
        value::size(text, self.0, self.1)
    }

    fn properties(&self) -> FormatProperties {
        FormatProperties::QUANTITY
    }
}

impl Format for NumberFormat {
    type Value = usize;

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }

    fn read(&self, text: &str) -> Result<usize, String> {
        value::integer(text, self.0, self.1)
    }

    fn properties(&self) -> FormatProperties {
        FormatProperties { toml: TomlType::Number, ..FormatProperties::PLAIN }
    }
}

impl Format for NumberOrAuto {
    type Value = Option<usize>;

    fn expected(&self) -> String {
        format!("auto, or a number from 1 to {}", self.0)
    }

    fn read(&self, text: &str) -> Result<Option<usize>, String> {
        value::or_word(text, "auto", |text| value::integer(text, 1, self.0))
    }

    fn properties(&self) -> FormatProperties {
        FormatProperties { toml: TomlType::NumberOrText, ..FormatProperties::PLAIN }
    }
}

impl Format for BoolFormat {
    type Value = bool;

    fn expected(&self) -> String {
        "true or false".into()
    }

    fn read(&self, text: &str) -> Result<bool, String> {
        value::boolean(text)
    }

    fn properties(&self) -> FormatProperties {
        FormatProperties { toml: TomlType::Bool, ..FormatProperties::PLAIN }
    }
}

impl<T: Clone + Sync> Format for ChoiceFormat<T> {
    type Value = T;

    fn expected(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        words.join(", ")
    }

    fn read(&self, text: &str) -> Result<T, String> {
        value::one_of(text, self.0)
    }
}

impl<F: Format> Format for OrNone<F> {
    type Value = Option<F::Value>;

    fn expected(&self) -> String {
        format!("{}; or none", self.0.expected())
    }

    fn read(&self, text: &str) -> Result<Self::Value, String> {
        value::or_none(text, |text| self.0.read(text))
    }

    fn show(&self, text: &str, value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| "none".into(), |value| self.0.show(text, value))
    }

    fn properties(&self) -> FormatProperties {
        self.0.properties()
    }
}

impl<F: Format> Format for OrWord<F> {
    type Value = Option<F::Value>;

    fn expected(&self) -> String {
        format!("{}; or {}", self.format.expected(), self.word)
    }

    fn read(&self, text: &str) -> Result<Self::Value, String> {
        if text != self.word && self.meant.contains(&text) {
            return Err(format!("write {}", self.word));
        }
        value::or_word(text, self.word, |text| self.format.read(text))
    }

    fn properties(&self) -> FormatProperties {
        self.format.properties()
    }
}
