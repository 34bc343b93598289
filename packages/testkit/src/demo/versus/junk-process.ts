/** `node junk-process.ts JSON`: throws junk at an address as the JSON says (see {@link JunkPlan}), after a line `ready`. */
import { randomBytes, randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import process from 'node:process';
import { ipv4, spoof, type Spoofed } from '../../spoofer.ts';
import type { JunkPlan } from './junk.ts';
import { SEQUENCE } from './knockd-contestant.ts';

const KNOCK_PORT = 62_201;
/** Of 204 characters, as an fwknop packet has them with one port, SHA-256 and an HMAC of SHA-256; and of a request of Postern. */
const [BASE64_BYTES, REQUEST_BYTES] = [153, 352] as const;

const plan = JSON.parse(process.argv[2] ?? '') as JunkPlan;
const sources = plan.sources.map(ipv4);

function packet(source: number): Spoofed {
  switch (plan.kind) {
    case 'base64':
      return { source, port: KNOCK_PORT, payload: Buffer.from(randomBytes(BASE64_BYTES).toString('base64'), 'latin1') };
    case 'bytes':
      return { source, port: KNOCK_PORT, payload: randomBytes(REQUEST_BYTES) };
    case 'syn':
      return { source, port: SEQUENCE[0] };
  }
}

function* junk(): Iterable<Spoofed> {
  for (let i = 0; i < plan.perSecond * plan.seconds; i++)
    // Networks that nobody here is in.
    yield packet(sources[i % sources.length] ?? randomInt(0x0b00_0000, 0x7e00_0000));
}

writeSync(1, 'ready\n');
await spoof(plan.to, junk(), plan.perSecond);
