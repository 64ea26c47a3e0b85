//! `learn(...)` as text.

use std::fmt;

use super::part::{MaskedText, parse_masked, parse_subfield};
use super::scan::{Pair, ParseError, Position, each_pair, number};
use super::value::{ValueText, parse_number};
use crate::action::{Learn, LearnSource, LearnSpec, LearnTarget};
use crate::field::{Field, FieldMatch, Format, Subfield};

/// The priority of a flow that does not tell.
const DEFAULT_PRIORITY: u16 = 0x8000;

pub(super) struct LearnText<'a>(pub(super) &'a Learn);

impl fmt::Display for LearnText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let learn = self.0;
        write!(formatter, "learn(table={}", learn.table)?;
        let timeouts = [
            ("idle_timeout", learn.idle_timeout),
            ("hard_timeout", learn.hard_timeout),
            ("fin_idle_timeout", learn.fin_idle_timeout),
            ("fin_hard_timeout", learn.fin_hard_timeout),
        ];
        for (name, seconds) in timeouts {
            if seconds != 0 {
                write!(formatter, ",{name}={seconds}")?;
            }
        }
        if learn.priority != DEFAULT_PRIORITY {
            write!(formatter, ",priority={}", learn.priority)?;
        }
        if learn.send_flow_removed {
            formatter.write_str(",send_flow_rem")?;
        }
        if learn.delete_learned {
            formatter.write_str(",delete_learned")?;
        }
        if learn.cookie != 0 {
            write!(formatter, ",cookie={:#x}", learn.cookie)?;
        }
        if learn.limit != 0 {
            write!(formatter, ",limit={}", learn.limit)?;
        }
        if let Some(result) = learn.result {
            write!(formatter, ",result_dst={result}")?;
        }
        learn
            .specs
            .iter()
            .try_for_each(|spec| write_spec(formatter, spec))?;
        formatter.write_str(")")
    }
}

fn write_spec(formatter: &mut fmt::Formatter<'_>, spec: &LearnSpec) -> fmt::Result {
    let hexadecimal = |bits: u128| ValueText {
        format: Format::Hexadecimal,
        bits,
    };
    match (&spec.source, &spec.target) {
        (LearnSource::Value(value), LearnTarget::Match(target)) if target.is_whole() => {
            let wanted = FieldMatch::exact(target.field(), *value);
            write!(formatter, ",{}={}", target.field(), MaskedText(wanted))
        }
        (LearnSource::Value(value), LearnTarget::Match(target)) => {
            write!(formatter, ",{target}={}", hexadecimal(*value))
        }
        (LearnSource::Field(source), LearnTarget::Match(target)) if source == target => {
            write!(formatter, ",{target}")
        }
        (LearnSource::Field(source), LearnTarget::Match(target)) => {
            write!(formatter, ",{target}={source}")
        }
        (LearnSource::Value(value), LearnTarget::Load(target)) => {
            write!(formatter, ",load:{}->{target}", hexadecimal(*value))
        }
        (LearnSource::Field(source), LearnTarget::Load(target)) => {
            write!(formatter, ",load:{source}->{target}")
        }
        (LearnSource::Field(source), LearnTarget::Output) => write!(formatter, ",output:{source}"),
        // Writing it is refused; printing it has to say something.
        (LearnSource::Value(value), LearnTarget::Output) => write!(formatter, ",output:{value:#x}"),
    }
}

pub(super) fn parse_learn(at: &Position<'_>, text: &str) -> Result<Learn, ParseError> {
    // What `ovs-ofctl` takes where nothing is told.
    let mut read = Learn {
        priority: DEFAULT_PRIORITY,
        table: 1,
        ..Learn::default()
    };
    each_pair(at, text, |pair| {
        let half = || number::<u16>(at, pair.value, "expected a number of 16 bits");
        match pair.key {
            "table" => read.table = number(at, pair.value, "expected a table of 0 to 254")?,
            "idle_timeout" => read.idle_timeout = half()?,
            "hard_timeout" => read.hard_timeout = half()?,
            "fin_idle_timeout" => read.fin_idle_timeout = half()?,
            "fin_hard_timeout" => read.fin_hard_timeout = half()?,
            "priority" => read.priority = half()?,
            "cookie" => read.cookie = number(at, pair.value, "expected a number of 64 bits")?,
            "send_flow_rem" => read.send_flow_removed = true,
            "delete_learned" => read.delete_learned = true,
            "limit" => read.limit = number(at, pair.value, "expected a number of 32 bits")?,
            "result_dst" => {
                let result = parse_subfield(at, pair.value)?;
                if result.bits() != 1 {
                    return Err(at.error(pair.value, "expected one bit, such as NXM_NX_REG0[0]"));
                }
                read.result = Some(result);
            }
            _ => read.specs.push(parse_spec(at, &pair)?),
        }
        Ok(())
    })?;
    Ok(read)
}

fn parse_spec(at: &Position<'_>, pair: &Pair<'_>) -> Result<LearnSpec, ParseError> {
    let same_length = |source: Subfield, target: Subfield, spec: LearnSpec| {
        let expected = "expected two runs of bits of the same length";
        if source.bits() == target.bits() {
            Ok(spec)
        } else {
            Err(at.error(pair.value, expected))
        }
    };
    match (pair.key, pair.delimiter) {
        ("output", _) => {
            let source = LearnSource::Field(parse_subfield(at, pair.value)?);
            Ok(LearnSpec {
                source,
                target: LearnTarget::Output,
            })
        }
        ("load", _) => {
            let wrong = || at.error(pair.value, "expected SOURCE->TARGET");
            let (source, target) = pair.value.split_once("->").ok_or_else(wrong)?;
            let target = parse_subfield(at, target)?;
            if let Some(value) = parse_number(source) {
                let spec = LearnSpec {
                    source: LearnSource::Value(value),
                    target: LearnTarget::Load(target),
                };
                return fitting(at, source, value, target, spec);
            }
            let source = parse_subfield(at, source)?;
            let spec = LearnSpec {
                source: LearnSource::Field(source),
                target: LearnTarget::Load(target),
            };
            same_length(source, target, spec)
        }
        (key, None) => {
            let target = parse_subfield(at, key)?;
            Ok(LearnSpec {
                source: LearnSource::Field(target),
                target: LearnTarget::Match(target),
            })
        }
        (key, _) => {
            let target = parse_subfield(at, key)?;
            if let Ok(source) = pair.value.parse::<Subfield>() {
                let spec = LearnSpec {
                    source: LearnSource::Field(source),
                    target: LearnTarget::Match(target),
                };
                return same_length(source, target, spec);
            }
            let spec = |value| LearnSpec {
                source: LearnSource::Value(value),
                target: LearnTarget::Match(target),
            };
            if let Some(value) = parse_number(pair.value) {
                return fitting(at, pair.value, value, target, spec(value));
            }
            if !target.is_whole() || Field::from_name(pair.value).is_some() {
                return Err(at.error(pair.value, "expected a number or another field"));
            }
            let wanted = parse_masked(at, target.field(), pair.value)?;
            if wanted.is_exact() {
                Ok(spec(wanted.value()))
            } else {
                Err(at.error(
                    pair.value,
                    "a learned flow matches on whole values, without a mask",
                ))
            }
        }
    }
}

fn fitting(
    at: &Position<'_>,
    text: &str,
    value: u128,
    target: Subfield,
    spec: LearnSpec,
) -> Result<LearnSpec, ParseError> {
    if value <= target.mask() >> target.offset() {
        Ok(spec)
    } else {
        Err(at.error(text, format!("the target has {} bits", target.bits())))
    }
}
