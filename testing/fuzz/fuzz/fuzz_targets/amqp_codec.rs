//! libFuzzer on `fuzz::amqp_codec`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::amqp_codec(data));
