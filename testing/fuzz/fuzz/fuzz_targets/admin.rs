//! libFuzzer on `fuzz::admin`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::admin(data));
