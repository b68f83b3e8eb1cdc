//! Reads MLS messages without a group: what they are, whom they name.

use crate::config::POLICY_EXTENSION;
use crate::crypto::Crypto;
use crate::error::{Error, Result};
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize};
use openmls::prelude::*;

/// One member, or one device that is to become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Leaf index; 0 for a `KeyPackage` that has none yet.
    pub leaf: u32,
    /// Identity bytes of the basic credential.
    pub identity: Vec<u8>,
    /// Raw Ed25519 public key.
    pub signature_key: Vec<u8>,
    /// The MLS Credential as TLS bytes.
    pub credential: Vec<u8>,
}

/// What a `KeyPackage` says, after its own signature was checked.
#[derive(Debug, Clone)]
pub struct KeyPackageInfo {
    /// Reference (RFC 9420 5.2).
    pub reference: Vec<u8>,
    /// Cipher suite number.
    pub suite: u16,
    /// Whom it names.
    pub member: MemberInfo,
    /// Start of its lifetime, unix seconds.
    pub not_before: u64,
    /// Whether it may be used more than once.
    pub last_resort: bool,
}

/// What an MLS message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageInfo {
    /// "commit", "proposal", "application", "private", "welcome", "`group_info`" or "`key_package`".
    pub kind: &'static str,
    /// The group, when the message names one in the clear.
    pub group_id: Vec<u8>,
    /// The epoch, when the message names one in the clear.
    pub epoch: u64,
}

/// Parses exactly one `MLSMessage`.
///
/// # Errors
/// `Wire` when it is malformed or bytes follow.
pub fn message(bytes: &[u8]) -> Result<MlsMessageBodyIn> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(bytes)
        .map_err(|_| Error::wire("mls.message", "an MLS message is malformed"))?;
    Ok(message.extract())
}

/// Parses one handshake: a `PublicMessage`.
///
/// # Errors
/// `Wire` when it is anything else.
pub fn handshake(bytes: &[u8]) -> Result<PublicMessageIn> {
    match message(bytes)? {
        MlsMessageBodyIn::PublicMessage(message) => Ok(message),
        _ => Err(Error::wire(
            "mls.handshake",
            "a handshake is a PublicMessage",
        )),
    }
}

/// Tells what a message is.
///
/// # Errors
/// `Wire` when it is malformed.
pub fn message_info(bytes: &[u8]) -> Result<MessageInfo> {
    let plain = |kind| MessageInfo {
        kind,
        group_id: Vec::new(),
        epoch: 0,
    };
    Ok(match message(bytes)? {
        MlsMessageBodyIn::PublicMessage(message) => MessageInfo {
            kind: match message.content_type() {
                ContentType::Application => "application",
                ContentType::Proposal => "proposal",
                ContentType::Commit => "commit",
            },
            group_id: message.group_id().as_slice().to_vec(),
            epoch: message.epoch().as_u64(),
        },
        MlsMessageBodyIn::GroupInfo(info) => MessageInfo {
            kind: "group_info",
            group_id: info.group_id().as_slice().to_vec(),
            epoch: info.epoch().as_u64(),
        },
        MlsMessageBodyIn::PrivateMessage(_) => plain("private"),
        MlsMessageBodyIn::Welcome(_) => plain("welcome"),
        MlsMessageBodyIn::KeyPackage(_) => plain("key_package"),
    })
}

/// Parses and verifies a `KeyPackage`: its signature, its leaf, and that it knows our extension.
///
/// # Errors
/// `Wire` or `Verification`.
pub fn key_package(crypto: &Crypto, bytes: &[u8]) -> Result<KeyPackage> {
    let MlsMessageBodyIn::KeyPackage(package) = message(bytes)? else {
        return Err(Error::wire("mls.key-package", "this is not a KeyPackage"));
    };
    let package = package
        .validate(crypto, ProtocolVersion::Mls10)
        .map_err(|error| Error::verification("mls.key-package", error.to_string()))?;
    let known = package.leaf_node().capabilities().extensions();
    if !known.contains(&ExtensionType::Unknown(POLICY_EXTENSION)) {
        return Err(Error::verification(
            "mls.capabilities",
            "a KeyPackage does not know the policy extension",
        ));
    }
    Ok(package)
}

/// Tells what a verified `KeyPackage` says.
///
/// # Errors
/// `Wire` or `Verification`.
pub fn key_package_info(crypto: &Crypto, bytes: &[u8]) -> Result<KeyPackageInfo> {
    let package = key_package(crypto, bytes)?;
    let reference = package
        .hash_ref(crypto)
        .map_err(|_| Error::wire("mls.key-package", "a KeyPackage has no reference"))?;
    Ok(KeyPackageInfo {
        reference: reference.as_slice().to_vec(),
        suite: package.ciphersuite().into(),
        member: leaf_info(0, package.leaf_node())?,
        not_before: package.life_time().not_before(),
        last_resort: package.last_resort(),
    })
}

/// Describes a leaf.
///
/// # Errors
/// `Verification` when its credential is not a basic one.
pub fn leaf_info(leaf: u32, node: &LeafNode) -> Result<MemberInfo> {
    member_info(leaf, node.credential(), node.signature_key().as_slice())
}

/// Describes all members of a group.
///
/// # Errors
/// `Verification` when a credential is not a basic one.
pub fn members(members: impl Iterator<Item = Member>) -> Result<Vec<MemberInfo>> {
    members
        .map(|m| member_info(m.index.u32(), &m.credential, &m.signature_key))
        .collect()
}

fn member_info(leaf: u32, credential: &Credential, signature_key: &[u8]) -> Result<MemberInfo> {
    let unusable = || Error::verification("mls.credential", "a credential is not a basic one");
    let basic = BasicCredential::try_from(credential.clone()).map_err(|_| unusable())?;
    Ok(MemberInfo {
        leaf,
        identity: basic.identity().to_vec(),
        signature_key: signature_key.to_vec(),
        credential: credential
            .tls_serialize_detached()
            .map_err(|_| unusable())?,
    })
}
