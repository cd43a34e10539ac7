#!/usr/bin/env node
// A small client of epcisd in Node, to copy from: sends documents, follows them, sees to dead letters.
//
//     npm install @grpc/grpc-js @grpc/proto-loader protobufjs
//     node client.mjs --proto proto --server 127.0.0.1:50051 stream shipment.xml
//
// --tls-ca FILE makes it speak TLS, --token-file FILE names the token to send then, --patience SECONDS is how
// long it tries without progress (60). Each answer is a line of JSON. Exit code 0: done, 1: refused or given up.
import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const PIECE_BYTES = 1 << 20; // the most that one message of CaptureStream may carry
const UNARY_MS = 60_000;

const { values: options, positionals: [command, ...parameters] } = parseArgs({
  allowPositionals: true,
  options: {
    proto: { type: "string", default: "proto" },
    server: { type: "string", default: "127.0.0.1:50051" },
    "tls-ca": { type: "string" },
    "token-file": { type: "string" },
    patience: { type: "string", default: "60" },
  },
});

// 64-bit numbers become strings: a JavaScript number does not hold them all.
const services = ["acknowledgment", "audit", "capture", "dead_letter"].map((name) => `epcis/v1/${name}_service.proto`);
const { epcis: { v1 } } = grpc.loadPackageDefinition(loader.loadSync(services, {
  includeDirs: [options.proto], keepCase: true, longs: String, enums: String, defaults: true,
}));

// The token goes over TLS only: without it, on a loopback address, nobody asks for one.
function channelCredentials() {
  if (!options["tls-ca"]) return grpc.credentials.createInsecure();
  const tls = grpc.credentials.createSsl(readFileSync(options["tls-ca"]));
  if (!options["token-file"]) return tls;
  const token = readFileSync(options["token-file"], "utf8").trim();
  return grpc.credentials.combineChannelCredentials(tls,
    grpc.credentials.createFromMetadataGenerator((_, done) => {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${token}`);
      done(null, metadata);
    }));
}

const channel = channelCredentials();
const clients = [];
function client(name) {
  clients.push(new v1[name](options.server, channel));
  return clients.at(-1);
}

const tell = (message) => console.log(JSON.stringify(message, (_, value) => (
  value?.type === "Buffer" ? Buffer.from(value.data).toString("base64") : value)));

// ---- refusals ----------------------------------------------------------------------------------------------

const details = new protobuf.Root();
details.resolvePath = (_, path) => (path.startsWith("google/protobuf/") ? path : `${options.proto}/${path}`);
details.loadSync(["google/rpc/status.proto", "google/rpc/error_details.proto"]);

// What the server says beside the status: see proto/errors.md.
function refusal(error) {
  const said = { reason: "", remedy: "", waitMs: null };
  const [trailer] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!trailer) return said;
  for (const { type_url: url, value } of details.lookupType("google.rpc.Status").decode(trailer).details) {
    const type = url.split("/").at(-1);
    if (type === "google.rpc.ErrorInfo") {
      const info = details.lookupType(type).decode(value);
      Object.assign(said, { reason: info.reason, remedy: info.metadata.remedy });
    } else if (type === "google.rpc.RetryInfo") {
      const { retryDelay: delay } = details.lookupType(type).decode(value);
      said.waitMs = Number(delay.seconds) * 1000 + delay.nanos / 1e6;
    }
  }
  return said;
}

const describe = (error) => {
  const { reason, remedy } = refusal(error);
  return `${grpc.status[error.code]} ${reason || "-"}: ${error.details}${remedy ? `; ${remedy}` : ""}`;
};

// Waits before the next try, or throws what does not pass. All calls of this program may be made twice: the same
// document gets the same receipt, an upload and a watch go on where they were, a dead letter closes once.
const patience = { pauseMs: 0, deadline: 0 };
function progress() {
  Object.assign(patience, { pauseMs: 200, deadline: Date.now() + options.patience * 1000 });
}
async function beforeNextTry(error) {
  const { reason, waitMs } = refusal(error);
  const { UNAVAILABLE, INTERNAL, UNKNOWN, CANCELLED } = grpc.status;
  // The server says when, or the connection was lost: then there is no reason.
  const passes = waitMs !== null || error.code === UNAVAILABLE
    || (!reason && [INTERNAL, UNKNOWN, CANCELLED].includes(error.code));
  // At least as long as the server says; some longer than others, so that not all come back at once.
  const ms = Math.max(patience.pauseMs, waitMs ?? 0) * (1 + Math.random() / 2);
  if (!passes || Date.now() + ms > patience.deadline) throw error;
  console.error(`again in ${(ms / 1000).toFixed(1)} s: ${describe(error)}`);
  await pause(ms);
  patience.pauseMs = Math.min(patience.pauseMs * 2, 10_000);
}

const tryOnce = (stub, method, request) => new Promise((resolve, reject) => {
  stub[method](request, { deadline: Date.now() + UNARY_MS }, (error, reply) => (error ? reject(error) : resolve(reply)));
});

async function persistently(attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error.code in grpc.status)) throw error;
      await beforeNextTry(error);
    }
  }
}

const call = (stub, method, request) => persistently(() => tryOnce(stub, method, request));

// ---- documents -------------------------------------------------------------------------------------------

// A document of up to 64 MiB. The receipt means that it is on disk there.
async function capture(file) {
  const { receipt } = await call(client("CaptureService"), "Capture", { document: readFileSync(file) });
  tell(receipt);
}

// A document of any length. The upload's id is made of its content: who was cut off, or killed, goes on where the
// server is, without having kept anything.
async function stream(file) {
  const stub = client("CaptureService");
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece);
  const document = { length: String(statSync(file).size), sha256: hash.digest() };
  const uploadId = document.sha256.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");

  async function* steps(offset) {
    yield { start: { upload_id: uploadId, offset: String(offset), ...document } };
    for await (const piece of createReadStream(file, { start: offset, highWaterMark: PIECE_BYTES })) yield { piece };
    yield { finish: document };
  }
  const send = (offset) => new Promise((resolve, reject) => {
    const source = Readable.from(steps(offset));
    const sink = stub.CaptureStream((error, reply) => {
      source.destroy();
      if (error) reject(error);
      else resolve(reply);
    });
    source.on("error", reject).pipe(sink);
  });
  let last = 0;
  const { receipt } = await persistently(async () => {
    const offset = await uploadOffset(stub, uploadId);
    if (offset > last) progress();
    last = offset;
    return send(offset);
  });
  tell(receipt);
}

async function uploadOffset(stub, uploadId) {
  try {
    return Number((await tryOnce(stub, "GetUploadOffset", { upload_id: uploadId })).offset);
  } catch (error) {
    if (error.code !== grpc.status.NOT_FOUND) throw error;
    return 0;
  }
}

// What becomes of a document, until nothing more does. Who keeps the last cursor can go on from there.
async function watch(captureId, from = "begin") {
  const stub = client("AcknowledgmentService");
  let cursor = from;
  await persistently(async () => {
    const responses = stub.WatchAcknowledgments({ capture_id: captureId, cursor });
    responses.on("error", () => {}); // the loop gets it; but what cancel() causes comes after the loop
    try {
      for await (const response of responses) {
        tell(response);
        cursor = response.cursor;
        progress();
        if (response.acknowledgments.some(({ kind }) => kind === "ACKNOWLEDGMENT_KIND_CAPTURE")) return;
      }
    } finally {
      responses.cancel();
    }
  });
}

// Whether the receipt is genuine: capture_service.proto says what is signed. A partner keeps receipts and public
// keys itself instead of asking for them, as here, when it needs them.
async function verify(captureId) {
  const { capture: { receipt } } = await call(client("CaptureService"), "GetCapture", { capture_id: captureId });
  const { keys } = await call(client("AuditService"), "ListKeys", {});
  const known = keys.find(({ key_id: id }) => id === receipt.key_id);
  const signed = ["epcisd receipt 1", receipt.capture_id, receipt.document_digest, receipt.document_bytes,
    receipt.received_ms, receipt.journal_position, receipt.partner].map((line) => `${line}\n`).join("");
  const genuine = Boolean(known) && verifySignature(null, Buffer.from(signed), createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: known.public_key.toString("base64url") }, format: "jwk",
  }), receipt.signature);
  tell({ genuine, key_id: receipt.key_id });
  if (!genuine) process.exitCode = 1;
}

// ---- dead letters ----------------------------------------------------------------------------------------

// All of a document; only an empty page_token is the end.
async function deadLetters(captureId) {
  const stub = client("DeadLetterService");
  let token = "";
  do {
    const page = await call(stub, "ListDeadLetters", { capture_id: captureId, page_token: token });
    page.dead_letters.forEach(tell);
    token = page.next_page_token;
  } while (token);
}

// One, with its event.
async function show(id) {
  tell((await call(client("DeadLetterService"), "GetDeadLetter", { dead_letter_id: id })).dead_letter);
}

// Sends the event in again, as it is or as the file `corrected` has it.
async function resubmit(id, who, why, corrected) {
  tell(await call(client("DeadLetterService"), "ResubmitDeadLetter", {
    dead_letter_id: id, who, why, corrected: corrected ? readFileSync(corrected) : Buffer.alloc(0),
  }));
}

// Closes it without its event.
async function discard(id, who, why) {
  tell(await call(client("DeadLetterService"), "DiscardDeadLetter", { dead_letter_id: id, who, why }));
}

const commands = { capture, stream, watch, verify, "dead-letters": deadLetters, show, resubmit, discard };
if (!commands[command]) {
  console.error(`commands: ${Object.keys(commands).join(", ")}`);
  process.exit(2);
}
progress();
try {
  await commands[command](...parameters);
} catch (error) {
  if (!(error.code in grpc.status)) throw error;
  console.error(describe(error));
  process.exitCode = 1;
}
clients.forEach((one) => one.close());
