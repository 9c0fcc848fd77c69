//! libFuzzer on `fuzz::stomp_codec`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::stomp_codec(data));
