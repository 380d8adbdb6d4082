// Live tiles: newest values as they are told, grey and gone by the ages that stand in the tile. Draws, computes nothing.
"use strict";
(() => {
  const NAMED = 32, LONGEST = 180, AGAIN_MS = 10000, SUMMARY_MS = 60000;
  const tiles = new Map();
  for (const card of document.querySelectorAll("[data-live]")) {
    const [site, ...rest] = card.dataset.live.split("/");
    const name = rest.join("/");
    if (!tiles.has(site)) tiles.set(site, new Map());
    const shown = card.querySelector("[data-live-value] bdi") || card.querySelector("[data-live-value]");
    const [old, gone] = card.dataset.liveLimits.split(" ").map(Number);
    const tile = { card, shown, old, gone, age: card.querySelector("[data-live-age]"), reason: card.querySelector(".reason"), told: 0, text: "" };
    tiles.get(site).set(name, (tiles.get(site).get(name) || []).concat(tile));
  }
  const all = () => [...tiles.values()].flatMap((each) => [...each.values()].flat());

  const words = (seconds) =>
    seconds < 120 ? `${Math.floor(seconds)} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;

  const say = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  const number = (told) =>
    new Intl.NumberFormat(document.documentElement.lang || "en", {
      minimumFractionDigits: told.decimals, maximumFractionDigits: told.decimals,
    }).format(told.value);

  // By when it was measured, as the server counts: the browser's clock may be wrong.
  const since = (age_s) => performance.now() - age_s * 1000;

  const draw = (tile) => {
    if (!tile.told) return;
    const age = Math.max(0, (performance.now() - tile.told) / 1000);
    const isGone = age > tile.gone;
    tile.card.classList.toggle("live-old", age > tile.old);
    tile.card.classList.toggle("live-gone", isGone);
    if (tile.reason) tile.reason.hidden = !isGone;
    say(tile.shown, isGone ? "–" : tile.text);
    say(tile.age, tile.card.dataset.liveTold.replace("{0}", words(age)));
  };

  const listen = (site, named) => {
    const asked = new URLSearchParams({ site });
    const points = [...named.keys()].join(",");
    if (points && named.size <= NAMED && points.length <= LONGEST) asked.set("points", points);
    const source = new EventSource(`/api/v1/ems/live/stream?${asked}`);
    const of = (event) => {
      const told = JSON.parse(event.data);
      return [told, named.get(told.point) || []];
    };
    source.addEventListener("value", (event) => {
      const [told, mine] = of(event);
      if (named.size === 0) location.reload();
      for (const tile of mine) {
        tile.text = number(told);
        tile.told = since(told.age_s);
        draw(tile);
      }
    });
    source.addEventListener("finding", (event) => {
      const told = JSON.parse(event.data);
      for (const [name, mine] of named) {
        if (told.source && !name.startsWith(`${told.source}/`)) continue;
        for (const tile of mine) tile.card.title = told.state === "live" ? "" : `${told.state}: ${told.sentence}`;
      }
    });
    source.addEventListener("bye", (event) => {
      if (JSON.parse(event.data).reason === "no_permission") source.close();
    });
    // A refusal ends it for good, a broken connection does not: the browser asks again with the last number it read.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(site, named), AGAIN_MS);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  // Of a site that has told nothing yet there is no tile to write into: its first value asks for the page again.
  const first = document.querySelector("main[data-live-first]");
  if (first) tiles.set(first.dataset.liveFirst, new Map());
  if (tiles.size === 0) return;
  for (const [site, named] of tiles) listen(site, named);
  setInterval(() => all().forEach(draw), 1000);
  // Read out once a minute, and not at every change.
  const summary = document.createElement("p");
  summary.className = "unseen";
  summary.setAttribute("aria-live", "polite");
  document.querySelector("main").append(summary);
  setInterval(() => {
    const [shown] = all();
    const unit = shown && shown.card.querySelector(".unit");
    if (shown && shown.told) say(summary, `${shown.shown.textContent} ${unit ? unit.textContent : ""}`);
  }, SUMMARY_MS);
})();
