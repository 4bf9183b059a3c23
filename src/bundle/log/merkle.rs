//! RFC 6962 hashing, reduced to what an append-only right edge needs.
//!
//! The inclusion proof of the last leaf of a tree of n leaves is the list of perfect subtrees of the tree of n-1
//! leaves, smallest first. So the newest commit alone is enough to append, and of two neighbours the later one's
//! proof *is* the consistency proof.

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// Hash of a leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// Hash of two subtrees.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The perfect subtrees of `size + 1` leaves, smallest first, from those of `size` leaves and the next leaf's hash.
///
/// `None` when `edge` has not as many subtrees as `size` has.
pub fn grow(edge: &[Digest], size: u64, leaf: Digest) -> Option<Vec<Digest>> {
    if edge.len() != usize::try_from(size.count_ones()).ok()? {
        return None;
    }
    // Adding one to `size` carries through its trailing ones: so many subtrees merge.
    let merging = usize::try_from(size.trailing_ones()).ok()?;
    let merged = edge[..merging].iter().fold(leaf, |right, left| node_hash(left, &right));
    Some(std::iter::once(merged).chain(edge[merging..].iter().copied()).collect())
}

/// The root of the tree whose last leaf has this hash and whose earlier leaves have these perfect subtrees.
pub fn root(edge: &[Digest], leaf: Digest) -> Digest {
    edge.iter().fold(leaf, |right, left| node_hash(left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962, section 2.1, word by word.
    fn tree(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => Digest::of([]),
            [leaf] => leaf_hash(leaf),
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&tree(&leaves[..k]), &tree(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_right_edge_gives_the_roots_of_rfc_6962() {
        let leaves: Vec<Vec<u8>> = (0..70u8).map(|n| vec![n; usize::from(n)]).collect();
        let mut edge = Vec::new();
        for (index, leaf) in leaves.iter().enumerate() {
            let hash = leaf_hash(leaf);
            assert_eq!(root(&edge, hash), tree(&leaves[..=index]), "size {}", index + 1);
            edge = grow(&edge, index as u64, hash).unwrap();
        }
    }

    #[test]
    fn an_edge_of_the_wrong_length_does_not_grow() {
        assert_eq!(grow(&[], 1, Digest([0; 32])), None);
        assert_eq!(grow(&[Digest([0; 32])], 0, Digest([0; 32])), None);
    }
}
