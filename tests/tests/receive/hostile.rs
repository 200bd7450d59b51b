//! Whatever comes to the port costs its connection, and nothing else.

use chiasm_tests::phantom_series;
use chiasm_tests::receiver::{Receiver, ReceivingSite, files};
use dicom_ul::pdu::{PDataValueType, Pdu};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::peer::{Command, Sender};

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";

/// An A-ASSOCIATE-RQ (PS3.8 9.3.2) for verification.
fn associate() -> Vec<u8> {
    let title = |text: &str| format!("{text:16}").into_bytes();
    let item = |kind: u8, value: &[u8]| {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind, 0], length.as_slice(), value].concat()
    };
    let context =
        [vec![1, 0, 0, 0], item(0x30, b"1.2.840.10008.1.1"), item(0x40, b"1.2.840.10008.1.2")].concat();
    let body = [
        vec![0, 1, 0, 0],
        title("CHIASM"),
        title("PACS"),
        vec![0; 32],
        item(0x10, b"1.2.840.10008.3.1.1.1"),
        item(0x20, &context),
        item(0x50, &item(0x51, &16_384_u32.to_be_bytes())),
    ]
    .concat();
    pdu(1, u32::try_from(body.len()).unwrap(), &body)
}

/// A PDU that says this length.
fn pdu(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], length.to_be_bytes().as_slice(), body].concat()
}

fn still_answers(receiver: &Receiver) {
    let (is_answered, said) = receiver.call("echoscu", &[], &[]);
    assert!(is_answered, "{said}");
}

#[test]
fn bytes_that_are_no_dicom_end_their_connection() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600\nidle_s = 1");
    let receiver = site.receiver(&[]);
    let good = associate();
    let accepted = 2;
    assert_eq!(receiver.raw(&good)[0], accepted, "the request is one, and its silence is ended");
    let mut random = ChaCha8Rng::seed_from_u64(20_261_125);
    let mut noise = vec![0; 100_000];
    random.fill(&mut noise[..]);
    let half = &good[..good.len() / 2];
    for (what, bytes) in [
        ("nothing", &[][..]),
        ("noise", &noise),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("half a request", half),
        ("a request of 4 GiB", &pdu(1, u32::MAX, &good[6..])),
        ("a request without content", &pdu(1, 0, b"")),
        ("data first", &pdu(4, 8, &[0, 0, 0, 4, 1, 3, 0, 0])),
        ("an unknown PDU", &pdu(0x42, 4, &[0; 4])),
    ] {
        let answer = receiver.raw(bytes);
        // An abort or nothing: no association came about.
        assert!(answer.first().is_none_or(|kind| *kind == 7), "{what}: {answer:?}");
    }
    for (what, bytes) in [
        ("a PDU beyond the limit", pdu(4, 200 * 1024, &[0; 100])),
        ("half a PDU", pdu(4, 100, &[0; 10])),
        ("a fragment longer than its PDU", pdu(4, 8, &[0xFF, 0xFF, 0xFF, 0xFF, 1, 3, 0, 0])),
        ("a fragment without a context", pdu(4, 4, &[0, 0, 0, 0])),
        ("a command that is none", pdu(4, 10, &[0, 0, 0, 6, 1, 3, 1, 2, 3, 4])),
        ("a data set without a command", pdu(4, 10, &[0, 0, 0, 6, 1, 2, 1, 2, 3, 4])),
        ("a second request", good.clone()),
    ] {
        let answer = receiver.raw(&[good.clone(), bytes].concat());
        assert_eq!(answer[0], accepted, "{what}");
        let length = u32::from_be_bytes(answer[2..6].try_into().unwrap());
        let rest = &answer[6 + usize::try_from(length).unwrap()..];
        assert_eq!(rest.first(), Some(&7), "{what}: A-ABORT, not {rest:?}");
    }
    still_answers(&receiver);
}

/// Requests that were changed at one place each.
#[test]
fn no_damaged_request_ends_the_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600\nidle_s = 1\nmax_associations = 64");
    let receiver = site.receiver(&[]);
    let good = associate();
    let mut random = ChaCha8Rng::seed_from_u64(20_261_126);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let damaged: Vec<Vec<u8>> = (0..8)
                .map(|_| {
                    let mut bytes = good.clone();
                    let place = random.random_range(2..bytes.len());
                    bytes[place] ^= 1 << random.random_range(0..8);
                    bytes
                })
                .collect();
            let receiver = &receiver;
            scope.spawn(move || damaged.iter().for_each(|bytes| drop(receiver.raw(bytes))));
        }
    });
    still_answers(&receiver);
    assert!(!receiver.logged().contains("panicked"), "{}", receiver.logged());
}

#[test]
fn a_sender_that_goes_silent_or_away_in_the_middle_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600\nidle_s = 1");
    let receiver = site.receiver(&[]);
    let mut silent = Sender::open(receiver.address, DX);
    silent.command(&Command::store(DX, "1.2.3"));
    silent.fragment(&PDataValueType::Data, &[0; 5000], false).unwrap();
    assert!(matches!(silent.next(), Ok(Pdu::AbortRQ { .. })), "silent for too long");
    let mut away = Sender::open(receiver.address, DX);
    away.command(&Command::store(DX, "1.2.3"));
    away.fragment(&PDataValueType::Data, &[0; 5000], false).unwrap();
    drop(away);
    chiasm_tests::site::workers::wait_until(
        "what was half sent is removed",
        std::time::Duration::from_mins(1),
        || site.own("arriving") == 0 && receiver.logged().matches("association ended").count() == 2,
    );
    assert_eq!(site.own("open"), 0);

    // a command that never ends
    let mut endless = Sender::open(receiver.address, DX);
    let ended = (0..100).any(|_| endless.fragment(&PDataValueType::Command, &[0; 10_000], false).is_err());
    assert!(ended || matches!(endless.next(), Ok(Pdu::AbortRQ { .. }) | Err(_)));
    still_answers(&receiver);
    let (is_stored, said) =
        receiver.call("storescu", &[], &files(&folder.path().join("sent"), &phantom_series(63, 1)));
    assert!(is_stored, "{said}");
}

#[test]
fn a_receiver_that_is_told_to_stop_ends_its_associations_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let site = ReceivingSite::new(folder.path(), "quiet_s = 3600");
    let mut receiver = site.receiver(&[]);
    let mut idle = Sender::open(receiver.address, DX);
    assert_eq!(receiver.stop(), Some(0));
    assert!(matches!(idle.next(), Ok(Pdu::AbortRQ { .. })));
}
