//! Documents as JSON and YAML: what [`super::load`] reads back as the same document.
//! Knows which keys need writing; leaves spelling of values to the tables that reading uses.

use serde_json::{Map, Value, json};

use super::documents::{KINDS, Kind};
use super::line::{write_field_value, write_icmp};
use super::values::{write_mac, write_net, write_rate};
use super::words::{
    DIRECTIONS, GUARDS, ISOLATION, LEARN, REJECT, STATEFUL, SWITCH, Table, VERDICTS, word_for,
};
use crate::document::{
    Document, Group, Host, Level, Limits, MacPrefix, Member, Network, Policy, Port, Profile, Role,
    Service,
};
use crate::learn::Learn;
use crate::rule::{FieldMatch, FieldValue, LogRate, Peer, Rule, Term};
use frame::MacAddress;

/// How rules are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleForm {
    /// `accept in http from @admins`
    #[default]
    Line,
    /// `{"verdict": "accept", "direction": "in", "match": ["http"], "peers": ["@admins"]}`
    Structured,
}

/// A document as the API and other programs take it. Keys at their default are left out.
pub fn to_json(document: &Document, form: RuleForm) -> Value {
    let mut object = Object::default();
    match document {
        Document::Profile(d) => {
            object.heading(Kind::Profile, &d.name, d.comment.as_deref());
            profile(&mut object, d, form);
        }
        Document::Group(d) => {
            object.heading(Kind::Group, &d.name, d.comment.as_deref());
            group(&mut object, d);
        }
        Document::Network(d) => {
            object.heading(Kind::Network, &d.name, d.comment.as_deref());
            network(&mut object, d);
        }
        Document::Service(d) => {
            object.heading(Kind::Service, &d.name, d.comment.as_deref());
            service(&mut object, d, form);
        }
        Document::Policy(d) => {
            object.heading(Kind::Policy, &d.name, d.comment.as_deref());
            policy(&mut object, d, form);
        }
        Document::Port(d) => {
            object.heading(Kind::Port, &d.name, d.comment.as_deref());
            port(&mut object, d);
        }
        Document::Host(d) => {
            object.heading(Kind::Host, &d.name, d.comment.as_deref());
            host(&mut object, d);
        }
    }
    Value::Object(object.0)
}

/// An object that leaves empty things out.
#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn heading(&mut self, kind: Kind, name: &str, comment: Option<&str>) {
        self.set("kind", json!(word_for(KINDS, &kind)));
        self.set("name", json!(name));
        self.some("comment", comment.map(Value::from));
    }

    fn set(&mut self, key: &str, value: Value) {
        self.0.insert(key.to_owned(), value);
    }

    fn some(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn word<T: PartialEq>(&mut self, key: &str, table: Table<T>, value: Option<&T>) {
        self.some(key, value.and_then(|v| word_for(table, v)).map(Value::from));
    }

    fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(T) -> Value,
    ) {
        let items: Vec<Value> = items.into_iter().map(write).collect();
        if !items.is_empty() {
            self.set(key, Value::Array(items));
        }
    }

    fn map<'v, T: 'v>(
        &mut self,
        key: &str,
        entries: impl IntoIterator<Item = (&'v String, &'v T)>,
        write: impl Fn(&T) -> Value,
    ) {
        let map: Map<String, Value> = entries
            .into_iter()
            .map(|(k, v)| (k.clone(), write(v)))
            .collect();
        if !map.is_empty() {
            self.set(key, Value::Object(map));
        }
    }
}

fn mac(mac: &MacAddress) -> Value {
    json!(write_mac(*mac))
}

fn text(text: &String) -> Value {
    json!(text)
}

fn profile(object: &mut Object, profile: &Profile, form: RuleForm) {
    if profile.version != 1 {
        object.set("version", json!(profile.version));
    }
    object.list("include", &profile.include, text);
    object.word("stateful", STATEFUL, profile.stateful.as_ref());
    object.word("reject", REJECT, profile.reject.as_ref());
    object.list("guards", &profile.guards, |guard| {
        json!(word_for(GUARDS, guard))
    });
    let mut default = Object::default();
    default.word("in", VERDICTS, profile.default_in.as_ref());
    default.word("out", VERDICTS, profile.default_out.as_ref());
    if !default.0.is_empty() {
        object.set("default", Value::Object(default.0));
    }
    object.list("rules", &profile.rules, |r| rule(r, form));
    limits(object, &profile.limits);
    variables(object, &profile.variables);
    if profile.audit {
        object.set("audit", json!(true));
    }
    object.word("dhcp", SWITCH, profile.dhcp.as_ref());
    learn(object, profile.learn.as_ref());
    object.list("tagged", &profile.tagged, |(first, last)| {
        if first == last {
            json!(first)
        } else {
            json!(format!("{first}-{last}"))
        }
    });
    object.list("ethertypes", &profile.ethertypes, |value| {
        json!(format!("0x{value:04x}"))
    });
}

/// A word where the mode is all that is said.
fn learn(object: &mut Object, learn: Option<&Learn>) {
    let Some(learn) = learn else { return };
    let mode = word_for(LEARN, &learn.mode);
    let plain = Learn {
        mode: learn.mode,
        ..Learn::default()
    };
    if *learn == plain {
        return object.set("learn", json!(mode));
    }
    let mut keys = Object::default();
    keys.set("mode", json!(mode));
    keys.list("servers", &learn.servers, |server| {
        json!(server.to_string())
    });
    match (learn.ipv4_limit, learn.ipv6_limit) {
        (Some(ipv4), Some(ipv6)) if ipv4 == ipv6 => keys.set("limit", json!(ipv4)),
        (None, None) => {}
        (ipv4, ipv6) => {
            let mut limit = Object::default();
            limit.some("ipv4", ipv4.map(Value::from));
            limit.some("ipv6", ipv6.map(Value::from));
            keys.set("limit", Value::Object(limit.0));
        }
    }
    keys.list("within", &learn.within, |net| json!(write_net(*net)));
    object.set("learn", Value::Object(keys.0));
}

fn limits(object: &mut Object, limits: &Limits) {
    let mut rates = Object::default();
    for (key, rate) in [
        ("in", limits.inward),
        ("out", limits.outward),
        ("in-broadcast", limits.in_broadcast),
        ("out-broadcast", limits.out_broadcast),
    ] {
        rates.some(key, rate.map(|rate| json!(write_rate(rate))));
    }
    if !rates.0.is_empty() {
        object.set("limits", Value::Object(rates.0));
    }
}

fn variables(object: &mut Object, variables: &std::collections::BTreeMap<String, Vec<FieldValue>>) {
    object.map("variables", variables, |values| {
        let mut written: Vec<Value> = values
            .iter()
            .map(|v| json!(write_field_value(None, v)))
            .collect();
        match written.len() {
            1 => written.swap_remove(0),
            _ => Value::Array(written),
        }
    });
}

fn group(object: &mut Object, group: &Group) {
    object.list("members", &group.members, |m| {
        json!(Peer::from(m.clone()).to_string())
    });
    object.map("select", &group.select, text);
}

impl From<Member> for Peer {
    fn from(member: Member) -> Self {
        match member {
            Member::Address(address) => Self::Address(address),
            Member::Prefix(prefix) => Self::Prefix(prefix),
            Member::Range(first, last) => Self::Range(first, last),
            Member::Vm(name) => Self::Vm(name),
            Member::Network(name) => Self::Network(name),
            Member::Group(name) => Self::Group(name),
        }
    }
}

fn network(object: &mut Object, network: &Network) {
    object.set("bridge", json!(network.bridge));
    object.some("vlan", network.vlan.map(Value::from));
    if network.isolation != crate::document::Isolation::default() {
        object.word("isolation", ISOLATION, Some(&network.isolation));
    }
    object.list("promiscuous", &network.promiscuous, mac);
    object.list("gateways", &network.gateways, mac);
    object.map("communities", &network.communities, |members| {
        json!(members)
    });
    object.list("members", &network.members, mac);
    object.some("mac-prefix", network.mac_prefix.map(mac_prefix));
    if network.mac_filter {
        object.set("mac-filter", json!(true));
    }
    object.list("addresses", &network.addresses, |net| {
        json!(write_net(*net))
    });
    object.list("profiles", &network.profiles, text);
    learn(object, network.learn.as_ref());
}

fn mac_prefix(prefix: MacPrefix) -> Value {
    json!(format!("{}/{}", write_mac(prefix.address), prefix.length))
}

fn service(object: &mut Object, service: &Service, form: RuleForm) {
    let matches: Vec<Value> = service.matches.iter().map(|t| term(t, form)).collect();
    object.set("matches", Value::Array(matches));
}

fn policy(object: &mut Object, policy: &Policy, form: RuleForm) {
    object.set(
        "level",
        match &policy.level {
            Level::Everything => json!("everything"),
            Level::Pool(name) => json!({ "pool": name }),
            Level::Network(name) => json!({ "network": name }),
            Level::Vm(name) => json!({ "vm": name }),
            Level::Port(name) => json!({ "port": name }),
            Level::Select(labels) => json!({ "select": labels }),
        },
    );
    object.list("mandatory", &policy.mandatory, |r| rule(r, form));
    object.list("rules", &policy.rules, |r| rule(r, form));
}

fn port(object: &mut Object, port: &Port) {
    object.some("vm", port.vm.clone().map(Value::from));
    object.map("labels", &port.labels, text);
    object.some("device", port.device.clone().map(Value::from));
    object.some("host", port.host.clone().map(Value::from));
    object.set("mac", mac(&port.mac));
    object.list("addresses", &port.addresses, |net| json!(write_net(*net)));
    object.set("network", json!(port.network));
    match &port.role {
        // What every port is unless said; outside a private network nothing may be said.
        Role::Isolated => {}
        Role::Promiscuous => object.set("role", json!("promiscuous")),
        Role::Community(name) => object.set("role", json!(format!("community:{name}"))),
    }
    object.list("profiles", &port.profiles, text);
    learn(object, port.learn.as_ref());
    variables(object, &port.variables);
}

fn host(object: &mut Object, host: &Host) {
    object.some("pool", host.pool.clone().map(Value::from));
    object.list("profiles", &host.profiles, text);
    object.map("bridges", &host.bridges, |bridge| {
        let mut object = Object::default();
        object.list("uplinks", &bridge.uplinks, text);
        if bridge.managed {
            object.set("managed", json!(true));
        }
        Value::Object(object.0)
    });
}

/// A rule as a line or key by key.
pub fn rule(rule: &Rule, form: RuleForm) -> Value {
    if form == RuleForm::Line {
        return json!(rule.to_string());
    }
    let mut object = Object::default();
    object.word("verdict", VERDICTS, Some(&rule.verdict));
    object.word("direction", DIRECTIONS, Some(&rule.direction));
    object.list("match", &rule.what, |t| term(t, form));
    object.list("peers", &rule.peers, |peer| json!(peer.to_string()));
    object.list("with", &rule.with, condition);
    object.some(
        "log",
        rule.log.map(|rate| match rate {
            rate if rate == LogRate::default() => json!(true),
            rate => json!(rate.to_string()),
        }),
    );
    if rule.stateless {
        object.set("stateless", json!(true));
    }
    object.some("comment", rule.comment.clone().map(Value::from));
    Value::Object(object.0)
}

fn term(term: &Term, form: RuleForm) -> Value {
    match (term, form) {
        (Term::Service(_), _) | (_, RuleForm::Line) => json!(term.to_string()),
        (
            Term::Protocol {
                protocol,
                ports,
                icmp,
            },
            RuleForm::Structured,
        ) => {
            let mut object = Object::default();
            let name = protocol.to_string();
            let number = name
                .strip_prefix("protocol ")
                .and_then(|n| n.parse::<u8>().ok());
            object.set("protocol", number.map_or_else(|| json!(name), Value::from));
            object.list("ports", ports, |range| {
                if range.first == range.last {
                    json!(range.first)
                } else {
                    json!(range.to_string())
                }
            });
            object.list("types", icmp, |matched| {
                json!(write_icmp(*protocol, *matched))
            });
            Value::Object(object.0)
        }
    }
}

fn condition(condition: &FieldMatch) -> Value {
    let mut object = Object::default();
    object.set("field", json!(condition.field.name()));
    if condition.negated {
        object.set("not", json!(true));
    }
    object.list("values", &condition.values, |v| {
        json!(write_field_value(Some(condition.field), v))
    });
    Value::Object(object.0)
}

/// A document for people, starting with `kind:`; several are joined by `---` lines.
pub fn to_yaml(document: &Document, form: RuleForm) -> String {
    let mut out = String::new();
    if let Value::Object(object) = to_json(document, form) {
        for (key, value) in &object {
            entry(&mut out, key, value);
        }
    }
    out
}

/// Documents as one YAML text.
pub fn to_yaml_all<'d>(
    documents: impl IntoIterator<Item = &'d Document>,
    form: RuleForm,
) -> String {
    let texts: Vec<String> = documents.into_iter().map(|d| to_yaml(d, form)).collect();
    texts.join("---\n")
}

/// Lists of rules stand one to a line, everything else in one line with its key.
fn entry(out: &mut String, key: &str, value: &Value) {
    out.push_str(&scalar(key));
    out.push(':');
    match value {
        Value::Array(items)
            if matches!(key, "rules" | "mandatory" | "matches") && !items.is_empty() =>
        {
            out.push('\n');
            for item in items {
                out.push_str("  - ");
                match item {
                    Value::String(text) => out.push_str(&rule_scalar(text)),
                    item => flow(out, item),
                }
                out.push('\n');
            }
        }
        value => {
            out.push(' ');
            flow(out, value);
            out.push('\n');
        }
    }
}

fn flow(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                flow(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&scalar(key));
                out.push_str(": ");
                flow(out, value);
            }
            out.push('}');
        }
        Value::String(text) => out.push_str(&scalar(text)),
        value => out.push_str(&value.to_string()),
    }
}

/// In quotes unless every YAML reader, old ones included, takes it for the same text without.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/' | '_');
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    );
    if letter && !word && text.chars().all(plain) {
        text.to_owned()
    } else {
        in_quotes(text)
    }
}

/// A rule line in a block list: begins with a word, so only what ends a plain scalar matters.
fn rule_scalar(text: &str) -> String {
    let plain = |c: char| c == ' ' || (c.is_ascii_graphic() && !matches!(c, '"' | '#' | '\\'));
    let letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if letter && text.chars().all(plain) && !text.contains(": ") && !text.ends_with([':', ' ']) {
        text.to_owned()
    } else {
        in_quotes(text)
    }
}

/// In double quotes, which JSON and YAML escape alike up to what is not printable.
fn in_quotes(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
