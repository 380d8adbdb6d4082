// The newest live values, each with its age by the server's clock.
"use strict";
(() => {
  const NAMED = 32, LONGEST = 180, AGAIN_MS = 10000, SUMMARY_MS = 60000;
  const main = document.querySelector("main");
  const opened = performance.getEntriesByType("navigation")[0];
  // The server's clock, ms: the browser's may be wrong.
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
    const [age, reason] = ["age", "reason"].map((each) => card.querySelector(`[data-live-${each}]`));
    const tile = { card, shown, limits, text, age, reason, at: Date.parse(card.dataset.liveAt) };
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

  // As wide as its power; dots turn with it.
  const flow = ({ card }, value) => {
    const rib = card.querySelector("[data-live-scale]");
    if (!rib) return;
    const kw = value * card.dataset.liveFactor;
    if (card.dataset.liveKw) card.dataset.liveKw = kw;
    rib.setAttribute("stroke-width", kw ? Math.min(Math.max(Math.abs(kw) * rib.dataset.liveScale, 1.5), 56) : 0);
    card.classList.toggle("flow-off", kw === 0);
    card.classList.toggle("flow-back", kw * card.dataset.liveSign < 0);
  };

  // Supply less metered uses, and supply, as home_power.py.
  const rest = (card) => {
    let kw = 0, used = 0;
    for (const each of card.parentNode.querySelectorAll("[data-live-kw]")) {
      const own = each.classList.contains("live-gone") ? NaN : +each.dataset.liveKw;
      kw += own;
      if (each.dataset.liveSupply) used += own;
    }
    const value = Math.max(kw, 0);
    card.classList.toggle("live-gone", isNaN(kw));
    flow({ card }, value || 0);
    const told = (kw, decimals) => kw > -0.05 ? number({ value: Math.max(kw, 0), decimals }) : "–";
    say(card.querySelector("[data-live-value]"), told(kw, card.dataset.liveRest));
    const hub = card.parentNode.querySelector("[data-live-used]");
    say(hub, told(used, hub.dataset.liveUsed));
  };
  const drawAll = () => {
    all().forEach(draw);
    document.querySelectorAll("[data-live-rest]").forEach(rest);
  };

  const listen = (site, named) => {
    const asked = new URLSearchParams({ site });
    const points = [...named.keys()].join(",");
    if (points && named.size <= NAMED && points.length <= LONGEST) asked.set("points", points);
    const source = new EventSource(`/api/v1/ems/live/stream?${asked}`);
    source.addEventListener("value", (event) => {
      const told = JSON.parse(event.data);
      if (named.size === 0) location.reload();
      const at = Date.parse(told.at);
      synchronise(at + told.age_s * 1000);
      for (const tile of named.get(told.point) || []) {
        const value = tile.card.dataset.liveSign ? Math.abs(told.value) : told.value;
        tile.text = number({ ...told, value });
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
    // The browser connects again after a break, but not after a refusal.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(site, named), AGAIN_MS);
    });
    addEventListener("pagehide", () => source.close(), { once: true });
  };

  // No tile yet: the first value loads the page.
  if (main.dataset.liveFirst) tiles.set(main.dataset.liveFirst, new Map());
  if (tiles.size === 0) return;
  for (const [site, named] of tiles) listen(site, named);
  drawAll();
  setInterval(drawAll, 1000);
  // A page out of the browser's memory has no stream.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  // Read out once a minute.
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
