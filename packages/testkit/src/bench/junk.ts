/**
 * `node junk.ts FAMILY FROM TO PORT SIZE PER_SECOND SECONDS`: sends datagrams of random bytes at a steady rate and prints one JSON line
 * `{ "sent", "seconds", "perSecond" }`. Addresses are 16 bytes in hexadecimal.
 */
import { randomFillSync } from 'node:crypto';
import process from 'node:process';
import { fromHex } from '@postern/protocol';
import { Burst, socketAddress, tightTimers, udpSocket, wait } from './native-socket.ts';

const [family, from, to, port, size, perSecond, seconds] = process.argv.slice(2);
const version = family === '4' ? 4 : 6;
const fd = udpSocket(
  version,
  socketAddress(version, fromHex(from ?? ''), 0),
  socketAddress(version, fromHex(to ?? ''), Number(port)),
);
const BATCH = 256;
const burst = new Burst(Number(size), BATCH);
randomFillSync(burst.payloads);
tightTimers();
const begun = performance.now();
const end = begun + Number(seconds) * 1000;
let sent = 0;
for (let now = begun; now < end; now = performance.now()) {
  const due = Math.floor(((now - begun) / 1000) * Number(perSecond)) - sent;
  if (due <= 0) {
    wait([], [], 300);
    continue;
  }
  // a new nonce in each datagram of the batch, or the sentry's table of failed nonces would do all the work
  for (let i = 0; i < BATCH; i++) burst.payload(i).set(burst.payload((i * 7 + sent) % BATCH).subarray(16, 24));
  sent += burst.send(fd, Math.min(due, BATCH));
}
const took = (performance.now() - begun) / 1000;
process.stdout.write(`${JSON.stringify({ sent, seconds: took, perSecond: sent / took })}\n`);
