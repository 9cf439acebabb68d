//! The last step of an item: a verified blob put where it was asked for.
//!
//! Invariants: a file appears under its final name only with all of its bytes on disk; names are of blob IDs and numbers,
//! never from outside.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use longhaul::Failure;
use tokio::io::AsyncReadExt as _;

use super::{
    blob::{Fetcher, SMALL},
    plan::Entry,
};
use crate::{
    blob_id::BlobId,
    lists::{Content, ListName, Lists, Todo},
};

/// Bytes of a file that are read at a time.
const READ: usize = 256 << 10;

impl Fetcher<'_> {
    /// Puts the verified blob where it was asked for.
    pub(super) async fn deliver(
        &self,
        entry: &Entry,
        part: &Path,
        blob: BlobId,
    ) -> Result<Option<PathBuf>, Failure> {
        let name = blob.to_string();
        let Some(output) = self.args.output.clone() else {
            let content = Box::pin(contents(tokio::fs::File::open(part).await?));
            self.job
                .artifacts()
                .put_stream(&name, "application/octet-stream", content)
                .await?;
            remove(part)?;
            return Ok(None);
        };
        let part = part.to_owned();
        // The next run of this job finds what a kill left of this one.
        let half = format!(".longhaul-{}-{}", self.job.job().seq, entry.number);
        let moved = tokio::task::spawn_blocking(move || {
            move_into(&part, &output, (&half, &name)).map_err(|error| {
                Failure::retry(
                    "output",
                    format!("could not write to {}: {error}", output.display()),
                )
            })
        });
        Ok(Some(moved.await??))
    }

    /// Has a retrieved todo join the list that the caller named.
    pub(super) async fn join_list(
        &self,
        entry: &Entry,
        part: &Path,
        blob: BlobId,
        bytes: u64,
    ) -> Result<(), Failure> {
        let Some(list) = &self.args.join else {
            return Ok(());
        };
        let fatal = |error: String| Failure::fatal("bad_list", error);
        let name: ListName = list
            .parse()
            .map_err(|error: crate::lists::InvalidName| fatal(error.to_string()))?;
        let (lists, part, now) = (
            Lists::new(&self.args.lists),
            part.to_owned(),
            self.job.now(),
        );
        let entry = entry.clone();
        let joined = tokio::task::spawn_blocking(move || {
            let todos = match todos(&entry, &part, blob, bytes)? {
                Ok(todos) => todos,
                Err(why) => return Ok(Some(why)),
            };
            lists
                .add_todos(&name, todos, now)
                .map_err(|error| fatal(error.to_string()))?;
            Ok::<_, Failure>(None)
        });
        if let Some(why) = joined.await?? {
            self.job.warn(format!("not joined to a list: {why}"));
        }
        Ok(())
    }
}

/// The todos that a blob holds, or why there are none. What an object on Sui names is a todo whatever its blob holds.
fn todos(
    entry: &Entry,
    part: &Path,
    blob: BlobId,
    bytes: u64,
) -> io::Result<Result<Vec<Todo>, String>> {
    let content = if bytes > SMALL {
        Err(format!("{blob} is no todo: it is too large"))
    } else {
        Content::parse(&fs::read(part)?, &blob).map_err(|error| error.to_string())
    };
    let object = entry.object.map(|object| object.to_string());
    Ok(match (content, object) {
        (Ok(Content::List(list)), _) => Ok(list.todos),
        (Ok(Content::Todo(mut todo)), object) => {
            todo.nft_object_id = object.or(todo.nft_object_id);
            Ok(vec![todo])
        }
        (Err(_), Some(object)) => Ok(vec![Todo {
            id: object.clone(),
            title: entry.title.clone(),
            walrus_blob_id: Some(blob.to_string()),
            nft_object_id: Some(object),
            ..Todo::default()
        }]),
        (Err(why), None) => Err(why),
    })
}

fn contents(file: tokio::fs::File) -> impl Stream<Item = Result<Bytes, io::Error>> {
    stream::try_unfold(file, async |mut file| {
        let mut buffer = bytes::BytesMut::with_capacity(READ);
        let read = file.read_buf(&mut buffer).await?;
        Ok((read > 0).then(|| (buffer.freeze(), file)))
    })
}

/// Moves a synced file into `folder`, which is made when missing. The name appears only with all of the bytes behind it:
/// across disks they are copied to the first name and get the second when all are there.
fn move_into(part: &Path, folder: &Path, (half, name): (&str, &str)) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let file = folder.join(name);
    match fs::rename(part, &file) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let half = folder.join(half);
            remove(&half)?;
            // New and no link that somebody else has laid there.
            let mut copy = File::create_new(&half)?;
            io::copy(&mut File::open(part)?, &mut copy)?;
            copy.sync_all()?;
            fs::rename(&half, &file)?;
            remove(part)?;
        }
        renamed => renamed?,
    }
    File::open(folder)?.sync_all()?;
    Ok(file)
}

pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_a_kill_broke_off_is_not_in_the_way() {
        // Another file system than that of temporary files, on the machines that test this.
        let shared = Path::new("/dev/shm");
        let far = tempfile::tempdir_in(shared).expect("a folder");
        let near = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a folder");
        let part = near.path().join("1.part");
        fs::write(&part, b"milk").expect("written");
        let precious = near.path().join("precious");
        fs::write(&precious, b"mine").expect("written");
        std::os::unix::fs::symlink(&precious, far.path().join(".longhaul-7-1")).expect("laid");
        let file = move_into(&part, far.path(), (".longhaul-7-1", "name")).expect("moved");
        assert_eq!(fs::read(file).expect("there"), b"milk");
        assert_eq!(fs::read(precious).expect("there"), b"mine");
        assert!(!part.exists());
        assert_eq!(fs::read_dir(far.path()).expect("read").count(), 1);
    }
}
