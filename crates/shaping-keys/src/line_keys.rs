//! The keys of one direction: `download` and `upload`.

use keys::{Form, FromJson, MANDATORY, Names, Place, Refusal, keys};
use serde_json::Value;
use shaping::{Chance, Delay, Distribution, Line, Loss, Probability, Rate, Slot};

use crate::forms::{Bytes, Given, Packets, Seed, given, share_or};

keys! {
    /// One direction of a NIC. A key that is not given may come from the next source.
    #[object(others = refused, example = r#"{"rate": "100Mbit", "delay": "10ms"}"#)]
    pub(crate) struct LineKeys {
        /// bandwidth at layer 2 (frames without checksum), 8 kbit/s at least; `bit`, `kbit`, `Mbit`, `Gbit`, `Tbit`, also with
        /// `/s`, of 1000 each; `Mbps` and `Gbps` are bits as in `bw`, and what is bytes to tc (`MBps`, `kbps`) is refused
        #[key("rate", accepts = "`64kbit`, `1.5Gbit`", default = "no limit", example = r#""100Mbit""#, is_ours = true)]
        pub(crate) rate: Option<Given<Rate>>,

        /// what passes at once [after silence](../limits.md#what-a-limit-counts)
        #[key("burst", accepts = "`64KiB`, `30kB`", default = "a frame and 8 ms of the rate", example = r#""64KiB""#, is_ours = true)]
        pub(crate) burst: Option<Bytes>,

        /// latency that is added; `ns`, `us`, `ms`, `s`
        #[key("delay", accepts = "`1.5ms`, `2s`", default = "none", example = r#""10ms""#, is_ours = true)]
        pub(crate) delay: Option<Given<Delay>>,

        /// how far the delay deviates: at most the delay, and 2.147 s
        #[key("jitter", accepts = "`2ms`", default = "none", example = r#""2ms""#, is_ours = true)]
        pub(crate) jitter: Option<Given<Delay>>,

        /// how deviations are spread: `uniform` (all up to the jitter alike), `normal` (the jitter is the standard deviation),
        /// `pareto`, `paretonormal` (a few packets are very late), or a table of your own: 1 to 16384 deviations in 1/8192 of
        /// the jitter
        #[key("distribution", accepts = "name or list", default = "`uniform`", example = r#""normal""#, is_ours = true)]
        pub(crate) distribution: Option<Given<Distribution>>,

        /// how much a packet's delay depends on that of the one before; it [has no effect](../limits.md#what-netem-makes-of-it)
        /// on jitters below 1 s
        #[key("correlation", accepts = "`25%`", default = "none", example = r#""25%""#, is_ours = true)]
        pub(crate) correlation: Option<Given<Probability>>,

        /// which packets are lost: a share, or one of the three models that follow
        #[key("loss", accepts = "`1%` or object", default = "none", example = r#""1%""#, is_ours = true)]
        pub(crate) loss: Option<Lost>,

        /// packets of senders that understand it are marked instead of lost
        #[key("ecn", default = "false", example = "true", is_ours = true)]
        pub(crate) ecn: Option<bool>,

        /// packets that arrive twice
        #[key("duplicate", accepts = "`1%` or object", default = "none", example = r#""1%""#, is_ours = true)]
        pub(crate) duplicate: Option<Share>,

        /// packets with one bit flipped, anywhere in the frame
        #[key("corrupt", accepts = "`1%` or object", default = "none", example = r#""1%""#, is_ours = true)]
        pub(crate) corrupt: Option<Share>,

        /// packets that are not delayed, and so overtake those that are
        #[key("reorder", accepts = "`1%` or object", default = "none", example = r#""1%""#, is_ours = true)]
        pub(crate) reorder: Option<Share>,

        /// only every n-th packet may be reordered
        #[key("gap", accepts = "number", default = "1", example = "5", is_ours = true)]
        pub(crate) gap: Option<Packets>,

        /// packets are held and leave together, as on a radio link with a schedule
        #[key("slot", accepts = "object", example = r#"{"minDelay": "20ms"}"#, is_ours = true)]
        pub(crate) slot: Option<SlotKeys>,

        /// what the delay line holds
        #[key(
            "limit",
            accepts = "packets",
            default = "twice what rate and delay hold in the smallest frames; without a rate what 10 Gbit/s hold, 100000 at least",
            example = "1000",
            is_ours = true
        )]
        pub(crate) limit: Option<Packets>,

        /// the seed of the random numbers: the same losses in each run. Linux 6.6
        #[key("seed", accepts = "number", default = "chance", example = "42", is_ours = true)]
        pub(crate) seed: Option<Seed>,
    }

    /// A share of the packets.
    #[object(others = refused, example = r#"{"percent": "1%"}"#)]
    pub(crate) struct ChanceKeys {
        /// how many of the packets
        #[key("percent", accepts = "`1%`", default = MANDATORY, example = r#""1%""#, is_required = true, is_ours = true)]
        percent: Given<Probability>,

        /// how much a packet's fate depends on that of the one before; with it
        /// [fewer are met](../limits.md#what-netem-makes-of-it) than the share says
        #[key("correlation", accepts = "`25%`", default = "none", example = r#""25%""#, is_ours = true)]
        correlation: Option<Given<Probability>>,
    }

    /// A model of loss: one of the three.
    #[object(others = refused, example = r#"{"percent": "1%"}"#)]
    pub(crate) struct LossKeys {
        /// each packet by itself
        #[key("percent", accepts = "`1%`", default = "none", example = r#""1%""#, is_ours = true)]
        percent: Option<Given<Probability>>,

        /// with a correlation [fewer are lost](../limits.md#what-netem-makes-of-it) than the share says
        #[key("correlation", accepts = "`25%`", default = "none", example = r#""25%""#, is_ours = true)]
        correlation: Option<Given<Probability>>,

        /// a good and a bad state; bursts are 1/`r` packets long on average
        #[key("gilbertElliott", accepts = "object", example = r#"{"p": "1%", "r": "10%"}"#, is_ours = true)]
        gilbert_elliott: Option<GilbertElliottKeys>,

        /// four states: 1 received, 2 received in a burst, 3 lost in a burst, 4 lost alone; the keys are the chances to go from
        /// one to another
        #[key("states", accepts = "object", example = r#"{"p13": "1%", "p31": "20%"}"#, is_ours = true)]
        states: Option<StatesKeys>,
    }

    /// Losses in bursts.
    #[object(others = refused, example = r#"{"p": "1%", "r": "10%"}"#)]
    pub(crate) struct GilbertElliottKeys {
        /// the chance to go from the good state to the bad one
        #[key("p", accepts = "`1%`", default = MANDATORY, example = r#""1%""#, is_required = true, is_ours = true)]
        p: Given<Probability>,

        /// the chance to go back
        #[key("r", accepts = "`10%`", default = MANDATORY, example = r#""10%""#, is_required = true, is_ours = true)]
        r: Given<Probability>,

        /// the share that is lost in the bad state
        #[key("bad", accepts = "`70%`", default = "100%", example = r#""70%""#, is_ours = true)]
        bad: Option<Given<Probability>>,

        /// the share that is lost in the good state
        #[key("good", accepts = "`0.1%`", default = "0%", example = r#""0.1%""#, is_ours = true)]
        good: Option<Given<Probability>>,
    }

    /// The chances to go from one of four states to another.
    #[object(others = refused, example = r#"{"p13": "1%", "p31": "20%"}"#)]
    pub(crate) struct StatesKeys {
        /// from received to lost in a burst
        #[key("p13", accepts = "`1%`", default = MANDATORY, example = r#""1%""#, is_required = true, is_ours = true)]
        p13: Given<Probability>,

        /// from lost in a burst to received
        #[key("p31", accepts = "`20%`", default = MANDATORY, example = r#""20%""#, is_required = true, is_ours = true)]
        p31: Given<Probability>,

        /// from lost in a burst to received in a burst
        #[key("p32", accepts = "`10%`", default = "0%", example = r#""10%""#, is_ours = true)]
        p32: Option<Given<Probability>>,

        /// from received in a burst to lost in a burst
        #[key("p23", accepts = "`10%`", default = "0%", example = r#""10%""#, is_ours = true)]
        p23: Option<Given<Probability>>,

        /// from received to lost alone
        #[key("p14", accepts = "`1%`", default = "0%", example = r#""1%""#, is_ours = true)]
        p14: Option<Given<Probability>>,
    }

    /// When packets leave.
    #[object(others = refused, example = r#"{"minDelay": "20ms"}"#)]
    pub(crate) struct SlotKeys {
        /// time from one slot to the next
        #[key("minDelay", accepts = "`20ms`", default = MANDATORY, example = r#""20ms""#, is_required = true, is_ours = true)]
        min_delay: Given<Delay>,

        /// the most that it may be
        #[key("maxDelay", accepts = "`30ms`", default = "`minDelay`", example = r#""30ms""#, is_ours = true)]
        max_delay: Option<Given<Delay>>,

        /// how many packets leave in a slot at most
        #[key("maxPackets", accepts = "number", default = "no limit", example = "16", is_ours = true)]
        max_packets: Option<Packets>,

        /// how many bytes leave in a slot at most
        #[key("maxBytes", accepts = "`60kB`", default = "no limit", example = r#""60kB""#, is_ours = true)]
        max_bytes: Option<Bytes>,
    }
}

/// A share, or an object with a correlation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Share(ChanceKeys);

/// A share that is lost, or a model of loss.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lost(Loss);

const SHARE: Form = <Given<Probability> as FromJson>::FORM;

impl FromJson for Share {
    const FORM: Form = Form::Either(&[SHARE, ChanceKeys::FORM]);
    const NAMES: &'static Names = ChanceKeys::NAMES;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        share_or(value, place, |share| ChanceKeys { percent: Given(share), correlation: None }).map(Self)
    }
}

impl FromJson for Lost {
    const FORM: Form = Form::Either(&[SHARE, LossKeys::FORM]);
    const NAMES: &'static Names = LossKeys::NAMES;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        let keys = share_or(value, place, |share| LossKeys { percent: Some(Given(share)), ..LossKeys::default() })?;
        let loss = keys.loss();
        loss.map(Self).ok_or_else(|| place.refused("give one of percent (with correlation), states and gilbertElliott"))
    }
}

impl LossKeys {
    /// `None` where several models are given.
    fn loss(self) -> Option<Loss> {
        let share = |key: Option<Given<Probability>>| given(key).unwrap_or_default();
        match self {
            Self { states: Some(states), percent: None, correlation: None, gilbert_elliott: None } => {
                Some(Loss::States {
                    p13: states.p13.0,
                    p31: states.p31.0,
                    p32: share(states.p32),
                    p23: share(states.p23),
                    p14: share(states.p14),
                })
            }
            Self { gilbert_elliott: Some(keys), percent: None, correlation: None, states: None } => {
                Some(Loss::GilbertElliott {
                    p: keys.p.0,
                    r: keys.r.0,
                    bad: given(keys.bad).unwrap_or(Probability::ALWAYS),
                    good: share(keys.good),
                })
            }
            Self { percent, correlation, states: None, gilbert_elliott: None } => {
                Some(Loss::Random(Chance { probability: share(percent), correlation: share(correlation) }))
            }
            _ => None,
        }
    }
}

impl LineKeys {
    /// These keys, and for each that is not given the one of `next`.
    pub(crate) fn or(self, next: Self) -> Self {
        Self {
            rate: self.rate.or(next.rate),
            burst: self.burst.or(next.burst),
            delay: self.delay.or(next.delay),
            jitter: self.jitter.or(next.jitter),
            correlation: self.correlation.or(next.correlation),
            distribution: self.distribution.or(next.distribution),
            loss: self.loss.or(next.loss),
            ecn: self.ecn.or(next.ecn),
            duplicate: self.duplicate.or(next.duplicate),
            corrupt: self.corrupt.or(next.corrupt),
            reorder: self.reorder.or(next.reorder),
            gap: self.gap.or(next.gap),
            slot: self.slot.or(next.slot),
            limit: self.limit.or(next.limit),
            seed: self.seed.or(next.seed),
        }
    }

    /// The direction that the keys describe.
    pub(crate) fn line(self) -> Line {
        let chance = |key: Option<Share>| {
            let keys = key.map(|Share(keys)| keys).unwrap_or_default();
            Chance { probability: keys.percent.0, correlation: given(keys.correlation).unwrap_or_default() }
        };
        Line {
            rate: given(self.rate),
            burst_bytes: self.burst.map(|Bytes(bytes)| bytes),
            delay: given(self.delay).unwrap_or_default(),
            jitter: given(self.jitter).unwrap_or_default(),
            delay_correlation: given(self.correlation).unwrap_or_default(),
            distribution: given(self.distribution).unwrap_or_default(),
            loss: self.loss.map(|Lost(loss)| loss).unwrap_or_default(),
            ecn: self.ecn.unwrap_or_default(),
            duplicate: chance(self.duplicate),
            corrupt: chance(self.corrupt),
            reorder: chance(self.reorder),
            gap: self.gap.map(|Packets(gap)| gap),
            slot: self.slot.map(SlotKeys::slot),
            limit_packets: self.limit.map(|Packets(limit)| limit),
            seed: self.seed.map(|Seed(seed)| seed),
        }
    }
}

impl SlotKeys {
    fn slot(self) -> Slot {
        let Given(min_delay) = self.min_delay;
        Slot {
            min_delay,
            max_delay: given(self.max_delay).unwrap_or(min_delay),
            max_packets: self.max_packets.unwrap_or_default().0,
            max_bytes: self.max_bytes.unwrap_or_default().0,
        }
    }
}
