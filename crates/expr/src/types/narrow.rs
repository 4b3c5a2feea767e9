//! What a condition that was answered says about a type.
//!
//! Owns one step of it: the type of a value after a test of something at a path inside it. A
//! union loses the members for which the test could not have come out so, which is how a field
//! such as `status` tells the others.

use std::sync::Arc;

use super::{Field, Kinds, Object, Rest, Type};

/// What is known of the value at a path.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// It is there, null or not.
    Present,
    /// It is not there, or something on the way to it is null or not there.
    Absent,
    /// It is there and not null.
    NotNull,
    /// It is null, or was read as null because it is not there.
    Nullish,
    /// It is one of these texts.
    OneOf(Vec<Arc<str>>),
    /// It is none of these texts; it may be anything else.
    NoneOf(Vec<Arc<str>>),
    /// It is of one of these kinds, null not among them.
    Kind(Kinds),
    /// It is of none of these kinds.
    NotKind(Kinds),
    /// It is no empty list, and not null.
    Filled,
}

impl Test {
    /// Whether it can only come out so where the path leads somewhere.
    fn needs_path(&self) -> bool {
        matches!(
            self,
            Self::Present | Self::NotNull | Self::OneOf(_) | Self::Kind(_) | Self::Filled
        )
    }
}

impl Type {
    /// This type, once a test of what is at `path` inside came out.
    pub(crate) fn narrowed(&self, path: &[Arc<str>], test: &Test) -> Self {
        match self.members() {
            [one] => member(one, path, test),
            members => Self::union(members.iter().map(|ty| member(ty, path, test))),
        }
    }
}

fn member(ty: &Type, path: &[Arc<str>], test: &Test) -> Type {
    let Some((key, rest)) = path.split_first() else { return value(ty, test) };
    match ty {
        Type::Dyn => Type::Dyn,
        Type::Object(object) => field(object, key, rest, test),
        _ if test.needs_path() => Type::Never,
        _ => ty.clone(),
    }
}

fn value(ty: &Type, test: &Test) -> Type {
    match (test, ty) {
        (_, Type::Dyn) | (Test::Present | Test::Absent, _) => ty.clone(),
        (Test::NotNull, Type::Null) => Type::Never,
        (Test::Nullish, Type::Null) | (Test::NotNull, _) => ty.clone(),
        (Test::Nullish, _) => Type::Never,
        (Test::OneOf(texts), Type::Text(known)) => match known {
            Some(known) => Type::texts(known.iter().filter(|text| texts.contains(text)).cloned()),
            None => Type::texts(texts.iter().cloned()),
        },
        (Test::OneOf(_), _) => Type::Never,
        (Test::NoneOf(texts), Type::Text(Some(known))) => {
            Type::texts(known.iter().filter(|text| !texts.contains(text)).cloned())
        }
        (Test::NoneOf(_), _) => ty.clone(),
        (Test::Filled, Type::Null) => Type::Never,
        (Test::Filled, Type::List(item, _)) => Type::List(Arc::clone(item), true),
        (Test::Filled, _) => ty.clone(),
        (Test::Kind(kinds), ty) if ty.kinds().any_of(*kinds) => ty.clone(),
        (Test::NotKind(kinds), ty) if !ty.kinds().any_of(*kinds) => ty.clone(),
        (Test::Kind(_) | Test::NotKind(_), _) => Type::Never,
    }
}

fn field(object: &Arc<Object>, key: &Arc<str>, rest: &[Arc<str>], test: &Test) -> Type {
    let same = || Type::Object(Arc::clone(object));
    let with = |ty: Type, required: bool| {
        let mut fields = object.fields.clone();
        fields.insert(Arc::clone(key), Field { ty, required });
        Type::object(fields, object.rest.clone())
    };
    let known = match (object.fields.get(key), &object.rest) {
        (Some(field), _) => Some((&field.ty, field.required)),
        (None, Rest::Open(ty)) => Some((ty, false)),
        (None, _) => None,
    };
    let Some((ty, required)) = known else {
        return if test.needs_path() { Type::Never } else { same() };
    };
    if matches!(test, Test::Absent) && rest.is_empty() {
        return if required { Type::Never } else { same() };
    }
    let narrowed = ty.narrowed(rest, test);
    match (test.needs_path(), narrowed) {
        (true, Type::Never) => Type::Never,
        (true, narrowed) => with(narrowed, true),
        (false, Type::Never) if required => Type::Never,
        // It may as well not be there at all.
        (false, Type::Never) => same(),
        (false, narrowed) if narrowed == *ty => same(),
        (false, narrowed) if required => with(narrowed, true),
        (false, _) => same(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Arc<str>> {
        text.split('.').map(Arc::from).collect()
    }

    #[test]
    fn a_status_tells_the_output() {
        let case = |status: &str, output: Type| {
            Type::closed([("status", Type::texts([status])), ("output", output)])
        };
        let step = Type::union([case("done", Type::Int), case("skipped", Type::Null)]);
        let done = case("done", Type::Int);
        let texts = |text: &str| vec![Arc::from(text)];
        assert_eq!(step.narrowed(&path("status"), &Test::OneOf(texts("done"))), done);
        assert_eq!(step.narrowed(&path("status"), &Test::NoneOf(texts("skipped"))), done);
        assert_eq!(step.narrowed(&path("output"), &Test::NotNull), done);
        let skipped = case("skipped", Type::Null);
        assert_eq!(step.narrowed(&path("output"), &Test::Nullish), skipped);
        assert_eq!(step.narrowed(&path("status"), &Test::Absent), Type::Never);
    }

    #[test]
    fn presence_makes_a_field_required() {
        let fields = [(Arc::from("a"), Field { ty: Type::TEXT.or_null(), required: false })];
        let object = Type::object(fields.into(), Rest::Closed);
        let required = Type::closed([("a", Type::TEXT.or_null())]);
        assert_eq!(object.narrowed(&path("a"), &Test::Present), required);
        let not_null = Type::closed([("a", Type::TEXT)]);
        assert_eq!(object.narrowed(&path("a"), &Test::NotNull), not_null);
        assert_eq!(object.narrowed(&path("a"), &Test::Nullish), object);
        assert_eq!(object.narrowed(&path("b"), &Test::Present), Type::Never);
    }
}
