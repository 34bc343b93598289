/**
 * A monitor reduced to its sentry, for tests in network namespaces: started as a program of its own, told what to do by lines of JSON.
 * In: `{keys}` new gate keys, `{jump}` microseconds to move the clock by, `{answer}` whether requests get a verdict, `{stop}`. Out: one
 * line for each event, and the state of sockets and counters after each command.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fromHex, toHex, type UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { startSentry } from './sentry-process.ts';

interface Start {
  readonly port: number;
  readonly capture: 'packet' | 'dgram';
  readonly sentryUser: string;
  readonly pq: 'required' | 'off';
  readonly x25519: string;
  readonly xwing: string;
  readonly keys: readonly string[];
  readonly entry?: string;
  readonly patience?: number;
}

interface Command {
  readonly keys?: readonly string[];
  readonly jump?: number;
  readonly answer?: boolean;
  readonly stop?: boolean;
}

function tell(event: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function gateKeys([current, next]: readonly string[]): { current: Uint8Array; next: Uint8Array | undefined } {
  return { current: fromHex(current ?? ''), next: next === undefined ? undefined : fromHex(next) };
}

let answer = true;
let jump = 0;
const clock = (): UnixMicros => (Date.now() * 1000 + jump) as UnixMicros;
const start = JSON.parse(process.argv[2] ?? '{}') as Start;

try {
  const sentry = startSentry({
    ...start,
    secrets: { x25519: fromHex(start.x25519), xwing: fromHex(start.xwing), gateKeys: gateKeys(start.keys) },
    clock,
    log: (level, message) => {
      tell({ log: message, level });
    },
    onRequest: ({ suite, gateKey, family, address, port, nonce, plaintext }, reply) => {
      const bytes = { address: toHex(address), nonce: toHex(nonce), plaintext: toHex(plaintext) };
      tell({ request: { suite, gateKey, family, port, ...bytes } });
      if (!answer) return;
      const stateId = fromHex('0123456789abcdef');
      reply({ status: 'ok', end: 7 as UnixMicros, now: clock(), era: 3, stateId, nextKey: undefined });
    },
    onRefused: () => {
      tell({ malformed: true });
    },
    onRestart: (reason, delay) => {
      tell({ restart: reason, delay });
    },
  });
  const state = (): void => {
    tell({
      state: { pid: sentry.pid, hearing: sentry.hearing, restarts: sentry.restarts, counters: sentry.counters() },
    });
  };
  createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line) as Command;
    if (command.answer !== undefined) answer = command.answer;
    if (command.jump !== undefined) jump += command.jump;
    if (command.keys !== undefined) sentry.setKeys(gateKeys(command.keys));
    if (command.stop === true) sentry[Symbol.dispose]();
    state();
  });
  await sentry.ready;
  tell({ ready: sentry.pid });
  await sentry.closed;
  process.exit(0);
} catch (error) {
  tell({ error: String(error), hint: error instanceof PersonError ? error.hint : undefined });
  process.exit(1);
}
