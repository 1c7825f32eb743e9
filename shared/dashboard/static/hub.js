// Keeps a page as it is now: asks for it again every few seconds and puts in what has changed. Works without, too.
"use strict";
(() => {
  document.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  const often = 3000;
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

  const look = async () => {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const part of live()) {
      const now = fresh.getElementById(part.id);
      if (!now || busy(part)) continue;
      keepOpen(part, now);
      if (part.innerHTML !== now.innerHTML) {
        const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
        part.replaceChildren(...now.childNodes);
        if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      }
    }
    for (const known of document.querySelectorAll("main > [data-live]")) {
      if (!fresh.getElementById(known.id)) known.replaceChildren();
    }
    document.documentElement.removeAttribute("data-stale");
  };

  const turn = async () => {
    try {
      await look();
      pause = often;
    } catch {
      document.documentElement.setAttribute("data-stale", "");
      pause = Math.min(seldom, pause * 2);
    }
    setTimeout(turn, pause);
  };
  setTimeout(turn, often);
})();
