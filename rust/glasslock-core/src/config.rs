//! The fixed choices of a Glasslock group: capabilities, wire format, policy extension, exporter.

use crate::crypto::{CLASSIC, HYBRID};
use crate::error::{Error, Result};
use openmls::prelude::*;

/// Type of the policy extension in the `GroupContext` (private range, not GREASE).
pub const POLICY_EXTENSION: u16 = 0xF47C;
/// Component id of the forward-secure exporter that gives the root of an epoch.
pub const ROOT_COMPONENT: u16 = 0x8001;
const DAY: u64 = 86_400;
const LIFETIME_BEFORE: u64 = 30 * DAY;
const LIFETIME_AFTER: u64 = 3 * 365 * DAY;

/// Returns the suite of a number.
///
/// # Errors
/// `Wire` for any suite but the two of the project.
pub fn suite(number: u16) -> Result<Ciphersuite> {
    [HYBRID, CLASSIC]
        .into_iter()
        .find(|suite| u16::from(*suite) == number)
        .ok_or_else(|| Error::wire("mls.suite", "this cipher suite is not supported"))
}

/// What every leaf says it can do: exactly what is used.
#[must_use]
pub fn capabilities(suite: Ciphersuite) -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[suite]),
        Some(&[
            ExtensionType::Unknown(POLICY_EXTENSION),
            ExtensionType::LastResort,
        ]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

/// Long on paper, because a receiver's clock judges them with no way to skip; freshness is
/// judged by the directory and by the inviter.
#[must_use]
pub fn lifetime(now: u64) -> Lifetime {
    Lifetime::init(
        now.saturating_sub(LIFETIME_BEFORE),
        now.saturating_add(LIFETIME_AFTER),
    )
}

/// Handshakes are `PublicMessages` so that the Delivery Service can validate them.
#[must_use]
pub fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .max_past_epochs(0)
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .build()
}

/// The `GroupContext` extensions of a policy: the policy itself, and that all must understand it.
///
/// # Errors
/// `Wire` when the extension is not allowed there.
pub fn context_extensions(policy: &[u8]) -> Result<Extensions<GroupContext>> {
    Extensions::from_vec(vec![
        Extension::Unknown(POLICY_EXTENSION, UnknownExtension(policy.to_vec())),
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &[ExtensionType::Unknown(POLICY_EXTENSION)],
            &[],
            &[CredentialType::Basic],
        )),
    ])
    .map_err(|_| Error::wire("mls.extensions", "the policy extension is not usable"))
}

/// Reads the policy extension of a context.
///
/// # Errors
/// `Verification` when the context has none.
pub fn policy_of(context: &GroupContext) -> Result<Vec<u8>> {
    context
        .extensions()
        .unknown(POLICY_EXTENSION)
        .map(|extension| extension.0.clone())
        .ok_or_else(|| Error::verification("mls.policy", "the group names no access policy"))
}
