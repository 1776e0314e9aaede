//! Lists inside messages, as views over the bytes. Each is checked as a whole when its message is
//! decoded; afterwards its items are read without fail.

use super::reader::Reader;
use super::{Error, Fault, SqlState};

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// As text.
    Text,
    /// In the binary format of its type.
    Binary,
}

impl Format {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        match reader.i16()? {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            code => Err(reader.fault(Fault::Code(code.into()))),
        }
    }
}

/// Formats of parameters or columns: none (all are text), one (for all), or one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats<'a>(&'a [u8]);

impl<'a> Formats<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.u16()?;
        let mut check = *reader;
        for _ in 0..count {
            Format::read(&mut check)?;
        }
        reader.items(count, 2).map(Self)
    }

    /// How many are written: none, one, or one for each.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len() / 2
    }

    /// Whether none is written: all are text.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The format of the item with this index, counted from 0. Text for an index beyond the list.
    #[must_use]
    pub fn of(self, index: usize) -> Format {
        let at = if self.len() == 1 { 0 } else { index };
        match self.0.as_chunks::<2>().0.get(at) {
            Some([0, 1]) => Format::Binary,
            Some(_) | None => Format::Text,
        }
    }

    /// Each as it is written, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Format> + 'a {
        self.0.as_chunks::<2>().0.iter().map(|code| match code {
            [0, 1] => Format::Binary,
            _ => Format::Text,
        })
    }
}

/// Type oids, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oids<'a>(&'a [u8]);

impl<'a> Oids<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.u16()?;
        reader.items(count, 4).map(Self)
    }

    /// Each, in order; 0 leaves the type to the server.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.0.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// Values with their lengths: parameters, arguments, the columns of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.u16()?;
        let before = reader.rest();
        for _ in 0..count {
            reader.value()?;
        }
        let used = before.len().saturating_sub(reader.rest().len());
        Ok(Self { count, bytes: before.get(..used).unwrap_or_default() })
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Each, in order; `None` is NULL.
    pub fn iter(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut reader = Reader::new("values", self.bytes);
        std::iter::from_fn(move || reader.value().ok())
    }
}

/// A column, as RowDescription tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name it has in the result, which an alias may have changed.
    pub name: &'a [u8],
    /// Oid of the table it comes from; 0 when it is no plain column.
    pub table: u32,
    /// Number of the column in that table; 0 when it is no plain column.
    pub column: i16,
    /// Oid of its type.
    pub type_oid: u32,
    /// Bytes of its type; negative: of variable length.
    pub type_size: i16,
    /// Modifier of its type, such as a length.
    pub type_modifier: i32,
    /// How its values are written; text when the description comes before Bind, and so not yet known.
    pub format: Format,
}

impl<'a> Field<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            name: reader.string()?,
            table: reader.u32()?,
            column: reader.i16()?,
            type_oid: reader.u32()?,
            type_size: reader.i16()?,
            type_modifier: reader.i32()?,
            format: Format::read(reader)?,
        })
    }
}

/// The columns of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let count = reader.u16()?;
        let before = reader.rest();
        for _ in 0..count {
            Field::read(reader)?;
        }
        let used = before.len().saturating_sub(reader.rest().len());
        Ok(Self { count, bytes: before.get(..used).unwrap_or_default() })
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Each, in order.
    pub fn iter(self) -> impl Iterator<Item = Field<'a>> {
        let mut reader = Reader::new("RowDescription", self.bytes);
        std::iter::from_fn(move || Field::read(&mut reader).ok())
    }
}

/// The fields of an ErrorResponse or a NoticeResponse, each a code and a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorFields<'a>(&'a [u8]);

impl<'a> ErrorFields<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let before = reader.rest();
        let mut used = 0;
        while reader.u8()? != 0 {
            reader.string()?;
            used = before.len().saturating_sub(reader.rest().len());
        }
        Ok(Self(before.get(..used).unwrap_or_default()))
    }

    /// Code and text of each, in order.
    pub fn iter(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut reader = Reader::new("error fields", self.0);
        std::iter::from_fn(move || Some((reader.u8().ok()?, reader.string().ok()?)))
    }

    /// The text of the field with this code: `M` message, `D` detail, `H` hint, `C` SQLSTATE, …
    #[must_use]
    pub fn get(self, code: u8) -> Option<&'a [u8]> {
        self.iter().find(|(one, _)| *one == code).map(|(_, text)| text)
    }

    /// The SQLSTATE, `XX000` when the server gave none.
    #[must_use]
    pub fn sqlstate(self) -> SqlState {
        self.get(b'C').and_then(SqlState::from_bytes).unwrap_or(SqlState::INTERNAL_ERROR)
    }
}
