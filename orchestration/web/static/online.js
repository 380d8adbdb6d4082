// Says that the server cannot be reached, and goes on when it can. Without a network the worker has one page: that one.
"use strict";
(() => {
  const AGAIN_MS = 5000;
  const strip = document.getElementById("offline");
  const isInstead = document.getElementById("no-connection") !== null;
  let isAsking = false;

  async function look() {
    if (isAsking) return;
    isAsking = true;
    const isThere = await fetch(strip.dataset.probe, { cache: "no-store" }).then((answer) => answer.ok, () => false);
    isAsking = false;
    strip.hidden = isThere || isInstead;
    if (!isThere) setTimeout(look, AGAIN_MS);
    else if (isInstead && location.pathname !== "/no-connection") location.reload();
  }

  addEventListener("offline", look);
  addEventListener("online", look);
  if (isInstead) look();
  if (!window.isSecureContext || !navigator.serviceWorker) return;
  // Trusted Types ask who vouches for the script: it is an address that the server wrote.
  const vouched = window.trustedTypes
    ? trustedTypes.createPolicy("worker", { createScriptURL: () => strip.dataset.worker }).createScriptURL("")
    : strip.dataset.worker;
  addEventListener("load", () => navigator.serviceWorker.register(vouched, { scope: "/" }).catch(() => undefined));
})();
