// Sends one document with Node's gRPC client and follows it to its final state.
// usage: node client.mjs PROTO_DIR HOST:PORT FILE [CA_FILE TOKEN_FILE]      prints one JSON object
// With the last two it speaks TLS, and sends the token.
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const [protoDir, address, file, caFile, tokenFile] = process.argv.slice(2);
const definition = loader.loadSync("epcis/v1/capture_service.proto", {
  includeDirs: [protoDir], keepCase: true, longs: Number, enums: String, defaults: true,
});
const { epcis } = grpc.loadPackageDefinition(definition);
const credentials = caFile
  ? grpc.credentials.combineChannelCredentials(
    grpc.credentials.createSsl(readFileSync(caFile)),
    grpc.credentials.createFromMetadataGenerator((_, done) => {
      const metadata = new grpc.Metadata();
      metadata.set("authorization", `Bearer ${readFileSync(tokenFile, "utf8").trim()}`);
      done(null, metadata);
    }))
  : grpc.credentials.createInsecure();
const client = new epcis.v1.CaptureService(address, credentials);
const call = (method, request) => new Promise((resolve, reject) => {
  client[method](request, { deadline: Date.now() + 30000 }, (error, reply) => (error ? reject(error) : resolve(reply)));
});

const { receipt } = await call("Capture", { document: readFileSync(file) });
const deadline = Date.now() + 60000;
let capture;
do {
  await pause(20);
  ({ capture } = await call("GetCapture", { capture_id: receipt.capture_id }));
} while (!["CAPTURE_STATE_DONE", "CAPTURE_STATE_FAILED"].includes(capture.state) && Date.now() < deadline);
client.close();
console.log(JSON.stringify({ receipt, capture }));
