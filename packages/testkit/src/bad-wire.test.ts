import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSocket } from 'node:dgram';
import { BadWire } from './bad-wire.ts';
import { inNamespace } from './in-namespace.ts';
import { Namespace, namespacesAvailable } from './namespace.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'needs root';

async function echoes(
  here: Namespace,
  there: Namespace,
  family: 4 | 6,
  count: number,
  wait: number,
): Promise<number[]> {
  const type = family === 4 ? 'udp4' : 'udp6';
  const address = family === 4 ? '10.78.0.1' : 'fd78::1';
  const server = createSocket(type);
  await inNamespace(here, async () => {
    await new Promise<void>((done) => server.bind(7, done));
  });
  server.on('message', (message, from) => {
    server.send(message, from.port, from.address);
  });
  const client = createSocket(type);
  const times: number[] = [];
  const sent: number[] = [];
  client.on('message', (message) => {
    times.push(performance.now() - (sent[message.readUInt32BE(0)] ?? 0));
  });
  await inNamespace(there, async () => {
    await new Promise<void>((done) => client.bind(0, done));
  });
  for (let i = 0; i < count; i++) {
    const message = Buffer.alloc(4);
    message.writeUInt32BE(i);
    sent[i] = performance.now();
    client.send(message, 7, address);
  }
  await new Promise((done) => setTimeout(done, wait));
  server.close();
  client.close();
  return times;
}

for (const family of [4, 6] as const) {
  test(
    `a bad wire delays, loses and doubles packets of IPv${String(family)}, and their checksums are right`,
    { skip },
    async () => {
      using here = new Namespace('here');
      using there = new Namespace('there');
      const ends = [
        { namespace: here, addresses: ['10.78.0.1/24', 'fd78::1/64'] },
        { namespace: there, addresses: ['10.78.0.2/24', 'fd78::2/64'] },
      ] as const;
      await using wire = await BadWire.join(ends[0], ends[1], { delay: 50, jitter: 20, loss: 0.3, duplicate: 0.1 });
      assert.ok(wire);
      const times = await echoes(here, there, family, 400, 1000);
      // 400 · (0.7 · 1.1)² = 237; the bounds are seven standard deviations wide
      assert.ok(times.length > 150 && times.length < 330, `${String(times.length)} echoes of 400`);
      assert.ok(Math.min(...times) >= 100, `the fastest took ${String(Math.min(...times))} ms`);
    },
  );
}
