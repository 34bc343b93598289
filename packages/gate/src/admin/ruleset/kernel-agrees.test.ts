import assert from 'node:assert/strict';
import { connect, createServer, type Server } from 'node:net';
import { once } from 'node:events';
import process from 'node:process';
import { test } from 'node:test';
import { Namespace, namespacesAvailable } from '@postern/testkit';
import { inNamespace } from '@postern/testkit/in-namespace';
import type { Packet } from './model.ts';
import { readRulesets } from './read-rulesets.ts';
import { HOST_RULES, type HostRules } from './rulesets.fixture.ts';
import { simulate } from './simulate.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';

const HOST = { 4: '10.79.0.1', 6: 'fd79::1' } as const;

const host = {
  isLocal: (address: string): boolean => address === HOST[4] || address === HOST[6],
  wayTo: (): undefined => undefined,
};

function load(namespace: Namespace, { load: texts }: HostRules): void {
  for (const [program, text] of texts) {
    if (program === 'nft') namespace.run('nft', ['-f', '-'], text.replaceAll('} }', '}\n}'));
    else namespace.run(`${program}-restore`, [], text);
  }
}

function unload(namespace: Namespace): void {
  namespace.run('nft', ['flush', 'ruleset']);
  const empty = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
  for (const program of ['iptables-legacy-restore', 'ip6tables-legacy-restore']) namespace.run(program, [], empty);
}

async function reaches(world: Namespace, host: string): Promise<boolean> {
  return await inNamespace(world, async () => {
    const socket = connect({ host, port: 22 });
    return await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => {
        socket.destroy();
        resolve(false);
      }, 400);
      for (const event of ['connect', 'error'] as const) {
        socket.once(event, () => {
          clearTimeout(timer);
          socket.destroy();
          resolve(event === 'connect');
        });
      }
    });
  });
}

test('what becomes of a packet is what the kernel does with it', { skip, timeout: 180_000 }, async (context) => {
  using gate = new Namespace('rules');
  using world = new Namespace('world');
  const { here } = gate.connect(world, [`${HOST[4]}/24`, `${HOST[6]}/64`], ['10.79.0.2/24', 'fd79::2/64']);
  const servers = await inNamespace(gate, async () => {
    const made: Server[] = [];
    for (const port of [22, 2222]) {
      const server = createServer((socket) => socket.destroy()).listen(port, '::');
      await once(server, 'listening');
      made.push(server);
    }
    return made;
  });
  try {
    for (const rules of HOST_RULES) {
      await context.test(rules.name, async () => {
        load(gate, rules);
        try {
          const { ruleset, troubles } = await inNamespace(gate, () => Promise.resolve(readRulesets()));
          assert.deepEqual(troubles, []);
          for (const family of rules.families ?? ([4, 6] as const)) {
            const packet: Packet = {
              ...{
                family,
                protocol: 'tcp',
                source: undefined,
                destination: HOST[family],
                flags: ['syn'],
                state: 'new',
              },
              ...{ sourcePort: 50_000, destinationPort: 22, input: here, output: undefined, translated: false },
            };
            const { verdict, stops } = simulate(ruleset, packet, host);
            assert.deepEqual([verdict, stops[0]?.chain.table.owner], [rules.verdict, rules.owner], `IPv${family}`);
            assert.equal(
              await reaches(world, HOST[family]),
              rules.lets ?? verdict === 'accept',
              `the kernel, IPv${family}`,
            );
          }
        } finally {
          unload(gate);
        }
      });
    }
  } finally {
    for (const server of servers) server.close();
  }
});
