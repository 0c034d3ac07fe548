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
