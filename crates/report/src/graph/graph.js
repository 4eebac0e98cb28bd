// Opens and closes groups, colours, searches. Places follow the rules of arrange.rs; layouts come with the page.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const size = data.sizes;
  const make = (tag, text, of = {}) => Object.assign(document.createElement(tag), text === undefined ? {} : { textContent: text }, of);
  let scale = 1;
  let chosen = null;
  let partner = null;

  // One network: its data, its elements, which groups are open.
  const sides = data.sides.map((d, place) => {
    const svg = document.querySelectorAll("svg.rg")[place];
    const elements = (kind) => {
      const list = [];
      for (const e of svg.querySelectorAll(`[data-${kind}]`)) list[Number(e.dataset[kind])] = e;
      return list;
    };
    const users = d.layers.map(() => []);
    d.layers.forEach((layer, i) => layer.in.forEach((from) => users[from].push(i)));
    return { ...d, place, svg, users, layer: elements("layer"), group: elements("group"), isOpen: d.open.slice() };
  });

  // Moves the places of a row apart, from the box that has grown most.
  function apart(row, widths) {
    const xs = row.map((cell) => cell[2]);
    const grown = widths.map(([base, now]) => now - base);
    let most = 0;
    grown.forEach((g, i) => { if (g > grown[most]) most = i; });
    if (!(grown[most] > 0)) return xs;
    const distance = (a, b) => (widths[a][1] + widths[b][1]) / 2 + size.next;
    for (let i = most + 1; i < xs.length; i += 1) xs[i] = Math.max(xs[i], xs[i - 1] + distance(i - 1, i));
    for (let i = most - 1; i >= 0; i -= 1) xs[i] = Math.min(xs[i], xs[i + 1] - distance(i, i + 1));
    return xs;
  }

  // Sizes and places in an open group, inner ones first.
  function arrange(side, g) {
    const group = side.groups[g];
    const kids = group.items.map(([kind, which]) => {
      if (kind === 0) return { base: side.layers[which].w, w: side.layers[which].w, h: size.layer };
      const closed = side.groups[which].w;
      if (!side.isOpen[which]) return { base: closed, w: closed, h: size.group };
      const inner = arrange(side, which);
      return { base: closed, w: inner.w, h: inner.h, inner };
    });
    const child = (cell) => (cell[0] === 0 ? kids[cell[1]] : null);
    const rows = group.rows.map((row) => apart(row, row.map((cell) => {
      const kid = child(cell);
      return kid ? [kid.base, kid.w] : [0, 0];
    })));
    let left = Infinity, right = -Infinity;
    group.rows.forEach((row, r) => row.forEach((cell, i) => {
      const half = child(cell) ? child(cell).w / 2 : 0;
      left = Math.min(left, rows[r][i] - half);
      right = Math.max(right, rows[r][i] + half);
    }));
    const width = left < right ? right - left : 0;
    const spare = Math.max(0, ((g > 0 ? group.w : 0) - width - 2 * size.side) / 2);
    const shift = size.side + spare - (Number.isFinite(left) ? left : 0);
    const out = { w: Math.round(width + 2 * (size.side + spare)), h: 0, kids, ins: [], outs: [] };
    const bands = [], bends = group.lines.map(() => []);
    let y = g === 0 ? size.foot : size.head;
    group.rows.forEach((row, r) => {
      const top = group.ins > 0 && r === 0;
      const bottom = group.outs > 0 && r + 1 === rows.length;
      const height = Math.max(0, ...row.map((cell) => (child(cell) ? child(cell).h : 0)));
      let band = top ? [0, size.head] : [y, y + height];
      if (bottom) band = [y - size.gap + size.foot, y - size.gap + size.foot];
      row.forEach((cell, i) => {
        const x = rows[r][i] + shift;
        if (cell[0] === 0) Object.assign(kids[cell[1]], { x: x - kids[cell[1]].w / 2, y: band[0] + (height - kids[cell[1]].h) / 2, row: r });
        else if (cell[0] === 1) bends[cell[1]].push([x, ...band]);
        else (cell[0] === 2 ? out.ins : out.outs)[cell[1]] = x;
      });
      y = top ? size.head + size.gap / 2 : band[1] + size.gap;
      bands.push(band);
      out.h = band[1];
    });
    if (group.outs === 0) out.h += size.foot;
    const at = (kid, port, list) => kid.x + (kid.inner && port !== null ? kid.inner[list][port] : kid.w / 2);
    out.courses = group.lines.map(([from, a, to, b, route, start, end]) => {
      const course = [];
      if (from === 2) course.push([out.ins[a], 0, size.head]);
      else course.push([at(kids[a], start, "outs"), kids[a].y + kids[a].h, bands[kids[a].row][1]]);
      course.push(...bends[route]);
      if (to === 3) course.push([out.outs[b], out.h, out.h]);
      else course.push([at(kids[b], end, "ins"), bands[kids[b].row][0], kids[b].y]);
      return course;
    });
    return out;
  }

  const tenth = (v) => Math.round(v * 10) / 10;

  function path(course) {
    let d = "", before = null;
    for (const [x, from, to] of course) {
      if (!before) d += `M${tenth(x)} ${tenth(from)}`;
      else if (Math.abs(before[0] - x) < 0.5) d += `L${tenth(x)} ${tenth(from)}`;
      else {
        const middle = tenth((before[1] + from) / 2);
        d += `C${tenth(before[0])} ${middle} ${tenth(x)} ${middle} ${tenth(x)} ${tenth(from)}`;
      }
      if (to > from) d += `V${tenth(to)}`;
      before = [x, to];
    }
    return d;
  }

  // Writes an arranged group into the drawing.
  function apply(side, g, out, into) {
    const group = side.groups[g];
    const paths = into.children;
    group.lines.forEach((line, i) => {
      const kid = line[2] === 0 ? out.kids[line[3]] : null;
      const ends = kid && !kid.inner;
      paths[2 * i].setAttribute("d", path(out.courses[i]));
      paths[2 * i].setAttribute("class", ends ? "e" : "e on");
      const [x, , y] = out.courses[i].at(-1);
      paths[2 * i + 1].setAttribute("d", ends ? `M${tenth(x)} ${tenth(y)}l-4 -7h8z` : "");
    });
    group.items.forEach(([kind, which], i) => {
      const kid = out.kids[i];
      const element = (kind === 0 ? side.layer : side.group)[which];
      element.setAttribute("transform", `translate(${tenth(kid.x)} ${tenth(kid.y)})`);
      if (kind === 0) return;
      const open = Boolean(kid.inner);
      element.classList.toggle("open", open);
      element.setAttribute("aria-expanded", String(open));
      const box = element.querySelector(":scope > .b");
      box.setAttribute("width", kid.w);
      box.setAttribute("height", kid.h);
      const bar = element.querySelector(":scope > .bar");
      if (bar) bar.setAttribute("height", kid.h - 12);
      const name = element.querySelector(":scope > .t");
      name.setAttribute("y", open ? size.head / 2 + 5 : 19);
      name.querySelector(".sign").textContent = open ? "−" : "+";
      if (open) apply(side, which, kid.inner, element.querySelector(":scope > .in"));
    });
  }

  function draw(side) {
    const out = arrange(side, 0);
    const root = side.svg.querySelector(".root");
    apply(side, 0, out, root);
    let width = out.w;
    if (side.frontier !== null) {
      width += size.words;
      let kid = { x: 0, y: 0, inner: out }, g = 0, x = 0, y = 0;
      const up = above(side, side.layers[side.frontier].up).reverse();
      while (kid.inner) {
        const next = up[up.indexOf(g) + 1];
        const wanted = next === undefined ? [0, side.frontier] : [1, next];
        kid = kid.inner.kids[side.groups[g].items.findIndex(([k, w]) => k === wanted[0] && w === wanted[1])];
        [x, y, g] = [x + kid.x, y + kid.y, next];
      }
      const mark = root.querySelector(":scope > .frontier");
      mark.setAttribute("transform", `translate(${tenth(x)} ${tenth(y + kid.h + 9)})`);
      mark.querySelector("path").setAttribute("d", `M-12 0h${kid.w + 24}`);
      for (const text of mark.querySelectorAll("text")) text.setAttribute("x", kid.w + 18);
    }
    side.extent = [width, out.h];
    side.svg.setAttribute("viewBox", `0 0 ${width} ${tenth(out.h)}`);
    zoom();
  }

  function zoom() {
    for (const side of sides) {
      if (!side.extent) continue;
      side.svg.setAttribute("width", tenth(side.extent[0] * scale));
      side.svg.setAttribute("height", tenth(side.extent[1] * scale));
    }
  }

  // Groups from `g` up to the whole.
  function above(side, g) {
    const all = [];
    for (let at = g; at !== null && at !== undefined; at = side.groups[at].up) all.push(at);
    return all;
  }

  // What opens or closes stays where it is on the screen.
  function toggle(side, g) {
    const paper = side.svg.parentElement;
    const before = side.group[g].getBoundingClientRect();
    side.isOpen[g] = !side.isOpen[g];
    draw(side);
    const after = side.group[g].getBoundingClientRect();
    paper.scrollBy((after.left + after.right - before.left - before.right) / 2, after.top - before.top);
  }

  // The middle of each drawing into the middle of its pane.
  function centre() {
    for (const { svg: { parentElement: paper } } of sides) paper.scrollLeft = (paper.scrollWidth - paper.clientWidth) / 2;
  }

  function all(open) {
    for (const side of sides) {
      side.isOpen = side.isOpen.map(() => open);
      draw(side);
    }
    centre();
    if (!open && current && current.side.groups && !isSeen(current)) focusOn(current.side, "group", above(current.side, upOf(current)).at(-2) ?? 1, false);
  }

  // What can be reached with the keyboard: one box at a time.
  let current = null;
  const elementOf = (at) => at.side[at.kind][at.which];
  const upOf = (at) => (at.kind === "layer" ? at.side.layers : at.side.groups)[at.which].up;
  const isSeen = (at) => above(at.side, upOf(at)).every((g) => g === 0 || at.side.isOpen[g]);

  function focusOn(side, kind, which, move = true) {
    const element = side[kind][which];
    if (!element) return;
    if (current) elementOf(current).setAttribute("tabindex", "-1");
    current = { side, kind, which };
    element.setAttribute("tabindex", "0");
    if (move) {
      element.focus({ preventScroll: true });
      element.scrollIntoView({ block: "center", inline: "center" });
    }
  }

  function reveal(side, which) {
    for (const g of above(side, side.layers[which].up)) side.isOpen[g] = true;
    draw(side);
    focusOn(side, "layer", which);
    choose(side, "layer", which);
  }

  // Boxes in the order in which they stand on the page.
  function seen(side) {
    const list = [];
    const walk = (g) => side.groups[g].items.forEach(([kind, which]) => {
      list.push({ side, kind: kind === 0 ? "layer" : "group", which });
      if (kind === 1 && side.isOpen[which]) walk(which);
    });
    walk(0);
    return list;
  }

  // The pane at the side.
  const details = byId("details");

  function row(list, name, value, code = false) {
    if (value === undefined || value === null || value === "") return;
    const dd = make("dd");
    dd.append(code ? make("code", value) : value);
    list.append(make("dt", name), dd);
  }

  function links(title, side, layers) {
    if (layers.length === 0) return;
    const list = make("ul");
    for (const which of layers) {
      const item = make("li");
      item.append(make("button", side.layers[which].name, { type: "button", onclick: () => reveal(side, which) }));
      list.append(item);
    }
    details.append(make("h3", title), list);
  }

  function figures(list, side, kind, which) {
    data.figures.forEach((figure, f) => {
      const value = side.figures[f][kind === "layer" ? "layers" : "groups"][which];
      if (["params", "macs", "bytes", "field", "frozen", "differs"].includes(figure.key) && kind === "layer") return;
      row(list, figure.title, value);
    });
  }

  function choose(side, kind, which) {
    if (chosen) chosen.classList.remove("picked");
    chosen = side[kind][which];
    chosen.classList.add("picked");
    if (partner) partner.classList.remove("partner");
    partner = null;
    details.replaceChildren();
    const list = make("dl");
    if (kind === "group") {
      const group = side.groups[which];
      details.append(make("h2", group.name), list);
      row(list, "layers", String(group.count));
      figures(list, side, kind, which);
      const open = side.isOpen[which];
      details.append(make("button", open ? "Close" : "Open", { type: "button", onclick: () => { toggle(side, which); choose(side, kind, which); } }));
      return;
    }
    const layer = side.layers[which];
    const number = (n) => n.toLocaleString("en");
    details.append(make("h2", layer.name), list);
    row(list, "operation", layer.op, true);
    row(list, "output", layer.shape);
    row(list, "parameters", number(layer.params));
    row(list, "multiply-adds", number(layer.macs));
    row(list, "bytes", number(layer.bytes));
    row(list, "sees", layer.field);
    row(list, "block", layer.block);
    if (layer.learns !== undefined) row(list, "training", layer.learns ? "trained" : "frozen");
    figures(list, side, kind, which);
    if (layer.said !== undefined) {
      const other = sides[1 - side.place];
      details.append(make("h3", `Against ${other.title}`));
      if (layer.other === null) details.append(make("p", "Only in this network.", { className: "miss" }));
      else if (layer.said.length === 0) details.append(make("p", "Of the same settings and shape there."));
      for (const said of layer.said) details.append(make("p", said, { className: "miss" }));
      if (layer.other !== null) {
        links("Its layer there", other, [layer.other]);
        for (const g of above(other, other.layers[layer.other].up)) other.isOpen[g] = true;
        draw(other);
        partner = other.layer[layer.other];
        partner.classList.add("partner");
        partner.scrollIntoView({ block: "center", inline: "center" });
      }
    }
    links("Reads", side, layer.in);
    links("Read by", side, side.users[which]);
  }

  // Before anything is chosen: what differs between two networks.
  function overview() {
    const some = (title, side, wanted) => {
      const layers = side.layers.map((layer, i) => (layer.said !== undefined && wanted(layer) ? i : -1)).filter((i) => i >= 0);
      links(`${title} (${layers.length})`, side, layers.slice(0, 40));
      if (layers.length > 40) details.append(make("p", "and more", { className: "hint" }));
    };
    for (const side of sides) some(`Only in ${side.title}`, side, (layer) => layer.other === null);
    if (sides.length > 1) some("Changed", sides[0], (layer) => layer.said.length > 0);
  }

  // Colours and their legend.
  const select = byId("color");
  const kinds = /^(s|k)\d$/;

  function paint(element, shade) {
    if (!element) return;
    for (const name of [...element.classList]) if (kinds.test(name)) element.classList.remove(name);
    if (shade) element.classList.add(shade);
  }

  function color(key) {
    const f = data.figures.findIndex((figure) => figure.key === key);
    for (const side of sides) {
      const of = f < 0 ? null : side.figures[f];
      side.layer.forEach((element, i) => paint(element, of && of.layer_shades[i]));
      side.group.forEach((element, i) => paint(element, of && of.group_shades[i]));
    }
    const legend = byId("legend");
    legend.replaceChildren();
    legend.className = "rg";
    if (f < 0) return;
    const figure = data.figures[f];
    if (figure.kinds) {
      figure.kinds.forEach((name, i) => {
        const swatch = make("i", undefined, { className: "kind" });
        swatch.style.background = `var(--k${i})`;
        legend.append(swatch, name);
      });
      return;
    }
    if (figure.low === null) {
      legend.append("no layer has it");
      return;
    }
    // Where all have one value, one shade stands for it.
    const one = figure.low === figure.high;
    if (!one) legend.append(figure.low);
    for (const i of one ? [4] : [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
      const swatch = make("i", undefined, { className: one || i === 8 ? "end" : "" });
      swatch.style.background = `var(--s${i})`;
      legend.append(swatch);
    }
    legend.append(figure.high + (figure.log && !one ? " (log scale)" : ""));
  }

  // Search.
  const find = byId("find");
  const found = byId("found");

  function search() {
    const wanted = find.value.trim().toLowerCase();
    found.replaceChildren();
    if (!wanted) return;
    let left = 30;
    for (const side of sides) {
      side.layers.forEach((layer, which) => {
        if (left === 0 || !layer.name.toLowerCase().includes(wanted)) return;
        left -= 1;
        const text = sides.length > 1 ? `${layer.name} (${side.title})` : layer.name;
        const item = make("li");
        item.append(make("button", text, { type: "button", onclick: () => { found.replaceChildren(); reveal(side, which); } }));
        found.append(item);
      });
    }
    if (found.children.length === 0) found.append(make("li", "no layer of that name"));
  }

  find.addEventListener("input", search);
  find.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && found.querySelector("button")) found.querySelector("button").click();
    if (event.key === "Escape") { find.value = ""; search(); }
  });
  select.addEventListener("change", () => color(select.value));
  byId("open-all").addEventListener("click", () => all(true));
  byId("close-all").addEventListener("click", () => all(false));
  byId("larger").addEventListener("click", () => { scale = Math.min(3, scale * 1.25); zoom(); });
  byId("smaller").addEventListener("click", () => { scale = Math.max(0.1, scale / 1.25); zoom(); });
  byId("fit").addEventListener("click", () => {
    const room = Math.min(...sides.map((side) => side.svg.parentElement.clientWidth / side.extent[0]));
    scale = Math.min(1, room);
    zoom();
  });

  for (const side of sides) {
    const at = (element) => {
      const kind = element.dataset.layer === undefined ? "group" : "layer";
      return { side, kind, which: Number(element.dataset[kind]) };
    };
    side.svg.addEventListener("click", (event) => {
      const element = event.target.closest("[data-layer], [data-group]");
      // Who marks text to copy it does not click.
      if (!element || String(getSelection())) return;
      const { kind, which } = at(element);
      const inHead = event.clientY - element.getBoundingClientRect().top <= size.head * scale;
      if (kind === "group" && (!side.isOpen[which] || inHead)) toggle(side, which);
      focusOn(side, kind, which, false);
      element.focus({ preventScroll: true });
      choose(side, kind, which);
    });
    side.svg.addEventListener("keydown", (event) => {
      if (!current || current.side !== side || event.ctrlKey || event.metaKey || event.altKey) return;
      const list = seen(side);
      const here = list.findIndex((a) => a.kind === current.kind && a.which === current.which);
      const group = current.kind === "group";
      const go = (to) => to && focusOn(to.side, to.kind, to.which);
      const parent = upOf(current);
      const keys = {
        ArrowDown: () => go(list[here + 1]),
        ArrowUp: () => go(list[here - 1]),
        Home: () => go(list[0]),
        End: () => go(list.at(-1)),
        ArrowRight: () => { if (group && !side.isOpen[current.which]) toggle(side, current.which); else go(list[here + 1]); },
        ArrowLeft: () => {
          if (group && side.isOpen[current.which]) toggle(side, current.which);
          else if (parent) go({ side, kind: "group", which: parent });
        },
        Enter: () => { if (group) toggle(side, current.which); choose(side, current.kind, current.which); },
      };
      keys[" "] = keys.Enter;
      if (keys[event.key]) {
        event.preventDefault();
        keys[event.key]();
      }
    });
    draw(side);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== find) {
      event.preventDefault();
      find.focus();
    }
  });

  // `#open=all`, `#color=macs`, `#layer=NAME` after the address of the page: a view to link to.
  const view = new URLSearchParams(location.hash.slice(1));
  if (view.get("open") === "all") all(true);
  if (view.get("open") === "none") all(false);
  if (data.figures.some((figure) => figure.key === view.get("color"))) select.value = view.get("color");
  color(select.value);
  centre();
  overview();
  const [first] = sides;
  if (first && seen(first).length > 0) {
    const { kind, which } = seen(first)[0];
    focusOn(first, kind, which, false);
    const wanted = first.layers.findIndex((layer) => layer.name === view.get("layer"));
    if (wanted >= 0) reveal(first, wanted);
  }
})();
