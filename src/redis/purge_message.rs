//! An entry of the stream: what one Sideman has purged, for the others. Its fields are
//!
//! ```text
//! from  8a3f0c5d11e2b7a9            the Sideman that has sent it
//! mode  hard                        or soft
//! url   example.org /news/?page=2   any number of url, prefix, tag and all
//! ```
//!
//! Whoever can write to Redis can write anything here: an entry that is not exactly so is refused.

/// The most names in one message.
pub(super) const MAX_NAMES: usize = 64;
/// The longest name; the longest message has a name or two more than half of it.
pub(super) const MAX_NAME: usize = 16 * 1024;
/// A message gets another name only if it has at most so many bytes.
const FULL: usize = 8 * 1024;

const FROM: &[u8] = b"from";
const MODE: &[u8] = b"mode";
const ALL: &[u8] = b"all";
const URL: &[u8] = b"url";
const PREFIX: &[u8] = b"prefix";
const TAG: &[u8] = b"tag";
/// The field of an entry that purges nothing: the first one of an empty stream.
const BEGIN: &[u8] = b"begin";

/// What was purged together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeMessage {
    /// Whether it becomes stale, and is not forgotten.
    pub is_soft: bool,
    pub names: Vec<PurgeName>,
}

/// The name of something that was purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurgeName {
    Everything,
    Tag(Vec<u8>),
    /// All URLs of a host whose path begins with this, which ends with `/`.
    Prefix {
        host: Vec<u8>,
        path: Vec<u8>,
    },
    /// One URL of a host: path and query.
    Url {
        host: Vec<u8>,
        target: Vec<u8>,
    },
}

/// The name of a Sideman in the stream: 16 hexadecimal digits, chosen at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SenderName([u8; 16]);

/// An entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamEntry {
    Begin,
    Purge { from: SenderName, message: PurgeMessage },
}

/// An entry that is none of ours, or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownEntry;

// === impl SenderName ===

impl SenderName {
    pub(super) fn random() -> Self {
        let mut name = [0; 16];
        name.fill_with(|| *fastrand::choice(b"0123456789abcdef").unwrap_or(&b'0'));
        Self(name)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let name: [u8; 16] = text.try_into().ok()?;
        name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(name))
    }
}

// === impl PurgeMessage ===

impl PurgeMessage {
    /// Everything is forgotten.
    pub fn everything() -> Self {
        Self { is_soft: false, names: vec![PurgeName::Everything] }
    }

    /// Divides it into messages that fit into an entry. `None` if a name does not.
    pub(super) fn divided(self) -> Option<Vec<Self>> {
        let is_soft = self.is_soft;
        let (mut messages, mut bytes) = (Vec::<Self>::new(), 0);
        for name in self.names {
            let length = name.value().len();
            if length > MAX_NAME || !name.is_readable() {
                return None;
            }
            match messages.last_mut() {
                Some(last) if bytes <= FULL && last.names.len() < MAX_NAMES => {
                    last.names.push(name);
                    bytes += length;
                }
                Some(_) | None => {
                    messages.push(Self { is_soft, names: vec![name] });
                    bytes = length;
                }
            }
        }
        Some(messages)
    }

    /// Returns the fields of the entry, each name followed by its value.
    pub(super) fn fields(&self, from: SenderName) -> Vec<Vec<u8>> {
        let mode: &[u8] = if self.is_soft { b"soft" } else { b"hard" };
        let mut fields: Vec<Vec<u8>> =
            [FROM, from.as_bytes(), MODE, mode].map(<[u8]>::to_vec).into();
        for name in &self.names {
            fields.push(name.field().to_vec());
            fields.push(name.value());
        }
        fields
    }
}

// === impl PurgeName ===

impl PurgeName {
    fn field(&self) -> &'static [u8] {
        match self {
            Self::Everything => ALL,
            Self::Tag(_) => TAG,
            Self::Prefix { .. } => PREFIX,
            Self::Url { .. } => URL,
        }
    }

    fn value(&self) -> Vec<u8> {
        match self {
            Self::Everything => Vec::new(),
            Self::Tag(tag) => tag.clone(),
            Self::Prefix { host, path: target } | Self::Url { host, target } => {
                [host, b" ".as_slice(), target].concat()
            }
        }
    }

    /// Whether [`parse`](Self::parse) reads what [`value`](Self::value) writes.
    fn is_readable(&self) -> bool {
        Self::parse(self.field(), &self.value()).is_ok_and(|name| name == *self)
    }

    fn parse(field: &[u8], value: &[u8]) -> Result<Self, UnknownEntry> {
        if value.len() > MAX_NAME {
            return Err(UnknownEntry);
        }
        if field == ALL && value.is_empty() {
            return Ok(Self::Everything);
        }
        if field == TAG && !value.is_empty() {
            return Ok(Self::Tag(value.to_vec()));
        }
        let space = memchr::memchr(b' ', value).ok_or(UnknownEntry)?;
        let (host, target) = value.split_at_checked(space).ok_or(UnknownEntry)?;
        let target = target.strip_prefix(b" ").filter(|target| target.starts_with(b"/"));
        let (host, target) = (host.to_vec(), target.ok_or(UnknownEntry)?.to_vec());
        // A purge passes the target on as text.
        let is_valid = !host.is_empty() && std::str::from_utf8(&target).is_ok();
        match field {
            URL if is_valid => Ok(Self::Url { host, target }),
            PREFIX if is_valid && target.ends_with(b"/") => Ok(Self::Prefix { host, path: target }),
            _ => Err(UnknownEntry),
        }
    }
}

// === impl StreamEntry ===

impl StreamEntry {
    /// The fields of an entry that purges nothing.
    pub(super) const BEGIN: [&'static [u8]; 2] = [BEGIN, b"1"];

    /// Reads the fields of an entry, each name followed by its value.
    pub(super) fn parse(fields: &[&[u8]]) -> Result<Self, UnknownEntry> {
        if *fields == Self::BEGIN {
            return Ok(Self::Begin);
        }
        let [FROM, from, MODE, mode, names @ ..] = fields else { return Err(UnknownEntry) };
        let from = SenderName::parse(from).ok_or(UnknownEntry)?;
        let is_soft = match *mode {
            b"soft" => true,
            b"hard" => false,
            _ => return Err(UnknownEntry),
        };
        let (pairs, rest) = names.as_chunks::<2>();
        if !rest.is_empty() || pairs.is_empty() || pairs.len() > MAX_NAMES {
            return Err(UnknownEntry);
        }
        let names = pairs.iter().map(|[field, value]| PurgeName::parse(field, value));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Purge { from, message: PurgeMessage { is_soft, names } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(fields: &[&str]) -> Result<StreamEntry, UnknownEntry> {
        let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
        StreamEntry::parse(&fields)
    }

    const SENDER: &str = "0123456789abcdef";

    #[test]
    fn entries_that_sidemans_write() {
        assert_eq!(read(&["begin", "1"]), Ok(StreamEntry::Begin));
        let fields = ["from", SENDER, "mode", "soft", "url", "a.test /x y", "tag", "a b"];
        let names = vec![
            PurgeName::Url { host: b"a.test".into(), target: b"/x y".into() },
            PurgeName::Tag(b"a b".into()),
        ];
        let from = SenderName(SENDER.as_bytes().try_into().unwrap());
        let message = PurgeMessage { is_soft: true, names };
        assert_eq!(read(&fields), Ok(StreamEntry::Purge { from, message }));
    }

    #[test]
    fn other_entries_are_refused() {
        let head = ["from", SENDER, "mode", "hard"];
        for names in [
            &[][..],
            &["url"],
            &["url", ""],
            &["url", "a.test"],
            &["url", " /x"],
            &["url", "a.test x"],
            &["prefix", "a.test /x"],
            &["tag", ""],
            &["all", "x"],
            &["more", "x"],
            &["URL", "a.test /"],
        ] {
            assert_eq!(read(&[&head, names].concat()), Err(UnknownEntry), "{names:?}");
        }
        for head in [
            &["from", "0123456789ABCDEF", "mode", "hard"],
            &["from", "0123", "mode", "hard"],
            &["from", SENDER, "mode", "medium"],
            &["mode", "hard", "from", SENDER],
        ] {
            assert_eq!(read(&[&head[..], &["all", ""]].concat()), Err(UnknownEntry), "{head:?}");
        }
        let many = ["tag", "x"].repeat(MAX_NAMES + 1);
        assert_eq!(read(&[&head[..], &many].concat()), Err(UnknownEntry));
        assert_eq!(
            read(&[&head[..], &["tag", &"x".repeat(MAX_NAME + 1)]].concat()),
            Err(UnknownEntry)
        );
    }

    #[test]
    fn long_messages_are_divided() {
        let tag = |length: usize| PurgeName::Tag(vec![b'x'; length]);
        let divided = |names: Vec<PurgeName>| {
            let messages = PurgeMessage { is_soft: true, names }.divided()?;
            assert!(messages.iter().all(|message| message.is_soft));
            Some(messages.iter().map(|message| message.names.len()).collect::<Vec<_>>())
        };
        assert_eq!(divided(vec![tag(1); 130]), Some(vec![64, 64, 2]));
        assert_eq!(divided(vec![tag(5000); 5]), Some(vec![2, 2, 1]));
        assert_eq!(divided(vec![tag(MAX_NAME)]), Some(vec![1]));
        assert_eq!(divided(vec![tag(1), tag(MAX_NAME + 1)]), None);
        // Its host and path could not be told apart.
        assert_eq!(
            divided(vec![PurgeName::Url { host: b"a b".into(), target: b"x".into() }]),
            None
        );
    }

    proptest! {
        #[test]
        fn written_entries_are_read_back(
            is_soft in any::<bool>(),
            tags in prop::collection::vec("[ -~]{1,9}", 0..5),
            urls in prop::collection::vec(("[a-z.:]{1,9}", "/[ -~]{0,9}"), 1..5),
        ) {
            let tags = tags.into_iter().map(|tag| PurgeName::Tag(tag.into()));
            let urls = urls.into_iter().map(|(host, target)| PurgeName::Url { host: host.into(), target: target.into() });
            let message = PurgeMessage { is_soft, names: tags.chain(urls).chain([PurgeName::Everything]).collect() };
            let from = SenderName::random();
            let fields = message.fields(from);
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(StreamEntry::parse(&fields), Ok(StreamEntry::Purge { from, message }));
        }
    }
}
