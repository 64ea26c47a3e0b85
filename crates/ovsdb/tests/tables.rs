//! `src/vswitch/schema.json` is part of the schema of the Open vSwitch that is installed, and
//! `src/vswitch/tables.rs` is what this test writes from it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ovsdb::schema::{ColumnType, Schema};
use ovsdb::vswitch;
use serde_json::{Map, Value, json};

const INSTALLED: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// The tables in use, and what their rows are called.
const TABLES: &[(&str, &str, &str)] = &[
    (
        "Open_vSwitch",
        "OpenVSwitch",
        "The one row at the root: what this switch is, and its bridges.",
    ),
    ("Bridge", "Bridge", "A virtual switch."),
    (
        "Port",
        "Port",
        "A port of a bridge: one interface, or several that are bonded.",
    ),
    ("Interface", "Interface", "A network device in a port."),
    (
        "Controller",
        "Controller",
        "Who may send OpenFlow to a bridge, or where a bridge listens for it.",
    ),
    (
        "Manager",
        "Manager",
        "Who may speak OVSDB, or where the server listens for it.",
    ),
    ("SSL", "Ssl", "Key, certificate and authorities for TLS."),
    ("QoS", "Qos", "How a port sends."),
    ("Queue", "Queue", "One queue of a port."),
    ("Mirror", "Mirror", "Copies of frames."),
    ("Flow_Table", "FlowTable", "Settings of one OpenFlow table."),
    ("IPFIX", "Ipfix", "Where samples go."),
    (
        "Flow_Sample_Collector_Set",
        "FlowSampleCollectorSet",
        "Collectors that the sample action names.",
    ),
    (
        "Datapath",
        "Datapath",
        "What carries the frames of bridges of one type.",
    ),
    ("CT_Zone", "CtZone", "A zone of connection tracking."),
];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/vswitch")
        .join(name)
}

fn updating() -> bool {
    std::env::var_os("MOAT_UPDATE_TABLES").is_some()
}

/// The file is this text, or becomes it.
fn settle(name: &str, text: &str) {
    if updating() {
        std::fs::write(source(name), text).expect("the file can be written");
    }
    let here = std::fs::read_to_string(source(name)).expect("the file is there");
    assert!(
        here == text,
        "src/vswitch/{name} is not what its source says; MOAT_UPDATE_TABLES=1 rewrites it"
    );
}

/// The part of the installed schema that is in use.
fn part() -> Value {
    let installed = std::fs::read_to_string(INSTALLED).expect("openvswitch-switch is installed");
    let installed: Value = serde_json::from_str(&installed).expect("a schema is JSON");
    let tables: Map<String, Value> = TABLES
        .iter()
        .map(|(table, ..)| ((*table).to_owned(), installed["tables"][table].clone()))
        .collect();
    json!({"name": installed["name"], "version": installed["version"], "tables": tables})
}

/// One column to a line.
fn print_schema(schema: &Value) -> String {
    let object = |value: &Value| value.as_object().cloned().expect("an object");
    let mut text = format!(
        "{{\"name\": {}, \"version\": {}, \"tables\": {{\n",
        schema["name"], schema["version"]
    );
    let tables = object(&schema["tables"]);
    for (count, (name, table)) in tables.iter().enumerate() {
        let mut rest = object(table);
        let columns = object(&rest.remove("columns").expect("columns"));
        let _ = write!(text, "\"{name}\": {{");
        for (member, value) in rest {
            let _ = write!(text, "\"{member}\": {value}, ");
        }
        text.push_str("\"columns\": {\n");
        let columns: Vec<String> = columns
            .iter()
            .map(|(column, value)| format!("  \"{column}\": {value}"))
            .collect();
        text.push_str(&columns.join(",\n"));
        text.push_str(if count + 1 < tables.len() {
            "\n}},\n"
        } else {
            "\n}}\n"
        });
    }
    text.push_str("}}\n");
    text
}

fn rust_type(kind: &ColumnType) -> String {
    let atom = |base: &ovsdb::schema::BaseType| match base.kind {
        ovsdb::AtomKind::Integer => "i64",
        ovsdb::AtomKind::Real => "Real",
        ovsdb::AtomKind::Boolean => "bool",
        ovsdb::AtomKind::String => "String",
        ovsdb::AtomKind::Uuid => "Uuid",
    };
    let key = atom(&kind.key);
    match (&kind.value, kind.min, kind.max) {
        (Some(value), ..) => format!("BTreeMap<{key}, {}>", atom(value)),
        (None, 1, Some(1)) => key.to_owned(),
        (None, 0, Some(1)) => format!("Option<{key}>"),
        (None, ..) => format!("BTreeSet<{key}>"),
    }
}

/// `tables.rs`.
fn print_tables(schema: &Value) -> String {
    let schema = Schema::from_json(schema).expect("a schema");
    let mut text = String::from(
        "//! Written from `schema.json` by `MOAT_UPDATE_TABLES=1 cargo test -p ovsdb --test tables`; not by hand.\n\n\
         use std::collections::{BTreeMap, BTreeSet};\n\n\
         use crate::typed::tables;\n\
         use crate::uuid::Uuid;\n\n\
         tables! {\n",
    );
    for (name, rust, sentence) in TABLES {
        let table = &schema.tables[*name];
        let _ = writeln!(text, "    /// {sentence}\n    {rust} = \"{name}\" {{");
        for (column, definition) in &table.columns {
            let field = if column == "type" { "kind" } else { column };
            let _ = writeln!(
                text,
                "        {field} {} \"{column}\": {},",
                field.to_uppercase(),
                rust_type(&definition.kind)
            );
        }
        text.push_str("    }\n\n");
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n}\n");
    text
}

#[test]
fn the_schema_is_part_of_the_installed_one() {
    let installed = part();
    if updating() {
        std::fs::write(source("schema.json"), print_schema(&installed)).expect("writable");
    }
    let here: Value = serde_json::from_str(
        &std::fs::read_to_string(source("schema.json")).expect("the schema is there"),
    )
    .expect("JSON");
    for (table, definition) in here["tables"].as_object().expect("tables") {
        for (column, definition) in definition["columns"].as_object().expect("columns") {
            assert_eq!(
                installed["tables"][table]["columns"][column]["type"], definition["type"],
                "{table}.{column} is another in {INSTALLED}; MOAT_UPDATE_TABLES=1 takes it over"
            );
        }
    }
}

#[test]
fn the_tables_are_written_from_the_schema() {
    let schema = if updating() {
        part()
    } else {
        serde_json::from_str(vswitch::SCHEMA).expect("JSON")
    };
    settle("schema.json", &print_schema(&schema));
    settle("tables.rs", &print_tables(&schema));
}
