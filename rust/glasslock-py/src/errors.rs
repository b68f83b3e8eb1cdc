//! Maps the one error enum of the core to the classes of `glasslock.errors`, and catches panics.

use glasslock_core::error::{Error, Kind};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `work` without the GIL and turns failures, panics included, into Python exceptions.
pub fn run<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> glasslock_core::error::Result<T> + Send,
) -> PyResult<T> {
    py.detach(|| {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
            Err(Error::new(
                Kind::Panic,
                "core.panic",
                "the core failed; what it held is of no further use",
            ))
        })
    })
    .map_err(|error| raise(py, &error))
}

/// Makes the Python exception of an error.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let class = match error.kind {
        Kind::Wire => "WireError",
        Kind::Verification => "VerificationError",
        Kind::BadSignature => "BadSignature",
        Kind::KeyRejected => "KeyRejected",
        Kind::StaleEpoch => "StaleEpoch",
        Kind::State | Kind::Panic => "StateError",
    };
    let class = py.import("glasslock.errors")?.getattr(class)?;
    if error.kind == Kind::StaleEpoch {
        return class.call1((&error.message,));
    }
    let named = PyDict::new(py);
    named.set_item("rule", error.rule)?;
    class.call((&error.message,), Some(&named))
}
