//! What is measured: a pattern over a transport with bodies of a size.

use std::{fmt, str::FromStr};

use super::Library;

/// Sizes of bodies, in bytes.
const SIZES: [usize; 5] = [16, 128, 1024, 16_384, 65_536];

/// Sizes of bodies to many subscribers.
const FAN_OUT_SIZES: [usize; 3] = [16, 128, 1024];

/// Subscribers of a fan-out.
const SUBSCRIBERS: usize = 100;

/// Most bytes of a pilot, which tells how long a message takes.
const PILOT_BYTES: usize = 256 << 20;

/// How messages get from one socket to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// From process to process by the loopback interface.
    Tcp,
    /// From process to process by a Unix socket.
    Ipc,
    /// From thread to thread.
    Inproc,
}

/// Who sends what to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// One PUSH to one PULL.
    PushPull,
    /// One XPUB, which waits for who is slow, to one SUB.
    PubSub,
    /// One XPUB, which waits for who is slow, to a hundred SUBs on a thread.
    FanOut,
    /// A REQ and a REP, one request at a time.
    ReqRep,
}

/// One row of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) pattern: Pattern,
    pub(super) transport: Transport,
    pub(super) size: usize,
}

impl Transport {
    const ALL: [Self; 3] = [Self::Tcp, Self::Ipc, Self::Inproc];

    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ipc => "ipc",
            Self::Inproc => "inproc",
        }
    }
}

impl Pattern {
    const ALL: [Self; 4] = [Self::PushPull, Self::PubSub, Self::FanOut, Self::ReqRep];

    const fn name(self) -> &'static str {
        match self {
            Self::PushPull => "push-pull",
            Self::PubSub => "pub-sub",
            Self::FanOut => "fan-out",
            Self::ReqRep => "req-rep",
        }
    }

    /// The roles of the party that binds, of the one that connects, and of one that does both.
    pub(super) const fn roles(self) -> [&'static str; 3] {
        match self {
            Self::PushPull => ["pull", "push", "push-pull"],
            Self::PubSub | Self::FanOut => ["pub", "sub", "pub-sub"],
            Self::ReqRep => ["rep", "req", "req-rep"],
        }
    }

    /// Sockets that each message goes to.
    pub(super) const fn receivers(self) -> usize {
        match self {
            Self::FanOut => SUBSCRIBERS,
            Self::PushPull | Self::PubSub | Self::ReqRep => 1,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.pattern, self.transport, self.size)
    }
}

impl Cell {
    /// All, in the order of the report.
    fn all() -> Vec<Self> {
        let of = |pattern| {
            let (transports, sizes): (&[Transport], &[usize]) = match pattern {
                Pattern::FanOut => (&[Transport::Tcp], &FAN_OUT_SIZES),
                Pattern::PushPull | Pattern::PubSub | Pattern::ReqRep => (&Transport::ALL, &SIZES),
            };
            transports.iter().flat_map(move |transport| {
                sizes.iter().map(move |size| Self {
                    pattern,
                    transport: *transport,
                    size: *size,
                })
            })
        };
        Pattern::ALL.into_iter().flat_map(of).collect()
    }

    /// How many messages tell roughly how long one takes.
    pub(super) fn pilot(&self) -> u64 {
        let count = match self.pattern {
            Pattern::ReqRep => 2000,
            Pattern::FanOut => 5000,
            Pattern::PushPull | Pattern::PubSub => (PILOT_BYTES / self.size).min(200_000),
        };
        count as u64
    }
}

/// What `--only` asks for. A list that is empty asks for all.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    libraries: Vec<Library>,
    patterns: Vec<Pattern>,
    transports: Vec<Transport>,
    sizes: Vec<usize>,
}

impl Selection {
    /// The cells of which the pattern, the transport and the size are asked for.
    pub(super) fn cells(&self) -> Vec<Cell> {
        fn wants<T: PartialEq>(list: &[T], value: &T) -> bool {
            list.is_empty() || list.contains(value)
        }
        let wanted = |cell: &Cell| {
            wants(&self.patterns, &cell.pattern)
                && wants(&self.transports, &cell.transport)
                && wants(&self.sizes, &cell.size)
        };
        Cell::all().into_iter().filter(wanted).collect()
    }

    /// The libraries that are asked for, in the order of the report, or `default`.
    pub(super) fn libraries(&self, default: &[Library]) -> Vec<Library> {
        if self.libraries.is_empty() {
            return default.to_vec();
        }
        let all = Library::ALL.into_iter();
        all.filter(|library| self.libraries.contains(library))
            .collect()
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut selection = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let pattern = Pattern::ALL
                .into_iter()
                .find(|pattern| pattern.name() == word);
            let transport = Transport::ALL
                .into_iter()
                .find(|transport| transport.name() == word);
            let library = Library::ALL
                .into_iter()
                .find(|library| library.word() == word);
            let size = word.parse().ok().filter(|size| SIZES.contains(size));
            let is_known =
                pattern.is_some() || transport.is_some() || library.is_some() || size.is_some();
            if !is_known {
                return Err(format!(
                    "{word:?} is no library (libzmq, barid, barid-256, c-library), pattern (push-pull, pub-sub, fan-out, \
                     req-rep), transport (tcp, ipc, inproc) or size ({SIZES:?})"
                ));
            }
            selection.patterns.extend(pattern);
            selection.transports.extend(transport);
            selection.libraries.extend(library);
            selection.sizes.extend(size);
        }
        Ok(selection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(only: &str, count: usize) {
        let selection: Selection = only.parse().unwrap();
        assert_eq!(selection.cells().len(), count, "{only:?}");
    }

    #[test]
    fn words_of_a_kind_add_and_kinds_narrow() {
        check("", 48);
        check("barid", 48);
        check("tcp", 18);
        check("tcp,ipc", 33);
        check("tcp,push-pull,16", 1);
        check("tcp, ipc, push-pull, pub-sub, 16, 65536", 8);
        check("fan-out", 3);
        check("fan-out,inproc", 0);
    }

    #[test]
    fn an_unknown_word_is_refused() {
        for word in ["udp", "17", "push"] {
            assert!(word.parse::<Selection>().is_err(), "{word}");
        }
    }

    #[test]
    fn libraries_are_in_the_order_of_the_report() {
        let selection: Selection = "barid-256,libzmq,tcp".parse().unwrap();
        assert_eq!(
            selection.libraries(&[Library::Barid]),
            [Library::Libzmq, Library::BaridBatch]
        );
        let all: Selection = "tcp".parse().unwrap();
        assert_eq!(all.libraries(&[Library::Barid]), [Library::Barid]);
    }
}
