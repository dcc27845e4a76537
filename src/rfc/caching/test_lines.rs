//! Fields of responses for the tests of this module.

use super::super::{
    request_parts::FieldName,
    response_lines::{ResponseLines, ResponseLinesBuilder},
};

/// Makes the fields of a response from `name: value` texts.
pub(super) fn lines(fields: &[&str]) -> ResponseLines {
    let mut lines = ResponseLinesBuilder::default();
    for field in fields {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        let (name, value) = (name.as_bytes(), value.trim());
        match (FieldName::of(name), value.parse()) {
            (FieldName::ContentLength, Ok(length)) => lines.set_length(length),
            (known, _) => lines.push(known, name, value.as_bytes()),
        }
    }
    lines.build()
}
