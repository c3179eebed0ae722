//! Numbers of VLANs.

use serde_json::Value;

use crate::from_json::number;
use crate::{Form, FromJson, Place, Refusal};

/// A VLAN, 1 to 4094.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VlanId(pub u16);

impl FromJson for VlanId {
    const FORM: Form = Form::Number { from: 1, to: 4094 };

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        number(value, place, 1, 4094).map(Self)
    }
}

/// The same where 0 is none: Go cannot tell it from a key that is not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionalVlanId(pub Option<u16>);

impl FromJson for OptionalVlanId {
    const FORM: Form = Form::Number { from: 0, to: 4094 };

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        VlanId::from_json(value, place).map(|VlanId(id)| Self(Some(id)))
    }

    fn is_unset(value: &Value) -> bool {
        value.is_null() || value.as_u64() == Some(0)
    }
}
