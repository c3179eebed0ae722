//! Medians and percentiles.

/// The value in the middle; of an even number of values, the lower one of the two. The type's default without values.
pub(crate) fn median<T: Ord + Copy + Default>(values: &[T]) -> T {
    percentile(values, 50)
}

/// The smallest value that is no less than `percent` of 100 of the values (nearest rank).
pub(crate) fn percentile<T: Ord + Copy + Default>(values: &[T], percent: usize) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_values_the_99th() {
        let values: Vec<u32> = (1..=100).rev().collect();
        assert_eq!((median(&values), percentile(&values, 99), percentile(&values, 100)), (50, 99, 100));
    }

    #[test]
    fn of_few_values_the_middle_and_the_largest() {
        assert_eq!((median(&[9, 1, 5]), percentile(&[9, 1, 5], 99)), (5, 9));
        assert_eq!((median(&[7]), percentile(&[7], 1)), (7, 7));
        assert_eq!(median::<u32>(&[]), 0);
    }
}
