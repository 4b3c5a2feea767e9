//! Fields that a JSON Schema marks as secret: `writeOnly: true` or `format: password`.

use serde_json::Value;

/// How deep schemas may nest, references followed.
const MAX_DEPTH: usize = 24;
/// How many schemas within one are looked at, each as often as it is referred to.
const MAX_SCHEMAS: usize = 10_000;

/// The paths of the fields that are marked; `[]` is any item of a list.
#[must_use]
pub fn marked(schema: &Value) -> Vec<Vec<String>> {
    let mut walk = Walk { root: schema, left: MAX_SCHEMAS, path: Vec::new(), found: Vec::new() };
    walk.schema(schema, 0);
    walk.found.sort();
    walk.found.dedup();
    walk.found
}

struct Walk<'a> {
    root: &'a Value,
    left: usize,
    path: Vec<String>,
    found: Vec<Vec<String>>,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, depth: usize) {
        let Value::Object(words) = schema else { return };
        if depth > MAX_DEPTH || self.left == 0 {
            return;
        }
        self.left -= 1;
        let secret = words.get("format").and_then(Value::as_str) == Some("password")
            || words.get("writeOnly") == Some(&Value::Bool(true));
        if secret && !self.path.is_empty() {
            self.found.push(self.path.clone());
        }
        for (name, schema) in
            words.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            self.below(name, schema, depth);
        }
        if let Some(items) = words.get("items") {
            self.below("[]", items, depth);
        }
        for word in ["allOf", "anyOf", "oneOf", "prefixItems"] {
            for part in words.get(word).and_then(Value::as_array).into_iter().flatten() {
                match word {
                    "prefixItems" => self.below("[]", part, depth),
                    _ => self.schema(part, depth + 1),
                }
            }
        }
        let reference = words.get("$ref").and_then(Value::as_str);
        if let Some(pointer) = reference.and_then(|reference| reference.strip_prefix('#'))
            && let Some(referred) = self.root.pointer(pointer)
        {
            self.schema(referred, depth + 1);
        }
    }

    fn below(&mut self, name: &str, schema: &Value, depth: usize) {
        self.path.push(name.to_owned());
        self.schema(schema, depth + 1);
        self.path.pop();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_are_found_wherever_they_stand() {
        let found = |schema: &Value| -> Vec<String> {
            marked(schema).iter().map(|path| path.join(".")).collect()
        };
        let secret = json!({"type": "string", "writeOnly": true});
        let password = json!({"format": "password"});
        assert_eq!(found(&json!({"properties": {"pin": secret, "open": {}}})), ["pin"]);
        assert_eq!(
            found(&json!({"properties": {"cards": {"items": {"properties": {"code": password}}}}})),
            ["cards.[].code"]
        );
        assert_eq!(
            found(&json!({
                "allOf": [{"$ref": "#/$defs/a"}],
                "$defs": {"a": {"properties": {"pin": secret}}},
            })),
            ["pin"]
        );
        assert!(found(&json!({"writeOnly": true})).is_empty(), "the whole is no field");
        // A circle ends.
        let circle = json!({"properties": {"a": {"$ref": "#"}, "pin": secret}});
        assert!(found(&circle).contains(&"a.pin".to_owned()));
    }
}
