//! Reads how many tests passed from what test runners print.

/// Tests that ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// Adds what a line says, if it is the summary of a test binary or of a tool of ours.
    pub(crate) fn add_line(&mut self, line: &str) {
        let rest = match line.split_once("test result: ") {
            Some((_, rest)) => rest,
            None if line.starts_with(|c: char| c.is_ascii_digit()) => line,
            None => return,
        };
        let number = |word: &str| {
            let mut parts = rest.split([';', '.', ',']);
            let found = parts.find_map(|part| part.trim().strip_suffix(word));
            found.and_then(|number| number.parse::<u64>().ok())
        };
        if let (Some(passed), Some(failed)) = (number(" passed"), number(" failed")) {
            self.passed += passed;
            self.failed += failed;
        }
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_counted_and_other_lines_are_not() {
        let mut count = Count::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; x 0.01s",
            "test a ... ok",
            "2 crashes from seed 1",
            "300 passed, 1 failed",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            count.add_line(line);
        }
        assert_eq!(
            count,
            Count {
                passed: 313,
                failed: 3
            }
        );
    }
}
