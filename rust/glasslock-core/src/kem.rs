//! X-Wing (draft-connolly-cfrg-xwing-kem) with coins given from outside; draws no randomness.
//!
//! Members recompute each other's encapsulations, so the 64 coins come from the slot secret:
//! bytes 0 to 31 are the message of ML-KEM-768, bytes 32 to 63 the X25519 ephemeral key.

use crate::error::{Error, Kind, Result};
use x_wing::{
    Ciphertext, Decapsulate, DecapsulationKey, Decapsulator, EncapsulationKey, KeyExport,
};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a seed.
pub const SEED: usize = 32;
/// Bytes of a public key.
pub const PUBLIC_KEY: usize = 1216;
/// Bytes of an encapsulation.
pub const ENC: usize = 1120;
/// Bytes of the coins of one encapsulation.
pub const COINS: usize = 64;
const X25519: usize = 32;

/// The u-coordinates that give no shared secret, with whatever scalar: all points of order 1, 2, 4
/// or 8 on Curve25519 and on its twist, and the same once more unreduced (RFC 7748, 5 and 6.1).
const LOW_ORDER: [[u8; X25519]; 7] = [
    [0; X25519],
    little(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    near_prime(0xec),
    near_prime(0xed),
    near_prime(0xee),
];

/// A shared secret, wiped when dropped.
pub type SharedSecret = Zeroizing<[u8; 32]>;

/// Returns the public key of a seed.
///
/// # Errors
/// `KeyRejected` when the seed has another length.
pub fn public_key(seed: &[u8]) -> Result<Vec<u8>> {
    Ok(decapsulation_key(seed)?
        .encapsulation_key()
        .to_bytes()
        .to_vec())
}

/// Checks a public key: length, the modulus check of FIPS 203, and that its X25519 half
/// contributes (no low-order point).
///
/// # Errors
/// `KeyRejected` naming the check.
pub fn check_public_key(public: &[u8]) -> Result<()> {
    parse(public).map(drop)
}

/// Encapsulates with the given coins; returns the shared secret and `enc`.
///
/// # Errors
/// `KeyRejected` when key or coins are not usable.
pub fn encapsulate(public: &[u8], coins: &[u8]) -> Result<(SharedSecret, Vec<u8>)> {
    let key = parse(public)?;
    let mut coins: [u8; COINS] = coins
        .try_into()
        .map_err(|_| rejected("kem.coins", "an encapsulation takes 64 bytes of coins"))?;
    let (enc, shared) = key.encapsulate_deterministic(&coins.into());
    coins.zeroize();
    Ok((Zeroizing::new(shared.into()), enc.to_vec()))
}

/// Recovers the shared secret of `enc`; a manipulated one gives another secret, as ML-KEM does.
///
/// # Errors
/// `KeyRejected` when seed or enc have another length.
pub fn decapsulate(seed: &[u8], enc: &[u8]) -> Result<SharedSecret> {
    let key = decapsulation_key(seed)?;
    let enc = Ciphertext::try_from(enc)
        .map_err(|_| rejected("kem.enc", "an encapsulation has 1,120 bytes"))?;
    Ok(Zeroizing::new(key.decapsulate(&enc).into()))
}

const fn little(number: u8) -> [u8; X25519] {
    let mut bytes = [0; X25519];
    bytes[0] = number;
    bytes
}

/// The field's prime 2^255 - 19 is `ed ff ... ff 7f`; the first byte is given.
const fn near_prime(first: u8) -> [u8; X25519] {
    let mut bytes = [0xff; X25519];
    bytes[0] = first;
    bytes[X25519 - 1] = 0x7f;
    bytes
}

fn parse(public: &[u8]) -> Result<EncapsulationKey> {
    if public.len() != PUBLIC_KEY {
        return Err(rejected("kem.length", "a public key has 1,216 bytes"));
    }
    let key = EncapsulationKey::try_from(public)
        .map_err(|_| rejected("kem.modulus", "a public key fails the check of FIPS 203"))?;
    let mut half: [u8; X25519] = public[PUBLIC_KEY - X25519..]
        .try_into()
        .map_err(|_| rejected("kem.length", "a public key has 1,216 bytes"))?;
    // X-Wing itself accepts a low-order X25519 half. Keys are public, so comparing may take its time.
    half[X25519 - 1] &= 0x7f;
    if LOW_ORDER.contains(&half) {
        return Err(rejected(
            "kem.low-order",
            "a public key has a low-order half",
        ));
    }
    Ok(key)
}

fn decapsulation_key(seed: &[u8]) -> Result<DecapsulationKey> {
    let mut seed: [u8; SEED] = seed
        .try_into()
        .map_err(|_| rejected("kem.seed", "a seed has 32 bytes"))?;
    let key = DecapsulationKey::from(seed);
    seed.zeroize();
    Ok(key)
}

fn rejected(rule: &'static str, message: &str) -> Error {
    Error::new(Kind::KeyRejected, rule, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use x25519_dalek::{PublicKey, StaticSecret};

    /// Whether a half gives a shared secret, by trying: all that is refused by comparing must
    /// agree with this.
    fn contributes(half: [u8; X25519]) -> bool {
        StaticSecret::from([0x40; X25519])
            .diffie_hellman(&PublicKey::from(half))
            .was_contributory()
    }

    fn refused(half: [u8; X25519]) -> bool {
        let mut public = public_key(&[7; SEED]).unwrap();
        public[PUBLIC_KEY - X25519..].copy_from_slice(&half);
        check_public_key(&public).is_err()
    }

    #[test]
    fn exactly_the_halves_that_give_no_secret_are_refused() {
        for mut half in LOW_ORDER {
            assert!(!contributes(half) && refused(half), "{half:02x?}");
            half[X25519 - 1] |= 0x80;
            assert!(!contributes(half) && refused(half), "{half:02x?}");
        }
        let all = (0..=255).flat_map(|n| [little(n), near_prime(n), [n; X25519]]);
        for half in all {
            assert_eq!(contributes(half), !refused(half), "{half:02x?}");
        }
    }

    #[test]
    fn both_sides_share_a_secret() {
        let seed = [7; SEED];
        let (sent, enc) = encapsulate(&public_key(&seed).unwrap(), &[9; COINS]).unwrap();
        assert_eq!(*sent, *decapsulate(&seed, &enc).unwrap());
    }

    #[test]
    fn exchanged_halves_of_the_coins_give_another_encapsulation() {
        let public = public_key(&[7; SEED]).unwrap();
        let coins: [u8; COINS] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let mut exchanged = coins;
        exchanged.rotate_left(COINS / 2);
        assert_ne!(
            encapsulate(&public, &coins).unwrap().1,
            encapsulate(&public, &exchanged).unwrap().1
        );
    }

    #[test]
    fn unsafe_public_keys_are_refused() {
        let good = public_key(&[7; SEED]).unwrap();
        let mut low_order = good.clone();
        low_order[PUBLIC_KEY - X25519..].fill(0);
        assert_eq!(
            check_public_key(&low_order).unwrap_err().rule,
            "kem.low-order"
        );
        let mut modulus = good.clone();
        modulus[..3].fill(0xff);
        assert_eq!(check_public_key(&modulus).unwrap_err().rule, "kem.modulus");
        assert_eq!(check_public_key(&good[1..]).unwrap_err().rule, "kem.length");
        assert!(check_public_key(&good).is_ok());
    }
}
