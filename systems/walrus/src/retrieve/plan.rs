//! What a retrieval consists of, decided once and kept in the checkpoint: a list that changes meanwhile changes nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use longhaul::{Context, Failure};
use serde::{Deserialize, Serialize};

use super::RetrieveArgs;
use crate::{
    blob_id::BlobId,
    download::Pieces,
    lists::{ListName, Lists},
    sui::ObjectId,
};

/// Longest part of a list's texts that is kept, in bytes; a blob ID is shorter.
const LONGEST: usize = 120;

/// One blob to retrieve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Place in the list, from 1.
    pub(crate) number: usize,
    /// Name of its item.
    pub(crate) name: String,
    /// What the log calls it.
    pub(crate) title: String,
    /// Its blob ID as the list has it, which need not be one.
    pub(crate) blob: String,
    /// The object on Sui that names it, where it was found by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<ObjectId>,
}

impl Entry {
    /// The only blob of a job.
    pub(crate) fn single(blob: BlobId, title: Option<&str>, object: Option<ObjectId>) -> Self {
        let text = blob.to_string();
        Self {
            number: 1,
            title: title.map_or_else(|| text.clone(), |title| shorten(title).to_owned()),
            name: text.clone(),
            blob: text,
            object,
        }
    }
}

/// The checkpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Saved {
    entries: Vec<Entry>,
    /// What is on disk of blobs that are not delivered yet, by number.
    pieces: BTreeMap<usize, Pieces>,
}

/// The checkpoint as the items of the run change it.
pub(crate) struct State(Mutex<Saved>);

impl State {
    /// The state an earlier run left, or a new one of these entries.
    pub(crate) async fn load(
        job: &Context,
        entries: impl Future<Output = Result<Vec<Entry>, Failure>>,
    ) -> Result<Self, Failure> {
        if let Some(saved) = job.checkpoint::<Saved>()? {
            return Ok(Self(Mutex::new(saved)));
        }
        let saved = Saved {
            entries: entries.await?,
            pieces: BTreeMap::new(),
        };
        job.save(&saved).await?;
        Ok(Self(Mutex::new(saved)))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    pub(crate) fn pieces(&self, number: usize) -> Option<Pieces> {
        self.lock().pieces.get(&number).cloned()
    }

    /// Takes note of pieces that are on disk, and stores the checkpoint.
    pub(crate) async fn save(
        &self,
        job: &Context,
        number: usize,
        pieces: Option<&Pieces>,
    ) -> Result<(), longhaul::engine::Error> {
        let saved = {
            let mut saved = self.lock();
            match pieces {
                Some(pieces) => saved.pieces.insert(number, pieces.clone()),
                None => saved.pieces.remove(&number),
            };
            saved.clone()
        };
        job.save(&saved).await
    }

    /// Drops the note of pieces; the next checkpoint is without them.
    pub(crate) fn forget(&self, number: usize) {
        self.lock().pieces.remove(&number);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Saved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the source names: the blobs of a list, or one blob.
pub(super) fn entries(args: &RetrieveArgs) -> Result<Vec<Entry>, Failure> {
    let lists = Lists::new(&args.lists);
    if let Ok(name) = args.source.parse::<ListName>()
        && lists.contains(&name)
    {
        let list = lists
            .load(&name)
            .map_err(|error| Failure::fatal("bad_list", error.to_string()))?;
        let blobs = list.blobs();
        if blobs.is_empty() {
            return Err(Failure::fatal(
                "empty_list",
                format!("the list '{name}' has no todo with a blob ID: nothing to retrieve"),
            ));
        }
        let total = blobs.len();
        return Ok(blobs
            .into_iter()
            .zip(1..)
            .map(|(listed, number)| Entry {
                number,
                name: format!("{number}/{total} {}", shorten(&listed.title)),
                title: shorten(&listed.title).to_owned(),
                blob: shorten(&listed.text).to_owned(),
                object: None,
            })
            .collect());
    }
    let blob: BlobId = args.source.parse().map_err(|_| not_found(&args.source))?;
    Ok(vec![Entry::single(blob, None, None)])
}

/// The document's error for what is neither a list nor a blob.
pub(crate) fn not_found(source: &str) -> Failure {
    let source: String = source.chars().take(200).collect();
    Failure::fatal(
        "blob_not_found",
        format!("Todo not found with blob ID '{source}'"),
    )
}

fn shorten(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
