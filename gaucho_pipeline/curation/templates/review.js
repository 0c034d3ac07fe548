"use strict";
// Cards are made as one scrolls to them, so that thousands of images open at once; what is decided is in `decided`, whatever is shown.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("cards"), by = document.getElementById("by"), more = document.getElementById("more");
const byImage = new Map(data.cards.filter(card => !card.is_repeated).map(card => [card.image, card]));
const memory = `gaucho review ${location.pathname.split("/curated_set/")[0]} ${data.slug}`;  // of this project, whichever set it is
const AT_ONCE = 60;
let language = (navigator.language || "pt").toLowerCase().startsWith("pt") ? "pt" : "en";
const word = (name, values = {}) =>
  data.words[language][name].replace(/\{(\w+)\}/g, (whole, each) => ({ title: data.title, slug: data.slug, ...values })[each] ?? whole);
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
    if (changes.length || by.value || masks.size) localStorage.setItem(memory, JSON.stringify({ by: by.value, language, changes, masks: [...masks] }));
    else localStorage.removeItem(memory);
  } catch { /* a browser that keeps nothing: the question before leaving is still asked */ }
}

try {
  const kept = JSON.parse(localStorage.getItem(memory) ?? "{}");
  by.value = typeof kept.by === "string" ? kept.by : "";
  if (kept.language in data.words) language = kept.language;
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
  const kept = stay + data.kept_beyond;
  document.getElementById("counts").textContent = word("counts", { read: data.read, kept, excluded: data.read - kept, changed });
}

// ---------------------------------------------------------------- cards

function element(name, properties = {}, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) key in found ? found[key] = value : found.setAttribute(key, value);
  found.append(...children);
  return found;
}

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
    button.setAttribute("aria-label", word("enlarge", { name: card.title || card.image }));
    button.addEventListener("click", () => enlarge(card));
    article.append(button);
  } else article.append(element("div", { className: "none", textContent: word("no_picture") }));
  article.append(element("h2", { textContent: card.title || card.image }));
  const credit = element("p", {}, [card.author, card.license + (card.flags.length ? ` (${card.flags.join(", ")})` : ""), card.size].filter(Boolean).join(" · "));
  if (card.source) credit.append(" · ", element("a", { href: card.source, rel: "noreferrer", textContent: word("source") }));
  article.append(credit);
  if (card.statements.length) article.append(element("div", { className: "small" }, word("stated_by_several"),
    element("ul", {}, ...card.statements.map(text => element("li", { textContent: text })))));
  if (card.masked) article.append(element("figure", { className: "masked" },
    element("img", { src: card.masked, alt: word("mask_shows"), loading: "lazy" }),
    element("figcaption", {}, word("mask_line", { share: card.mask_share, by: word(`mask_by_${card.mask_by}`) }))));
  if (card.relevance) article.append(element("p", {}, word("relevance", { value: card.relevance })));
  if (card.people) article.append(element("p", { className: "flag", textContent: word("people") }));
  if (!card.kept) {
    const limit = card.threshold ? `; ${word("limit", { value: card.threshold })}` : "";
    article.append(element("p", { className: "why" }, card[language] + (card.score ? ` (${card.score}${limit})` : "")));
  }
  if (card.same_as) {
    const twin = byImage.get(card.same_as);
    const line = element("div", { className: "twin" });
    if (twin?.picture) line.append(element("img", { src: twin.picture, alt: "", loading: "lazy" }));
    const link = element("a", { href: `#${card.same_as}`, textContent: word("which") });
    link.addEventListener("click", event => { event.preventDefault(); show(card.same_as); });
    line.append(element("span", {}, word("copy_of", { name: twin?.title || card.same_as }), " ", link));
    article.append(line);
  }
  article.append(names(card));
  if (!card.is_repeated) article.append(...controls(card, article));
  mark(article, card);
  return article;
}

// the file's name and its hash, for `gaucho forget` and for letters
function names(card) {
  const line = element("p", { className: "names" });
  for (const [text, label] of [[card.file_name, "copy_name"], [card.image, "copy_hash"]]) if (text) {
    const button = element("button", { type: "button", className: "quiet copy", textContent: word("copy") });
    button.setAttribute("aria-label", word(label, { name: text }));
    button.addEventListener("click", () => copyText(text, button));
    line.append(element("span", {}, element("code", { textContent: text }), " ", button));
  }
  return line;
}

async function copyText(text, button) {
  try { await navigator.clipboard.writeText(text); } catch {  // a page that was opened as a file may not
    const field = element("textarea", { value: text });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  button.textContent = word("copied");
}

const paintLabel = card => word(masks.has(card.image) ? "painted_button" : "paint_button");

function controls(card, article) {
  const choice = element("fieldset", { className: "choice" });
  choice.setAttribute("aria-label", word("decision"));
  for (const [value, text] of [["", word("automatic")], ["keep", word("keep")], ["drop", word("drop")]]) {
    const input = element("input", { type: "radio", name: `d-${card.image}`, value, checked: told(card).decision === value });
    input.addEventListener("change", () => { decide(card, { decision: value }); mark(article, card); });
    choice.append(element("label", {}, input, text));
  }
  const caption = element("textarea", { rows: 2, className: "caption", maxLength: 300, value: told(card).caption,
    placeholder: card.caption || data.plain_caption });
  const note = element("input", { className: "note", maxLength: 300, value: told(card).why });
  caption.addEventListener("input", () => { decide(card, { caption: caption.value.trim() }); mark(article, card); });
  note.addEventListener("input", () => { decide(card, { why: note.value.trim() }); mark(article, card); });
  const paint = card.large && card.kept
    ? [element("button", { type: "button", className: "quiet paint", textContent: paintLabel(card) })] : [];
  paint.forEach(button => button.addEventListener("click", () => openPaint(card, button)));
  return [choice, ...paint, element("label", { className: "small" }, word("caption"), caption), element("label", { className: "small" }, word("why"), note)];
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
  more.textContent = made < shown.length ? word("scroll", { made, count: shown.length }) : word("images", { count: shown.length });
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
