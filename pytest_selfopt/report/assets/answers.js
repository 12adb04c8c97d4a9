// All answers of a cycle: unpacked when they are looked at, shown one by one, searched, and linked to.
"use strict";
(() => {
  const phases = JSON.parse(document.getElementById("answers").textContent);
  const dialog = document.getElementById("answer");
  if (!dialog || typeof DecompressionStream === "undefined") return;
  const whole = new Intl.NumberFormat("en-US");
  const OUTCOMES = { P: "pass", M: "miss", E: "error" };
  const MOST_FOUND = 100;

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  // Numbers and questions of a phase, with its rows by case: each a map from spec and run to the row.
  async function open(name) {
    const phase = phases[name];
    if (!phase) return null;
    phase.opened ??= (async () => {
      const [columns, questions] = await Promise.all([unpack(phase.numbers), unpack(phase.questions)]);
      const cases = questions.map(([title, prompt, expected]) => ({ title, prompt, expected, rows: new Map() }));
      columns.run.forEach((run, row) => {
        const rows = cases[columns.case[row]].rows;
        const spec = phase.specs[columns.spec[row]];
        if (!rows.has(spec)) rows.set(spec, new Map());
        rows.get(spec).set(run, row);
      });
      const shown = Object.keys(phase.names).filter((spec) => phase.specs.includes(spec));
      return { ...phase, name, columns, cases, shown, byTitle: new Map(cases.map((one) => [one.title, one])), texts: [] };
    })();
    return phase.opened;
  }

  function block(phase, place) {
    if (place >= phase.blocks.length) return null;
    return (phase.texts[place] ??= unpack(phase.blocks[place]));
  }

  async function textsOf(phase, row) {
    const texts = await block(phase, Math.floor(row / phase.block));
    return texts && texts[row % phase.block];
  }

  const outcomes = (phase, rows) => {
    if (!rows) return "";
    const most = Math.max(...rows.keys());
    return Array.from({ length: most + 1 }, (_, run) => (rows.has(run) ? phase.columns.outcome[rows.get(run)] : ".")).join("");
  };

  function element(kind, attributes = {}, ...inside) {
    const made = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") made.addEventListener("click", value);
      else made.setAttribute(name, value);
    }
    made.append(...inside);
    return made;
  }

  // The address keeps what is looked at, so that it can be sent to somebody else.
  const address = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  function keep(changes) {
    const kept = address();
    for (const [name, value] of Object.entries(changes)) value ? kept.set(name, value) : kept.delete(name);
    history.replaceState(null, "", `#${kept}`);
  }

  async function copy(button, text) {
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Some browsers let no file use the clipboard by itself.
      const area = element("textarea", { class: "unseen" });
      area.value = text;
      (button.closest("dialog") ?? document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = said), 1500);
  }
  const copyButton = (title, text) => element("button", { type: "button", onclick: (event) => copy(event.currentTarget, text) }, title);

  for (const code of document.querySelectorAll("p code, li code")) {
    if (/^(selfopt|pytest) /.test(code.textContent)) code.after(" ", copyButton("Copy", code.textContent));
  }

  // Words of two texts that the other lacks, by the longest common subsequence; none where the texts are hardly alike.
  function marked(left, right) {
    const [a, b] = [left, right].map((text) => text.match(/\w+|\s+|[^\w\s]/g) ?? []);
    if (!a.length || !b.length || a.length * b.length > 250000) return [[left], [right]];
    const best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    if (best[0][0] * 2 < Math.min(a.length, b.length)) return [[left], [right]];
    const [was, is] = [[], []];
    for (let i = 0, j = 0; i < a.length || j < b.length; ) {
      if (i < a.length && j < b.length && a[i] === b[j]) was.push(a[i++]), is.push(b[j++]);
      else if (j === b.length || (i < a.length && best[i + 1][j] >= best[i][j + 1])) was.push(element("del", {}, a[i++]));
      else is.push(element("ins", {}, b[j++]));
    }
    return [was, is];
  }

  const box = (title, parts) => element("div", {}, element("h5", {}, title), parts.some(Boolean) ? element("pre", { tabindex: "0" }, ...parts) : element("p", { class: "hint" }, "nothing"));

  async function side(phase, one, spec, run) {
    const rows = one.rows.get(spec);
    const row = rows?.get(run);
    const title = element("h4", {}, phase.names[spec], " ", element("small", {}, spec));
    if (row === undefined) return element("section", {}, title, element("p", { class: "hint" }, `not asked in run ${run + 1}`));
    const of = Object.fromEntries(Object.entries(phase.columns).map(([name, values]) => [name, values[row]]));
    const texts = await textsOf(phase, row);
    const [text, reason, length] = texts ?? ["", "", 0];
    const [, got] = of.outcome === "M" ? marked(one.expected, text) : [[], [text]];
    const facts = [
      OUTCOMES[of.outcome],
      of.latency_s === null ? "" : `${of.latency_s.toFixed(2)} s`,
      of.tokens_in === null ? "" : `${whole.format(of.tokens_in)} tokens in, ${whole.format(of.tokens_out ?? 0)} out`,
      of.cost_usd ? `$${of.cost_usd.toFixed(6)}` : "",
      of.attempts === 1 ? "" : `${of.attempts} attempts`,
      of.end && of.end !== "stop" ? of.end.replaceAll("_", " ") : "",
    ];
    const said = { spec, case: one.title, run, outcome: OUTCOMES[of.outcome], answer: text, reason };
    return element(
      "section",
      { class: `of-${of.outcome}` },
      title,
      element("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      texts ? box(of.outcome === "E" ? "No answer" : "Got", got) : element("p", { class: "hint" }, "This page would be too long with all answers; selfopt report --serve shows every one."),
      ...(length > text.length ? [element("p", { class: "hint" }, `cut; the answer has ${whole.format(length)} characters`)] : []),
      ...(reason ? [element("p", { class: "reason" }, reason)] : []),
      element("p", { class: "tools" }, copyButton("Copy answer as JSON", JSON.stringify(said, null, 1))),
    );
  }

  let looked = null; // The phase, case, spec and run of the open dialog.
  async function show(name, title, spec, run) {
    const phase = await open(name);
    const one = phase?.byTitle.get(title);
    if (!one) return;
    if (!one.rows.has(spec)) spec = phase.shown.find((other) => one.rows.has(other));
    if (!one.rows.get(spec).has(run)) run = Math.min(...one.rows.get(spec).keys());
    looked = { phase, one, spec, run };
    keep({ phase: name, case: title, spec, run: String(run + 1) });
    document.getElementById("answer-title").textContent = `${title}, run ${run + 1}`;
    const beside = [...new Set([phase.baseline, spec])].filter((other) => one.rows.has(other));
    const sides = await Promise.all(beside.map((other) => side(phase, one, other, run)));
    const runs = phase.shown.filter((other) => one.rows.has(other)).map((other) => line(phase, one, other));
    dialog.querySelector(".body").replaceChildren(
      element("div", { class: "runs" }, ...runs),
      element("div", { class: "sides two" }, box("Asked", [one.prompt]), box("Expected", [one.expected])),
      element("p", { class: "tools" }, copyButton("Copy prompt", one.prompt), copyButton("Copy link", location.href)),
      element("div", { class: "sides two" }, ...sides),
    );
    if (!dialog.open) dialog.showModal();
  }

  // A spec's runs of a case, each a button that shows its answer.
  function line(phase, one, spec) {
    const letters = [...outcomes(phase, one.rows.get(spec))];
    const buttons = letters.map((letter, run) => {
      if (letter === ".") return element("span", { class: "run" });
      const now = looked && looked.one === one && looked.spec === spec && looked.run === run;
      const label = `${phase.names[spec]}, ${one.title}, run ${run + 1}: ${OUTCOMES[letter]}`;
      const shape = element("span", { class: "strip drawn", "aria-hidden": "true" }, element("i", { class: letter.toLowerCase(), style: "--n:1" }));
      return element("button", { type: "button", class: "run", title: label, "aria-label": label, ...(now ? { "aria-current": "true" } : {}), onclick: () => show(phase.name, one.title, spec, run) }, shape);
    });
    return element("div", { class: "runs-of" }, element("span", {}, phase.names[spec]), element("span", {}, ...buttons));
  }

  dialog.addEventListener("close", () => {
    looked = null;
    keep({ phase: "", case: "", spec: "", run: "" });
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !looked || event.target.tagName === "PRE") return;
    const runs = [...looked.one.rows.get(looked.spec).keys()].sort((a, b) => a - b);
    const next = runs[runs.indexOf(looked.run) + step];
    if (next !== undefined) show(looked.phase.name, looked.one.title, looked.spec, next);
  });

  // Strips and failures of the page open the answers behind them.
  for (const cell of document.querySelectorAll("table.strips td[data-spec]")) {
    const strip = cell.querySelector(".strip");
    if (!strip || !strip.childElementCount) continue;
    const [name, title] = [cell.closest("table").dataset.phase, cell.closest("tr").dataset.case];
    if (!phases[name]) continue;
    const spoken = cell.querySelector(".unseen")?.textContent ?? "";
    const button = element("button", { type: "button", class: "cell", "aria-label": `${spoken}; show the answers to ${title}` });
    button.addEventListener("click", (event) => {
      const run = event.clientX ? Math.floor((event.clientX - strip.getBoundingClientRect().left) / 14) : 0;
      show(name, title, cell.dataset.spec, Math.max(0, run));
    });
    cell.querySelector(".unseen")?.remove();
    button.append(strip);
    cell.append(button);
  }
  for (const article of document.querySelectorAll(".failures [data-case]")) {
    const { phase, spec } = article.parentElement.dataset;
    if (!phases[phase]) continue;
    article.querySelector("h4").append(" ", element("button", { type: "button", onclick: () => show(phase, article.dataset.case, spec, 0) }, "All its answers"));
  }

  const FITS = {
    "": () => true,
    fixed: (phase, one) => phase.shown.some((spec) => passes(phase, one, spec) > passes(phase, one, phase.baseline)),
    broke: (phase, one) => phase.shown.some((spec) => passes(phase, one, spec) < passes(phase, one, phase.baseline)),
    flaky: (phase, one) => /P/.test(standing(phase, one)) && /M/.test(standing(phase, one)),
    fails: (phase, one) => /^[ME.]+$/.test(standing(phase, one)),
    cut: (phase, one) => rowsOf(one).some((row) => ["length", "max_tokens", "cut_off"].includes(phase.columns.end[row])),
    error: (phase, one) => rowsOf(one).some((row) => phase.columns.outcome[row] === "E"),
  };
  const rowsOf = (one) => [...one.rows.values()].flatMap((rows) => [...rows.values()]);
  const standing = (phase, one) => outcomes(phase, one.rows.get(phase.in_force) ?? one.rows.get(phase.baseline));
  // The share of right answers; a spec that was not asked did neither better nor worse.
  function passes(phase, one, spec) {
    const judged = outcomes(phase, one.rows.get(spec)).replaceAll(/[.E]/g, "");
    if (!judged) return spec === phase.baseline ? 0 : passes(phase, one, phase.baseline);
    return judged.replaceAll("M", "").length / judged.length;
  }

  async function answersWith(phase, words) {
    const cases = new Set();
    for (let place = 0; place < phase.blocks.length; place++) {
      const texts = await block(phase, place);
      texts.forEach(([text, reason], at) => {
        if (text.toLowerCase().includes(words) || reason.toLowerCase().includes(words)) cases.add(phase.columns.case[place * phase.block + at]);
      });
    }
    return cases;
  }

  async function find(form, list) {
    const phase = await open(form.dataset.phase);
    const [words, kind] = [form.elements.words.value.trim().toLowerCase(), form.elements.show.value];
    const asked = `${words} ${kind}`;
    form.dataset.asked = asked;
    const output = form.querySelector("output");
    keep({ find: words || kind ? form.dataset.phase : "", words, show: kind });
    list.hidden = !(words || kind);
    if (list.hidden) return (output.value = "");
    output.value = "…";
    const said = words ? await answersWith(phase, words) : new Set();
    if (form.dataset.asked !== asked) return; // Something else was typed meanwhile.
    const found = phase.cases.filter((one, place) => {
      const has = !words || said.has(place) || [one.title, one.prompt, one.expected].some((text) => text.toLowerCase().includes(words));
      return has && FITS[kind](phase, one);
    });
    output.value = `${whole.format(found.length)} of ${whole.format(phase.cases.length)} prompts${found.length > MOST_FOUND ? `, the first ${MOST_FOUND} are shown` : ""}`;
    list.replaceChildren(
      ...found.slice(0, MOST_FOUND).map((one) => {
        const runs = phase.shown.filter((spec) => one.rows.has(spec)).map((spec) => line(phase, one, spec));
        return element("li", {}, element("b", {}, one.title), " ", element("small", {}, one.prompt.slice(0, 160)), element("div", { class: "runs" }, ...runs));
      }),
    );
  }

  for (const form of document.querySelectorAll("form.finder")) {
    const list = form.nextElementSibling;
    let wait = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => find(form, list), 150);
    });
    form.classList.add("ready");
  }

  function restore() {
    const wanted = address();
    const form = [...document.querySelectorAll("form.finder")].find((one) => one.dataset.phase === wanted.get("find"));
    if (form) {
      form.elements.words.value = wanted.get("words") ?? "";
      form.elements.show.value = wanted.get("show") ?? "";
      find(form, form.nextElementSibling);
    }
    if (wanted.get("case")) show(wanted.get("phase"), wanted.get("case"), wanted.get("spec"), Number(wanted.get("run") ?? 1) - 1);
  }
  addEventListener("hashchange", restore);
  restore();
})();
