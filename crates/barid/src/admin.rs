//! The commands that ask a broker.

mod table;
mod user;

use anyhow::Context as _;
use config::{AdminInvocation, Output};
use management::{Client, ClientError, Count, Request, Text, binding, exchange, policy, queue};
use serde_json::{Map, Value};
use table::{Column, Table};

/// Asks the broker and returns what its user is told.
pub(crate) fn run(mut invocation: AdminInvocation) -> anyhow::Result<String> {
    user::complete(&mut invocation.request)?;
    let request: Request = serde_json::from_value(Value::Object(invocation.request))
        .context("the command makes no request")?;
    let answer = match Client::connect(&invocation.data_dir) {
        Ok(mut client) => client.call(&request)?,
        Err(error @ ClientError::NobodyListens(_)) => {
            user::without_broker(&request, &invocation.users_file)?.ok_or(error)?
        }
        Err(error) => return Err(error.into()),
    };
    match invocation.output {
        Output::Json => Ok(serde_json::to_string_pretty(&answer)?),
        Output::Table => told(&request, answer).context("not an answer of a broker"),
    }
}

/// The answer in words or as a table.
fn told(request: &Request, answer: Value) -> serde_json::Result<String> {
    Ok(match request {
        Request::DeclareExchange(declare) => format!("exchange {} declared", declare.name),
        Request::DeleteExchange(delete) => format!("exchange {} deleted", delete.name),
        Request::ListExchanges(_) => exchanges(&serde_json::from_value::<Vec<_>>(answer)?)?,
        Request::DeclareQueue(declare) => format!("queue {} declared", declare.name),
        Request::DeleteQueue(delete) => {
            let count: Count = serde_json::from_value(answer)?;
            let messages = messages(count);
            format!("queue {} deleted, {messages} with it", delete.name)
        }
        Request::PurgeQueue(purge) => {
            let count: Count = serde_json::from_value(answer)?;
            format!("queue {} purged of {}", purge.name, messages(count))
        }
        Request::ListQueues(_) => queues(&serde_json::from_value::<Vec<_>>(answer)?)?,
        Request::DeclareBinding(binding) => format!("{} declared", binding_name(binding)),
        Request::DeleteBinding(binding) => format!("{} deleted", binding_name(binding)),
        Request::ListBindings(_) => bindings(&serde_json::from_value::<Vec<_>>(answer)?)?,
        Request::PutUser(put) if put.replace => format!("user {} has this password", put.name),
        Request::PutUser(put) => format!("user {} added", put.name),
        Request::DeleteUser(delete) => format!("user {} deleted", delete.name),
        Request::ListUsers(_) => users(&serde_json::from_value::<Vec<_>>(answer)?),
    })
}

fn messages(count: Count) -> String {
    match count.message_count {
        1 => "1 message".to_owned(),
        count => format!("{count} messages"),
    }
}

fn binding_name(binding: &binding::Binding) -> String {
    let kind = kind(binding.destination_type);
    format!(
        "binding from {} to {kind} {}",
        exchange_name(&binding.source),
        binding.destination
    )
}

fn kind(destination_type: binding::DestinationType) -> &'static str {
    match destination_type {
        binding::DestinationType::Queue => "queue",
        binding::DestinationType::Exchange => "exchange",
    }
}

fn exchange_name(name: &Text) -> String {
    if name.0.is_empty() {
        "(default)".to_owned()
    } else {
        name.to_string()
    }
}

fn exchanges(listed: &[exchange::Listed]) -> serde_json::Result<String> {
    let mut table = Table::new(&[
        Column::Text("NAME"),
        Column::Text("TYPE"),
        Column::Number("BINDINGS"),
        Column::Text("DEFINITION"),
        Column::Text("POLICIES"),
    ]);
    for exchange in listed {
        let definition = object(&exchange.definition)?;
        let kind = definition.get("type").map(shown).unwrap_or_default();
        table.add([
            exchange_name(&exchange.name),
            kind,
            exchange.binding_count.to_string(),
            special(&definition),
            policies(&exchange.applied),
        ]);
    }
    Ok(table.to_string())
}

fn queues(listed: &[queue::Listed]) -> serde_json::Result<String> {
    let mut table = Table::new(&[
        Column::Text("NAME"),
        Column::Number("READY"),
        Column::Number("UNSETTLED"),
        Column::Number("BYTES"),
        Column::Number("SUBSCRIPTIONS"),
        Column::Text("DEFINITION"),
        Column::Text("POLICIES"),
    ]);
    for queue in listed {
        let status = &queue.status;
        table.add([
            status.name.to_string(),
            status.ready_count.to_string(),
            status.unsettled_count.to_string(),
            status.bytes.to_string(),
            status.subscription_count.to_string(),
            special(&object(&queue.definition)?),
            policies(&queue.applied),
        ]);
    }
    Ok(table.to_string())
}

fn bindings(listed: &[binding::Binding]) -> serde_json::Result<String> {
    let mut table = Table::new(&[
        Column::Text("SOURCE"),
        Column::Text("DESTINATION"),
        Column::Text("TO"),
        Column::Text("KEY"),
        Column::Text("ARGUMENTS"),
    ]);
    for binding in listed {
        let arguments = object(&binding.arguments)?;
        let arguments: Vec<_> = arguments.iter().map(pair).collect();
        table.add([
            exchange_name(&binding.source),
            binding.destination.to_string(),
            kind(binding.destination_type).to_owned(),
            binding.routing_key.to_string(),
            arguments.join(" "),
        ]);
    }
    Ok(table.to_string())
}

fn users(listed: &[management::user::Listed]) -> String {
    let mut table = Table::new(&[Column::Text("NAME"), Column::Number("ITERATIONS")]);
    for user in listed {
        let name = Text::from(&*user.name).to_string();
        table.add([name, user.iterations.to_string()]);
    }
    table.to_string()
}

fn object(fields: &impl serde::Serialize) -> serde_json::Result<Map<String, Value>> {
    serde_json::to_value(fields).and_then(serde_json::from_value)
}

/// What of a definition is not as it is by default, in the words of the command line as far as possible.
fn special(definition: &Map<String, Value>) -> String {
    let words = definition
        .iter()
        .filter_map(|(field, value)| match (field.as_str(), value) {
            ("type", _) => None,
            ("overflow", value) if *value == "drop-head" => None,
            ("durable", Value::Bool(false)) => Some("transient".to_owned()),
            ("durable", _) | (_, Value::Bool(false)) => None,
            (_, Value::Bool(true)) => Some(field.clone()),
            _ => Some(pair((field, value))),
        });
    let words: Vec<_> = words.collect();
    words.join(" ")
}

/// The policies that apply, by their names, and what they say together.
fn policies(applied: &policy::Applied) -> String {
    let named = [
        ("policy", &applied.policy),
        ("operator_policy", &applied.operator_policy),
    ];
    let named = named.into_iter();
    let named = named.filter_map(|(class, name)| Some(format!("{class}={}", name.as_ref()?)));
    let said = applied.effective_policy_definition.iter().map(pair);
    let words: Vec<_> = named.chain(said).collect();
    words.join(" ")
}

fn pair((name, value): (&String, &Value)) -> String {
    format!("{}={}", Text::from(name.as_str()), shown(value))
}

/// A value for people: text without quotes.
fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| Text::from(text).to_string())
}

#[cfg(test)]
mod tests;
