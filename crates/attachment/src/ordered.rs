//! A short ordered list.

/// A list in the order of its keys; what has the same key stays as it was. For short lists: the standard library's sort is
/// quicker for long ones, and 20 KiB of an executable for each type.
pub(crate) fn ordered<T, K: Ord>(list: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut sorted: Vec<T> = Vec::with_capacity(list.len());
    for one in list {
        let place = sorted.partition_point(|other| key(other) <= key(&one));
        sorted.insert(place, one);
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_stay_in_their_order() {
        let list = vec![(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd'), (1, 'e')];
        assert_eq!(ordered(list, |(key, _)| *key), [(0, 'd'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'c')]);
    }
}
