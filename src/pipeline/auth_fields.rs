//! The header fields that auth servers have added to a request and to its response.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields of the responses of auth servers that let a request pass.
#[derive(Debug, Default)]
pub(super) struct AuthFields {
    /// For the application, such as the name of the user.
    request: Vec<(HeaderName, HeaderValue)>,
    /// Values of `Set-Cookie` for the client.
    cookies: Vec<HeaderValue>,
}

// === impl AuthFields ===

impl AuthFields {
    /// Takes the fields out of a response. `chosen` are those for the application. An empty value is the same as none:
    /// it names nobody.
    pub(super) fn of(headers: &HeaderMap, chosen: &[HeaderName]) -> Self {
        let values =
            |name: &HeaderName| headers.get_all(name).iter().filter(|value| !value.is_empty());
        Self {
            request: chosen
                .iter()
                .flat_map(|name| values(name).map(|value| (name.clone(), value.clone())))
                .collect(),
            cookies: values(&header::SET_COOKIE).cloned().collect(),
        }
    }

    /// Adds the fields of another response. Its values replace those of the same name for the application.
    pub(super) fn add(&mut self, other: Self) {
        self.request.retain(|(name, _)| other.request.iter().all(|(added, _)| added != name));
        self.request.extend(other.request);
        self.cookies.extend(other.cookies);
    }

    /// Iterates over the fields for the application.
    pub(super) fn request(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.request.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
    }

    /// Adds the fields for the client to a response.
    pub(super) fn add_to_response(&self, headers: &mut HeaderMap) {
        for cookie in &self.cookies {
            headers.append(header::SET_COOKIE, cookie.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn chosen_fields_alone_are_for_the_application() {
        let names = ["remote-user", "remote-groups", "x-none"].map(HeaderName::from_static);
        let given = headers(&[
            ("remote-user", "ann"),
            ("remote-groups", "a"),
            ("remote-groups", "b"),
            ("x-none", ""),
            ("x-other", "c"),
            ("set-cookie", "d=e"),
        ]);
        let mut fields = AuthFields::of(&given, &names);
        let shown = |fields: &AuthFields| -> Vec<String> {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            fields
                .request()
                .map(|(name, value)| format!("{}={}", text(name), text(value)))
                .collect()
        };
        assert_eq!(shown(&fields), ["remote-user=ann", "remote-groups=a", "remote-groups=b"]);
        fields.add(AuthFields::of(
            &headers(&[("remote-groups", "c"), ("set-cookie", "f=g")]),
            &names,
        ));
        assert_eq!(shown(&fields), ["remote-user=ann", "remote-groups=c"]);
        assert_eq!(fields.cookies, ["d=e", "f=g"]);
    }
}
