(() => {
  "use strict";
  const every = Number(document.documentElement.dataset.every) * 1000;
  let asked = Date.now();
  const refresh = async () => {
    if (document.hidden) return;
    asked = Date.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(every) });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const old = document.querySelector("main"), fresh = page.querySelector("main");
      if (old && fresh && !old.isEqualNode(fresh)) old.replaceWith(document.adoptNode(fresh));
    } catch {
      // The next turn asks again; until then the numbers stand as they are.
    }
  };
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", () => {
    if (Date.now() - asked >= every) refresh();
  });
})();
