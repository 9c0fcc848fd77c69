//! Markdown of what was measured: the options of both sides, a row per cell and library, and what Barid aims at.

use super::{
    Library, Suite,
    cell::{Cell, Pattern, Transport},
    party::{HWM, Sample},
};
use crate::{
    aims::Bound,
    measure::{Machine, median},
    ratios::{self, text},
    report::line,
};

/// A cell and what it gave.
#[derive(Debug)]
pub(super) struct Row {
    cell: Cell,
    /// Messages that are counted in each round, as they are sent.
    pub(super) count: u64,
    samples: Vec<(Library, Vec<Sample>)>,
    pub(super) failures: Vec<String>,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    PerSecond,
    Cpu,
    RoundTrip50,
    RoundTrip99,
}

impl Figure {
    const fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "msg/s",
            Self::Cpu => "CPU",
            Self::RoundTrip50 => "round trip p50",
            Self::RoundTrip99 => "round trip p99",
        }
    }

    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::PerSecond => Some(sample.per_second),
            Self::Cpu => Some(sample.cpu_us),
            Self::RoundTrip50 => sample.round_trip_us.map(|[p50, _]| p50),
            Self::RoundTrip99 => sample.round_trip_us.map(|[_, p99]| p99),
        }
    }

    /// With the decimals that it can be told by.
    fn plain(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}"),
            Self::Cpu => format!("{value:.3}"),
            Self::RoundTrip50 | Self::RoundTrip99 => format!("{value:.1}"),
        }
    }
}

impl Row {
    pub(super) fn new(cell: Cell, libraries: impl Iterator<Item = Library>) -> Self {
        Self {
            cell,
            count: 0,
            samples: libraries.map(|library| (library, Vec::new())).collect(),
            failures: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, library: Library, sample: Sample) {
        let mut samples = self.samples.iter_mut();
        if let Some((_, samples)) = samples.find(|(of, _)| *of == library) {
            samples.push(sample);
        }
    }

    fn values(&self, library: Library, figure: Figure) -> impl Iterator<Item = f64> {
        let samples = self.samples.iter().filter(move |(of, _)| *of == library);
        let samples = samples.flat_map(|(_, samples)| samples);
        samples.filter_map(move |sample| figure.of(sample))
    }

    fn median(&self, library: Library, figure: Figure) -> Option<f64> {
        median(self.values(library, figure))
    }

    /// To the median of libzmq.
    fn ratio(&self, library: Library, figure: Figure) -> Option<f64> {
        let both = self
            .median(library, figure)
            .zip(self.median(Library::Libzmq, figure));
        both.map(|(ours, theirs)| ours / theirs)
    }

    /// The median, with the least and the most, and the ratio.
    fn columns(&self, library: Library, figure: Figure) -> String {
        let range = self.values(library, figure).fold(None, |range, value| {
            let (least, most) = range.unwrap_or((value, value));
            Some((value.min(least), value.max(most)))
        });
        let both = self.median(library, figure).zip(range);
        let own = both.map_or("–".to_owned(), |(median, (least, most))| {
            let [median, least, most] = [median, least, most].map(|value| figure.plain(value));
            format!("{median} ({least} – {most})")
        });
        if library == Library::Libzmq {
            return format!("{own} |");
        }
        format!(
            "{own} | {}",
            text(self.ratio(library, figure), ratios::plain)
        )
    }
}

/// The whole report.
pub(super) fn render(machine: &Machine, suite: &Suite<'_>) -> String {
    let mut out = format!("# Barid's library beside libzmq\n\n{machine}");
    for program in &suite.programs {
        line(
            &mut out,
            format_args!("- {}: {}", program.library, program.version),
        );
    }
    out += &options(suite);
    out += &throughput(&suite.rows);
    out += &round_trips(&suite.rows);
    out += &failures(&suite.rows);
    out += &aims(&suite.rows);
    out
}

/// What all programs have in common, and how they are run.
fn options(suite: &Suite<'_>) -> String {
    format!(
        "- All: one I/O thread per context, SNDHWM and RCVHWM {HWM} messages (Barid: no limit of bytes), the kernel's socket \
         buffers; each message is made and the body copied into it, the receiver looks at its length, its sequence and its \
         last byte; one message per call, except \"256 at once\": its receivers may take so many; blocking calls\n\
         - `push-pull`, `pub-sub`: one to one; `fan-out`: one publisher to 100 SUB sockets, each with a connection of its \
         own, all of one thread, which takes a message of each in turn; XPUB does not drop (libzmq: XPUB_NODROP, Barid: \
         OnFull::Block), and waits for all subscriptions before it sends; `req-rep`: one request at a time, each timed\n\
         - tcp (loopback) and ipc: a process for each end; inproc: one process with a thread for each end\n\
         - Each round has as many messages with each library, about {:?} s with the first, and a tenth of that before, as \
         warm-up; medians (least – most) of {} rounds of the libraries in turn; msg/s: deliveries, by the receiver's clock; \
         CPU: of both ends, user and system, per delivery or round trip\n\n",
        suite.seconds, suite.rounds
    )
}

/// A row per cell and library.
fn throughput(rows: &[Row]) -> String {
    let rows = rows
        .iter()
        .filter(|row| row.cell.pattern != Pattern::ReqRep);
    let head = "| cell | messages | library | msg/s | to libzmq | CPU µs/msg | to libzmq |\n|---|--:|---|--:|--:|--:|--:|\n";
    table(rows, head, &[Figure::PerSecond, Figure::Cpu])
}

fn round_trips(rows: &[Row]) -> String {
    let rows = rows
        .iter()
        .filter(|row| row.cell.pattern == Pattern::ReqRep);
    let head = "| cell | round trips | library | p50 µs | to libzmq | p99 µs | to libzmq | CPU µs/trip | to libzmq |\n\
                |---|--:|---|--:|--:|--:|--:|--:|--:|\n";
    table(
        rows,
        head,
        &[Figure::RoundTrip50, Figure::RoundTrip99, Figure::Cpu],
    )
}

/// Nothing where there are no rows.
fn table<'a>(rows: impl Iterator<Item = &'a Row>, head: &str, figures: &[Figure]) -> String {
    let mut out = String::new();
    for row in rows {
        for (library, _) in &row.samples {
            let columns = figures.iter().map(|figure| row.columns(*library, *figure));
            let columns = columns.collect::<Vec<_>>().join(" | ");
            line(
                &mut out,
                format_args!("| {} | {} | {library} | {columns} |", row.cell, row.count),
            );
        }
    }
    if out.is_empty() {
        return out;
    }
    format!("{head}{out}\n")
}

fn failures(rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        for failure in &row.failures {
            line(&mut out, format_args!("- {} failed: {failure}", row.cell));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// What Barid's medians are to be to those of libzmq.
fn aims_of(cell: &Cell) -> Vec<(Figure, Bound)> {
    let speed = match (cell.pattern, cell.transport, cell.size) {
        (Pattern::ReqRep, _, _) => {
            return vec![
                (Figure::RoundTrip50, Bound::AtMost(1.0)),
                (Figure::RoundTrip99, Bound::AtMost(1.0)),
                (Figure::Cpu, Bound::AtMost(1.0)),
            ];
        }
        (Pattern::PushPull | Pattern::PubSub | Pattern::FanOut, Transport::Inproc, _) => 2.0,
        (
            Pattern::PushPull | Pattern::PubSub | Pattern::FanOut,
            Transport::Tcp | Transport::Ipc,
            16_384,
        ) => 3.0,
        (
            Pattern::PushPull | Pattern::PubSub | Pattern::FanOut,
            Transport::Tcp | Transport::Ipc,
            _,
        ) => 1.3,
    };
    vec![
        (Figure::PerSecond, Bound::AtLeast(speed)),
        (Figure::Cpu, Bound::AtMost(1.0)),
    ]
}

/// A row per aim, of those that were measured, and how many are met.
fn aims(rows: &[Row]) -> String {
    let mut table = String::new();
    let (mut met, mut total) = (0, 0);
    for row in rows {
        for (figure, bound) in aims_of(&row.cell) {
            let Some(ratio) = row.ratio(Library::Barid, figure) else {
                continue;
            };
            let is_met = bound.is_met(ratio);
            met += usize::from(is_met);
            total += 1;
            let (cell, name, ratio) = (row.cell, figure.name(), ratios::plain(ratio));
            let verdict = if is_met { "met" } else { "missed" };
            line(
                &mut table,
                format_args!("| {cell} | {name} | {ratio} | {bound} | {verdict} |"),
            );
        }
    }
    if total == 0 {
        return table;
    }
    format!(
        "{met} of {total} aims are met.\n\n| cell | Barid / libzmq | ratio of medians | aim | |\n|---|---|--:|--:|---|\n{table}"
    )
}

#[cfg(test)]
mod tests {
    use super::{super::cell::Selection, *};

    fn row(only: &str, ours: &[Sample], theirs: &[Sample]) -> Row {
        let cell = only.parse::<Selection>().unwrap().cells()[0];
        let mut row = Row::new(cell, [Library::Libzmq, Library::Barid].into_iter());
        row.count = 1000;
        for (library, samples) in [(Library::Libzmq, theirs), (Library::Barid, ours)] {
            samples.iter().for_each(|sample| row.add(library, *sample));
        }
        row
    }

    fn sample(per_second: f64, cpu_us: f64) -> Sample {
        Sample {
            per_second,
            cpu_us,
            round_trip_us: None,
        }
    }

    #[test]
    fn each_cell_has_its_aims() {
        let check = |only: &str, expect: &str| {
            let cell = only.parse::<Selection>().unwrap().cells()[0];
            let aims = aims_of(&cell);
            let told = aims
                .iter()
                .map(|(figure, bound)| format!("{} {bound}", figure.name()));
            assert_eq!(told.collect::<Vec<_>>().join(", "), expect, "{only}");
        };
        check("push-pull,tcp,16", "msg/s ≥ 1.3, CPU ≤ 1");
        check("push-pull,ipc,16384", "msg/s ≥ 3, CPU ≤ 1");
        check("pub-sub,ipc,65536", "msg/s ≥ 1.3, CPU ≤ 1");
        check("pub-sub,inproc,16384", "msg/s ≥ 2, CPU ≤ 1");
        check("fan-out,tcp,128", "msg/s ≥ 1.3, CPU ≤ 1");
        check(
            "req-rep,inproc,16",
            "round trip p50 ≤ 1, round trip p99 ≤ 1, CPU ≤ 1",
        );
    }

    #[test]
    fn medians_ranges_and_ratios_are_beside_libzmq() {
        let ours = [sample(260.0, 0.5), sample(240.0, 0.25), sample(300.0, 0.75)];
        let theirs = [sample(200.0, 1.0), sample(100.0, 2.0), sample(250.0, 1.5)];
        let text = throughput(&[row("push-pull,tcp,16", &ours, &theirs)]);
        let rows = text.trim_end().lines().skip(2).collect::<Vec<_>>();
        assert_eq!(
            rows,
            [
                "| push-pull/tcp/16 | 1000 | libzmq | 200 (100 – 250) | | 1.500 (1.000 – 2.000) | |",
                "| push-pull/tcp/16 | 1000 | Barid | 260 (240 – 300) | 1.30 | 0.500 (0.250 – 0.750) | 0.33 |",
            ]
        );
        let text = round_trips(&[row("push-pull,tcp,16", &ours, &theirs)]);
        assert_eq!(text, "");
    }

    #[test]
    fn aims_are_met_missed_or_left_out() {
        let rows = [
            row(
                "push-pull,tcp,16",
                &[sample(130.0, 2.0)],
                &[sample(100.0, 1.0)],
            ),
            row("pub-sub,tcp,16", &[], &[sample(100.0, 1.0)]),
        ];
        let text = aims(&rows);
        assert!(text.starts_with("1 of 2 aims are met.\n"), "{text}");
        assert!(
            text.contains("| push-pull/tcp/16 | msg/s | 1.30 | ≥ 1.3 | met |"),
            "{text}"
        );
        assert!(
            text.contains("| push-pull/tcp/16 | CPU | 2.00 | ≤ 1 | missed |"),
            "{text}"
        );
        assert_eq!(text.matches("pub-sub").count(), 0);
        assert_eq!(aims(&rows[1..]), "");
    }
}
