//! libFuzzer on `fuzz::zmtp_codec`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::zmtp_codec(data));
