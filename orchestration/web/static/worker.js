// Keeps one page, which says that there is no connection, and gives it where the server does not answer. No figure is
// kept.
"use strict";
const PAGE = "/no-connection";
addEventListener("install", (event) => event.waitUntil(caches.open("no-connection").then((kept) => kept.add(PAGE))));
addEventListener("fetch", (event) => {
  const { mode, method } = event.request;
  if (mode === "navigate" && method === "GET") event.respondWith(fetch(event.request).catch(() => caches.match(PAGE)));
});
