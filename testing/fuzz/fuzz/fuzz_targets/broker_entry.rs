//! libFuzzer on `fuzz::broker_entry`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::broker_entry(data));
