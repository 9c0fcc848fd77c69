//! The methods of the class `tx`. Made from `methods.txt`.

use crate::MethodId;
use crate::read::Reader;
use crate::violation::Problem;
use bytes::BytesMut;

/// Its number.
pub const CLASS_ID: u16 = 90;

/// `tx.select`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select;

impl Select {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `tx.select-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectOk;

impl SelectOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 11);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `tx.commit`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit;

impl Commit {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 20);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `tx.commit-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitOk;

impl CommitOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 21);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `tx.rollback`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback;

impl Rollback {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 30);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `tx.rollback-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackOk;

impl RollbackOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 31);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}
