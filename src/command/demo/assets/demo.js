const script = document.currentScript.src;
const timer = (start = performance.now()) => () => `${Math.round(performance.now() - start)} ms`;
// Without the browser's own cache, every fetch reaches Sideman.
const ask = async (url, options) => {
  const time = timer();
  const response = await fetch(url, { cache: "no-store", ...options });
  return { status: response.status, headers: response.headers, text: await response.text(), time: time() };
};
const shows = {
  async files(say, first = ask(script)) {
    const { status, headers, time } = await first;
    const again = await ask(script, { headers: { "If-None-Match": headers.get("etag") } });
    // The ETag changes once, when Sideman has compressed the file in the background.
    if (again.status !== 304) return shows.files(say, again);
    say(`${status} in ${time}\n${headers.get("cache-control")}\n${again.status} in ${again.time}, asked with its ETag`);
  },
  async queue(say) {
    const visit = async (most) => {
      const { status, text, time } = await ask("/work");
      say(`${status} ${"█".repeat(parseInt(time) / 100)} ${time}`);
      return Math.max(most, text);
    };
    // Browsers open six connections to a server: one is left for the file.
    const visits = [0, 0, 0, 0, 0].map((most) => visit(most).then(visit).then(visit));
    say(`A static file meanwhile: ${(await ask(script)).time}`);
    say(`At the application at once: at most ${Math.max(...(await Promise.all(visits)))}`);
  },
  async restart(say) {
    const { status, time } = await ask("/restart", { method: "POST" }).then(() => ask("/work"));
    say(`${status} after ${time}`);
  },
  async upload(say) {
    const body = document.querySelector("input").files[0] ?? new Uint8Array(20_000_000);
    const { status, text, time } = await ask("/upload", { method: "POST", body });
    say(`${status} in ${time}\nThe application: ${text}`);
  },
  async hints(say) {
    const { status, time } = await ask("/?hints");
    const timing = performance.getEntriesByName(`${location.origin}/?hints`).at(-1);
    say(`103 in ${Math.round(timing.firstInterimResponseStart - timing.startTime)} ms, ${status} in ${time}`);
  },
  events: (say) => new Promise((done) => {
    const [time, source] = [timer(), new EventSource("/events")];
    source.onmessage = ({ data }) => say(`${data}, after ${time()}`);
    setTimeout(() => done(source.close()), 2500);
  }),
  socket: (say) => new Promise((done, fail) => {
    const [time, socket] = [timer(), new WebSocket(`ws://${location.host}/socket`)];
    socket.onopen = () => socket.send("hello");
    socket.onmessage = ({ data }) => done(say(`“${data}” came back after ${time()}`), socket.close());
    socket.onerror = () => fail(new Error("no connection"));
  }),
};
const run = async (button) => {
  const output = button.nextElementSibling;
  [output.textContent, button.disabled] = ["", true];
  await shows[button.dataset.run]((line) => output.append(`${line}\n`)).catch((error) => output.append(error));
  [output.dataset.done, button.disabled] = ["", false];
};
const buttons = [...document.querySelectorAll("section button")];
for (const button of buttons) button.onclick = () => run(button);
document.querySelector("#all").onclick = async () => { for (const button of buttons) await run(button); };
