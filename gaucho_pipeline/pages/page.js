"use strict";
document.documentElement.classList.add("js");
const all = selector => [...document.querySelectorAll(selector)];

for (const slider of all(".pair input[type=range]")) {
  const stage = slider.closest(".pair").querySelector(".stage");
  const cut = () => stage.style.setProperty("--cut", `${slider.value}%`);
  slider.addEventListener("input", cut);
  const follow = event => {
    const box = stage.getBoundingClientRect();
    slider.value = Math.max(0, Math.min(100, 100 * (event.clientX - box.left) / box.width));
    cut();
  };
  stage.addEventListener("pointerdown", event => { stage.setPointerCapture(event.pointerId); follow(event); });
  stage.addEventListener("pointermove", event => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
  cut();
}

const filters = all(".filters select");
for (const filter of filters) filter.addEventListener("change", () => {
  for (const group of all(".group"))
    group.hidden = filters.some(each => each.value && group.dataset[each.name] !== each.value);
});

const dialog = document.querySelector("dialog");
if (dialog) {
  let place = 0;
  const shown = () => all(".pair[data-title]").filter(pair => pair.offsetParent !== null);
  const show = number => {
    const pairs = shown();
    place = (number + pairs.length) % pairs.length;
    const [before, after] = pairs[place].querySelectorAll("img");
    const [left, right] = dialog.querySelectorAll("img");
    left.src = before.src; left.alt = before.alt; right.src = after.src; right.alt = after.alt;
    dialog.querySelector("#what").textContent = `${pairs[place].dataset.title} (${place + 1}/${pairs.length})`;
  };
  for (const button of all("button.enlarge")) button.addEventListener("click", () => {
    show(shown().indexOf(button.closest(".pair")));
    dialog.showModal();
  });
  dialog.querySelector("#previous").addEventListener("click", () => show(place - 1));
  dialog.querySelector("#next").addEventListener("click", () => show(place + 1));
  dialog.querySelector("#close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", event => {
    if (event.key === "ArrowLeft") show(place - 1);
    if (event.key === "ArrowRight") show(place + 1);
  });
}

for (const story of all(".story")) {
  const frame = story.querySelector("img.frame"), slider = story.querySelector("input[type=range]"), button = story.querySelector("button.play");
  const count = Number(story.dataset.frames), title = story.getAttribute("aria-label"), loaded = [];
  const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
  const address = number => `${story.dataset.place}/${String(number).padStart(3, "0")}.png`;
  let timer = null;
  const show = number => {
    const beats = [...story.querySelectorAll(".beats li")], now = beats.filter(beat => Number(beat.dataset.first) <= number).pop();
    for (const beat of beats) beat === now ? beat.setAttribute("aria-current", "true") : beat.removeAttribute("aria-current");
    frame.src = address(number);
    frame.alt = `${title}: ${now.textContent}`;
    slider.value = number;
  };
  const pause = () => { clearInterval(timer); timer = null; button.textContent = button.dataset.play; };
  const play = () => {
    for (let number = loaded.length; number < count; number++) loaded.push(Object.assign(new Image(), {src: address(number)}));
    timer = setInterval(() => show((Number(slider.value) + 1) % count), 1000 / Number(story.dataset.rate));
    button.textContent = button.dataset.pause;
  };
  button.addEventListener("click", () => timer ? pause() : stillness.matches || play());
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  stillness.addEventListener("change", pause);
}

for (const button of all("button.copy")) button.addEventListener("click", async () => {
  const text = button.dataset.text;
  try { await navigator.clipboard.writeText(text); } catch {
    const area = Object.assign(document.createElement("textarea"), {value: text});
    button.after(area); area.select(); document.execCommand("copy"); area.remove();
  }
  const before = button.textContent;
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = before; }, 1600);
});
