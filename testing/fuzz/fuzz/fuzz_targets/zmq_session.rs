//! libFuzzer on `fuzz::zmq_session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::zmq_session(data));
