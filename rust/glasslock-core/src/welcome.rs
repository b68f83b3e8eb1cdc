//! A Welcome: looked at first, accepted by a person afterwards.

use crate::config::{self, join_config};
use crate::engine::{Device, Engine};
use crate::error::{Error, Result};
use crate::group::{Group, Root};
use crate::inspect::{self, MemberInfo};
use crate::rows::{self, Plain, WriteSet};
use openmls::prelude::tls_codec::Serialize;
use openmls::prelude::*;

/// A Welcome that decrypted and verified; the library consumed its `KeyPackage` only in a copy.
pub struct StagedWelcome {
    device: Device,
    provider: crate::crypto::Provider,
    before: Plain,
    staged: openmls::prelude::StagedWelcome,
    /// What one would join.
    pub preview: Invitation,
}

/// What a Welcome invites to.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Group id.
    pub group_id: Vec<u8>,
    /// Epoch one would enter.
    pub epoch: u64,
    /// Own leaf.
    pub own_leaf: u32,
    /// Leaf of the device that sent it.
    pub sender: u32,
    /// Content of the policy extension.
    pub policy: Vec<u8>,
    /// `GroupContext` as TLS bytes.
    pub context: Vec<u8>,
    /// Everybody in it.
    pub members: Vec<MemberInfo>,
}

/// What accepting a Welcome gave.
pub struct Joined {
    /// The group.
    pub group: Group,
    /// Root of the epoch entered.
    pub root: Root,
    /// What to store, of the device and of the group, in one transaction.
    pub written: WriteSet,
}

impl StagedWelcome {
    pub(crate) fn stage(device: &Device, values: Plain, welcome: &[u8]) -> Result<Self> {
        let MlsMessageBodyIn::Welcome(welcome) = inspect::message(welcome)? else {
            return Err(Error::wire("welcome.kind", "this is not a Welcome"));
        };
        let refused = |error: String| Error::verification("welcome.stage", error);
        let provider = rows::provider(&device.crypto, values.clone());
        let staged =
            openmls::prelude::StagedWelcome::build_from_welcome(&provider, &join_config(), welcome)
                .map_err(|error| refused(error.to_string()))?
                .skip_lifetime_validation()
                .build()
                .map_err(|error| refused(error.to_string()))?;
        let context = staged.group_context();
        let preview = Invitation {
            group_id: context.group_id().as_slice().to_vec(),
            epoch: context.epoch().as_u64(),
            own_leaf: staged.own_leaf_index().u32(),
            sender: staged.welcome_sender_index().u32(),
            policy: config::policy_of(context)?,
            context: context
                .tls_serialize_detached()
                .map_err(|_| refused("the context cannot be encoded".into()))?,
            members: inspect::members(staged.members())?,
        };
        Ok(Self {
            device: device.clone(),
            provider,
            before: values,
            staged,
            preview,
        })
    }

    /// Joins: the rows of the group appear, the `KeyPackage` used is deleted from the device.
    ///
    /// # Errors
    /// `State` when the device changed since the Welcome was staged.
    pub fn accept(self, engine: &Engine) -> Result<Joined> {
        let group = self
            .staged
            .into_group(&self.provider)
            .map_err(|error| Error::verification("welcome.join", error.to_string()))?;
        // What joining deleted belongs to the device, what it added to the group.
        let all = rows::snapshot(&self.provider.storage);
        let (device_rows, group_rows): (Plain, Plain) = all
            .into_iter()
            .partition(|(key, value)| self.before.get(key) == Some(value));
        let provider = rows::provider(&self.device.crypto, group_rows);
        let (group, root, changed) = Group::entered(self.device, provider, group)?;
        let written = engine.take_over(self.before, device_rows, changed, group.status())?;
        Ok(Joined {
            group,
            root,
            written,
        })
    }
}
