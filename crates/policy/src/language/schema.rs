//! The documents as a JSON Schema (2020-12), for editors. Made from the tables that reading uses;
//! knows shapes and words, leaves what only the readers can tell (a prefix's host bits) to them.

use serde_json::{Map, Value, json};

use super::words::{
    DIRECTIONS, GUARDS, ISOLATION, LEARN, PROTOCOLS, REJECT, STATEFUL, SWITCH, Table, VERDICTS,
    names,
};
use crate::learn::MOST_ADDRESSES;
use crate::rule::Field;

/// A schema that takes every document that [`super::load`] takes in its usual spelling, and no
/// unknown key.
pub fn schema() -> Value {
    let kinds = [
        "Profile", "Group", "Network", "Service", "Policy", "Port", "Host",
    ];
    let any: Vec<Value> = kinds.iter().map(|kind| reference(kind)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "moat documents",
        "description": "Security profiles for the network interfaces of virtual machines",
        "anyOf": any.iter().cloned().chain([json!({"type": "array", "items": {"anyOf": any}})]).collect::<Vec<_>>(),
        "$defs": {
            "Profile": profile(),
            "Group": group(),
            "Network": network(),
            "Service": document("Service", &["matches"], [
                ("matches", described(list(reference("term")), "`tcp 80`, `udp 53`, other services by name")),
            ]),
            "Policy": policy(),
            "Port": port(),
            "Host": host(),
            "rule": rule(),
            "term": term(),
            "mac": pattern("^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$", "A MAC address in six groups"),
            "rate": pattern("^[1-9][0-9]*(bit|kbit|mbit|gbit|tbit|pps)$", "100mbit, 200pps"),
            "rules": described(list(reference("rule")), "First match decides"),
            "variables": variables(),
            "learn": learn(),
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn words<T>(table: Table<T>) -> Value {
    json!({"enum": names(table).collect::<Vec<_>>()})
}

fn pattern(pattern: &str, description: &str) -> Value {
    json!({"type": "string", "pattern": pattern, "description": description})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn described(mut schema: Value, description: &str) -> Value {
    if let Value::Object(object) = &mut schema {
        object.insert("description".to_owned(), json!(description));
    }
    schema
}

fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn object<const N: usize>(required: &[&str], properties: [(&str, Value); N]) -> Value {
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// An object with the keys that every document has besides its own.
fn document<const N: usize>(
    kind: &str,
    required: &[&str],
    properties: [(&str, Value); N],
) -> Value {
    let mut all = Map::new();
    all.insert("kind".to_owned(), json!({"const": kind}));
    all.insert(
        "name".to_owned(),
        json!({"type": "string", "minLength": 1, "maxLength": 128}),
    );
    all.insert("comment".to_owned(), text("For people"));
    all.extend(
        properties
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value)),
    );
    let required: Vec<&str> = ["kind", "name"].iter().chain(required).copied().collect();
    json!({
        "type": "object",
        "properties": all,
        "required": required,
        "additionalProperties": false,
    })
}

fn profile() -> Value {
    let rate = || reference("rate");
    document(
        "Profile",
        &[],
        [
            (
                "version",
                json!({"type": "integer", "minimum": 0, "maximum": u32::MAX, "default": 1}),
            ),
            (
                "include",
                described(
                    list(text("A profile")),
                    "Profiles whose rules follow this one's own",
                ),
            ),
            (
                "stateful",
                described(
                    words(STATEFUL),
                    "What is asked of connection tracking; required unless said",
                ),
            ),
            (
                "reject",
                described(
                    words(REJECT),
                    "What is asked where a switch can drop but not answer",
                ),
            ),
            (
                "guards",
                described(
                    list(words(GUARDS)),
                    "Checks that a port sends only as itself",
                ),
            ),
            (
                "default",
                object(&[], [("in", words(VERDICTS)), ("out", words(VERDICTS))]),
            ),
            ("rules", reference("rules")),
            (
                "limits",
                object(
                    &[],
                    [
                        ("in", rate()),
                        ("out", rate()),
                        ("in-broadcast", rate()),
                        ("out-broadcast", rate()),
                    ],
                ),
            ),
            ("variables", reference("variables")),
            ("audit", flag("Rules count and report but drop nothing")),
            (
                "dhcp",
                described(
                    words(SWITCH),
                    "Whether a DHCP client works without a rule; on unless said",
                ),
            ),
            ("learn", reference("learn")),
            (
                "tagged",
                described(
                    list(json!({"type": ["integer", "string"], "minimum": 1, "maximum": 4094})),
                    "VLAN ids that the VM may use itself: 5, 100-199",
                ),
            ),
            (
                "ethertypes",
                described(
                    list(json!({"type": ["integer", "string"]})),
                    "Besides IPv4, IPv6 and ARP: 0x88cc, lldp",
                ),
            ),
        ],
    )
}

fn group() -> Value {
    document(
        "Group",
        &[],
        [
            (
                "members",
                list(text(
                    "An address, prefix, range, @GROUP, network:NAME or vm:NAME",
                )),
            ),
            (
                "select",
                described(reference("labels"), "Ports that carry all of these labels"),
            ),
        ],
    )
}

fn network() -> Value {
    let macs = |description| described(list(reference("mac")), description);
    document(
        "Network",
        &["bridge"],
        [
            ("bridge", text("Name of the bridge on every host")),
            (
                "vlan",
                json!({"type": "integer", "minimum": 1, "maximum": 4094}),
            ),
            ("isolation", words(ISOLATION)),
            (
                "promiscuous",
                macs("Members that talk to all, in a private network"),
            ),
            (
                "gateways",
                macs("Stations outside that may talk to every member"),
            ),
            (
                "communities",
                json!({
                    "type": "object",
                    "additionalProperties": list(text("A port, a machine or a MAC address")),
                }),
            ),
            ("members", macs("Members that no Port document declares")),
            (
                "mac-prefix",
                pattern(
                    "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}/[0-9]{1,2}$",
                    "Leading bits that members share",
                ),
            ),
            ("mac-filter", flag("Only frames with a port's own MAC pass")),
            ("addresses", list(text("A prefix"))),
            (
                "profiles",
                described(list(text("A profile")), "Of ports that name none"),
            ),
            ("learn", reference("learn")),
        ],
    )
}

fn port() -> Value {
    document(
        "Port",
        &["mac", "network"],
        [
            ("vm", text("The machine that it belongs to")),
            ("labels", reference("labels")),
            ("device", text("Interface name on the host")),
            ("host", text("The one host that may enforce it")),
            ("mac", reference("mac")),
            ("addresses", list(text("An address or a prefix"))),
            ("network", text("A network")),
            (
                "role",
                pattern(
                    "^(isolated|promiscuous|community:.+)$",
                    "In a private network; isolated unless said",
                ),
            ),
            (
                "profiles",
                described(list(text("A profile")), "In the order of decision"),
            ),
            ("learn", reference("learn")),
            ("variables", reference("variables")),
        ],
    )
}

fn policy() -> Value {
    let one = |key: &str, schema: Value| object(&[key], [(key, schema)]);
    document(
        "Policy",
        &["level"],
        [
            (
                "level",
                json!({"anyOf": [
                    {"const": "everything"},
                    one("pool", text("A pool")),
                    one("network", text("A network")),
                    one("vm", text("A machine")),
                    one("port", text("A port")),
                    one("select", reference("labels")),
                ]}),
            ),
            (
                "mandatory",
                described(reference("rules"), "Decided before anything more specific"),
            ),
            (
                "rules",
                described(reference("rules"), "Decided after anything more specific"),
            ),
        ],
    )
}

fn host() -> Value {
    let bridge = object(
        &[],
        [
            ("uplinks", list(text("An interface to the outside"))),
            (
                "managed",
                flag("A port that is not admitted passes nothing"),
            ),
        ],
    );
    document(
        "Host",
        &[],
        [
            ("pool", text("The pool that it belongs to")),
            (
                "profiles",
                list(text("A profile of ports that have none from elsewhere")),
            ),
            (
                "bridges",
                json!({"type": "object", "additionalProperties": bridge}),
            ),
        ],
    )
}

fn rule() -> Value {
    let fields: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    let condition = object(
        &["field", "values"],
        [
            ("field", json!({"enum": fields})),
            ("not", flag("True where the field is none of the values")),
            (
                "values",
                json!({"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}),
            ),
        ],
    );
    let structured = object(
        &["verdict", "direction"],
        [
            ("verdict", words(VERDICTS)),
            ("direction", words(DIRECTIONS)),
            (
                "match",
                described(
                    list(reference("term")),
                    "Any of these; every IPv4 and IPv6 packet unless said",
                ),
            ),
            (
                "peers",
                list(text(
                    "An address, prefix, range, @GROUP, network:NAME, vm:NAME, any or $VARIABLE",
                )),
            ),
            ("with", described(list(condition), "All of these")),
            (
                "log",
                json!({"anyOf": [
                    {"type": "boolean"},
                    pattern("^[1-9][0-9]*/(second|minute|hour|day)$", "At most so many reports"),
                ]}),
            ),
            (
                "stateless",
                flag("Considered for every frame, whatever the state of its connection"),
            ),
            ("comment", text("For people")),
        ],
    );
    let line = pattern(
        "^\\s*(accept|drop|reject)\\s+(in|out|both)(\\s|$)",
        "VERDICT DIRECTION [WHAT] [from|to PEER, …] [with FIELD [not] VALUE, …] [log] [stateless] [comment \"…\"]",
    );
    json!({"anyOf": [line, structured]})
}

fn term() -> Value {
    let protocols: Vec<&str> = names(PROTOCOLS).collect();
    let structured = object(
        &["protocol"],
        [
            (
                "protocol",
                json!({"anyOf": [{"enum": protocols}, {"type": "integer", "minimum": 0, "maximum": 255}]}),
            ),
            (
                "ports",
                list(json!({"type": ["integer", "string"], "minimum": 1, "maximum": 65535})),
            ),
            (
                "types",
                list(json!({"type": ["integer", "string"], "minimum": 0, "maximum": 255})),
            ),
        ],
    );
    json!({"anyOf": [text("A service, or a protocol with ports: http, tcp 80"), structured]})
}

fn learn() -> Value {
    let most = || json!({"type": "integer", "minimum": 0, "maximum": MOST_ADDRESSES});
    let limit = json!({"anyOf": [most(), object(&[], [("ipv4", most()), ("ipv6", most())])]});
    let structured = object(
        &["mode"],
        [
            ("mode", words(LEARN)),
            (
                "servers",
                described(
                    list(text("An address")),
                    "DHCP servers that are believed; any unless said",
                ),
            ),
            (
                "limit",
                described(limit, "Most addresses at a time, for each family"),
            ),
            (
                "within",
                described(
                    list(text("A prefix")),
                    "Only addresses in these are learned",
                ),
            ),
        ],
    );
    json!({
        "anyOf": [words(LEARN), structured],
        "description": "Where a port's addresses may be learned; none unless said",
    })
}

fn variables() -> Value {
    let value = json!({"type": ["string", "integer"]});
    json!({
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"anyOf": [value, list(value.clone())]},
    })
}
