// The networks, as functions of an image or a point. Two workers share them: the SO(2) network
// takes longer than the others together, and these should not wait for it.

import { SIZE } from "./turning.js";

const IMAGE = [1, SIZE, SIZE, 1];

class WorkerOfNetworks {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #count = 0;
  #failure = null;

  constructor() {
    this.#worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.outputs);
    });
    this.#worker.addEventListener("error", ({ message }) => {
      // There is no message if the worker, or the runtime that it imports, is missing.
      this.#failure = new Error(message || "its worker or ONNX Runtime Web could not be loaded");
      for (const { reject } of this.#waiting.values()) reject(this.#failure);
      this.#waiting.clear();
    });
  }

  run(network, values, shape) {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, network, values, shape });
    });
  }
}

class Network {
  #next = null;
  #answering = null;

  constructor(worker, name, shape) {
    Object.assign(this, { worker, name, shape });
  }

  /** Returns the outputs, and how many milliseconds passed until they came. */
  async run(values, shape = this.shape) {
    const start = performance.now();
    const outputs = await this.worker.run(this.name, values, shape);
    return { outputs, milliseconds: performance.now() - start };
  }

  /**
   * Calls `answer` with the outputs; done when no request waits. While the network runs, only the
   * newest request waits, and those before it are dropped: a hand turns faster than it answers.
   */
  latest(values, answer) {
    this.#next = { values, answer };
    this.#answering ??= this.#answerAll().finally(() => {
      this.#answering = null;
    });
    return this.#answering;
  }

  async #answerAll() {
    while (this.#next) {
      const { values, answer } = this.#next;
      this.#next = null;
      answer(await this.run(values));
    }
  }
}

const [quick, slow] = [new WorkerOfNetworks(), new WorkerOfNetworks()];

export const networks = {
  plain: new Network(quick, "plain", IMAGE),
  p4: new Network(quick, "p4", IMAGE),
  so2: new Network(slow, "so2", IMAGE),
  encoder: new Network(quick, "encoder", IMAGE),
  decoder: new Network(quick, "decoder", [1, 2]),
};

/** The probabilities of the classes, from the network's logits. */
export function probabilities(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
