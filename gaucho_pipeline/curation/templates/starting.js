// ---------------------------------------------------------------- the language, one at a time

function speak() {
  document.documentElement.lang = language === "pt" ? "pt-BR" : "en";
  document.title = document.getElementById("title").textContent = word("heading");
  const button = document.getElementById("language");
  button.textContent = word("other_language");
  button.lang = language === "pt" ? "en" : "pt-BR";
  for (const each of document.querySelectorAll("[data-word]")) each.textContent = word(each.dataset.word, { count: data.left_off });
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", word(each.dataset.label));
  for (const each of document.querySelectorAll("[data-pt]")) each.textContent = each.dataset[language];
}

document.getElementById("language").addEventListener("click", () => {
  language = language === "pt" ? "en" : "pt";
  remember();
  speak();
  const place = first;
  refresh();
  begin(place);
});
document.getElementById("tools").open = window.innerWidth > 700;
speak();
refresh();
if (location.hash.length > 1) show(decodeURIComponent(location.hash.slice(1)));
