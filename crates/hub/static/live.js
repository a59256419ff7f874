// Parts of a page that are marked `data-live` are fetched again when the hub says that something changed.
"use strict";
const refresh = async () => {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
  }
};
if (document.querySelector("[data-live]")) {
  new EventSource("/events").addEventListener("message", refresh);
}
