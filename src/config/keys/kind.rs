//! Kinds of settings: one value or a list, with the format and a function that stores the value.

use crate::config::{
    draft::Draft,
    format::{Format, FormatProperties},
};

/// A kind of setting, without the type of its value.
pub(in crate::config) trait SettingKind: Sync {
    /// Describes valid values, or items of a list; messages and docs put it after "expected".
    fn expected(&self) -> String;

    fn properties(&self) -> FormatProperties;

    /// Returns whether a value is a list: an array in the file, comma separated in the environment, a repeated flag.
    fn is_list(&self) -> bool;

    /// Checks one value, or one item of a list.
    fn check(&self, item: &str) -> Result<(), String>;

    /// Reads the value, stores it in the draft and returns its canonical text, or returns all invalid items.
    fn store(&self, items: &[String], draft: &mut Draft) -> Result<String, Vec<InvalidValue>>;
}

/// An invalid value and its fault.
#[derive(Debug)]
pub(in crate::config) struct InvalidValue {
    /// The invalid item; `None` is the list as a whole.
    pub(in crate::config) item: Option<String>,
    pub(in crate::config) fault: String,
}

/// One value.
pub(super) struct SingleValue<F: Format>(pub(super) F, pub(super) fn(&mut Draft, F::Value));

/// A list of values.
pub(super) struct ListValue<F: Format> {
    format: F,
    set: fn(&mut Draft, Vec<F::Value>),
    /// Whether the word `none` means the empty list.
    may_be_none: bool,
}

const NONE: &str = "none";

// === impl ListValue ===

impl<F: Format> ListValue<F> {
    pub(super) const fn or_none(format: F, set: fn(&mut Draft, Vec<F::Value>)) -> Self {
        Self { format, set, may_be_none: true }
    }

    pub(super) const fn at_least_one(format: F, set: fn(&mut Draft, Vec<F::Value>)) -> Self {
        Self { format, set, may_be_none: false }
    }
}

// === impl SettingKind ===

impl<F: Format> SettingKind for SingleValue<F> {
    fn expected(&self) -> String {
        self.0.expected()
    }

    fn properties(&self) -> FormatProperties {
        self.0.properties()
    }

    fn is_list(&self) -> bool {
        false
    }

    fn check(&self, item: &str) -> Result<(), String> {
        self.0.read(item).map(drop)
    }

    fn store(&self, items: &[String], draft: &mut Draft) -> Result<String, Vec<InvalidValue>> {
        let text = items.first().map_or("", String::as_str);
        let value = self.0.read(text).map_err(|fault| vec![InvalidValue::item(text, fault)])?;
        let shown = self.0.show(text, &value);
        (self.1)(draft, value);
        Ok(shown)
    }
}

impl<F: Format> SettingKind for ListValue<F> {
    fn expected(&self) -> String {
        let expected = self.format.expected();
        if self.may_be_none { format!("{expected}; or none") } else { expected }
    }

    fn properties(&self) -> FormatProperties {
        self.format.properties()
    }

    fn is_list(&self) -> bool {
        true
    }

    fn check(&self, item: &str) -> Result<(), String> {
        check_item(item, self.may_be_none)?;
        self.format.read(item).map(drop)
    }

    fn store(&self, items: &[String], draft: &mut Draft) -> Result<String, Vec<InvalidValue>> {
        let mut values = Vec::new();
        let mut read = |item: &str| {
            let value = self.format.read(item)?;
            let shown = self.format.show(item, &value);
            values.push(value);
            Ok(shown)
        };
        let shown = read_list(items, self.may_be_none, &mut read)?;
        (self.set)(draft, values);
        Ok(shown)
    }
}

// === impl InvalidValue ===

impl InvalidValue {
    fn item(text: &str, fault: String) -> Self {
        Self { item: Some(text.into()), fault }
    }
}

/// Passes each item to `read`, which returns its canonical text, and returns that of the list. Not generic: there are
/// many types of values.
fn read_list(
    items: &[String],
    may_be_none: bool,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<String, Vec<InvalidValue>> {
    let items = match items {
        [only] if only == NONE && may_be_none => &[],
        [] if !may_be_none => {
            return Err(vec![InvalidValue { item: None, fault: "the list is empty".into() }]);
        }
        items => items,
    };
    let (mut shown, mut invalid) = (Vec::new(), Vec::new());
    for item in items {
        match check_item(item, may_be_none).and_then(|()| read(item)) {
            Ok(text) => shown.push(text),
            Err(fault) => invalid.push(InvalidValue::item(item, fault)),
        }
    }
    match (invalid.is_empty(), shown.is_empty()) {
        (false, _) => Err(invalid),
        (true, true) => Ok(NONE.into()),
        (true, false) => Ok(shown.join(", ")),
    }
}

fn check_item(text: &str, may_be_none: bool) -> Result<(), String> {
    match text {
        "" => Err("an item of the list is empty".into()),
        NONE if may_be_none => Err("none cannot be combined with other items".into()),
        _ => Ok(()),
    }
}
