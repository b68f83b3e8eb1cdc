//! A device: its signing key, its `KeyPackages`, and the doors by which it enters groups.

use crate::config::{self, capabilities, join_config, lifetime};
use crate::crypto::{Crypto, Provider};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::inspect;
use crate::rows::{self, Row, Status, Wrap, WriteSet};
use crate::sign;
use crate::welcome::StagedWelcome;
use openmls::prelude::tls_codec::Serialize;
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_traits::random::OpenMlsRand;
use std::sync::{Arc, Mutex, MutexGuard};
use zeroize::Zeroizing;

/// Key of the row that holds suite, seed and identity.
const DEVICE_ROW: &[u8] = b"glasslock device";
const DEVICE_FORMAT: u8 = 1;
/// Scope of rows that belong to no group.
pub const DEVICE_SCOPE: &[u8] = b"";

/// What every handle of one device shares: who it is and how its rows leave.
#[derive(Clone)]
pub struct Device {
    /// Crypto of all handles.
    pub crypto: Arc<Crypto>,
    /// How rows are sealed.
    pub wrap: Wrap,
    /// The one suite of this device.
    pub suite: Ciphersuite,
    identity: Vec<u8>,
    seed: Arc<Zeroizing<[u8; 32]>>,
}

impl Device {
    /// The leaf signature key pair in the form the library takes.
    ///
    /// # Errors
    /// `KeyRejected` never, for a seed of 32 bytes.
    pub fn signer(&self) -> Result<SignatureKeyPair> {
        Ok(SignatureKeyPair::from_raw(
            SignatureScheme::ED25519,
            self.seed.to_vec(),
            self.signature_key()?,
        ))
    }

    /// The raw public signature key.
    ///
    /// # Errors
    /// `KeyRejected` never, for a seed of 32 bytes.
    pub fn signature_key(&self) -> Result<Vec<u8>> {
        Ok(sign::public_key(&**self.seed)?.to_vec())
    }

    /// The credential as the library takes it.
    ///
    /// # Errors
    /// `KeyRejected` never, for a seed of 32 bytes.
    pub fn credential(&self) -> Result<CredentialWithKey> {
        Ok(CredentialWithKey {
            credential: BasicCredential::new(self.identity.clone()).into(),
            signature_key: self.signature_key()?.into(),
        })
    }
}

/// A device with its `KeyPackages`.
pub struct Engine {
    device: Device,
    state: Mutex<Provider>,
    status: Status,
}

impl Engine {
    /// Makes a new device; its identity goes into every credential.
    ///
    /// # Errors
    /// `Wire` for an unknown suite.
    pub fn create(wrap_key: &[u8], suite: u16, identity: &[u8]) -> Result<(Self, WriteSet)> {
        let crypto = Arc::new(Crypto::default());
        let seed: [u8; 32] = crypto
            .0
            .random_array()
            .map_err(|_| Error::state("engine.random", "no randomness is to be had"))?;
        let device = Device {
            wrap: Wrap::sealed(wrap_key)?,
            suite: config::suite(suite)?,
            identity: identity.to_vec(),
            seed: Arc::new(Zeroizing::new(seed)),
            crypto,
        };
        let row = [
            &[DEVICE_FORMAT],
            suite.to_be_bytes().as_slice(),
            &**device.seed,
            identity,
        ]
        .concat();
        let after = rows::Plain::from([(DEVICE_ROW.to_vec(), row)]);
        let changed = rows::difference(
            &device.crypto,
            &device.wrap,
            DEVICE_SCOPE,
            rows::Plain::new(),
            &after,
        )?;
        let engine = Self::over(device, after);
        let written = WriteSet::new(changed, vec![engine.status.clone()]);
        Ok((engine, written))
    }

    /// Loads a device from its stored rows.
    ///
    /// # Errors
    /// `Verification` when a row does not open, `State` when there is no device in them.
    pub fn load(wrap_key: &[u8], stored: &[Row]) -> Result<Self> {
        let crypto = Arc::new(Crypto::default());
        let wrap = Wrap::sealed(wrap_key)?;
        let provider = rows::load(&crypto, &wrap, stored)?;
        let values = rows::snapshot(&provider.storage);
        let missing = || Error::state("engine.missing", "there is no device in this store");
        let row = values.get(DEVICE_ROW).ok_or_else(missing)?;
        let (&[format, high, low], rest) = row.split_first_chunk().ok_or_else(missing)?;
        let (seed, identity) = rest.split_first_chunk::<32>().ok_or_else(missing)?;
        if format != DEVICE_FORMAT {
            return Err(Error::state(
                "engine.format",
                "this store is of another version",
            ));
        }
        let device = Device {
            crypto,
            wrap,
            suite: config::suite(u16::from_be_bytes([high, low]))?,
            identity: identity.to_vec(),
            seed: Arc::new(Zeroizing::new(*seed)),
        };
        Ok(Self::over(device, values))
    }

    fn over(device: Device, values: rows::Plain) -> Self {
        Self {
            state: Mutex::new(rows::provider(&device.crypto, values)),
            status: Status::default(),
            device,
        }
    }

    /// What the handles of this device share.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The credential as TLS bytes.
    ///
    /// # Errors
    /// `Wire` when the identity is too long.
    pub fn credential(&self) -> Result<Vec<u8>> {
        self.device
            .credential()?
            .credential
            .tls_serialize_detached()
            .map_err(|_| Error::wire("mls.credential", "the identity is too long"))
    }

    /// Signs `content` under a label of ours with the leaf key.
    ///
    /// # Errors
    /// `Wire` when the content is too long.
    pub fn sign(&self, label: &str, content: &[u8]) -> Result<[u8; 64]> {
        sign::sign(&**self.device.seed, label, content)
    }

    /// Makes a `KeyPackage`; `now` is in unix seconds.
    ///
    /// # Errors
    /// `State` when the handle waits for a confirmation.
    pub fn key_package(&self, now: u64, last_resort: bool) -> Result<(Vec<u8>, WriteSet)> {
        let state = self.lock()?;
        let before = rows::snapshot(&state.storage);
        let mut builder = KeyPackage::builder()
            .key_package_lifetime(lifetime(now))
            .leaf_node_capabilities(capabilities(self.device.suite));
        if last_resort {
            builder = builder.mark_as_last_resort();
        }
        let bundle = builder
            .build(
                self.device.suite,
                &*state,
                &self.device.signer()?,
                self.device.credential()?,
            )
            .map_err(|error| Error::state("engine.key-package", error.to_string()))?;
        let bytes = MlsMessageOut::from(bundle.into_key_package())
            .to_bytes()
            .map_err(|_| Error::wire("mls.key-package", "a KeyPackage cannot be encoded"))?;
        let written = self.written(before, &rows::snapshot(&state.storage), vec![])?;
        Ok((bytes, written))
    }

    /// Creates a group of one under a policy extension; returns it with its first root.
    ///
    /// # Errors
    /// `State` when the library refuses.
    pub fn create_group(&self, group_id: &[u8], policy: &[u8]) -> Result<Created> {
        self.status.ready()?;
        let provider = rows::provider(&self.device.crypto, rows::Plain::new());
        let group = MlsGroup::builder()
            .with_group_id(GroupId::from_slice(group_id))
            .ciphersuite(self.device.suite)
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(true)
            .max_past_epochs(0)
            .number_of_resumption_psks(0)
            .with_capabilities(capabilities(self.device.suite))
            .with_group_context_extensions(config::context_extensions(policy)?)
            .build(&provider, &self.device.signer()?, self.device.credential()?)
            .map_err(|error| Error::state("group.create", error.to_string()))?;
        let info = group
            .export_group_info(&provider.crypto.0, &self.device.signer()?, true)
            .map(|info| info.to_bytes())
            .map_err(|error| Error::state("group.create", error.to_string()))?
            .map_err(|error| Error::state("group.create", error.to_string()))?;
        let (group, root, changed) = Group::entered(self.device.clone(), provider, group)?;
        let written = WriteSet::new(changed, vec![group.status()]);
        Ok(Created {
            group,
            group_info: info,
            root,
            written,
        })
    }

    /// Loads a group from its rows.
    ///
    /// # Errors
    /// `Verification` when a row does not open, `State` when they hold no group.
    pub fn load_group(&self, stored: &[Row]) -> Result<Group> {
        Group::load(self.device.clone(), stored)
    }

    /// Stages a Welcome: shows the group before anything is accepted; stores nothing.
    ///
    /// # Errors
    /// `Verification` when it is not for this device or does not hold together.
    pub fn stage_welcome(&self, welcome: &[u8]) -> Result<StagedWelcome> {
        let state = self.lock()?;
        StagedWelcome::stage(&self.device, rows::snapshot(&state.storage), welcome)
    }

    /// Takes over what joining by a Welcome deleted from the device.
    pub(crate) fn take_over(
        &self,
        before: rows::Plain,
        after: rows::Plain,
        group_rows: Vec<Row>,
        joined: Status,
    ) -> Result<WriteSet> {
        let state = self.lock()?;
        if rows::snapshot(&state.storage) != before {
            return Err(Error::state(
                "welcome.stale",
                "the device changed since this Welcome was staged",
            ));
        }
        let mut written = self.written(before, &after, vec![joined])?;
        written.rows.extend(group_rows);
        if let Ok(mut values) = state.storage.values.write() {
            rows::wipe(std::mem::replace(&mut *values, after));
        }
        Ok(written)
    }

    /// Prepares an external commit into a group this device is not, or no longer, part of.
    /// `old` are its rows of that group, if it has any: they are replaced.
    ///
    /// # Errors
    /// `Verification` when the `GroupInfo` does not hold.
    pub fn external_commit(&self, group_info: &[u8], old: &[Row]) -> Result<Parked> {
        self.status.ready()?;
        let MlsMessageBodyIn::GroupInfo(info) = inspect::message(group_info)? else {
            return Err(Error::wire(
                "external.group-info",
                "this is not a GroupInfo",
            ));
        };
        let refused = |error: String| Error::verification("external.commit", error);
        let provider = rows::load(&self.device.crypto, &self.device.wrap, old)?;
        let before = rows::snapshot(&provider.storage);
        if let Ok(Some(mut stale)) = MlsGroup::load(&provider.storage, info.group_id()) {
            // Else the keys of the old leaf would stay behind in rows nobody deletes.
            stale
                .delete(&provider.storage)
                .map_err(|error| refused(error.to_string()))?;
        }
        let scope = info.group_id().as_slice().to_vec();
        let leaf = LeafNodeParameters::builder()
            .with_capabilities(capabilities(self.device.suite))
            .build();
        let (mut group, bundle) = MlsGroup::external_commit_builder()
            .with_config(join_config())
            .skip_lifetime_validation()
            .build_group(&provider, info, self.device.credential()?)
            .map_err(|error| refused(error.to_string()))?
            .leaf_node_parameters(leaf)
            .load_psks(&provider.storage)
            .map_err(|error| refused(error.to_string()))?
            .create_group_info(true)
            .build(
                provider.rand(),
                &*provider.crypto,
                &self.device.signer()?,
                |_| true,
            )
            .map_err(|error| refused(error.to_string()))?
            .finalize(&provider)
            .map_err(|error| refused(error.to_string()))?;
        let root = group
            .safe_export_secret(&*provider.crypto, &provider.storage, config::ROOT_COMPONENT)
            .map_err(|error| refused(error.to_string()))?;
        let (commit, _, info) = bundle.into_messages();
        let encode = |message: MlsMessageOut| {
            message
                .to_bytes()
                .map_err(|error| refused(error.to_string()))
        };
        let rows = rows::difference(
            &self.device.crypto,
            &self.device.wrap,
            &scope,
            before,
            &rows::snapshot(&provider.storage),
        )?;
        Ok(Parked {
            commit: encode(commit)?,
            group_info: info.map(encode).transpose()?.unwrap_or_default(),
            root: Zeroizing::new(root),
            group: Group::over(self.device.clone(), provider, group)?,
            rows,
        })
    }

    fn written(
        &self,
        before: rows::Plain,
        after: &rows::Plain,
        mut handles: Vec<Status>,
    ) -> Result<WriteSet> {
        let changed = rows::difference(
            &self.device.crypto,
            &self.device.wrap,
            DEVICE_SCOPE,
            before,
            after,
        )?;
        handles.push(self.status.clone());
        Ok(WriteSet::new(changed, handles))
    }

    fn lock(&self) -> Result<MutexGuard<'_, Provider>> {
        self.status.ready()?;
        self.state
            .lock()
            .map_err(|_| Error::state("engine.poisoned", "the device failed before: load it again"))
    }
}

/// A new group with what its creator must store and upload.
pub struct Created {
    /// The group.
    pub group: Group,
    /// `GroupInfo` with the ratchet tree, for the Delivery Service.
    pub group_info: Vec<u8>,
    /// Root of the first epoch.
    pub root: Zeroizing<Vec<u8>>,
    /// What to store.
    pub written: WriteSet,
}

/// An external commit before its verdict. Nothing of it counts until the Delivery Service took
/// it; then the caller stores `rows` and loads the group from them.
pub struct Parked {
    /// The commit to send.
    pub commit: Vec<u8>,
    /// `GroupInfo` of the epoch it starts.
    pub group_info: Vec<u8>,
    /// Root of the epoch it starts.
    pub root: Zeroizing<Vec<u8>>,
    /// How the group will look; for reading only.
    pub group: Group,
    /// What to store on acceptance.
    pub rows: Vec<Row>,
}
