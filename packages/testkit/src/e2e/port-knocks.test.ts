import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import {
  boundPorts,
  fromHex,
  KEYED,
  keyedPorts,
  parseAddress,
  slotOf,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { namespacesAvailable } from '../namespace.ts';
import { sendTables, type PortKnock } from '../port-knocker.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const SSH = '[services.ssh]\nports = ["tcp/22"]\nseconds = 20\nprotect = true\n';
const FRONT = '[doors.front]\nsequence = ["tcp/7000", "udp/8000", "tcp/9000"]\nservice = "ssh"\nseconds = 15\n';
const SEQUENCE: readonly PortKnock[] = ['tcp/7000', 'udp/8000', 'tcp/9000'];

interface Status {
  readonly stateId: string;
  readonly sentry: { readonly restarts: number };
  readonly knocking: {
    readonly doors: readonly string[];
    readonly keyed: number;
    readonly opened: { readonly doors: number; readonly keyed: number };
    readonly seen: Readonly<Record<string, number>>;
    readonly refused: Readonly<Record<string, number>>;
  };
}

const status = (house: Household): Status => house.gate.json('status') as Status;

async function opens(house: Household, source: string, seconds = 3): Promise<boolean> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    if (house.grants().some((line) => line.includes(`${source} . tcp`))) return true;
    await sleep(30);
  }
  return false;
}

/** The keyed knock of the device that joined as the `device`th, for now: its set and the one bound to the address. */
function keyedKnock(house: Household, service: string, from: string, device = 0, slotsAhead = 0): PortKnock[] {
  const file = readFileSync(join(house.gate.directory, 'knock.keys'), 'utf8');
  const keys = [...file.matchAll(/= \["([0-9a-f]{64})"/g)].map(([, hex = '']) => hex);
  const key = fromHex(keys[device] ?? assert.fail(file));
  const slot = slotOf((Date.now() * 1000) as UnixMicros) + slotsAhead;
  const address = parseAddress(from) ?? assert.fail(from);
  const name = service as ServiceName;
  const numbers = [...keyedPorts(key, slot, name), ...boundPorts(key, slot, name, address)];
  return numbers.map((number, index) => `${index % 2 === 0 ? 'udp' : 'tcp'}/${number}` as const);
}

/** Waits until a slot begins that lasts long enough for what follows. */
async function freshSlot(): Promise<void> {
  const left = KEYED.slot / 1000 - (Date.now() % (KEYED.slot / 1000));
  if (left < 20_000) await sleep(left + 50);
}

test(
  'doors: the right knocks open for who sent them, and nothing else does',
  { skip, timeout: 180_000 },
  async (context) => {
    await using house = await Household.build({
      services: `${SSH}${FRONT}[doors.six]\nsequence = ["udp/5001", "icmpv6"]\nservice = "ssh"\n`,
    });
    await using sshd = await Sshd.start(house.gateSide);
    assert.ok(sshd.pid > 0);
    const knock = (knocks: readonly PortKnock[], from: string = DEVICE[4], to: string = GATE[4]): Promise<void> =>
      sendTables(house.world, from, to, knocks);

    const device = /^\d+: (v\w+)/m.exec(house.world.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';

    await context.test('a wrong order, a miss in between, and an ascending scan open nothing', async () => {
      await knock(['tcp/7000', 'tcp/9000', 'udp/8000']);
      await knock(['tcp/7000', 'udp/8000', 'tcp/8500', 'tcp/9000']);
      const nmap = [
        '-r',
        '-sS',
        '-Pn',
        '-n',
        '-p',
        '6990-9010',
        '-S',
        STRANGER[4],
        '-e',
        'DEV',
        '--max-retries',
        '0',
        '-T5',
      ];
      house.world.run('nmap', [...nmap.map((word) => (word === 'DEV' ? device : word)), GATE[4]]);
      await knock(['udp/8000', 'tcp/9000'], STRANGER[4]);
      assert.equal(await opens(house, DEVICE[4], 0.5), false);
      assert.equal(house.grants().length, 0);
    });

    await context.test('the sequence opens its service, while a stranger knocks everywhere', async () => {
      assert.equal(await house.reaches(22), false);
      const noise = house.world.spawn('sh', [
        '-c',
        `for port in $(seq 7000 9000); do echo x > /dev/udp/${GATE[4]}/$port; done`,
      ]);
      await knock(SEQUENCE);
      noise.kill('SIGKILL');
      assert.equal(await opens(house, DEVICE[4]), true, house.gate.log);
      assert.equal(await house.reaches(22), true);
      assert.equal(await house.reaches(22, STRANGER[4], 300), false);
      const { grants } = house.gate.json('grant', 'list') as { grants: { device: string; service: string }[] };
      assert.deepEqual(
        grants.map(({ device, service }) => [device, service]),
        [['door front', 'ssh']],
      );
      assert.match(house.gate.log, /opened door=front service=ssh source=10\.77\.0\.2/);
    });

    await context.test('knocking again lengthens the grant instead of adding one', async () => {
      await knock(SEQUENCE);
      await sleep(300);
      assert.equal((house.gate.json('grant', 'list') as { grants: unknown[] }).grants.length, 1);
    });

    await context.test('a door with an echo request opens over IPv6', async () => {
      await knock(['udp/5001'], DEVICE[6], GATE[6]);
      house.world.run('nmap', [
        '-6',
        '-sn',
        '-PE',
        '-n',
        '--disable-arp-ping',
        '--send-ip',
        '-e',
        device,
        '-S',
        DEVICE[6],
        GATE[6],
      ]);
      assert.equal(await opens(house, DEVICE[6]), true, house.gate.log);
    });

    await context.test('status tells of doors and knocks', async () => {
      await sleep(1_500);
      const { knocking } = status(house);
      assert.deepEqual(knocking.doors, ['front', 'six']);
      assert.ok((knocking.seen['knocks'] ?? 0) > 2000, JSON.stringify(knocking));
      assert.equal(knocking.opened.doors, 3);
      assert.match(house.gate.command('status').out, /doors/);
    });

    await context.test('a door that a reload removes takes its grants along; another is heard at once', async () => {
      const text = readFileSync(house.gate.config, 'utf8');
      writeFileSync(house.gate.config, text.replace('[doors.front]', '[doors.back]').replace('tcp/7000', 'tcp/7001'));
      house.gate.json('reload');
      assert.equal(house.grants().filter((line) => line.includes(`${DEVICE[4]} .`)).length, 0);
      await knock(SEQUENCE);
      assert.equal(await opens(house, DEVICE[4], 0.5), false);
      await knock(['tcp/7001', 'udp/8000', 'tcp/9000']);
      assert.equal(await opens(house, DEVICE[4]), true, house.gate.log);
      assert.equal(status(house).sentry.restarts, 0);
    });
  },
);

test(
  'keyed knocks open once a slot, for their address, and never from memory',
  { skip, timeout: 300_000 },
  async (context) => {
    const web = '[services.web]\nports = ["tcp/80"]\nseconds = 20\nkeyed = true\nobserved_source = true\n';
    await using house = await Household.build({
      services: `${SSH}keyed = true\n${web}`,
    });
    house.join();
    const knock = (knocks: readonly PortKnock[], from: string = DEVICE[4], to: string = GATE[4]): Promise<void> =>
      sendTables(house.world, from, to, knocks, 1);
    const count = (): number => status(house).knocking.opened.keyed;
    const refusedAs = (reason: string): number => status(house).knocking.refused[reason] ?? 0;
    const opened = async (wanted: number): Promise<boolean> => {
      const deadline = Date.now() + 5_000;
      while (Date.now() < deadline && count() < wanted) await sleep(50);
      return count() === wanted;
    };

    await context.test('not within two slots after a state without memory', async () => {
      await knock(keyedKnock(house, 'ssh', DEVICE[4]));
      await sleep(500);
      assert.ok(refusedAs('slot-uncertain') > 0, house.gate.log);
      assert.equal(house.grants().length, 0);
    });
    // Two slots more, and the slots of then are not uncertain any more.
    await sleep(2 * (KEYED.slot / 1000) - (Date.now() % (KEYED.slot / 1000)) + 100);

    let recorded: PortKnock[] = [];
    await context.test('in any order, half of it lost, among noise of the same source', async () => {
      await freshSlot();
      recorded = keyedKnock(house, 'ssh', DEVICE[4]);
      const [set, bound] = [recorded.slice(0, 20), recorded.slice(20)];
      const noise = Array.from({ length: 30 }, (_, i): PortKnock => `udp/${40_000 + 7 * i}`);
      await knock([...bound.slice(2), ...noise, ...set.slice(6)].reverse());
      assert.equal(await opened(1), true, house.gate.log);
      assert.equal(await opens(house, DEVICE[4]), true);
      await sleep(200);
      assert.match(house.gate.log, /opened by="keyed knock" service=ssh user=alice .* bound=true/);
    });

    await context.test('a copy opens nothing: not from another address, not again, not after kill -9', async () => {
      await knock(recorded, STRANGER[4]);
      await knock(recorded);
      await house.gate.stop('SIGKILL');
      await house.gate.start();
      await knock(recorded, STRANGER[4]);
      await knock(recorded);
      await sleep(500);
      assert.equal(count(), 0);
      assert.ok(!house.grants().some((line) => line.includes(`${STRANGER[4]} .`)));
    });

    await context.test('a copy from elsewhere opens nothing and uses nothing up', async () => {
      // The next slot of the device, which no memory holds yet.
      await sleep(KEYED.slot / 1000 - (Date.now() % (KEYED.slot / 1000)) + 100);
      await freshSlot();
      recorded = keyedKnock(house, 'ssh', DEVICE[6]);
      await knock(recorded, STRANGER[6], GATE[6]);
      await sleep(300);
      assert.ok(refusedAs('source-leave') > 0, JSON.stringify(status(house).knocking));
      assert.equal(count(), 0);
      await knock(recorded, DEVICE[6], GATE[6]);
      assert.equal(await opened(1), true, house.gate.log);
      assert.equal(await opens(house, DEVICE[6]), true);
    });

    await context.test(
      'where observing is allowed, the first set alone opens; a revoked device opens nothing',
      async () => {
        house.join('bob', join(house.gate.directory, 'home-bob'));
        await knock(keyedKnock(house, 'web', '192.0.2.1', 1).slice(0, 14));
        assert.equal(await opened(2), true, house.gate.log);
        const next = keyedKnock(house, 'web', DEVICE[4], 1, 1);
        house.gate.json('user', 'revoke', 'bob');
        const keys = readFileSync(join(house.gate.directory, 'knock.keys'), 'utf8');
        assert.equal(keys.match(/"[0-9a-f]{64}"/g)?.length, 1);
        await knock(next);
        await sleep(500);
        assert.equal(count(), 2);
        assert.ok(!house.grants().some((line) => line.includes('tcp . 80')), house.grants().join('\n'));
      },
    );

    await context.test('the state is lost: what was opened before stays used', async () => {
      await house.gate.stop();
      for (const name of ['state.db', 'state.db-wal', 'state.db-shm'])
        rmSync(join(house.gate.directory, 'state', name), { force: true });
      await house.gate.start();
      await knock(recorded, DEVICE[6], GATE[6]);
      await sleep(500);
      assert.equal(count(), 0);
      assert.ok(refusedAs('slot-uncertain') > 0, JSON.stringify(status(house).knocking));
    });
  },
);

test(
  'the first door that a reload brings takes another sentry and ends no grant; the last one that goes leaves nothing heard',
  { skip, timeout: 120_000 },
  async () => {
    await using house = await Household.build({ services: SSH });
    house.join();
    const before = readFileSync(house.gate.config, 'utf8');
    const pids = house.gate.sentryPids();
    assert.equal(house.postern('knock', 'demo', '-6').code, 0);
    assert.equal(await opens(house, DEVICE[6]), true);
    const { knocking } = house.gate.json('status') as { knocking?: unknown };
    assert.equal(knocking, undefined);

    writeFileSync(house.gate.config, before + FRONT);
    house.gate.json('reload');
    await sleep(2_500);
    assert.notDeepEqual(house.gate.sentryPids(), pids);
    assert.equal(status(house).sentry.restarts, 0);
    await sendTables(house.world, DEVICE[4], GATE[4], SEQUENCE);
    assert.equal(await opens(house, DEVICE[4]), true, house.gate.log);
    assert.equal(await opens(house, DEVICE[6]), true);
    assert.equal(house.postern('knock', 'demo', '-4').code, 0);

    writeFileSync(house.gate.config, before);
    house.gate.json('reload');
    assert.equal(await opens(house, DEVICE[4], 0.2), true);
    const seen = (): number => {
      writeFileSync(house.gate.config, before + FRONT);
      house.gate.json('reload');
      return status(house).knocking.seen['knocks'] ?? 0;
    };
    await sleep(1_200);
    const heard = seen();
    writeFileSync(house.gate.config, before);
    house.gate.json('reload');
    await sendTables(house.world, STRANGER[4], GATE[4], SEQUENCE);
    await sleep(1_500);
    assert.equal(seen(), heard);
  },
);
