//! The layout of a line: a short list of steps, made from the settings once at the start. Writing a line allocates
//! nothing: it is appended to a buffer that lives as long as its worker.

use super::{
    line::AccessLogLine,
    redact,
    value::{address, digits3, milliseconds, number, protocol},
};
use crate::{
    plan::{AccessLog, LogField, LogSettings, Redact},
    telemetry::{
        clock::Clock,
        escape::{EscapedText, LineForm, quoted},
    },
};

/// Maximum length of a path, query or referer in a line, in bytes.
const MAX_URL_LENGTH: usize = 2048;
/// Maximum length of a user agent, in bytes.
const MAX_AGENT_LENGTH: usize = 512;
/// Maximum length of any other text from the network, in bytes.
const MAX_TEXT_LENGTH: usize = 256;
/// Maximum length of a line: Docker splits longer ones. A test checks the longest line.
pub const MAX_LINE_LENGTH: usize = 16 * 1024;

/// The fields of a line, and its format.
#[derive(Debug)]
pub struct LineLayout {
    form: LineForm,
    steps: Vec<LayoutStep>,
    redact: Redact,
}

/// A field with the text before its value.
#[derive(Debug)]
struct LayoutStep {
    key: Box<[u8]>,
    field: LogField,
}

/// The output of a line.
struct LineWriter<'a> {
    bytes: &'a mut Vec<u8>,
    form: LineForm,
}

// === impl LineLayout ===

impl LineLayout {
    /// Creates the layout for these settings; `None` disables the log.
    pub fn new(plan: &LogSettings) -> Option<Self> {
        let form = match plan.access {
            AccessLog::Json => LineForm::Json,
            AccessLog::Combined => LineForm::Combined,
            AccessLog::Off => return None,
        };
        let key = |field: LogField| match (form, field) {
            (_, LogField::Combined) => String::new(),
            (LineForm::Json, field) => format!("\"{}\":", field.name()),
            (LineForm::Combined, field) => format!("{}=", field.name()),
        };
        let step =
            |field: &LogField| LayoutStep { key: key(*field).into_bytes().into(), field: *field };
        let steps = plan.fields.0.iter().map(step).collect();
        Some(Self { form, steps, redact: plan.redact.clone() })
    }

    /// Returns whether lines contain this field.
    pub fn includes(&self, field: LogField) -> bool {
        self.steps.iter().any(|step| step.field == field)
    }

    /// Appends a line, including its line end.
    pub fn write(&self, bytes: &mut Vec<u8>, line: &AccessLogLine<'_>, clock: &Clock) {
        let start = bytes.len();
        let (open, between, close): (&[u8], _, &[u8]) = match self.form {
            LineForm::Json => (b"{", b',', b"}\n"),
            LineForm::Combined => (b"", b' ', b"\n"),
        };
        bytes.extend_from_slice(open);
        let first = bytes.len();
        for step in &self.steps {
            let before = bytes.len();
            if before > first {
                bytes.push(between);
            }
            bytes.extend_from_slice(&step.key);
            let mut out = LineWriter { bytes: &mut *bytes, form: self.form };
            if !self.value(&mut out, step.field, line, clock) {
                bytes.truncate(before);
            }
        }
        bytes.extend_from_slice(close);
        debug_assert!(bytes.len() - start <= MAX_LINE_LENGTH, "a line is longer than it can be");
    }

    /// Appends a value. Returns `false` if there is none.
    fn value(
        &self,
        out: &mut LineWriter<'_>,
        field: LogField,
        line: &AccessLogLine<'_>,
        clock: &Clock,
    ) -> bool {
        match field {
            LogField::Time => out.quotes(|out| {
                out.extend_from_slice(clock.rfc3339().as_bytes());
                out.push(b'.');
                digits3(out, clock.millisecond());
                out.push(b'Z');
            }),
            LogField::Client => out.quotes(|out| address(out, line.client)),
            LogField::Method => out.text(line.method.as_bytes(), MAX_TEXT_LENGTH),
            LogField::Host => return out.optional(line.host, MAX_TEXT_LENGTH),
            LogField::Path => out.text(line.path.as_bytes(), MAX_URL_LENGTH),
            LogField::Query => {
                let Some(query) = line.query else { return false };
                let mut text = EscapedText::begin_quoted(out.bytes, out.form, MAX_URL_LENGTH);
                redact::query(&self.redact, query.as_bytes(), |part| text.push(part));
                text.end_quoted();
            }
            LogField::Protocol => out.word(protocol(line.version)),
            LogField::Tls => {
                let Some(tls) = line.tls else { return false };
                out.word(tls);
            }
            LogField::Status => number(out.bytes, line.status.into()),
            LogField::Bytes => number(out.bytes, line.bytes),
            LogField::BytesIn if line.bytes_in == 0 => return false,
            LogField::BytesIn => number(out.bytes, line.bytes_in),
            LogField::Duration => milliseconds(out.bytes, line.duration),
            LogField::Queue => {
                let Some(queue) = line.queue else { return false };
                milliseconds(out.bytes, queue);
            }
            LogField::UpstreamTime => {
                let Some(time) = line.upstream_time else { return false };
                milliseconds(out.bytes, time);
            }
            LogField::Upstream => {
                return out.optional(line.upstream.map(str::as_bytes), MAX_TEXT_LENGTH);
            }
            LogField::Route => out.word(line.route.name()),
            LogField::Cache => {
                let Some(cache) = line.cache else { return false };
                out.word(cache);
            }
            LogField::RequestId => out.text(line.request_id, MAX_TEXT_LENGTH),
            LogField::TraceId => {
                return out.optional(line.trace_id.map(str::as_bytes), MAX_TEXT_LENGTH);
            }
            LogField::UserAgent => return out.optional(line.user_agent, MAX_AGENT_LENGTH),
            LogField::Referer => {
                let Some(referer) = line.referer else { return false };
                let mut text = EscapedText::begin_quoted(out.bytes, out.form, MAX_URL_LENGTH);
                redact::url(&self.redact, referer, |part| text.push(part));
                text.end_quoted();
            }
            LogField::Error => return out.optional(line.error.map(str::as_bytes), MAX_TEXT_LENGTH),
            LogField::Combined => self.combined(out.bytes, line, clock),
        }
        true
    }

    /// Appends Apache's `combined` format.
    fn combined(&self, out: &mut Vec<u8>, line: &AccessLogLine<'_>, clock: &Clock) {
        let text = |out: &mut Vec<u8>, bytes: &[u8], max| {
            let mut text = EscapedText::begin(out, LineForm::Combined, max);
            text.push(bytes);
            text.end();
        };
        address(out, line.client);
        out.extend_from_slice(b" - - [");
        out.extend_from_slice(clock.combined().as_bytes());
        out.extend_from_slice(b"] \"");
        text(out, line.method.as_bytes(), MAX_TEXT_LENGTH);
        out.push(b' ');
        text(out, line.path.as_bytes(), MAX_URL_LENGTH);
        if let Some(query) = line.query {
            out.push(b'?');
            let mut text = EscapedText::begin(out, LineForm::Combined, MAX_URL_LENGTH);
            redact::query(&self.redact, query.as_bytes(), |part| text.push(part));
            text.end();
        }
        out.push(b' ');
        out.extend_from_slice(protocol(line.version).as_bytes());
        out.extend_from_slice(b"\" ");
        number(out, line.status.into());
        out.push(b' ');
        number(out, line.bytes);
        out.extend_from_slice(b" \"");
        let mut referer = EscapedText::begin(out, LineForm::Combined, MAX_URL_LENGTH);
        redact::url(&self.redact, line.referer.unwrap_or(b"-"), |part| referer.push(part));
        referer.end();
        out.extend_from_slice(b"\" \"");
        text(out, line.user_agent.unwrap_or(b"-"), MAX_AGENT_LENGTH);
        out.push(b'"');
    }
}

// === impl LineWriter ===

impl LineWriter<'_> {
    fn quotes(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.push(b'"');
        write(self.bytes);
        self.bytes.push(b'"');
    }

    /// Appends a word of Sideman's own, which needs no escaping.
    fn word(&mut self, word: &str) {
        self.quotes(|out| out.extend_from_slice(word.as_bytes()));
    }

    fn text(&mut self, bytes: &[u8], max: usize) {
        quoted(self.bytes, self.form, bytes, max);
    }

    fn optional(&mut self, bytes: Option<&[u8]>, max: usize) -> bool {
        let Some(bytes) = bytes else { return false };
        self.text(bytes, max);
        true
    }
}
