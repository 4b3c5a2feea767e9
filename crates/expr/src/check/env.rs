//! What is known of the names an expression may read.

use std::sync::Arc;

use crate::expr::Expr;
use crate::types::{Test, Type};

/// Names and the types of their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    roots: Vec<(Arc<str>, Type)>,
    /// Types of the names bound by macros, outermost first.
    locals: Vec<Type>,
}

/// Where a path starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Name(Arc<str>),
    Local(usize),
}

impl Env {
    /// No names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more name. A name given twice takes the later type.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, ty: Type) -> Self {
        let name = name.into();
        match self.roots.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = ty,
            None => self.roots.push((name, ty)),
        }
        self
    }

    /// The type of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Type> {
        self.roots.iter().find(|(known, _)| **known == *name).map(|(_, ty)| ty)
    }

    /// All names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(|(name, _)| name.as_ref())
    }

    /// What is known once a condition came out true, or false.
    #[must_use]
    pub fn assume(&self, condition: &Expr, truth: bool) -> Self {
        condition.assume(self, truth)
    }

    /// What is known where it is not known which of two ways was taken.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        let both = |a: &mut Type, b: &Type| {
            if a != b {
                *a = Type::union([std::mem::replace(a, Type::Never), b.clone()]);
            }
        };
        self.roots.iter_mut().zip(&other.roots).for_each(|((_, a), (_, b))| both(a, b));
        self.locals.iter_mut().zip(&other.locals).for_each(|(a, b)| both(a, b));
        self
    }

    pub(crate) fn local(&self, depth: usize) -> Type {
        self.locals.get(depth).cloned().unwrap_or(Type::Never)
    }

    pub(crate) fn bind(&mut self, ty: Type) {
        self.locals.push(ty);
    }

    pub(crate) fn unbind(&mut self) -> Type {
        self.locals.pop().unwrap_or(Type::Never)
    }

    /// The type of what a path leads to where it leads somewhere.
    pub(crate) fn at(&self, root: &Root, path: &[Arc<str>]) -> Type {
        let start = match root {
            Root::Name(name) => self.get(name).cloned().unwrap_or(Type::Never),
            Root::Local(depth) => self.local(*depth),
        };
        path.iter().fold(start, |ty, key| {
            Type::union(ty.members().iter().map(|member| match member {
                Type::Object(object) => object.field(key).map_or(Type::Never, |(ty, _)| ty),
                Type::Dyn => Type::Dyn,
                _ => Type::Never,
            }))
        })
    }

    /// What is known after a test of what is at a path.
    pub(crate) fn narrow(&mut self, root: &Root, path: &[Arc<str>], test: &Test) {
        let slot = match root {
            Root::Name(name) => {
                self.roots.iter_mut().find(|(known, _)| known == name).map(|(_, ty)| ty)
            }
            Root::Local(depth) => self.locals.get_mut(*depth),
        };
        if let Some(ty) = slot {
            *ty = ty.narrowed(path, test);
        }
    }
}
