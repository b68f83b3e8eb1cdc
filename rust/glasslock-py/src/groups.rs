//! Handles: devices, groups, what is staged, and write sets.

use crate::errors::{raise, run};
use crate::values::{
    rows_in, rows_out, CommitPreview, GroupView, PublicGroupView, PyInvitation, PyKeyPackageInfo,
    PyMessageInfo, PyRow,
};
use glasslock_core::crypto::Crypto;
use glasslock_core::error::Error;
use glasslock_core::{engine, group, inspect, public, rows, welcome};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Mutex;

/// Takes what a handle holds once.
fn take<T>(py: Python<'_>, slot: &Mutex<Option<T>>) -> PyResult<T> {
    slot.lock()
        .ok()
        .and_then(|mut value| value.take())
        .ok_or_else(|| {
            raise(
                py,
                &Error::state("core.used", "what was staged has been used already"),
            )
        })
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct WriteSet {
    rows: Vec<rows::Row>,
    set: Mutex<rows::WriteSet>,
}

impl From<rows::WriteSet> for WriteSet {
    fn from(mut set: rows::WriteSet) -> Self {
        Self {
            rows: std::mem::take(&mut set.rows),
            set: Mutex::new(set),
        }
    }
}

#[pymethods]
impl WriteSet {
    #[getter]
    fn rows(&self) -> Vec<PyRow> {
        rows_out(&self.rows)
    }

    fn confirm(&self) {
        if let Ok(mut set) = self.set.lock() {
            set.confirm();
        }
    }

    fn abandon(&self) {
        if let Ok(mut set) = self.set.lock() {
            set.abandon();
        }
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct Engine(engine::Engine);

type NewGroup<'py> = (Group, Bound<'py, PyBytes>, Bound<'py, PyBytes>, WriteSet);

#[pymethods]
impl Engine {
    #[staticmethod]
    fn create(
        py: Python<'_>,
        wrap_key: &[u8],
        suite: u16,
        identity: &[u8],
    ) -> PyResult<(Self, WriteSet)> {
        let (made, written) = run(py, || engine::Engine::create(wrap_key, suite, identity))?;
        Ok((Self(made), written.into()))
    }

    #[staticmethod]
    fn load(py: Python<'_>, wrap_key: &[u8], rows: Vec<PyRow>) -> PyResult<Self> {
        let rows = rows_in(rows);
        run(py, || engine::Engine::load(wrap_key, &rows)).map(Self)
    }

    #[getter]
    fn suite(&self) -> u16 {
        self.0.device().suite.into()
    }

    #[getter]
    fn signature_key(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        run(py, || self.0.device().signature_key())
    }

    #[getter]
    fn credential(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        run(py, || self.0.credential())
    }

    fn sign<'py>(
        &self,
        py: Python<'py>,
        label: &str,
        content: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &run(py, || self.0.sign(label, content))?))
    }

    fn key_package(
        &self,
        py: Python<'_>,
        now: u64,
        last_resort: bool,
    ) -> PyResult<(Vec<u8>, WriteSet)> {
        let (package, written) = run(py, || self.0.key_package(now, last_resort))?;
        Ok((package, written.into()))
    }

    fn create_group<'py>(
        &self,
        py: Python<'py>,
        group_id: &[u8],
        policy: &[u8],
    ) -> PyResult<NewGroup<'py>> {
        let made = run(py, || self.0.create_group(group_id, policy))?;
        Ok((
            Group(made.group),
            PyBytes::new(py, &made.group_info),
            PyBytes::new(py, &made.root),
            made.written.into(),
        ))
    }

    fn load_group(&self, py: Python<'_>, rows: Vec<PyRow>) -> PyResult<Group> {
        let rows = rows_in(rows);
        run(py, || self.0.load_group(&rows)).map(Group)
    }

    fn stage_welcome(&self, py: Python<'_>, welcome: &[u8]) -> PyResult<StagedWelcome> {
        let staged = run(py, || self.0.stage_welcome(welcome))?;
        Ok(StagedWelcome {
            invitation: Py::new(py, PyInvitation::from(staged.preview.clone()))?,
            staged: Mutex::new(Some(staged)),
        })
    }

    fn external_commit(
        &self,
        py: Python<'_>,
        group_info: &[u8],
        old_rows: Vec<PyRow>,
    ) -> PyResult<ParkedJoin> {
        let old = rows_in(old_rows);
        let parked = run(py, || self.0.external_commit(group_info, &old))?;
        Ok(ParkedJoin {
            rows: rows_out(&parked.rows),
            view: Py::new(py, GroupView::from(run(py, || parked.group.view())?))?,
            commit: parked.commit,
            group_info: parked.group_info,
            root: parked.root,
        })
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct ParkedJoin {
    #[pyo3(get)]
    commit: Vec<u8>,
    #[pyo3(get)]
    group_info: Vec<u8>,
    #[pyo3(get)]
    rows: Vec<PyRow>,
    #[pyo3(get)]
    view: Py<GroupView>,
    root: group::Root,
}

#[pymethods]
impl ParkedJoin {
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.root)
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct StagedWelcome {
    #[pyo3(get)]
    invitation: Py<PyInvitation>,
    staged: Mutex<Option<welcome::StagedWelcome>>,
}

#[pymethods]
impl StagedWelcome {
    fn accept<'py>(
        &self,
        py: Python<'py>,
        engine: &Engine,
    ) -> PyResult<(Group, Bound<'py, PyBytes>, WriteSet)> {
        let staged = take(py, &self.staged)?;
        let joined = run(py, || staged.accept(&engine.0))?;
        Ok((
            Group(joined.group),
            PyBytes::new(py, &joined.root),
            joined.written.into(),
        ))
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct Group(group::Group);

type Messages = (Vec<u8>, Option<Vec<u8>>, Vec<u8>, WriteSet);

#[pymethods]
impl Group {
    #[getter]
    fn view(&self, py: Python<'_>) -> PyResult<GroupView> {
        run(py, || self.0.view()).map(GroupView::from)
    }

    #[pyo3(signature = (*, add, remove, policy))]
    fn commit(
        &self,
        py: Python<'_>,
        add: Vec<Vec<u8>>,
        remove: Vec<u32>,
        policy: Option<Vec<u8>>,
    ) -> PyResult<Messages> {
        let change = group::Change {
            add,
            remove,
            policy,
        };
        let pending = run(py, || self.0.commit(&change))?;
        Ok((
            pending.commit,
            pending.welcome,
            pending.group_info,
            pending.written.into(),
        ))
    }

    fn clear_pending(&self, py: Python<'_>) -> PyResult<WriteSet> {
        run(py, || self.0.clear_pending()).map(WriteSet::from)
    }

    fn stage(&self, py: Python<'_>, handshake: &[u8]) -> PyResult<StagedCommit> {
        let staged = run(py, || self.0.stage(handshake))?;
        Ok(StagedCommit {
            preview: Py::new(py, CommitPreview::from(staged.preview.clone()))?,
            staged: Mutex::new(Some(staged)),
        })
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct StagedCommit {
    #[pyo3(get)]
    preview: Py<CommitPreview>,
    staged: Mutex<Option<group::Staged>>,
}

#[pymethods]
impl StagedCommit {
    fn accept<'py>(&self, py: Python<'py>) -> PyResult<(Option<Bound<'py, PyBytes>>, WriteSet)> {
        let staged = take(py, &self.staged)?;
        let merged = run(py, || staged.accept())?;
        let root = merged.root.as_ref().map(|root| PyBytes::new(py, root));
        Ok((root, merged.written.into()))
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct PublicGroup(public::PublicGroup);

#[pymethods]
impl PublicGroup {
    #[staticmethod]
    fn create(py: Python<'_>, group_info: &[u8]) -> PyResult<(Self, WriteSet)> {
        let (made, written) = run(py, || public::PublicGroup::create(group_info))?;
        Ok((Self(made), written.into()))
    }

    #[staticmethod]
    fn load(py: Python<'_>, rows: Vec<PyRow>) -> PyResult<Self> {
        let rows = rows_in(rows);
        run(py, || public::PublicGroup::load(&rows)).map(Self)
    }

    #[getter]
    fn view(&self, py: Python<'_>) -> PyResult<PublicGroupView> {
        run(py, || self.0.view()).map(PublicGroupView::from)
    }

    fn stage(&self, py: Python<'_>, handshake: &[u8], group_info: &[u8]) -> PyResult<PublicStaged> {
        let staged = run(py, || self.0.stage(handshake, group_info))?;
        Ok(PublicStaged {
            preview: Py::new(py, CommitPreview::from(staged.preview.clone()))?,
            staged: Mutex::new(Some(staged)),
        })
    }
}

#[pyclass(frozen, module = "glasslock._core")]
pub struct PublicStaged {
    #[pyo3(get)]
    preview: Py<CommitPreview>,
    staged: Mutex<Option<public::PublicStaged>>,
}

#[pymethods]
impl PublicStaged {
    fn accept(&self, py: Python<'_>) -> PyResult<WriteSet> {
        let staged = take(py, &self.staged)?;
        run(py, || staged.accept()).map(WriteSet::from)
    }
}

#[pyfunction]
pub fn key_package_info(py: Python<'_>, package: &[u8]) -> PyResult<PyKeyPackageInfo> {
    run(py, || {
        inspect::key_package_info(&Crypto::default(), package)
    })
    .map(Into::into)
}

#[pyfunction]
pub fn message_info(py: Python<'_>, message: &[u8]) -> PyResult<PyMessageInfo> {
    run(py, || inspect::message_info(message)).map(Into::into)
}
