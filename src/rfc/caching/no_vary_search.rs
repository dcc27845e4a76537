//! No-Vary-Search: a response names the parameters of its query that do not change it. Queries that differ in nothing
//! else get one stored response.

use super::{super::response_lines::ResponseLines, structured, structured::Value};

/// Which parts of a query do not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoVarySearch {
    ignores_order: bool,
    parameters: Parameters,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Parameters {
    /// All parameters matter but these.
    AllBut(Vec<Vec<u8>>),
    /// Only these matter.
    Only(Vec<Vec<u8>>),
}

/// Longer lists are ignored: each parameter of a request is compared with each name.
const MAX_NAMES: usize = 64;

// === impl NoVarySearch ===

impl NoVarySearch {
    /// Parses the field of a response. `None` if it is absent, malformed or says that everything matters.
    pub fn of(lines: &ResponseLines) -> Option<Self> {
        lines.get_all(b"no-vary-search").next()?;
        let members = structured::dictionary(lines.get_all(b"no-vary-search"))?;
        let member = |key: &str| members.iter().find(|(one, _)| one == key).map(|(_, value)| value);
        let ignores_order = match member("key-order") {
            None => false,
            Some(Value::Boolean(ignores_order)) => *ignores_order,
            Some(_) => return None,
        };
        let parameters = match (member("params"), member("except")) {
            (Some(Value::Boolean(true)), None) => Parameters::Only(Vec::new()),
            (Some(Value::Boolean(true)), Some(names)) => Parameters::Only(names_of(names)?),
            (_, Some(_)) => return None,
            (None | Some(Value::Boolean(false)), None) => Parameters::AllBut(Vec::new()),
            (Some(names), None) => Parameters::AllBut(names_of(names)?),
        };
        let says_nothing = !ignores_order && parameters == Parameters::AllBut(Vec::new());
        (!says_nothing).then_some(Self { ignores_order, parameters })
    }

    /// Whether two queries, as requests have them behind the `?`, get the same response.
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        self.relevant(one) == self.relevant(other)
    }

    /// Returns the names and values of the parameters that matter, decoded, in an order that is equal for equal
    /// responses.
    pub fn relevant(&self, query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        let mut relevant: Vec<_> = pairs.filter(|(name, _)| self.matters(name)).collect();
        if self.ignores_order {
            // Stable: the values of one name keep their order.
            relevant.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        relevant
    }

    fn matters(&self, name: &[u8]) -> bool {
        match &self.parameters {
            Parameters::AllBut(names) => !names.iter().any(|one| one == name),
            Parameters::Only(names) => names.iter().any(|one| one == name),
        }
    }
}

/// Returns the names in an inner list of strings.
fn names_of(value: &Value) -> Option<Vec<Vec<u8>>> {
    let Value::InnerList(items) = value else { return None };
    if items.len() > MAX_NAMES {
        return None;
    }
    let name = |item: &Value| if let Value::Text(text) = item { Some(decode(text)) } else { None };
    items.iter().map(name).collect()
}

/// Decodes a name or a value of a form: `+` is a space, and an incomplete escape stands for itself.
fn decode(text: &str) -> Vec<u8> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        if *byte == b'%'
            && let [high, low, behind @ ..] = tail
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            decoded.push(high << 4 | low);
            rest = behind;
        } else {
            decoded.push(if *byte == b'+' { b' ' } else { *byte });
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::{super::test_lines::lines, *};
    use proptest::prelude::*;

    fn parse(field: &str) -> Option<NoVarySearch> {
        NoVarySearch::of(&lines(&[&format!("no-vary-search: {field}")]))
    }

    #[test]
    fn queries() {
        for (field, one, other, expected) in [
            ("key-order", "a=1&b=2", "b=2&a=1", true),
            ("key-order", "a=1&a=2", "a=2&a=1", false),
            ("key-order", "a=1&b=2", "a=1", false),
            ("params", "a=1", "", true),
            ("params", "a=1", "b=2", true),
            ("params=(\"a\")", "a=1&b=2", "b=2&a=3", true),
            ("params=(\"a\")", "b=2", "b=3", false),
            ("params=(\"a\")", "b=1&c=2", "c=2&b=1", false),
            ("params=(\"a\"), key-order", "b=1&c=2", "c=2&a=5&b=1", true),
            ("params=(\"a b\")", "a+b=1", "a%20b=2", true),
            ("params=(\"a%20b\" \"c+d\")", "a+b=1", "c%20d=2&&", true),
            ("params=(\"%C3%A9\")", "%c3%a9=1", "", true),
            ("params, except=(\"id\")", "id=1&x=2", "y=3&id=1", true),
            ("params, except=(\"id\")", "id=1", "id=2", false),
            ("params, except=(\"id\")", "id=1", "", false),
            ("key-order, params=?0", "a=1&b=2", "b=2&a=1", true),
            ("params=(\"a\");x=1", "a=1", "", true),
            ("params=(\"b\")", "a=%2", "a=%2", true),
            ("params=(\"b\")", "a=%2g", "a=%25%32g", true),
            ("params=(\"b\")", "a", "a=", true),
        ] {
            let search = parse(field).unwrap();
            assert_eq!(search.is_same(one, other), expected, "{field} {one} {other}");
        }
    }

    #[test]
    fn malformed_and_empty_fields_say_nothing() {
        for field in [
            "",
            "key-order=?0",
            "params=?0",
            "params=()",
            "key-order=1",
            "params=1",
            "params=\"a\"",
            "params=(a)",
            "params=(1)",
            "except=(\"a\")",
            "params=(\"a\"), except=(\"a\")",
            "params, except",
            "params, except=\"a\"",
            "params=?0, except=(\"a\")",
            "params=(\"a\"",
            "Params",
        ] {
            assert_eq!(parse(field), None, "{field}");
        }
        assert_eq!(NoVarySearch::of(&lines(&[])), None);
        let many = (0..65).map(|number| format!("\"{number}\"")).collect::<Vec<_>>().join(" ");
        assert_eq!(parse(&format!("params=({many})")), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(field in "[-a-e=(\"), ?01;%]{0,40}", one in "\\PC{0,30}", other in "[a-c=&%+0-9]{0,30}") {
            if let Some(search) = parse(&field) {
                search.is_same(&one, &other);
            }
        }

        #[test]
        fn being_the_same_is_an_equivalence(
            field in prop_oneof![
                Just("key-order"), Just("params"), Just("params=(\"a\")"), Just("params, except=(\"a\")"),
                Just("key-order, params=(\"a\" \"b\")"),
            ],
            queries in prop::array::uniform3("([abc](=[01]{0,2})?&){0,4}"),
        ) {
            let search = parse(field).unwrap();
            let [one, two, three] = &queries;
            prop_assert!(search.is_same(one, one));
            prop_assert_eq!(search.is_same(one, two), search.is_same(two, one));
            if search.is_same(one, two) && search.is_same(two, three) {
                prop_assert!(search.is_same(one, three));
            }
            // Parameters that do not matter change nothing.
            let more = format!("a=9&{one}");
            let ignores_a = parse("params=(\"a\")").unwrap();
            prop_assert!(ignores_a.is_same(one, &more));
        }
    }
}
