// The page's functions: filter rows, show the reason behind a cell, print everything.
"use strict";
(() => {
  const whole = new Intl.NumberFormat("en-US");

  // The runs of a strip as shapes, and as words for screen readers.
  const KINDS = { P: ["p", "passed"], M: ["m", "missed"], E: ["e", "error"], ".": ["n", "not run"] };
  for (const strip of document.querySelectorAll(".strip")) {
    const words = document.createElement("span");
    words.className = "unseen";
    const stretches = strip.textContent.match(/(.)\1*/g) ?? [];
    words.textContent = stretches.map((one) => `${one.length} ${KINDS[one[0]][1]}`).join(", ");
    strip.replaceChildren(
      ...stretches.map((one) => {
        const shapes = document.createElement("i");
        shapes.className = KINDS[one[0]][0];
        shapes.style.setProperty("--n", one.length);
        return shapes;
      }),
    );
    strip.classList.add("drawn");
    strip.setAttribute("aria-hidden", "true");
    strip.after(words);
  }

  for (const form of document.querySelectorAll("[data-filters]")) {
    const list = document.getElementById(form.dataset.filters);
    const rows = [...list.querySelectorAll("[data-count]")];
    const [text, kind, found] = ["input", "select", "output"].map((name) => form.querySelector(name));
    const count = (some) => some.reduce((sum, row) => sum + Number(row.dataset.count), 0);
    const apply = () => {
      const wanted = text.value.trim().toLowerCase();
      const is = kind ? kind.value : "";
      const shown = rows.filter((row) => {
        const fits = (!wanted || (row.querySelector("th") ?? row).textContent.toLowerCase().includes(wanted)) && (!is || row.dataset.is.split(" ").includes(is));
        row.hidden = !fits;
        return fits;
      });
      found.value = `${whole.format(count(shown))} of ${whole.format(count(rows))}`;
    };
    form.addEventListener("input", apply);
    form.classList.add("ready");
    apply();
  }

  const bubble = document.getElementById("bubble");
  let open = null;
  function place() {
    const [at, own] = [open.getBoundingClientRect(), bubble.getBoundingClientRect()];
    const below = at.bottom + own.height + 8 < innerHeight;
    bubble.style.left = `${Math.max(8, Math.min(at.left, innerWidth - own.width - 8))}px`;
    bubble.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - own.height - 4)}px`;
  }
  function show(cell) {
    open = cell;
    bubble.textContent = cell.dataset.bubble;
    bubble.hidden = false;
    place();
  }
  function hide() {
    open = null;
    bubble.hidden = true;
  }
  for (const cell of document.querySelectorAll("[data-bubble]")) {
    for (const event of ["pointerenter", "focus", "click"]) cell.addEventListener(event, () => show(cell));
    for (const event of ["pointerleave", "blur"]) cell.addEventListener(event, hide);
  }
  addEventListener("keydown", (event) => event.key === "Escape" && hide());
  // Moving to a cell by keyboard can make the page scroll.
  addEventListener("scroll", () => open && place(), { capture: true, passive: true });

  const opened = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) opened.push(one), (one.open = true);
  });
  addEventListener("afterprint", () => opened.splice(0).forEach((one) => (one.open = false)));
})();
