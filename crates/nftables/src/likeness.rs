//! Whether a rule that the kernel lists is one that was sent.
//!
//! The kernel lists attributes that were not sent, such as flags, with zeros for what they mean when they are missing. Those of
//! counters change. Of a translation it lists the ends of ranges that are none, and flags for what there is (`nft_nat_dump`).

use netlink::attributes::{iterate, value_of};

use crate::count;
use crate::expression::Expression;
use crate::message::{NFTA_EXPR_DATA, NFTA_EXPR_NAME};
use crate::nat;

/// Whether the listed expressions are these.
pub(crate) fn is_alike(listed: &[u8], sent: &[Expression]) -> bool {
    let mut bytes = Vec::new();
    sent.iter().for_each(|expression| expression.put(&mut bytes));
    let (mut listed, mut sent) = (iterate(listed), iterate(&bytes));
    loop {
        match (listed.next(), sent.next()) {
            (None, None) => return true,
            (Some((_, listed)), Some((_, sent))) if is_same(listed, sent) => {}
            _ => return false,
        }
    }
}

fn is_same(listed: &[u8], sent: &[u8]) -> bool {
    let name = value_of(sent, NFTA_EXPR_NAME);
    if value_of(listed, NFTA_EXPR_NAME) != name {
        return false;
    }
    let data = |expression| value_of(expression, NFTA_EXPR_DATA).unwrap_or_default();
    let is = |wanted: &str| name.and_then(|name| name.strip_suffix(&[0])) == Some(wanted.as_bytes());
    is(count::NAME)
        || means_the_same(data(listed), data(sent))
        || is(nat::NAME) && means_the_same(&nat::without_what_follows(data(listed)), data(sent))
}

/// Whether all that was sent is listed, and nothing else but zeros.
fn means_the_same(listed: &[u8], sent: &[u8]) -> bool {
    let has_all = iterate(sent).all(|(kind, value)| {
        value_of(listed, kind).is_some_and(|found| found == value || (is_nest(value) && means_the_same(found, value)))
    });
    has_all
        && iterate(listed).all(|(kind, value)| value_of(sent, kind).is_some() || value.iter().all(|byte| *byte == 0))
}

/// Whether these are attributes, all of them.
fn is_nest(value: &[u8]) -> bool {
    let end = iterate(value).map(|(_, inner)| (inner.len() + 4).next_multiple_of(4)).sum::<usize>();
    !value.is_empty() && end == value.len()
}

#[cfg(test)]
mod tests {
    use netlink::attributes::append_nested;

    use super::*;
    use crate::nat::{Nat, Translated};
    use crate::{Comparison, Count, Family, Meta, Register, Set, Type, Verdict};

    static LINKS: Set = Set::new("links", &[Type::Ifname]);

    fn guard() -> Vec<Expression> {
        vec![
            Expression::Meta(Meta::Iifname),
            Expression::In(&LINKS),
            Expression::Meta(Meta::Protocol),
            Expression::Compare(Comparison::Equal, vec![8, 6]),
            Expression::Counter,
            Expression::Verdict(Verdict::Drop),
        ]
    }

    fn listed(expressions: &[Expression]) -> Vec<u8> {
        let mut bytes = Vec::new();
        expressions.iter().for_each(|expression| expression.put(&mut bytes));
        bytes
    }

    #[test]
    fn every_step_counts() {
        assert!(is_alike(&listed(&guard()), &guard()));
        for (place, other) in [
            (0, Expression::Meta(Meta::Oifname)),
            (1, Expression::NotIn(&LINKS)),
            (3, Expression::Compare(Comparison::Equal, vec![8, 0])),
            (3, Expression::Compare(Comparison::Unequal, vec![8, 6])),
            (4, Expression::Masquerade),
            (5, Expression::Verdict(Verdict::Accept)),
        ] {
            let mut changed = guard();
            changed[place] = other;
            assert!(!is_alike(&listed(&changed), &guard()), "{changed:?}");
            assert!(!is_alike(&listed(&guard()), &changed), "{changed:?}");
        }
        assert!(!is_alike(&listed(&guard()[..5]), &guard()));
        assert!(!is_alike(&listed(&guard()), &guard()[..5]));
    }

    #[test]
    fn counts_do_not_count() {
        let counter = Expression::encode(count::NAME, |data| Count { packets: 7, bytes: 9 }.put_data(data));
        assert!(is_alike(&listed(&[counter]), &[Expression::Counter]));
    }

    #[test]
    fn zeros_mean_nothing_and_flags_do() {
        let lookup = |flags: u32| {
            let mut bytes = Vec::new();
            append_nested(&mut bytes, 1, |expression| {
                crate::message::put_text(expression, NFTA_EXPR_NAME, "lookup");
                append_nested(expression, NFTA_EXPR_DATA, |data| {
                    crate::message::put_text(data, 1, "links");
                    crate::message::put_number(data, 2, 1);
                    crate::message::put_number(data, 5, flags);
                });
            });
            bytes
        };
        assert!(is_alike(&lookup(0), &[Expression::In(&LINKS)]));
        assert!(!is_alike(&lookup(1), &[Expression::In(&LINKS)]));
        assert!(is_alike(&lookup(1), &[Expression::NotIn(&LINKS)]));
    }

    #[test]
    fn what_follows_from_a_translation_does_not_count() {
        let to = Nat::new(Translated::Destination, Family::Ip, Register::FIRST);
        let port = Register::FIRST.behind(&[Type::Ipv4]);
        let sent = [to.with_port(port).into()];
        let as_listed = |last_port, flags| {
            let whole = Nat { last_address: to.address, last_port: Some(last_port), flags, ..to.with_port(port) };
            listed(&[whole.into()])
        };
        assert!(is_alike(&listed(&sent), &sent));
        assert!(is_alike(&as_listed(port, 3), &sent));
        assert!(!is_alike(&as_listed(Register::FIRST, 3), &sent));
        assert!(!is_alike(&as_listed(port, 3 | nat::RANDOM), &sent));
    }

    #[test]
    fn no_cut_panics() {
        let bytes = listed(&guard());
        for end in 0..bytes.len() {
            assert!(!is_alike(&bytes[..end], &guard()));
        }
    }
}
