// Verifies a request as receivers do: with the library of Standard Webhooks, and by the documented hexadecimal signature.
import { createHmac, timingSafeEqual } from "node:crypto";
import { Webhook } from "standardwebhooks";

const [secret, headerText, body] = process.argv.slice(2);
const headers = JSON.parse(headerText);

// The tests' clock stands still; the library compares with this machine's.
const sent = Number(headers["webhook-timestamp"]) * 1000;
const now = Date.now;
Date.now = () => sent;
globalThis.Date = class extends Date {
  constructor(...values) {
    super(...(values.length ? values : [sent]));
  }
};
const payload = new Webhook(secret).verify(body, headers);
Date.now = now;

if (JSON.stringify(payload) !== body) throw new Error("the library read another payload");
try {
  new Webhook(secret).verify(`${body} `, headers);
  throw new Error("a changed body was accepted");
} catch (error) {
  if (error.constructor.name !== "WebhookVerificationError") throw error;
}

const expected = Buffer.from(createHmac("sha256", secret).update(body).digest("hex"));
const given = Buffer.from(headers["x-zenovay-signature"]);
if (expected.length !== given.length || !timingSafeEqual(expected, given)) throw new Error("X-Zenovay-Signature is wrong");
console.log("verified");
