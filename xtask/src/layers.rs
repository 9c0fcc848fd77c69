//! The one direction of dependencies. An edge that is not in the table needs a decision record.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a crate of ours may depend on, of ours. Tests of a crate may use [`FOR_TESTS`] too.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("telemetry", &[]),
    ("selector", &["model"]),
    ("queue", &["model"]),
    ("stream", &["model"]),
    ("routing", &["model"]),
    ("auth", &["model"]),
    ("log-store", &["model"]),
    ("zmtp", &[]),
    ("broker-api", &["model"]),
    ("conversion", &["model", "broker-api"]),
    ("proto-zmq", &["model", "broker-api", "selector", "zmtp"]),
    (
        "proto-*",
        &["model", "broker-api", "selector", "conversion"],
    ),
    ("net", &["model", "broker-api"]),
    ("cluster", &["model", "log-store"]),
    (
        "broker",
        &[
            "model",
            "broker-api",
            "routing",
            "selector",
            "auth",
            "queue",
            "stream",
            "log-store",
            "cluster",
        ],
    ),
    ("management", &["model", "broker-api", "telemetry"]),
    ("barid-zmq", &["zmtp"]),
    ("barid-zmq-c", &["barid-zmq"]),
    ("barid", &["*"]),
    ("clauses", &[]),
    ("client", &[]),
    (
        "conformance",
        &[
            "model",
            "broker-api",
            "log-store",
            "cluster",
            "queue",
            "stream",
        ],
    ),
    ("interop", &["client", "zmtp", "barid-zmq"]),
    ("kill", &["client"]),
    ("bench", &[]),
    ("fuzz", &["*"]),
    ("sim", &["*"]),
    ("xtask", &[]),
];

/// What tests of any crate may use.
const FOR_TESTS: &[&str] = &["clauses", "conformance", "client"];

/// Crates that have an own runtime: no other may know tokio.
const TOKIO: &[&str] = &["net", "management", "barid-zmq", "barid", "cluster"];

/// Edges of the workspace that the table does not allow.
pub(crate) fn offenses(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("no packages in cargo metadata")?;
    let name = |package: &Value| package["name"].as_str().map(str::to_owned);
    let ours: BTreeSet<String> = packages.iter().filter_map(name).collect();
    let mut offenses = Vec::new();
    for package in packages {
        let from = name(package).context("a package without a name")?;
        let Some(allowed) = allowed(&from) else {
            offenses.push(format!(
                "{from}: not in the table of layers (xtask/src/layers.rs)"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let Some(to) = name(dependency) else { continue };
            let is_dev = dependency["kind"].as_str() == Some("dev");
            if !ours.contains(&to) {
                if to == "tokio" && !is_dev && !TOKIO.contains(&from.as_str()) && !is_test(&from) {
                    offenses.push(format!("{from}: depends on tokio, only {TOKIO:?} may"));
                }
                continue;
            }
            let is_allowed = allowed.contains(&to.as_str()) || allowed == ["*"];
            let is_for_tests = is_dev && FOR_TESTS.contains(&to.as_str());
            if !is_allowed && !is_for_tests {
                offenses.push(format!("{from}: depends on {to}, allowed are {allowed:?}"));
            }
        }
    }
    Ok(offenses)
}

/// Crates that are no part of the product.
fn is_test(name: &str) -> bool {
    [
        "bench",
        "clauses",
        "client",
        "conformance",
        "fuzz",
        "interop",
        "kill",
        "sim",
    ]
    .contains(&name)
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    };
    // An exact name stands before the pattern that matches it too.
    ALLOWED
        .iter()
        .find(|(pattern, _)| matches(pattern))
        .map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| json!({"name": name, "kind": kind}));
        json!({"name": name, "dependencies": dependencies.collect::<Vec<_>>()})
    }

    #[test]
    fn edges_against_the_direction_are_found() {
        let names = ["model", "broker", "client", "net"].map(|name| package(name, &[]));
        let rows = [
            (package("queue", &[("model", None), ("serde", None)]), 0),
            (package("queue", &[("broker", None)]), 1),
            (package("queue", &[("client", Some("dev"))]), 0),
            (package("queue", &[("client", None), ("tokio", None)]), 2),
            (
                package("proto-mqtt", &[("model", None), ("net", Some("dev"))]),
                1,
            ),
            (
                package("barid", &[("broker", None), ("net", None), ("tokio", None)]),
                0,
            ),
            (package("newcomer", &[]), 1),
        ];
        for (extra, count) in rows {
            let mut packages = names.to_vec();
            packages.push(extra.clone());
            let found = offenses(&json!({ "packages": packages })).unwrap();
            assert_eq!(found.len(), count, "{extra}: {found:?}");
        }
    }
}
