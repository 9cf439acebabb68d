//! Where files of jobs lie: a folder, or a bucket of S3-compatible storage.
//!
//! Invariant: a place belongs to one installation, whose number lies there. Another one's would be orphans to its sweeper.

use std::path::Path;

#[cfg(feature = "postgres")]
use futures_util::TryStreamExt as _;
use object_store::{ObjectStoreExt, PutMode, PutOptions, path::Path as Location};

use super::{Artifacts, Error};

/// The file that says whose place it is.
pub(super) const OWNER: &str = "longhaul-installation";

/// How a file was copied.
#[cfg(feature = "postgres")]
pub(crate) enum Copied {
    /// It was, and is what it should be.
    Now,
    /// It lay there before.
    Before,
    /// There is none.
    Missing,
    /// It is not what it should be, and was not copied.
    Differs(String),
}

impl Artifacts {
    /// At an address: `s3://bucket/prefix` (with the feature `s3`), or the absolute path of a folder. What else it takes to
    /// reach a bucket stands in the environment, as for other programs: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_REGION`, and `AWS_ENDPOINT_URL` when it is not Amazon's.
    ///
    /// # Errors
    /// [`Error::Place`] when it is no such address.
    pub fn open(address: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Place {
            place: address.to_owned(),
            why: why.to_owned(),
        };
        match address.split_once("://") {
            #[cfg(feature = "s3")]
            Some(("s3", place)) => super::s3::open(address, place),
            #[cfg(not(feature = "s3"))]
            Some(("s3", _)) => Err(wrong("this program was built without S3")),
            Some(_) => Err(wrong("give s3://BUCKET/PREFIX, or the path of a folder")),
            None if Path::new(address).is_absolute() => Self::folder(Path::new(address)),
            None => Err(wrong("the path of a folder must be absolute")),
        }
    }

    /// Makes the place this installation's, unless it is another one's.
    pub(crate) async fn belong_to(&self, installation: u64) -> Result<(), Error> {
        let owner = Location::from(OWNER);
        if self.owner(&owner).await?.is_none() {
            let mine = PutOptions::from(PutMode::Create);
            let content = installation.to_string().into();
            match self.store.put_opts(&owner, content, mine).await {
                Ok(_) => return Ok(()),
                // Somebody was quicker.
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(self.unusable(&error)),
            }
        }
        let found = self.owner(&owner).await?;
        if found.as_deref() == Some(installation.to_string().as_str()) {
            return Ok(());
        }
        Err(Error::Place {
            place: self.store.to_string(),
            why: format!(
                "it holds the files of another installation, which would be taken for orphans; choose another prefix or folder, or remove '{OWNER}' there if that installation is gone"
            ),
        })
    }

    /// Copies a file of this size and hash to the same place in another store, unless it lies there already.
    #[cfg(feature = "postgres")]
    pub(crate) async fn copy(
        &self,
        location: &str,
        (size, sha256): (u64, &str),
        to: &Self,
    ) -> Result<Copied, Error> {
        let path = Location::from(location);
        match to.store.head(&path).await {
            Ok(found) if found.size == size => return Ok(Copied::Before),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(to.unusable(&error)),
        }
        let content = match self.store.get(&path).await {
            Ok(found) => found.into_stream().map_err(std::io::Error::other),
            Err(object_store::Error::NotFound { .. }) => return Ok(Copied::Missing),
            Err(error) => return Err(self.unusable(&error)),
        };
        let (copied, hash) = to.write(location, u64::MAX, content).await?;
        if (copied, hash.as_str()) == (size, sha256) {
            return Ok(Copied::Now);
        }
        to.remove(&[location.to_owned()]).await;
        Ok(Copied::Differs(format!(
            "{copied} bytes with the SHA-256 {hash} where there should be {size} with {sha256}"
        )))
    }

    async fn owner(&self, owner: &Location) -> Result<Option<String>, Error> {
        let read = async { self.store.get(owner).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    fn unusable(&self, error: &object_store::Error) -> Error {
        Error::Place {
            place: self.store.to_string(),
            why: error.to_string(),
        }
    }
}
