// Keeps a page as it is now: asks for it again every few seconds, less often while nothing changes, and puts in what
// has changed. Works without, too.
"use strict";
(() => {
  const here = document.querySelector("nav [aria-current]"); // its scrollIntoView would move where Tab begins
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (innerWidth - here.offsetWidth) / 2;
  const often = 3000;
  const idle = 10000;
  const seldom = 30000;
  const live = () => [...document.querySelectorAll("[data-live]")];
  if (!live().length) return;
  let pause = often;

  const busy = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button") ||
    [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);

  const keepOpen = (from, to) => {
    for (const known of from.querySelectorAll("details[id][open]")) {
      const fresh = to.querySelector("#" + CSS.escape(known.id));
      if (fresh) fresh.open = true;
    }
    for (const known of from.querySelectorAll("details[id]:not([open])")) {
      const fresh = to.querySelector("#" + CSS.escape(known.id));
      if (fresh) fresh.open = false;
    }
  };

  const said = (part) => {
    const copy = part.cloneNode(true);
    for (const time of copy.querySelectorAll("time")) time.remove();
    return copy.textContent;
  };

  const look = async () => {
    if (document.hidden) return false;
    let changed = false;
    const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) {
      location.reload();
      return true;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const part of live()) {
      const now = fresh.getElementById(part.id);
      if (!now || busy(part)) continue;
      keepOpen(part, now);
      if (part.innerHTML !== now.innerHTML) {
        changed ||= said(part) !== said(now);
        const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        part.replaceChildren(...now.childNodes);
        if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      }
    }
    for (const known of document.querySelectorAll("main > [data-live]")) {
      if (!fresh.getElementById(known.id)) known.replaceChildren();
    }
    document.documentElement.removeAttribute("data-stale");
    return changed;
  };

  const turn = async () => {
    try {
      pause = (await look()) ? often : Math.min(idle, Math.max(often, pause * 1.2));
    } catch {
      document.documentElement.setAttribute("data-stale", "");
      pause = Math.min(seldom, pause * 2);
    }
    setTimeout(turn, pause);
  };
  setTimeout(turn, often);
})();
