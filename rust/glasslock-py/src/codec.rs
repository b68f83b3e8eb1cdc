//! Python values in and out of the codec, and the two one-way functions over them.

use crate::errors::raise;
use glasslock_core::codec::{put, Item, Reader};
use glasslock_core::error::{Error, Result};
use glasslock_core::hash;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyList, PyString, PyTuple};

const PROTOCOL: &str = "glasslock/1";

#[pyfunction]
pub fn cbor_encode<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::with_capacity(256);
    put_value(&mut out, value, 0)?;
    Ok(PyBytes::new(value.py(), &out))
}

#[pyfunction]
pub fn cbor_decode<'py>(py: Python<'py>, data: &[u8], limit: usize) -> PyResult<Bound<'py, PyAny>> {
    let mut reader = Reader::new(data, limit).map_err(|error| raise(py, &error))?;
    let value = take_value(py, &mut reader, 0)?;
    reader.finish().map_err(|error| raise(py, &error))?;
    Ok(value)
}

#[pyfunction]
pub fn digest_labelled<'py>(
    label: &str,
    parts: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyBytes>> {
    let data = labelled(label, None, parts)?;
    Ok(PyBytes::new(parts.py(), &hash::digest(&data)))
}

#[pyfunction]
pub fn derive_labelled<'py>(
    key: &[u8],
    label: &str,
    parts: &Bound<'py, PyTuple>,
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = parts.py();
    let info = labelled(label, Some(length as u64), parts)?;
    let made = hash::expand(key, &info, length).map_err(|error| raise(py, &error))?;
    Ok(PyBytes::new(py, &made))
}

/// Encodes the array of protocol, label, length where there is one, and parts.
fn labelled(label: &str, length: Option<u64>, parts: &Bound<'_, PyTuple>) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(256);
    let count = 2 + usize::from(length.is_some()) + parts.len();
    let heads = [
        Some(Item::Array(count)),
        Some(Item::Text(PROTOCOL)),
        Some(Item::Text(label)),
    ];
    for item in heads.into_iter().chain([length.map(Item::Uint)]).flatten() {
        put(&mut out, item, 0).map_err(|error| raise(parts.py(), &error))?;
    }
    for part in parts.iter_borrowed() {
        put_value(&mut out, &part, 1)?;
    }
    Ok(out)
}

fn put_value(out: &mut Vec<u8>, value: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    let write = |out: &mut Vec<u8>, item: Result<Item<'_>>| {
        item.and_then(|item| put(out, item, depth))
            .map_err(|error| raise(value.py(), &error))
    };
    // Exact types: a bool is an int in Python and must not pass for one.
    if let Ok(data) = value.cast_exact::<PyBytes>() {
        return write(out, Ok(Item::Bytes(data.as_bytes())));
    }
    if let Ok(number) = value.cast_exact::<PyInt>() {
        return write(out, unsigned(number));
    }
    if value.is_none() {
        return write(out, Ok(Item::Null));
    }
    if let Ok(text) = value.cast_exact::<PyString>() {
        let text = text
            .to_str()
            .map_err(|_| Error::wire("codec.text", "text is not valid Unicode"));
        return write(out, text.map(Item::Text));
    }
    if let Ok(items) = value.cast_exact::<PyTuple>() {
        write(out, Ok(Item::Array(items.len())))?;
        return items
            .iter_borrowed()
            .try_for_each(|item| put_value(out, &item, depth + 1));
    }
    if let Ok(items) = value.cast_exact::<PyList>() {
        write(out, Ok(Item::Array(items.len())))?;
        return items
            .iter()
            .try_for_each(|item| put_value(out, &item, depth + 1));
    }
    let kind = value.get_type().name()?;
    write(
        out,
        Err(Error::wire(
            "codec.type",
            format!("{kind} has no encoding here"),
        )),
    )
}

fn unsigned<'a>(number: &Bound<'_, PyInt>) -> Result<Item<'a>> {
    if let Ok(number) = number.extract::<u64>() {
        return Ok(Item::Uint(number));
    }
    let says = match number.lt(0) {
        Ok(true) => "negative integers have no encoding here",
        _ => "an integer is wider than 64 bits",
    };
    Err(Error::wire("codec.range", says))
}

fn take_value<'py>(
    py: Python<'py>,
    reader: &mut Reader<'_>,
    depth: usize,
) -> PyResult<Bound<'py, PyAny>> {
    match reader.next(depth).map_err(|error| raise(py, &error))? {
        Item::Uint(number) => Ok(number.into_pyobject(py)?.into_any()),
        Item::Bytes(data) => Ok(PyBytes::new(py, data).into_any()),
        Item::Text(text) => Ok(PyString::new(py, text).into_any()),
        Item::Null => Ok(py.None().into_bound(py)),
        Item::Array(count) => {
            let mut items = Vec::with_capacity(count.min(64));
            for _ in 0..count {
                items.push(take_value(py, reader, depth + 1)?);
            }
            Ok(PyTuple::new(py, items)?.into_any())
        }
    }
}
