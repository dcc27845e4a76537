//! The language of a request: `Accept-Language` reduced to the languages that the site has. Browsers send hundreds of
//! different fields; without this, each would have a page of its own.

use std::borrow::Cow;

use crate::rfc::{
    accept_language, caching,
    request_parts::{FieldName, Headers},
};

/// Returns the value of `Accept-Language` that tells variants apart: one of `languages`, which the application gets
/// too, or the field in a normal form if the settings name no languages. `None` without the field, or if the site has
/// none of its languages.
pub(super) fn of<'a>(headers: &'a Headers, languages: &'a [String]) -> Option<Cow<'a, [u8]>> {
    if languages.is_empty() {
        return caching::selecting_value(headers, "accept-language").map(Cow::Owned);
    }
    accept_language::best(headers.get_all(FieldName::AcceptLanguage), languages)
        .map(|language| Cow::Borrowed(language.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_languages_of_the_site() {
        let languages = ["en".to_owned(), "de".to_owned()];
        let headers = Headers::from_iter([("accept-language", "fr, de-AT;q=0.9, en;q=0.5")]);
        assert_eq!(of(&headers, &languages).as_deref(), Some(&b"de"[..]));
        let headers = Headers::from_iter([("accept-language", "fr")]);
        assert_eq!(of(&headers, &languages), None);
    }
}
