import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, type Seconds, type UnixMicros } from '@postern/protocol';
import { firewallContract, type Connection, type Stage } from './contract.fixture.ts';
import { memoryFirewall } from './memory.ts';
import type { Endpoint } from './port.ts';

function address(text: string): Uint8Array {
  const bytes = parseAddress(text);
  assert.ok(bytes);
  return bytes;
}

const BEHIND: ReturnType<Stage['behind']> = {
  targets: {
    4: { address: address('10.78.0.2'), port: 2201, masquerade: false },
    6: { address: address('fd78::2'), port: 2201, masquerade: false },
  },
  tcp: { protocol: 'tcp', port: 2301 },
  udp: { protocol: 'udp', port: 2301 },
};

function stage(): Stage {
  let now = 1_800_000_000_000_000;
  let port = 50_000;
  const firewall = memoryFirewall({ now: () => now as UnixMicros });
  return {
    firewall,
    clients: {
      4: [address('10.77.0.2'), address('10.77.0.3'), address('10.77.1.2')],
      6: [address('fd77::2'), address('fd77::3'), address('fd77::1:2')],
    },
    services: {
      tcp: [
        { protocol: 'tcp', port: 2201 },
        { protocol: 'tcp', port: 2202 },
      ],
      udp: [
        { protocol: 'udp', port: 2201 },
        { protocol: 'udp', port: 2203 },
      ],
    },
    behind: () => BEHIND,
    connect: (from: Uint8Array, endpoint: Endpoint, given?: number): Promise<Connection | undefined> => {
      const family = from[0] === 0xfd ? 6 : 4;
      const arrival = { family, address: from, port: given ?? port++, endpoint } as const;
      if (!firewall.admits(arrival)) return Promise.resolve(undefined);
      const target = firewall.leads(arrival);
      const wanted = endpoint.port === BEHIND.tcp.port ? BEHIND.targets[family] : undefined;
      if (target?.port !== wanted?.port) return Promise.reject(new Error('nobody is there'));
      return Promise.resolve({
        port: arrival.port,
        talks: () => Promise.resolve(firewall.carries(arrival)),
        [Symbol.dispose]: () => undefined,
      });
    },
    reopen: () => firewall,
    wait: (milliseconds) => {
      now += milliseconds * 1000;
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

firewallContract('the twin in memory', {}, () => Promise.resolve(stage()));

test('the twin carries what was seeded, for as long', async () => {
  await using scene = stage();
  let now = 0;
  const firewall = memoryFirewall({ now: () => now as UnixMicros });
  const endpoint = scene.services.tcp[0];
  const arrival = { family: 4, address: scene.clients[4][0], port: 1000, endpoint } as const;
  firewall.install({ knockPort: 1, dropKnocks: true });
  firewall.protect([endpoint], undefined);
  assert.equal(firewall.carries(arrival), false);
  const flow = {
    family: 4,
    protocol: 'tcp',
    remoteAddress: arrival.address,
    remotePort: 1000,
    localPort: endpoint.port,
  } as const;
  firewall.seed([flow], 10 as Seconds);
  assert.equal(firewall.carries(arrival), true);
  assert.equal(firewall.admits(arrival), false);
  now = 10_000_000;
  assert.equal(firewall.carries(arrival), false);
});
