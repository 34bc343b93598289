/** A posternd with devices, doors and keyed knocks before a world of many addresses. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  fromHex,
  importSigner,
  importStaticPrivate,
  KEYED,
  parseAddress,
  sealRequest,
  toHex,
  type EpochKeys,
  type RequestId,
  type ServiceName,
  type Signer,
  type StaticPublic,
  type Suite,
  type UnixMicros,
} from '@postern/protocol';
import { GateFiles } from '../../gate-process.ts';
import { Namespace } from '../../namespace.ts';
import { KNOCK_PORT, SERVICE_PORT, type Contender, type PlannedKnock } from './contender.ts';
import { installedGate } from './installed-gate.ts';
import { startService } from './service.ts';
import { joinWorld, serverIn, sourceIn } from './sources.ts';

/** Doors to take turns: each opens so often in a second and no more. */
const DOORS = 8;
const SEQUENCE = [7000, 8000, 9000] as const;
/** Knocks of one device, one after the other; its own rate allows 64 at once. */
const KNOCKS_OF_A_DEVICE = 50;
const DEVICES = 'users.d/bench.toml';

/** What a gate shall have. */
export interface PosternGateOptions {
  /** Its /16 network: `10.90`. */
  readonly network: string;
  /** Addresses of the world there. */
  readonly sources: number;
  /** Devices that can knock; each gets 50 knocks, one after the other, and then it is the turn of the next. */
  readonly devices: number;
  /** Devices that are enrolled beside them and never knock. */
  readonly more?: number;
  /** False: none of the devices means harm. */
  readonly harm?: boolean;
  /** Devices that can make keyed knocks, one each in 30 s. */
  readonly keyed?: number;
  readonly doors?: boolean;
  /** False: everything is written, nothing started. */
  readonly start?: boolean;
  /** Seconds of a grant. */
  readonly seconds?: number;
  /** The gate's clock, Unix µs; this machine's if it is left out. */
  readonly clock?: () => number;
  /** Starts the daemon in another way than `posternd run`. */
  readonly begin?: (files: GateFiles) => Promise<void>;
}

function entry(name: string, publicKey: Uint8Array): string {
  return `[[devices]]\nname = "${name}"\ned25519 = "${Buffer.from(publicKey).toString('base64')}"\n`;
}

/** Requests of devices, sealed. */
interface Sealing {
  readonly statics: Readonly<Record<Suite, StaticPublic>>;
  readonly gateKey: Uint8Array;
  readonly stateId: Uint8Array;
}

/** One gate; everything of it ends with it. */
export class PosternGate implements AsyncDisposable {
  readonly files: GateFiles;
  readonly namespace: Namespace;
  readonly network: string;
  readonly signers: readonly Signer[];
  /** A device that is enrolled, unless nobody is to mean harm. */
  readonly hostile: Signer;
  readonly #keys: readonly string[];
  readonly #clock: () => number;
  readonly #stack: AsyncDisposableStack;
  #sealing: Sealing | undefined;
  #sealed = 0;
  #time = 0;
  #keyedKnocks = 0;

  private constructor(
    files: GateFiles,
    network: string,
    signers: readonly Signer[],
    hostile: Signer,
    keys: readonly string[],
    clock: () => number,
    stack: AsyncDisposableStack,
  ) {
    this.files = files;
    this.namespace = files.namespace;
    this.network = network;
    this.signers = signers;
    this.hostile = hostile;
    this.#keys = keys;
    this.#clock = clock;
    this.#stack = stack;
  }

  /** Writes and starts it. */
  static async build(world: Namespace, options: PosternGateOptions): Promise<PosternGate> {
    const { network, sources, devices, more = 0, keyed = 0, doors = false, start = true, seconds = 30 } = options;
    const { harm = true } = options;
    const { clock = () => Date.now() * 1000, begin = (gate: GateFiles) => gate.start() } = options;
    await using stack = new AsyncDisposableStack();
    const namespace = stack.use(new Namespace('gate'));
    joinWorld(namespace, world, network, sources);
    stack.use(await startService(namespace));
    const files = stack.use(new GateFiles(namespace));
    files.program = installedGate();
    const places = ['--state', join(files.directory, 'state'), '--socket', join(files.runtime, 'posternd.sock')];
    const service = `bench=tcp/${String(SERVICE_PORT)}`;
    const init = files.command(
      ...['init', '--yes', '--name', 'bench', '--address', serverIn(network), '--service', service],
      ...places,
    );
    if (init.code !== 0) throw new Error(`posternd init: ${init.err}`);
    const [head = ''] = readFileSync(files.config, 'utf8').split('[services.');
    const lines = [`ports = ["tcp/${String(SERVICE_PORT)}"]`, `seconds = ${String(seconds)}`, 'single_use = false'];
    const own = [`${head}[services.bench]`, ...lines, 'protect = true', ...(keyed > 0 ? ['keyed = true'] : [])];
    const front = Array.from({ length: doors ? DOORS : 0 }, (_, i) => {
      const steps = sequenceOf(i).map((port) => `"tcp/${String(port)}"`);
      return `[doors.front${String(i)}]\nsequence = [${steps.join(', ')}]\nservice = "bench"`;
    });
    writeFileSync(files.config, `${[...own, ...front].join('\n')}\n`);
    const signers = Array.from({ length: devices }, () => importSigner(new Uint8Array(randomBytes(32))));
    const hostile = importSigner(new Uint8Array(randomBytes(32)));
    const knockers = Array.from({ length: keyed }, () => {
      const { publicKey } = importSigner(new Uint8Array(randomBytes(32)));
      return { publicKey, key: toHex(randomBytes(32)) };
    });
    mkdirSync(join(files.directory, 'users.d'), { recursive: true });
    const secret = { mode: 0o600 };
    const real = [...signers, ...(harm ? [hostile] : []), ...knockers].map(({ publicKey }, i) =>
      entry(`d${String(i)}`, publicKey),
    );
    // Bytes that need be no key: an import waits until a device knocks.
    const idle = Array.from({ length: more }, (_, i) => entry(`idle${String(i)}`, randomBytes(32)));
    // The devices that knock are not all at one end of the file.
    const half = idle.length >> 1;
    const all = [...idle.slice(0, half), ...real, ...idle.slice(half)];
    writeFileSync(join(files.directory, DEVICES), ['services = ["bench"]\n', ...all].join(''), secret);
    if (keyed > 0) {
      const keys = knockers.map(({ publicKey, key }) => `${deviceIdOf(publicKey)} = ["${key}"]\n`);
      writeFileSync(join(files.directory, 'knock.keys'), keys.join(''), secret);
    }
    const keys = knockers.map(({ key }) => key);
    if (start) await begin(files);
    return new PosternGate(files, network, signers, hostile, keys, clock, stack.move());
  }

  get address(): string {
    return serverIn(this.network);
  }

  /** Milliseconds from the start of a slot until keyed knocks are believed at the latest: from the third slot on. */
  static untilKeyed(): number {
    const slot = KEYED.slot / 1000;
    return 2 * slot + (slot - (Date.now() % slot)) + 500;
  }

  /** What is sealed to; the daemon must have run once. */
  get sealing(): Sealing {
    if (this.#sealing !== undefined) return this.#sealing;
    const text = readFileSync(join(this.files.directory, 'gate.key'), 'utf8');
    const value = (key: string): Uint8Array => {
      const found = new RegExp(`^${key}\\s*=\\s*"([^"]+)"`, 'm').exec(text)?.[1];
      if (found === undefined) throw new Error(`gate.key has no ${key}`);
      return /^[0-9a-f]{64}$/.test(found) ? fromHex(found) : new Uint8Array(Buffer.from(found, 'base64'));
    };
    const { stateId } = this.files.json('status') as { stateId: string };
    const statics = {
      1: importStaticPrivate(1, value('x25519')).public,
      2: importStaticPrivate(2, value('xwing')).public,
    };
    return (this.#sealing = { statics, gateKey: value('gate_key'), stateId: fromHex(stateId) });
  }

  /** The keys of this hour. */
  epochKeys(): EpochKeys {
    return deriveEpochKeys(this.sealing.gateKey, epochOf(this.#clock() as UnixMicros));
  }

  /** A packet that was never sealed before, of the device whose turn it is or of `signer`, for a source. */
  request(suite: Suite, from: string, signer?: Signer): Uint8Array {
    const device = signer ?? this.signers[Math.floor(this.#sealed / KNOCKS_OF_A_DEVICE) % this.signers.length];
    if (device === undefined) throw new Error('a gate without devices');
    if (signer === undefined) this.#sealed++;
    const { statics, stateId } = this.sealing;
    const gate = statics[suite];
    // A device's clock never says the same twice.
    this.#time = Math.max(this.#time + 1, this.#clock());
    return sealRequest({
      gate,
      keys: this.epochKeys(),
      statement: {
        kind: 'open',
        singleUse: false,
        device: deviceIdOf(device.publicKey),
        era: 0,
        time: this.#time as UnixMicros,
        stateId,
        requestId: toHex(randomBytes(8)) as RequestId,
        audience: gate.audience,
        source: { type: 4, prefix: 32, address: parseAddress(from) ?? new Uint8Array(16) },
        seconds: 0,
        service: 'bench' as ServiceName,
        newDevice: undefined,
      },
      signer: device,
      random: (size) => randomBytes(size),
    }).packet;
  }

  /** It as a contender, by one of its ways. */
  contender(name: 'native-1' | 'native-2' | 'door' | 'keyed'): Contender {
    return {
      name,
      gate: this.address,
      network: this.network,
      looks: 0,
      knock: (index) => this.#knock(name, index),
      cpu: () => this.files.cpu(),
      memory: () => this.files.memory(),
      close: () => undefined,
      daemon: this.files,
    };
  }

  #knock(name: 'native-1' | 'native-2' | 'door' | 'keyed', index: number): PlannedKnock {
    const from = sourceIn(this.network, index);
    const at = { from, gate: this.address, rest: 0 };
    if (name === 'door') return { ...at, way: sequenceOf(index).map((port) => ({ protocol: 'syn' as const, port })) };
    if (name === 'keyed') {
      const key = this.#keys[this.#keyedKnocks++ % this.#keys.length] ?? '';
      return { ...at, way: { key, service: 'bench' } };
    }
    const payload = Buffer.from(this.request(name === 'native-1' ? 1 : 2, from)).toString('base64');
    return { ...at, way: [{ protocol: 'udp', port: KNOCK_PORT, payload }] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** The ports of a door. */
export function sequenceOf(door: number): number[] {
  return SEQUENCE.map((port) => port + (door % DOORS));
}
