/** All contenders side by side: each in a namespace of its own, before the same world. */
import { fwknopServerAvailable, type FwknopServerKind } from '../../fwknop-server.ts';
import { knockdAvailable } from '../../knockd.ts';
import { Namespace } from '../../namespace.ts';
import type { CrowdPlan } from '../crowd-prober.ts';
import { FwknopGate } from '../fwknop-gate.ts';
import type { Flooded, FloodPlan } from '../flood-sender.ts';
import { planned, probe } from '../world-process.ts';
import { askGate } from './ask-gate.ts';
import type { Contender, ContenderName, PlannedKnock } from './contender.ts';
import { startFloor } from './floor-gate.ts';
import { startKnockd } from './knockd-gate.ts';
import { PosternGate } from './postern-gate.ts';

/** How large it is. */
export interface ArenaOptions {
  readonly contenders: readonly ContenderName[];
  /** Knocks that each of them will get at the most. */
  readonly knocks: number;
}

const NETWORK = { floor: '10.89', native: '10.90', knock: '10.91', knockd: '10.93', fwknop: '10.94' } as const;
const FWKNOP: readonly (readonly [ContenderName, FwknopServerKind, network: string])[] = [
  ['fwknop', 'posternd', NETWORK.fwknop],
  ['fwknopd', 'fwknopd', '10.95'],
  ['fwknopd-udp', 'fwknopd-udp', '10.96'],
];
const KNOCKS_OF_A_DEVICE = 50;

/** The arena; everything in it ends with it. */
export class Arena implements AsyncDisposable {
  readonly world: Namespace;
  readonly contenders: readonly Contender[];
  /** The gate of the native format, where there is one. */
  readonly native: PosternGate | undefined;
  readonly knockd: string = NETWORK.knockd;
  readonly #used = new Map<string, number>();
  readonly #stack: AsyncDisposableStack;

  private constructor(
    world: Namespace,
    contenders: readonly Contender[],
    native: PosternGate | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.world = world;
    this.contenders = contenders;
    this.native = native;
    this.#stack = stack;
  }

  /** Starts those that are there. */
  static async build({ contenders, knocks }: ArenaOptions): Promise<Arena> {
    await using stack = new AsyncDisposableStack();
    const world = stack.use(new Namespace('world'));
    const found: Contender[] = [];
    const wanted = <T extends ContenderName>(...names: readonly T[]): T[] =>
      names.filter((name) => contenders.includes(name));
    if (wanted('floor').length > 0) found.push(await startFloor(stack, world, NETWORK.floor, knocks));
    const suites = wanted('native-1', 'native-2');
    let native: PosternGate | undefined;
    if (suites.length > 0) {
      const sources = suites.length * knocks;
      const devices = Math.ceil(sources / KNOCKS_OF_A_DEVICE);
      const gate = stack.use(await PosternGate.build(world, { network: NETWORK.native, sources, devices }));
      native = gate;
      found.push(...suites.map((name) => gate.contender(name)));
    }
    const ports = wanted('door', 'keyed');
    if (ports.length > 0) {
      const options = { sources: ports.length * knocks, devices: 1, doors: ports.includes('door') };
      const keyed = ports.includes('keyed') ? knocks : 0;
      const gate = stack.use(await PosternGate.build(world, { network: NETWORK.knock, ...options, keyed }));
      found.push(...ports.map((name) => gate.contender(name)));
    }
    for (const [name, kind, network] of FWKNOP) {
      if (!contenders.includes(name) || !fwknopServerAvailable(kind)) continue;
      const gate = stack.use(await FwknopGate.start(kind, world, network, { stanzas: 1, sources: knocks }));
      found.push(gate.contender(kind));
    }
    if (wanted('knockd').length > 0 && knockdAvailable())
      found.push(await startKnockd(stack, world, NETWORK.knockd, knocks));
    return new Arena(world, found, native, stack.move());
  }

  /** So many knocks that were never made, each from an address that was never used. */
  knocks(contender: Contender, count: number): PlannedKnock[] {
    const { network, looks } = contender;
    const first = this.#used.get(network) ?? 0;
    this.#used.set(network, first + count);
    return Array.from({ length: count }, (_, i) => ({
      ...contender.knock(first + i),
      rest: 2 + Math.random() * looks,
    }));
  }

  /** One after the other; milliseconds, null where nothing answered. */
  turns(knocks: readonly PlannedKnock[]): Promise<(number | null)[]> {
    return probe(this.world, 'turn-prober.ts', knocks);
  }

  /** At fixed times. */
  crowd(plan: CrowdPlan): Promise<(number | null)[]> {
    return probe(this.world, 'crowd-prober.ts', plan);
  }

  /** Junk, to its end. */
  async flood(plan: FloodPlan): Promise<Flooded> {
    return (await planned(this.world, 'flood-sender.ts', plan)) as Flooded;
  }

  /** What the gate of the native format refused so far, by reason. */
  async refusals(): Promise<Readonly<Record<string, number>>> {
    if (this.native === undefined) return {};
    const { value } = await askGate(this.native.files, 'status');
    return (value as { refusals: Record<string, number> }).refusals;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
