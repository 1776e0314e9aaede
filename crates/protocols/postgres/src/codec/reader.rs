//! A cursor over the body of one message: takes fields from the front, each checked against what is left.

use super::{Error, Fault};

/// What is left of a message's body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the start of the body of a message that the documentation calls `message`.
    pub(crate) const fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self { message, rest: body }
    }

    pub(crate) const fn fault(&self, fault: Fault) -> Error {
        Error::Malformed { message: self.message, fault }
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(self.fault(Fault::Short))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.fault(Fault::Short))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Error> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// A string without its closing zero byte.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Error> {
        let end = memchr::memchr(0, self.rest).ok_or(self.fault(Fault::String))?;
        let text = self.bytes(end)?;
        self.u8()?;
        Ok(text)
    }

    /// A value with its length before it; `None` is NULL.
    pub(crate) fn value(&mut self) -> Result<Option<&'a [u8]>, Error> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| self.fault(Fault::Count))?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// `count` items of `size` bytes each, as they stand.
    pub(crate) fn items(&mut self, count: u16, size: usize) -> Result<&'a [u8], Error> {
        self.bytes(usize::from(count).saturating_mul(size))
    }

    /// Nothing may be left.
    pub(crate) const fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault(Fault::Long)) }
    }
}
