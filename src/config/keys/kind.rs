//! What a setting is: one value or a list, in a format, and where it lands.

use crate::config::{
    draft::Draft,
    format::{Format, Traits},
};

/// What the table says of a setting's values, whatever their type.
pub(in crate::config) trait Kind: Sync {
    /// What a value (or an item of a list) must look like, to follow the word "expected".
    fn expected(&self) -> String;

    fn traits(&self) -> Traits;

    /// Whether a value is a list: an array in the file, comma separated in the environment, a repeated flag.
    fn is_list(&self) -> bool;

    /// What is wrong with one item.
    fn check(&self, item: &str) -> Result<(), String>;

    /// Reads the items and puts the value into its place. Gives the text as it is in force, or every bad item.
    fn land(&self, items: &[String], draft: &mut Draft) -> Result<String, Vec<Bad>>;
}

/// Why a value could not be read.
#[derive(Debug)]
pub(in crate::config) struct Bad {
    /// `None` is the list as a whole.
    pub(in crate::config) item: Option<String>,
    pub(in crate::config) fault: String,
}

/// One value.
pub(super) struct One<F: Format>(pub(super) F, pub(super) fn(&mut Draft, F::Value));

/// A list of values.
pub(super) struct List<F: Format> {
    format: F,
    set: fn(&mut Draft, Vec<F::Value>),
    /// The word `none` stands for the empty list.
    may_be_none: bool,
}

const NONE: &str = "none";

// === impl List ===

impl<F: Format> List<F> {
    pub(super) const fn or_none(format: F, set: fn(&mut Draft, Vec<F::Value>)) -> Self {
        Self { format, set, may_be_none: true }
    }

    pub(super) const fn at_least_one(format: F, set: fn(&mut Draft, Vec<F::Value>)) -> Self {
        Self { format, set, may_be_none: false }
    }

    fn item(&self, text: &str) -> Result<F::Value, String> {
        match text {
            "" => Err("an item of the list is empty".into()),
            NONE if self.may_be_none => Err("none cannot stand beside others".into()),
            text => self.format.read(text),
        }
    }
}

// === impl Kind ===

impl<F: Format> Kind for One<F> {
    fn expected(&self) -> String {
        self.0.expected()
    }

    fn traits(&self) -> Traits {
        self.0.traits()
    }

    fn is_list(&self) -> bool {
        false
    }

    fn check(&self, item: &str) -> Result<(), String> {
        self.0.read(item).map(drop)
    }

    fn land(&self, items: &[String], draft: &mut Draft) -> Result<String, Vec<Bad>> {
        let text = items.first().map_or("", String::as_str);
        let value = self.0.read(text).map_err(|fault| vec![Bad::item(text, fault)])?;
        let shown = self.0.show(text, &value);
        (self.1)(draft, value);
        Ok(shown)
    }
}

impl<F: Format> Kind for List<F> {
    fn expected(&self) -> String {
        let expected = self.format.expected();
        if self.may_be_none { format!("{expected}; or none") } else { expected }
    }

    fn traits(&self) -> Traits {
        self.format.traits()
    }

    fn is_list(&self) -> bool {
        true
    }

    fn check(&self, item: &str) -> Result<(), String> {
        self.item(item).map(drop)
    }

    fn land(&self, items: &[String], draft: &mut Draft) -> Result<String, Vec<Bad>> {
        let items = match items {
            [only] if only == NONE && self.may_be_none => &[],
            [] if !self.may_be_none => {
                return Err(vec![Bad { item: None, fault: "the list is empty".into() }]);
            }
            items => items,
        };
        let (mut values, mut shown, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match self.item(item) {
                Ok(value) => {
                    shown.push(self.format.show(item, &value));
                    values.push(value);
                }
                Err(fault) => bad.push(Bad::item(item, fault)),
            }
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        (self.set)(draft, values);
        Ok(if shown.is_empty() { NONE.into() } else { shown.join(", ") })
    }
}

// === impl Bad ===

impl Bad {
    fn item(text: &str, fault: String) -> Self {
        Self { item: Some(text.into()), fault }
    }
}
