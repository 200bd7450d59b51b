//! Any bytes, any request, any damage.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// What an attacker or a broken sender may put somewhere into a message.
const NASTY: [&str; 14] = [
    "file:///etc/passwd",
    "http://169.254.169.254/",
    "../../",
    "\\u0000",
    "\u{0}",
    "\u{202e}",
    "１",
    "[[[[[[[[[[[[[[[[[[",
    "1e999",
    "-0.0",
    "\"x\":1,",
    "null",
    "00",
    "\u{feff}",
];

fn name() -> impl Strategy<Value = Name> {
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}".prop_map(|text| text.parse().unwrap())
}

fn request() -> impl Strategy<Value = JobRequest> {
    let token = "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}";
    let uid = "[1-9][0-9]{0,4}(\\.(0|[1-9][0-9]{0,8})){0,5}".prop_map(|text| text.parse::<Uid>().unwrap());
    let time = (946_684_800_i64..=now().as_second(), 0..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap());
    let targets = proptest::collection::btree_set(name(), 0..5).prop_map(|names| names.into_iter().collect());
    let who = (token, time, uid, option::of(name()), option::of(name()), targets);
    let how =
        (option::of(name()), any::<bool>(), any::<bool>(), option::of(1..=1_000_000_u32), option::of(token));
    (who, how).prop_map(|((id, time, study_uid, source, record, targets), how)| {
        let (pipeline, stat, shadow, expected_instances, correlation_id) = how;
        JobRequest {
            id,
            time,
            study_uid,
            source,
            record,
            targets,
            pipeline,
            lane: if stat { Lane::Stat } else { Lane::Routine },
            mode: if shadow { Mode::Shadow } else { Mode::Clinical },
            expected_instances,
            correlation_id,
        }
    })
}

/// Every word of a request that was read, looked at without the parser's own means.
fn assert_harmless(request: &JobRequest) {
    let names = request.source.iter().chain(&request.record).chain(&request.targets).chain(&request.pipeline);
    for name in names {
        let text = name.as_str();
        assert!((1..=64).contains(&text.len()), "{text:?}");
        assert!(
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'),
            "{text:?}"
        );
    }
    let uid = request.study_uid.as_str();
    assert!((1..=64).contains(&uid.len()) && uid.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    assert!(!uid.contains("..") && !uid.starts_with('.') && !uid.ends_with('.'), "{uid}");
    for token in request.correlation_id.iter().chain([&request.id]) {
        assert!((1..=128).contains(&token.len()) && !token.starts_with('.'), "{token:?}");
        assert!(
            token.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\^\"'<>%@".contains(&byte)),
            "{token:?}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in vec(any::<u8>(), 0..400)) {
        if let Ok(request) = read(&body, now(), &mapping()) {
            assert_harmless(&request);
        }
    }

    #[test]
    fn any_json_is_read_or_refused(body in "\\{(\"(specversion|type|data|StudyInstanceUID|payload_id|bucket|orthanc_study)\":(\\{\\}|\\[\\]|1|\"1.0\"|null),?){0,6}\\}") {
        if let Ok(request) = read(body.as_bytes(), now(), &mapping()) {
            assert_harmless(&request);
        }
    }

    #[test]
    fn a_request_survives_the_wire(request in request()) {
        let message = envelope::message(&request, "urn:example:ris", None);
        prop_assert!(message.body.len() <= MAX_BYTES);
        prop_assert_eq!(read(&message.body, now(), &mapping()).unwrap(), request);
    }

    #[test]
    fn a_damaged_message_gives_no_harmful_request(
        request in request(),
        damage in vec((any::<prop::sample::Index>(), 0..4_usize, 0..NASTY.len(), any::<u8>()), 1..4),
    ) {
        let mut body = envelope::message(&request, "urn:example:ris", None).body;
        for (at, kind, nasty, byte) in damage {
            let at = at.index(body.len().max(1)).min(body.len().saturating_sub(1));
            match kind {
                0 => drop(body.splice(at..at, NASTY[nasty].bytes())),
                1 => drop(body.splice(at..(at + NASTY[nasty].len()).min(body.len()), NASTY[nasty].bytes())),
                2 => body.truncate(at),
                _ => body.iter_mut().skip(at).take(1).for_each(|place| *place = byte),
            }
        }
        match read(&body, now(), &mapping()) {
            Ok(request) => assert_harmless(&request),
            Err(refusal) => {
                prop_assert!(!refusal.code.is_empty() && refusal.reason.is_ascii());
                prop_assert!(!refusal.reason.contains("passwd") && !refusal.reason.contains("169.254"));
            }
        }
    }
}
