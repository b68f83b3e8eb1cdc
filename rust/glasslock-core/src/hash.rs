//! SHA-256 and HKDF-Expand over bytes that are encoded already; knows no label.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Bytes of a digest.
pub const SIZE: usize = 32;

/// Returns SHA-256 of `data`.
#[must_use]
pub fn digest(data: &[u8]) -> [u8; SIZE] {
    Sha256::digest(data).into()
}

/// Returns `length` bytes of HKDF-Expand-SHA256 (RFC 5869 2.3).
///
/// # Errors
/// `Wire` when `length` is outside what HKDF-Expand can give.
pub fn expand(key: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let impossible = || Error::wire("kdf.length", "a derived key has an impossible length");
    if length == 0 {
        return Err(impossible());
    }
    let keyed = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| Error::wire("kdf.key", "a key has an impossible length"))?;
    let mut out = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(SIZE)));
    let mut counter = 0_u8;
    while out.len() < length {
        counter = counter.checked_add(1).ok_or_else(impossible)?;
        let mut block = keyed.clone();
        if counter > 1 {
            block.update(&out[out.len() - SIZE..]);
        }
        block.update(info);
        block.update(&[counter]);
        out.extend_from_slice(&block.finalize().into_bytes());
    }
    out.truncate(length);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expand_is_that_of_rfc_5869() {
        // RFC 5869, A.1.
        let key = b"\x07\x77\x09\x36\x2c\x2e\x32\xdf\x0d\xdc\x3f\x0d\xc4\x7b\xba\x63\
            \x90\xb6\xc7\x3b\xb5\x0f\x9c\x31\x22\xec\x84\x4a\xd7\xc2\xb3\xe5";
        let info = b"\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9";
        let okm = b"\x3c\xb2\x5f\x25\xfa\xac\xd5\x7a\x90\x43\x4f\x64\xd0\x36\x2f\x2a\
            \x2d\x2d\x0a\x90\xcf\x1a\x5a\x4c\x5d\xb0\x2d\x56\xec\xc4\xc5\xbf\
            \x34\x00\x72\x08\xd5\xb8\x87\x18\x58\x65";
        assert_eq!(expand(key, info, 42).unwrap().as_slice(), okm);
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert_eq!(expand(b"", b"", 0).unwrap_err().rule, "kdf.length");
        assert_eq!(expand(b"", b"", 255 * SIZE).unwrap().len(), 255 * SIZE);
        assert_eq!(
            expand(b"", b"", 255 * SIZE + 1).unwrap_err().rule,
            "kdf.length"
        );
    }
}
