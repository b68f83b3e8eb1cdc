//! Frozen values that describe members, groups and commits to Python.

use glasslock_core::group::{Preview, View};
use glasslock_core::inspect::{KeyPackageInfo, MemberInfo, MessageInfo};
use glasslock_core::public::PublicView;
use glasslock_core::rows::Row;
use glasslock_core::welcome::Invitation;
use pyo3::prelude::*;

/// A row as Python stores it: scope, key, value or none to delete.
pub type PyRow = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

pub fn rows_out(rows: &[Row]) -> Vec<PyRow> {
    rows.iter()
        .map(|row| (row.scope.clone(), row.key.clone(), row.value.clone()))
        .collect()
}

pub fn rows_in(rows: Vec<PyRow>) -> Vec<Row> {
    rows.into_iter()
        .map(|(scope, key, value)| Row { scope, key, value })
        .collect()
}

#[pyclass(frozen, get_all, module = "glasslock._core")]
#[derive(Clone)]
pub struct Member {
    leaf: u32,
    identity: Vec<u8>,
    signature_key: Vec<u8>,
    credential: Vec<u8>,
}

impl From<MemberInfo> for Member {
    fn from(info: MemberInfo) -> Self {
        Self {
            leaf: info.leaf,
            identity: info.identity,
            signature_key: info.signature_key,
            credential: info.credential,
        }
    }
}

fn members(infos: Vec<MemberInfo>) -> Vec<Member> {
    infos.into_iter().map(Member::from).collect()
}

#[pyclass(frozen, get_all, module = "glasslock._core")]
pub struct GroupView {
    group_id: Vec<u8>,
    epoch: u64,
    own_leaf: u32,
    active: bool,
    pending: bool,
    context: Vec<u8>,
    policy: Vec<u8>,
    members: Vec<Member>,
}

impl From<View> for GroupView {
    fn from(view: View) -> Self {
        Self {
            group_id: view.group_id,
            epoch: view.epoch,
            own_leaf: view.own_leaf,
            active: view.active,
            pending: view.pending,
            context: view.context,
            policy: view.policy,
            members: members(view.members),
        }
    }
}

#[pyclass(frozen, get_all, module = "glasslock._core")]
pub struct PublicGroupView {
    group_id: Vec<u8>,
    epoch: u64,
    suite: u16,
    context: Vec<u8>,
    policy: Vec<u8>,
    members: Vec<Member>,
}

impl From<PublicView> for PublicGroupView {
    fn from(view: PublicView) -> Self {
        Self {
            group_id: view.group_id,
            epoch: view.epoch,
            suite: view.suite,
            context: view.context,
            policy: view.policy,
            members: members(view.members),
        }
    }
}

#[pyclass(frozen, get_all, name = "Invitation", module = "glasslock._core")]
pub struct PyInvitation {
    group_id: Vec<u8>,
    epoch: u64,
    own_leaf: u32,
    sender: u32,
    context: Vec<u8>,
    policy: Vec<u8>,
    members: Vec<Member>,
}

impl From<Invitation> for PyInvitation {
    fn from(invitation: Invitation) -> Self {
        Self {
            group_id: invitation.group_id,
            epoch: invitation.epoch,
            own_leaf: invitation.own_leaf,
            sender: invitation.sender,
            context: invitation.context,
            policy: invitation.policy,
            members: members(invitation.members),
        }
    }
}

#[pyclass(frozen, get_all, module = "glasslock._core")]
pub struct CommitPreview {
    epoch: u64,
    sender: Option<u32>,
    own: bool,
    self_removed: bool,
    added: Vec<Member>,
    joined: Option<Member>,
    removed: Vec<u32>,
    context: Vec<u8>,
    policy: Vec<u8>,
}

impl From<Preview> for CommitPreview {
    fn from(preview: Preview) -> Self {
        Self {
            epoch: preview.epoch,
            sender: preview.sender,
            own: preview.own,
            self_removed: preview.self_removed,
            added: members(preview.added),
            joined: preview.joined.map(Member::from),
            removed: preview.removed,
            context: preview.context,
            policy: preview.policy,
        }
    }
}

#[pyclass(frozen, get_all, name = "KeyPackageInfo", module = "glasslock._core")]
pub struct PyKeyPackageInfo {
    reference: Vec<u8>,
    suite: u16,
    member: Member,
    not_before: u64,
    last_resort: bool,
}

impl From<KeyPackageInfo> for PyKeyPackageInfo {
    fn from(info: KeyPackageInfo) -> Self {
        Self {
            reference: info.reference,
            suite: info.suite,
            member: info.member.into(),
            not_before: info.not_before,
            last_resort: info.last_resort,
        }
    }
}

#[pyclass(frozen, get_all, name = "MessageInfo", module = "glasslock._core")]
pub struct PyMessageInfo {
    kind: &'static str,
    group_id: Vec<u8>,
    epoch: u64,
}

impl From<MessageInfo> for PyMessageInfo {
    fn from(info: MessageInfo) -> Self {
        Self {
            kind: info.kind,
            group_id: info.group_id,
            epoch: info.epoch,
        }
    }
}
