//! The heads and items of our deterministic CBOR subset (RFC 8949 4.2.1); knows no structure.
//!
//! Unsigned integers, byte strings, text, null and arrays in their shortest form, nothing else: a
//! reader that accepts less has less to get wrong (decision 0003).

use crate::error::{Error, Result};

/// The most arrays inside each other.
pub const MAX_DEPTH: usize = 16;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const NULL: u8 = 0xf6;
const INLINE: u8 = 24;

/// One item as it stands in the input; an array's items follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// An unsigned integer.
    Uint(u64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// An array of so many items.
    Array(usize),
    /// Null.
    Null,
}

/// Appends one item; of an array only its head.
///
/// # Errors
/// `Wire` for an array deeper than `MAX_DEPTH`; `depth` says how many arrays are open.
pub fn put(out: &mut Vec<u8>, item: Item<'_>, depth: usize) -> Result<()> {
    match item {
        Item::Uint(number) => head(out, UINT, number),
        Item::Bytes(data) => {
            head(out, BYTES, data.len() as u64);
            out.extend_from_slice(data);
        }
        Item::Text(text) => {
            head(out, TEXT, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        Item::Array(count) => {
            check_depth(depth)?;
            head(out, ARRAY, count as u64);
        }
        Item::Null => out.push(NULL),
    }
    Ok(())
}

#[allow(clippy::cast_possible_truncation)] // each arm has checked the width
fn head(out: &mut Vec<u8>, major: u8, number: u64) {
    let lead = major << 5;
    match number {
        0..=23 => out.push(lead + number as u8),
        24..=0xff => out.extend_from_slice(&[lead + 24, number as u8]),
        0x100..=0xffff => {
            out.push(lead + 25);
            out.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(lead + 26);
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            out.push(lead + 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

fn check_depth(depth: usize) -> Result<()> {
    if depth >= MAX_DEPTH {
        return Err(Error::wire("codec.depth", "nested too deeply"));
    }
    Ok(())
}

/// Takes items off the front of its input.
#[derive(Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `data`, at most `limit` bytes long.
    ///
    /// # Errors
    /// `Wire` when it is longer.
    pub fn new(data: &'a [u8], limit: usize) -> Result<Self> {
        if data.len() > limit {
            return Err(Error::wire("codec.length", "input is too long"));
        }
        Ok(Self { data, at: 0 })
    }

    /// Takes the next item; `depth` says how many arrays are open.
    ///
    /// # Errors
    /// `Wire` for anything that `put` would not have written byte for byte.
    pub fn next(&mut self, depth: usize) -> Result<Item<'a>> {
        let lead = self.take(1)?[0];
        if lead == NULL {
            return Ok(Item::Null);
        }
        let number = self.number(lead & 31)?;
        match lead >> 5 {
            UINT => Ok(Item::Uint(number)),
            BYTES => Ok(Item::Bytes(self.take_long(number)?)),
            TEXT => std::str::from_utf8(self.take_long(number)?)
                .map(Item::Text)
                .map_err(|_| Error::wire("codec.text", "text is not valid UTF-8")),
            ARRAY => {
                check_depth(depth)?;
                // Each item takes at least one byte: a larger count must cost nothing.
                match usize::try_from(number) {
                    Ok(count) if count <= self.data.len() - self.at => Ok(Item::Array(count)),
                    _ => Err(truncated()),
                }
            }
            _ => Err(Error::wire(
                "codec.type",
                "this kind of item is not allowed",
            )),
        }
    }

    /// Checks that everything was taken.
    ///
    /// # Errors
    /// `Wire` when bytes are left.
    pub fn finish(&self) -> Result<()> {
        if self.at != self.data.len() {
            return Err(Error::wire("codec.trailing", "bytes follow the end"));
        }
        Ok(())
    }

    fn number(&mut self, info: u8) -> Result<u64> {
        let width = match info {
            0..INLINE => return Ok(u64::from(info)),
            24..=27 => 1_usize << (info - 24),
            _ => return Err(Error::wire("codec.type", "reserved or indefinite length")),
        };
        let number = self
            .take(width)?
            .iter()
            .fold(0, |n, b| n << 8 | u64::from(*b));
        let smallest = if width == 1 {
            u64::from(INLINE)
        } else {
            1 << (4 * width)
        };
        if number < smallest {
            return Err(Error::wire(
                "codec.shortest",
                "a number is not in its shortest form",
            ));
        }
        Ok(number)
    }

    fn take_long(&mut self, size: u64) -> Result<&'a [u8]> {
        self.take(usize::try_from(size).map_err(|_| truncated())?)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        let end = self
            .at
            .checked_add(size)
            .filter(|end| *end <= self.data.len());
        let end = end.ok_or_else(truncated)?;
        let found = &self.data[self.at..end];
        self.at = end;
        Ok(found)
    }
}

fn truncated() -> Error {
    Error::wire("codec.truncated", "input ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written_and_read_in_their_shortest_form() {
        for number in [
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX),
            1 << 32,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            put(&mut out, Item::Uint(number), 0).unwrap();
            let mut reader = Reader::new(&out, 9).unwrap();
            assert_eq!(reader.next(0).unwrap(), Item::Uint(number));
            reader.finish().unwrap();
        }
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        for (data, rule) in [
            (&b""[..], "codec.truncated"),
            (b"\x18", "codec.truncated"),
            (b"\x18\x17", "codec.shortest"),
            (b"\x19\x00\xff", "codec.shortest"),
            (b"\x1c", "codec.type"),
            (b"\x1f", "codec.type"),
            (b"\x20", "codec.type"),
            (b"\xa0", "codec.type"),
            (b"\xf5", "codec.type"),
            (b"\x41", "codec.truncated"),
            (b"\x61\xff", "codec.text"),
            (b"\x82\x00", "codec.truncated"),
            (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "codec.truncated"),
        ] {
            let error = Reader::new(data, 16).unwrap().next(0).unwrap_err();
            assert_eq!(error.rule, rule, "{data:02x?}");
        }
        assert_eq!(
            Reader::new(b"\x80", 1)
                .unwrap()
                .next(MAX_DEPTH)
                .unwrap_err()
                .rule,
            "codec.depth"
        );
        assert_eq!(Reader::new(b"\x00", 0).unwrap_err().rule, "codec.length");
        assert_eq!(
            Reader::new(b"\x00", 1).unwrap().finish().unwrap_err().rule,
            "codec.trailing"
        );
    }
}
