// Sorts tables and filters cases. The page is complete without it; it stores nothing and loads nothing.
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
  const text = (row, i) => ((row.cells[i].firstChild || {}).textContent || "").trim();
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

  // What a link leads to is opened, and everything is open on paper.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    if (target && target.querySelector(":scope > details")) target.querySelector(":scope > details").open = true;
  };
  addEventListener("hashchange", open);
  open();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
})();
