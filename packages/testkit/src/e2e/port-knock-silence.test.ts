import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { parseAddress, toHex } from '@postern/protocol';
import { GATE, Household, STRANGER } from '../household.ts';
import { inNamespace } from '../in-namespace.ts';
import { namespacesAvailable, type Namespace } from '../namespace.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const SERVICES =
  '[services.ssh]\nports = ["tcp/22"]\nkeyed = true\n' +
  '[doors.front]\nsequence = ["udp/7000", "tcp/8000"]\nservice = "ssh"\n';
const QUIC = 4433;
const NOBODY = 4434;
/** A service that never reads what comes to its UDP port, so that all the work is the kernel's. */
const SERVICE = `const s = require('dgram').createSocket('udp4'); s.bind(${String(QUIC)}, () => {
  require('fs').writeSync(1, 'up'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });`;

/** UDP packets from a stranger for some seconds; how many were sent. */
async function flood(world: Namespace, port: number, perSecond: number, seconds: number): Promise<number> {
  const hex = (text: string): string => toHex(parseAddress(text) ?? new Uint8Array(16));
  const junk = join(import.meta.dirname, '../bench/junk.ts');
  const args = ['4', hex(STRANGER[4]), hex(GATE[4]), String(port), '1200', String(perSecond), String(seconds)];
  const child = world.spawn(process.execPath, ['--conditions=source', junk, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  await once(child, 'close');
  return (JSON.parse(out) as { sent: number }).sent;
}

/** Knocks that the sentry has seen; it reports once a second. */
async function seen(house: Household): Promise<number> {
  await sleep(1_200);
  const { knocking } = house.gate.json('status') as { knocking: { seen: { knocks: number; strange: number } } };
  return knocking.seen.knocks + knocking.seen.strange;
}

test(
  'traffic of real services wakes nobody: 100,000 packets a second to a UDP service, and a busy TCP connection',
  { skip, timeout: 120_000 },
  async (context) => {
    await using house = await Household.build({ services: SERVICES });
    const service = house.gateSide.spawn(process.execPath, ['-e', SERVICE], { stdio: ['ignore', 'pipe', 'inherit'] });
    if (service.stdout !== null) await once(service.stdout, 'data');
    // The monitor looks for new services every two seconds.
    await sleep(3_000);

    await context.test('a port without a service is heard, so that what follows says something', async () => {
      const before = await seen(house);
      const sent = await flood(house.world, NOBODY, 2_000, 0.5);
      assert.ok((await seen(house)) - before > sent / 2);
    });

    await context.test('a UDP service', async () => {
      const before = await seen(house);
      const cpu = house.gate.cpu();
      const sent = await flood(house.world, QUIC, 100_000, 2);
      const after = house.gate.cpu();
      const spent = after.user + after.system - cpu.user - cpu.system;
      context.diagnostic(`${String(sent)} packets in 2 s: ${spent.toFixed(2)} s of processor time in the daemon`);
      assert.ok(sent > 20_000, `only ${String(sent)} packets were sent`);
      assert.equal((await seen(house)) - before, 0);
      assert.ok(spent < 0.5, `${String(spent)} s`);
    });

    await context.test('a TCP connection of a service', async () => {
      const server = createServer((socket) => socket.pipe(socket));
      await inNamespace(house.gateSide, async () => {
        server.listen(0, GATE[4]);
        await once(server, 'listening');
      });
      const { port } = server.address() as AddressInfo;
      await sleep(3_000);
      const before = await seen(house);
      let echoed = 0;
      const client = await inNamespace(house.world, async () => {
        const socket = connect({ host: GATE[4], port, localAddress: STRANGER[4] });
        await once(socket, 'connect');
        return socket;
      });
      client.on('data', (chunk: Buffer) => (echoed += chunk.length));
      client.end(Buffer.alloc(8 << 20));
      await once(client, 'close');
      server.close();
      assert.equal(echoed, 8 << 20);
      assert.equal((await seen(house)) - before, 0);
    });
  },
);
