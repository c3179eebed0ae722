//! The round trip, by echoes that the kernel of the far end answers.

use std::time::Duration;

use meter::RoundTrips;
use shaping::{Line, Rate};
use shaping_keys::Shape;

use super::ends::Pair;
use super::row::{Direction, Row, TIME_TOLERANCE, measured};
use super::way::{self, Tools};

/// Echoes for a round trip: where the rate allows so many in the time that a figure takes, and where it does not.
const COUNT: u32 = 100;
const LEAST_COUNT: u32 = 20;

/// How far they are apart at least.
const INTERVAL: Duration = Duration::from_millis(10);

/// The bytes of one at layer 2 over IPv6: Ethernet (14), IPv6 (40), ICMPv6 (8), and 56 of payload.
const FRAME_BYTES: u32 = 118;

/// How long finding a neighbour may take where nothing is delayed: some attempts of the kernel's, a second apart.
const NEIGHBOUR: Duration = Duration::from_secs(5);

/// Waits until what a measurement has left in the queues has passed: an echo comes back behind it. Where none does, nothing
/// that follows would either, and that is what it will show.
pub(super) fn settle(pair: &Pair, shape: &Shape) -> Result<(), meter::Error> {
    answers(pair, shape).map(drop)
}

/// Whether an echo comes back over a path with these limits.
pub(super) fn answers(pair: &Pair, shape: &Shape) -> Result<bool, meter::Error> {
    for _ in 0..attempts(shape) {
        if !echoes(pair, shape, 1)?.times.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The chance that all echoes to a far end that answers are lost by the limits alone.
const ALL_LOST: f64 = 1e-6;

/// The most echoes that are tried, each with its patience, before a far end counts as one that does not answer.
const MOST_ATTEMPTS: u32 = 12;

/// How many echoes to try, one after the other, where some are lost because that was asked for.
fn attempts(shape: &Shape) -> u32 {
    let arrives = |line: &Line| {
        let expected = line.expected();
        (1.0 - expected.lost) * (1.0 - expected.corrupted)
    };
    let lost = 1.0 - arrives(&shape.download) * arrives(&shape.upload);
    // Where nothing can come back, one shows it.
    let most = if lost < 1.0 { MOST_ATTEMPTS } else { 1 };
    let mut all_lost = lost;
    let mut attempts = 1;
    while all_lost > ALL_LOST && attempts < most {
        all_lost *= lost;
        attempts += 1;
    }
    attempts
}

/// Sends echoes over a path with these limits: few enough to meet no queue, and with patience for what is delayed.
pub(super) fn echoes(pair: &Pair, shape: &Shape, count: u32) -> Result<RoundTrips, meter::Error> {
    meter::round_trips_within(&pair.from, &pair.to, count, interval(shape), patience(shape))
}

/// How many echoes there are in a time, with these limits.
pub(super) fn count(shape: &Shape, time: Duration) -> u32 {
    let count = time.as_nanos() / interval(shape).as_nanos().max(1);
    u32::try_from(count).unwrap_or(u32::MAX).max(LEAST_COUNT)
}

fn interval(shape: &Shape) -> Duration {
    let apart = |rate: Option<Rate>| way::unnoticed(rate, FRAME_BYTES);
    INTERVAL.max(apart(shape.download.rate)).max(apart(shape.upload.rate))
}

/// Twice there and back, first for the neighbour, and once behind all that the queues hold.
fn patience(shape: &Shape) -> Duration {
    let of = |line: &Line| way::patience(line).saturating_add(way::queue_time(line));
    NEIGHBOUR.saturating_add(of(&shape.download)).saturating_add(of(&shape.upload))
}

/// Measures it.
pub(super) fn measure(shape: &Shape, pair: &Pair, tools: &Tools<'_>) -> Result<Vec<Row>, meter::Error> {
    let count = count(shape, tools.duration()).min(COUNT);
    measured(|| Ok(vec![row(shape, &echoes(pair, shape, count)?, tools)?]))
}

/// The round trip, and as what it is to be compared: the network's own and the delays of both directions.
pub(super) fn row(shape: &Shape, measured: &RoundTrips, tools: &Tools<'_>) -> Result<Row, meter::Error> {
    let own = tools.unlimited.map(|pair| echoes(pair, &Shape::default(), COUNT)).transpose()?;
    let own = own.map_or(0.0, |echoes| echoes.median());
    let spread = shape.download.spread().and(&shape.upload.spread());
    let asked = own + spread.median();
    let late = shape.download.expected().slot_ns + shape.upload.expected().slot_ns;
    let chance = spread.chance_of_median(u32::try_from(measured.times.len()).unwrap_or(u32::MAX));
    let tolerance = TIME_TOLERANCE + chance + late / 2.0;
    let row = Row::time(Direction::RoundTrip, "round trip", Some(asked + late / 2.0), measured.median(), tolerance);
    let overtakes = [&shape.download, &shape.upload].iter().any(|line| !line.reorder.probability.is_never());
    Ok(match overtakes {
        true => row.not_judged("packets that overtake are not delayed"),
        false => row.explained(|row| tools.reasons_of_delay(row)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shaping::{Chance, Delay, Loss, Probability};

    fn shape(bit_s: u64, delay_s: u64) -> Shape {
        let download = Line {
            rate: Rate::from_bits_per_second(bit_s),
            delay: Delay::from_nanoseconds(delay_s * 1_000_000_000).unwrap(),
            ..Line::default()
        };
        Shape { download, ..Shape::default() }
    }

    #[test]
    fn an_echo_that_may_be_lost_is_not_the_only_one() {
        let losing = |percent: &str| {
            let loss = Loss::Random(Chance { probability: Probability::parse(percent).unwrap(), ..Chance::default() });
            Shape { upload: Line { loss, ..Line::default() }, ..Shape::default() }
        };
        assert_eq!(attempts(&Shape::default()), 1);
        assert_eq!(["0.00005%", "2%", "5%", "30%", "100%"].map(|percent| attempts(&losing(percent))), [1, 4, 5, 12, 1]);
    }

    #[test]
    fn echoes_are_few_on_a_slow_line_and_waited_for_on_a_long_one() {
        assert_eq!(interval(&shape(1_000_000_000, 0)), INTERVAL);
        assert_eq!(interval(&shape(8000, 0)), Duration::from_millis(472), "a quarter of the rate");
        let seconds = Duration::from_secs(5);
        assert_eq!((count(&shape(8000, 0), seconds), count(&Shape::default(), seconds)), (LEAST_COUNT, 500));
        assert!(patience(&shape(1_000_000_000, 60)) > Duration::from_secs(2 * 60));
        assert!(patience(&shape(8000, 0)) > Duration::from_secs(65), "64 KiB wait");
    }
}
