/** What the benchmarks measure on: a gate and a world of many addresses, joined by a veth pair, with a real posternd and many devices. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fromHex, importSigner, importStaticPrivate, parseAddress, toHex, type Suite } from '@postern/protocol';
import { GateFiles } from '../gate-process.ts';
import { inNamespace } from '../in-namespace.ts';
import { Namespace } from '../namespace.ts';
import type { Plan } from './prober.ts';
import { probe } from './world-process.ts';

/** Addresses of the gate. */
export const GATE = { 4: '10.90.0.1', 6: 'fd90::1' } as const;
/** A stranger. */
export const STRANGER = { 4: '10.90.255.66', 6: 'fd90::ffff:66' } as const;
export const KNOCK_PORT = 62201;
export const SERVICE_PORT = 8022;

/** At most 255 addresses share a /24, and 128 a /56: no more than the sentry's budget for a prefix allows at once. */
function address(family: 4 | 6, index: number): string {
  return family === 4
    ? `10.90.${String(1 + (index >> 8))}.${String(index & 255)}`
    : `fd90:0:0:${((1 + (index >> 7)) << 8).toString(16)}::${index.toString(16)}`;
}

/** Knocks of one device at once; its own rate allows 64. */
const KNOCKS_OF_A_DEVICE = 50;

function bytesOf(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new Error(`${text} is no address`);
  return bytes;
}

/** One stage; everything on it ends with it. */
export class Stage implements AsyncDisposable {
  readonly gateSide: Namespace;
  readonly world: Namespace;
  readonly gate: GateFiles;
  readonly seeds: readonly Uint8Array[];
  readonly #service: Server;

  private constructor(
    gateSide: Namespace,
    world: Namespace,
    gate: GateFiles,
    seeds: readonly Uint8Array[],
    service: Server,
  ) {
    this.gateSide = gateSide;
    this.world = world;
    this.gate = gate;
    this.seeds = seeds;
    this.#service = service;
  }

  /** Sets everything up for `knocks` knocks, each from an IPv4 or IPv6 address of its own. */
  static async build(knocks: number): Promise<Stage> {
    const devices = Math.ceil(knocks / KNOCKS_OF_A_DEVICE);
    const gateSide = new Namespace('gate');
    const world = new Namespace('world');
    const { there } = gateSide.connect(world, [`${GATE[4]}/16`, `${GATE[6]}/32`], []);
    const addresses = [4, 6].flatMap((family) => {
      const length = family === 4 ? 16 : 32;
      const version = family === 4 ? 4 : 6;
      const all = [STRANGER[version], ...Array.from({ length: knocks }, (_, i) => address(version, i + 1))];
      return all.map((it) => `address add ${it}/${String(length)} dev ${there}${version === 6 ? ' nodad' : ''}`);
    });
    world.run('ip', ['-batch', '-'], `${addresses.join('\n')}\n`);
    const gate = new GateFiles(gateSide);
    const state = join(gate.directory, 'state');
    const init = gate.command(
      ...['init', '--yes', '--name', 'bench', '--address', GATE[4], '--address', GATE[6]],
      ...[
        '--service',
        `bench=tcp/${String(SERVICE_PORT)}`,
        '--state',
        state,
        '--socket',
        join(gate.runtime, 'posternd.sock'),
      ],
    );
    if (init.code !== 0) throw new Error(`posternd init: ${init.err}`);
    // A grant for every connection of the prober, protected from the start: the file as a person would write it.
    const head = readFileSync(gate.config, 'utf8').split('[services.')[0] ?? '';
    writeFileSync(
      gate.config,
      `${head}[services.bench]\nports = ["tcp/${String(SERVICE_PORT)}"]\nsingle_use = false\nprotect = true\n`,
    );
    const seeds = Array.from({ length: devices }, () => new Uint8Array(randomBytes(32)));
    mkdirSync(join(gate.directory, 'users.d'), { recursive: true });
    writeFileSync(
      join(gate.directory, 'users.d/bench.toml'),
      [
        'services = ["bench"]',
        ...seeds.map(
          (seed, i) =>
            `[[devices]]\nname = "d${String(i)}"\ned25519 = "${Buffer.from(importSigner(seed).publicKey).toString('base64')}"`,
        ),
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
    const service = createServer((socket) => socket.destroy());
    await inNamespace(gateSide, async () => {
      await new Promise<void>((done) => service.listen(SERVICE_PORT, '::', done));
    });
    await gate.start();
    return new Stage(gateSide, world, gate, seeds, service);
  }

  /** A plan for the prober: `count` knocks, from the addresses from `first` on; `pause` milliseconds between them. */
  plan(suite: Suite, family: 4 | 6, first: number, count: number, pause: number): Plan {
    const secrets = this.#secrets();
    const status = this.gate.json('status') as { stateId: string };
    return {
      suite,
      family,
      gate: toHex(bytesOf(GATE[family])),
      staticKey: toHex(importStaticPrivate(suite, suite === 1 ? secrets.x25519 : secrets.xwing).public.bytes),
      gateKey: toHex(secrets.gateKey),
      stateId: status.stateId,
      knockPort: KNOCK_PORT,
      servicePort: SERVICE_PORT,
      service: 'bench',
      pause,
      knocks: Array.from({ length: count }, (_, i) => ({
        seed: toHex(this.seeds[Math.floor((first + i) / KNOCKS_OF_A_DEVICE)] ?? new Uint8Array(32)),
        address: toHex(bytesOf(address(family, first + i + 1))),
      })),
    };
  }

  /** Runs the prober in the world; milliseconds for each knock, null where nothing answered. */
  probe(plan: Plan): Promise<(number | null)[]> {
    return probe(this.world, 'prober.ts', plan);
  }

  #secrets(): { x25519: Uint8Array; xwing: Uint8Array; gateKey: Uint8Array } {
    const text = readFileSync(join(this.gate.directory, 'gate.key'), 'utf8');
    const value = (key: string): Uint8Array => {
      const found = new RegExp(`^${key}\\s*=\\s*"([^"]+)"`, 'm').exec(text)?.[1];
      if (found === undefined) throw new Error(`gate.key has no ${key}`);
      return /^[0-9a-f]{64}$/.test(found) ? fromHex(found) : new Uint8Array(Buffer.from(found, 'base64'));
    };
    return { x25519: value('x25519'), xwing: value('xwing'), gateKey: value('gate_key') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gate[Symbol.asyncDispose]();
    this.#service.close();
    this.gateSide[Symbol.dispose]();
    this.world[Symbol.dispose]();
  }
}
