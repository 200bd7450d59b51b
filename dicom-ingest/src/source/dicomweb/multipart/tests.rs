//! Whatever the parts and however the body is cut, what comes out is what went in; and no bytes bring a panic.

use proptest::prelude::*;

use super::*;

const TYPE: &str = r#"multipart/related; type="application/dicom"; boundary=b-1"#;

/// A body of these parts. `stated` writes their lengths into their headers.
fn body(parts: &[Vec<u8>], stated: bool) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(b"\r\n--b-1\r\nContent-Type: application/dicom\r\n");
        if stated {
            body.extend_from_slice(format!("Content-Length: {}\r\n", part.len()).as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(part);
    }
    body.extend_from_slice(b"\r\n--b-1--\r\n");
    body
}

/// The parts of a body that comes in pieces of these lengths, over and over.
fn split(body: &[u8], cuts: &[usize]) -> Result<Vec<Vec<u8>>, MultipartError> {
    let mut splitter = Splitter::new(TYPE)?;
    let (mut parts, mut open, mut at) = (Vec::new(), None::<Vec<u8>>, 0);
    for cut in cuts.iter().cycle() {
        let end = (at + cut).min(body.len());
        for event in splitter.push(&body[at..end])? {
            match event {
                Event::Begin => assert!(open.replace(Vec::new()).is_none()),
                Event::Piece(piece) => open.as_mut().unwrap().extend(piece),
                Event::End => parts.push(open.take().unwrap()),
            }
        }
        // What is held back is never more than a head or a delimiter.
        assert!(splitter.held.len() <= HEAD_BYTES + 100);
        at = end;
        if at == body.len() {
            break;
        }
    }
    splitter.finish()?;
    Ok(parts)
}

proptest! {
    #[test]
    fn what_went_in_comes_out_however_it_is_cut(
        // bytes that look like parts of delimiters come often
        parts in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'b'), any::<u8>()], 0..200), 0..6),
        cuts in prop::collection::vec(1..40_usize, 1..8),
        stated: bool,
    ) {
        prop_assume!(parts.iter().all(|part| memmem::find(part, b"\r\n--b-1").is_none()));
        let whole = body(&parts, stated);
        prop_assert_eq!(split(&whole, &cuts), Ok(parts));
    }

    #[test]
    fn a_body_that_ends_too_early_is_truncated(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..4),
        cut in 0..1000_usize,
    ) {
        prop_assume!(parts.iter().all(|part| memmem::find(part, b"\r\n--b-1").is_none()));
        let whole = body(&parts, true);
        // the closing delimiter's last dash is four bytes from the end
        let end = (whole.len() - 3) * cut / 1000;
        prop_assert_eq!(split(&whole[..end], &[7]), Err(MultipartError::Truncated));
    }

    #[test]
    fn no_bytes_bring_a_panic(
        pieces in prop::collection::vec(prop_oneof![Just(b"\r\n--b-1".to_vec()), Just(b"\r\n\r\n".to_vec()), Just(b"--".to_vec()), prop::collection::vec(any::<u8>(), 0..40)], 0..40),
    ) {
        let mut splitter = Splitter::new(TYPE).unwrap();
        for piece in pieces {
            if splitter.push(&piece).is_err() {
                break;
            }
        }
        splitter.finish().ok();
    }

    #[test]
    fn no_content_type_brings_a_panic(text in r#"(multipart/related)?[;="a-z é\\ ]{0,80}"#) {
        drop(Splitter::new(&text));
    }
}

#[test]
fn content_types_of_real_servers_and_others() {
    for (text, expected) in [
        (r#"multipart/related; type="application/dicom"; boundary=7c9c-3"#, Some("7c9c-3")),
        (r#"Multipart/Related;boundary="a b;c";type="application/dicom""#, Some("a b;c")),
        ("multipart/related; BOUNDARY=x ; start=1", Some("x")),
        ("multipart/related", None),
        ("multipart/related; boundary=", None),
        (r#"multipart/related; boundary="x"#, None),
        ("application/dicom; boundary=x", None),
        ("", None),
    ] {
        assert_eq!(boundary(text).as_deref(), expected, "{text}");
    }
    assert_eq!(boundary(&format!("multipart/mixed; boundary={}", "x".repeat(71))), None);
}

#[test]
fn what_is_malformed_is_typed() {
    let head = b"\r\n--b-1\r\nContent-Length: 3\r\n\r\n";
    let wrong = |tail: &[u8]| split(&[head, tail].concat(), &[5]);
    assert_eq!(wrong(b"abc\r\n--b-1--"), Ok(vec![b"abc".to_vec()]));
    assert_eq!(wrong(b"ab\r\n--b-1--"), Err(MultipartError::WrongLength));
    assert_eq!(wrong(b"abcd\r\n--b-1--"), Err(MultipartError::WrongLength));
    assert_eq!(wrong(b"abc\r\n--b-1x"), Err(MultipartError::BrokenDelimiter));
    assert_eq!(split(&vec![b'x'; HEAD_BYTES + 100], &[1000]), Err(MultipartError::HeadTooLong));
    let endless = [b"--b-1\r\n".to_vec(), vec![b'x'; HEAD_BYTES + 100]].concat();
    assert_eq!(split(&endless, &[1000]), Err(MultipartError::HeadTooLong));
    // a preamble, blanks after the boundary, and an epilogue mean nothing
    let body = b"hello\r\n--b-1 \t\r\n\r\nabc\r\n--b-1--\r\nbye";
    assert_eq!(split(body, &[3]), Ok(vec![b"abc".to_vec()]));
}
