//! The tables of HPACK: the fixed one (RFC 7541, appendix A) and the one that a connection fills (RFC 7541, 2.3.2 and
//! 4).

use std::collections::VecDeque;

use http::{HeaderName, HeaderValue, header};

use super::field::{HpackField, HpackName, MalformedBlock};

/// The maximum size of the dynamic table in bytes: the default of `SETTINGS_HEADER_TABLE_SIZE`.
pub(super) const MAX_SIZE: usize = 4096;
/// The bytes that an entry counts besides its name and value (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// The dynamic table. It keeps values in their final form, so that a request shares them and copies none.
#[derive(Debug)]
pub(super) struct HpackTable {
    /// The newest first.
    entries: VecDeque<HpackField>,
    size: usize,
    max: usize,
}

// === impl HpackTable ===

impl HpackTable {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, max: MAX_SIZE }
    }

    /// Returns the field at an index of both tables together.
    pub(super) fn get(&self, index: usize) -> Result<HpackField, MalformedBlock> {
        let fixed = index.checked_sub(1).ok_or(MalformedBlock)?;
        if let Some((name, value)) = FIXED.get(fixed) {
            let (name_length, length) = (name.length(), name.length() + value.len());
            let value = Some(HeaderValue::from_static(value));
            return Ok(HpackField { name: name.clone(), name_length, value, length, own: 0 });
        }
        self.entries.get(fixed - FIXED.len()).cloned().ok_or(MalformedBlock)
    }

    /// Returns the name at an index, and its length.
    pub(super) fn name(&self, index: usize) -> Result<(HpackName, usize), MalformedBlock> {
        let fixed = index.checked_sub(1).ok_or(MalformedBlock)?;
        if let Some((name, _)) = FIXED.get(fixed) {
            return Ok((name.clone(), name.length()));
        }
        let field = self.entries.get(fixed - FIXED.len()).ok_or(MalformedBlock)?;
        Ok((field.name.clone(), field.name_length))
    }

    /// Adds a field and evicts the oldest ones (RFC 7541, 4.4).
    pub(super) fn insert(&mut self, field: HpackField) {
        let size = field.length + ENTRY_OVERHEAD;
        self.evict(self.max.saturating_sub(size));
        if size <= self.max {
            self.size += size;
            self.entries.push_front(field);
        }
    }

    /// Changes the maximum size of the table (RFC 7541, 4.3).
    pub(super) fn resize(&mut self, max: usize) -> Result<(), MalformedBlock> {
        if max > MAX_SIZE {
            return Err(MalformedBlock);
        }
        self.max = max;
        self.evict(max);
        Ok(())
    }

    /// Evicts the oldest entries until the others fit the given size.
    fn evict(&mut self, max: usize) {
        while self.size > max
            && let Some(field) = self.entries.pop_back()
        {
            self.size -= field.length + ENTRY_OVERHEAD;
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }
}

const fn field(name: HeaderName) -> HpackName {
    HpackName::Field(name)
}

/// RFC 7541, appendix A.
static FIXED: [(HpackName, &str); 61] = [
    (HpackName::Authority, ""),
    (HpackName::Method, "GET"),
    (HpackName::Method, "POST"),
    (HpackName::Path, "/"),
    (HpackName::Path, "/index.html"),
    (HpackName::Scheme, "http"),
    (HpackName::Scheme, "https"),
    (HpackName::Status, "200"),
    (HpackName::Status, "204"),
    (HpackName::Status, "206"),
    (HpackName::Status, "304"),
    (HpackName::Status, "400"),
    (HpackName::Status, "404"),
    (HpackName::Status, "500"),
    (field(header::ACCEPT_CHARSET), ""),
    (field(header::ACCEPT_ENCODING), "gzip, deflate"),
    (field(header::ACCEPT_LANGUAGE), ""),
    (field(header::ACCEPT_RANGES), ""),
    (field(header::ACCEPT), ""),
    (field(header::ACCESS_CONTROL_ALLOW_ORIGIN), ""),
    (field(header::AGE), ""),
    (field(header::ALLOW), ""),
    (field(header::AUTHORIZATION), ""),
    (field(header::CACHE_CONTROL), ""),
    (field(header::CONTENT_DISPOSITION), ""),
    (field(header::CONTENT_ENCODING), ""),
    (field(header::CONTENT_LANGUAGE), ""),
    (field(header::CONTENT_LENGTH), ""),
    (field(header::CONTENT_LOCATION), ""),
    (field(header::CONTENT_RANGE), ""),
    (field(header::CONTENT_TYPE), ""),
    (field(header::COOKIE), ""),
    (field(header::DATE), ""),
    (field(header::ETAG), ""),
    (field(header::EXPECT), ""),
    (field(header::EXPIRES), ""),
    (field(header::FROM), ""),
    (field(header::HOST), ""),
    (field(header::IF_MATCH), ""),
    (field(header::IF_MODIFIED_SINCE), ""),
    (field(header::IF_NONE_MATCH), ""),
    (field(header::IF_RANGE), ""),
    (field(header::IF_UNMODIFIED_SINCE), ""),
    (field(header::LAST_MODIFIED), ""),
    (field(header::LINK), ""),
    (field(header::LOCATION), ""),
    (field(header::MAX_FORWARDS), ""),
    (field(header::PROXY_AUTHENTICATE), ""),
    (field(header::PROXY_AUTHORIZATION), ""),
    (field(header::RANGE), ""),
    (field(header::REFERER), ""),
    (field(header::REFRESH), ""),
    (field(header::RETRY_AFTER), ""),
    (field(header::SERVER), ""),
    (field(header::SET_COOKIE), ""),
    (field(header::STRICT_TRANSPORT_SECURITY), ""),
    (field(header::TRANSFER_ENCODING), ""),
    (field(header::USER_AGENT), ""),
    (field(header::VARY), ""),
    (field(header::VIA), ""),
    (field(header::WWW_AUTHENTICATE), ""),
];
