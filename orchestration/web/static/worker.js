// Keeps one page, which says that there is no connection, and gives it where there is none. No figure is kept.
"use strict";
const PAGE = "/no-connection";
addEventListener("install", (event) => event.waitUntil(caches.open("no-connection").then((kept) => kept.add(PAGE))));
addEventListener("fetch", (event) => {
  const { mode, method } = event.request;
  if (mode === "navigate" && method === "GET" && !navigator.onLine) event.respondWith(caches.match(PAGE));
});
