//! Bindings only: convert, release the GIL, map errors. Documentation lives in `_core.pyi`.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

mod errors;
mod primitives;

use pyo3::prelude::*;

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    use primitives as p;
    module.add_function(wrap_pyfunction!(p::xwing_public_key, module)?)?;
    module.add_function(wrap_pyfunction!(p::xwing_check_public_key, module)?)?;
    module.add_function(wrap_pyfunction!(p::xwing_encapsulate, module)?)?;
    module.add_function(wrap_pyfunction!(p::xwing_encapsulate_batch, module)?)?;
    module.add_function(wrap_pyfunction!(p::xwing_decapsulate, module)?)?;
    module.add_function(wrap_pyfunction!(p::shamir_share, module)?)?;
    module.add_function(wrap_pyfunction!(p::shamir_shares, module)?)?;
    module.add_function(wrap_pyfunction!(p::shamir_combine, module)?)?;
    module.add_function(wrap_pyfunction!(p::ed25519_public_key, module)?)?;
    module.add_function(wrap_pyfunction!(p::sign_with_label, module)?)?;
    module.add_function(wrap_pyfunction!(p::verify_with_label, module)?)?;
    Ok(())
}
