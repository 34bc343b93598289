/** What trying keys costs, one after the other and four at a time (docs/decisions/0013-hmac-trials.md). Prints a line of JSON for each number of keys. */
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { HmacTrial, trialKey } from './hmac-trial.ts';
import { HmacTrials } from './hmac-trials.ts';

const ROUNDS = 1000;
/** Keys in a round: a millisecond or so, within which nobody else gets the processor. */
const PER_ROUND = 1000;
/** The text of a packet of 204 bytes: without its HMAC, with the salt prefix. */
const TEXT = 204 - 43 + 10;

/** The least that `run` took, in microseconds for each key: what else the machine does only adds. */
function measure(keys: number, run: () => void): string {
  let least = Infinity;
  const times = Math.ceil(PER_ROUND / keys);
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.hrtime.bigint();
    for (let time = 0; time < times; time++) run();
    least = Math.min(least, Number(process.hrtime.bigint() - before) / 1000 / (times * keys));
  }
  return least.toFixed(3);
}

const trial = new HmacTrial(TEXT);
const mac = new Int32Array(8).fill(1);
for (const count of [4, 100, 1000]) {
  const keys = Array.from({ length: count }, () => trialKey(new Uint8Array(randomBytes(64))));
  const all = keys.map((_, index) => index);
  const trials = HmacTrials.of(keys, TEXT);
  trial.load(new Uint8Array(randomBytes(TEXT)));
  const line = {
    keys: count,
    'one by one': measure(count, () => keys.forEach((key) => trial.matches(key, mac))),
    'four at a time': trials && measure(count, () => trials.matching(trial, mac, all)),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
