//! The hash trees of a blob ID: leaves, inner nodes, and many trees folded side by side.
//!
//! Invariant: a tree's odd levels are padded with a zero node, on the right, and only on levels that are not the root.
//! So `n` leaves take exactly [`levels`]`(n)` levels, and an aligned run of 2^k leaves can be folded by itself.

use blake2b_simd::{
    Params, State,
    many::{HashManyJob, hash_many, update_many},
};

/// A leaf's or an inner node's hash.
pub(super) type Node = [u8; 32];

/// What comes before a leaf's bytes.
const LEAF: u8 = 0;
/// What comes before an inner node's two children.
const INNER: u8 = 1;
/// Hashes computed together: enough for the widest vector units, few enough to stay in the first cache.
const BATCH: usize = 32;

fn params() -> Params {
    let mut params = Params::new();
    params.hash_length(32);
    params
}

fn node(hash: &blake2b_simd::Hash) -> Node {
    hash.as_bytes().try_into().expect("32 bytes were asked for")
}

/// The levels above `leaves` leaves, at least one.
pub(super) fn levels(leaves: usize) -> u32 {
    leaves.next_power_of_two().trailing_zeros()
}

/// The hash of these bytes, as a blob ID's last step and a leaf use it: `prefix`, then `parts`.
pub(super) fn hash(prefix: u8, parts: &[&[u8]]) -> Node {
    let mut state = params().to_state();
    state.update(&[prefix]);
    for part in parts {
        state.update(part);
    }
    node(&state.finalize())
}

/// The hash of one leaf.
pub(super) fn leaf(bytes: &[u8]) -> Node {
    hash(LEAF, &[bytes])
}

/// Hashes leaves of equal length. `slots` holds each as one byte of prefix, which must be zero, and then its bytes;
/// `put` is given each leaf's place and hash, in order.
pub(super) fn leaves(slots: &[u8], slot: usize, mut put: impl FnMut(usize, Node)) {
    let params = params();
    let mut jobs = Vec::with_capacity(BATCH);
    for (batch, bytes) in slots.chunks(slot * BATCH).enumerate() {
        jobs.clear();
        jobs.extend(
            bytes
                .chunks_exact(slot)
                .map(|bytes| HashManyJob::new(&params, bytes)),
        );
        hash_many(&mut jobs);
        for (i, job) in jobs.iter().enumerate() {
            put(batch * BATCH + i, node(&job.to_hash()));
        }
    }
}

/// Leaves of equal length that arrive in pieces.
pub(super) struct LeafStates(Vec<State>);

impl LeafStates {
    /// `count` leaves without any bytes yet.
    pub(super) fn new(count: usize) -> Self {
        let mut state = params().to_state();
        state.update(&[LEAF]);
        Self(vec![state; count])
    }

    /// Adds the next piece to every leaf, in the leaves' order.
    pub(super) fn update<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) {
        update_many(self.0.iter_mut().zip(pieces));
    }

    /// The hashes, in the leaves' order.
    pub(super) fn finish(self) -> impl Iterator<Item = Node> {
        self.0.into_iter().map(|state| node(&state.finalize()))
    }
}

/// The roots of complete trees over `levels` levels whose leaves are all `leaf`: one more for each level, the leaf first.
pub(super) fn uniform(leaf: Node, levels: u32) -> Vec<Node> {
    let parent = |child: &Node| Some(hash(INNER, &[child, child]));
    let roots: Vec<_> = std::iter::successors(Some(leaf), parent)
        .take(levels as usize + 1)
        .collect();
    roots
}

/// Folds `width` trees at once by `levels` levels. `nodes` is `height` x `width`, a tree a column; the result is in its
/// first rows. `uniform[k]` is the root, known beforehand, of a subtree of `k` of these levels that often occurs.
pub(super) fn fold(
    nodes: &mut [Node],
    mut height: usize,
    width: usize,
    levels: u32,
    uniform: &[Node],
) {
    let mut batch = Batch {
        params: params(),
        pairs: [[INNER; 65]; BATCH],
        places: [0; BATCH],
        filled: 0,
    };
    for level in 0..levels as usize {
        let known = uniform.get(level).zip(uniform.get(level + 1));
        for pair in 0..height.div_ceil(2) {
            for column in 0..width {
                let left = nodes[2 * pair * width + column];
                let right = if 2 * pair + 1 < height {
                    nodes[(2 * pair + 1) * width + column]
                } else {
                    [0; 32]
                };
                let place = pair * width + column;
                match known {
                    Some((child, parent)) if left == *child && right == *child => {
                        nodes[place] = *parent;
                    }
                    _ => batch.add(&left, &right, place, nodes),
                }
            }
        }
        batch.flush(nodes);
        height = height.div_ceil(2);
    }
}

/// Pairs of children that wait to be hashed together.
struct Batch {
    params: Params,
    pairs: [[u8; 65]; BATCH],
    places: [usize; BATCH],
    filled: usize,
}

impl Batch {
    /// A parent's place is never behind a child that is still to be read, so parents may overwrite children.
    fn add(&mut self, left: &Node, right: &Node, place: usize, nodes: &mut [Node]) {
        let pair = &mut self.pairs[self.filled];
        pair[1..33].copy_from_slice(left);
        pair[33..].copy_from_slice(right);
        self.places[self.filled] = place;
        self.filled += 1;
        if self.filled == BATCH {
            self.flush(nodes);
        }
    }

    fn flush(&mut self, nodes: &mut [Node]) {
        let mut jobs: [_; BATCH] =
            std::array::from_fn(|i| HashManyJob::new(&self.params, &self.pairs[i]));
        hash_many(&mut jobs[..self.filled]);
        for (job, place) in jobs.iter().zip(&self.places[..self.filled]) {
            nodes[*place] = node(&job.to_hash());
        }
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, a level at a time.
    fn root(mut level: Vec<Node>) -> Node {
        while level.len() > 1 {
            if level.len() % 2 == 1 {
                level.push([0; 32]);
            }
            level = level
                .chunks(2)
                .map(|pair| hash(INNER, &[&pair[0], &pair[1]]))
                .collect();
        }
        level[0]
    }

    fn column(nodes: &[Node], width: usize, column: usize) -> Vec<Node> {
        nodes.iter().skip(column).step_by(width).copied().collect()
    }

    #[test]
    fn trees_side_by_side_have_the_roots_they_have_alone() {
        for height in 1..70 {
            for width in [1, 3, 16] {
                let mut nodes: Vec<Node> = (0..height * width)
                    .map(|i: usize| leaf(&i.to_le_bytes()))
                    .collect();
                let expected: Vec<Node> =
                    (0..width).map(|c| root(column(&nodes, width, c))).collect();
                fold(&mut nodes, height, width, levels(height), &[]);
                assert_eq!(nodes[..width], expected, "{height} leaves, {width} trees");
            }
        }
    }

    #[test]
    fn known_subtrees_change_nothing() {
        let zero = leaf(&[0, 0]);
        for height in 1..70 {
            let mut nodes = vec![zero; height * 2];
            nodes[height / 3] = leaf(&[1, 1]);
            let expected = [root(column(&nodes, 2, 0)), root(column(&nodes, 2, 1))];
            fold(&mut nodes, height, 2, levels(height), &uniform(zero, 7));
            assert_eq!(nodes[..2], expected, "{height} leaves");
        }
    }

    #[test]
    fn leaves_in_pieces_are_leaves() {
        let symbols: Vec<[u8; 300]> = (0..70).map(|i| [i; 300]).collect();
        let expected: Vec<Node> = symbols.iter().map(|symbol| leaf(symbol)).collect();
        let slots: Vec<u8> = symbols
            .iter()
            .flat_map(|symbol| [&[0], &symbol[..]].concat())
            .collect();
        let mut whole = Vec::new();
        leaves(&slots, 301, |place, node| {
            assert_eq!(place, whole.len());
            whole.push(node);
        });
        assert_eq!(whole, expected);
        let mut states = LeafStates::new(70);
        states.update(symbols.iter().map(|symbol| &symbol[..128]));
        states.update(symbols.iter().map(|symbol| &symbol[128..]));
        assert_eq!(states.finish().collect::<Vec<_>>(), expected);
    }
}
