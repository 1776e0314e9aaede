//! SQLSTATE codes: the five characters by which drivers tell errors apart.

use std::fmt;

/// A SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `00000`
    pub const SUCCESSFUL_COMPLETION: Self = Self(*b"00000");
    /// `01000`
    pub const WARNING: Self = Self(*b"01000");
    /// `08000`
    pub const CONNECTION_EXCEPTION: Self = Self(*b"08000");
    /// `08006`
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `08007`
    pub const RESOLUTION_UNKNOWN: Self = Self(*b"08007");
    /// `08P01`
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `0A000`
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `28000`
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `28P01`
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `3D000`
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// `53300`
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `57014`
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `57P03`
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `58000`
    pub const SYSTEM_ERROR: Self = Self(*b"58000");
    /// `XX000`
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");

    /// The code with these characters, at compile time.
    #[must_use]
    pub const fn new(code: [u8; 5]) -> Self {
        Self(code)
    }

    /// The code, when it is five digits or capital letters.
    #[must_use]
    pub fn from_bytes(code: &[u8]) -> Option<Self> {
        let code: [u8; 5] = code.try_into().ok()?;
        code.iter().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()).then_some(Self(code))
    }

    /// The five characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// The first two characters, which name the class.
    #[must_use]
    pub fn class(&self) -> &str {
        self.as_str().get(..2).unwrap_or("XX")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
