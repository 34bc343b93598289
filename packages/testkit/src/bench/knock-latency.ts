/** From the last port knock to the open service: a classic door, keyed knocking, and Debian's knockd in the same run, by turns. */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { deviceIdOf, importSigner, KEYED, parseAddress, toHex } from '@postern/protocol';
import { GateFiles } from '../gate-process.ts';
import { inNamespace } from '../in-namespace.ts';
import { Knockd } from '../knockd.ts';
import { Namespace } from '../namespace.ts';
import type { Bench } from './bench.ts';
import type { KnockPlan } from './knock-prober.ts';
import { round, summarise } from './statistics.ts';
import { probe } from './world-process.ts';

const ROUNDS = 100;
/** Not measured: the gate's first knocks wait for compilers. */
const WARM_UP = 100;
/** Knocks of one kind before the next kind has its turn, and the rest between two, in ms: as `latency` measures single packets. */
const [BLOCK, PAUSE] = [10, 2] as const;
const GOAL = 2;
const PORT = 8022;
const SEQUENCE = [7000, 8000, 9000] as const;
/** Doors like knockd's one, to take turns: each opens so often in a second and no more. */
const DOORS = 8;
const [OURS, THEIRS] = ['10.92.0.1', '10.93.0.1'] as const;

const hex = (text: string): string => toHex(parseAddress(text) ?? new Uint8Array(16));
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

function sequenceOf(door: number): number[] {
  return SEQUENCE.map((port) => port + (door % DOORS));
}

/** Writes a gate with a door, a keyed service, and devices that can knock at once; the keys of these. */
function configure(gate: GateFiles, devices: number): string[] {
  const places = ['--state', join(gate.directory, 'state'), '--socket', join(gate.runtime, 'posternd.sock')];
  const init = ['init', '--yes', '--name', 'bench', '--address', OURS, '--service', `bench=tcp/${String(PORT)}`];
  const { code, err } = gate.command(...init, ...places);
  if (code !== 0) throw new Error(`posternd init: ${err}`);
  const [head = ''] = readFileSync(gate.config, 'utf8').split('[services.');
  const service = `ports = ["tcp/${String(PORT)}"]\nsingle_use = false\nprotect = true\nkeyed = true\n`;
  const doors = Array.from({ length: DOORS }, (_, i) => {
    const steps = sequenceOf(i).map((port) => `"tcp/${String(port)}"`);
    return `[doors.front${String(i)}]\nsequence = [${steps.join(', ')}]\nservice = "bench"\n`;
  });
  writeFileSync(gate.config, `${head}[services.bench]\n${service}${doors.join('')}`);
  const all = Array.from({ length: devices }, (_, i) => {
    const { publicKey } = importSigner(new Uint8Array(randomBytes(32)));
    return { name: `d${String(i)}`, publicKey, key: toHex(randomBytes(32)) };
  });
  mkdirSync(join(gate.directory, 'users.d'), { recursive: true });
  const listed = all.map(
    ({ name, publicKey }) =>
      `[[devices]]\nname = "${name}"\ned25519 = "${Buffer.from(publicKey).toString('base64')}"\n`,
  );
  const secret = { mode: 0o600 };
  writeFileSync(join(gate.directory, 'users.d/bench.toml'), `services = ["bench"]\n${listed.join('')}`, secret);
  const keys = all.map(({ publicKey, key }) => `${deviceIdOf(publicKey)} = ["${key}"]\n`);
  writeFileSync(join(gate.directory, 'knock.keys'), keys.join(''), secret);
  return all.map(({ key }) => key);
}

/** The addresses that knock: one for each knock, in both networks. */
function addresses(network: '10.92' | '10.93', count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${network}.${String(1 + (i >> 7))}.${String(1 + (i & 127))}`);
}

/** Milliseconds that this disk takes to make 4 KiB durable, which a keyed knock waits for before it opens. */
function durableWrites(directory: string, count: number): number[] {
  const file = openSync(join(directory, 'durable'), 'w');
  const page = new Uint8Array(4096);
  const took = Array.from({ length: count }, (_, i) => {
    const begun = performance.now();
    writeSync(file, page, 0, page.length, (i % 16) * page.length);
    fdatasyncSync(file);
    return performance.now() - begun;
  });
  closeSync(file);
  return took;
}

/** Last port knock to service answering. */
export const knockLatency: Bench = {
  name: 'latency --protocol knock',
  summary: `milliseconds from the last port knock to the service answering: a door, keyed, and Debian's knockd by turns, ${String(ROUNDS)} rounds`,
  async run(say) {
    using ours = new Namespace('gate');
    using theirs = new Namespace('knockd');
    using world = new Namespace('world');
    const rounds = WARM_UP + ROUNDS;
    const own = addresses('10.92', 2 * rounds);
    const other = addresses('10.93', rounds);
    for (const [namespace, address, from] of [
      [ours, OURS, own],
      [theirs, THEIRS, other],
    ] as const) {
      const { there } = namespace.connect(world, [`${address}/16`], []);
      world.run('ip', ['-batch', '-'], `${from.map((it) => `address add ${it}/16 dev ${there}`).join('\n')}\n`);
    }
    await using gate = new GateFiles(ours);
    const keys = configure(gate, rounds);
    theirs.run('iptables', ['-A', 'INPUT', '-p', 'tcp', '--dport', String(PORT), '-j', 'DROP']);
    const device = /^\d+: (v\w+)/m.exec(theirs.run('ip', ['-o', 'link', 'show', 'type', 'veth']))?.[1] ?? '';
    const command = `/usr/sbin/iptables -I INPUT -s %IP% -p tcp --dport ${String(PORT)} -j ACCEPT`;
    const door = `[open]\n\tsequence = ${SEQUENCE.join()}\n\tseq_timeout = 5\n\ttcpflags = syn\n\tcommand = ${command}\n`;
    await using _knockd = await Knockd.start(theirs, device, door);
    const services = [createServer((socket) => socket.destroy()), createServer((socket) => socket.destroy())];
    try {
      for (const [i, namespace] of [ours, theirs].entries())
        await inNamespace(namespace, async () => {
          await new Promise<void>((done) => services[i]?.listen(PORT, '0.0.0.0', done));
        });
      await gate.start();
      const until = 2 * (KEYED.slot / 1000) + (KEYED.slot / 1000 - (Date.now() % (KEYED.slot / 1000)));
      say(`a new gate believes keyed knocks from its third slot on: waiting ${String(Math.ceil(until / 1000))} s …`);
      await sleep(until + 500);
      const kinds: readonly ((i: number) => KnockPlan['knocks'][number])[] = [
        (i) => ({ from: hex(own[2 * i] ?? ''), gate: hex(OURS), way: sequenceOf(i) }),
        (i) => ({ from: hex(own[2 * i + 1] ?? ''), gate: hex(OURS), way: { key: keys[i] ?? '', service: 'bench' } }),
        (i) => ({ from: hex(other[i] ?? ''), gate: hex(THEIRS), way: SEQUENCE }),
      ];
      const knocks = Array.from({ length: kinds.length * rounds }, (_, at) => {
        const turn = Math.floor(at / BLOCK);
        return kinds[turn % kinds.length]?.(Math.floor(turn / kinds.length) * BLOCK + (at % BLOCK));
      }).filter((knock) => knock !== undefined);
      const plan: KnockPlan = { servicePort: PORT, pause: PAUSE, knocks };
      const before = durableWrites(gate.directory, ROUNDS);
      say(`${String(rounds)} rounds of a door, a keyed knock and knockd's door …`);
      const milliseconds = await probe(world, 'knock-prober.ts', plan);
      const of = (which: number): ReturnType<typeof summarise> =>
        summarise(milliseconds.filter((_, at) => Math.floor(at / BLOCK) % kinds.length === which).slice(WARM_UP));
      const [classic, keyed, knockd] = [of(0), of(1), of(2)];
      const disk = summarise([...before, ...durableWrites(gate.directory, ROUNDS)]);
      const ok = [classic, keyed].every(({ lost, median }) => lost === 0 && median <= GOAL);
      const line = (name: string, { lost, min, median, p99 }: ReturnType<typeof summarise>): string =>
        `${name.padEnd(14)} lost ${String(lost)}, min ${String(min)} ms, median ${String(median)} ms, p99 ${String(p99)} ms`;
      return {
        ok,
        lines: [
          line('door', classic),
          line('keyed', keyed),
          line('knockd', knockd),
          line('(disk)', disk),
          `goal: median of ours at most ${String(GOAL)} ms: ${ok ? 'reached' : 'NOT REACHED'}; knockd takes ${String(round(knockd.median / classic.median))} times as long as the door`,
        ],
        json: {
          bench: 'latency',
          protocol: 'knock',
          unit: 'ms',
          rounds: ROUNDS,
          goal: GOAL,
          classic,
          keyed,
          knockd,
          disk,
        },
      };
    } finally {
      for (const service of services) service.close();
    }
  },
};
