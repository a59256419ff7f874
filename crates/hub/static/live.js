// Parts of a page that are marked `data-live` are fetched again when the hub says that something changed; one
// that a person is busy with stays as it is.
"use strict";
const isBusy = (part) => part.contains(document.activeElement) || part.querySelector("details[open]");
// A form's key is another one each time.
const said = (part) => part.innerHTML.replace(/name="_key" value="[0-9a-f]*"/g, "");
const fetched = async () => {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh && !isBusy(part) && said(fresh) !== said(part)) part.replaceChildren(...fresh.childNodes);
  }
};
let running = false;
let again = false;
const refresh = async () => {
  again = true;
  if (running) return;
  running = true;
  while (again) {
    again = false;
    await fetched().catch(() => {});
  }
  running = false;
};
if (document.querySelector("[data-live]")) {
  const events = new EventSource("/events");
  events.addEventListener("message", refresh);
  // What changed before it was connected was told to nobody.
  events.addEventListener("open", refresh);
}
