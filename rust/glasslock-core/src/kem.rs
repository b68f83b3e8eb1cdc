//! X-Wing (draft-connolly-cfrg-xwing-kem) with coins given from outside; draws no randomness.
//!
//! Members recompute each other's encapsulations, so the 64 coins come from the slot secret:
//! bytes 0 to 31 are the message of ML-KEM-768, bytes 32 to 63 the X25519 ephemeral key.

use crate::error::{Error, Kind, Result};
use x25519_dalek::{PublicKey, StaticSecret};
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

fn parse(public: &[u8]) -> Result<EncapsulationKey> {
    if public.len() != PUBLIC_KEY {
        return Err(rejected("kem.length", "a public key has 1,216 bytes"));
    }
    let key = EncapsulationKey::try_from(public)
        .map_err(|_| rejected("kem.modulus", "a public key fails the check of FIPS 203"))?;
    let half: [u8; X25519] = public[PUBLIC_KEY - X25519..]
        .try_into()
        .map_err(|_| rejected("kem.length", "a public key has 1,216 bytes"))?;
    // X-Wing itself accepts a low-order X25519 half; whether one contributes does not depend on
    // the scalar, so any fixed one shows it.
    let probe = StaticSecret::from([0x40; X25519]);
    if !probe
        .diffie_hellman(&PublicKey::from(half))
        .was_contributory()
    {
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
