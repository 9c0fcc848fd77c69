//! libFuzzer on `fuzz::mqtt_codec`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mqtt_codec(data));
