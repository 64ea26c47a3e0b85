//! One expression: what it does to the registers and the packet, and whether the rule goes on.

use nftables::{
    BitOperation, ByteOrderOperation, Comparison, ConnectionKey, Element, ElementData, Expression,
    Limit, Log, LookupResult, MetaKey, ObjectKind, ObjectState, Quota, Register, Reject, SetData,
    Verdict,
};

use super::load::{self, Loaded};
use super::outcome::SetHit;
use super::registers::OutOfRegisters;
use super::set_index::{LookupError, SetIndex};
use super::state::State;
use super::table_index::TableIndex;

/// How a rule goes on after an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow<'a> {
    /// With the next expression.
    Next,
    /// Not at all: it does not match.
    Break,
    /// It decides.
    Verdict(&'a Verdict),
    /// It rejects.
    Reject(Reject),
}

/// Why an expression's effect is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Unsupported(String),
    Missing { kind: &'static str, name: String },
}

impl From<&str> for Trouble {
    fn from(reason: &str) -> Self {
        Self::Unsupported(reason.to_owned())
    }
}

impl From<OutOfRegisters> for Trouble {
    fn from(_: OutOfRegisters) -> Self {
        "it reaches beyond the last register, which no kernel accepts".into()
    }
}

impl From<LookupError> for Trouble {
    fn from(error: LookupError) -> Self {
        Self::Unsupported(error.to_string())
    }
}

const UNDETERMINED: &str = "the chain has the priority of connection tracking itself (-200), and which runs first is not known";

pub(super) fn evaluate<'a>(
    table: &TableIndex<'a>,
    state: &mut State<'_>,
    expression: &'a Expression,
) -> Result<Flow<'a>, Trouble> {
    match expression {
        Expression::Meta { key, destination } => {
            let loaded = match key {
                MetaKey::Trace => Loaded::Bytes(vec![u8::from(state.traced)]),
                key => load::meta(state, *key),
            };
            store(state, *destination, loaded)
        }
        Expression::SetMeta { key, source } => set_meta(state, *key, *source),
        Expression::Payload {
            base,
            offset,
            length,
            destination,
        } => {
            let loaded = load::payload(state, *base, *offset, *length);
            store(state, *destination, loaded)
        }
        Expression::ExtensionHeader {
            kind,
            header,
            offset,
            length,
            presence,
            destination,
        } => {
            let field = (*offset, *length);
            let loaded = load::extension_header(state, *kind, *header, field, *presence);
            store(state, *destination, loaded)
        }
        Expression::Compare {
            source,
            operator,
            value,
        } => {
            let order = state.registers.load(*source, value.len())?.cmp(value);
            Ok(go_on_if(match operator {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterOrEqual => order.is_ge(),
            }))
        }
        Expression::Range {
            source,
            invert,
            from,
            to,
        } => {
            let value = state.registers.load(*source, from.len())?;
            let inside = from.as_slice() <= value && value <= to.as_slice();
            Ok(go_on_if(inside != *invert))
        }
        Expression::Bitwise {
            source,
            destination,
            operation,
        } => bitwise(state, *source, *destination, operation),
        Expression::ByteOrder {
            source,
            destination,
            operation,
            length,
            size,
        } => byte_order(state, *source, *destination, *operation, (*length, *size)),
        Expression::Immediate { destination, value } => {
            state.registers.store(*destination, value)?;
            Ok(Flow::Next)
        }
        Expression::Verdict(verdict) => Ok(flow_of(verdict)),
        Expression::Lookup {
            set,
            source,
            result,
        } => lookup(table, state, set, *source, *result),
        Expression::Object { kind, name } => object(table, state, *kind, name),
        Expression::ObjectMap { set, source } => object_map(table, state, set, *source),
        Expression::Counter(_) => Ok(Flow::Next),
        Expression::Limit(limit) => Ok(limited(state, limit)),
        Expression::Quota(quota) => Ok(quoted(state, quota)),
        Expression::Log(log) => {
            let (Log::Group { prefix, .. } | Log::Kernel { prefix, .. }) = log;
            state.log_prefixes.push(prefix.clone());
            Ok(Flow::Next)
        }
        Expression::Connection {
            key: ConnectionKey::State,
            direction: None,
            destination,
        } => {
            let bits = state.tracking.state_bits().ok_or(UNDETERMINED)?;
            state.registers.store_words(*destination, &[bits])?;
            Ok(Flow::Next)
        }
        Expression::Connection { .. } => Err("of a connection only its state is known here".into()),
        Expression::SetConnection { key, source, .. } => set_connection(state, *key, *source),
        Expression::NoTrack => {
            state.tracking.exempt().ok_or(UNDETERMINED)?;
            Ok(Flow::Next)
        }
        Expression::Reject(reject) => Ok(Flow::Reject(*reject)),
        Expression::DynamicSet { .. } => {
            Err("what was added to the set before, and whether there is room, is not known".into())
        }
        Expression::Opaque { .. } => Err("this expression is not known here".into()),
    }
}

fn go_on_if<'a>(condition: bool) -> Flow<'a> {
    if condition { Flow::Next } else { Flow::Break }
}

/// `continue` and `break` end up in the same variable as the kernel's own signals of that name.
fn flow_of(verdict: &Verdict) -> Flow<'_> {
    match verdict {
        Verdict::Continue => Flow::Next,
        Verdict::Break => Flow::Break,
        other => Flow::Verdict(other),
    }
}

fn store<'a>(
    state: &mut State<'_>,
    destination: Register,
    loaded: Loaded,
) -> Result<Flow<'a>, Trouble> {
    match loaded {
        Loaded::Bytes(bytes) => {
            state.registers.store(destination, &bytes)?;
            Ok(Flow::Next)
        }
        Loaded::Nothing => Ok(Flow::Break),
        Loaded::Unknown(reason) => Err(reason.into()),
    }
}

fn set_meta<'a>(
    state: &mut State<'_>,
    key: MetaKey,
    source: Register,
) -> Result<Flow<'a>, Trouble> {
    let number = state.registers.load_number(source)?;
    let first_byte = state.registers.load(source, 1)?.first().copied();
    let first_byte = first_byte.unwrap_or_default();
    match key {
        MetaKey::Mark => state.mark = number,
        MetaKey::Priority => state.queueing_priority = Some(number),
        MetaKey::PacketType => state.set_packet_type(first_byte),
        MetaKey::Trace => state.traced = first_byte != 0,
        _ => return Err("no kernel sets this property".into()),
    }
    Ok(Flow::Next)
}

fn set_connection<'a>(
    state: &mut State<'_>,
    key: ConnectionKey,
    source: Register,
) -> Result<Flow<'a>, Trouble> {
    match key {
        ConnectionKey::Zone => {
            let number = state.registers.load(source, 2)?;
            let zone = u16::from_ne_bytes(number.try_into().map_err(|_| OutOfRegisters)?);
            let attached = state.tracking.attach_template(state.hook, state.priority);
            if attached.ok_or(UNDETERMINED)? {
                state.zone = Some(zone);
            }
        }
        // They change the connection for others to see; nothing here can load them.
        ConnectionKey::Mark | ConnectionKey::Labels | ConnectionKey::EventMask => {}
        _ => return Err("this property of a connection is not known here".into()),
    }
    Ok(Flow::Next)
}

fn bitwise<'a>(
    state: &mut State<'_>,
    source: Register,
    destination: Register,
    operation: &BitOperation,
) -> Result<Flow<'a>, Trouble> {
    match operation {
        BitOperation::MaskXor { mask, xor } => {
            let value = state.registers.load(source, mask.len())?;
            let result: Vec<u8> = value
                .iter()
                .zip(mask)
                .zip(xor)
                .map(|((byte, mask), xor)| byte & mask ^ xor)
                .collect();
            // Mask and xor are zero behind their end, so what is left of the last word becomes zero.
            state.registers.store(destination, &result)?;
        }
        BitOperation::ShiftLeft { bits, length } | BitOperation::ShiftRight { bits, length } => {
            // The kernel carries from a word that it may have overwritten already.
            if *length > 4 || !(1..32).contains(bits) {
                return Err(
                    "kernels shift more than one word, or by 0 bits, in ways of their own".into(),
                );
            }
            let left = matches!(operation, BitOperation::ShiftLeft { .. });
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            let mut words = state.registers.load_words(source, length)?;
            for word in &mut words {
                *word = if left { *word << bits } else { *word >> bits };
            }
            state.registers.store_words(destination, &words)?;
        }
    }
    Ok(Flow::Next)
}

/// Both ways are the same swap on a little-endian machine and nothing on a big-endian one.
fn byte_order<'a>(
    state: &mut State<'_>,
    source: Register,
    destination: Register,
    _operation: ByteOrderOperation,
    (length, size): (u32, u32),
) -> Result<Flow<'a>, Trouble> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let value = match (size, length) {
        // Two bytes leave the rest of the destination's word alone, and kernels before 6.8 wrote several numbers
        // of two bytes four apart.
        (2, 2) if source == destination => state.registers.load(source, 4)?,
        (4, _) if length.is_multiple_of(4) => state.registers.load(source, length)?,
        (8, 8) => state.registers.load(source, 8)?,
        _ => return Err("kernels differ in how they turn such numbers".into()),
    };
    let mut turned = value.to_vec();
    if cfg!(target_endian = "little") {
        let numbers = if size == 2 { 1 } else { usize::MAX };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        turned
            .chunks_mut(size)
            .take(numbers)
            .for_each(<[u8]>::reverse);
    }
    state.registers.store(destination, &turned)?;
    Ok(Flow::Next)
}

fn lookup<'a>(
    table: &TableIndex<'a>,
    state: &mut State<'_>,
    name: &str,
    source: Register,
    result: LookupResult,
) -> Result<Flow<'a>, Trouble> {
    let set = find_set(table, name)?;
    if result == LookupResult::Absent && set.has_catch_all() {
        return Err("kernels differ on what is absent from a set with a catch-all element".into());
    }
    let found = find_element(set, state, source)?;
    match (result, found) {
        (LookupResult::Absent, None) => Ok(Flow::Next),
        (LookupResult::Absent, Some(_)) | (_, None) => Ok(Flow::Break),
        (LookupResult::Present, Some(element)) => run_attached(table, state, element, Flow::Next),
        (LookupResult::Verdict, Some(element)) => match &element.data {
            Some(ElementData::Verdict(verdict)) => {
                run_attached(table, state, element, flow_of(verdict))
            }
            _ => Err("the element has no verdict, which no kernel accepts".into()),
        },
        (LookupResult::Value(destination), Some(element)) => match &element.data {
            Some(ElementData::Value(value)) => {
                state.registers.store(destination, value)?;
                run_attached(table, state, element, Flow::Next)
            }
            _ => Err("the element has no value, which no kernel accepts".into()),
        },
    }
}

/// `nft_set_elem_update_expr`: what an element carries runs after its data was taken, and may take it back.
fn run_attached<'a>(
    table: &TableIndex<'a>,
    state: &mut State<'_>,
    element: &'a Element,
    flow: Flow<'a>,
) -> Result<Flow<'a>, Trouble> {
    for expression in &element.expressions {
        if evaluate(table, state, expression)? == Flow::Break {
            return Ok(Flow::Break);
        }
    }
    Ok(flow)
}

fn find_set<'t, 'a>(table: &'t TableIndex<'a>, name: &str) -> Result<&'t SetIndex<'a>, Trouble> {
    table.set(name).ok_or_else(|| Trouble::Missing {
        kind: "set",
        name: name.to_owned(),
    })
}

fn find_element<'a>(
    set: &SetIndex<'a>,
    state: &mut State<'_>,
    source: Register,
) -> Result<Option<&'a Element>, Trouble> {
    let key = state.registers.load(source, set.key_length())?;
    let found = set.lookup(key)?;
    if let Some(element) = found {
        state.hits.push(SetHit {
            set: set.set.name.clone(),
            key: element.key.clone(),
            comment: element.userdata.as_comment().map(str::to_owned),
        });
    }
    Ok(found)
}

fn object_map<'a>(
    table: &TableIndex<'a>,
    state: &mut State<'_>,
    name: &str,
    source: Register,
) -> Result<Flow<'a>, Trouble> {
    let set = find_set(table, name)?;
    let SetData::Object(kind) = set.set.data else {
        return Err("the set is no object map, which no kernel accepts".into());
    };
    let Some(element) = find_element(set, state, source)? else {
        return Ok(Flow::Break);
    };
    match &element.data {
        Some(ElementData::Object(name)) => object(table, state, kind, name),
        _ => Err("the element has no object, which no kernel accepts".into()),
    }
}

fn object<'a>(
    table: &TableIndex<'a>,
    state: &mut State<'_>,
    kind: ObjectKind,
    name: &str,
) -> Result<Flow<'a>, Trouble> {
    let object = table.object(kind, name).ok_or_else(|| Trouble::Missing {
        kind: "object",
        name: name.to_owned(),
    })?;
    match &object.state {
        ObjectState::Counter(_) => {
            state.counters.push(name.to_owned());
            Ok(Flow::Next)
        }
        ObjectState::Limit(limit) => Ok(limited(state, limit)),
        ObjectState::Quota(quota) => Ok(quoted(state, quota)),
        ObjectState::Opaque { .. } => Err("objects of this kind are not known here".into()),
    }
}

/// A limit with `over` matches what exceeds it; one without, what does not.
fn limited<'a>(state: &State<'_>, limit: &Limit) -> Flow<'a> {
    go_on_if(state.options.exceeded == limit.over)
}

fn quoted<'a>(state: &State<'_>, quota: &Quota) -> Flow<'a> {
    go_on_if(state.options.exceeded == quota.over)
}
