/** What is led to a service behind the gate, with real packets; the contract suite has what every firewall must do. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import process from 'node:process';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Seconds } from '@postern/protocol';
import { namespacesAvailable } from '@postern/testkit';
import { BEHIND, bytesOf, NftablesStage, SCENE } from './nftables-stage.fixture.ts';
import type { Change, Endpoint, Plan, Source, Target } from './port.ts';
import { LAYOUT, TABLE } from './table.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NOT RUN: network namespaces need root';

const PLAN: Plan = { knockPort: 62201, dropKnocks: true, forwards: true };
const OK = { ok: true } as const;
const ID = '0011223344556677';
const LONG = 60 as Seconds;
const TCP: Endpoint = { protocol: 'tcp', port: BEHIND.endpoint };
const UDP: Endpoint = { protocol: 'udp', port: BEHIND.endpoint };
const FAMILIES = [4, 6] as const;
/** Linux sends a SYN again after one second. */
const RETRANSMITTED = 3000;

function source(address: Uint8Array): Source {
  const family = address[0] === 0xfd ? 6 : 4;
  return { family, address, prefix: family === 4 ? 32 : 128 };
}

function set(address: Uint8Array, endpoint: Endpoint, target: Target): Change {
  return { kind: 'set', source: source(address), endpoint, seconds: LONG, id: ID, target };
}

function arm(address: Uint8Array, endpoint: Endpoint, target: Target, slot = 0): Change {
  return { kind: 'arm', source: source(address), endpoint, seconds: LONG, id: ID, slot, target };
}

function stageWith(endpoints: readonly Endpoint[] = [TCP, UDP]): NftablesStage {
  const stage = new NftablesStage();
  stage.behind();
  stage.firewall.install(PLAN);
  assert.deepEqual(stage.firewall.protect(endpoints, undefined), OK);
  return stage;
}

describe('the firewall, and services behind it', { skip }, () => {
  for (const family of FAMILIES) {
    const from = bytesOf(SCENE.clients[family][0]);
    const ip = family === 4 ? 'ip' : 'ip6';

    test(`IPv${family}: a first SYN that is lost on its way uses a place up, and its retransmission is led`, async () => {
      await using stage = stageWith();
      const target = stage.behind().targets[family];
      const obstacle = (hook: string): string =>
        `table inet obstacle { chain c { type filter hook ${hook} priority 0; ${ip} daddr ${BEHIND.host[family]} drop\n}\n}`;
      // At the gate conntrack forgets the connection with its packet; behind it, it does not.
      for (const [where, hook] of [
        [stage.gate, 'forward'],
        [stage.behindHost, 'input'],
      ] as const) {
        assert.deepEqual(stage.firewall.apply([arm(from, TCP, target)]), OK);
        where.run('nft', ['-f', '-'], obstacle(hook));
        const connecting = stage.connect(from, TCP, 0, RETRANSMITTED);
        await sleep(200);
        assert.deepEqual(stage.firewall.list().openings, [], 'it is used up');
        where.run('nft', ['delete', 'table', 'inet', 'obstacle']);
        assert.equal(await (await connecting)?.talks(), true, hook);
        assert.equal(await stage.connect(from, TCP), undefined);
      }
    });

    test(`IPv${family}: a service whose route leads elsewhere answers to the gate's own address, and only what was led is masked`, async () => {
      await using stage = stageWith();
      const target = stage.behind().targets[family];
      const masked = { ...target, masquerade: true };
      const near = family === 4 ? '10.77.0.0/16' : 'fd77::/64';
      const route = (...args: string[]): void => {
        stage.behindHost.run('ip', [...(family === 4 ? [] : ['-6']), 'route', ...args]);
      };
      route('add', 'blackhole', near);
      assert.deepEqual(stage.firewall.apply([set(from, TCP, target), set(from, UDP, target)]), OK);
      assert.equal(await stage.connect(from, TCP), undefined);
      assert.equal(await stage.connect(from, UDP), undefined);
      stage.reachedBehind.length = 0;
      assert.deepEqual(stage.firewall.apply([set(from, TCP, masked), set(from, UDP, masked)]), OK);
      assert.equal(await (await stage.connect(from, TCP))?.talks(), true);
      assert.ok(await stage.connect(from, UDP));
      const gate = BEHIND.gate[family];
      assert.deepEqual([...new Set(stage.reachedBehind)].sort(), [`tcp/2201 from ${gate}`, `udp/2201 from ${gate}`]);

      route('delete', 'blackhole', near);
      stage.client.run('ip', [
        ...(family === 4 ? [] : ['-6']),
        ...['route', 'add', family === 4 ? '10.78.0.0/16' : 'fd78::/64', 'via', SCENE.gate[family]],
      ]);
      stage.reachedBehind.length = 0;
      const direct = await stage.reach(from, { ...TCP, port: BEHIND.port }, target.address);
      assert.equal(await direct?.talks(), true, 'what the gate only routes');
      assert.deepEqual(stage.reachedBehind, [`tcp/2201 from ${SCENE.clients[family][0]}`]);
    });

    test(`IPv${family}: what goes to another host's port of the same number is not led`, async () => {
      const here: Endpoint = { protocol: 'tcp', port: BEHIND.port };
      await using stage = stageWith([here]);
      const nowhere = { ...stage.behind().targets[family], port: 9 };
      stage.client.run('ip', [
        ...(family === 4 ? [] : ['-6']),
        ...['route', 'add', family === 4 ? '10.78.0.0/16' : 'fd78::/64', 'via', SCENE.gate[family]],
      ]);
      assert.deepEqual(stage.firewall.apply([set(from, here, nowhere)]), OK);
      await assert.rejects(stage.connect(from, here), 'led to a port where nobody is');
      const other = await stage.reach(from, here, bytesOf(BEHIND.host[family]));
      assert.equal(await other?.talks(), true);
    });

    test(`IPv${family}: the host's own translation of the port is for everybody else, its forward policy for all`, async () => {
      await using stage = stageWith();
      const { targets } = stage.behind();
      const nowhere = family === 4 ? `${BEHIND.host[4]}:9` : `[${BEHIND.host[6]}]:9`;
      const text = `table inet docker {
        chain n { type nat hook prerouting priority dstnat; tcp dport ${TCP.port} dnat ${ip} to ${nowhere};
        }
        chain f { type filter hook forward priority 0; policy drop; ct state established accept; tcp dport 9 accept
        }
      }`;
      stage.gate.run('nft', ['-f', '-'], text);
      assert.equal(await stage.connect(from, TCP), undefined, 'a stranger is stopped at the door');
      const other: Change = { kind: 'set', source: source(from), endpoint: TCP, seconds: LONG, id: ID };
      assert.deepEqual(stage.firewall.apply([other]), OK);
      await assert.rejects(stage.connect(from, TCP), 'without a target: to where the host translates it');
      assert.deepEqual(stage.firewall.apply([set(from, TCP, targets[family])]), OK);
      assert.equal(await stage.connect(from, TCP), undefined, 'the host does not forward to 2201');
      stage.gate.run('nft', ['add', 'rule', 'inet', 'docker', 'f', 'tcp', 'dport', '2201', 'accept']);
      assert.equal(await (await stage.connect(from, TCP))?.talks(), true);
    });

    test(`IPv${family}: a host that is dark leads what it grants, single connections once`, async () => {
      await using stage = stageWith([]);
      const target = stage.behind().targets[family];
      const [, single, stranger] = SCENE.clients[family].map(bytesOf);
      assert.ok(single && stranger);
      const exceptions = { endpoints: [], protocols: [], ping: false, interfaces: [] };
      assert.deepEqual(stage.firewall.darken(exceptions, undefined), OK);
      assert.deepEqual(
        stage.firewall.apply([set(from, TCP, target), set(from, UDP, target), arm(single, TCP, target)]),
        OK,
      );
      const all = [await stage.connect(from, TCP), await stage.connect(from, UDP), await stage.connect(single, TCP)];
      for (const connection of all) assert.equal(await connection?.talks(), true);
      assert.equal(await stage.connect(single, TCP), undefined);
      assert.equal(await stage.connect(stranger, TCP), undefined);
    });
  }

  test('a hundred doors lead exactly a hundred connections, however many come at once', async () => {
    await using stage = stageWith();
    const target = stage.behind().targets[4];
    const doors = Array.from({ length: 100 }, (_, i) => `10.77.100.${i + 1}`);
    const lines = doors.map((address) => `address add ${address}/16 dev ${stage.devices.there}`).join('\n');
    stage.client.run('ip', ['-batch', '-'], lines);
    assert.deepEqual(stage.firewall.apply(doors.map((door, i) => arm(bytesOf(door), TCP, target, i % 32))), OK);
    const start = String(Date.now() + 1500);
    const script = join(import.meta.dirname, 'race.fixture.ts');
    const counts = await Promise.all(
      [0, 1, 2].map(async () => {
        const args = [...process.execArgv, script, String(TCP.port), start, ...doors];
        const child = stage.client.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        let output = '';
        child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
        await new Promise((resolve) => child.once('close', resolve));
        return Number(output);
      }),
    );
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      doors.length,
      counts.join(' + '),
    );
    assert.deepEqual(new Set(stage.reachedBehind), new Set(doors.map((door) => `tcp/2201 from ${door}`)));
    assert.equal(stage.reachedBehind.length, doors.length);
  });

  test('nft shows what was set by messages of our own, and there is no translation where nothing is forwarded', async () => {
    await using stage = stageWith();
    const { targets } = stage.behind();
    const [from4, from6] = [bytesOf(SCENE.clients[4][0]), bytesOf(SCENE.clients[6][0])];
    const wide: Change = {
      kind: 'set',
      source: { family: 6, address: from6, prefix: 56 },
      endpoint: UDP,
      seconds: LONG,
      id: ID,
      target: { ...targets[6], masquerade: true },
    };
    assert.deepEqual(stage.firewall.apply([set(from4, TCP, targets[4]), arm(from6, TCP, targets[6], 3), wide]), OK);
    const shown = (map: string, kind = 'map'): string =>
      stage.gate.run('nft', ['list', kind, 'inet', TABLE, map]).replaceAll(/ (timeout|expires) \w+/g, '');
    assert.match(shown('to4'), /elements = \{ 10\.77\.0\.2 \. tcp \. 2301 : 10\.78\.0\.2 \. 2201 \}/);
    assert.match(shown('toonce6'), /elements = \{ fd77::2 \. tcp \. 2301 : fd78::2 \. 2201 \}/);
    assert.match(shown('tonet6_0'), /elements = \{ fd77::\/56 \. udp \. 2301 : fd78::2 \. 2201 \}/);
    assert.match(shown('masked6', 'set'), /elements = \{ fd78::2 \. udp \. 2201 \}/);
    stage.gate.run('nft', ['flush', 'ruleset']);
    stage.firewall.install({ ...PLAN, forwards: false });
    assert.doesNotMatch(stage.gate.run('nft', ['list', 'ruleset']), /type nat|\tmap /);
    const plain = stage.gate.run('nft', ['list', 'ruleset']);
    stage.firewall.install(PLAN);
    assert.match(stage.gate.run('nft', ['list', 'ruleset']), /type nat hook prerouting/);
    stage.firewall.install({ ...PLAN, forwards: false });
    assert.equal(stage.gate.run('nft', ['list', 'ruleset']), plain);
  });

  test('a table of another layout is made anew, and what it led is led on', async () => {
    await using stage = stageWith();
    const { targets } = stage.behind();
    const masked = { ...targets[6], masquerade: true };
    const [timed, single, stranger] = SCENE.clients[4].map(bytesOf);
    const [timed6] = SCENE.clients[6].map(bytesOf);
    assert.ok(timed && single && stranger && timed6);
    const wide = { ...source(timed6), prefix: 64 };
    const prefixes = [wide, { ...wide, prefix: 127 }].map((of): Change => ({
      kind: 'set',
      source: of,
      endpoint: TCP,
      seconds: LONG,
      id: ID,
      target: masked,
    }));
    const changes = [set(timed, TCP, targets[4]), arm(single, TCP, targets[4], 31), ...prefixes];
    assert.deepEqual(stage.firewall.apply(changes), OK);
    const facts = (): string[] =>
      stage.firewall
        .list()
        .openings.map((held) => JSON.stringify({ ...held, remaining: 0 }))
        .sort();
    const before = facts();
    const text = stage.gate.run('nft', ['-s', 'list', 'table', 'inet', TABLE]);
    stage.gate.run('nft', ['-f', '-'], `delete table inet ${TABLE}\n${text.replace(LAYOUT, 'Postern, layout 0')}`);
    stage.firewall.install({ ...PLAN, forwards: false });
    assert.deepEqual(facts(), before);
    assert.equal(await (await stage.connect(timed, TCP))?.talks(), true);
    assert.equal(await (await stage.connect(single, TCP))?.talks(), true);
    assert.equal(await stage.connect(single, TCP), undefined);
    assert.equal(await (await stage.connect(timed6, TCP))?.talks(), true);
    assert.equal(await stage.connect(stranger, TCP), undefined);
    assert.ok(stage.reachedBehind.includes(`tcp/2201 from ${BEHIND.gate[6]}`), 'masked as before');
  });
});
