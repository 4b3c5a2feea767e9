//! Macros: a body evaluated once per item.
//!
//! Owns the binding of the item's name and what becomes of the bodies' values.

use std::collections::HashMap;

use super::{Answer, Machine, article};
use crate::fault::{Stop, code};
use crate::functions::sort_values;
use crate::tree::{Macro, NodeId};
use crate::value::{Entry, Value};

impl<'a> Machine<'_, 'a> {
    pub(super) fn macro_call(
        &mut self,
        kind: Macro,
        list: NodeId,
        filter: Option<NodeId>,
        body: NodeId,
        id: NodeId,
    ) -> Answer<'a> {
        let value = self.eval(list)?;
        let items = self.items_of(&value, list)?;
        match kind {
            Macro::Map => self.map(items, filter, body),
            Macro::Filter => {
                let mut kept = Vec::new();
                for item in items {
                    if self.test(body, item.clone())? {
                        kept.push(item);
                    }
                }
                Ok(Value::list(kept))
            }
            Macro::All => {
                for item in items {
                    if !self.test(body, item)? {
                        return Ok(Value::Bool(false));
                    }
                }
                Ok(Value::Bool(true))
            }
            Macro::Exists => {
                for item in items {
                    if self.test(body, item)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Macro::ExistsOne => {
                let mut found = 0;
                for item in items {
                    found += usize::from(self.test(body, item)?);
                }
                Ok(Value::Bool(found == 1))
            }
            Macro::SortBy => self.sort_by(items, body, id),
            Macro::GroupBy => self.group_by(items, body),
        }
    }

    fn bind<T>(
        &mut self,
        item: Value<'a>,
        body: impl FnOnce(&mut Self) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.locals.push(item);
        let result = body(self);
        self.locals.pop();
        result
    }

    fn test(&mut self, body: NodeId, item: Value<'a>) -> Result<bool, Stop> {
        self.bind(item, |machine| machine.bool(body))
    }

    fn map(&mut self, items: Vec<Value<'a>>, filter: Option<NodeId>, body: NodeId) -> Answer<'a> {
        let mut mapped = Vec::with_capacity(items.len());
        for item in items {
            if let Some(filter) = filter
                && !self.test(filter, item.clone())?
            {
                continue;
            }
            match self.bind(item, |machine| machine.eval(body)) {
                Ok(value) => mapped.push(value),
                Err(Stop::Omit) => {}
                Err(stop) => return Err(stop),
            }
        }
        Ok(Value::list(mapped))
    }

    fn sort_by(&mut self, items: Vec<Value<'a>>, body: NodeId, id: NodeId) -> Answer<'a> {
        let mut keyed = Vec::with_capacity(items.len());
        for item in items {
            let key = self.bind(item.clone(), |machine| machine.plain(body))?;
            keyed.push((key, item));
        }
        self.spend(keyed.len() * keyed.len().max(1).ilog2() as usize, id)?;
        match sort_values(&mut keyed, |(key, _)| key) {
            Ok(()) => Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect())),
            Err(message) => {
                let code = if message.contains("null") { code::NULL } else { code::TYPE };
                Err(self.fault(code, body, message).into())
            }
        }
    }

    fn group_by(&mut self, items: Vec<Value<'a>>, body: NodeId) -> Answer<'a> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut groups: Vec<(String, Vec<Value<'a>>)> = Vec::new();
        for item in items {
            let key = self.bind(item.clone(), |machine| machine.plain(body))?;
            let key = match &key {
                Value::Str(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) => key.to_text(),
                other => {
                    let kind = article(other.type_name());
                    let message =
                        format!("groups are named by strings, numbers or bools, not by {kind}");
                    return Err(self.fault(code::TYPE, body, message).into());
                }
            }?;
            self.build(key.len(), body)?;
            let place = *places.entry(key.clone()).or_insert_with(|| {
                groups.push((key, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(item);
        }
        let entries: Vec<Entry<'a>> =
            groups.into_iter().map(|(key, items)| (key.into(), Value::list(items))).collect();
        Ok(Value::object(entries))
    }
}
