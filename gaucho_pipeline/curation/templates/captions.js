// ---------------------------------------------------------------- all captions in one table, with search and replace

const captionsDialog = document.getElementById("captions"), captionRows = document.getElementById("caption-rows");
const find = document.getElementById("find"), replacement = document.getElementById("replace");
let beforeReplacing = null;  // [card, caption] of what the last replacement changed

const captionOf = card => told(card).caption || card.caption || data.plain_caption;
const captioned = () => [...byImage.values()].filter(willStay);
const found = () => captioned().filter(card => captionOf(card).toLowerCase().includes(find.value.toLowerCase()));
// what says no more than the program does is left to it
const recaption = (card, text) => decide(card, { caption: text.trim() === card.caption ? "" : text.trim() });

function rowOf(card) {
  const input = element("input", { value: captionOf(card), maxLength: 300 });
  input.setAttribute("aria-label", `${word("caption")}: ${card.title || card.image}`);
  const from = element("span", { className: "small" });
  const say = () => { from.textContent = `${word("from")}: ${word(`caption_by_${told(card).caption ? "curator" : card.caption ? card.caption_by : "prompt"}`)}`; };
  input.addEventListener("change", () => { recaption(card, input.value); input.value = captionOf(card); say(); countWords(); });
  say();
  const picture = element("img", { src: card.picture, alt: "", loading: "lazy" });
  return element("div", { className: "caption-row" }, picture, element("div", {}, input, from));
}

function showCaptions() {
  captionRows.replaceChildren(...found().map(rowOf));
  countWords();
}

const wordsOf = text => new Set(text.replaceAll(/\{\w+\}/g, " ").toLowerCase().match(/[\p{L}\p{N}]+(?:[-'’][\p{L}\p{N}]+)*/gu) ?? []);

function countWords() {
  const captions = captioned().map(captionOf), counts = new Map();
  for (const text of captions) for (const each of wordsOf(text)) counts.set(each, (counts.get(each) ?? 0) + 1);
  const plain = wordsOf(`${data.plain_caption} of`);  // what every caption says by itself
  const all = [...counts].filter(([each, count]) => count === captions.length && captions.length > 1 && !plain.has(each)).map(([each]) => each);
  const said = [...counts].filter(([each]) => !plain.has(each)).sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
  document.getElementById("words-in-all").textContent = all.length ? word("words_in_all", { words: all.join(", ") }) : said.length ? "" : word("words_in_none");
  document.getElementById("word-counts").textContent = said.map(([each, count]) => `${each} ${count}`).join(" · ");
}

document.getElementById("open-captions").addEventListener("click", () => {
  beforeReplacing = null;
  document.getElementById("undo-replace").hidden = true;
  document.getElementById("replaced").textContent = "";
  showCaptions();
  captionsDialog.showModal();
});
document.getElementById("close-captions").addEventListener("click", () => captionsDialog.close());
captionsDialog.addEventListener("close", () => begin(first));
find.addEventListener("input", showCaptions);

document.getElementById("replace-all").addEventListener("click", () => {
  if (!find.value) { find.focus(); return; }
  const pattern = new RegExp(find.value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu");
  const changes = found().map(card => [card, captionOf(card).replace(pattern, () => replacement.value)]).filter(([card, text]) => text !== captionOf(card));
  beforeReplacing = changes.map(([card]) => [card, told(card).caption]);
  for (const [card, text] of changes) recaption(card, text);
  document.getElementById("replaced").textContent = word("replaced", { count: changes.length });
  document.getElementById("undo-replace").hidden = !changes.length;
  find.value = "";
  showCaptions();
});
document.getElementById("undo-replace").addEventListener("click", event => {
  for (const [card, caption] of beforeReplacing ?? []) decide(card, { caption });
  beforeReplacing = null;
  event.target.hidden = true;
  document.getElementById("replaced").textContent = "";
  showCaptions();
});
