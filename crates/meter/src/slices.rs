//! What arrived, by the slice of time in which it did.

/// Counts bytes, or packets, in slices of time.
///
/// The time begins with the first arrival, which therefore counts in none. What arrives later is spread evenly over the
/// time since the arrival before it, as on a wire, where a frame's end arrives a frame's time after its beginning: a slice
/// is not full of one frame more or less by chance.
#[derive(Debug)]
pub(crate) struct Slices {
    slice_ns: u64,
    bytes: Vec<f64>,
    /// The first and the last arrival.
    span: Option<(u64, u64)>,
    total: u64,
}

impl Slices {
    pub(crate) fn new(count: usize, slice_ns: u64) -> Self {
        Self { slice_ns: slice_ns.max(1), bytes: vec![0.0; count], span: None, total: 0 }
    }

    /// So many arrived at `at` nanoseconds. An earlier time than the last arrival's counts as that.
    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds or bytes are months and petabytes")]
    pub(crate) fn arrive(&mut self, at: u64, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        let Some((first, last)) = self.span else {
            self.span = Some((at, at));
            return;
        };
        let at = at.max(last);
        self.span = Some((first, at));
        let (mut begin, end) = (last - first, at - first);
        if begin == end {
            self.add(begin, bytes as f64);
            return;
        }
        let per_ns = bytes as f64 / (end - begin) as f64;
        while begin < end && self.index(begin).is_some_and(|index| index < self.bytes.len()) {
            let next = (begin / self.slice_ns).saturating_add(1).saturating_mul(self.slice_ns).min(end);
            self.add(begin, per_ns * (next - begin) as f64);
            begin = next;
        }
    }

    /// Whether an arrival at `at` is past all slices.
    pub(crate) fn is_over(&self, at: u64) -> bool {
        self.span.is_some_and(|(first, _)| {
            self.index(at.saturating_sub(first)).is_none_or(|index| index >= self.bytes.len())
        })
    }

    /// When something arrived last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.span.map(|(_, last)| last)
    }

    /// All that arrived, the first and what is past the slices too.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The count of each slice.
    pub(crate) fn into_counts(self) -> Vec<f64> {
        self.bytes
    }

    fn index(&self, offset: u64) -> Option<usize> {
        usize::try_from(offset / self.slice_ns).ok()
    }

    fn add(&mut self, offset: u64, bytes: f64) {
        if let Some(slice) = self.index(offset).and_then(|index| self.bytes.get_mut(index)) {
            *slice += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(arrivals: &[(u64, u64)]) -> Vec<f64> {
        let mut slices = Slices::new(3, 100);
        arrivals.iter().for_each(|(at, bytes)| slices.arrive(*at, *bytes));
        slices.into_counts()
    }

    #[test]
    fn a_steady_stream_fills_all_slices_alike() {
        let stream: Vec<_> = (0..50).map(|n| (1000 + n * 7, 70)).collect();
        for bytes in counted(&stream) {
            assert!((bytes - 1000.0).abs() < 1e-9, "{bytes}");
        }
    }

    #[test]
    fn the_first_arrival_is_where_time_begins() {
        assert_eq!(counted(&[(5, 999)]), [0.0; 3]);
        assert_eq!(counted(&[(5, 999), (5, 40), (55, 10)]), [50.0, 0.0, 0.0]);
    }

    #[test]
    fn what_arrives_after_the_end_counts_up_to_the_end() {
        assert_eq!(counted(&[(0, 1), (150, 150), (450, 300)]), [100.0, 100.0, 100.0]);
        assert_eq!(counted(&[(0, 1), (u64::MAX, 10)]).len(), 3);
        let mut slices = Slices::new(3, 100);
        assert!(!slices.is_over(1000));
        slices.arrive(1000, 1);
        assert!(!slices.is_over(1299) && slices.is_over(1300));
    }

    #[test]
    fn time_never_goes_back() {
        assert_eq!(counted(&[(100, 1), (150, 10), (90, 10), (200, 10)]), [30.0, 0.0, 0.0]);
    }
}
