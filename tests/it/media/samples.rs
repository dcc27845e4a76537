//! Audio and video made for a test: a minute of each, more than a browser fetches before it plays.

use serde_json::Value;

/// The duration of each in seconds.
pub(super) const SECONDS: u64 = 60;

const FRAMES_A_SECOND: u64 = 10;
pub(super) const SIDE: u16 = 160;

/// A script that draws noise and encodes it as a lossy WebP picture, whose content is a key frame of VP8.
pub(super) fn picture_script() -> String {
    format!(
        "(async () => {{
            const canvas = document.createElement('canvas');
            canvas.width = canvas.height = {SIDE};
            const context = canvas.getContext('2d', {{ alpha: false }});
            const image = context.createImageData({SIDE}, {SIDE});
            for (let at = 0; at < image.data.length; at++)
                image.data[at] = at % 4 == 3 ? 255 : Math.random() * 256;
            context.putImageData(image, 0, 0);
            const blob = await new Promise(done => canvas.toBlob(done, 'image/webp', 0.8));
            return Array.from(new Uint8Array(await blob.arrayBuffer()));
        }})()"
    )
}

/// The frame in the picture that the script returned (RIFF: name, length, content, padded to even length).
pub(super) fn frame(picture: &Value) -> Vec<u8> {
    let number = |value: &Value| u8::try_from(value.as_u64().unwrap()).unwrap();
    let bytes: Vec<u8> = picture.as_array().unwrap().iter().map(number).collect();
    let mut rest = bytes.strip_prefix(b"RIFF").unwrap()[4..].strip_prefix(b"WEBP").unwrap();
    loop {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        if rest.starts_with(b"VP8 ") {
            return rest[8..8 + length].to_vec();
        }
        rest = &rest[8 + length + length % 2..];
    }
}

/// Silence, 16 bits at 44,100 Hz.
pub(super) fn wav() -> Vec<u8> {
    const RATE: u32 = 44_100;
    let length = RATE * 2 * u32::try_from(SECONDS).unwrap();
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    // PCM, one channel, bytes a second, bytes and bits a sample.
    wav.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([RATE, RATE * 2].map(u32::to_le_bytes).concat());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.resize(wav.len() + length as usize, 0);
    wav
}

/// One frame repeated, a cluster for each second, with an index (matroska.org/technical/elements.html).
pub(super) fn webm(frame: &[u8]) -> Vec<u8> {
    let kind = [
        number(&[0x42, 0x86], 1),
        number(&[0x42, 0xf7], 1),
        number(&[0x42, 0xf2], 4),
        number(&[0x42, 0xf3], 8),
        element(&[0x42, 0x82], b"webm"),
        number(&[0x42, 0x87], 2),
        number(&[0x42, 0x85], 2),
    ];
    let duration = (SECONDS * 1000) as f64;
    let info =
        [number(&[0x2a, 0xd7, 0xb1], 1_000_000), element(&[0x44, 0x89], &duration.to_be_bytes())];
    let size = [number(&[0xb0], SIDE.into()), number(&[0xba], SIDE.into())];
    let track = [
        number(&[0xd7], 1),
        number(&[0x73, 0xc5], 1),
        number(&[0x83], 1),
        element(&[0x86], b"V_VP8"),
        element(&[0xe0], &size.concat()),
    ];
    let about = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info.concat()),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track.concat())),
    ]
    .concat();
    let clusters: Vec<Vec<u8>> = (0..SECONDS).map(|second| cluster(second, frame)).collect();
    // Numbers have a fixed length: the index has the same length with any positions.
    let first = about.len() + index(0, &clusters).len();
    let segment = [about, index(first, &clusters), clusters.concat()].concat();
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &kind.concat()),
        element(&[0x18, 0x53, 0x80, 0x67], &segment),
    ]
    .concat()
}

/// The frames of a second.
fn cluster(second: u64, frame: &[u8]) -> Vec<u8> {
    let mut content = number(&[0xe7], second * 1000);
    for number in 0..FRAMES_A_SECOND {
        let offset = u16::try_from(number * 1000 / FRAMES_A_SECOND).unwrap().to_be_bytes();
        // Of track 1, a key frame.
        let block = [&[0x81][..], &offset, &[0x80], frame].concat();
        content.extend(element(&[0xa3], &block));
    }
    element(&[0x1f, 0x43, 0xb6, 0x75], &content)
}

/// The position where each second begins.
fn index(first: usize, clusters: &[Vec<u8>]) -> Vec<u8> {
    let (mut position, mut points) = (first, Vec::new());
    for (second, cluster) in (0..).zip(clusters) {
        let place = [number(&[0xf7], 1), number(&[0xf1], position as u64)].concat();
        let point = [number(&[0xb3], second * 1000), element(&[0xb7], &place)].concat();
        points.extend(element(&[0xbb], &point));
        position += cluster.len();
    }
    element(&[0x1c, 0x53, 0xbb, 0x6b], &points)
}

fn number(id: &[u8], value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// With a length of eight bytes.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64 | 1 << 56).to_be_bytes();
    [id, &length, content].concat()
}
