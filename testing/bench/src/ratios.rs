//! Markdown of what Barid's medians are to those of each peer.

use crate::{
    campaign::Campaign, cell::Cell, cell_result::CellResult, load::Sample, report::line,
    systems::System,
};

/// A figure of a run that Barid is compared by.
pub(crate) struct Figure {
    /// The head of its column.
    pub(crate) name: &'static str,
    /// How it is read, where the run has it.
    pub(crate) value: fn(&Sample) -> Option<f64>,
}

/// Barid's medians to those of each peer, cell by cell.
pub(crate) fn ratios(campaign: &Campaign, figures: &[Figure]) -> String {
    let names = figures.iter().map(|figure| figure.name);
    let names = names.collect::<Vec<_>>().join(" | ");
    let mut out = format!(
        "| cell | body | ratio of medians | {names} |\n|---|--:|---|{}\n",
        "--:|".repeat(figures.len())
    );
    for cell in &campaign.cells {
        let Some(ours) = find(campaign, cell, System::Barid) else {
            continue;
        };
        let peers = campaign.systems.iter().copied();
        for peer in peers.filter(|system| *system != System::Barid) {
            let Some(theirs) = find(campaign, cell, peer) else {
                continue;
            };
            // The rows themselves say so.
            if ours.refusal.is_some() || theirs.refusal.is_some() {
                continue;
            }
            let columns = figures.iter().map(|Figure { value, .. }| {
                let both = ours.median(value).zip(theirs.median(value));
                text(both.map(|(ours, theirs)| ours / theirs), plain)
            });
            let (shape, body) = (cell.shape.name(), cell.body_bytes);
            let columns = columns.collect::<Vec<_>>().join(" | ");
            line(
                &mut out,
                format_args!("| {shape} | {body} | Barid / {peer} | {columns} |"),
            );
        }
    }
    out
}

/// A figure as a column shows it: a dash where there is none.
pub(crate) fn text(value: Option<f64>, render: impl Fn(f64) -> String) -> String {
    value.map_or("–".to_owned(), render)
}

/// A ratio with as many decimals as it needs to be told from its neighbors.
pub(crate) fn plain(ratio: f64) -> String {
    let decimals = if ratio < 0.1 { 4 } else { 2 };
    format!("{ratio:.decimals$}")
}

/// What a cell gave on a system.
pub(crate) fn find<'a>(
    campaign: &'a Campaign,
    cell: &Cell,
    system: System,
) -> Option<&'a CellResult> {
    let mut results = campaign.results.iter();
    results.find(|result| result.cell == *cell && result.system == system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Shape;

    const FIGURES: [Figure; 2] = [
        Figure {
            name: "msg/s",
            value: |sample| Some(sample.confirmed_per_second),
        },
        Figure {
            name: "confirm p50",
            value: |sample| sample.confirm.map(|confirm| confirm.p50),
        },
    ];

    fn result(system: System, per_second: f64) -> CellResult {
        CellResult {
            cell: Cell {
                shape: Shape::Receipts(16),
                body_bytes: 100,
            },
            system,
            samples: vec![Sample {
                confirmed_per_second: per_second,
                ..Sample::example()
            }],
            failures: Vec::new(),
            refusal: None,
        }
    }

    #[test]
    fn barid_is_compared_with_each_peer_that_was_measured() {
        let results = vec![
            result(System::Barid, 40_000.0),
            result(System::RabbitmqQuorum, 10_000.0),
            result(System::Activemq, 1e6),
            CellResult {
                refusal: Some("refused".to_owned()),
                samples: Vec::new(),
                ..result(System::Rabbitmq, 0.0)
            },
        ];
        let text = ratios(&Campaign::example(results), &FIGURES);
        let rows = text.lines().skip(2).collect::<Vec<_>>();
        assert_eq!(
            rows,
            [
                "| receipts-16 | 100 | Barid / RabbitMQ quorum | 4.00 | – |",
                "| receipts-16 | 100 | Barid / ActiveMQ | 0.0400 | – |",
            ]
        );
        let alone = Campaign::example(vec![result(System::Activemq, 1.0)]);
        assert_eq!(ratios(&alone, &FIGURES).lines().count(), 2);
    }
}
