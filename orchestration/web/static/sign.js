// Signs an act with the person's own key. The key's file is read here: neither it nor the key leaves this page.
"use strict";
(async () => {
  const TRIES = 3, LARGEST_FILE = 10000;
  const KIND = "Ed25519";
  const forms = [...document.querySelectorAll("form[data-public-key]")];
  const encoded = (text) => new TextEncoder().encode(text);
  const bytes = (base64) => Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const hex = (buffer) => [...new Uint8Array(buffer)].map((each) => each.toString(16).padStart(2, "0")).join("");
  const publicKey = (form) => crypto.subtle.importKey("raw", bytes(form.dataset.publicKey), KIND, false, ["verify"]);
  const newKeys = (isExtractable) => crypto.subtle.generateKey(KIND, isExtractable, ["sign", "verify"]);

  // The command stays where the browser cannot sign.
  try {
    await newKeys(false);
  } catch {
    return;
  }

  // A sentence for the person, which the form has ready in their language.
  class Told extends Error {}

  const keyOf = async (form, field, isExtractable) => {
    const file = form.querySelector(field).files[0];
    const pem = file && file.size < LARGEST_FILE ? await file.text() : "";
    const found = /-----BEGIN PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END PRIVATE KEY-----/.exec(pem);
    try {
      return await crypto.subtle.importKey("pkcs8", bytes(found[1].replace(/\s/g, "")), KIND, isExtractable, ["sign"]);
    } catch {
      throw new Told(form.dataset.noKey);
    }
  };

  const privateKey = async (form) => {
    const key = await keyOf(form, "[data-key-file]", false);
    const trial = encoded("meterloom/trial\0");
    const isMine = await crypto.subtle.verify(KIND, await publicKey(form), await crypto.subtle.sign(KIND, key, trial), trial);
    if (!isMine) throw new Told(form.dataset.otherKey);
    return key;
  };

  // A new key gives its public half, and its word that it replaces the present one; field by field as it is written
  // on the server.
  const addNewKey = async (form, data) => {
    const key = await keyOf(form, "[data-new-key-file]", true);
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const after = `${x.replace(/-/g, "+").replace(/_/g, "/")}=`;
    const statement = JSON.stringify({ after, before: form.dataset.publicKey, person_id: form.dataset.person });
    const vouched = await crypto.subtle.sign(KIND, key, encoded(`meterloom/key/1\0${statement}`));
    data.set("after", after);
    data.set("vouched", base64(vouched));
  };

  // A file as `meterloom keys new` writes it: 48 bytes are one line.
  const saveKey = async (form) => {
    const { privateKey } = await newKeys(true);
    const line = base64(await crypto.subtle.exportKey("pkcs8", privateKey));
    const pem = `-----BEGIN PRIVATE KEY-----\n${line}\n-----END PRIVATE KEY-----\n`;
    const href = URL.createObjectURL(new Blob([pem]));
    Object.assign(document.createElement("a"), { href, download: `${form.dataset.person}.key` }).click();
  };

  const send = (form, data, more) =>
    fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams([...data, ...Object.entries(more)]),
    });

  const refusal = async (answer) => {
    const told = await answer.json().catch(() => ({}));
    return { code: told.code, text: [told.detail || answer.status, told.mend].filter(Boolean).join(". ") };
  };

  // What is signed must be what the form says: of this person, with this reason, for this new key.
  const expectSame = (form, data, action) => {
    const reason = (action.facts.reason || "").trim(), written = (data.get("reason") || "").trim();
    const isSame = reason === written && (action.facts.public_key || "") === (data.get("after") || "");
    if (action.person_id !== form.dataset.person || !isSame) throw new Told(form.dataset.moved);
  };

  // The answer is a page that is shown this once: the browser sends the form, and shows it.
  const answered = (form, proof) => {
    for (const [name, value] of Object.entries(proof)) {
      const field = Object.assign(document.createElement("input"), { type: "hidden", name, value });
      form.append(field);
    }
    form.submit();
  };

  const act = async (form) => {
    const data = new FormData(form), key = form.dataset.publicKey && await privateKey(form);
    if (form.querySelector("[data-new-key-file]")) await addNewKey(form, data);
    if (!key) {
      const sent = await send(form, data, {});
      if (sent.redirected) return sent.url;
      throw new Told((await refusal(sent)).text);
    }
    for (let left = TRIES; ; left -= 1) {
      const asked = await send(form, data, { ask_to_sign: "1" });
      if (asked.redirected) return asked.url;
      if (!asked.ok) throw new Told((await refusal(asked)).text);
      const { domain, action } = await asked.json();
      expectSame(form, data, JSON.parse(action));
      const signature = base64(await crypto.subtle.sign(KIND, key, encoded(`${domain}\0${action}`)));
      const signed_sha256 = hex(await crypto.subtle.digest("SHA-256", encoded(action)));
      const proof = { signature, signed_sha256, signed_at_utc: JSON.parse(action).at_utc };
      if ("answered" in form.dataset) return answered(form, proof);
      const sent = await send(form, data, proof);
      if (sent.redirected) return sent.url;
      const { code, text } = await refusal(sent);
      // Something else was recorded in the same moment: the text under the signature has another place in the chain.
      if (code !== "signed_other" || left === 1) throw new Told(text);
    }
  };

  for (const form of forms) {
    const button = form.querySelector("[type=submit]"), alert = form.querySelector("[role=alert]");
    form.hidden = false;
    form.parentElement.querySelectorAll("[data-unsigned]").forEach((each) => { each.hidden = true; });
    form.querySelector("[data-make-key]")?.addEventListener("click", () => saveKey(form));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      alert.textContent = "";
      try {
        const to = await act(form);
        if (to) location.assign(to);
      } catch (fault) {
        alert.textContent = fault instanceof Told ? fault.message : form.dataset.failed;
        button.disabled = false;
      }
    });
  }
})();
