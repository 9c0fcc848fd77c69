//! libFuzzer on `fuzz::amqp_session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::amqp_session(data));
