import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UnixMicros } from '@postern/protocol';
import type { GpgResult } from '../line/gpg-line.ts';
import { Work } from './work.ts';

const OK: GpgResult = { outcome: 'ok', plaintext: Uint8Array.of(1), signatures: [] };

class Bench {
  now = 0;
  readonly answers: string[] = [];
  readonly runs: (() => void)[] = [];
  readonly work = new Work({
    decrypt: () => new Promise((resolve) => this.runs.push(() => resolve(OK))),
    answer: ({ id, outcome }) => void this.answers.push(`${id} ${outcome}`),
    clock: () => this.now as UnixMicros,
  });
  #next = 0;

  ask(times: number): void {
    for (let time = 0; time < times; time++)
      this.work.take({ id: this.#next++, credential: 0, ciphertext: OK.plaintext });
  }

  /** Ends the oldest run. */
  async finish(): Promise<void> {
    this.runs.shift()?.();
    await Promise.resolve();
  }
}

test('two run at a time, six wait, and the ninth is told so', async () => {
  const bench = new Bench();
  bench.ask(9);
  assert.equal(bench.runs.length, 2);
  assert.deepEqual(bench.answers, ['8 busy']);
  await bench.finish();
  assert.equal(bench.runs.length, 2);
  bench.ask(1);
  for (let count = 0; count < 8; count++) await bench.finish();
  assert.deepEqual(bench.answers, ['8 busy', ...[0, 1, 2, 3, 4, 5, 6, 7, 9].map((id) => `${id} ok`)]);
});

test('twenty come at once, then five a second', async () => {
  const bench = new Bench();
  const count = async (times: number): Promise<number> => {
    bench.answers.length = 0;
    for (let time = 0; time < times; time++) {
      bench.ask(1);
      await bench.finish();
    }
    return bench.answers.filter((answer) => answer.endsWith('ok')).length;
  };
  assert.equal(await count(30), 20);
  bench.now += 1_000_000;
  assert.equal(await count(30), 5);
});
