//! X-Wing, secret sharing and labelled signatures as plain functions.

#![allow(clippy::needless_pass_by_value)] // Python arguments arrive by value

use crate::errors::run;
use glasslock_core::{kem, shamir, sign};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

type Pair<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pyfunction]
pub fn xwing_public_key<'py>(py: Python<'py>, seed: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &run(py, || kem::public_key(seed))?))
}

#[pyfunction]
pub fn xwing_check_public_key(py: Python<'_>, public: &[u8]) -> PyResult<()> {
    run(py, || kem::check_public_key(public))
}

#[pyfunction]
pub fn xwing_encapsulate<'py>(py: Python<'py>, public: &[u8], coins: &[u8]) -> PyResult<Pair<'py>> {
    let (shared, enc) = run(py, || kem::encapsulate(public, coins))?;
    Ok((PyBytes::new(py, &*shared), PyBytes::new(py, &enc)))
}

#[pyfunction]
pub fn xwing_encapsulate_batch(
    py: Python<'_>,
    items: Vec<(Vec<u8>, Vec<u8>)>,
) -> PyResult<Vec<Pair<'_>>> {
    let made = run(py, || {
        items
            .iter()
            .map(|(public, coins)| kem::encapsulate(public, coins))
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(made
        .iter()
        .map(|(shared, enc)| (PyBytes::new(py, &**shared), PyBytes::new(py, enc)))
        .collect())
}

#[pyfunction]
pub fn xwing_decapsulate<'py>(
    py: Python<'py>,
    seed: &[u8],
    enc: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &*run(py, || kem::decapsulate(seed, enc))?))
}

#[pyfunction]
pub fn shamir_share<'py>(
    py: Python<'py>,
    constant: &[u8],
    coefficients: Vec<Vec<u8>>,
    x: u8,
) -> PyResult<Bound<'py, PyBytes>> {
    let coefficients: Vec<&[u8]> = coefficients.iter().map(Vec::as_slice).collect();
    let share = run(py, || shamir::share(constant, &coefficients, x))?;
    Ok(PyBytes::new(py, &share))
}

#[pyfunction]
pub fn shamir_shares<'py>(
    py: Python<'py>,
    constant: &[u8],
    coefficients: Vec<Vec<u8>>,
    count: u8,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let coefficients: Vec<&[u8]> = coefficients.iter().map(Vec::as_slice).collect();
    let shares = run(py, || {
        (1..=count)
            .map(|x| shamir::share(constant, &coefficients, x))
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(shares.iter().map(|share| PyBytes::new(py, share)).collect())
}

#[pyfunction]
pub fn shamir_combine(py: Python<'_>, shares: Vec<(u8, Vec<u8>)>) -> PyResult<Bound<'_, PyBytes>> {
    let shares: Vec<(u8, &[u8])> = shares.iter().map(|(x, v)| (*x, v.as_slice())).collect();
    Ok(PyBytes::new(py, &run(py, || shamir::combine(&shares))?))
}

#[pyfunction]
pub fn ed25519_public_key<'py>(py: Python<'py>, seed: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &run(py, || sign::public_key(seed))?))
}

#[pyfunction]
pub fn sign_with_label<'py>(
    py: Python<'py>,
    seed: &[u8],
    label: &str,
    content: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let signature = run(py, || sign::sign(seed, label, content))?;
    Ok(PyBytes::new(py, &signature))
}

#[pyfunction]
pub fn verify_with_label(
    py: Python<'_>,
    public: &[u8],
    label: &str,
    content: &[u8],
    signature: &[u8],
) -> PyResult<()> {
    run(py, || sign::verify(public, label, content, signature))
}
