//! What a handle must persist: rows that changed, sealed, applied by the caller and confirmed.
//!
//! The library writes into its own memory store; this module compares before and after, so that
//! every change of one operation leaves as one set. A handle whose set was not confirmed is dead.

use crate::crypto::{Crypto, Provider};
use crate::error::{Error, Result};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use openmls_rust_crypto::MemoryStorage;
use openmls_traits::random::OpenMlsRand;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, RwLock};
use zeroize::{Zeroize, Zeroizing};

/// Key and value of rows in the clear.
pub type Plain = HashMap<Vec<u8>, Vec<u8>>;
const NONCE: usize = 12;

/// One row as the caller stores it; no value means: delete it.
#[derive(Debug, Clone)]
pub struct Row {
    /// The group id, or empty for the device.
    pub scope: Vec<u8>,
    /// The key within the scope.
    pub key: Vec<u8>,
    /// The sealed value.
    pub value: Option<Vec<u8>>,
}

/// How values leave: sealed under a key, or as they are (a provider's groups hold no secret).
#[derive(Clone)]
pub enum Wrap {
    /// AES-256-GCM under this key.
    Sealed(Arc<Zeroizing<[u8; 32]>>),
    /// In the clear.
    Open,
}

impl Wrap {
    /// Makes the sealing form from 32 bytes.
    ///
    /// # Errors
    /// `State` when the key has another length.
    pub fn sealed(key: &[u8]) -> Result<Self> {
        let key: [u8; 32] = key
            .try_into()
            .map_err(|_| Error::state("rows.key", "a wrap key has 32 bytes"))?;
        Ok(Self::Sealed(Arc::new(Zeroizing::new(key))))
    }

    fn seal(&self, crypto: &Crypto, scope: &[u8], key: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        let Self::Sealed(wrap) = self else {
            return Ok(value.to_vec());
        };
        let failed = |_| Error::state("rows.seal", "a row could not be sealed");
        let nonce: [u8; NONCE] = crypto
            .0
            .random_array()
            .map_err(|_| failed(aes_gcm::Error))?;
        let payload = Payload {
            msg: value,
            aad: &place(scope, key),
        };
        let sealed = Aes256Gcm::new((&***wrap).into())
            .encrypt(&nonce.into(), payload)
            .map_err(failed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, row: &Row) -> Result<Vec<u8>> {
        let damaged = || Error::verification("rows.open", "a stored row does not open");
        let value = row.value.as_deref().ok_or_else(damaged)?;
        let Self::Sealed(wrap) = self else {
            return Ok(value.to_vec());
        };
        let (nonce, sealed) = value.split_at_checked(NONCE).ok_or_else(damaged)?;
        let payload = Payload {
            msg: sealed,
            aad: &place(&row.scope, &row.key),
        };
        Aes256Gcm::new((&***wrap).into())
            .decrypt(nonce.into(), payload)
            .map_err(|_| damaged())
    }
}

/// Associated data of a row: its place, so that no row can be moved to another.
fn place(scope: &[u8], key: &[u8]) -> Vec<u8> {
    let length = u64::try_from(scope.len()).unwrap_or(u64::MAX);
    [&length.to_be_bytes(), scope, key].concat()
}

/// Builds a provider over the rows of one scope.
///
/// # Errors
/// `Verification` when a row does not open.
pub fn load(crypto: &Arc<Crypto>, wrap: &Wrap, rows: &[Row]) -> Result<Provider> {
    let mut values = Plain::new();
    for row in rows {
        values.insert(row.key.clone(), wrap.open(row)?);
    }
    Ok(provider(crypto, values))
}

/// Builds a provider over rows in the clear.
#[must_use]
pub fn provider(crypto: &Arc<Crypto>, values: Plain) -> Provider {
    Provider {
        crypto: Arc::clone(crypto),
        storage: MemoryStorage {
            values: RwLock::new(values),
        },
    }
}

/// Copies all rows of a store.
pub fn snapshot(storage: &MemoryStorage) -> Plain {
    storage
        .values
        .read()
        .map(|values| values.clone())
        .unwrap_or_default()
}

/// Returns what changed from `before` to `after` as rows of `scope`, and wipes `before`.
///
/// # Errors
/// `State` when a value could not be sealed.
pub fn difference(
    crypto: &Crypto,
    wrap: &Wrap,
    scope: &[u8],
    before: Plain,
    after: &Plain,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (key, value) in after {
        if before.get(key) != Some(value) {
            rows.push(Row {
                scope: scope.to_vec(),
                key: key.clone(),
                value: Some(wrap.seal(crypto, scope, key, value)?),
            });
        }
    }
    rows.extend(
        before
            .keys()
            .filter(|key| !after.contains_key(*key))
            .map(|key| Row {
                scope: scope.to_vec(),
                key: key.clone(),
                value: None,
            }),
    );
    wipe(before);
    Ok(rows)
}

/// Overwrites values before they are freed.
pub fn wipe(mut values: Plain) {
    for value in values.values_mut() {
        value.zeroize();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Ok(mut values) = self.storage.values.write() {
            wipe(std::mem::take(&mut *values));
        }
    }
}

const READY: u8 = 0;
const UNCONFIRMED: u8 = 1;
const DEAD: u8 = 2;

/// Whether memory and disk agree: shared by a handle and the write sets it gave out.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<AtomicU8>);

impl Status {
    /// Passes when the handle may be used.
    ///
    /// # Errors
    /// `State` when a write set waits for its confirmation, or was abandoned.
    pub fn ready(&self) -> Result<()> {
        match self.0.load(Ordering::SeqCst) {
            READY => Ok(()),
            UNCONFIRMED => Err(Error::state(
                "rows.unconfirmed",
                "the last write set is neither confirmed nor abandoned",
            )),
            _ => Err(Error::state(
                "rows.abandoned",
                "a write set was abandoned: load the handle again",
            )),
        }
    }

    /// Marks the handle as unusable for good.
    pub fn kill(&self) {
        self.0.store(DEAD, Ordering::SeqCst);
    }

    fn wait(&self) {
        self.0.store(UNCONFIRMED, Ordering::SeqCst);
    }

    fn confirm(&self) {
        let _ = self
            .0
            .compare_exchange(UNCONFIRMED, READY, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Rows to apply in one transaction; dropping it unconfirmed kills the handles behind it.
#[derive(Debug)]
pub struct WriteSet {
    /// The rows.
    pub rows: Vec<Row>,
    handles: Vec<Status>,
    settled: bool,
}

impl WriteSet {
    /// Makes the set; the handles wait until it is settled.
    #[must_use]
    pub fn new(rows: Vec<Row>, handles: Vec<Status>) -> Self {
        handles.iter().for_each(Status::wait);
        Self {
            rows,
            handles,
            settled: false,
        }
    }

    /// Says that the rows are durable.
    pub fn confirm(&mut self) {
        if !self.settled {
            self.handles.iter().for_each(Status::confirm);
            self.settled = true;
        }
    }

    /// Says that the rows will not be stored; the handles are dead and must be loaded again.
    pub fn abandon(&mut self) {
        if !self.settled {
            self.handles.iter().for_each(Status::kill);
            self.settled = true;
        }
    }
}

impl Drop for WriteSet {
    fn drop(&mut self) {
        self.abandon();
    }
}
