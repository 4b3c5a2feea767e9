//! Reading names, fields and items.
//!
//! Owns what happens when something is not there: a fault with the nearest name, null after `?.`
//! and `?[`, and false for `has`.

use super::{Answer, Machine, article};
use crate::fault::{Fault, Stop, code};
use crate::nearest::nearest;
use crate::tree::{NodeId, NodeKind, Span};
use crate::value::Value;

/// Keys of an object looked at per unit of fuel.
const KEYS_PER_STEP: usize = 16;

impl<'a> Machine<'_, 'a> {
    pub(super) fn name(&self, name: &str, id: NodeId) -> Answer<'a> {
        match self.scope.get(name) {
            Some(value) => Ok(value.clone()),
            None => Err(self.unknown_name(name, id)),
        }
    }

    fn unknown_name(&self, name: &str, id: NodeId) -> Stop {
        let hint = match crate::functions::find(name) {
            Some(function) => Some(format!("it is a function: `{}`", function.signature)),
            None => self.scope.hint(name),
        };
        let message = format!("`{name}` is not defined here");
        self.fault(code::UNKNOWN_NAME, id, message).maybe_hint(hint).into()
    }

    /// The value of a key, and the fuel for looking for it.
    pub(super) fn field(
        &mut self,
        object: &Value<'a>,
        key: &str,
        id: NodeId,
    ) -> Result<Option<Value<'a>>, Stop> {
        if let Value::Json(view) = object {
            let (found, read) = view.locate(key);
            self.read(read, id)?;
            return Ok(found.map(Value::Json));
        }
        if let Value::Object(entries) = object {
            self.spend(entries.len() / KEYS_PER_STEP, id)?;
        }
        Ok(object.get(key))
    }

    pub(super) fn member(
        &mut self,
        object: NodeId,
        name: &str,
        name_span: Span,
        optional: bool,
    ) -> Answer<'a> {
        let value = self.eval(object)?;
        if optional && value.is_null() {
            return Ok(Value::Null);
        }
        if let Some(found) = self.field(&value, name, object)? {
            return Ok(found);
        }
        match value.type_name() {
            "object" if optional => Ok(Value::Null),
            "object" => Err(self.missing_key(&value, name, object, name_span)),
            "null" => {
                let object = self.tree.excerpt(object);
                let message = format!("`{object}` is null, so it has no `{name}`");
                let fault = Fault::new(code::NULL, name_span.range(), message);
                Err(fault.hint(format!("write `?.{name}` if it may be null")).into())
            }
            kind => {
                let excerpt = self.tree.excerpt(object);
                let message = format!("`{excerpt}` is {}, so it has no fields", article(kind));
                let hint = match crate::functions::find(name) {
                    Some(function) => {
                        Some(format!("to call the function, write `{}`", function.signature))
                    }
                    None if kind == "list" => {
                        Some(format!("for the `{name}` of each item, write `.map(x => x.{name})`"))
                    }
                    None => None,
                };
                Err(Fault::new(code::TYPE, name_span.range(), message).maybe_hint(hint).into())
            }
        }
    }

    fn missing_key(&self, object: &Value<'a>, key: &str, node: NodeId, span: Span) -> Stop {
        let excerpt = self.tree.excerpt(node);
        let message = format!("`{excerpt}` has no field `{key}`");
        let keys: Vec<String> = match object {
            Value::Object(entries) => entries.iter().map(|(key, _)| key.to_string()).collect(),
            Value::Json(view) => {
                view.entries().take(200).map(|(key, _)| key.into_owned()).collect()
            }
            _ => Vec::new(),
        };
        let plain = key.chars().all(|c| c == '_' || c.is_alphanumeric());
        let optional = if plain { format!("`?.{key}`") } else { format!("`?['{key}']`") };
        let hint = match nearest(key, &keys) {
            Some(near) => {
                format!("did you mean `{near}`? If the field may be missing, write {optional}")
            }
            None if keys.is_empty() => {
                format!("the object is empty; if the field may be missing, write {optional}")
            }
            None => {
                let shown: Vec<String> =
                    keys.iter().take(8).map(|key| format!("`{key}`")).collect();
                let more = if keys.len() > 8 { ", …" } else { "" };
                let shown = shown.join(", ");
                format!("it has {shown}{more}; if the field may be missing, write {optional}")
            }
        };
        Fault::new(code::MISSING_FIELD, span.range(), message).hint(hint).into()
    }

    pub(super) fn index(&mut self, object: NodeId, index: NodeId, optional: bool) -> Answer<'a> {
        let value = self.eval(object)?;
        if optional && value.is_null() {
            return Ok(Value::Null);
        }
        let key = self.plain(index)?;
        if let Some(found) = self.entry(&value, &key, object, index)? {
            return Ok(found);
        }
        if optional {
            return Ok(Value::Null);
        }
        if let Value::Str(key) = &key {
            return Err(self.missing_key(&value, key, object, self.tree.node(index).span));
        }
        let size = self.size_of(&value, object)?;
        let position = key.as_number().map(|number| number.to_string()).unwrap_or_default();
        let excerpt = self.tree.excerpt(object);
        let message = match size {
            0 => format!("there is no item {position}, as `{excerpt}` is empty"),
            _ => format!("there is no item {position}, as the last of `{excerpt}` is {}", size - 1),
        };
        let hint = "write `?[…]` if it may be missing";
        Err(self.fault(code::MISSING_FIELD, index, message).hint(hint).into())
    }

    /// The entry of a list or object; `None` if it is missing, a fault if it cannot exist.
    fn entry(
        &mut self,
        value: &Value<'a>,
        key: &Value<'a>,
        object: NodeId,
        index: NodeId,
    ) -> Result<Option<Value<'a>>, Stop> {
        let kind = value.type_name();
        match (kind, key) {
            ("object", Value::Str(key)) => self.field(value, key, object),
            ("list", Value::Int(position)) => {
                let Ok(position) = usize::try_from(*position) else {
                    let fault = self.fault(code::VALUE, index, "items are counted from 0");
                    return Err(fault.hint("the last item is `.last()`").into());
                };
                self.item(value, position, object)
            }
            ("list" | "object", _) => {
                let wanted = if kind == "list" { "a whole number" } else { "a string" };
                let found = article(key.type_name());
                let message = format!("the index of {} is {wanted}, not {found}", article(kind));
                Err(self.fault(code::TYPE, index, message).into())
            }
            ("null", _) => {
                let excerpt = self.tree.excerpt(object);
                let message = format!("`{excerpt}` is null, so it has no items");
                let hint = "write `?[…]` if it may be null";
                Err(self.fault(code::NULL, object, message).hint(hint).into())
            }
            _ => {
                let message = format!(
                    "`{}` is {}, so it has no items",
                    self.tree.excerpt(object),
                    article(kind)
                );
                let hint = (kind == "string").then(|| "a character is `text.charAt(0)`".to_owned());
                Err(self.fault(code::TYPE, object, message).maybe_hint(hint).into())
            }
        }
    }

    fn item(&mut self, list: &Value<'a>, at: usize, id: NodeId) -> Result<Option<Value<'a>>, Stop> {
        match list {
            Value::List(items) => Ok(items.get(at).cloned()),
            Value::Json(view) => {
                let found = view.at(at);
                let read = found.map_or_else(|| view.raw().len(), |item| view.offset_of(item));
                self.read(read, id)?;
                Ok(found.map(Value::Json))
            }
            _ => Ok(None),
        }
    }

    fn size_of(&mut self, value: &Value<'a>, id: NodeId) -> Result<usize, Stop> {
        match value {
            Value::List(items) => Ok(items.len()),
            Value::Object(entries) => Ok(entries.len()),
            Value::Json(view) => {
                self.read(view.raw().len(), id)?;
                Ok(view.len())
            }
            _ => Ok(0),
        }
    }

    /// What a path leads to, `None` when a step of it is missing or null. For `has`.
    pub(super) fn find(&mut self, id: NodeId) -> Result<Option<Value<'a>>, Stop> {
        let tree = self.tree;
        let (object, index) = match &tree.node(id).kind {
            NodeKind::Member { object, .. } => (*object, None),
            NodeKind::Index { object, index, .. } => (*object, Some(*index)),
            _ => return self.eval(id).map(Some),
        };
        self.spend(1, id)?;
        let Some(value) = self.find(object)? else { return Ok(None) };
        if value.is_null() {
            return Ok(None);
        }
        match (&tree.node(id).kind, index) {
            (_, Some(index)) => {
                let key = self.plain(index)?;
                self.entry(&value, &key, object, index)
            }
            (NodeKind::Member { name, name_span, .. }, None) => match value.type_name() {
                "object" => self.field(&value, name, object),
                _ => self.member(object, name, *name_span, false).map(Some),
            },
            _ => Ok(None),
        }
    }

    /// The items of a value that is a list, the keys of one that is an object.
    pub(super) fn items_of(
        &mut self,
        value: &Value<'a>,
        id: NodeId,
    ) -> Result<Vec<Value<'a>>, Stop> {
        if let Value::Json(view) = value {
            self.read(view.raw().len(), id)?;
        }
        let items: Vec<Value<'a>> = if let Some(items) = value.items() {
            items.into_owned()
        } else if let Some(entries) = value.entries() {
            entries.iter().map(|(key, _)| Value::Str(key.clone())).collect()
        } else {
            let kind = value.type_name();
            let excerpt = self.tree.excerpt(id);
            let message = format!("expected a list, but `{excerpt}` is {}", article(kind));
            let code = if kind == "null" { code::NULL } else { code::TYPE };
            let hint = (kind == "null").then(|| "if it may be null, write `(… ?? [])`".to_owned());
            return Err(self.fault(code, id, message).maybe_hint(hint).into());
        };
        self.spend(items.len(), id)?;
        Ok(items)
    }
}
