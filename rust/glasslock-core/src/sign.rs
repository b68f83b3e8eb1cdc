//! `SignWithLabel` of RFC 9420 5.1.2 over Ed25519, with the one strict verifier of the project.

use crate::error::{Error, Kind, Result};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use openmls::prelude::SignContent;
use tls_codec::Serialize;

/// Stands before every label of ours, so that none can equal a label of MLS itself.
const PREFIX: &str = "glasslock/1 ";

/// Returns the public key of a seed.
///
/// # Errors
/// `KeyRejected` when the seed has another length.
pub fn public_key(seed: &[u8]) -> Result<[u8; 32]> {
    Ok(signing_key(seed)?.verifying_key().to_bytes())
}

/// Signs `content` under `label`.
///
/// # Errors
/// `KeyRejected` when the seed has another length.
pub fn sign(seed: &[u8], label: &str, content: &[u8]) -> Result<[u8; 64]> {
    Ok(signing_key(seed)?
        .sign(&sign_content(label, content)?)
        .to_bytes())
}

/// Verifies strictly: canonical encodings only, no key of small order.
///
/// # Errors
/// `BadSignature` when it does not verify, `KeyRejected` when the key is not usable.
pub fn verify(public: &[u8], label: &str, content: &[u8], signature: &[u8]) -> Result<()> {
    let key: [u8; 32] = public
        .try_into()
        .map_err(|_| rejected("a public signing key has 32 bytes"))?;
    let key = VerifyingKey::from_bytes(&key)
        .ok()
        .filter(|key| !key.is_weak())
        .ok_or_else(|| rejected("a public signing key is not usable"))?;
    let bad = || {
        Error::new(
            Kind::BadSignature,
            "signature",
            "a signature does not verify",
        )
    };
    let signature = Signature::from_slice(signature).map_err(|_| bad())?;
    key.verify_strict(&sign_content(label, content)?, &signature)
        .map_err(|_| bad())
}

fn sign_content(label: &str, content: &[u8]) -> Result<Vec<u8>> {
    SignContent::new(&format!("{PREFIX}{label}"), content.to_vec().into())
        .tls_serialize_detached()
        .map_err(|_| Error::wire("signature.content", "the content to sign is too long"))
}

fn signing_key(seed: &[u8]) -> Result<SigningKey> {
    let seed: [u8; 32] = seed
        .try_into()
        .map_err(|_| rejected("a signing seed has 32 bytes"))?;
    Ok(SigningKey::from_bytes(&seed))
}

fn rejected(message: &str) -> Error {
    Error::new(Kind::KeyRejected, "signing.key", message)
}
