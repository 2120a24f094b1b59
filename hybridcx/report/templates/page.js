// Sorts tables, filters cases, shows another metric or threshold, and marks the section that is read. The page is complete without it; it stores nothing and loads nothing.
"use strict";
(() => {
  const make = (tag, text, attributes) => {
    const e = document.createElement(tag);
    e.textContent = text;
    for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
    return e;
  };
  const status = make("p", "", { role: "status", class: "unseen" });
  document.querySelector("main").append(status);

  // A cell's own text, without its footnotes and second line.
  const text = (row, i) => {
    const cell = row.cells[i], inner = cell.querySelector(":scope > span:not(.long)") || cell;
    return ((inner.firstChild || {}).textContent || "").trim();
  };
  const number = (s) => {
    const plain = s.replace(/\u2212/g, "-").replace(/[\u2009+]/g, "").replace("\u221e", "Infinity");
    const bound = /^[<>]/.test(plain) ? (plain[0] === "<" ? -1e-9 : 1e-9) : 0;
    return parseFloat(plain.replace(/^[<>]/, "")) + bound;
  };
  const words = new Intl.Collator("en", { numeric: true });

  for (const table of document.querySelectorAll("table[data-sort]")) {
    const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, i) => {
      const name = head.textContent, button = make("button", "", { type: "button" });
      const numeric = head.classList.contains("n");
      const dress = () => { button.replaceChildren(...head.childNodes); head.replaceChildren(button); };
      dress();
      // Browsers do not paint buttons in the headings that they repeat on paper.
      addEventListener("beforeprint", () => head.replaceChildren(...button.childNodes));
      addEventListener("afterprint", dress);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const next = now === "ascending" ? "descending" : now === "descending" ? "" : "ascending";
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        const keyed = original.map((row, at) => ({ row, at, s: text(row, i), x: numeric ? number(text(row, i)) : 0 }));
        const sign = next === "descending" ? -1 : 1;
        const absent = (k) => k.s === "" || k.s === "NA" || Number.isNaN(k.x); // last in either direction
        if (next) keyed.sort((a, b) => absent(a) - absent(b) || (absent(a) ? 0 : sign * (numeric ? a.x - b.x || 0 : words.compare(a.s, b.s))) || a.at - b.at);
        body.append(...keyed.map((k) => k.row));
        status.textContent = next ? `Sorted by ${name}, ${next}` : "In the report's order";
      });
    });
  }

  for (const table of document.querySelectorAll("table[data-filter]")) {
    const rows = [...table.tBodies[0].rows];
    const line = make("p", "", { class: "filter" }), field = make("label", "Filter the cases: ");
    const input = make("input", "", { type: "search", autocomplete: "off", spellcheck: "false" });
    const shown = make("span", `${rows.length} of ${rows.length} shown`, { role: "status" });
    field.append(input);
    line.append(field, " ", shown);
    table.parentElement.before(line);
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const all = [...row.cells].map((c) => c.textContent.toLowerCase()).join("\n");
        row.hidden = !wanted.every((w) => all.includes(w));
      }
      shown.textContent = `${rows.filter((r) => !r.hidden).length} of ${rows.length} shown`;
    });
  }

  // Another metric in the forest plot.
  for (const forest of document.querySelectorAll("[data-forest]")) {
    const charts = [...forest.querySelectorAll("table[data-metric]")];
    if (charts.length < 2) continue;
    const line = make("p", "", { class: "choice" }), field = make("label", "Metric: "), choice = make("select");
    for (const c of charts) choice.append(make("option", c.dataset.label, { value: c.dataset.metric }));
    field.append(choice);
    line.append(field);
    forest.before(line);
    choice.addEventListener("change", () => {
      charts.forEach((c) => { c.hidden = c.dataset.metric !== choice.value; });
      status.textContent = `Comparisons of ${choice.selectedOptions[0].textContent}`;
    });
  }

  // Another threshold: counts and metrics of each model.
  for (const data of document.querySelectorAll("script[data-curves]")) {
    const { low, high, models } = JSON.parse(data.textContent), curves = Object.entries(models), steps = curves[0][1].tp.length - 1;
    const set = make("fieldset", "", { class: "slider" }), field = make("label", "Threshold "), out = make("output");
    const input = make("input", "", { type: "range", min: String(low), max: String(high), step: String((high - low) / steps), value: String((low + high) / 2) });
    field.append(input, " ", out);
    const box = make("div", "", { class: "table" }), table = make("table", "", { class: "folds", role: "table" });
    const head = ["Model", "TP", "FN", "FP", "TN", "Sensitivity, %", "Specificity, %", "PPV, %", "NPV, %", "Accuracy, %"];
    const row = make("tr", "", { role: "row" }), body = make("tbody", "", { role: "rowgroup" }), top = make("thead", "", { role: "rowgroup" });
    head.forEach((h, i) => row.append(make("th", h, { scope: "col", role: "columnheader", ...(i ? { class: "n" } : {}) })));
    top.append(row);
    table.append(top, body);
    box.append(table);
    set.append(make("legend", "Calls at another threshold"), field, box, make("p", "At this threshold on these test cases, without intervals; a threshold chosen here is chosen on the test set."));
    data.after(set);
    const percent = (a, b) => (b ? (100 * a / b).toFixed(1) : "NA");
    const show = () => {
      const at = Math.round((Number(input.value) - low) / (high - low) * steps);
      out.textContent = Number((low + at * (high - low) / steps).toPrecision(6));
      body.replaceChildren(...curves.map(([name, c]) => {
        const tp = c.tp[at], fp = c.fp[at], fn = c.m - tp, tn = c.n - fp;
        const cells = [tp, fn, fp, tn, percent(tp, c.m), percent(tn, c.n), percent(tp, tp + fp), percent(tn, tn + fn), percent(tp + tn, c.m + c.n)];
        const line = make("tr", "", { role: "row" });
        line.append(make("th", name.length > 60 ? `${name.slice(0, 59)}\u2026` : name, { scope: "row", role: "rowheader" }));
        cells.forEach((v, i) => line.append(make("td", String(v), { class: "n", role: "cell", "data-label": head[i + 1] })));
        return line;
      }));
    };
    input.addEventListener("input", show);
    show();
  }

  // The contents mark the section that is read.
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]));
  if (links.size) {
    const sections = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);
    let waiting = false;
    const mark = () => {
      waiting = false;
      const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2 && scrollY > 0;
      const now = end ? sections[sections.length - 1] : sections.filter((s) => s.getBoundingClientRect().top < innerHeight * 0.3).pop() || sections[0];
      links.forEach((a, id) => id === now.id ? a.setAttribute("aria-current", "location") : a.removeAttribute("aria-current"));
    };
    addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
    mark();
  }

  // What a link leads to is opened.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (target && target.querySelector(":scope > details")) target.querySelector(":scope > details").open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
