"use strict";
// One person judges a panel. What was answered is kept in this browser; nothing is sent anywhere.
const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const key = `gaucho-judge-${data.panel}`;
const hex = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let kept = true;
let state = load() || fresh();
let place = 0;
let screen = "intro";

function fresh() {
  const language = (navigator.language || "pt").toLowerCase().startsWith("pt") ? "pt" : "en";
  return { rater: hex(), name: "", relation: "", language, pairs: {}, singles: {} };
}

function load() {
  try {
    const found = JSON.parse(localStorage.getItem(key));
    return found && found.rater ? found : null;
  } catch (error) {
    return null;
  }
}

function store() {
  try {
    localStorage.setItem(key, JSON.stringify(state));
  } catch (error) {
    kept = false; // a private window, or a telephone's preview
  }
}

function random(seed) { // mulberry32: the order is the rater's own, and the same when the page is opened again
  let value = parseInt(seed.slice(0, 8), 16);
  return () => {
    value = (value + 0x6d2b79f5) | 0;
    let mixed = Math.imul(value ^ (value >>> 15), 1 | value);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function questions() {
  const draw = random(state.rater);
  const shuffled = (list) => {
    const found = [...list];
    for (let last = found.length - 1; last > 0; last--) {
      const other = Math.floor(draw() * (last + 1));
      [found[last], found[other]] = [found[other], found[last]];
    }
    return found;
  };
  const singles = shuffled(data.singles).map((picture) => ({ kind: "single", picture }));
  const pairs = shuffled(data.pairs).map(([id, one, other]) => ({ kind: "pair", id, pictures: draw() < 0.5 ? [one, other] : [other, one] }));
  return [...singles, ...pairs]; // single pictures first: pairs show what real ones look like
}

const isAnswered = (asked) => (asked.kind === "pair" ? asked.id in state.pairs : asked.picture in state.singles);
const done = () => Object.keys(state.pairs).length + Object.keys(state.singles).length;
const word = (name, values = {}) =>
  data.words[state.language][name].replace(/\{(\w+)\}/g, (whole, each) => ({ name: data.name[state.language], ...values })[each] ?? whole);

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

const button = (text, onclick, properties = {}) => element("button", { type: "button", textContent: text, onclick, ...properties });
const picture = (id, alt) => element("img", { src: data.pictures[id], alt, draggable: false });

function show(...children) {
  document.documentElement.lang = state.language === "pt" ? "pt-BR" : "en";
  document.title = word("title");
  document.getElementById("title").textContent = word("title");
  document.getElementById("language").textContent = word("other_language");
  document.getElementById("language").lang = state.language === "pt" ? "en" : "pt-BR";
  document.getElementById("credits").hidden = screen === "question";
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word);
  main.replaceChildren(...children);
  const heading = main.querySelector("h2");
  if (heading) {
    heading.tabIndex = -1;
    heading.focus();
  }
  window.scrollTo(0, 0);
}

function choices(legend, name, options, chosen, type = "radio") {
  const rows = options.map(([value, text]) => {
    const box = element("input", { type, name, value, checked: chosen.includes(value) });
    return element("label", { className: "choice" }, box, text);
  });
  return element("fieldset", {}, element("legend", { textContent: legend }), ...rows);
}

const values = (name) => Array.from(main.querySelectorAll(`input[name="${name}"]:checked`), (box) => box.value);

function intro() {
  screen = "intro";
  store();
  const count = data.pairs.length + data.singles.length;
  const warning = element("p", { className: "warn", role: "alert" });
  const name = element("input", { value: state.name, maxLength: 100, autocomplete: "name" });
  const begin = () => {
    const [relation] = values("relation");
    if (!relation) {
      warning.textContent = word("choose_relation");
      return;
    }
    Object.assign(state, { relation, name: name.value });
    store();
    const asked = questions();
    place = Math.max(0, asked.findIndex((each) => !isAnswered(each)));
    if (asked.every(isAnswered)) end();
    else question();
  };
  const form = element("form", { onsubmit: (event) => { event.preventDefault(); begin(); } },
    choices(word("relation"), "relation", data.relations.map((each) => [each, word(each)]), [state.relation]),
    element("label", { className: "field" }, word("your_name"), name),
    warning,
    element("div", { className: "row" }, button(done() ? word("go_on") : word("start"), begin, { type: "submit", onclick: null })));
  show(
    element("p", { className: "lead", textContent: word("lead") }),
    element("p", { textContent: word("how", { count, minutes: Math.ceil(count / 6) }) }),
    ...(kept ? [] : [element("p", { className: "notice", textContent: word("no_storage") })]),
    form);
}

function question() {
  screen = "question";
  const asked = questions();
  const each = asked[place];
  const count = asked.length;
  const top = element("div", {},
    element("p", { className: "small", textContent: word("progress", { number: place + 1, count }) }),
    element("progress", { max: count, value: place, "aria-label": word("progress", { number: place + 1, count }) }));
  const navigation = element("div", { className: "row" },
    ...(place ? [button(word("back"), () => { place -= 1; question(); }, { className: "quiet", id: "back" })] : []),
    button(word("finish_now"), end, { className: "quiet end" }));
  show(top, ...(each.kind === "pair" ? askPair(each) : askSingle(each)), navigation);
}

function forward() {
  store();
  place += 1;
  if (place < data.pairs.length + data.singles.length) question();
  else end();
}

function askPair(asked) {
  const choose = (id) => { state.pairs[asked.id] = id; forward(); };
  const buttons = asked.pictures.map((id, side) =>
    element("button", { type: "button", onclick: () => choose(id), "aria-pressed": String(state.pairs[asked.id] === id) },
      picture(id, word(side ? "right" : "left"))));
  return [
    element("h2", { textContent: word("pair") }),
    element("p", { className: "small", textContent: word("pair_help") }),
    element("div", { className: "two" }, ...buttons)];
}

function askSingle(asked) {
  const before = state.singles[asked.picture];
  const warning = element("p", { className: "warn", role: "alert" });
  const wrong = element("textarea", { value: before ? before.wrong : "", maxLength: 500, rows: 2 });
  const seen = before ? before.attributes.map(String) : [];
  const save = () => {
    const [answer] = values("shows");
    if (!answer) {
      warning.textContent = word("choose_answer");
      return;
    }
    state.singles[asked.picture] = { shows_it: answer === "yes", attributes: values("attribute").map(Number), wrong: wrong.value };
    forward();
  };
  const attributes = data.attributes.map((text, number) => [String(number), text[state.language]]);
  const form = element("form", { onsubmit: (event) => { event.preventDefault(); save(); } },
    choices(word("single"), "shows", [["yes", word("yes")], ["no", word("no")]], before ? [before.shows_it ? "yes" : "no"] : []),
    ...(attributes.length ? [choices(word("attributes"), "attribute", attributes, seen, "checkbox")] : []),
    element("label", { className: "field" }, word("wrong"), wrong),
    warning,
    button(word("next"), null, { type: "submit" }));
  return [
    element("h2", { textContent: word("single") }),
    element("p", { className: "small", textContent: word("single_help") }),
    element("div", { className: "one" }, picture(asked.picture, word("picture")), form)];
}

function answers() {
  return JSON.stringify({
    format: "gaucho-answers-1", panel: data.panel, concept: data.concept, rater: state.rater, name: state.name, relation: state.relation,
    pairs: state.pairs, singles: state.singles,
  });
}

function end() {
  screen = "end";
  store();
  const count = data.pairs.length + data.singles.length;
  const file = new File([answers()], `${data.concept}-${state.rater.slice(0, 6)}.json`, { type: "application/json" });
  const link = element("a", { className: "button", href: URL.createObjectURL(file), download: file.name, textContent: word("save"), id: "save" });
  const text = element("textarea", { id: "text", readOnly: true, value: answers(), "aria-label": word("or_copy") });
  const copy = button(word("copy"), async () => {
    text.select();
    try { await navigator.clipboard.writeText(text.value); } catch (error) { document.execCommand("copy"); }
    copy.textContent = word("copied");
  }, { className: "quiet" });
  const another = button(word("again"), () => {
    if (!confirm(word("again_sure"))) return;
    state = { ...fresh(), language: state.language };
    place = 0;
    intro();
  }, { className: "quiet" });
  show(
    element("h2", { textContent: word("thanks") }),
    ...(done() < count ? [element("p", { textContent: word("unfinished", { done: done(), count }) })] : []),
    element("p", { textContent: word("send") }),
    element("div", { className: "row" }, link, ...(done() < count ? [button(word("go_on"), intro, { className: "quiet" })] : [])),
    element("p", { className: "small", textContent: word("or_copy") }), text,
    element("div", { className: "row" }, copy, another));
}

document.getElementById("language").onclick = () => {
  state.language = state.language === "pt" ? "en" : "pt";
  ({ intro, question, end })[screen]();
};
document.addEventListener("keydown", (event) => {
  if (screen !== "question" || event.altKey || event.ctrlKey || event.metaKey) return;
  const side = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
  const buttons = main.querySelectorAll(".two button");
  if (side !== undefined && buttons.length) {
    event.preventDefault();
    buttons[side].click();
  }
});
intro();
