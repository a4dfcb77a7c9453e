"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = new Map(data.runs.map((run) => [run.id, run]));
  const find = (id) => document.getElementById(id);

  /* Elements */
  function make(name, attributes = {}, text = "") {
    const space = SVG.has(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const element = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  }
  const SVG = new Set(["svg", "g", "path", "circle", "line", "text"]);
  const DASHES = ["", "7 3", "2 3", "9 3 2 3"];

  /* Numbers: data.scale * log10 of a norm */
  const isNumber = (value) => value !== null && value !== data.zero;
  const superscript = (n) => String(n).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
  function shown(value) {
    if (value === null) return "not finite";
    return value === data.zero ? "0" : short(10 ** (value / data.scale));
  }
  const short = (x) => (x < 1e-3 || x >= 1e4 ? x.toExponential(1) : x.toPrecision(2));
  function ratio(first, last) {
    return isNumber(first) && isNumber(last) ? short(10 ** ((first - last) / data.scale)) : "";
  }

  /* A chart of norms against layer; lines are {norms, colour, dash, theory, faint} */
  function chart(lines, all, label, width, height) {
    const [left, right, top, bottom] = [64, 12, 12, 44];
    const depth = Math.max(2, ...lines.map((line) => line.norms.length));
    const numbers = all.filter(isNumber);
    const ends = (pick) => (numbers.length ? numbers.reduce((a, b) => pick(a, b)) : 0) / data.scale;
    const low = Math.floor(ends(Math.min));
    const high = Math.max(low + 1, Math.ceil(ends(Math.max)));
    const x = (layer) => left + ((layer - 1) / (depth - 1)) * (width - left - right);
    const y = (value) => top + ((high - value / data.scale) / (high - low)) * (height - top - bottom);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
    svg.style.font = "12px 'DejaVu Sans', Arial, sans-serif";
    const every = Math.ceil((high - low) / 8);
    for (let power = low; power <= high; power += every) {
      const at = y(power * data.scale);
      svg.append(make("line", { x1: left, x2: width - right, y1: at, y2: at, stroke: "#e2e2e2" }));
      svg.append(make("text", { x: left - 8, y: at + 4, "text-anchor": "end", fill: "#262626" }, `10${superscript(power)}`));
    }
    const step = Math.ceil(depth / 16);
    for (let layer = 1; layer <= depth; layer += step) {
      svg.append(make("text", { x: x(layer), y: height - bottom + 18, "text-anchor": "middle", fill: "#262626" }, layer));
    }
    svg.append(make("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle", fill: "#262626" }, "layer l (1 = nearest the input)"));
    const middle = (top + height - bottom) / 2;
    svg.append(make("text", { x: 14, y: middle, transform: `rotate(-90 14 ${middle})`, "text-anchor": "middle", fill: "#262626" }, "gradient norm"));
    svg.append(make("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, fill: "none", stroke: "#262626" }));
    for (const line of lines) {
      let path = "";
      let pen = "M";
      line.norms.forEach((value, i) => {
        if (isNumber(value)) path += `${pen}${x(i + 1).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = isNumber(value) ? "L" : "M";
      });
      const thin = line.theory ? { "stroke-width": 1, "stroke-dasharray": "4 3" } : { "stroke-width": 1.8, "stroke-dasharray": line.dash };
      svg.append(make("path", { d: path, fill: "none", stroke: line.colour, opacity: line.faint ? 0.35 : 1, ...thin }));
      if (line.theory) continue;
      line.norms.forEach((value, i) => {
        if (isNumber(value)) svg.append(make("circle", { cx: x(i + 1), cy: y(value), r: 2.6, fill: line.colour, opacity: line.faint ? 0.35 : 1 }));
        if (value === data.zero) svg.append(make("text", { x: x(i + 1), y: height - bottom - 3, "text-anchor": "middle", fill: line.colour }, "×"));
      });
    }
    return svg;
  }

  /* Through training */
  const slider = find("step");
  const chosen = new Set();
  const dashes = new Map();
  function draw() {
    const at = Number(slider.value);
    const lines = [];
    const all = [];
    const body = find("shown").tBodies[0];
    body.replaceChildren();
    const seen = new Map();
    for (const run of data.runs.filter((one) => chosen.has(one.id))) {
      const order = seen.get(run.level) ?? 0;
      seen.set(run.level, order + 1);
      const dash = DASHES[order % DASHES.length];
      const last = run.norms.length - 1;
      const norms = run.norms[Math.min(at, last)];
      const ended = at > last;
      for (const one of run.norms) all.push(...one);
      if (at === 0 && run.theory) lines.push({ norms: run.theory, colour: run.colour, theory: true });
      lines.push({ norms, colour: run.colour, dash, faint: ended });
      const row = make("tr");
      const name = make("th", { scope: "row" });
      const swatch = make("svg", { class: "swatch", width: 28, height: 8, "aria-hidden": "true" });
      swatch.append(make("line", { x1: 0, x2: 28, y1: 4, y2: 4, stroke: run.colour, "stroke-width": 2.5, "stroke-dasharray": dash }));
      name.append(swatch, run.name);
      row.append(name);
      for (const value of [shown(norms[0]), shown(norms.at(-1)), ratio(norms[0], norms.at(-1))]) row.append(make("td", { class: "number" }, value));
      row.append(make("td", {}, ended ? `ended by step ${data.steps[last]}` : ""));
      body.append(row);
    }
    const when = `step ${data.steps[at]} of ${data.steps.at(-1)}`;
    find("when").textContent = when;
    slider.setAttribute("aria-valuetext", when);
    const label = `Gradient norm of each layer of ${chosen.size} runs at ${when}; the table below has the first and the last layer's.`;
    find("chart").replaceChildren(chart(lines, all, label, 760, 400));
  }
  function toggle(run, button) {
    if (!chosen.delete(run.id)) chosen.add(run.id);
    button.setAttribute("aria-pressed", chosen.has(run.id));
  }
  function begin() {
    slider.max = data.steps.length - 1;
    const levels = Map.groupBy ? Map.groupBy(data.runs, (run) => run.level) : grouped(data.runs);
    for (const [level, runs] of levels) {
      const line = make("div", { role: "group", "aria-label": level });
      line.append(make("span", {}, level));
      const deepest = runs.reduce((a, b) => (b.norms[0].length > a.norms[0].length ? b : a));
      for (const run of runs) {
        const short = run.name.startsWith(`${level}-`) ? run.name.slice(level.length + 1) : run.name;
        const button = make("button", { type: "button", "aria-pressed": "false", "aria-label": run.name }, short);
        button.addEventListener("click", () => { toggle(run, button); draw(); });
        if (run === deepest && chosen.size < 6) toggle(run, button);
        line.append(button);
      }
      find("choice").append(line);
    }
    slider.addEventListener("input", draw);
    draw();
  }
  function grouped(runs) {
    const found = new Map();
    for (const run of runs) found.set(run.level, [...(found.get(run.level) ?? []), run]);
    return found;
  }
  let timer = 0;
  find("play").addEventListener("click", (event) => {
    const start = !timer;
    window.clearInterval(timer);
    timer = 0;
    if (start) {
      if (Number(slider.value) === data.steps.length - 1) slider.value = 0;
      timer = window.setInterval(() => {
        slider.value = Number(slider.value) + 1;
        draw();
        if (Number(slider.value) === data.steps.length - 1) find("play").click();
      }, 200);
    }
    event.currentTarget.setAttribute("aria-pressed", start);
    event.currentTarget.textContent = start ? "Stop" : "Play";
  });

  /* The table of runs: sort, filter, fold out */
  const table = find("table");
  const heads = [...table.tHead.rows[0].cells];
  const key = (body, column) => {
    const cell = body.rows[0].cells[column];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent.trim();
  };
  function compare(a, b) {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return typeof a === "number" ? -1 : 1; // cells without a number last
  }
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const bodies = [...table.tBodies].sort((a, b) => compare(key(a, column), key(b, column)) * (down ? -1 : 1));
      table.append(...bodies);
    });
  });
  function filter() {
    const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = find("verdict").value;
    let count = 0;
    for (const body of table.tBodies) {
      const text = body.rows[0].textContent.toLowerCase();
      const is = words.every((word) => text.includes(word)) && (!verdict || body.dataset.verdict === verdict);
      body.hidden = !is;
      count += is;
    }
    find("count").textContent = `${count} of ${table.tBodies.length} runs`;
  }
  find("filter").addEventListener("input", filter);
  find("verdict").addEventListener("change", filter);
  table.addEventListener("click", (event) => {
    const button = event.target.closest(".fold");
    if (!button) return;
    const more = find(button.getAttribute("aria-controls"));
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", !more.hidden);
    const place = more.querySelector(".layers");
    const run = byId.get(place.dataset.run);
    if (more.hidden || !run || place.firstChild) return;
    const [first, last] = [run.norms[0], run.norms.at(-1)];
    const lines = [
      { norms: first, colour: "#8a8a8a", dash: "" },
      { norms: last, colour: run.colour === "#b0b0b0" ? "#000" : run.colour, dash: "" },
    ];
    if (run.theory) lines.unshift({ norms: run.theory, colour: "#8a8a8a", theory: true });
    const label = `Gradient norm of each layer of ${run.name}: grey before training, from ${shown(first[0])} in layer 1 to ${shown(first.at(-1))} in the last; in colour at the end, from ${shown(last[0])} to ${shown(last.at(-1))}.`;
    place.append(chart(lines, lines.flatMap((line) => line.norms), label, 460, 260));
    place.append(make("p", { class: "note" }, "Grey: before training; dashed: theory. In colour: at the end."));
  });

  if (data.runs.length) begin();
})();
