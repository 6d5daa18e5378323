// Both languages say the same things, and the vendored files are those their lock names.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";

const WEB = new URL("../../web/", import.meta.url);

test("every text exists in both languages with the same parameters", async () => {
  const source = await readFile(new URL("scripts/lib/i18n.js", WEB), "utf8");
  assert.ok(source.includes("export function register"));
  for (const name of ["common", "orders", "customer", "talk"]) {
    const text = await readFile(new URL(`texts/${name}.js`, WEB), "utf8");
    /** @type {any} */ let both;
    const body = text.slice(text.indexOf("register("));
    new Function("register", body)((/** @type {any} */ given) => {
      both = given;
    });
    assert.deepEqual(Object.keys(both.zh).sort(), Object.keys(both.en).sort(), name);
    const holes = (/** @type {string} */ value) => [...new Set(value.match(/\{\w+\}/g) ?? [])].sort();
    for (const key of Object.keys(both.en)) assert.deepEqual(holes(both.zh[key]), holes(both.en[key]), key);
  }
});

test("the card of the sound alone promises no sound: it may be muted", async () => {
  const source = await readFile(new URL("texts/customer.js", WEB), "utf8");
  const said = [...source.matchAll(/"quality\.sound_only\.text": "(.*)",/g)].map(([, text]) => text);
  assert.deepEqual(said, [
    "The picture is off, as you chose. You can comment and buy as always.",
    "已按您的选择关闭画面，您仍可评论和购买。",
  ]);
});

test("every text key that the customer's scripts name exists", async () => {
  const texts = (
    await Promise.all(
      ["common", "orders", "customer", "talk"].map((name) => readFile(new URL(`texts/${name}.js`, WEB), "utf8")),
    )
  ).join("\n");
  for (const folder of ["lib", "watch", "call", "lobby", "login", "orders", "receipt", "assessment"]) {
    for (const file of await readdir(new URL(`scripts/${folder}/`, WEB))) {
      const source = await readFile(new URL(`scripts/${folder}/${file}`, WEB), "utf8");
      for (const [, key] of source.matchAll(/\b(?:t|tLabel|tPlaceholder|tTitle|tAlt): "([a-z_.]+)"/g))
        assert.ok(new RegExp(`(["\\s{,]|^)"?${key.replace(/\./g, "\\.")}"?: "`, "m").test(texts), `${folder}/${file}: ${key}`);
    }
  }
});

test("vendored files are unmodified", async () => {
  const lock = JSON.parse(await readFile(new URL("vendor/vendor.lock.json", WEB), "utf8"));
  for (const entry of Array.isArray(lock) ? lock : lock.packages) {
    for (const [path, hash] of Object.entries(entry.files)) {
      const digest = createHash("sha384")
        .update(await readFile(new URL(`vendor/${path}`, WEB)))
        .digest("base64");
      assert.equal(`sha384-${digest}`, hash, path);
    }
  }
});
