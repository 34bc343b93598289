/** What a packet of fwknop's format costs the sentry, by how many credentials there are. Prints one line of JSON for each kind of packet. */
import process from 'node:process';
import type { UnixMicros } from '@postern/protocol';
import type { CredentialPiece } from '../line/fwknop-codec.ts';
import { FwknopEar } from './fwknop-ear.ts';
import { credential, from, piece, sealed, shapedJunk, table, type Shared } from './fwknop-packets.fixture.ts';

const ROUNDS = 5;
const PER_ROUND = 60_000_000;
const START = 1_800_000_000_000_000;

/** Median of some rounds, in microseconds a packet. */
function measure(
  ear: FwknopEar,
  packets: readonly Uint8Array[],
  source: (count: number) => string,
  outcome: string,
): number {
  const costs: number[] = [];
  let now = START;
  let count = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.hrtime.bigint();
    let done = 0;
    while (process.hrtime.bigint() - before < PER_ROUND) {
      const payload = packets[count % packets.length] ?? new Uint8Array(0);
      const opened = ear.open(payload, from(source(count)), (outcome === 'budget' ? START : now) as UnixMicros);
      if (count > 1000 && (opened.ok ? 'opened' : opened.reason) !== outcome) throw new Error(`not ${outcome}`);
      // Slowly enough that no ration is used up.
      now += 10_000_000;
      count++;
      done++;
    }
    costs.push(Number(process.hrtime.bigint() - before) / done / 1000);
  }
  return costs.sort((a, b) => a - b)[ROUNDS >> 1] ?? NaN;
}

function earOf(pieces: readonly CredentialPiece[]): FwknopEar {
  const ear = new FwknopEar();
  for (const frame of table(1, pieces)) ear.obey(frame);
  return ear;
}

const text = (number: number): string => number.toFixed(1);
const spoofed = (count: number): string => `10.${String((count >> 8) & 255)}.${String(count & 255)}.9`;

for (const credentials of [1, 100, 1000]) {
  const kinds: [string, Partial<Shared>][] = [
    ['hmac sha256', {}],
    ['no hmac', { hmac: undefined }],
  ];
  for (const [kind, over] of kinds) {
    const pieces = Array.from({ length: credentials }, (_, number) => piece(credential(number, over)));
    const named = pieces.map((it) => ({ ...it, sources: [{ address: new Uint8Array(16), bits: 0 }] }));
    const last = credential(credentials - 1, over);
    const strangers = Array.from({ length: 64 }, () => shapedJunk(last.hmac));
    const valid = Array.from({ length: 512 }, () => sealed(last));
    const line = {
      credentials,
      kind,
      junk: text(measure(earOf(pieces), strangers, spoofed, 'no-key')),
      'junk, with sources': text(measure(earOf(named), strangers, spoofed, 'no-key')),
      'junk above the ration': text(measure(earOf(pieces), strangers, () => '203.0.113.66', 'budget')),
      'a copy': text(measure(earOf(pieces), valid.slice(0, 1), () => '203.0.113.66', 'duplicate')),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}
