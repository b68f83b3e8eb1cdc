//! Bindings only: convert, release the GIL, map errors. Documentation lives in `_core.pyi`.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

mod codec;
mod errors;
mod groups;
mod primitives;
mod values;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::{Bound, PyModule, PyModuleMethods, PyResult};
    #[pymodule_export]
    use crate::codec::{cbor_decode, cbor_encode, derive_labelled, digest_labelled};
    #[pymodule_export]
    use crate::groups::{
        key_package_info, message_info, Engine, Group, ParkedJoin, PublicGroup, PublicStaged,
        StagedCommit, StagedWelcome, WriteSet,
    };
    #[pymodule_export]
    use crate::primitives::{
        ed25519_public_key, shamir_combine, shamir_share, shamir_shares, sign_with_label,
        verify_with_label, xwing_check_public_key, xwing_decapsulate, xwing_encapsulate,
        xwing_encapsulate_batch, xwing_public_key,
    };
    #[pymodule_export]
    use crate::values::{
        CommitPreview, GroupView, Member, PublicGroupView, PyInvitation, PyKeyPackageInfo,
        PyMessageInfo,
    };
    use glasslock_core::{config, crypto};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("SUITE_HYBRID", u16::from(crypto::HYBRID))?;
        module.add("SUITE_CLASSIC", u16::from(crypto::CLASSIC))?;
        module.add("POLICY_EXTENSION", config::POLICY_EXTENSION)?;
        module.add("ROOT_COMPONENT", config::ROOT_COMPONENT)
    }
}
