//! A group as one of its members sees it: commits, staged commits, roots of epochs.

use crate::config::{self, ROOT_COMPONENT};
use crate::crypto::Provider;
use crate::engine::Device;
use crate::error::{Error, Kind, Result};
use crate::inspect::{self, MemberInfo};
use crate::rows::{self, Row, Status, Wrap, WriteSet};
use openmls::prelude::tls_codec::Serialize;
use openmls::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard};
use zeroize::Zeroizing;

/// A root, as long as the hash of the suite; wiped when dropped.
pub type Root = Zeroizing<Vec<u8>>;

struct Inner {
    provider: Provider,
    group: MlsGroup,
    /// Counts changes, so that nothing staged against one state is merged into another.
    generation: u64,
}

/// A group; clones are the same group.
#[derive(Clone)]
pub struct Group {
    device: Device,
    inner: Arc<Mutex<Inner>>,
    status: Status,
}

/// What a group is at the moment.
#[derive(Debug, Clone)]
pub struct View {
    /// Group id.
    pub group_id: Vec<u8>,
    /// Epoch.
    pub epoch: u64,
    /// Own leaf.
    pub own_leaf: u32,
    /// Whether this device is still a member.
    pub active: bool,
    /// Whether an own commit waits for its verdict.
    pub pending: bool,
    /// `GroupContext` as TLS bytes.
    pub context: Vec<u8>,
    /// Content of the policy extension.
    pub policy: Vec<u8>,
    /// Everybody in it.
    pub members: Vec<MemberInfo>,
}

/// What to change with a commit.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// `KeyPackages` of devices to add.
    pub add: Vec<Vec<u8>>,
    /// Leaves to remove.
    pub remove: Vec<u32>,
    /// A new policy extension.
    pub policy: Option<Vec<u8>>,
}

/// An own commit: three messages to send, rows to store first.
pub struct Pending {
    /// The commit.
    pub commit: Vec<u8>,
    /// The Welcome, when devices were added.
    pub welcome: Option<Vec<u8>>,
    /// `GroupInfo` of the next epoch, with the ratchet tree.
    pub group_info: Vec<u8>,
    /// What to store before anything is sent.
    pub written: WriteSet,
}

impl Group {
    /// Wraps a group that stands in `provider`.
    pub(crate) fn over(device: Device, provider: Provider, group: MlsGroup) -> Result<Self> {
        config::policy_of(group.public_group().group_context())?;
        Ok(Self {
            device,
            inner: Arc::new(Mutex::new(Inner {
                provider,
                group,
                generation: 0,
            })),
            status: Status::default(),
        })
    }

    /// Wraps a group just entered: exports its root and collects all its rows.
    pub(crate) fn entered(
        device: Device,
        provider: Provider,
        mut group: MlsGroup,
    ) -> Result<(Self, Root, Vec<Row>)> {
        let root = group
            .safe_export_secret(&*provider.crypto, &provider.storage, ROOT_COMPONENT)
            .map_err(|error| Error::state("group.export", error.to_string()))?;
        let rows = rows::difference(
            &device.crypto,
            &device.wrap,
            group.group_id().as_slice(),
            rows::Plain::new(),
            &rows::snapshot(&provider.storage),
        )?;
        Ok((
            Self::over(device, provider, group)?,
            Zeroizing::new(root),
            rows,
        ))
    }

    /// Loads a group from its rows, all of one scope.
    pub(crate) fn load(device: Device, stored: &[Row]) -> Result<Self> {
        let missing = || Error::state("group.missing", "there is no group in these rows");
        let scope = &stored.first().ok_or_else(missing)?.scope;
        let provider = rows::load(&device.crypto, &device.wrap, stored)?;
        let group = MlsGroup::load(&provider.storage, &GroupId::from_slice(scope))
            .ok()
            .flatten()
            .ok_or_else(missing)?;
        Self::over(device, provider, group)
    }

    /// The status shared with write sets.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// Shows the group.
    ///
    /// # Errors
    /// `State` when the handle failed before.
    pub fn view(&self) -> Result<View> {
        let inner = self.lock()?;
        let group = &inner.group;
        let context = group.public_group().group_context();
        Ok(View {
            group_id: group.group_id().as_slice().to_vec(),
            epoch: group.epoch().as_u64(),
            own_leaf: group.own_leaf_index().u32(),
            active: group.is_active(),
            pending: group.pending_commit().is_some(),
            context: context
                .tls_serialize_detached()
                .map_err(|_| Error::state("group.context", "the context cannot be encoded"))?,
            policy: config::policy_of(context)?,
            members: inspect::members(group.members())?,
        })
    }

    /// Prepares a commit; with an empty change it renews the own leaf.
    ///
    /// # Errors
    /// `State` while another own commit waits; `Verification` for a bad `KeyPackage`.
    pub fn commit(&self, change: &Change) -> Result<Pending> {
        self.status.ready()?;
        let mut guard = self.lock()?;
        let Inner {
            provider, group, ..
        } = &mut *guard;
        let refused = |error: String| Error::state("group.commit", error);
        if group.pending_commit().is_some() {
            return Err(refused("an own commit waits for its verdict".into()));
        }
        let before = rows::snapshot(&provider.storage);
        let packages = change
            .add
            .iter()
            .map(|bytes| inspect::key_package(&self.device.crypto, bytes))
            .collect::<Result<Vec<_>>>()?;
        let mut builder = group
            .commit_builder()
            .force_self_update(true)
            .propose_adds(packages)
            .propose_removals(change.remove.iter().map(|leaf| LeafNodeIndex::new(*leaf)));
        if let Some(policy) = &change.policy {
            builder = builder
                .propose_group_context_extensions(config::context_extensions(policy)?)
                .map_err(|error| refused(error.to_string()))?;
        }
        let bundle = builder
            .load_psks(&provider.storage)
            .map_err(|error| refused(error.to_string()))?
            .create_group_info(true)
            .use_ratchet_tree_extension(true)
            .build(
                provider.rand(),
                &*provider.crypto,
                &self.device.signer()?,
                |_| true,
            )
            .map_err(|error| refused(error.to_string()))?
            .stage_commit(provider)
            .map_err(|error| refused(error.to_string()))?;
        let (commit, welcome, info) = bundle.into_messages();
        let encode = |message: MlsMessageOut| {
            message
                .to_bytes()
                .map_err(|error| refused(error.to_string()))
        };
        let pending = (
            encode(commit)?,
            welcome.map(encode).transpose()?,
            info.map(encode).transpose()?.unwrap_or_default(),
        );
        Ok(Pending {
            commit: pending.0,
            welcome: pending.1,
            group_info: pending.2,
            written: self.written(&mut guard, before)?,
        })
    }

    /// Drops an own commit that was refused.
    ///
    /// # Errors
    /// `State` when the handle failed before.
    pub fn clear_pending(&self) -> Result<WriteSet> {
        self.status.ready()?;
        let mut guard = self.lock()?;
        let before = rows::snapshot(&guard.provider.storage);
        let Inner {
            provider, group, ..
        } = &mut *guard;
        group
            .clear_pending_commit(&provider.storage)
            .map_err(|error| Error::state("group.clear", error.to_string()))?;
        self.written(&mut guard, before)
    }

    /// Stages a commit of the Delivery Service's line; changes nothing.
    ///
    /// # Errors
    /// `StaleEpoch` when it is of another epoch, `Verification` when it does not hold.
    pub fn stage(&self, handshake: &[u8]) -> Result<Staged> {
        self.status.ready()?;
        let message = inspect::handshake(handshake)?;
        let mut guard = self.lock()?;
        let Inner {
            provider,
            group,
            generation,
        } = &mut *guard;
        if message.epoch() != group.epoch() {
            return Err(Error::new(
                Kind::StaleEpoch,
                "group.epoch",
                "a commit is of another epoch than the group",
            ));
        }
        let sender = match message.sender() {
            Sender::Member(leaf) => Some(leaf.u32()),
            _ => None,
        };
        let refused = |error: String| Error::verification("group.stage", error);
        let content = group
            .process_message(provider, message)
            .map_err(|error| refused(error.to_string()))?
            .into_content();
        let staged = match content {
            ProcessedMessageContent::StagedCommitMessage(staged) => Some(staged),
            ProcessedMessageContent::OwnPendingCommit => None,
            _ => return Err(refused("only commits are taken".into())),
        };
        let preview = {
            let commit = match &staged {
                Some(staged) => staged,
                None => group
                    .pending_commit()
                    .ok_or_else(|| refused("there is no own commit".into()))?,
            };
            Preview::of(commit, sender, staged.is_none())?
        };
        Ok(Staged {
            generation: *generation,
            group: self.clone(),
            commit: staged,
            preview,
        })
    }

    fn merge(&self, staged: Staged) -> Result<Merged> {
        self.status.ready()?;
        let mut guard = self.lock()?;
        if guard.generation != staged.generation {
            return Err(Error::state(
                "group.changed",
                "the group changed since this commit was staged",
            ));
        }
        let before = rows::snapshot(&guard.provider.storage);
        let Inner {
            provider, group, ..
        } = &mut *guard;
        let failed = |error: String| {
            // The library may have written half of it into memory.
            self.status.kill();
            Error::state("group.merge", error)
        };
        let crypto = Arc::clone(&provider.crypto);
        let root = if let Some(mut commit) = staged.commit {
            let root = if commit.self_removed() {
                None
            } else {
                Some(
                    commit
                        .safe_export_secret(&*crypto, ROOT_COMPONENT)
                        .map_err(|error| failed(error.to_string()))?,
                )
            };
            group
                .merge_staged_commit(provider, *commit)
                .map_err(|error| failed(error.to_string()))?;
            root
        } else {
            let root = group
                .safe_export_secret_from_pending(&*crypto, &provider.storage, ROOT_COMPONENT)
                .map_err(|error| failed(error.to_string()))?;
            group
                .merge_pending_commit(provider)
                .map_err(|error| failed(error.to_string()))?;
            Some(root)
        };
        Ok(Merged {
            root: root.map(Zeroizing::new),
            written: self.written(&mut guard, before)?,
        })
    }

    fn written(&self, inner: &mut Inner, before: rows::Plain) -> Result<WriteSet> {
        inner.generation += 1;
        let changed = rows::difference(
            &self.device.crypto,
            &self.device.wrap,
            inner.group.group_id().as_slice(),
            before,
            &rows::snapshot(&inner.provider.storage),
        )?;
        Ok(WriteSet::new(changed, vec![self.status.clone()]))
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>> {
        self.inner.lock().map_err(|_| {
            self.status.kill();
            Error::state("group.poisoned", "the group failed before: load it again")
        })
    }
}

/// What a commit would do, to be judged before it is accepted.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The epoch it starts.
    pub epoch: u64,
    /// Leaf of the committer; none for an external commit.
    pub sender: Option<u32>,
    /// Whether it is this device's own pending commit.
    pub own: bool,
    /// Whether it removes this device.
    pub self_removed: bool,
    /// Devices added (leaf index 0: they have none yet).
    pub added: Vec<MemberInfo>,
    /// Leaf of an external joiner, with its credential.
    pub joined: Option<MemberInfo>,
    /// Leaves removed.
    pub removed: Vec<u32>,
    /// Content of the policy extension afterwards.
    pub policy: Vec<u8>,
    /// `GroupContext` afterwards, as TLS bytes.
    pub context: Vec<u8>,
}

impl Preview {
    pub(crate) fn of(commit: &StagedCommit, sender: Option<u32>, own: bool) -> Result<Self> {
        let context = commit.group_context();
        let joined = match (sender, commit.update_path_leaf_node()) {
            (None, Some(leaf)) => Some(inspect::leaf_info(0, leaf)?),
            _ => None,
        };
        Ok(Self {
            epoch: context.epoch().as_u64(),
            sender,
            own,
            self_removed: commit.self_removed(),
            added: commit
                .add_proposals()
                .map(|add| inspect::leaf_info(0, add.add_proposal().key_package().leaf_node()))
                .collect::<Result<_>>()?,
            joined,
            removed: commit
                .remove_proposals()
                .map(|remove| remove.remove_proposal().removed().u32())
                .collect(),
            policy: config::policy_of(context)?,
            context: context
                .tls_serialize_detached()
                .map_err(|_| Error::state("group.context", "the context cannot be encoded"))?,
        })
    }
}

/// A commit that verified and was not yet accepted.
pub struct Staged {
    group: Group,
    commit: Option<Box<StagedCommit>>,
    generation: u64,
    /// What it would do.
    pub preview: Preview,
}

/// What accepting a commit gave.
pub struct Merged {
    /// Root of the new epoch; none when this device was removed.
    pub root: Option<Root>,
    /// What to store.
    pub written: WriteSet,
}

impl Staged {
    /// Merges the commit and exports the root of the epoch it starts.
    ///
    /// # Errors
    /// `State` when the group changed in between.
    pub fn accept(self) -> Result<Merged> {
        let group = self.group.clone();
        group.merge(self)
    }
}

/// Rows of the Delivery Service hold no secret.
pub(crate) const OPEN: Wrap = Wrap::Open;
