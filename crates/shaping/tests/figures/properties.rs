//! What holds for every rate, delay and MTU, and for every text.

use proptest::prelude::*;
use shaping::{Delay, Limits, Probability, Rate, Tbf, netem_limit, networks};

/// 8 kbit/s to 400 Gbit/s, every order of magnitude alike.
fn rates() -> impl Strategy<Value = Rate> {
    spread(8_000, 400_000_000_000).prop_filter_map("never zero", Rate::from_bits_per_second)
}

/// 1 us to 60 s.
fn delays() -> impl Strategy<Value = Delay> {
    spread(1_000, 60_000_000_000).prop_filter_map("never too long", Delay::from_nanoseconds)
}

fn spread(least: u64, most: u64) -> impl Strategy<Value = u64> {
    (0..64_u32, any::<u64>()).prop_map(move |(shift, random)| (random >> shift).clamp(least, most))
}

fn mtus() -> impl Strategy<Value = u32> {
    68..=65_535_u32
}

proptest! {
    /// It is ahead of a wire, on which a frame takes its time, by less than 1 % of a second.
    #[test]
    fn a_bucket_is_a_frame_with_two_vlan_tags_and_8_ms(rate in rates(), delay in delays(), mtu in mtus()) {
        let tbf = Tbf::new(rate, delay, None, mtu);
        let beside_a_frame = u64::from(tbf.burst_bytes) - u64::from(mtu.max(576) + 22);
        prop_assert!(u64::from(tbf.burst_bytes) >= u64::from(mtu) + 22, "{tbf:?}");
        prop_assert!(beside_a_frame <= tbf.rate_bytes_per_s / 100, "{tbf:?}");
        prop_assert!(beside_a_frame >= tbf.rate_bytes_per_s / 126, "{tbf:?}");
        prop_assert_eq!(tbf.rate_bytes_per_s, rate.bits_per_second().div_ceil(8));
        let asked = Tbf::new(rate, delay, Some(5_000_000), mtu);
        prop_assert_eq!(asked.burst_bytes, 5_000_000);
        prop_assert!(asked.limit_bytes > asked.burst_bytes);
    }

    /// A packet that arrives at a queue with its last free byte waits no longer than 50 ms and the delay, or than 64 KiB and
    /// their headers take.
    #[test]
    fn what_waits_is_bounded_in_time_and_takes_64_kib(rate in rates(), delay in delays(), mtu in 576..=65_535_u32) {
        let tbf = Tbf::new(rate, delay, None, mtu);
        let waiting = u64::from(tbf.limit_bytes - tbf.burst_bytes);
        let time = u128::from(tbf.rate_bytes_per_s) * u128::from(50_000_000 + delay.nanoseconds()) / 1_000_000_000 + 1;
        prop_assert!(u128::from(waiting) <= time.max(90_000), "{tbf:?}");
        prop_assert!(waiting >= 65_536, "{tbf:?}");
        prop_assert!(u128::from(waiting) + 1 >= time.min(i32::MAX as u128 - u128::from(tbf.burst_bytes)), "{tbf:?}");
    }

    #[test]
    fn a_delay_line_holds_twice_what_is_in_flight(rate in rates(), delay in delays(), mtu in mtus()) {
        let in_flight = u128::from(rate.bits_per_second()) / 8 * u128::from(delay.nanoseconds()) / 1_000_000_000;
        let limit = netem_limit(delay, Some(Tbf::new(rate, delay, None, mtu)), mtu);
        // In the smallest frames, and so in all others.
        let wanted = (2 * in_flight / 60).min(i32::MAX as u128);
        prop_assert!(u128::from(limit) >= wanted, "{limit}, {wanted}");
        prop_assert!(netem_limit(delay, None, mtu) >= 100_000);
    }

    #[test]
    fn more_is_never_less(a in rates(), b in rates(), c in delays(), d in delays(), mtu in mtus()) {
        let (slow, fast) = (a.min(b), a.max(b));
        let (short, long) = (c.min(d), c.max(d));
        let (small, large) = (Tbf::new(slow, short, None, mtu), Tbf::new(fast, long, None, mtu));
        prop_assert!(small.burst_bytes <= large.burst_bytes && small.limit_bytes <= large.limit_bytes);
        for (small, large) in [(Some(small), Some(large)), (None, None)] {
            prop_assert!(netem_limit(short, small, mtu) <= netem_limit(long, large, mtu));
        }
    }

    #[test]
    fn nothing_overflows_at_any_value(bits in 1..=u64::MAX, nanoseconds in 0..=i64::MAX as u64, mtu: u32) {
        let (rate, delay) = (Rate::from_bits_per_second(bits).unwrap(), Delay::from_nanoseconds(nanoseconds).unwrap());
        let tbf = Tbf::new(rate, delay, None, mtu);
        prop_assert!(tbf.burst_bytes > 0 && tbf.limit_bytes >= tbf.burst_bytes);
        prop_assert!(netem_limit(delay, Some(tbf), mtu) > 0);
        prop_assert!(netem_limit(delay, None, mtu) > 0);
    }

    #[test]
    fn what_is_printed_reads_back(bw in prop::option::of(1..18_446_744_073_709_u64), lat in prop::option::of(1..9_223_372_036_854_775_u64)) {
        let limits = Limits {
            bw: bw.map(|mbps| Rate::from_bits_per_second(mbps * 1_000_000).unwrap()),
            lat: lat.map(|us| Delay::from_nanoseconds(us * 1_000).unwrap()),
        };
        let spec = networks::NetworkSpec { name: "net".to_owned(), limits, preset: None, ip: None, mac: None };
        prop_assert_eq!(networks::parse(&spec.to_string(), |_| false), Ok(vec![spec]));
    }

    #[test]
    fn a_quantity_is_what_its_digits_say(whole in 0..1_000_000_u64, thousandths in 0..1000_u64) {
        let text = format!("{whole}.{thousandths:03}");
        let scaled = whole * 1000 + thousandths;
        prop_assert_eq!(Delay::parse(&format!("{text}us")).unwrap().nanoseconds(), scaled);
        match Rate::parse(&format!("{text}kbit")) {
            Ok(rate) => prop_assert_eq!(rate.bits_per_second(), scaled),
            Err(_) => prop_assert_eq!(scaled, 0),
        }
        prop_assert_eq!(Delay::parse(&format!("{text}ns")).is_ok(), thousandths == 0);
    }

    #[test]
    fn a_share_reads_back(billionths in 0..=1_000_000_000_u64) {
        let text = format!("{}.{:07}%", billionths / 10_000_000, billionths % 10_000_000);
        let share = Probability::parse(&text).unwrap();
        prop_assert_eq!(Probability::parse(&share.to_string()), Ok(share));
        prop_assert!((share.fraction() - billionths as f64 / 1e9).abs() < 2.4e-10);
    }

    #[test]
    fn no_quantity_is_too_strange(text in "[-+0-9.e]{0,60}(bit|kbit|Mbit/s|ms|s|%|B|KiB)?") {
        let _ = (Rate::parse(&text).is_ok(), Delay::parse(&text).is_ok());
        let _ = (Probability::parse(&text).is_ok(), shaping::parse_bytes(&text).is_ok());
    }

    #[test]
    fn no_text_is_too_strange(text in ".*", inside in "[a-z0-9=,./:\\[\\]BW Mbps]*") {
        for text in [text.clone(), inside.clone(), format!("net,a[{inside}]"), format!("net,a[bw={text}]")] {
            if let Ok(specs) = networks::parse(&text, |_| false) {
                let printed = specs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                prop_assert_eq!(networks::parse(&printed, |_| false), Ok(specs));
            }
        }
    }
}
