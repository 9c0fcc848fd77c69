//! libFuzzer on `fuzz::zws`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::zws(data));
