//! The schema for editors agrees with the readers.

use policy::language::{RuleForm, Source, parse, schema, to_json};
use serde_json::{Value, json};

use super::EXAMPLE;

/// Enough of JSON Schema for what ours uses; patterns are left to editors.
fn valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else {
        return false;
    };
    keywords
        .iter()
        .all(|(keyword, argument)| match keyword.as_str() {
            "$ref" => {
                let pointer = argument
                    .as_str()
                    .and_then(|r| r.strip_prefix('#'))
                    .unwrap_or("");
                root.pointer(pointer)
                    .is_some_and(|target| valid(root, target, value))
            }
            "anyOf" => argument
                .as_array()
                .is_some_and(|any| any.iter().any(|s| valid(root, s, value))),
            "type" => match argument {
                Value::Array(types) => types.iter().any(|t| has_type(t, value)),
                one => has_type(one, value),
            },
            "const" => argument == value,
            "enum" => argument
                .as_array()
                .is_some_and(|words| words.contains(value)),
            "minimum" => value
                .as_u64()
                .is_none_or(|n| argument.as_u64().is_some_and(|min| n >= min)),
            "maximum" => value
                .as_u64()
                .is_none_or(|n| argument.as_u64().is_some_and(|max| n <= max)),
            "minItems" => value
                .as_array()
                .is_none_or(|a| argument.as_u64().is_some_and(|min| a.len() as u64 >= min)),
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| valid(root, argument, item))),
            "required" => argument.as_array().is_some_and(|keys| {
                keys.iter()
                    .all(|key| key.as_str().is_some_and(|key| value.get(key).is_some()))
            }),
            "properties" => value.as_object().is_none_or(|object| {
                object
                    .iter()
                    .all(|(key, value)| argument.get(key).is_none_or(|s| valid(root, s, value)))
            }),
            "additionalProperties" => value.as_object().is_none_or(|object| {
                let known = keywords.get("properties").and_then(Value::as_object);
                object
                    .iter()
                    .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)))
                    .all(|(_, value)| *argument != json!(false) && valid(root, argument, value))
            }),
            "pattern" | "propertyNames" | "minLength" | "maxLength" | "description" | "title"
            | "default" | "$schema" | "$defs" => true,
            unknown => panic!("the validator does not know `{unknown}`"),
        })
}

fn has_type(name: &Value, value: &Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => false,
    }
}

pub(super) fn accepts(value: &Value) -> bool {
    let schema = schema();
    valid(&schema, &schema, value)
}

#[test]
fn it_takes_every_example_in_both_forms() {
    let documents = parse(&Source::new("example.yaml", EXAMPLE)).expect("the example is valid");
    for document in &documents {
        for form in [RuleForm::Line, RuleForm::Structured] {
            let value = to_json(document, form);
            assert!(accepts(&value), "{value:#}");
        }
    }
}

#[test]
fn it_refuses_unknown_keys_and_kinds() {
    assert!(accepts(&json!({"kind": "Profile", "name": "p"})));
    assert!(!accepts(
        &json!({"kind": "Profile", "name": "p", "gards": []})
    ));
    assert!(!accepts(&json!({"kind": "Profle", "name": "p"})));
    assert!(!accepts(
        &json!({"kind": "Profile", "name": "p", "guards": ["ip4"]})
    ));
    assert!(!accepts(
        &json!({"kind": "Policy", "name": "p", "level": {"pool": "a", "vm": "b"}})
    ));
    let rule = json!({"verdict": "accept", "direction": "in", "form": "x"});
    assert!(!accepts(
        &json!({"kind": "Profile", "name": "p", "rules": [rule]})
    ));
}
