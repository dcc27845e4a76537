//! Variants: the values of the request's fields that select one of several responses of a key (RFC 9111, 4.1).

/// The normalised values of the fields that `Vary` names, in the order of these names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant(Box<[u8]>);

/// The length that stands for a field that is absent, which differs from an empty one.
const ABSENT: u32 = u32::MAX;

// === impl Variant ===

impl Variant {
    /// Makes a variant of the values, `None` for a field that is absent.
    pub fn of<V: AsRef<[u8]>>(values: impl IntoIterator<Item = Option<V>>) -> Self {
        let mut bytes = Vec::new();
        for value in values {
            write_value(&mut bytes, value.as_ref().map(AsRef::as_ref));
        }
        Self(bytes.into())
    }

    /// Whether it has exactly these values.
    pub fn matches<V: AsRef<[u8]>>(&self, values: impl IntoIterator<Item = Option<V>>) -> bool {
        let mut rest = &self.0[..];
        for value in values {
            let value = value.as_ref().map(AsRef::as_ref);
            let Some(behind) = without_value(rest, value) else { return false };
            rest = behind;
        }
        rest.is_empty()
    }

    /// Returns the bytes that tell it from other variants with the same names.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn length_of(value: Option<&[u8]>) -> u32 {
    value.map_or(ABSENT, |value| u32::try_from(value.len()).unwrap_or(ABSENT - 1))
}

fn write_value(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    bytes.extend_from_slice(&length_of(value).to_le_bytes());
    bytes.extend_from_slice(value.unwrap_or_default());
}

/// Returns the bytes behind the first value if that is equal.
fn without_value<'a>(bytes: &'a [u8], value: Option<&[u8]>) -> Option<&'a [u8]> {
    let rest = bytes.strip_prefix(&length_of(value).to_le_bytes())?;
    rest.strip_prefix(value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn absent_empty_and_joined_values_are_different_variants() {
        let none: [Option<&str>; 0] = [];
        let all = [
            none.to_vec(),
            vec![None],
            vec![Some("")],
            vec![Some("a")],
            vec![Some("a"), None],
            vec![Some("a"), Some("b")],
            vec![Some("ab"), None],
            vec![Some(""), Some("ab")],
            vec![None, Some("ab")],
        ];
        for one in &all {
            for other in &all {
                let variant = Variant::of(one.clone());
                assert_eq!(variant.matches(other.clone()), one == other, "{one:?} {other:?}");
                assert_eq!(variant == Variant::of(other.clone()), one == other);
            }
        }
    }

    proptest! {
        #[test]
        fn variant_matches_its_own_values_only(
            one in prop::collection::vec(prop::option::of("[ab]{0,3}"), 0..4),
            other in prop::collection::vec(prop::option::of("[ab]{0,3}"), 0..4),
        ) {
            let variant = Variant::of(one.clone());
            prop_assert!(variant.matches(one.clone()));
            prop_assert_eq!(variant.matches(other.clone()), one == other);
        }
    }
}
