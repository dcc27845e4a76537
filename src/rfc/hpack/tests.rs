//! The examples of RFC 7541, malformed blocks, and arbitrary bytes.

use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn shown(field: &HpackField) -> String {
    let name = match &field.name {
        HpackName::Method => ":method",
        HpackName::Scheme => ":scheme",
        HpackName::Authority => ":authority",
        HpackName::Path => ":path",
        HpackName::Status => ":status",
        HpackName::UnknownPseudo => ":?",
        HpackName::Field(name) => name.as_str(),
        HpackName::Malformed => "?",
    };
    let value = field.value.as_ref().map_or("?".into(), |value| value.to_str().unwrap().to_owned());
    format!("{name}: {value}")
}

/// Returns the fields of a whole block.
fn decoded(decoder: &mut HpackDecoder, block: &[u8]) -> Result<Vec<String>, MalformedBlock> {
    let mut fields = Vec::new();
    let taken = decoder.decode(block, |field| fields.push(shown(&field)))?;
    decoder.end();
    if taken == block.len() { Ok(fields) } else { Err(MalformedBlock) }
}

/// RFC 7541, appendix C.2 to C.4: each a block, the size of the table after it, and its fields.
#[test]
fn examples_of_the_standard() {
    let first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    let second: Vec<&str> = first.into_iter().chain(["cache-control: no-cache"]).collect();
    let third = [
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ];
    type Step<'a> = (&'a str, usize, &'a [&'a str]);
    let cases: [&[Step<'_>]; 6] = [
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            55,
            &["custom-key: custom-header"],
        )],
        &[("040c 2f73 616d 706c 652f 7061 7468", 0, &[":path: /sample/path"])],
        &[("1008 7061 7373 776f 7264 0673 6563 7265 74", 0, &["password: secret"])],
        &[("82", 0, &[":method: GET"])],
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", 57, &first),
            ("8286 84be 5808 6e6f 2d63 6163 6865", 110, &second),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                164,
                &third,
            ),
        ],
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", 57, &first),
            ("8286 84be 5886 a8eb 1064 9cbf", 110, &second),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", 164, &third),
        ],
    ];
    for steps in cases {
        let mut decoder = HpackDecoder::default();
        for (block, size, fields) in steps {
            assert_eq!(decoded(&mut decoder, &bytes(block)).unwrap(), *fields, "{block}");
            assert_eq!(decoder.table().0, *size, "{block}");
        }
    }
}

/// RFC 7541, appendix C.5 and C.6: a table of 256 bytes that evicts entries.
#[test]
fn examples_of_the_standard_with_eviction() {
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    let location = "location: https://www.example.com";
    let later = "date: Mon, 21 Oct 2013 20:13:22 GMT";
    let cases = [
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032
             303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63
             6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0
             5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851
             5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ],
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b
             ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad
             94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160
             65c0 03ed 4ee5 b106 3d50 07",
        ],
    ];
    for blocks in cases {
        let mut decoder = HpackDecoder::default();
        // The size is set before the first field.
        assert_eq!(decoded(&mut decoder, &bytes("3f e1 01")), Ok(vec![]));
        let expected = [
            vec![":status: 302", "cache-control: private", date, location],
            vec![":status: 307", "cache-control: private", date, location],
            vec![
                ":status: 200",
                "cache-control: private",
                later,
                location,
                "content-encoding: gzip",
                cookie,
            ],
        ];
        for ((block, fields), size) in blocks.iter().zip(expected).zip([222, 222, 215]) {
            assert_eq!(decoded(&mut decoder, &bytes(block)).unwrap(), fields);
            assert_eq!(decoder.table().0, size);
        }
    }
}

#[test]
fn what_is_malformed_for_http_can_be_referred_to() {
    let mut decoder = HpackDecoder::default();
    // `A: b`, `a: \0`, `:x: y`, `a` with the value of a malformed name.
    let block = bytes("40 0141 0162  40 0161 0100  40 023a78 0179  40 0161 0163");
    let fields = ["?: b", "a: ?", ":?: y", "a: c"];
    assert_eq!(decoded(&mut decoder, &block).unwrap(), fields);
    assert_eq!(decoder.table().0, 4 * 32 + 2 + 2 + 3 + 2);
    // Each by its index, the newest first; then a name of one with another value.
    let again = decoded(&mut decoder, &bytes("be bf c0 c1  7e 0164")).unwrap();
    assert_eq!(again, ["a: c", ":?: y", "a: ?", "?: b", "a: d"]);
    // A name whose bytes were not kept still counts in the table with its length.
    let size = decoder.table().0;
    assert_eq!(decoded(&mut decoder, &bytes("7f03 0165")).unwrap(), ["?: e"]);
    assert_eq!(decoder.table().0, size + 32 + 2);
}

#[test]
fn what_cannot_be_decoded() {
    for (block, why) in [
        ("80", "index 0"),
        ("be", "an index beyond the tables"),
        ("ff ff ff 7f", "an index far beyond"),
        ("ff ff ff ff ff 0f", "a number that is too large"),
        ("ff 80 80 80 80 80 80 00", "a number with zeros without end"),
        ("40 81 ff 00", "a coded string that is only padding"),
        ("82 20", "a size behind a field"),
        ("3f e2 1f", "a size above 4,096"),
        ("7f 00 00", "a name beyond the tables"),
        ("40", "a truncated field"),
        ("40 01", "a truncated name"),
        ("40 01 61", "a value that is missing"),
        ("40 01 61 05 61", "a truncated value"),
    ] {
        assert_eq!(
            decoded(&mut HpackDecoder::default(), &bytes(block)),
            Err(MalformedBlock),
            "{why}"
        );
    }
    assert_eq!(decoded(&mut HpackDecoder::default(), &bytes("20 3f e1 1f 82")).unwrap().len(), 1);
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = HpackDecoder::default();
    assert!(decoded(&mut decoder, &bytes("40 0161 0162")).is_ok());
    let mut block = bytes("40 0161 7f 81 1f");
    block.resize(block.len() + 4096, b'v');
    assert_eq!(decoded(&mut decoder, &block).unwrap().len(), 1);
    assert_eq!(decoder.table(), (0, 0));
}

proptest! {
    /// For any bytes, there is no panic, the table stays within its limit, and splitting the bytes changes nothing.
    #[test]
    fn anything_is_decoded_within_bounds(
        block in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(0x40), Just(0x82), Just(0xbe), Just(0x01), Just(0x61)],
            0..600,
        ),
        cut in 1..80_usize,
    ) {
        let mut whole = HpackDecoder::default();
        let mut fields = Vec::new();
        let result = whole.decode(&block, |field| fields.push(format!("{field:?}")));
        prop_assert!(whole.table().0 <= table::MAX_SIZE && whole.table().1 <= 128);
        let mut pieces = HpackDecoder::default();
        let (mut same, mut rest, mut failed) = (Vec::new(), Vec::new(), false);
        for piece in block.chunks(cut) {
            rest.extend_from_slice(piece);
            match pieces.decode(&rest, |field| same.push(format!("{field:?}"))) {
                Ok(taken) => drop(rest.drain(..taken)),
                Err(MalformedBlock) => {
                    failed = true;
                    break;
                }
            }
        }
        prop_assert_eq!(result.is_err(), failed);
        prop_assert_eq!(fields, same);
        prop_assert_eq!(whole.table(), pieces.table());
    }

    /// Encoded literals decode to their original, whatever is in them.
    #[test]
    fn literals(pairs in proptest::collection::vec(("[a-z0-9-]{1,30}", "[ -~]{0,200}"), 0..30)) {
        let mut block = Vec::new();
        for (name, value) in &pairs {
            block.push([0x00, 0x10, 0x40][value.len() % 3]);
            for text in [name, value] {
                match text.len() {
                    short @ 0..127 => block.push(short as u8),
                    long => block.extend([127, (long - 127) as u8]),
                }
                block.extend(text.bytes());
            }
        }
        let expected: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        prop_assert_eq!(decoded(&mut HpackDecoder::default(), &block).unwrap(), expected);
    }
}
