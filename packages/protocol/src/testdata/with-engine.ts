/** For tests: engines with another WebAssembly than this one's. */
import assert from 'node:assert/strict';

const own = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly') ?? assert.fail();

interface Engine {
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Module: unknown;
  readonly Memory: unknown;
  readonly Instance: unknown;
}
const { validate, Module, Memory, Instance } = own.value as Engine;

/** What this engine has. */
export const engine: Engine = { validate, Module, Memory, Instance };

/** Runs `run` while `WebAssembly` is something else. */
export function withEngine<T>(other: unknown, run: () => T): T {
  Object.defineProperty(globalThis, 'WebAssembly', { ...own, value: other });
  try {
    return run();
  } finally {
    Object.defineProperty(globalThis, 'WebAssembly', own);
  }
}
