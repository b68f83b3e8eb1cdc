//! The `RustCrypto` provider narrowed to our two suites, with one function replaced.
//!
//! `DeriveKeyPair` for X-Wing follows the published hpke-pq vectors; the library's own version
//! predates them. Every key pair in a group goes through it, so a change there would split groups.

use openmls::prelude::tls_codec::SecretVLBytes;
use openmls_rust_crypto::{MemoryStorage, RustCrypto};
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig,
    HpkeKemType, HpkeKeyPair, KemOutput, SignatureScheme,
};
use openmls_traits::OpenMlsProvider;
use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::Shake256;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The hybrid suite every conversation uses by default.
pub const HYBRID: Ciphersuite = Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519;
/// The classic suite, for very large groups and tests between engines.
pub const CLASSIC: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
const KEM_ID: [u8; 2] = [0x64, 0x7a];
const SEED: u16 = 32;

/// Derives an X-Wing key pair from input key material: `SHAKE256.LabeledDerive(ikm,
/// "DeriveKeyPair", "", 32)` under the suite id of the KEM (draft-ietf-hpke-pq).
///
/// # Errors
/// `CryptoLibraryError` when the seed gives no key, which does not happen.
pub fn derive_xwing_key_pair(ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
    let label = b"DeriveKeyPair";
    let mut hash = Shake256::default();
    hash.update(ikm);
    hash.update(b"HPKE-v1");
    hash.update(b"KEM");
    hash.update(&KEM_ID);
    hash.update(&u16::try_from(label.len()).unwrap_or(0).to_be_bytes());
    hash.update(label);
    hash.update(&SEED.to_be_bytes());
    let mut seed = Zeroizing::new([0; SEED as usize]);
    hash.finalize_xof().read(&mut *seed);
    let public = crate::kem::public_key(&*seed).map_err(|_| CryptoError::CryptoLibraryError)?;
    Ok(HpkeKeyPair {
        private: seed.to_vec().into(),
        public,
    })
}

/// `RustCrypto` with the replaced derivation.
#[derive(Debug, Default)]
pub struct Crypto(pub RustCrypto);

impl OpenMlsCrypto for Crypto {
    fn supports(&self, suite: Ciphersuite) -> Result<(), CryptoError> {
        if self.supported_ciphersuites().contains(&suite) {
            return Ok(());
        }
        Err(CryptoError::UnsupportedCiphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![HYBRID, CLASSIC]
    }

    fn hkdf_extract(
        &self,
        hash: HashType,
        salt: &[u8],
        ikm: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        self.0.hkdf_extract(hash, salt, ikm)
    }

    fn hmac(
        &self,
        hash: HashType,
        key: &[u8],
        message: &[u8],
    ) -> Result<SecretVLBytes, CryptoError> {
        self.0.hmac(hash, key, message)
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        length: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        self.0.hkdf_expand(hash, prk, info, length)
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0.hash(hash, data)
    }

    fn aead_encrypt(
        &self,
        kind: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.0.aead_encrypt(kind, key, data, nonce, aad)
    }

    fn aead_decrypt(
        &self,
        kind: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.0.aead_decrypt(kind, key, data, nonce, aad)
    }

    fn signature_key_gen(
        &self,
        scheme: SignatureScheme,
    ) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        self.0.signature_key_gen(scheme)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.0.verify_signature(scheme, data, key, signature)
    }

    fn sign(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.0.sign(scheme, data, key)
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
        text: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        self.0.hpke_seal(config, key, info, aad, text)
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        key: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        self.0.hpke_open(config, input, key, info, aad)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        self.0
            .hpke_setup_sender_and_export(config, key, info, context, length)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        enc: &[u8],
        key: &[u8],
        info: &[u8],
        context: &[u8],
        length: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        self.0
            .hpke_setup_receiver_and_export(config, enc, key, info, context, length)
    }

    fn derive_hpke_keypair(
        &self,
        config: HpkeConfig,
        ikm: &[u8],
    ) -> Result<HpkeKeyPair, CryptoError> {
        if config.0 == HpkeKemType::XWingKemDraft6 {
            return derive_xwing_key_pair(ikm);
        }
        self.0.derive_hpke_keypair(config, ikm)
    }
}

/// What the library asks for: crypto, randomness and one store of rows.
#[derive(Debug)]
pub struct Provider {
    /// Shared by all handles of a device.
    pub crypto: Arc<Crypto>,
    /// Rows of one scope, in memory.
    pub storage: MemoryStorage,
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Crypto;
    type RandProvider = RustCrypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto.0
    }
}
