// A file that was chosen or dropped goes into its form as text: forms are read without a parser of files.
"use strict";
(() => {
  const PART = 8192;

  async function asText(file) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += PART) text += String.fromCharCode(...bytes.subarray(at, at + PART));
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_");
  }

  for (const chosen of document.querySelectorAll("input[type=file]")) {
    const form = chosen.form;
    chosen.addEventListener("change", () => chosen.setCustomValidity(""));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const file = chosen.files[0];
      if (file.size > Number(chosen.dataset.most)) {
        chosen.setCustomValidity(chosen.dataset.told);
        chosen.reportValidity();
        return;
      }
      form.elements.content.value = await asText(file);
      form.elements.file.value = file.name;
      form.submit();
    });
  }
})();
