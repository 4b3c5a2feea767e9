//! From the parameters and the body of an operation to the input of an action, and back from the
//! input to its request.

use serde_json::{Map, Value};

use super::document::text;
use super::example::{MAX_GIVEN, Maker, size};
use super::fits::Way;
use super::kinds::Kinds;
use super::operation::{Content, Operation, Parameter, essence, is_json};
use super::reduce::Reducer;
use super::shape::{Others, Part, Shape};
use super::words;
use super::writer::Out;

/// Headers that are no parameters, by OpenAPI's own word.
const NO_PARAMETERS: [&str; 4] = ["accept", "content-type", "authorization", "content-encoding"];
/// What providers call the header of an idempotency key.
const KEY_HEADERS: [&str; 2] = ["idempotency-key", "x-idempotency-key"];
/// What providers call the field of one.
const KEY_FIELD: &str = "idempotency_key";

/// A key of the input.
pub(super) struct Field<'d> {
    pub name: String,
    pub required: bool,
    pub part: Part<'d>,
    pub description: Option<&'d str>,
    pub given: Option<&'d Value>,
    /// It is a property of the body.
    pub in_body: bool,
}

/// The input of an action and the request it makes.
#[derive(Default)]
pub(super) struct Inputs<'d> {
    pub fields: Vec<Field<'d>>,
    pub path: String,
    pub query: Vec<(String, Out)>,
    pub headers: Vec<(String, Out)>,
    /// Headers that always have the same value.
    pub fixed: Vec<(String, String)>,
    /// `json`, `form` or `text`, and what is sent.
    pub body: Option<(&'static str, Out)>,
    /// The media type of the body where it is not the usual one.
    pub media: Option<String>,
    pub lists: Option<&'static str>,
    /// The header that carries the idempotency key.
    pub key_header: Option<String>,
    /// The key is a field of the body.
    pub key_field: bool,
    /// The body whose properties are keys of the input, and whether it is always sent.
    pub flat: Option<(Content<'d>, bool)>,
    /// What cannot be given, and why.
    pub remarks: Vec<String>,
}

/// Why an operation cannot be imported.
pub(super) type Left = String;

impl<'d> Inputs<'d> {
    /// Reads an operation.
    ///
    /// # Errors
    /// Why there can be no action of it.
    pub fn of(
        reducer: Reducer<'d>,
        operation: &Operation<'d>,
        secret: &[String],
    ) -> Result<Self, Left> {
        let mut inputs = Self::default();
        inputs.path(operation)?;
        let body = body(reducer, operation)?;
        if let Some((content, _)) = body.as_ref().filter(|(content, _)| is_form(content)) {
            inputs.lists = Some(form_lists(content));
        }
        for parameter in &operation.parameters {
            match parameter.place {
                "query" => inputs.in_query(reducer, parameter)?,
                "header" => inputs.in_header(reducer, parameter, secret)?,
                "cookie" if parameter.required => return Err("it needs a cookie".to_owned()),
                "cookie" => inputs.remarks.push(format!("the cookie `{}`", parameter.name)),
                _ => {}
            }
        }
        if let Some((content, required)) = body {
            inputs.in_body(reducer, &content, required);
        }
        Ok(inputs)
    }

    fn path(&mut self, operation: &Operation<'d>) -> Result<(), Left> {
        let mut rest = operation.path;
        let mut out = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            out.push_str(before);
            let parameter = operation
                .parameters
                .iter()
                .find(|parameter| parameter.place == "path" && parameter.name == name);
            out.push_str(&format!("${{{{ {} }}}}", read(name, true)));
            if !self.fields.iter().any(|field| field.name == name) {
                self.fields.push(Field {
                    name: name.to_owned(),
                    required: true,
                    part: parameter.map_or(Part::All(Vec::new()), |p| p.part.clone()),
                    description: parameter.and_then(|p| p.description),
                    given: parameter.and_then(|p| p.given),
                    in_body: false,
                });
            }
            rest = after;
        }
        out.push_str(rest);
        if rest.contains(['?', '#', '{', ' ']) {
            return Err(format!("its path `{}` is no path", operation.path));
        }
        self.path = if out.starts_with('/') { out } else { format!("/{out}") };
        Ok(())
    }

    fn in_query(&mut self, reducer: Reducer<'d>, parameter: &Parameter<'d>) -> Result<(), Left> {
        let shape = reducer.document.shape(&parameter.part);
        let name = self.free(parameter.name, "query");
        let value = match self.query_value(&shape, parameter, &name) {
            Some(value) => value,
            None if parameter.required => {
                return Err(format!("its parameter `{}` cannot be written", parameter.name));
            }
            None => {
                self.remarks.push(format!(
                    "the parameter `{}`, whose way into the query cannot be said",
                    parameter.name
                ));
                return Ok(());
            }
        };
        // `a[]` names its lists itself; the encoding adds the brackets.
        let key = match self.lists {
            Some("bracket") => parameter.name.strip_suffix("[]").unwrap_or(parameter.name),
            _ => parameter.name,
        };
        self.query.push((key.to_owned(), Out::text(format!("${{{{ {value} }}}}"))));
        self.take(name, parameter);
        Ok(())
    }

    /// The expression of a query parameter.
    fn query_value(
        &mut self,
        shape: &Shape<'d>,
        parameter: &Parameter<'d>,
        name: &str,
    ) -> Option<String> {
        let plain = read(name, parameter.required);
        let has = read(name, true);
        if parameter.json {
            return Some(match parameter.required {
                true => format!("json({has})"),
                false => format!("has({has}) ? json({has}) : omit()"),
            });
        }
        let (list, object) = match shape.kinds == Kinds::ALL {
            true => (false, false),
            false => (shape.kinds.array(), shape.kinds.object()),
        };
        let style = parameter.style.unwrap_or("form");
        let mut wanted = None;
        if style == "deepObject" {
            wanted = (list || object).then_some("index");
        } else if object {
            return None;
        } else if list {
            let explode = parameter.explode.unwrap_or(style == "form");
            if !explode {
                let separator = match style {
                    "spaceDelimited" => " ",
                    "pipeDelimited" => "|",
                    _ => ",",
                };
                let only = shape.kinds.without(Kinds::NULL) == Kinds::ARRAY;
                let joined = match only {
                    true => format!("{has}.join('{separator}')"),
                    false => {
                        format!("(type({has}) == 'list' ? {has} : [{has}]).join('{separator}')")
                    }
                };
                return Some(match parameter.required {
                    true => joined,
                    false => format!("has({has}) ? {joined} : omit()"),
                });
            }
            wanted = Some(if parameter.name.ends_with("[]") { "bracket" } else { "repeat" });
        }
        if let Some(wanted) = wanted {
            match self.lists {
                Some(lists) if lists != wanted => return None,
                _ => self.lists = Some(wanted),
            }
        }
        Some(plain)
    }

    fn in_header(
        &mut self,
        reducer: Reducer<'d>,
        parameter: &Parameter<'d>,
        secret: &[String],
    ) -> Result<(), Left> {
        let lower = parameter.name.to_ascii_lowercase();
        if NO_PARAMETERS.contains(&lower.as_str()) || secret.contains(&lower) {
            return Ok(());
        }
        if KEY_HEADERS.contains(&lower.as_str()) {
            self.key_header = Some(parameter.name.to_owned());
            return Ok(());
        }
        let shape = reducer.document.shape(&parameter.part);
        if let Some(value) = fixed(&shape, parameter) {
            self.fixed.push((parameter.name.to_owned(), value));
            return Ok(());
        }
        let name = self.free(&words::snake(parameter.name), "header");
        let has = read(&name, true);
        let value = match (shape.kinds.array() && shape.kinds != Kinds::ALL, parameter.required) {
            (true, true) => format!("{has}.join(',')"),
            (true, false) => format!("has({has}) ? {has}.join(',') : omit()"),
            (false, required) => read(&name, required),
        };
        self.headers.push((parameter.name.to_owned(), Out::text(format!("${{{{ {value} }}}}"))));
        self.take(name, parameter);
        Ok(())
    }

    fn take(&mut self, name: String, parameter: &Parameter<'d>) {
        self.fields.push(Field {
            name,
            required: parameter.required,
            part: parameter.part.clone(),
            description: parameter.description,
            given: parameter.given,
            in_body: false,
        });
    }

    /// A name that no other key of the input has.
    fn free(&self, wanted: &str, place: &str) -> String {
        let taken = |name: &str| self.fields.iter().any(|field| field.name == name);
        match taken(wanted) {
            true => words::unique(&format!("{wanted}_{place}"), taken),
            false => wanted.to_owned(),
        }
    }

    fn in_body(&mut self, reducer: Reducer<'d>, content: &Content<'d>, required: bool) {
        let shape = reducer.document.shape(&content.part);
        let kind = match content.media {
            media if is_json(media) => "json",
            _ if is_form(content) => "form",
            _ => "text",
        };
        if kind == "json" && !["application/json", "*/*"].contains(&essence(content.media).as_str())
        {
            self.media = Some(essence(content.media));
        }
        let taken = |name: &str| self.fields.iter().any(|field| field.name == name);
        let object = shape.kinds.without(Kinds::NULL) == Kinds::OBJECT;
        let flat = object
            && kind != "text"
            && !shape.properties.is_empty()
            && !matches!(shape.others, Others::Like(_))
            && !shape.properties.keys().any(|name| taken(name));
        let value = match flat {
            true => {
                self.flat = Some((content.clone(), required || !shape.required.is_empty()));
                self.flat(reducer, &shape, required)
            }
            false => {
                let name = if taken("body") { "request_body" } else { "body" };
                self.fields.push(Field {
                    name: name.to_owned(),
                    required,
                    part: content.part.clone(),
                    description: None,
                    given: content.given.first().copied(),
                    in_body: false,
                });
                match required {
                    true => format!("input.{name}"),
                    false => format!("input?.{name} ?? omit()"),
                }
            }
        };
        self.body = Some((kind, Out::text(format!("${{{{ {value} }}}}"))));
    }

    /// The properties of the body become keys of the input.
    fn flat(&mut self, reducer: Reducer<'d>, shape: &Shape<'d>, required: bool) -> String {
        // Who sends the body has to give what it needs, also where it may be left out.
        let required = required || !shape.required.is_empty();
        let others: Vec<String> =
            self.fields.iter().map(|field| format!("'{}'", quoted(&field.name))).collect();
        let mut own: Vec<&str> = Vec::new();
        let order = shape
            .required
            .iter()
            .chain(shape.properties.keys().filter(|name| !shape.required.contains(name)));
        for name in order {
            let Some(part) = shape.properties.get(name) else { continue };
            let field = reducer.document.shape(part);
            if field.read_only {
                continue;
            }
            let texts = field.kinds.has(Kinds::STRING);
            if *name == KEY_FIELD && texts && self.key_header.is_none() {
                self.key_field = true;
                continue;
            }
            own.push(name);
            self.fields.push(Field {
                name: (*name).to_owned(),
                required: required && shape.required.contains(name),
                part: part.clone(),
                description: None,
                given: None,
                in_body: true,
            });
        }
        let mut value = match (others.len(), own.len()) {
            (0, _) => "input".to_owned(),
            (few, many) if few <= many => format!("input.without([{}])", others.join(", ")),
            _ => {
                let own: Vec<String> =
                    own.iter().map(|name| format!("'{}'", quoted(name))).collect();
                format!("input.pick([{}])", own.join(", "))
            }
        };
        if self.key_field {
            value.push_str(&format!(".merge({{{KEY_FIELD}: key}})"));
        }
        value
    }

    /// An input that fits, by a maker.
    pub fn example(&self, maker: Maker<'d>) -> Option<Value> {
        let mut fields = Map::new();
        fields.extend(self.body_example(maker)?);
        let mut extra = 0;
        for field in self.fields.iter().filter(|field| !field.in_body) {
            let given = field.given.filter(|value| {
                maker.given && maker.document.fits(&field.part, value, Way::Request)
            });
            if field.required {
                let value = given.cloned().or_else(|| maker.make(&field.part))?;
                fields.insert(field.name.clone(), value);
                continue;
            }
            let shape = maker.document.shape(&field.part);
            let known = given.is_some() || !shape.given.is_empty() || shape.default.is_some();
            if !maker.rich || !known || extra >= 3 || field.name.starts_with("body") {
                continue;
            }
            if let Some(value) = given.cloned().or_else(|| maker.make(&field.part))
                && !value.is_null()
            {
                extra += 1;
                fields.insert(field.name.clone(), value);
            }
        }
        Some(Value::Object(fields))
    }
}

impl<'d> Inputs<'d> {
    /// The part of the input that becomes the body, as the description of the whole body has it.
    fn body_example(&self, maker: Maker<'d>) -> Option<Map<String, Value>> {
        let Some((content, _)) = &self.flat else { return Some(Map::new()) };
        let known = |name: &String| self.fields.iter().any(|it| it.in_body && it.name == *name);
        let fits = |value: &Value| {
            let only_known = value.as_object().is_some_and(|all| {
                all.keys().all(|name| known(name) || (self.key_field && name == KEY_FIELD))
            });
            only_known && maker.document.fits(&content.part, value, Way::Request)
        };
        let given = content.given.iter().filter(|value| maker.given && size(value) <= MAX_GIVEN);
        let value = given.copied().find(|value| fits(value)).cloned();
        let value = value.or_else(|| maker.make(&content.part).filter(fits))?;
        let Value::Object(mut fields) = value else { return None };
        if self.key_field {
            fields.remove(KEY_FIELD);
        }
        Some(fields)
    }
}

/// How an expression reads a key of the input.
pub(super) fn read(name: &str, required: bool) -> String {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (word, required) {
        (true, true) => format!("input.{name}"),
        (true, false) => format!("input?.{name}"),
        (false, true) => format!("input['{}']", quoted(name)),
        (false, false) => format!("input?['{}']", quoted(name)),
    }
}

fn quoted(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\'', "\\'")
}

/// The value of a header that has to be there and is always the same.
fn fixed(shape: &Shape<'_>, parameter: &Parameter<'_>) -> Option<String> {
    let one = shape.values.as_ref().and_then(|values| match values.as_slice() {
        [one] => Some(*one),
        _ => None,
    });
    let version = parameter.name.to_ascii_lowercase().contains("version");
    let value = one.or_else(|| shape.default.filter(|_| parameter.required || version))?;
    let text = value.as_str()?;
    crate::headers::header_value(text).ok().map(|()| text.to_owned())
}

fn is_form(content: &Content<'_>) -> bool {
    essence(content.media) == "application/x-www-form-urlencoded"
}

/// How a form names the items of its lists.
fn form_lists(content: &Content<'_>) -> &'static str {
    let encodings = content.node.get("encoding").and_then(Value::as_object);
    let deep = |encoding: &Value| text(encoding, "style") == Some("deepObject");
    match encodings.is_some_and(|all| all.values().any(deep)) {
        true => "index",
        false => "repeat",
    }
}

/// The body that is sent, and whether it has to be.
fn body<'d>(
    reducer: Reducer<'d>,
    operation: &Operation<'d>,
) -> Result<Option<(Content<'d>, bool)>, Left> {
    if matches!(operation.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        return Ok(None);
    }
    let Some(node) = operation.node.get("requestBody") else { return Ok(None) };
    let node = reducer.document.resolve(node);
    let required = super::document::holds(node, "required");
    let contents = reducer.document.contents(node);
    let pick = |fits: &dyn Fn(&str) -> bool| {
        contents.iter().find(|content| fits(&essence(content.media))).cloned()
    };
    let found = pick(&|media| media == "application/json")
        .or_else(|| pick(&is_json))
        .or_else(|| pick(&|media| media == "application/x-www-form-urlencoded"))
        .or_else(|| pick(&|media| media.starts_with("text/")));
    match found {
        // Nothing can be said in it.
        Some(content) if !required && is_form(&content) && is_empty(reducer, &content) => Ok(None),
        Some(content) => Ok(Some((content, required))),
        None if contents.is_empty() => Ok(None),
        None => {
            let medias: Vec<&str> = contents.iter().map(|content| content.media).collect();
            Err(format!("its body is {}, which is not sent", medias.join(" or ")))
        }
    }
}

fn is_empty(reducer: Reducer<'_>, content: &Content<'_>) -> bool {
    let shape = reducer.document.shape(&content.part);
    shape.properties.is_empty() && !matches!(shape.others, Others::Like(_) | Others::Open)
}
