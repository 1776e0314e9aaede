//! A catalogue on its way to the control plane: named by a digest over its content and the database that it is of, and
//! compressed. Whoever takes one in checks it against that name, and against bounds, before anything is made of it.

use std::io::Read as _;
use std::sync::Arc;

use countersign_common::Digest;
use countersign_common::digest::DigestBuilder;
use countersign_common::id::TargetName;
use countersign_lifecycle::ports::HeldCatalogue;
use countersign_sql::Catalogue;
use countersign_sql::catalogue::CatalogueError;

/// How well it is compressed: catalogues repeat themselves, and this takes milliseconds.
const LEVEL: i32 = 3;

/// How far back what is decompressed may refer, as a power of two: so much memory it takes at most besides what comes out.
const WINDOW_LOG_MAX: u32 = 24;

/// A catalogue as a gateway has read it, and the name that it is passed on by.
#[derive(Debug)]
pub struct CatalogueCopy {
    digest: Digest,
    catalogue: Arc<Catalogue>,
}

/// Why bytes were not taken as the catalogue that they are said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// They cannot be decompressed, or become more than is taken.
    #[error("the catalogue cannot be decompressed, or is larger than {bytes_max} bytes")]
    Compressed {
        /// How large it may be.
        bytes_max: usize,
    },
    /// Its digest is another one.
    #[error("the catalogue is not the one that its digest names")]
    Digest,
    /// It is none.
    #[error(transparent)]
    Content(#[from] CatalogueError),
}

impl CatalogueCopy {
    /// Of this database of this target.
    #[must_use]
    pub fn of(target: &TargetName, database: &str, catalogue: Arc<Catalogue>) -> Self {
        let digest = digest_of(target, database, &catalogue.to_bytes());
        Self { digest, catalogue }
    }

    /// The catalogue in these bytes, if it is the one with this digest; and how many bytes it has decompressed.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn read(
        target: &TargetName,
        database: &str,
        digest: &Digest,
        compressed: &[u8],
    ) -> Result<(Catalogue, usize), CopyError> {
        let bytes_max = Catalogue::BYTES_MAX;
        let wrong = |_| CopyError::Compressed { bytes_max };
        let mut decoder = zstd::Decoder::with_buffer(compressed).map_err(wrong)?;
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(wrong)?;
        let (mut bytes, most) = (Vec::new(), u64::try_from(bytes_max).unwrap_or(u64::MAX));
        // One byte more tells that there is more.
        decoder.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(wrong)?;
        if bytes.len() > bytes_max {
            return Err(CopyError::Compressed { bytes_max });
        }
        if digest_of(target, database, &bytes) != *digest {
            return Err(CopyError::Digest);
        }
        Ok((Catalogue::from_bytes(&bytes)?, bytes.len()))
    }
}

impl HeldCatalogue for CatalogueCopy {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn compressed(&self) -> Vec<u8> {
        // Into memory nothing fails; should it, what is sent has another digest and is refused.
        zstd::encode_all(self.catalogue.to_bytes().as_slice(), LEVEL).unwrap_or_default()
    }
}

/// The name of a catalogue.
fn digest_of(target: &TargetName, database: &str, bytes: &[u8]) -> Digest {
    let mut digest = DigestBuilder::new("countersign.catalogue.v1");
    digest.text(target.as_str()).text(database).bytes(bytes);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_taken_as_what_its_digest_names_and_as_nothing_else() {
        let (shop, other) = (TargetName::new("shop").unwrap(), TargetName::new("other").unwrap());
        let catalogue = Arc::new(Catalogue::from_rows(&vec![Vec::new(); 15]).unwrap());
        let copy = CatalogueCopy::of(&shop, "shop", catalogue);
        let (digest, bytes) = (copy.digest(), copy.compressed());
        assert!(CatalogueCopy::read(&shop, "shop", &digest, &bytes).unwrap().0.is_loaded());
        for (target, database) in [(&other, "shop"), (&shop, "other")] {
            let read = CatalogueCopy::read(target, database, &digest, &bytes);
            assert_eq!(read.unwrap_err(), CopyError::Digest);
        }
        let cut = bytes.get(..bytes.len() / 2).unwrap();
        assert!(matches!(
            CatalogueCopy::read(&shop, "shop", &digest, cut),
            Err(CopyError::Compressed { .. })
        ));
        assert!(matches!(
            CatalogueCopy::read(&shop, "shop", &digest, b"none"),
            Err(CopyError::Compressed { .. })
        ));
    }

    /// A few kilobytes that become more than is taken.
    #[test]
    fn a_bomb_is_not_decompressed() {
        let zeros = std::io::repeat(0).take(1 << 27);
        let bomb = zstd::encode_all(zeros, 1).unwrap();
        assert!(bomb.len() < 1 << 20);
        let shop = TargetName::new("shop").unwrap();
        let read = CatalogueCopy::read(&shop, "shop", &Digest::of(b""), &bomb);
        assert_eq!(read.unwrap_err(), CopyError::Compressed { bytes_max: Catalogue::BYTES_MAX });
    }
}
