//! Which events a request asks for.
//!
//! Invariant: a filter is checked whole before the first event is looked at; what it can not match it refuses.

use sui_rpc::proto::sui::rpc::v2::{EventFilter, EventLiteral, event_literal::Predicate};
use sui_sdk_types::Address;

use super::{ledger::Emitted, refusal::Refusal};

/// The most literals of a filter.
const MAX_LITERALS: usize = 10;

/// Any of these terms, each all of its literals.
#[derive(Clone, Debug)]
pub(super) struct Filter(Vec<Vec<Literal>>);

#[derive(Clone, Debug)]
struct Literal {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Sender(Address),
    Module(String),
    Type(String),
    /// No event of this ledger belongs to a stream whose head is authenticated.
    Never,
}

impl Filter {
    pub(super) fn new(filter: &EventFilter) -> Result<Self, Refusal> {
        let invalid = |description: &str| Refusal::invalid("filter", description);
        if filter.terms.is_empty() {
            return Err(invalid("filter must have at least one term"));
        }
        let literals: usize = filter.terms.iter().map(|term| term.literals.len()).sum();
        if literals > MAX_LITERALS {
            return Err(invalid("filter has too many literals"));
        }
        let terms = filter.terms.iter().map(|term| {
            if term.literals.is_empty() {
                return Err(invalid("term must have at least one literal"));
            }
            term.literals.iter().map(Literal::new).collect()
        });
        terms.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn matches(&self, event: &Emitted) -> bool {
        self.0
            .iter()
            .any(|term| term.iter().all(|literal| literal.matches(event)))
    }
}

impl Literal {
    fn new(literal: &EventLiteral) -> Result<Self, Refusal> {
        let test = match &literal.predicate {
            Some(Predicate::Sender(filter)) => {
                let text = filter.address.as_deref().unwrap_or_default();
                let address = text.parse().map_err(|error| {
                    Refusal::invalid("filter.sender.address", format!("invalid address: {error}"))
                })?;
                Test::Sender(address)
            }
            Some(Predicate::EmitModule(filter)) => Test::Module(path(
                "filter.emit_module.module",
                filter.module.as_deref(),
                2,
            )?),
            Some(Predicate::EventType(filter)) => Test::Type(path(
                "filter.event_type.event_type",
                filter.event_type.as_deref(),
                3,
            )?),
            Some(Predicate::EventStreamHead(_)) => Test::Never,
            _ => {
                return Err(Refusal::invalid(
                    "filter",
                    "literal is missing its predicate",
                ));
            }
        };
        Ok(Self {
            negated: literal.negated,
            test,
        })
    }

    fn matches(&self, event: &Emitted) -> bool {
        let matched = match &self.test {
            Test::Sender(address) => event.sender == *address,
            Test::Module(path) => is_under(&event.names.module, path),
            Test::Type(path) => is_under(&event.names.event_type, path),
            Test::Never => false,
        };
        matched != self.negated
    }
}

/// Whether a name is this path or lies below it.
fn is_under(name: &str, path: &str) -> bool {
    name.strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('<'))
}

/// A path of at most so many names, its address in full.
fn path(field: &str, text: Option<&str>, most: usize) -> Result<String, Refusal> {
    let text = text.ok_or_else(|| Refusal::missing(field))?;
    let invalid = || Refusal::invalid(field, format!("invalid path: {text}"));
    let (package, rest) = match text.split_once("::") {
        Some((package, rest)) => (package, Some(rest)),
        None => (text, None),
    };
    let package: Address = package.parse().map_err(|_| invalid())?;
    let Some(rest) = rest else {
        return Ok(package.to_string());
    };
    let names = rest.split('<').next().unwrap_or_default().split("::");
    if names.clone().any(str::is_empty) || names.count() >= most {
        return Err(invalid());
    }
    Ok(format!("{package}::{rest}"))
}
