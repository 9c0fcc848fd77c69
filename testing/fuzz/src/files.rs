//! The files of a store's folder, and how fuzzed bytes change them.

use crate::input::Input;
use log_store::{Disk as _, MemoryDisk};
use std::collections::BTreeMap;

/// The most changes that are made.
const CHANGES_MAX: usize = 32;

/// Files by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A disk with these files.
pub(crate) fn disk_of(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (name, bytes) in files {
        disk.put(name, bytes.clone());
    }
    disk
}

pub(crate) fn contents(disk: &MemoryDisk) -> Files {
    let names = disk.list().expect("the disk has no fault");
    let content = |name: String| {
        let bytes = disk.content(&name).expect("it is listed");
        (name, bytes)
    };
    names.into_iter().map(content).collect()
}

/// Makes the changes that the input tells, of which there may be too many.
pub(crate) fn change_some(input: &mut Input<'_>, mut change: impl FnMut(&mut Input<'_>)) {
    for _ in 0..CHANGES_MAX {
        if input.is_empty() {
            break;
        }
        change(input);
    }
}

/// Overwrites what is there: place u16, length u8, bytes.
pub(crate) fn patch(bytes: &mut [u8], input: &mut Input<'_>) {
    let place = usize::from(input.u16());
    let length = usize::from(input.u8());
    let patch = input.bytes(length);
    for (byte, patch) in bytes.iter_mut().skip(place).zip(patch) {
        *byte = *patch;
    }
}

/// Extends: length u16, bytes.
pub(crate) fn append(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let length = usize::from(input.u16());
    bytes.extend_from_slice(input.bytes(length));
}

/// Overwrites, and extends where there is not enough.
pub(crate) fn put(bytes: &mut Vec<u8>, place: usize, patch: &[u8]) {
    let end = place + patch.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[place..end].copy_from_slice(patch);
}

/// A record as the files hold it.
pub(crate) fn record(shard: u16, kind: u8, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut checked = shard.to_le_bytes().to_vec();
    checked.extend_from_slice(&[kind, 0]);
    checked.extend_from_slice(&number.to_le_bytes());
    checked.extend_from_slice(payload);
    let length = u32::try_from(payload.len()).expect("it is shorter than the input's lengths go");
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&checksum(&checked));
    bytes.extend_from_slice(&checked);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

pub(crate) fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc_fast::crc32_iscsi(bytes).to_le_bytes()
}
