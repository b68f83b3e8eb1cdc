//! Shamir's secret sharing byte by byte over GF(2^8) with x^8 + x^4 + x^3 + x + 1 (0x11B).
//!
//! Coefficients come from outside, because members recompute them. Multiplication runs in
//! constant time: no table, no branch on a secret.

use crate::error::{Error, Result};
use zeroize::Zeroizing;

/// A share or a secret, wiped when dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// Evaluates the polynomial `constant + coefficients[0] x + ...` at `x` for every byte.
///
/// # Errors
/// `State` when `x` is 0 or lengths differ.
pub fn share(constant: &[u8], coefficients: &[&[u8]], x: u8) -> Result<Secret> {
    if x == 0 {
        return Err(Error::state(
            "shamir.x",
            "a share at x = 0 would be the secret",
        ));
    }
    if coefficients.iter().any(|c| c.len() != constant.len()) {
        return Err(Error::state(
            "shamir.length",
            "a coefficient has another length",
        ));
    }
    let mut value: Secret = Zeroizing::new(vec![0; constant.len()]);
    for (i, out) in value.iter_mut().enumerate() {
        let mut accumulator = 0;
        for coefficient in coefficients.iter().rev() {
            accumulator = multiply(accumulator ^ coefficient[i], x);
        }
        *out = accumulator ^ constant[i];
    }
    Ok(value)
}

/// Interpolates the constant term from shares `(x, share)`; as many as given are used.
///
/// # Errors
/// `State` when no share is given, an x is 0 or stands twice, or lengths differ.
pub fn combine(shares: &[(u8, &[u8])]) -> Result<Secret> {
    let Some((_, first)) = shares.first() else {
        return Err(Error::state("shamir.none", "there is no share to combine"));
    };
    let mut seen = [false; 256];
    for (x, value) in shares {
        if *x == 0 || seen[usize::from(*x)] {
            return Err(Error::state(
                "shamir.x",
                "shares need distinct x, none of them 0",
            ));
        }
        if value.len() != first.len() {
            return Err(Error::state("shamir.length", "a share has another length"));
        }
        seen[usize::from(*x)] = true;
    }
    let mut secret: Secret = Zeroizing::new(vec![0; first.len()]);
    for (x, value) in shares {
        let weight = weight_at_zero(*x, shares);
        for (out, byte) in secret.iter_mut().zip(*value) {
            *out ^= multiply(weight, *byte);
        }
    }
    Ok(secret)
}

/// The Lagrange weight of `x` at 0: the product of `x_k / (x_k - x)` over all other x.
fn weight_at_zero(x: u8, shares: &[(u8, &[u8])]) -> u8 {
    shares
        .iter()
        .filter(|(other, _)| *other != x)
        .fold(1, |weight, (other, _)| {
            multiply(weight, multiply(*other, invert(*other ^ x)))
        })
}

/// Multiplies in the field with masks instead of branches.
fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & (b & 1).wrapping_neg();
        let carry = (a >> 7).wrapping_neg();
        a = (a << 1) ^ (carry & 0x1b);
        b >>= 1;
    }
    product
}

/// Inverts as a^254 (Fermat); 0 stays 0 and never occurs, since every x is distinct.
fn invert(a: u8) -> u8 {
    let mut power = a;
    let mut result = 1;
    for _ in 0..7 {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_the_one_of_aes() {
        // FIPS 197, section 4.2: {57} x {83} = {c1}, {57} x {13} = {fe}.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
        assert_eq!(multiply(0x57, 0x13), 0xfe);
        assert!((1..=255).all(|a| multiply(a, invert(a)) == 1));
    }

    #[test]
    fn every_quorum_gives_the_secret_and_one_less_does_not() {
        let secret = [0x00, 0x01, 0xfe, 0xff];
        let coefficients: [&[u8]; 2] = [&[1, 0, 3, 255], &[9, 8, 0, 6]];
        let shares: Vec<_> = (1..=5)
            .map(|x| (x, share(&secret, &coefficients, x).unwrap()))
            .collect();
        for mask in 0_u8..32 {
            let chosen: Vec<(u8, &[u8])> = shares
                .iter()
                .filter(|(x, _)| mask >> (x - 1) & 1 == 1)
                .map(|(x, value)| (*x, value.as_slice()))
                .collect();
            let opened = combine(&chosen).is_ok_and(|value| value.as_slice() == secret);
            assert_eq!(opened, chosen.len() >= 3, "{mask:05b}");
        }
    }

    #[test]
    fn senseless_shares_are_refused() {
        assert_eq!(share(&[1], &[], 0).unwrap_err().rule, "shamir.x");
        assert_eq!(
            share(&[1], &[&[1, 2]], 1).unwrap_err().rule,
            "shamir.length"
        );
        assert_eq!(combine(&[]).unwrap_err().rule, "shamir.none");
        assert_eq!(
            combine(&[(1, &[1]), (1, &[1])]).unwrap_err().rule,
            "shamir.x"
        );
        assert_eq!(
            combine(&[(1, &[1]), (2, &[])]).unwrap_err().rule,
            "shamir.length"
        );
    }
}
