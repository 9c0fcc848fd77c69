//! libFuzzer on `fuzz::page_recovery`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::page_recovery(data));
