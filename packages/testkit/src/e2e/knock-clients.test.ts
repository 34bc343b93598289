import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { runProgramIn } from '../gate-process.ts';
import { DEVICE, GATE, Household } from '../household.ts';
import { KNOCK, Knockd, knockdAvailable } from '../knockd.ts';
import { namespacesAvailable } from '../namespace.ts';

const ready = namespacesAvailable() && knockdAvailable();
const skip = ready || process.env['CI'] === 'true' ? false : 'NEEDS ROOT and script/bootstrap test: namespaces, knockd';
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const SEQUENCES = {
  tcp: ['tcp/7001', 'tcp/7005', 'tcp/7003'],
  udp: ['udp/8001', 'udp/8005', 'udp/8003'],
  mixed: ['tcp/9001', 'udp/9005', 'tcp/9003'],
} as const;
type Door = keyof typeof SEQUENCES;
const DOORS = Object.keys(SEQUENCES) as Door[];
const CLIENTS = ['knock', 'postern knockd-knock', 'postern knock --sequence'] as const;

/** `7001:tcp`, as knockd and its client write a knock. */
const theirs = (door: Door): string[] => SEQUENCES[door].map((knock) => knock.split('/').reverse().join(':'));

/** The same doors for both daemons, on one host: every packet is heard by both. */
const OURS = DOORS.map((door) => `[doors.${door}]\nsequence = ${JSON.stringify(SEQUENCES[door])}\nservice = "ssh"\n`);
const ECHO =
  '[doors.echo4]\nsequence = ["tcp/7101", "icmp", "udp/7102"]\nservice = "ssh"\n' +
  '[doors.echo6]\nsequence = ["tcp/7101", "icmpv6", "udp/7102"]\nservice = "ssh"\n';
const THEIRS = DOORS.map(
  (door) =>
    `[${door}]\n\tsequence = ${theirs(door).join(',')}\n\tseq_timeout = 5\n${door === 'udp' ? '' : '\ttcpflags = syn\n'}\tstart_command = /bin/true\n`,
);

test(
  "knockd's knock opens our doors and ours opens knockd's, by tcp and udp, over both families",
  { skip, timeout: 180_000 },
  async (context) => {
    await using house = await Household.build({
      services: `[services.ssh]\nports = ["tcp/22"]\nseconds = 20\n${OURS.join('')}${ECHO}`,
    });
    const device = /^\d+: (v\w+)/m.exec(house.gateSide.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';
    await using knockd = await Knockd.start(house.gateSide, device, THEIRS.join(''));
    const ourOpenings = (door: Door, source: string): number =>
      house.gate.log
        .split('\n')
        .filter((line) => line.includes(`opened door=${door} `) && line.includes(`source=${source} `)).length;

    const table: string[][] = [];
    for (const client of CLIENTS) {
      for (const door of DOORS) {
        for (const family of [4, 6] as const) {
          const [gate, source] = [GATE[family], DEVICE[family]];
          const before = [ourOpenings(door, source), knockd.opened(door, source)] as const;
          if (client === 'knock') house.world.run(KNOCK, [gate, ...theirs(door)]);
          else {
            const words =
              client === 'postern knockd-knock'
                ? ['knockd-knock', gate, ...theirs(door)]
                : ['knock', '--sequence', SEQUENCES[door].join(), '--delay', '5', gate];
            const ran = runProgramIn(house.world, 'postern', words, { environment: { XDG_CONFIG_HOME: house.home } });
            assert.equal(ran.code, 0, ran.err);
          }
          const openings = (): [boolean, boolean] => [
            ourOpenings(door, source) === before[0] + 1,
            knockd.opened(door, source) === before[1] + 1,
          ];
          for (let waited = 0; waited < 3_000 && openings().includes(false); waited += 20) await sleep(20);
          table.push([client, door, `IPv${family}`, ...openings().map((opened) => (opened ? 'opened' : 'NOT OPENED'))]);
        }
      }
    }
    for (const [family, echo] of [
      [4, 'icmp'],
      [6, 'icmpv6'],
    ] as const) {
      const words = ['knock', '--sequence', '-', '--delay', '5', '-q', GATE[family]];
      const input = `tcp/7101 ${echo} udp/7102\n`;
      const ran = runProgramIn(house.world, 'postern', words, { input, environment: { XDG_CONFIG_HOME: house.home } });
      assert.deepEqual(ran, { code: 0, out: '', err: '' });
      const door = `opened door=echo${String(family)} `;
      for (let waited = 0; waited < 3_000 && !house.gate.log.includes(door); waited += 20) await sleep(20);
      assert.ok(house.gate.log.includes(door), house.gate.log);
    }
    context.diagnostic(`${'client'.padEnd(26)}door   family  posternd    knockd`);
    for (const [client = '', door = '', family = '', ours = '', knockds = ''] of table)
      context.diagnostic(`${client.padEnd(26)}${door.padEnd(7)}${family.padEnd(8)}${ours.padEnd(12)}${knockds}`);
    assert.ok(!table.flat().includes('NOT OPENED'));
  },
);
