//! Decodes header blocks into fields (RFC 7541, 3.2 and 6).

use http::HeaderValue;

use super::{
    field::{HpackField, HpackName, MalformedBlock},
    huffman,
    table::HpackTable,
};

/// The decoder's state for one direction of a connection.
#[derive(Debug)]
pub struct HpackDecoder {
    table: HpackTable,
    /// Whether a block has begun: the table's size may change before its first field only.
    is_amid: bool,
    /// The buffer in which coded strings are decoded, one at a time.
    scratch: Vec<u8>,
}

// === impl HpackDecoder ===

impl Default for HpackDecoder {
    fn default() -> Self {
        Self { table: HpackTable::new(), is_amid: false, scratch: Vec::new() }
    }
}

impl HpackDecoder {
    /// Decodes the fields that are complete in these bytes of a block; returns how many bytes they took. The caller
    /// must pass the rest again, with the bytes that follow it.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(HpackField),
    ) -> Result<usize, MalformedBlock> {
        let mut rest = block;
        while let Some(field) = self.next(&mut rest)? {
            each(field);
        }
        Ok(block.len() - rest.len())
    }

    /// Ends the block.
    pub fn end(&mut self) {
        self.is_amid = false;
        if self.scratch.capacity() > 1024 {
            self.scratch = Vec::new();
        }
    }

    /// Returns the bytes and entries of the dynamic table.
    #[cfg(test)]
    pub(super) fn table(&self) -> (usize, usize) {
        (self.table.size(), self.table.count())
    }

    /// Takes the next field from the bytes, if it is complete.
    fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<HpackField>, MalformedBlock> {
        let mut rest = *bytes;
        loop {
            let Some(&first) = rest.first() else { return Ok(None) };
            if first & 0xe0 != 0x20 {
                break;
            }
            if self.is_amid {
                return Err(MalformedBlock);
            }
            let Some(max) = integer(&mut rest, 5)? else { return Ok(None) };
            self.table.resize(max)?;
            *bytes = rest;
        }
        let Some(&first) = rest.first() else { return Ok(None) };
        let field = if first & 0x80 != 0 {
            let Some(index) = integer(&mut rest, 7)? else { return Ok(None) };
            self.table.get(index)?
        } else {
            let is_indexed = first & 0x40 != 0;
            let prefix = if is_indexed { 6 } else { 4 };
            let Some(field) = self.literal(&mut rest, prefix)? else { return Ok(None) };
            if is_indexed {
                self.table.insert(HpackField { own: 0, ..field.clone() });
            }
            field
        };
        *bytes = rest;
        self.is_amid = true;
        Ok(Some(field))
    }

    /// Decodes a field with a literal value, and maybe a literal name (RFC 7541, 6.2).
    fn literal(
        &mut self,
        bytes: &mut &[u8],
        prefix: u32,
    ) -> Result<Option<HpackField>, MalformedBlock> {
        let Self { table, scratch, .. } = self;
        let Some(index) = integer(bytes, prefix)? else { return Ok(None) };
        let (name, name_length) = if index == 0 {
            let named = string(bytes, scratch, |text| (HpackName::new(text), text.len()))?;
            let Some(named) = named else { return Ok(None) };
            named
        } else {
            table.name(index)?
        };
        string(bytes, scratch, |text| HpackField {
            name,
            name_length,
            value: HeaderValue::from_bytes(text).ok(),
            length: name_length + text.len(),
            own: text.len() + if index == 0 { name_length } else { 0 },
        })
    }
}

/// Decodes a number whose first byte has `prefix` bits (RFC 7541, 5.1); `None` if it is not complete.
fn integer(bytes: &mut &[u8], prefix: u32) -> Result<Option<usize>, MalformedBlock> {
    let Some((&first, mut rest)) = bytes.split_first() else { return Ok(None) };
    let max = (1_usize << prefix) - 1;
    let mut number = usize::from(first) & max;
    if number == max {
        let mut shift = 0;
        loop {
            let Some((&next, behind)) = rest.split_first() else { return Ok(None) };
            rest = behind;
            number += (usize::from(next) & 127) << shift;
            if next < 128 {
                break;
            }
            shift += 7;
            // No valid string is so long.
            if shift > 21 {
                return Err(MalformedBlock);
            }
        }
    }
    *bytes = rest;
    Ok(Some(number))
}

/// Decodes a string, plain or coded (RFC 7541, 5.2), and converts it; `None` if it is not complete.
fn string<T>(
    bytes: &mut &[u8],
    scratch: &mut Vec<u8>,
    make: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, MalformedBlock> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let mut rest = *bytes;
    let Some(length) = integer(&mut rest, 7)? else { return Ok(None) };
    let Some((text, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    *bytes = rest;
    if first & 0x80 == 0 {
        return Ok(Some(make(text)));
    }
    scratch.clear();
    huffman::decode(text, scratch)?;
    Ok(Some(make(scratch)))
}
