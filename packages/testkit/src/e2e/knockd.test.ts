/** The same world before Debian's knockd and before posternd. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { Dice } from '../../../protocol/src/testdata/random.ts';
import { DEVICE, GATE, Household, STRANGER } from '../household.ts';
import { KnockdRules } from '../knockd-rules.ts';
import { Knockd, knockdAvailable } from '../knockd.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { sendTables, type PortKnock } from '../port-knocker.ts';
import { ipv4, sendSpoofed } from '../spoofer.ts';

const able = namespacesAvailable() && knockdAvailable();
const skip = able || process.env['CI'] === 'true' ? false : 'NEEDS ROOT AND knockd: script/bootstrap test';
const sleep = (milliseconds: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const OURS = `[services.ssh]
ports = ["tcp/22"]
protect = true

[doors.front]
sequence = ["tcp/7000", "tcp/8000", "tcp/9000"]
service = "ssh"
timeout = 60

[doors.back]
sequence = ["tcp/11100", "tcp/11200", "tcp/11300"]
service = "ssh"
timeout = 60
`;
const THEIRS = [
  ['front', '7000,8000,9000'],
  ['back', '11100,11200,11300'],
]
  .map(
    ([name = '', sequence = '']) =>
      `[${name}]\n\tsequence = ${sequence}\n\tseq_timeout = 60\n\ttcpflags = syn\n\tcommand = /bin/true\n`,
  )
  .join('');
const BACK: readonly PortKnock[] = ['tcp/11100', 'tcp/11200', 'tcp/11300'];
const SPOOFED = 20_000;

interface Status {
  readonly knocking: { readonly seen: Readonly<Record<string, number>>; readonly opened: { readonly doors: number } };
}

async function within(seconds: number, holds: () => boolean): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(30)) if (holds()) return true;
  return holds();
}

function deviceOf(namespace: Namespace): string {
  return /^\d+: (v\w+)/m.exec(namespace.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';
}

test(
  'what breaks the doors of knockd does nothing to the same doors here',
  { skip, timeout: 180_000 },
  async (context) => {
    await using house = await Household.build({ services: OURS });
    await using knockd = await Knockd.start(house.gateSide, deviceOf(house.gateSide), THEIRS);
    const knock = (knocks: readonly PortKnock[], from: string = DEVICE[4]): Promise<void> =>
      sendTables(house.world, from, GATE[4], knocks);
    const opened = (source: string): boolean => house.grants().some((line) => line.includes(`${source} . tcp`));

    await context.test('an ascending scan by who knows nothing opens theirs, and not ours', async () => {
      const scan = ['-r', '-sS', '-Pn', '-n', '-p', '6000-10000', '-S', STRANGER[4], '-e', deviceOf(house.world)];
      house.world.run('nmap', [...scan, GATE[4]]);
      assert.ok(await within(5, () => knockd.opened('front', STRANGER[4]) > 0), knockd.log);
      await sleep(300);
      assert.deepEqual(house.grants(), []);
      assert.equal(await house.reaches(22, STRANGER[4], 300), false);
    });

    await context.test("a stranger's mistake takes theirs from who is knocking, and not ours", async () => {
      // Any packet lets knockd forget the attempts that have ended: its list is empty then, and the stranger's is the first in it.
      await knock(['tcp/11300']);
      await knock(['tcp/7000'], STRANGER[4]);
      await knock(BACK.slice(0, 2));
      await knock(['tcp/9000'], STRANGER[4]);
      await knock(BACK.slice(2));
      assert.ok(await within(5, () => opened(DEVICE[4])), house.gate.log);
      await sleep(300);
      assert.equal(knockd.opened('back', DEVICE[4]), 0, knockd.log);
      // Without the stranger the same knocks open it: nothing else was wrong.
      await knock(['tcp/11300', 'tcp/11300']);
      await knock(BACK);
      assert.ok(await within(5, () => knockd.opened('back', DEVICE[4]) === 1), knockd.log);
    });

    await context.test('twenty thousand spoofed sources cost bounded memory, and stop nobody', async () => {
      const knocking = (): Status['knocking'] => (house.gate.json('status') as Status).knocking;
      const seen = (): number => knocking().seen['knocks'] ?? 0;
      const [before, memory, knockdMemory] = [seen(), house.gate.memory(), knockd.memory()];
      let next = 0;
      // Each from a /24 of its own, with the first knock of a door.
      const flood = async (count: number): Promise<void> => {
        const packets = Array.from({ length: count }, (_, i) => ({
          source: 0x0b00_0001 + (next + i) * 256,
          port: 7000,
        }));
        next += count;
        await sendSpoofed(house.world, GATE[4], packets, 10_000);
        await sleep(1_100);
      };
      await flood(SPOOFED / 2);
      const { doors } = knocking().opened;
      await knock(BACK.slice(0, 1));
      await flood(SPOOFED / 2);
      await knock(BACK.slice(1));
      assert.ok(await within(10, () => knocking().opened.doors === doors + 1), house.gate.log);
      // A loaded machine may drop some before anybody sees them.
      for (let more = 0; more < 4 && seen() - before < SPOOFED; more++) await flood(SPOOFED / 4);
      const grown = house.gate.memory() - memory;
      const theirs = knockd.memory() - knockdMemory;
      context.diagnostic(
        `${String(seen() - before)} knocks seen: ${grown.toFixed(1)} MB more here, ${theirs.toFixed(1)} MB more in knockd`,
      );
      assert.ok(seen() - before >= SPOOFED, `${String(seen() - before)} of ${String(SPOOFED)} were seen`);
      assert.ok(grown < 40, `${String(grown)} MB`);
    });
  },
);

test(
  'the model of its rules that the benchmark measures does what knockd does',
  { skip, timeout: 60_000 },
  async () => {
    using gateSide = new Namespace('gate');
    using world = new Namespace('world');
    const { here } = gateSide.connect(world, ['10.77.0.1/24'], ['10.77.0.2/24']);
    const doors = [
      { name: 'front', sequence: [7000, 8000, 9000], timeout: 60_000 },
      { name: 'back', sequence: [11_100, 11_200], timeout: 60_000 },
      { name: 'side', sequence: [7000, 11_200, 7000], timeout: 60_000 },
    ];
    const stanzas = doors.map(
      ({ name, sequence }) =>
        `[${name}]\n\tsequence = ${sequence.join()}\n\tseq_timeout = 60\n\ttcpflags = syn\n\tcommand = /bin/true\n`,
    );
    await using knockd = await Knockd.start(gateSide, here, stanzas.join(''));
    // Mostly the next knock of some door, so that some attempts come to their end; the same on every run.
    const dice = new Dice(5);
    const sources = ['10.77.0.21', '10.77.0.22', '10.77.0.23'];
    const at = new Map<string, readonly number[]>();
    const knocks = Array.from({ length: 400 }, () => {
      const source = sources[dice.below(sources.length)] ?? '';
      const left = at.get(source) ?? [];
      const { sequence } = doors[dice.below(doors.length)] ?? { sequence: [] };
      const [port = 7000, ...rest] = left.length > 0 && dice.chance(0.85) ? left : sequence;
      at.set(source, rest);
      return { source, port };
    });
    const rules = new KnockdRules(doors);
    const expected = knocks.flatMap(({ source, port }) =>
      rules
        .knock(source, port, 0)
        .flatMap(({ door, stage, opened }) => [
          `${source}: ${door}: Stage ${String(stage)}`,
          ...(opened ? [`${source}: ${door}: OPEN SESAME`] : []),
        ]),
    );
    await sendSpoofed(
      world,
      '10.77.0.1',
      knocks.map(({ source, port }) => ({ source: ipv4(source), port })),
      250,
    );
    const told = (): string[] =>
      [...knockd.log.matchAll(/\] (\S+: \w+: (?:Stage \d+|OPEN SESAME))$/gm)].map((it) => it[1] ?? '');
    await within(5, () => told().length >= expected.length);
    assert.ok(expected.filter((line) => line.endsWith('SESAME')).length > 10);
    assert.deepEqual(told(), expected);
  },
);
