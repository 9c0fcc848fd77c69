//! Bindings by what they ask of headers, found by the headers and not by going through all.
//!
//! A binding that wants all its conditions met stands under one of them, one that wants any stands
//! under each. A message is looked up under the names that some binding stands under, and then by the
//! value it has there; what is found under `all` is checked in full.

use crate::binding::{Binding, Destination};
use crate::leaf::Leaf;
use crate::map::Map;
use crate::value::{HeaderSource, stable_hash};
use model::Arguments;
use model::Value;
use rpds::RedBlackTreeMapSync;
use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The argument of a binding that says how it matches.
const MATCH_ARGUMENT: &[u8] = b"x-match";

/// How many conditions must hold, and which arguments are conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MatchMode {
    All,
    Any,
    AllWithX,
    AnyWithX,
}

impl MatchMode {
    /// The mode that the arguments ask for; nothing if they ask for one that there is not.
    pub(crate) fn of(arguments: &Arguments) -> Option<Self> {
        match arguments.value(MATCH_ARGUMENT) {
            None => Some(Self::All),
            Some(Value::Text(text)) => match text.as_ref() {
                b"all" => Some(Self::All),
                b"any" => Some(Self::Any),
                b"all-with-x" => Some(Self::AllWithX),
                b"any-with-x" => Some(Self::AnyWithX),
                _ => None,
            },
            Some(
                Value::Void
                | Value::Bool(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Opaque(_),
            ) => None,
        }
    }

    fn wants_all(self) -> bool {
        match self {
            Self::All | Self::AllWithX => true,
            Self::Any | Self::AnyWithX => false,
        }
    }

    fn takes(self, name: &[u8]) -> bool {
        match self {
            Self::All | Self::Any => !name.starts_with(b"x-"),
            Self::AllWithX | Self::AnyWithX => name != MATCH_ARGUMENT,
        }
    }
}

type Bindings<K> = Map<Arc<Binding<K>>, ()>;

/// The bindings of a headers exchange.
#[derive(Clone)]
pub(crate) struct HeaderIndex<K> {
    /// Those that want all of no conditions.
    always: Leaf<K>,
    names: RedBlackTreeMapSync<Box<[u8]>, ByValue<K>>,
}

/// The bindings that stand under one header's name.
#[derive(Clone)]
struct ByValue<K> {
    present: Bindings<K>,
    values: Map<HeaderValue, Bindings<K>>,
}

impl<K> Default for HeaderIndex<K> {
    fn default() -> Self {
        Self {
            always: Leaf::default(),
            names: RedBlackTreeMapSync::new_sync(),
        }
    }
}

impl<K> Default for ByValue<K> {
    fn default() -> Self {
        Self {
            present: Map::default(),
            values: Map::default(),
        }
    }
}

impl<K: Ord + Clone + Hash> HeaderIndex<K> {
    pub(crate) fn insert(&mut self, binding: &Arc<Binding<K>>) {
        if wants_nothing(binding) {
            self.always.insert(&binding.destination);
        }
        for (name, value) in places(binding) {
            let mut under = self.names.get(name).cloned().unwrap_or_default();
            under.change(value, |bindings| bindings.insert(Arc::clone(binding), ()));
            self.names.insert_mut(name.into(), under);
        }
    }

    pub(crate) fn remove(&mut self, binding: &Binding<K>) {
        if wants_nothing(binding) {
            self.always.remove(&binding.destination);
        }
        for (name, value) in places(binding) {
            let Some(mut under) = self.names.get(name).cloned() else {
                continue;
            };
            under.change(value, |bindings| bindings.remove(binding));
            if under.present.is_empty() && under.values.is_empty() {
                self.names.remove_mut(name);
            } else {
                self.names.insert_mut(name.into(), under);
            }
        }
    }

    /// Adds the destinations of the bindings that match; one may come several times.
    pub(crate) fn find<'a>(
        &'a self,
        headers: &dyn HeaderSource,
        found: &mut Vec<&'a Destination<K>>,
    ) {
        found.extend(self.always.iter());
        for (name, under) in self.names.iter() {
            let Some(value) = headers.header(name) else {
                continue;
            };
            let equal = under.values.get(&value as &dyn Probe);
            let equal = equal.into_iter().flat_map(Map::keys);
            let candidates = under.present.keys().chain(equal);
            let matching = candidates.filter(|binding| matches(binding, headers));
            found.extend(matching.map(|binding| &binding.destination));
        }
    }
}

impl<K: Eq + Hash> ByValue<K> {
    fn change(&mut self, value: &Value<'static>, change: impl FnOnce(&mut Bindings<K>)) {
        if *value == Value::Void {
            change(&mut self.present);
            return;
        }
        let present = self.values.get(value as &dyn Probe);
        let mut bindings = present.cloned().unwrap_or_default();
        change(&mut bindings);
        if bindings.is_empty() {
            self.values.remove(value as &dyn Probe);
        } else {
            self.values.insert(HeaderValue(value.clone()), bindings);
        }
    }
}

/// The mode of a binding that was checked when it was made.
fn mode<K>(binding: &Binding<K>) -> MatchMode {
    MatchMode::of(&binding.arguments).unwrap_or(MatchMode::All)
}

fn conditions<K>(
    binding: &Binding<K>,
    mode: MatchMode,
) -> impl Iterator<Item = (&[u8], &Value<'static>)> + Clone {
    let arguments = binding.arguments.iter();
    arguments.filter(move |(name, _)| mode.takes(name))
}

fn wants_nothing<K>(binding: &Binding<K>) -> bool {
    let mode = mode(binding);
    mode.wants_all() && conditions(binding, mode).next().is_none()
}

/// The conditions that a binding stands under.
fn places<K>(binding: &Binding<K>) -> impl Iterator<Item = (&[u8], &Value<'static>)> {
    let mode = mode(binding);
    let conditions = conditions(binding, mode);
    // A value tells more than mere presence.
    let best = conditions
        .clone()
        .find(|(_, value)| **value != Value::Void)
        .or_else(|| conditions.clone().next());
    let (one, each) = if mode.wants_all() {
        (best, None)
    } else {
        (None, Some(conditions))
    };
    one.into_iter().chain(each.into_iter().flatten())
}

/// Whether a binding that stands under a condition which holds matches.
fn matches<K>(binding: &Binding<K>, headers: &dyn HeaderSource) -> bool {
    let mode = mode(binding);
    !mode.wants_all()
        || conditions(binding, mode).all(|(name, wanted)| match headers.header(name) {
            None => false,
            Some(value) => *wanted == Value::Void || *wanted == value,
        })
}

/// The value of a header as a key.
struct HeaderValue(Value<'static>);

/// A value to look up by. It lets a borrowed value find an owned one without a copy.
trait Probe {
    fn value(&self) -> &Value<'_>;
}

impl Probe for Value<'_> {
    fn value(&self) -> &Value<'_> {
        self
    }
}

impl<'a> Borrow<dyn Probe + 'a> for HeaderValue {
    fn borrow(&self) -> &(dyn Probe + 'a) {
        &self.0
    }
}

impl Hash for HeaderValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0 as &dyn Probe).hash(state);
    }
}

impl PartialEq for HeaderValue {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for HeaderValue {}

impl Hash for dyn Probe + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(stable_hash(self.value()));
    }
}

impl PartialEq for dyn Probe + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for dyn Probe + '_ {}
