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

function remember() {
  try {
    const changes = [...decided].filter(([image]) => isChanged(byImage.get(image)));
    if (changes.length || by.value) localStorage.setItem(memory, JSON.stringify({ by: by.value, changes }));
    else localStorage.removeItem(memory);
  } catch { /* a browser that keeps nothing: the question before leaving is still asked */ }
}

try {
  const kept = JSON.parse(localStorage.getItem(memory) ?? "{}");
  by.value = typeof kept.by === "string" ? kept.by : "";
  for (const [image, choice] of kept.changes ?? []) if (byImage.has(image)) decided.set(image, { ...written(byImage.get(image)), ...choice });
  isSaved = ![...byImage.values()].some(isChanged);
} catch { /* none of ours */ }

function decide(card, change) { decideAll([card], change); }

function decideAll(cards, change) {
  for (const card of cards) decided.set(card.image, { ...told(card), ...change });
  isSaved = false;
  remember();
  count();
}

addEventListener("beforeunload", event => { if (!isSaved && [...byImage.values()].some(isChanged)) event.preventDefault(); });

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
  return [choice, element("label", { className: "en" }, "legenda / caption", caption), element("label", { className: "en" }, "por quê? / why?", note)];
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

// ---------------------------------------------------------------- overrides.csv

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
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = "overrides.csv";
  link.click();
  isSaved = true;
});

refresh();
if (location.hash.length > 1) show(decodeURIComponent(location.hash.slice(1)));
