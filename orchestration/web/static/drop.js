// Files dropped anywhere on the page go into its form, and are sent; without a script they are chosen in it.
"use strict";
(() => {
  const zone = document.querySelector("[data-drop]");
  const form = zone && zone.querySelector("form"), field = zone && zone.querySelector("input[type=file]");
  if (!field) return;
  const said = document.querySelector("[data-drop-said]");
  const most = Number(field.dataset.mostMb) * 2 ** 20;
  // The zone in which the person sits is mostly the site's.
  const place = form.querySelector("[name=time_zone]");
  if (place && !place.value) place.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const mark = (isOver) => document.body.classList.toggle("dropping", isOver);

  // Before a byte is sent: a server would only hang up.
  const send = () => {
    const size = [...field.files].reduce((sum, each) => sum + each.size, 0);
    const isTooLarge = most > 0 && size > most;
    said.hidden = !isTooLarge;
    if (isTooLarge) {
      said.textContent = said.dataset.tooLarge.replace("{0}", field.dataset.mostMb);
      field.value = "";
    } else if (field.files.length) form.requestSubmit();
  };

  field.addEventListener("change", send);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(false);
    field.files = event.dataTransfer.files;
    send();
  });
  // Once: a second click would send the same again, which the server answers the same, only later.
  form.addEventListener("submit", () => { form.querySelector("button").disabled = true; });
  addEventListener("pageshow", () => { form.querySelector("button").disabled = false; });
})();
