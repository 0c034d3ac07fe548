"use strict";
// Cards are made as one scrolls to them, so that thousands of images open at once; what is decided is in `decided`, whatever is shown.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("cards"), by = document.getElementById("by"), more = document.getElementById("more");
const byImage = new Map(data.cards.filter(card => !card.is_repeated).map(card => [card.image, card]));
const memory = `gaucho review ${location.pathname.split("/curated_set/")[0]} ${data.slug}`;  // of this project, whichever set it is
const AT_ONCE = 60;
const written = card => ({ decision: card.decision, caption: card.written, why: card.why });
const same = (one, other) => ["decision", "caption", "why"].every(name => one[name] === other[name]);
const decided = new Map();

// ---------------------------------------------------------------- what is decided, and kept in this browser until it is saved

const told = card => decided.get(card.image) ?? written(card);
const isChanged = card => !card.is_repeated && decided.has(card.image) && !same(decided.get(card.image), written(card));
const willStay = card => { const { decision } = told(card); return decision ? decision === "keep" : card.automatic; };
let isSaved = true;
const masks = new Map();  // painted masks, as data: URLs of PNGs, by image

function remember() {
  try {
    const changes = [...decided].filter(([image]) => isChanged(byImage.get(image)));
    if (changes.length || by.value || masks.size) localStorage.setItem(memory, JSON.stringify({ by: by.value, changes, masks: [...masks] }));
    else localStorage.removeItem(memory);
  } catch { /* a browser that keeps nothing: the question before leaving is still asked */ }
}

try {
  const kept = JSON.parse(localStorage.getItem(memory) ?? "{}");
  by.value = typeof kept.by === "string" ? kept.by : "";
  for (const [image, choice] of kept.changes ?? []) if (byImage.has(image)) decided.set(image, { ...written(byImage.get(image)), ...choice });
  for (const [image, mask] of kept.masks ?? []) if (byImage.has(image) && String(mask).startsWith("data:image/png;base64,")) masks.set(image, mask);
  isSaved = !masks.size && ![...byImage.values()].some(isChanged);
} catch { /* none of ours */ }

function decide(card, change) { decideAll([card], change); }

function decideAll(cards, change) {
  for (const card of cards) decided.set(card.image, { ...told(card), ...change });
  isSaved = false;
  remember();
  count();
}

addEventListener("beforeunload", event => { if (!isSaved && (masks.size || [...byImage.values()].some(isChanged))) event.preventDefault(); });

function count() {
  const cards = [...byImage.values()], stay = cards.filter(willStay).length, changed = cards.filter(isChanged).length;
  document.getElementById("counts").textContent =
    `Ficam ${stay + data.kept_beyond}, saem ${cards.length - stay + data.excluded_beyond}; você mudou ${changed}. `
    + `(${stay + data.kept_beyond} kept, ${cards.length - stay + data.excluded_beyond} excluded, ${changed} changed)`;
}

// ---------------------------------------------------------------- cards

function element(name, properties = {}, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) key in found ? found[key] = value : found.setAttribute(key, value);
  found.append(...children);
  return found;
}
const english = text => element("span", { className: "en", lang: "en", textContent: text });

function enlarge(card) {
  const dialog = document.getElementById("large");
  dialog.querySelector("img").src = card.large;
  dialog.querySelector("img").alt = card.title;
  dialog.showModal();
}

function cardOf(card) {
  const article = element("article", { tabIndex: -1, className: card.kept ? "" : "out" });
  if (!card.is_repeated) article.id = card.image;
  article.dataset.place = card.place;
  if (card.picture) {
    const button = element("button", { type: "button", className: "picture" },
      element("img", { src: card.picture, alt: card.title, loading: "lazy" }));
    button.setAttribute("aria-label", `ampliar: ${card.title || card.image}`);
    button.addEventListener("click", () => enlarge(card));
    article.append(button);
  } else article.append(element("div", { className: "none", textContent: "sem imagem / no picture" }));
  article.append(element("h2", { textContent: card.title || card.image }));
  const credit = element("p", {}, [card.author, card.license + (card.flags.length ? ` (${card.flags.join(", ")})` : ""), card.size].filter(Boolean).join(" · "));
  if (card.source) credit.append(" · ", element("a", { href: card.source, rel: "noreferrer", textContent: "fonte" }));
  article.append(credit);
  if (card.masked) article.append(element("figure", { className: "masked" },
    element("img", { src: card.masked, alt: "o que a máscara mostra", loading: "lazy" }),
    element("figcaption", {}, `máscara: ${card.mask_share} da imagem (${card.mask_by}) `, english("of it is the subject"))));
  if (card.relevance) article.append(element("p", {}, `relevância ${card.relevance} `, english("relevance")));
  if (card.people) article.append(element("p", { className: "flag" },
    "Parece mostrar o rosto de alguém ou uma criança: o direito à imagem da pessoa não é questão de licença. ",
    english("Seems to show a face or a child: a person's rights are no matter of the licence.")));
  if (!card.kept) article.append(element("p", { className: "why" },
    card.pt + (card.score ? ` (${card.score}${card.threshold ? `; limite ${card.threshold}` : ""}) ` : " "), english(card.en)));
  if (card.same_as) {
    const twin = byImage.get(card.same_as);
    const line = element("div", { className: "twin" });
    if (twin?.picture) line.append(element("img", { src: twin.picture, alt: "", loading: "lazy" }));
    const link = element("a", { href: `#${card.same_as}`, textContent: "qual?" });
    link.addEventListener("click", event => { event.preventDefault(); show(card.same_as); });
    line.append(element("span", {}, `cópia de ${twin?.title || card.same_as}: `, link, " ", english("copy of")));
    article.append(line);
  }
  if (!card.is_repeated) article.append(...controls(card, article));
  mark(article, card);
  return article;
}

function controls(card, article) {
  const choice = element("fieldset", { className: "choice" });
  choice.setAttribute("aria-label", "decisão");
  for (const [value, text] of [["", "automático"], ["keep", "manter"], ["drop", "retirar"]]) {
    const input = element("input", { type: "radio", name: `d-${card.image}`, value, checked: told(card).decision === value });
    input.addEventListener("change", () => { decide(card, { decision: value }); mark(article, card); });
    choice.append(element("label", {}, input, text));
  }
  const caption = element("textarea", { rows: 2, className: "caption", maxLength: 300, value: told(card).caption,
    placeholder: card.caption || "a photo of {token} {class_noun}" });
  const note = element("input", { className: "note", maxLength: 300, value: told(card).why });
  caption.addEventListener("input", () => { decide(card, { caption: caption.value.trim() }); mark(article, card); });
  note.addEventListener("input", () => { decide(card, { why: note.value.trim() }); mark(article, card); });
  const paint = card.large && card.kept
    ? [element("button", { type: "button", className: "quiet paint", textContent: masks.has(card.image) ? "máscara pintada / mask painted" : "pintar máscara / paint mask" })] : [];
  paint.forEach(button => button.addEventListener("click", () => openPaint(card, button)));
  return [choice, ...paint, element("label", { className: "en" }, "legenda / caption", caption), element("label", { className: "en" }, "por quê? / why?", note)];
}

function mark(article, card) {
  article.classList.toggle("changed", isChanged(card));
  for (const input of article.querySelectorAll(".choice input")) input.checked = input.value === told(card).decision;
}

// ---------------------------------------------------------------- what is shown

let shown = [];
let first = 0, made = 0;  // cards from the first to before the last are in the page
const above = document.getElementById("above");

function fits(card) {
  const value = id => document.getElementById(id).value;
  const state = value("state");
  return (!value("reason") || card.reason === value("reason")) && (!value("license") || card.license === value("license"))
    && (!value("author") || card.author === value("author"))
    && (!state || (state === "changed" ? isChanged(card) : state === "flagged" ? card.people : (card.kept ? "in" : "out") === state));
}

function refresh() {
  shown = data.cards.filter(fits);
  begin(0);
  count();
}

function begin(place) {
  first = made = Math.max(0, place - AT_ONCE / 2);
  main.replaceChildren();
  makeMore();
}

function makeAbove() {
  const before = first;
  first = Math.max(0, first - AT_ONCE);
  main.prepend(...shown.slice(first, before).map(cardOf));
  above.hidden = first === 0;
}
above.querySelector("button").addEventListener("click", makeAbove);

function makeMore() {
  const next = shown.slice(made, made + AT_ONCE);
  main.append(...next.map(cardOf));
  made += next.length;
  above.hidden = first === 0;
  more.textContent = made < shown.length ? `${made} de ${shown.length}; role para ver mais / scroll for more` : `${shown.length} imagens / images`;
}

new IntersectionObserver(entries => { if (entries.some(entry => entry.isIntersecting) && made < shown.length) makeMore(); },
  { rootMargin: "1500px" }).observe(more);

function show(image) {
  // a filter that hides it is taken away
  if (!shown.some(card => card.image === image && !card.is_repeated)) {
    for (const id of ["state", "reason", "license", "author"]) document.getElementById(id).value = "";
    refresh();
  }
  const place = shown.findIndex(card => card.image === image && !card.is_repeated);
  if (place < first || place >= made) begin(place);
  const article = document.getElementById(image);
  if (article) { article.scrollIntoView({ block: "center" }); article.focus({ preventScroll: true }); }
}

for (const id of ["state", "reason", "license", "author"]) document.getElementById(id).addEventListener("change", refresh);
by.addEventListener("input", () => { by.setCustomValidity(""); remember(); });
for (const button of document.querySelectorAll("[data-bulk]")) button.addEventListener("click", () => {
  decideAll(shown.filter(card => !card.is_repeated), { decision: button.dataset.bulk });
  for (const article of main.querySelectorAll("article[id]")) mark(article, byImage.get(article.id));
});

// ---------------------------------------------------------------- keys

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=radio]), textarea, select, dialog, summary")) return;
  const articles = [...main.querySelectorAll("article")];
  const current = document.activeElement?.closest("article"), place = articles.indexOf(current);
  const go = to => { if (to >= articles.length && made < shown.length) { makeMore(); articles.push(...[...main.querySelectorAll("article")].slice(articles.length)); }
    const target = articles[Math.max(0, Math.min(to, articles.length - 1))];
    if (target) { target.scrollIntoView({ block: "center" }); target.focus({ preventScroll: true }); } };
  const key = event.key.toLowerCase();
  const decisions = { k: "keep", d: "drop", a: "" };
  if (key === "arrowright") go(place + 1);
  else if (key === "arrowleft") { if (place === 0 && first) { makeAbove(); articles.splice(0, articles.length, ...main.querySelectorAll("article")); }
    go(Math.max(0, articles.indexOf(current) - 1)); }
  else if (key in decisions && current?.id) { decide(byImage.get(current.id), { decision: decisions[key] }); mark(current, byImage.get(current.id)); }
  else if (key === "enter" && current === document.activeElement && current) current.querySelector(".picture")?.click();
  else return;
  event.preventDefault();
});

// ---------------------------------------------------------------- painting a mask: white is the subject, by mouse, finger or keys

const PAINT_SIDE = 768;
const paintDialog = document.getElementById("paint"), pictureCanvas = document.getElementById("picture"), maskCanvas = document.getElementById("mask");
const cover = maskCanvas.getContext("2d", { willReadFrequently: true });
let painting = null;  // { card, button, history, corners, cursor, isDown }

const tool = () => paintDialog.querySelector("input[name=tool]:checked").value;
const brushSize = () => Number(document.getElementById("brush").value) * maskCanvas.width / 768;

function openPaint(card, button) {
  const picture = new Image();
  picture.addEventListener("load", () => {
    const scale = Math.min(1, PAINT_SIDE / Math.max(picture.naturalWidth, picture.naturalHeight));
    for (const canvas of [pictureCanvas, maskCanvas]) {
      canvas.width = Math.max(1, Math.round(picture.naturalWidth * scale));
      canvas.height = Math.max(1, Math.round(picture.naturalHeight * scale));
    }
    pictureCanvas.getContext("2d").drawImage(picture, 0, 0, pictureCanvas.width, pictureCanvas.height);
    painting = { card, button, history: [], corners: [], cursor: [maskCanvas.width / 2, maskCanvas.height / 2], isDown: false };
    coverAll();
    if (masks.has(card.image)) {
      const before = new Image();
      before.addEventListener("load", () => { uncover(before); showShare(); });
      before.src = masks.get(card.image);
    }
    showShare();
    paintDialog.showModal();
    maskCanvas.focus();
  });
  picture.src = card.large;
}

function coverAll() {
  cover.globalCompositeOperation = "source-over";
  cover.fillStyle = "rgb(214, 70, 160)";
  cover.fillRect(0, 0, maskCanvas.width, maskCanvas.height);
}

function uncover(mask) {  // an image of a mask: where it is white nothing covers the picture
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [maskCanvas.width, maskCanvas.height];
  const context = copy.getContext("2d");
  context.drawImage(mask, 0, 0, copy.width, copy.height);
  const values = context.getImageData(0, 0, copy.width, copy.height), covered = cover.getImageData(0, 0, copy.width, copy.height);
  for (let place = 0; place < values.data.length; place += 4) covered.data[place + 3] = 255 - values.data[place];
  cover.putImageData(covered, 0, 0);
}

function keepForUndo() {
  painting.history.push(cover.getImageData(0, 0, maskCanvas.width, maskCanvas.height));
  if (painting.history.length > 30) painting.history.shift();
}

function withTool(draw) {
  cover.globalCompositeOperation = tool() === "eraser" ? "source-over" : "destination-out";
  cover.fillStyle = cover.strokeStyle = "rgb(214, 70, 160)";
  draw();
  cover.globalCompositeOperation = "source-over";
}

function dab(from, to) {
  withTool(() => {
    cover.lineCap = cover.lineJoin = "round";
    cover.lineWidth = brushSize();
    cover.beginPath();
    cover.moveTo(...from);
    cover.lineTo(to[0] + 0.01, to[1]);
    cover.stroke();
  });
}

function closePolygon() {
  const { corners } = painting;
  if (corners.length > 2) {
    restoreWithoutCorners();
    keepForUndo();
    withTool(() => { cover.beginPath(); corners.forEach(corner => cover.lineTo(...corner)); cover.fill(); });
  }
  painting.corners = [];
  showShare();
}

function addCorner(place) {
  if (!painting.corners.length) painting.beforeCorners = cover.getImageData(0, 0, maskCanvas.width, maskCanvas.height);
  painting.corners.push(place);
  restoreWithoutCorners();
  cover.strokeStyle = "#fff";
  cover.lineWidth = 2;
  cover.beginPath();
  painting.corners.forEach(corner => cover.lineTo(...corner));
  cover.stroke();
  for (const corner of painting.corners) cover.strokeRect(corner[0] - 3, corner[1] - 3, 6, 6);
}

function restoreWithoutCorners() { if (painting.beforeCorners) cover.putImageData(painting.beforeCorners, 0, 0); }

function undo() {
  if (painting.corners.length) {
    const corners = painting.corners.slice(0, -1);
    restoreWithoutCorners();
    painting.corners = [];
    corners.forEach(addCorner);
  } else if (painting.history.length) cover.putImageData(painting.history.pop(), 0, 0);
  showShare();
}

function maskPng() {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [maskCanvas.width, maskCanvas.height];
  const context = copy.getContext("2d"), values = cover.getImageData(0, 0, copy.width, copy.height);
  for (let place = 0; place < values.data.length; place += 4) {
    values.data.fill(255 - values.data[place + 3], place, place + 3);
    values.data[place + 3] = 255;
  }
  context.putImageData(values, 0, 0);
  return copy.toDataURL("image/png");
}

function paintedShare() {
  const { data: values } = cover.getImageData(0, 0, maskCanvas.width, maskCanvas.height);
  let sum = 0;
  for (let place = 3; place < values.length; place += 4) sum += 255 - values[place];
  return sum / 255 / (values.length / 4);
}

function showShare() {
  const share = paintedShare(), per = Math.round(100 * share);
  document.getElementById("share").textContent = share < 0.005 ? "Nada está pintado: sem máscara. / Nothing is painted: no mask."
    : share > 0.98 ? "Tudo está pintado: a máscara não diz nada. / All is painted: the mask says nothing."
      : `${per} % da imagem é o motivo. / ${per} % of the image is the subject.`;
}

const placeOf = event => {
  const box = maskCanvas.getBoundingClientRect();
  return [(event.clientX - box.left) * maskCanvas.width / box.width, (event.clientY - box.top) * maskCanvas.height / box.height];
};
maskCanvas.addEventListener("pointerdown", event => {
  if (tool() === "polygon") { addCorner(placeOf(event)); return; }
  keepForUndo();
  painting.isDown = true;
  painting.cursor = placeOf(event);
  dab(painting.cursor, painting.cursor);
  maskCanvas.setPointerCapture(event.pointerId);
});
maskCanvas.addEventListener("pointermove", event => {
  if (!painting?.isDown) return;
  const next = placeOf(event);
  dab(painting.cursor, next);
  painting.cursor = next;
});
for (const name of ["pointerup", "pointercancel"]) maskCanvas.addEventListener(name, () => { if (painting) { painting.isDown = false; showShare(); } });
maskCanvas.addEventListener("keydown", event => {
  const step = brushSize() / 2, { cursor } = painting;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (event.key in moves) {
    const next = [Math.max(0, Math.min(maskCanvas.width, cursor[0] + moves[event.key][0])), Math.max(0, Math.min(maskCanvas.height, cursor[1] + moves[event.key][1]))];
    if (event.shiftKey && tool() !== "polygon") { keepForUndo(); dab(cursor, next); }
    painting.cursor = next;
  } else if (event.key === " " && tool() !== "polygon") { keepForUndo(); dab(cursor, cursor); }
  else if (event.key === "Enter" || event.key === " ") addCorner([...cursor]);
  else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) undo();
  else return;
  event.preventDefault();
  showShare();
});
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("close-polygon").addEventListener("click", closePolygon);
document.getElementById("clear").addEventListener("click", () => { keepForUndo(); painting.corners = []; coverAll(); showShare(); });
document.getElementById("painted").addEventListener("click", () => {
  closePolygon();
  const { card, button } = painting;
  if (paintedShare() < 0.005) masks.delete(card.image);
  else masks.set(card.image, maskPng());
  button.textContent = masks.has(card.image) ? "máscara pintada / mask painted" : "pintar máscara / paint mask";
  isSaved = false;
  remember();
  paintDialog.close();
  button.focus();
});

// ---------------------------------------------------------------- the file to save: overrides.csv and masks/, in a ZIP that compresses nothing

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

function zipped(files) {  // APPNOTE.TXT 4.3: for each file a header and its bytes, then the directory and its end
  const parts = [], directory = [];
  let offset = 0;
  const numbers = (...pairs) => { const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0))); let at = 0;
    for (const [size, value] of pairs) { size === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true); at += size; } return new Uint8Array(view.buffer); };
  for (const [name, bytes] of files) {
    const called = new TextEncoder().encode(name);
    const shared = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, called.length], [2, 0]];
    parts.push(numbers([4, 0x04034b50], ...shared), called, bytes);
    directory.push(numbers([4, 0x02014b50], [2, 20], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), called);
    offset += 30 + called.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  return [...parts, ...directory, numbers([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0])];
}

const inert = text => /^[=+\-@\t']/.test(text) ? "'" + text : text;
const quoted = text => /[",;\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
const line = (image, ...cells) => ["sha256:" + image, ...cells.map(inert)].map(quoted).join(",");
document.getElementById("save").addEventListener("click", () => {
  const me = by.value.trim();
  if (!me && [...byImage.values()].some(isChanged)) {
    by.setCustomValidity("Escreva seu nome: fica registrado quem decidiu. / Write your name.");
    by.reportValidity();
    return;
  }
  const lines = ["image,decision,caption,by,why", ...data.others.map(other => line(...other))];
  for (const card of byImage.values()) {
    const { decision, caption, why } = told(card);
    if (decision || caption || why) lines.push(line(card.image, decision, caption, isChanged(card) ? me : card.by, why));
  }
  const text = "\ufeff" + lines.join("\r\n") + "\r\n";
  const files = [["overrides.csv", new TextEncoder().encode(text)]];
  for (const [image, mask] of masks) files.push([`masks/${image}.png`, Uint8Array.from(atob(mask.split(",")[1]), sign => sign.charCodeAt(0))]);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(zipped(files), { type: "application/zip" }));
  link.download = `${data.slug}.overrides.zip`;
  link.click();
  isSaved = true;
});

refresh();
if (location.hash.length > 1) show(decodeURIComponent(location.hash.slice(1)));
