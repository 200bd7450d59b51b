//! A writer of RLE (PS3.5 annex G): the bytes of each significance, runs of at least three and literals.

/// Encodes samples of two bytes.
pub(super) fn encode(samples: &[u16]) -> Vec<u8> {
    let plane = |byte: usize| pack(&samples.iter().map(|own| own.to_be_bytes()[byte]).collect::<Vec<_>>());
    let (high, low) = (plane(0), plane(1));
    let mut header = [0_u32; 16];
    header[..3].copy_from_slice(&[2, 64, 64 + u32::try_from(high.len()).unwrap_or_default()]);
    let mut out: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    out.extend(high);
    out.extend(low);
    out
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take(128).take_while(|byte| **byte == bytes[at]).count();
        if run >= 3 {
            packed.extend([count(257 - run), bytes[at]]);
            at += run;
            continue;
        }
        let rest = &bytes[at..bytes.len().min(at + 128)];
        let same = |three: &[u8]| three[0] == three[1] && three[1] == three[2];
        let literal = rest.windows(3).position(same).unwrap_or(rest.len()).max(1);
        packed.push(count(literal - 1));
        packed.extend(&rest[..literal]);
        at += literal;
    }
    if packed.len() % 2 == 1 {
        packed.push(0);
    }
    packed
}

fn count(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
