// Runs networks beside the page, so that it never waits. ONNX Runtime Web uses one thread here:
// more would need headers that static hosts do not send.

import * as ort from "./runtime/ort.wasm.min.mjs";

const address = (path) => new URL(path, import.meta.url).href;

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = address("./runtime/");
ort.env.logLevel = "error";
const runtime = unpack(address("./runtime/ort-wasm-simd-threaded.wasm.gz"));

/** Loads a compressed file, unless the server says that it is, and the browser has unpacked it. */
async function unpack(file) {
  const response = await fetch(file);
  if (!response.ok) throw new Error(`${file} is missing`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

const sessions = new Map();

async function start(network) {
  ort.env.wasm.wasmBinary = await runtime;
  const file = address(`./parts/${network}.onnx`);
  return ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
}

function session(network) {
  if (!sessions.has(network)) sessions.set(network, start(network));
  return sessions.get(network);
}

async function run({ network, values, shape }) {
  const loaded = await session(network);
  const input = new ort.Tensor("float32", values, shape);
  const results = await loaded.run({ [loaded.inputNames[0]]: input });
  const outputs = Object.entries(results).map(([name, tensor]) => [name, tensor.data.slice()]);
  return Object.fromEntries(outputs);
}

addEventListener("message", async ({ data }) => {
  try {
    const outputs = await run(data);
    const buffers = Object.values(outputs).map((values) => values.buffer);
    postMessage({ id: data.id, outputs }, buffers);
  } catch (error) {
    postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
});
