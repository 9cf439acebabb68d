//! The files of jobs: those that do not lie in the new place yet are copied, and looked at on the way.

use std::path::Path;

use super::{Error, Moved, Step, source::Source};
use crate::{
    artifacts::{Artifacts, Copied},
    engine,
};

/// Between two notes of how far it is.
const NOTE: u64 = 100;

/// Copies what lies beside the file at `path`.
pub(super) async fn copy(
    path: &Path,
    source: &Source,
    to: &Artifacts,
    moved: &mut Moved,
    note: &mut impl FnMut(Step),
) -> Result<(), Error> {
    let from = Artifacts::folder(&engine::beside(path).join("artifacts"))?;
    let files = source.files()?;
    let all = files.len() as u64;
    for (looked_at, file) in (1..).zip(files) {
        match from
            .copy(&file.location, (file.size, &file.sha256), to)
            .await?
        {
            Copied::Now => moved.files += 1,
            Copied::Before => {}
            Copied::Missing => moved.missing.push((file.job, file.name)),
            Copied::Differs(why) => {
                return Err(Error::Damaged {
                    job: file.job,
                    location: file.location,
                    why,
                });
            }
        }
        if looked_at % NOTE == 0 || looked_at == all {
            note(Step::Files(looked_at, all));
        }
    }
    Ok(())
}
