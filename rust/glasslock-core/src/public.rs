//! A group as the Delivery Service sees it: public state only, kept to refuse bad handshakes.

use crate::config;
use crate::crypto::{Crypto, Provider};
use crate::error::{Error, Kind, Result};
use crate::group::{Preview, OPEN};
use crate::inspect::{self, MemberInfo};
use crate::rows::{self, Row, Status, WriteSet};
use openmls::messages::group_info::VerifiableGroupInfo;
use openmls::prelude::tls_codec::{DeserializeBytes, Serialize, VLBytes};
use openmls::prelude::*;
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes before a `GroupInfo` in an `MLSMessage`: version and wire format.
const MESSAGE_HEADER: usize = 4;

struct Inner {
    provider: Provider,
    group: openmls::prelude::PublicGroup,
    generation: u64,
}

/// The public state of one group; clones are the same group.
#[derive(Clone)]
pub struct PublicGroup {
    inner: Arc<Mutex<Inner>>,
    status: Status,
}

/// What the Delivery Service knows of a group.
#[derive(Debug, Clone)]
pub struct PublicView {
    /// Group id.
    pub group_id: Vec<u8>,
    /// Epoch.
    pub epoch: u64,
    /// Cipher suite number.
    pub suite: u16,
    /// Content of the policy extension.
    pub policy: Vec<u8>,
    /// `GroupContext` as TLS bytes.
    pub context: Vec<u8>,
    /// Everybody in it.
    pub members: Vec<MemberInfo>,
}

impl PublicGroup {
    /// Takes a new group from its creator's `GroupInfo`, which carries the ratchet tree.
    ///
    /// # Errors
    /// `Verification` when tree, signatures or capabilities do not hold.
    pub fn create(group_info: &[u8]) -> Result<(Self, WriteSet)> {
        let refused = |error: String| Error::verification("public.create", error);
        let info = verifiable(group_info)?;
        let tree = info
            .extensions()
            .ratchet_tree()
            .ok_or_else(|| refused("the GroupInfo carries no ratchet tree".into()))?
            .ratchet_tree()
            .clone();
        let scope = info.group_id().as_slice().to_vec();
        let provider = rows::provider(&Arc::new(Crypto::default()), rows::Plain::new());
        let (group, _) = openmls::prelude::PublicGroup::from_external(
            &*provider.crypto,
            &provider.storage,
            tree,
            info,
            ProposalStore::new(),
        )
        .map_err(|error| refused(error.to_string()))?;
        let changed = rows::difference(
            &provider.crypto,
            &OPEN,
            &scope,
            rows::Plain::new(),
            &rows::snapshot(&provider.storage),
        )?;
        let group = Self::over(provider, group)?;
        let written = WriteSet::new(changed, vec![group.status.clone()]);
        Ok((group, written))
    }

    /// Loads a group from its rows.
    ///
    /// # Errors
    /// `State` when they hold no group.
    pub fn load(stored: &[Row]) -> Result<Self> {
        let missing = || Error::state("public.missing", "there is no group in these rows");
        let scope = &stored.first().ok_or_else(missing)?.scope;
        let provider = rows::load(&Arc::new(Crypto::default()), &OPEN, stored)?;
        let id = GroupId::from_slice(scope);
        let group = openmls::prelude::PublicGroup::load(&provider.storage, &id)
            .ok()
            .flatten()
            .ok_or_else(missing)?;
        Self::over(provider, group)
    }

    fn over(provider: Provider, group: openmls::prelude::PublicGroup) -> Result<Self> {
        config::policy_of(group.group_context())?;
        config::suite(group.ciphersuite().into())?;
        Ok(Self {
            inner: Arc::new(Mutex::new(Inner {
                provider,
                group,
                generation: 0,
            })),
            status: Status::default(),
        })
    }

    /// Shows the group.
    ///
    /// # Errors
    /// `State` when the handle failed before.
    pub fn view(&self) -> Result<PublicView> {
        let inner = self.lock()?;
        let context = inner.group.group_context();
        Ok(PublicView {
            group_id: context.group_id().as_slice().to_vec(),
            epoch: context.epoch().as_u64(),
            suite: inner.group.ciphersuite().into(),
            policy: config::policy_of(context)?,
            context: context
                .tls_serialize_detached()
                .map_err(|_| Error::state("group.context", "the context cannot be encoded"))?,
            members: inspect::members(inner.group.members())?,
        })
    }

    /// Validates a commit and the `GroupInfo` of the epoch it starts; changes nothing.
    ///
    /// # Errors
    /// `StaleEpoch` for another epoch; `Verification` when commit or `GroupInfo` do not hold.
    pub fn stage(&self, handshake: &[u8], group_info: &[u8]) -> Result<PublicStaged> {
        self.status.ready()?;
        let message = inspect::handshake(handshake)?;
        let inner = self.lock()?;
        if message.epoch() != inner.group.group_context().epoch() {
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
        let tag = message
            .confirmation_tag()
            .and_then(|tag| tag.tls_serialize_detached().ok());
        let refused = |error: String| Error::verification("public.stage", error);
        let content = inner
            .group
            .process_message(&*inner.provider.crypto, message)
            .map_err(|error| refused(error.to_string()))?
            .into_content();
        let ProcessedMessageContent::StagedCommitMessage(staged) = content else {
            return Err(refused("only commits are taken".into()));
        };
        let tag = tag.ok_or_else(|| refused("a commit has no confirmation tag".into()))?;
        Ok(PublicStaged {
            tree: check_group_info(&inner, &staged, &tag, group_info)?,
            preview: Preview::of(&staged, sender, false)?,
            generation: inner.generation,
            group: self.clone(),
            staged,
        })
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inner>> {
        self.inner.lock().map_err(|_| {
            self.status.kill();
            Error::state("public.poisoned", "the group failed before: load it again")
        })
    }
}

/// A commit the Delivery Service may take.
pub struct PublicStaged {
    group: PublicGroup,
    staged: Box<StagedCommit>,
    tree: RatchetTreeIn,
    generation: u64,
    /// What it would do.
    pub preview: Preview,
}

impl PublicStaged {
    /// Moves the public state to the epoch the commit starts.
    ///
    /// # Errors
    /// `State` when the group changed in between; `Verification` when the `GroupInfo` carries
    /// another tree than the commit leads to. After either the handle must be loaded again.
    pub fn accept(self) -> Result<WriteSet> {
        self.group.status.ready()?;
        let mut guard = self.group.lock()?;
        if guard.generation != self.generation {
            return Err(Error::state(
                "group.changed",
                "the group changed since this commit was staged",
            ));
        }
        let before = rows::snapshot(&guard.provider.storage);
        let Inner {
            provider, group, ..
        } = &mut *guard;
        group
            .merge_commit(&provider.storage, *self.staged)
            .map_err(|error| {
                self.group.status.kill();
                Error::state("public.merge", error.to_string())
            })?;
        if RatchetTreeIn::from(guard.group.export_ratchet_tree()) != self.tree {
            self.group.status.kill();
            return Err(Error::verification(
                "public.tree",
                "the GroupInfo carries another tree than the commit leads to",
            ));
        }
        guard.generation += 1;
        let changed = rows::difference(
            &guard.provider.crypto,
            &OPEN,
            guard.group.group_id().as_slice(),
            before,
            &rows::snapshot(&guard.provider.storage),
        )?;
        Ok(WriteSet::new(changed, vec![self.group.status.clone()]))
    }
}

fn verifiable(group_info: &[u8]) -> Result<VerifiableGroupInfo> {
    match inspect::message(group_info)? {
        MlsMessageBodyIn::GroupInfo(info) => Ok(info),
        _ => Err(Error::wire("public.group-info", "this is not a GroupInfo")),
    }
}

/// Checks that a `GroupInfo` is the one of the epoch a commit starts: same context, same
/// confirmation tag, signed by the committer. The library keeps the tag private, so it is read
/// from the bytes (RFC 9420 12.4.3). Returns the tree it carries, which can be compared only once
/// the commit is merged.
fn check_group_info(
    inner: &Inner,
    staged: &StagedCommit,
    tag: &[u8],
    group_info: &[u8],
) -> Result<RatchetTreeIn> {
    let wrong = |what: &str| Error::verification("public.group-info", what.to_owned());
    let info = verifiable(group_info)?;
    let context = staged
        .group_context()
        .tls_serialize_detached()
        .map_err(|_| wrong("the context cannot be encoded"))?;
    let rest = group_info
        .get(MESSAGE_HEADER..)
        .and_then(|bytes| bytes.strip_prefix(context.as_slice()))
        .ok_or_else(|| wrong("the GroupInfo is of another epoch than the commit"))?;
    let malformed = |_| wrong("the GroupInfo is malformed");
    let (_, rest) = VLBytes::tls_deserialize_bytes(rest).map_err(malformed)?;
    if !rest.starts_with(tag) {
        return Err(wrong(
            "the GroupInfo has another confirmation tag than the commit",
        ));
    }
    let key = staged
        .update_path_leaf_node()
        .ok_or_else(|| wrong("the commit renews no leaf"))?
        .signature_key();
    let key = OpenMlsSignaturePublicKey::from_signature_key(key.clone(), SignatureScheme::ED25519);
    info.verify_no_out(&*inner.provider.crypto, &key)
        .map_err(|_| wrong("the GroupInfo is not signed by the committer"))?;
    info.extensions()
        .ratchet_tree()
        .map(|tree| tree.ratchet_tree().clone())
        .ok_or_else(|| wrong("the GroupInfo carries no ratchet tree"))
}
