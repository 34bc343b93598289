import assert from 'node:assert/strict';

/** Waits until something is so, at most 15 s; fails with what it waited for and `log` otherwise. */
export async function until(condition: () => boolean, what: string, log: () => string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(`${what}: not within 15 s\n${log()}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
