// Draws the charts of a report with Observable Plot, from the numbers in the element #data.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const share = (value) => (value === null ? "–" : value.toFixed(3));
  const whole = new Intl.NumberFormat("en-US");
  const colour = (spec) =>
    spec.inForce ? "var(--pass)" : { REJECT: "var(--miss)", HOLD: "var(--hold)" }[spec.verdict] ?? "var(--soft)";
  const symbol = (spec) => (spec.inForce ? "star" : { REJECT: "times", HOLD: "diamond" }[spec.verdict] ?? "circle");
  const said = (spec) => (spec.inForce ? "in force" : spec.verdict || spec.role);
  const money = (value) => (value === null ? "unknown" : "$" + (value < 0.01 ? value.toPrecision(2) : value.toFixed(2)));
  const seconds = (value) => (value === null ? "unknown" : value >= 0.1 ? Number(value.toPrecision(3)) + " s" : Number((value * 1000).toPrecision(3)) + " ms");

  // Ticks keep their digits, so that no two of them read alike.
  const digits = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 6 });
  const moneyTick = (value) => "$" + digits.format(value);
  const secondsTick = (value) => (value >= 0.1 ? digits.format(value) + " s" : digits.format(value * 1000) + " ms");

  const told = (spec) =>
    `${spec.name} (${said(spec)})\n` +
    `accuracy ${share(spec.accuracy)}, 95 % interval ${spec.low.toFixed(2)} to ${spec.high.toFixed(2)}\n` +
    `${whole.format(spec.passes)} of ${whole.format(spec.answers)} answers right\n` +
    `1,000 answers ${money(spec.cost)}, median latency ${seconds(spec.latency)}`;

  const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const whole01 = { domain: [0, 1], label: "accuracy", grid: true, ticks: 5 };
  // The part of the scale that the intervals need, in steps of a tenth.
  function accuracyAxis(points) {
    const values = points.flatMap((one) => [one.low, one.high, one.knownLow ?? one.low, one.knownHigh ?? one.high]);
    const domain = [Math.floor(Math.min(...values) * 10) / 10, Math.ceil(Math.max(...values) * 10) / 10];
    return { ...whole01, domain: [Math.max(0, domain[0]), Math.min(1, domain[1])] };
  }
  const tip = (points, x, y, title) =>
    Plot.tip(points, Plot.pointer({ x, y, title, fill: "var(--paper)", stroke: "var(--soft)", lineWidth: 40 }));

  // Rows are labelled by position, because equal names would share a row.
  function overview(specs, width) {
    const most = 12;
    const kept = specs.length <= most ? specs : [...specs].sort((a, b) => b.inForce - a.inForce || (a.role > b.role ? 1 : -1) || b.accuracy - a.accuracy).slice(0, most);
    const room = Math.min(170, width * 0.36);
    return Plot.plot({
      width, height: 58 + kept.length * 34, marginLeft: room, marginRight: 44, marginTop: 6, marginBottom: 40,
      x: { ...whole01, label: "share of right answers" },
      y: { type: "point", domain: kept.map((_, place) => place), label: null, tickFormat: (place) => short(kept[place].name, Math.floor(room / 7)), tickSize: 0 },
      marks: [
        Plot.ruleY(kept, { y: (_, place) => place, x1: "low", x2: "high", stroke: colour, strokeWidth: 2, strokeOpacity: 0.55 }),
        Plot.dot(kept, { y: (_, place) => place, x: "accuracy", symbol, fill: (one) => (symbol(one) === "times" ? "none" : colour(one)), stroke: colour, strokeWidth: 2, r: 5, ariaLabel: told }),
        Plot.text(kept, { y: (_, place) => place, x: "high", text: (one) => share(one.accuracy), textAnchor: "start", dx: 10, fill: "var(--ink)", fontWeight: (one) => (one.inForce ? 700 : 400) }),
        tip(kept, "accuracy", (_, place) => place, told),
      ],
    });
  }

  function weigh(specs, width, key, front, label, tick) {
    const known = specs.filter((one) => one[key] !== null);
    const line = known.filter((one) => one[front]).sort((a, b) => a[key] - b[key]);
    return Plot.plot({
      width, height: 300, marginLeft: 44, marginBottom: 40, marginRight: 24,
      x: { label, nice: true, inset: 16, tickFormat: (value) => (value ? tick(value) : "0"), ticks: Math.max(2, Math.floor(width / 110)) },
      y: accuracyAxis(known),
      marks: [
        Plot.line(line, { x: key, y: "accuracy", curve: "step-after", stroke: "var(--soft)", strokeDasharray: "4 3" }),
        Plot.ruleX(known, { x: key, y1: "low", y2: "high", stroke: colour, strokeWidth: 1.5, strokeOpacity: 0.5 }),
        Plot.dot(known, { x: key, y: "accuracy", symbol, fill: (one) => (symbol(one) === "times" ? "none" : colour(one)), stroke: colour, strokeWidth: 2, r: 5, ariaLabel: told }),
        Plot.text(known.filter((one) => one[front] || one.inForce || one.role === "baseline"), { x: key, y: "accuracy", text: (one) => short(one.name, 22), dy: -12, fill: "var(--ink)", stroke: "var(--paper)", strokeWidth: 4 }),
        tip(known, key, "accuracy", told),
      ],
    });
  }

  const EVENTS = { promoted: "▲ promoted", "rolled back": "▼ rolled back", confirmed: "✓ confirmed", expired: "○ expired", trial: "△ on trial" };
  function toldPoint(point) {
    const since = point.known === null ? "not measured since" : `known now: ${share(point.known)} (${whole.format(point.knownTrials)} trials of later cycles)`;
    return `cycle ${point.cycle}: ${point.name}${point.event ? ", " + point.event : ""}\nbelieved then: ${share(point.believed)} (${whole.format(point.trials)} answers)\n${since}`;
  }

  function curve(points, width, small) {
    const cycles = points.map((one) => one.cycle);
    const again = points.filter((one) => one.known !== null);
    const eventful = points.filter((one) => one.event);
    const wide = (Math.max(...cycles) - Math.min(...cycles)) || 1;
    const aside = Math.min(0.16, wide * 10 / width);
    return Plot.plot({
      width, height: small ? 230 : 320, marginLeft: 44, marginTop: 26, marginRight: 24,
      x: { label: "cycle", domain: [Math.min(...cycles) - 0.5, Math.max(...cycles) + 0.5], tickFormat: (one) => (Number.isInteger(one) ? String(one) : ""), ticks: Math.min(cycles.length, Math.floor(width / 50)) },
      y: accuracyAxis(points),
      marks: [
        Plot.line(points, { x: (one) => one.cycle - aside, y: "believed", z: "suite", stroke: "var(--soft)", strokeWidth: 1.5 }),
        Plot.ruleX(points, { x: (one) => one.cycle - aside, y1: "low", y2: "high", stroke: "var(--ink)", strokeOpacity: 0.45, strokeWidth: 1.5 }),
        Plot.ruleX(again, { x: (one) => one.cycle + aside, y1: "knownLow", y2: "knownHigh", stroke: "var(--pass)", strokeOpacity: 0.6, strokeWidth: 1.5 }),
        Plot.dot(points, { x: (one) => one.cycle - aside, y: "believed", fill: "var(--ink)", r: 4, ariaLabel: toldPoint }),
        Plot.dot(again, { x: (one) => one.cycle + aside, y: "known", stroke: "var(--pass)", fill: "var(--paper)", strokeWidth: 2, r: 4 }),
        Plot.text(eventful, { x: "cycle", y: (one) => Math.max(one.high, one.knownHigh ?? 0), dy: -12, text: (one) => (wide * 90 < width ? EVENTS[one.event] ?? one.event : (EVENTS[one.event] ?? one.event).slice(0, 1)), fill: (one) => (one.event === "rolled back" ? "var(--miss)" : "var(--pass)"), fontWeight: 650, stroke: "var(--paper)", strokeWidth: 4 }),
        tip(points, "cycle", "believed", toldPoint),
      ],
    });
  }

  const CHARTS = {
    overview: (of, width) => overview(of.specs, width),
    cost: (of, width) => weigh(of.specs, width, "cost", "frontByCost", "cost of 1,000 answers", moneyTick),
    latency: (of, width) => weigh(of.specs, width, "latency", "frontByLatency", "median latency", secondsTick),
    curve: (of, width, figure) => curve(of.curve, width, figure.closest(".overview") !== null),
  };

  // The keyboard shows at each mark what a pointer shows by hovering.
  // Axes and lines add nothing to the marks; an element with a label also needs a role.
  function makeWalkable(svg) {
    for (const part of svg.querySelectorAll("g[aria-label]")) {
      if (part.getAttribute("aria-label") === "dot") part.setAttribute("role", "group");
      else part.setAttribute("aria-hidden", "true");
    }
    for (const mark of svg.querySelectorAll("g[aria-label=dot] > [aria-label]")) {
      mark.setAttribute("tabindex", "0");
      mark.setAttribute("role", "img");
      mark.addEventListener("focus", () => {
        const box = mark.getBoundingClientRect();
        const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, pointerType: "mouse", bubbles: true };
        svg.dispatchEvent(new PointerEvent("pointerenter", at));
        svg.dispatchEvent(new PointerEvent("pointermove", at));
      });
      mark.addEventListener("blur", () => svg.dispatchEvent(new PointerEvent("pointerleave", { pointerType: "mouse" })));
    }
  }

  function draw(figure) {
    const place = figure.querySelector(".plot");
    const of = data[figure.dataset.phase];
    const width = Math.floor(place.clientWidth);
    if (!of || !width || place.dataset.width === String(width)) return;
    place.dataset.width = String(width);
    const svg = CHARTS[figure.dataset.chart](of, width, figure);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", figure.dataset.label);
    place.replaceChildren(svg);
    makeWalkable(svg);
  }

  const seen = new ResizeObserver((entries) => entries.forEach((entry) => draw(entry.target.closest("figure"))));
  for (const figure of document.querySelectorAll("figure[data-chart]")) seen.observe(figure.querySelector(".plot"));
})();
