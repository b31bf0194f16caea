"use strict";
for (const table of document.querySelectorAll("table.results")) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const titles = heads.map((head) => head.textContent);
  // A text may stand across several columns. A blank group is that of the line above, a blank setting that of the base row.
  const shown = (row) => [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(cell.textContent));
  const base = rows.find((row) => row.hasAttribute("data-base"));
  const meant = (row) => shown(row).map((text, column) => {
    if (text) return text;
    if (titles[column] === "group" && row.dataset.group) return row.dataset.group;
    return base && heads[column].hasAttribute("data-setting") ? shown(base)[column] : text;
  });
  const texts = new Map(rows.map((row) => [row, meant(row)]));
  const number = (text) => parseFloat(text.replace(/−/g, "-"));
  const digits = (text) => /^[−-]?\d+\.(\d+)/.exec(text)?.[1].length ?? 0;
  const add = (parent, name, text) => {
    const made = parent.appendChild(document.createElement(name));
    made.textContent = text ?? "";
    return made;
  };

  // A click on a heading sorts by its column; rows without a value come last.
  heads.forEach((head, column) => {
    const of = (row) => texts.get(row)[column];
    const numeric = rows.every((row) => !/\d/.test(of(row)) || !isNaN(number(of(row)))) && rows.some((row) => !isNaN(number(of(row))));
    const isKey = head.hasAttribute("data-key");
    head.textContent = "";
    add(head, "button", titles[column]).onclick = () => {
      const now = head.getAttribute("aria-sort");
      const down = now ? now === "ascending" : numeric && !isKey;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      body.append(...[...rows].sort((a, b) => {
        if (!numeric) return sign * of(a).localeCompare(of(b), "en", { numeric: true });
        const [x, y] = [number(of(a)), number(of(b))];
        return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
      }));
      table.classList.add("sorted");
    };
  });

  // A choice for each setting, and words that a row must contain.
  const controls = document.createElement("div");
  controls.className = "controls";
  table.parentElement.before(controls);
  const chosen = [];
  const told = document.createElement("span");
  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const all = [row.dataset.row, ...texts.get(row)].join(" ").toLowerCase();
      const fits = chosen.every(({ value, column }) => !value.value || texts.get(row)[column] === value.value.slice(1));
      row.hidden = !fits || !words.every((word) => all.includes(word));
    }
    told.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  const choice = (parent, title, options) => {
    const label = add(parent, "label", `${title} `);
    const select = add(label, "select");
    for (const [value, text] of options) {
      const option = add(select, "option", text);
      option.value = value;
    }
    return select;
  };
  heads.forEach((head, column) => {
    const values = [...new Set(rows.map((row) => texts.get(row)[column]))];
    if (!head.hasAttribute("data-key") || values.length < 2 || values.length === rows.length) return;
    const value = choice(controls, titles[column], [["", "all"], ...values.map((text) => [`=${text}`, text || "–"])]);
    value.onchange = filter;
    chosen.push({ value, column });
  });
  const find = add(add(controls, "label", "with the words "), "input");
  find.type = "search";
  find.oninput = filter;
  controls.append(told);
  filter();

  // Two rows side by side.
  const place = document.getElementById("pair");
  if (!place || rows.length < 2) continue;
  place.textContent = "";
  const bar = add(place, "div");
  bar.className = "controls";
  const names = rows.map((row, index) => [index, row.dataset.row]);
  const [left, right] = [choice(bar, "row", names), choice(bar, "beside row", names)];
  right.selectedIndex = 1;
  const wide = add(place, "div");
  wide.className = "wide";
  const compare = () => {
    wide.textContent = "";
    const [a, b] = [left, right].map((select) => texts.get(rows[select.value]));
    const beside = add(wide, "table");
    const head = add(add(beside, "thead"), "tr");
    ["", ...[left, right].map((select) => rows[select.value].dataset.row), "difference"].forEach((text) => add(head, "th", text));
    const lines = add(beside, "tbody");
    titles.forEach((title, column) => {
      if (a[column] === b[column]) return;
      const line = add(lines, "tr");
      [title, a[column], b[column]].forEach((text) => add(line, "td", text));
      const gap = number(b[column]) - number(a[column]);
      const isResult = !["data-key", "data-setting"].some((name) => heads[column].hasAttribute(name)) && !isNaN(gap);
      const read = Math.max(digits(a[column]), digits(b[column]));
      add(line, "td", isResult ? (gap < 0 ? "−" : "+") + Math.abs(gap).toFixed(read) : "");
    });
    if (!lines.rows.length) add(add(lines, "tr"), "td", "They differ in no column of the table.");
  };
  left.onchange = right.onchange = compare;
  compare();
}
