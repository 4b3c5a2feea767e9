//! Fuzzes the ingest body: whatever comes in becomes an event whose data is JSON of bounded depth,
//! or is refused with a problem of the caller's making.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postroom_core::json::{MAX_DEPTH, too_deep};
use postroom_engine::source::{Source, Takes, Unfit};

fuzz_target!(|body: &[u8]| {
    let source = Source {
        name: "ingest".to_owned(),
        path: "/api/webhooks/ingest".to_owned(),
        takes: Takes::Envelope { token: None },
    };
    match source.envelope(&[], body) {
        Ok(arriving) => {
            assert!(arriving.data.text().starts_with('{'));
            assert_eq!(too_deep(arriving.data.text().as_bytes(), MAX_DEPTH), None);
            assert!(std::str::from_utf8(body).is_ok());
        }
        Err(Unfit::Missing) => {}
        Err(Unfit::Problem(problem)) => assert_eq!(problem.kind.status, 400, "{problem}"),
    }
});
