// What the demo's pages do beyond plain HTML; every page also works without this.
"use strict";

const one = (selector, within = document) => within.querySelector(selector);

// The health check, asked from here.
for (const place of document.querySelectorAll("[data-probe]")) {
  fetch(place.dataset.probe, { cache: "no-store" })
    .then((answer) => {
      place.textContent = answer.ok ? "health: ready" : `health: ${answer.status}`;
      place.classList.add(answer.ok ? "good" : "bad");
    })
    .catch(() => {
      place.textContent = "health: no answer";
      place.classList.add("bad");
    });
}

// A slow page: count while waiting.
const wait = one("form[data-wait]");
if (wait) {
  let timer;
  wait.addEventListener("submit", () => {
    const start = performance.now();
    const output = one("[data-elapsed]", wait);
    clearInterval(timer);
    timer = setInterval(() => {
      output.textContent = `${((performance.now() - start) / 1000).toFixed(1)} s …`;
    }, 100);
  });
  // The page may come back from the browser's memory with its clock still running.
  addEventListener("pageshow", () => {
    clearInterval(timer);
    one("[data-elapsed]", wait).textContent = "";
  });
}

// An upload: say what was chosen, and refuse early what the application would refuse late.
const upload = one("form[data-upload]");
if (upload) {
  const input = one("input[type=file]", upload);
  const chosen = one("[data-chosen]", upload);
  const size = () => [...input.files].reduce((sum, file) => sum + file.size, 0);
  input.addEventListener("change", () => {
    const tooMuch = size() > Number(upload.dataset.limit);
    input.setCustomValidity(tooMuch ? "That is more than 64 MiB." : "");
    const files = input.files.length === 1 ? "1 file" : `${input.files.length} files`;
    chosen.textContent = input.files.length
      ? `${files}, ${size().toLocaleString("en")} bytes.${tooMuch ? " That is too much." : ""}`
      : "Nothing chosen yet.";
  });
  upload.addEventListener("submit", () => {
    chosen.textContent = "On its way …";
  });
}

// The event stream.
const events = one("[data-events]");
if (events) {
  const cells = events.querySelectorAll(".beats i");
  const start = one("[data-start]", events);
  const stop = one("[data-stop]", events);
  const state = one("[data-state]", events);
  let source;
  const close = (text) => {
    source?.close();
    source = undefined;
    start.disabled = false;
    stop.disabled = true;
    state.textContent = text;
  };
  start.addEventListener("click", () => {
    cells.forEach((cell) => cell.classList.remove("on"));
    start.disabled = true;
    stop.disabled = false;
    state.textContent = "Connecting …";
    source = new EventSource("/events/stream");
    source.addEventListener("beat", (event) => {
      const { beat, of, sent } = JSON.parse(event.data);
      cells[beat - 1]?.classList.add("on");
      const late = Math.max(0, Date.now() - sent);
      state.textContent = `Beat ${beat} of ${of}, ${late} ms after it was sent.`;
    });
    source.addEventListener("end", () => close("That was the last one."));
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) close("The stream ended.");
      else state.textContent = "Interrupted; connecting again …";
    });
  });
  stop.addEventListener("click", () => close("Stopped."));
}

// Static files: ask for each, then ask again with the ETag that came.
const files = one("[data-files]");
if (files) {
  const ask = async (row) => {
    const file = row.dataset.file;
    const first = await fetch(file, { method: "HEAD", cache: "no-store" });
    one("[data-cell=cache]", row).textContent = first.headers.get("cache-control") ?? "none";
    const tag = first.headers.get("etag");
    const headers = tag ? { "If-None-Match": tag } : {};
    const again = await fetch(file, { method: "HEAD", cache: "no-store", headers });
    one("[data-cell=again]", row).textContent = tag ? String(again.status) : "no ETag";
  };
  for (const row of files.querySelectorAll("tr[data-file]")) {
    ask(row).catch(() => {
      one("[data-cell=again]", row).textContent = "no answer";
    });
  }
}
