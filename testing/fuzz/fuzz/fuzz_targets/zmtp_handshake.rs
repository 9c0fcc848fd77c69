//! libFuzzer on `fuzz::zmtp_handshake`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::zmtp_handshake(data));
