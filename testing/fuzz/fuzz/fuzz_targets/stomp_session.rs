//! libFuzzer on `fuzz::stomp_session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stomp_session(data));
