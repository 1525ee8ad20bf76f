"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const items = JSON.parse($("index").textContent);
  const BLOCK = Number(document.body.dataset.block);
  const CARD = { width: 204, height: 250, gap: 12 };
  const OVERSCAN = 3; // rows beyond the window
  const KEPT_BLOCKS = 12; // blocks of JSON that stay read
  const RELOAD = 4000; // milliseconds between two looks for a newer page
  const NONE = "Nothing was found.";
  const FILTERS = { t: "Task", m: "Model", c: "Licence" };
  const list = $("list"), dialog = $("detail");

  // Every text becomes a text node; no string is ever read as HTML.
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== null && value !== false) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  // Blocks of JSON, read when they are needed; the ones used longest ago are forgotten.
  const blocks = new Map();
  const read = (kind, place) => {
    const name = `${kind}-${Math.floor(place / BLOCK)}`;
    let block = blocks.get(name);
    if (block === undefined) {
      const element = $(name);
      // Not loaded yet, or in part: whatever follows it tells that it is whole.
      if (element === null || (element.nextSibling === null && document.readyState === "loading")) return null;
      block = JSON.parse(element.textContent);
    } else blocks.delete(name);
    blocks.set(name, block);
    if (blocks.size > KEPT_BLOCKS) blocks.delete(blocks.keys().next().value);
    return block[place % BLOCK] ?? null;
  };

  // Search, filters, order
  const haystacks = new Array(items.length);
  const haystack = (place) => (haystacks[place] ??= [items[place].p, items[place].x, items[place].f, items[place].m,
    items[place].t, items[place].e, ...(items[place].l ?? []).map((pair) => pair[0])].join("\n").toLowerCase());
  const state = () => ({
    q: $("search").value, t: $("t").value, m: $("m").value, c: $("c").value, seed: $("seed").value.trim(),
    from: $("from").value, to: $("to").value, state: $("state").value, sort: $("sort").value,
  });
  const stateOf = (item) => item.z || "done";
  const byText = (name) => (a, b) => (items[a][name] ?? "").localeCompare(items[b][name] ?? "") || a - b;
  const ORDERS = {
    new: (a, b) => byText("d")(b, a), old: byText("d"), prompt: byText("p"), model: byText("m"),
    seed: (a, b) => Number(items[a].s ?? 0) - Number(items[b].s ?? 0) || a - b,
  };
  let shown = [], active = 0;

  const select = () => {
    const now = state(), words = now.q.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (item, place) =>
      (!now.t || item.t === now.t) && (!now.m || item.m === now.m) && (!now.c || item.c === now.c) &&
      (!now.seed || item.s === now.seed) && (!now.state || stateOf(item) === now.state) &&
      (!now.from || (item.d ?? "").slice(0, 10) >= now.from) &&
      (!now.to || (item.d && item.d.slice(0, 10) <= now.to)) &&
      words.every((word) => haystack(place).includes(word));
    shown = [];
    items.forEach((item, place) => { if (fits(item, place)) shown.push(place); });
    if (ORDERS[now.sort]) shown.sort(ORDERS[now.sort]);
    const failed = shown.filter((place) => items[place].e).length;
    $("count").textContent = (shown.length === items.length ? `${items.length} results` :
      `${shown.length} of ${items.length} results`) + (failed ? `, ${failed} failed` : "");
    $("empty").hidden = shown.length > 0;
    active = Math.min(active, Math.max(0, shown.length - 1));
  };

  const fill = (id, values, all) => {
    const counts = new Map();
    for (const value of values) if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
    const options = [...counts].sort((a, b) => a[0].localeCompare(b[0]));
    $(id).replaceChildren(make("option", { value: "" }, all),
      ...options.map(([value, count]) => make("option", { value }, `${value} (${count})`)));
    $(id).parentElement.hidden = options.length === 0;
  };
  for (const id of Object.keys(FILTERS)) fill(id, items.map((item) => item[id]), "all");
  fill("state", items.map(stateOf), "all");

  // The list shows the cards of the window alone
  const cards = new Map();
  let columns = 1, width = CARD.width;
  const measure = () => {
    const room = list.clientWidth;
    columns = Math.max(1, Math.floor((room + CARD.gap) / (CARD.width + CARD.gap)));
    width = Math.floor((room - (columns - 1) * CARD.gap) / columns);
    list.style.height = `${Math.ceil(shown.length / columns) * (CARD.height + CARD.gap)}px`;
  };
  const draw = () => {
    const top = list.getBoundingClientRect().top, step = CARD.height + CARD.gap;
    const first = Math.max(0, Math.floor(-top / step) - OVERSCAN) * columns;
    const last = Math.min(shown.length, (Math.ceil((innerHeight - top) / step) + OVERSCAN) * columns);
    const focused = document.activeElement?.closest?.(".card");
    for (const [position, card] of cards) {
      if ((position < first || position >= last) && card !== focused) { card.remove(); cards.delete(position); }
    }
    for (let position = first; position < last; position++) {
      let card = cards.get(position);
      if (card === undefined) {
        card = drawCard(shown[position], position);
        cards.set(position, card);
        // Kept in the order of the list, which is the order in which a screen reader goes through it.
        let after = null;
        for (let next = position + 1; next < last && !after; next++) after = cards.get(next) ?? null;
        list.insertBefore(card, after);
      }
      card.style.width = `${width}px`;
      card.style.height = `${CARD.height}px`;
      card.style.transform = `translate(${(position % columns) * (width + CARD.gap)}px, ${Math.floor(position / columns) * step}px)`;
      card.querySelectorAll("button").forEach((button) => { button.tabIndex = position === active ? 0 : -1; });
    }
  };
  const redraw = () => {
    for (const card of cards.values()) card.remove();
    cards.clear();
    select(); measure(); draw();
  };

  const drawWave = (peaks) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), step = 300 / peaks.length;
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("class", "wave"); svg.setAttribute("viewBox", "0 0 300 100"); svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("preserveAspectRatio", "none");
    path.setAttribute("d", peaks.map((peak, at) => {
      const half = Math.max(1, peak / 2);
      return `M${(at * step + step / 2).toFixed(1)} ${50 - half}V${50 + half}`;
    }).join(""));
    svg.append(path);
    return svg;
  };
  const drawLabels = (labels) => make("div", { class: "bars" }, ...labels.map(([label, score]) => make("div", {},
    make("span", {}, score.toFixed(4)), label || "value",
    score >= 0 && score <= 1 ? make("meter", { value: score, "aria-label": `${label}: ${score.toFixed(4)}` }) : null)));
  // Boxes lie over their picture in percent of it, so they fit it at any size; the best lies on top.
  const layBoxes = (picture, size, limit, boxes) => {
    const frame = make("div", { class: "boxed" }, picture), ratio = size[0] / Math.max(1, size[1]);
    frame.style.aspectRatio = ratio;
    frame.style.width = `min(100%, ${limit.width}px, ${ratio} * ${limit.height})`;
    const lay = (name, [left, top, width, height, colour, ink], text) => {
      const element = make("span", { class: name, "aria-hidden": "true" }, text), style = element.style;
      if (text === null) Object.assign(style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
      else {
        // A label stands over its box, or in it at the upper edge, and grows to where there is more room.
        Object.assign(style, top > 10 ? { bottom: `${100 - top}%` } : { top: `${top}%` });
        Object.assign(style, left + width / 2 > 50 ? { right: `${100 - left - width}%` } : { left: `${left}%` });
        style.color = ink;
        style.backgroundColor = colour;
      }
      style.borderColor = colour;
      frame.append(element);
    };
    const order = [...boxes].reverse();
    for (const [place] of order) lay("box", place, null);
    for (const [place, text] of order) if (text) lay("tag", place, text);
    return frame;
  };
  const drawBoxes = (boxes) => boxes.length === 0 ? make("p", {}, NONE) : make("table", { class: "boxes" },
    make("caption", {}, "Boxes, in pixels of the picture"),
    make("thead", {}, make("tr", {}, ...["label", "score", "x", "y", "width", "height"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...boxes.map(({ label, score, box, colour }) => {
      const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
      swatch.style.backgroundColor = colour;
      return make("tr", {}, make("th", { scope: "row" }, swatch, label), make("td", {}, score.toFixed(4)),
        ...box.map((number) => make("td", {}, number.toFixed(1))));
    })));
  // What was said or found stands beside the picture or the sound that it is about.
  const drawPair = (item, source) => {
    const about = items[source], small = read("thumbnails", source);
    const words = item.l ? drawLabels(item.l) : make("div", { class: "words" }, item.n ? NONE : item.x ?? "");
    if (small?.peaks?.length) return make("div", { class: "pair heard" }, drawWave(small.peaks), words);
    if (!small?.picture) return words;
    const boxes = (item.b ?? []).map((box) => [box, box[6]]);
    if (boxes.length === 0) return make("div", { class: "pair" }, drawPicture(small, about), words);
    const limit = { width: Math.min(192, Math.max(128, ...small.size)), height: "160px" };
    return layBoxes(drawPicture(small, about), small.size, limit, boxes);
  };
  const drawView = (item, place, alone = false) => {
    if (item.e) return make("div", { class: "failed" }, item.e);
    if (item.o && !(alone && (item.l || item.x || item.n) && !item.b)) return drawPair(item, item.o[0]);
    const small = read("thumbnails", place);
    if (small?.problem) return make("div", { class: "failed" }, small.problem);
    if (small?.picture) return drawPicture(small, item);
    if (small?.peaks?.length) return drawWave(small.peaks);
    if (item.l) return drawLabels(item.l);
    return make("div", { class: "words" }, item.n ? NONE : item.x ?? "");
  };
  const drawPicture = (small, item) => make("img", {
    src: `data:image/webp;base64,${small.picture}`, alt: item.p ?? "", class: Math.max(...small.size) <= 128 ? "tiny" : null,
  });
  const waits = (place) => [place, ...(items[place].o ?? [])].some((needed) => read("thumbnails", needed) === null);
  const describe = (item) => [item.t, item.m, item.s && `seed ${item.s}`, item.z].filter(Boolean).join(" · ");
  const drawCard = (place, position) => {
    const item = items[place], view = make("div", { class: "view" }, drawView(item, place));
    const open = make("button", { type: "button", class: "open", onclick: () => { activate(position); showDetail(position); } },
      view, make("div", { class: "caption" }, item.p ?? ""), make("div", { class: "about" }, describe(item)));
    const card = make("div", { class: "card", role: "listitem", "aria-setsize": shown.length, "aria-posinset": position + 1 }, open);
    if (waits(place)) card.dataset.waits = "";
    const sound = [place, ...(item.o ?? [])].find((one) => items[one].k === "sound");
    if (sound !== undefined && !item.e) {
      const name = `Play ${item.p ?? "the sound"}`;
      card.append(make("button", { type: "button", class: "play", "aria-label": name, onclick: (event) => play(sound, event.currentTarget) }, "▶"));
    }
    return card;
  };

  // One player for all cards
  const player = new Audio();
  let playing = null;
  const stop = () => { player.pause(); if (playing) playing.textContent = "▶"; playing = null; };
  const play = (place, button) => {
    const again = playing === button;
    stop();
    const detail = read("details", place);
    if (again || !detail?.url) return;
    player.src = detail.url;
    player.play().catch((error) => {
      if (error.name === "AbortError") return; // it was stopped before it began
      stop();
      $("count").textContent = explain(items[place], "play");
    });
    playing = button;
    button.textContent = "■";
  };
  player.addEventListener("ended", stop);

  // Keys
  const activate = (position) => {
    active = Math.max(0, Math.min(shown.length - 1, position));
    const top = list.getBoundingClientRect().top + scrollY + Math.floor(active / columns) * (CARD.height + CARD.gap);
    const covered = getComputedStyle(document.querySelector("header")).position === "sticky" ? document.querySelector("header").offsetHeight : 0;
    if (top < scrollY + covered) scrollTo(0, top - covered - CARD.gap);
    else if (top + CARD.height > scrollY + innerHeight) scrollTo(0, top + CARD.height - innerHeight + CARD.gap);
    draw();
    cards.get(active)?.querySelector(".open").focus({ preventScroll: true });
  };
  list.addEventListener("keydown", (event) => {
    const page = columns * Math.max(1, Math.floor(innerHeight / (CARD.height + CARD.gap)) - 1);
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page };
    const target = event.key === "Home" ? 0 : event.key === "End" ? shown.length - 1 : event.key in moves ? active + moves[event.key] : null;
    if (target === null) return;
    event.preventDefault();
    activate(target);
  });
  document.addEventListener("keydown", (event) => {
    const types = event.target.closest?.("input, select, textarea");
    if (event.key === "/" && !types && !dialog.open) { event.preventDefault(); $("search").focus(); }
    if (dialog.open && !types && event.target.tagName !== "AUDIO") {
      if (event.key === "ArrowRight") showDetail(active + 1);
      if (event.key === "ArrowLeft") showDetail(active - 1);
    }
  });

  // The detail view
  const flatten = (value, name = "") => value !== null && typeof value === "object" && Object.keys(value).length
    ? Object.entries(value).flatMap(([key, inner]) => flatten(inner, name ? `${name}.${key}` : key))
    : [[name, typeof value === "string" ? value : JSON.stringify(value)]];
  const copy = async (text, button) => {
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch {
      const area = make("textarea", { readonly: "" });
      area.value = text;
      dialog.append(area); area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.textContent = done ? "Copied" : "Not copied";
  };
  const drawRelated = (title, places, alone = false) => places.length === 0 ? null : make("section", {}, make("h3", {}, title), make("div", { class: "related" },
    ...places.map((place) => make("button", { type: "button", onclick: () => showPlace(place) }, drawView(items[place], place, alone),
      `${items[place].t ?? ""}: ${(items[place].p ?? items[place].f ?? "").slice(0, 80)}`))));
  const showPlace = (place) => {
    let position = shown.indexOf(place);
    if (position < 0) { $("tools").reset(); redraw(); position = shown.indexOf(place); }
    showDetail(position);
  };
  // A file may be gone, or of a type that the browser does not know: HEIC in Chromium, AIFF in all but Safari.
  const explain = (item, verb) => `This browser cannot ${verb} ${item.f}: the file is not beside the page, or of a type that it does not know.`;
  const drawWhole = (place, boxes = [], size = null) => {
    const item = items[place], small = read("thumbnails", place), url = read("details", place)?.url;
    const note = make("p", { class: "note", hidden: "" });
    if (item.k === "sound") {
      const sound = make("audio", { controls: "", preload: "none", src: url });
      sound.addEventListener("error", () => { note.textContent = explain(item, "play"); note.hidden = false; }, { once: true });
      return [small?.peaks?.length ? drawWave(small.peaks) : null, sound, note];
    }
    const tiny = small && Math.max(...small.size) <= 128, name = item.p ?? item.f ?? "";
    const alt = boxes.length ? `${name}, with ${boxes.length} box${boxes.length > 1 ? "es" : ""}` : name;
    const picture = make("img", { src: url, alt, class: tiny ? "tiny" : null });
    picture.addEventListener("error", () => {
      if (small?.picture) picture.src = `data:image/webp;base64,${small.picture}`; else picture.remove();
      note.textContent = small?.picture ? `${explain(item, "show")} This is a small copy.` : small?.problem || explain(item, "show");
      note.hidden = false;
    }, { once: true });
    if (boxes.length === 0) return [picture, note];
    const limit = { width: tiny ? 320 : size[0], height: "62vh" };
    const marks = boxes.map((box) => [[...box.place, box.colour, box.ink], `${box.label} ${Math.round(100 * box.score)} %`]);
    return [layBoxes(picture, size, limit, marks), note];
  };
  const drawMedia = (item, detail, place) => {
    const boxes = detail.boxes ? drawBoxes(detail.boxes) : null;
    if ((item.k === "picture" || item.k === "sound") && detail.url) return [...drawWhole(place), boxes];
    const words = boxes ?? (item.l ? drawLabels(item.l) : detail.words ? make("pre", { tabindex: "0" }, detail.words) : null);
    const sources = (item.o ?? []).filter((source) => read("details", source)?.url);
    if (sources.length === 0) return [words];
    const heard = sources.every((source) => items[source].k === "sound");
    return [make("div", { class: `beside${heard ? " heard" : sources.length > 1 ? " several" : ""}` },
      ...sources.map((source, at) => make("figure", {}, ...drawWhole(source, at === 0 ? detail.boxes ?? [] : [], detail.record.size),
        make("figcaption", {}, make("button", { type: "button", onclick: () => showPlace(source) }, items[source].f ?? items[source].p ?? "")))),
      make("div", { class: "about-it", tabindex: boxes ? "0" : null }, words))];
  };
  const showDetail = (position) => {
    if (position < 0 || position >= shown.length) return;
    stop();
    active = position;
    const place = shown[position], item = items[place], detail = read("details", place);
    if (detail === null) { $("count").textContent = "the page is still loading"; return; }
    $("detail-title").textContent = item.p || item.f || item.t || "";
    $("previous").disabled = position === 0;
    $("next").disabled = position === shown.length - 1;
    const button = make("button", { type: "button", onclick: () => copy(detail.command, button) }, "Copy");
    $("detail-body").replaceChildren(...[
      item.e ? make("p", { class: "error" }, `${item.z || "failed"}: ${item.e}`) : null,
      ...drawMedia(item, detail, place),
      detail.url ? make("p", {}, make("a", { href: detail.url }, item.f)) : null,
      drawRelated("Made from", detail.sources.filter((source) => !item.o?.includes(source))),
      drawRelated("Made from this", detail.results, true),
      detail.command ? make("section", {}, make("h3", {}, "The command that makes it again"),
        make("div", { class: "copy" }, make("pre", { tabindex: "0" }, detail.command), button)) : null,
      Object.keys(detail.record).length ? make("section", {}, make("h3", {}, "Record"), make("table", {}, make("tbody", {},
        ...flatten(detail.record).map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)))))) : null,
    ].filter(Boolean));
    if (!dialog.open) dialog.showModal();
    $("detail-body").scrollIntoView?.({ block: "nearest" });
    dialog.scrollTop = 0;
  };
  $("previous").addEventListener("click", () => showDetail(active - 1));
  $("next").addEventListener("click", () => showDetail(active + 1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { $("detail-body").replaceChildren(); activate(active); });

  // Colours
  const THEMES = { "": "as the system", light: "light", dark: "dark" };
  const remembered = (() => { try { return localStorage.getItem("genai-theme") ?? ""; } catch { return ""; } })();
  const setTheme = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme;
    $("theme").setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
    $("theme").title = `Colours: ${THEMES[theme]}`;
    try { localStorage.setItem("genai-theme", theme); } catch { /* no storage for this page */ }
  };
  $("theme").addEventListener("click", () => {
    const names = Object.keys(THEMES), now = document.documentElement.dataset.theme ?? "";
    setTheme(names[(names.indexOf(now) + 1) % names.length]);
  });
  setTheme(remembered in THEMES ? remembered : "");

  // What was searched and where the list stood survives a reload
  let waiting = 0;
  const keep = () => history.replaceState({ ...state(), y: scrollY }, "");
  const change = () => {
    list.setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(() => { active = 0; redraw(); keep(); list.removeAttribute("aria-busy"); }, 80);
  };
  const restore = (kept) => {
    if (!kept) return;
    $("search").value = kept.q; $("seed").value = kept.seed;
    for (const id of ["t", "m", "c", "state", "sort", "from", "to"]) $(id).value = kept[id] ?? "";
  };
  $("tools").addEventListener("input", change);
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("tools").addEventListener("reset", () => setTimeout(change));
  $("clear").addEventListener("click", () => $("tools").reset());
  addEventListener("scroll", () => { requestAnimationFrame(draw); }, { passive: true });
  new ResizeObserver(() => { measure(); draw(); }).observe(list);
  history.scrollRestoration = "manual";
  restore(history.state);
  redraw();
  if (history.state?.y) scrollTo(0, history.state.y);
  // Small pictures come in blocks while the rest of the page loads: a card is drawn again when its block is there.
  const refill = () => {
    for (const [position, card] of cards) {
      if (card.dataset.waits === undefined || waits(shown[position])) continue;
      card.querySelector(".view").replaceChildren(drawView(items[shown[position]], shown[position]));
      delete card.dataset.waits;
    }
  };
  const filling = setInterval(refill, 100);
  addEventListener("DOMContentLoaded", () => { clearInterval(filling); refill(); });
  const reload = () => {
    const types = document.activeElement?.closest?.("input, select");
    if (!dialog.open && !types && playing === null && !document.hidden) { keep(); location.reload(); }
  };
  if ("running" in document.body.dataset) setInterval(reload, RELOAD);
  // A page that a server shows asks for its tag, and is loaded again when there is another.
  if ("live" in document.body.dataset) {
    setInterval(async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(location.pathname, { method: "HEAD", cache: "no-store" });
        if (answer.ok && answer.headers.get("etag") !== document.body.dataset.live) reload();
      } catch { /* the server has gone; it may come again */ }
    }, RELOAD);
  }
})();
