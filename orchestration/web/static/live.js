// Live values: the newest as they are told, and one age of each, counted from its moment by the server's clock.
"use strict";
(() => {
  const NAMED = 32, LONGEST = 180, AGAIN_MS = 10000, SUMMARY_MS = 60000;
  const main = document.querySelector("main");
  const opened = performance.getEntriesByType("navigation")[0];
  // By the server's clock, in milliseconds: the browser's own may be wrong.
  let ahead = Date.parse(main.dataset.liveNow) - (opened ? opened.responseStart : performance.now());
  const now = () => performance.now() + ahead;
  const synchronise = (server_ms) => { ahead = server_ms - performance.now(); };

  const tiles = new Map();
  for (const card of document.querySelectorAll("[data-live]")) {
    const [site, ...rest] = card.dataset.live.split("/");
    const name = rest.join("/");
    if (!tiles.has(site)) tiles.set(site, new Map());
    const shown = card.querySelector("[data-live-value] bdi, tspan[data-live-value]");
    const limits = card.dataset.liveLimits.split(" ").map(Number);
    const text = card.classList.contains("live-gone") ? "" : shown.textContent;
    const tile = { card, shown, limits, text, age: card.querySelector("[data-live-age]"), reason: card.querySelector("[data-live-reason]"), at: Date.parse(card.dataset.liveAt) };
    tiles.get(site).set(name, (tiles.get(site).get(name) || []).concat(tile));
  }
  const all = () => [...tiles.values()].flatMap((each) => [...each.values()].flat());

  const words = (seconds, days) =>
    seconds < 120 ? `${Math.floor(seconds)} s`
      : seconds < 7200 ? `${Math.floor(seconds / 60)} min`
        : seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : days.replace("{0}", Math.floor(seconds / 86400));

  const say = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  // With the minus of the server.
  const number = (told) => {
    const text = new Intl.NumberFormat(document.documentElement.lang || "en", {
      minimumFractionDigits: told.decimals, maximumFractionDigits: told.decimals,
    }).format(told.value);
    return document.documentElement.dir === "rtl" ? text : text.replace("-", "−");
  };

  // In the zone of the site, as the server writes it.
  const since = ({ card, at }) => {
    const lang = document.documentElement.lang.replace(/^en$/, "en-GB");
    const short = new Intl.DateTimeFormat(lang, { timeZone: card.dataset.liveZone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    return card.dataset.liveSince.replace("{0}", short.format(at));
  };

  const draw = (tile) => {
    const age = Math.max(0, (now() - tile.at) / 1000);
    const [old, gone] = tile.limits;
    const band = age <= old ? "fresh" : age <= gone ? "old" : "gone";
    for (const each of ["fresh", "old", "gone"]) tile.card.classList.toggle(`live-${each}`, each === band);
    say(tile.shown, (band !== "gone" && tile.text) || "–");
    say(tile.reason, since(tile));
    say(tile.age, tile.card.dataset.liveTold.replace("{0}", words(age, tile.card.dataset.liveDays)));
  };

  // A ribbon of the live flow is as wide as its power; its dots run the other way where the power turned.
  const flow = ({ card }, value) => {
    const rib = card.querySelector("[data-live-scale]");
    if (!rib) return;
    const kw = value * card.dataset.liveFactor;
    rib.setAttribute("stroke-width", kw ? Math.min(Math.max(Math.abs(kw) * rib.dataset.liveScale, 1.5), 56) : 0);
    card.classList.toggle("flow-off", kw === 0);
    card.classList.toggle("flow-back", kw * card.dataset.liveSign < 0);
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
      const at = Date.parse(told.at);
      synchronise(at + told.age_s * 1000);
      for (const tile of mine) {
        const isFlow = tile.card.dataset.liveSign;
        tile.text = number(isFlow ? { ...told, value: Math.abs(told.value) } : told);
        flow(tile, told.value);
        tile.at = at;
        draw(tile);
      }
    });
    source.addEventListener("heartbeat", (event) => synchronise(Date.parse(JSON.parse(event.data).now)));
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
  if (main.dataset.liveFirst) tiles.set(main.dataset.liveFirst, new Map());
  if (tiles.size === 0) return;
  for (const [site, named] of tiles) listen(site, named);
  all().forEach(draw);
  setInterval(() => all().forEach(draw), 1000);
  // A page that comes back from the browser's memory has lost its stream.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  // Read out once a minute, and not at every change.
  const summary = document.createElement("p");
  summary.className = "unseen";
  summary.setAttribute("aria-live", "polite");
  main.append(summary);
  setInterval(() => {
    const [shown] = all();
    const unit = shown && shown.card.querySelector(".unit");
    if (shown) say(summary, `${shown.shown.textContent} ${unit ? unit.textContent : ""}`);
  }, SUMMARY_MS);
})();
