//! A twelve-bar walking bass as a WAV file: a static file that is worth seeking in, and therefore
//! one that a browser asks for in ranges. Made at the start, so that the binary need not carry it.

use std::collections::VecDeque;

/// Samples a second.
const RATE: usize = 16_000;
/// Samples of one beat, at 132 beats a minute.
const BEAT: usize = RATE * 60 / 132;
/// What is left of a swing at its next turn.
const DECAY: f32 = 0.975;
/// A blues in F, a MIDI note for each beat.
#[rustfmt::skip]
const NOTES: [u8; 48] = [
    29, 33, 36, 38,  34, 38, 41, 38,  41, 39, 36, 33,  29, 33, 36, 35,
    34, 38, 41, 38,  35, 38, 41, 38,  36, 33, 29, 33,  38, 36, 33, 32,
    31, 34, 38, 34,  36, 40, 43, 40,  41, 36, 38, 33,  31, 34, 36, 30,
];

/// The whole file.
pub(super) fn walking_bass() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(4);
    let mut samples = Vec::with_capacity(NOTES.len() * BEAT);
    for note in NOTES {
        samples.extend(pluck(note, &mut random));
    }
    let peak = samples.iter().fold(f32::MIN_POSITIVE, |peak, s| peak.max(s.abs()));
    let mut file = header(samples.len());
    for sample in samples {
        let level = sample / peak * 0.8 * f32::from(i16::MAX);
        file.extend((level as i16).to_le_bytes());
    }
    file
}

/// One beat of one string: noise that goes round a delay line as long as the note's period and is
/// smoothed at each turn (Karplus and Strong, 1983).
fn pluck(note: u8, random: &mut fastrand::Rng) -> impl Iterator<Item = f32> {
    let frequency = 440.0 * 2f32.powf((f32::from(note) - 69.0) / 12.0);
    let period = (RATE as f32 / frequency).round().max(2.0) as usize;
    let mut smooth = 0.0;
    // A finger, not a plectrum: the burst is already dull.
    let mut string: VecDeque<f32> = (0..period)
        .map(|_| {
            smooth += 0.35 * (random.f32() * 2.0 - 1.0 - smooth);
            smooth
        })
        .collect();
    // A string swings about its rest.
    let rest = string.iter().sum::<f32>() / period as f32;
    string.iter_mut().for_each(|sample| *sample -= rest);
    (0..BEAT).map(move |at| {
        let sample = string.pop_front().unwrap_or_default();
        let next = string.front().copied().unwrap_or_default();
        string.push_back(DECAY * 0.5 * (sample + next));
        // The hand damps the string just before the next note, and nothing clicks.
        sample * (((BEAT - at) as f32) / 600.0).min(1.0)
    })
}

/// The 44 bytes before 16-bit mono samples.
fn header(samples: usize) -> Vec<u8> {
    let rate = RATE as u32;
    let bytes = samples as u32 * 2;
    let mut head = Vec::with_capacity(44 + samples * 2);
    head.extend(b"RIFF");
    head.extend((36 + bytes).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16u32.to_le_bytes());
    head.extend([1, 0, 1, 0]);
    head.extend(rate.to_le_bytes());
    head.extend((rate * 2).to_le_bytes());
    head.extend([2, 0, 16, 0]);
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_tells_the_length_of_the_sound() {
        let file = walking_bass();
        assert_eq!(&file[..4], b"RIFF");
        assert_eq!(file.len(), 44 + NOTES.len() * BEAT * 2);
        assert_eq!(file[4..8], (file.len() as u32 - 8).to_le_bytes());
        assert_eq!(file[40..44], (file.len() as u32 - 44).to_le_bytes());
        assert!(file[44..].iter().any(|&b| b != 0), "silence");
    }
}
