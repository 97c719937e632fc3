//! OpenAPI, as far as our description uses it, to TypeScript. What it does not know fails.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use thiserror::Error;

/// A part of the description that has no meaning here yet.
#[derive(Debug, Error)]
#[error("{place}: {what}")]
pub(super) struct Unknown {
    place: String,
    what: String,
}

const HEAD: &str = "\
// Written by `cargo xtask api-types` from the API's description; do not edit.
/* eslint-disable */
";

const REFERENCE: &str = "#/components/schemas/";

/// What a schema may say beside its type; none of it changes the TypeScript type.
const NOTES: [&str; 9] = [
    "description",
    "default",
    "example",
    "examples",
    "format",
    "minimum",
    "maximum",
    "maxLength",
    "propertyNames",
];

/// Returns the types of all schemas, and a table of the routes with what each takes and gives.
pub(super) fn types(description: &Value) -> Result<String, Unknown> {
    let mut text = String::from(HEAD);
    for (name, schema) in object(&description["components"]["schemas"], "components")? {
        text.push('\n');
        comment(&mut text, "", schema);
        declaration(&mut text, name, schema)?;
    }
    text.push_str("\n/** Each route with what it takes and gives. */\nexport interface Routes {\n");
    for (path, methods) in object(&description["paths"], "paths")? {
        for (method, operation) in object(methods, path)? {
            let place = format!("{} {path}", method.to_uppercase());
            route(&mut text, &place, operation)?;
        }
    }
    text.push_str("}\n");
    Ok(text)
}

fn declaration(text: &mut String, name: &str, schema: &Value) -> Result<(), Unknown> {
    if schema.get("properties").is_some() {
        write(text, format_args!("export interface {name} {}\n", shape(schema, name, "")?));
    } else {
        write(text, format_args!("export type {name} = {};\n", shape(schema, name, "")?));
    }
    Ok(())
}

fn route(text: &mut String, place: &str, operation: &Value) -> Result<(), Unknown> {
    write(text, format_args!("  \"{place}\": {{\n"));
    for kind in ["path", "query"] {
        let mut fields = String::new();
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        for one in parameters.iter().filter(|one| one["in"] == kind) {
            let mark = if one["required"] == true { "" } else { "?" };
            let shown = shape(&one["schema"], place, "      ")?;
            write(
                &mut fields,
                format_args!("{}{mark}: {shown}; ", one["name"].as_str().unwrap_or("?")),
            );
        }
        if !fields.is_empty() {
            write(text, format_args!("    {kind}: {{ {fields}}};\n"));
        }
    }
    if let Some(body) = operation.get("requestBody") {
        let shown = shape(json_of(body, place)?, place, "    ")?;
        write(text, format_args!("    body: {shown};\n"));
    }
    let answer = operation["responses"].get("200");
    let answer = answer.ok_or_else(|| unknown(place, "no answer 200"))?;
    let plain = answer["content"].get("text/plain").or(answer["content"].get("text/event-stream"));
    let shown = match plain {
        Some(_) => "string".to_owned(),
        None => shape(json_of(answer, place)?, place, "    ")?,
    };
    write(text, format_args!("    answer: {shown};\n  }};\n"));
    Ok(())
}

/// Returns the schema of the JSON content of a body or an answer.
fn json_of<'a>(holder: &'a Value, place: &str) -> Result<&'a Value, Unknown> {
    let schema = holder["content"]["application/json"].get("schema");
    schema.ok_or_else(|| unknown(place, "neither JSON nor text"))
}

/// Returns a schema as a TypeScript type; `indent` is that of the line it begins on.
fn shape(schema: &Value, place: &str, indent: &str) -> Result<String, Unknown> {
    let parts = object(schema, place)?;
    let known = [
        "$ref",
        "type",
        "enum",
        "oneOf",
        "items",
        "prefixItems",
        "properties",
        "required",
        "additionalProperties",
    ];
    if let Some(word) =
        parts.keys().find(|word| !known.contains(&word.as_str()) && !NOTES.contains(&word.as_str()))
    {
        return Err(unknown(place, &format!("the word `{word}`")));
    }
    if let Some(reference) = parts.get("$ref").and_then(Value::as_str) {
        let name = reference.strip_prefix(REFERENCE);
        return name.map(str::to_owned).ok_or_else(|| unknown(place, reference));
    }
    if let Some(values) = parts.get("enum").and_then(Value::as_array) {
        return Ok(join(values.iter().map(Value::to_string)));
    }
    if let Some(choices) = parts.get("oneOf").and_then(Value::as_array) {
        let choices = choices.iter().map(|choice| shape(choice, place, indent));
        return Ok(join(choices.collect::<Result<Vec<_>, _>>()?.into_iter()));
    }
    match &parts.get("type") {
        Some(Value::String(name)) => named(name, parts, place, indent),
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            let types = names.map(|name| named(name, parts, place, indent));
            Ok(join(types.collect::<Result<Vec<_>, _>>()?.into_iter()))
        }
        _ => Ok("unknown".to_owned()),
    }
}

fn named(
    name: &str,
    parts: &Map<String, Value>,
    place: &str,
    indent: &str,
) -> Result<String, Unknown> {
    Ok(match name {
        "string" | "boolean" | "null" => name.to_owned(),
        "integer" | "number" => "number".to_owned(),
        "array" => array(parts, place, indent)?,
        "object" => fields(parts, place, indent)?,
        other => return Err(unknown(place, &format!("the type `{other}`"))),
    })
}

fn array(parts: &Map<String, Value>, place: &str, indent: &str) -> Result<String, Unknown> {
    if let Some(items) = parts.get("prefixItems").and_then(Value::as_array) {
        let items = items.iter().map(|item| shape(item, place, indent));
        return Ok(format!("[{}]", items.collect::<Result<Vec<_>, _>>()?.join(", ")));
    }
    let item = parts.get("items").ok_or_else(|| unknown(place, "an array of what?"))?;
    let item = shape(item, place, indent)?;
    Ok(if item.contains(" | ") { format!("({item})[]") } else { format!("{item}[]") })
}

fn fields(parts: &Map<String, Value>, place: &str, indent: &str) -> Result<String, Unknown> {
    let Some(properties) = parts.get("properties") else {
        let values = match parts.get("additionalProperties") {
            Some(values) if values.is_object() => shape(values, place, indent)?,
            _ => "unknown".to_owned(),
        };
        return Ok(format!("Record<string, {values}>"));
    };
    let required = parts.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
    let inner = format!("{indent}  ");
    let mut text = String::from("{\n");
    for (name, schema) in object(properties, place)? {
        comment(&mut text, &inner, schema);
        let mark = if is_required(name) { "" } else { "?" };
        let shown = shape(schema, &format!("{place}.{name}"), &inner)?;
        write(&mut text, format_args!("{inner}{name}{mark}: {shown};\n"));
    }
    write(&mut text, format_args!("{indent}}}"));
    Ok(text)
}

fn comment(text: &mut String, indent: &str, schema: &Value) {
    if let Some(words) = schema["description"].as_str() {
        let words = words.replace("*/", "* /");
        write(
            text,
            format_args!("{indent}/** {} */\n", words.lines().collect::<Vec<_>>().join(" ")),
        );
    }
}

/// Returns a union of the types, each once.
fn join(types: impl Iterator<Item = String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    for one in types {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept.join(" | ")
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Map<String, Value>, Unknown> {
    value.as_object().ok_or_else(|| unknown(place, "no object"))
}

fn write(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes all");
}

fn unknown(place: &str, what: &str) -> Unknown {
    Unknown { place: place.to_owned(), what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, expect: &str) {
        assert_eq!(shape(schema, "here", "").unwrap(), expect);
    }

    #[test]
    fn shapes_become_types() {
        check(&json!({ "type": "string" }), "string");
        check(&json!({ "type": ["integer", "null"], "minimum": 0 }), "number | null");
        check(&json!({ "enum": ["a", "b"], "type": "string" }), r#""a" | "b""#);
        check(&json!({ "$ref": "#/components/schemas/Hold" }), "Hold");
        check(
            &json!({ "type": "array", "items": { "type": ["string", "null"] } }),
            "(string | null)[]",
        );
        check(
            &json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            "Record<string, string>",
        );
        let fields = json!({ "type": "object", "required": ["a"], "properties": {
            "a": { "type": "integer", "description": "How many." }, "b": { "type": "string" } } });
        check(&fields, "{\n  /** How many. */\n  a: number;\n  b?: string;\n}");
    }

    #[test]
    fn what_is_not_known_fails() {
        for schema in [json!({ "not": {} }), json!({ "type": "file" }), json!({ "type": "array" })]
        {
            assert!(shape(&schema, "here", "").is_err(), "{schema}");
        }
    }
}
