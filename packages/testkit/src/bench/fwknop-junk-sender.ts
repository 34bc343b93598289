/**
 * `node fwknop-junk-sender.ts TO FROM PER_SECOND SECONDS`: sends what looks like fwknop's packets (random base64 of the length of an ordinary
 * one) at a steady rate from one address, or from a new one of the gate's network each time when FROM is `spoofed`. Prints `{ "sent", "perSecond" }`.
 */
import { randomBytes, randomInt } from 'node:crypto';
import process from 'node:process';
import { ipv4, spoof, type Spoofed } from '../spoofer.ts';

/** Of 204 characters, as a packet has them with one port, SHA-256 and an HMAC of SHA-256. */
const BYTES = 153;

const [to = '', from = '', perSecond, seconds] = process.argv.slice(2);

function* junk(count: number): Iterable<Spoofed> {
  const network = ipv4(to) & 0xffff_0000;
  const one = from === 'spoofed' ? undefined : ipv4(from);
  for (let i = 0; i < count; i++) {
    // Above the addresses that are somebody's.
    const source = one ?? (network | randomInt(0x8000, 0xff00)) >>> 0;
    yield { source, port: 62_201, payload: Buffer.from(randomBytes(BYTES).toString('base64'), 'latin1') };
  }
}

const begun = performance.now();
const count = Number(perSecond) * Number(seconds);
await spoof(to, junk(count), Number(perSecond));
const took = (performance.now() - begun) / 1000;
process.stdout.write(`${JSON.stringify({ sent: count, perSecond: count / took })}\n`);
