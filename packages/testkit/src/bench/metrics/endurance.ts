/** Memory of the whole daemon over a million accepted knocks, and over a day by a clock that runs faster. It takes half an hour, by itself. */
import { join } from 'node:path';
import { parseAddress } from '@postern/protocol';
import { fastClock, PACE } from '../../fast-clock.ts';
import { ROOT } from '../../gate-process.ts';
import { inNamespace } from '../../in-namespace.ts';
import { Namespace } from '../../namespace.ts';
import { proportionalMemory } from '../../proportional-memory.ts';
import { askGate } from '../arena/ask-gate.ts';
import { KNOCK_PORT } from '../arena/contender.ts';
import { PosternGate, type PosternGateOptions } from '../arena/postern-gate.ts';
import { hopIn, serverIn } from '../arena/sources.ts';
import { Burst, close, rawSocket, socketAddress } from '../native-socket.ts';
import { count, digits } from '../report/wording.ts';
import { sleep } from '../sleep.ts';
import { round } from '../statistics.ts';
import type { Metric } from './metric.ts';

const [MANY_NETWORK, DAY_NETWORK] = ['10.121', '10.122'] as const;
/** Where the knocks say that they come from: all of it lies behind the world, so that receipts go there. */
const [SOURCES, FIRST] = ['10.128.0.0/9', 128] as const;
/** Networks that take turns, of as many addresses as it takes. */
const PREFIXES = 4096;
const RUN_FAST = join(ROOT, 'packages/gate/src/testing/run-fast-monitor.ts');

/** Knocks; and of them in a second: below the 1,000 that the line takes. Devices take turns, each with 50 in a row, and each may make one a second. */
const [KNOCKS, PER_SECOND, DEVICES, SECONDS] = [1_000_000, 900, 2048, 30] as const;
const PARTS = 10;
/** Times that what was lost of a tenth is knocked again. */
const TRIES = 20;
/** Where more than this share is lost it goes on more slowly. */
const [MOST_LOST, SLOWEST] = [0.02, 100] as const;
/** Seconds of the day between two knocks, and the hours at which memory is read. */
const EACH = 20;
/** Knocks before the day begins: V8 grows to what it takes, and what has a bound fills. */
const WARM_UP = 5_000;
const HOURS = [1, 6, 12, 18, 24] as const;
const SMALL = { knocks: 20_000, hours: [1, 2] } as const;

/** MB of the two processes: proportional set sizes. */
interface Read {
  readonly monitor: number;
  readonly sentry: number;
}

/** What the daemon says of itself. */
interface Status {
  readonly granted: number;
  readonly refusals: Readonly<Record<string, number>>;
}

/** What is kept. */
export interface EnduranceResult {
  readonly unit: 'MB';
  readonly many: {
    readonly sent: number;
    /** What the daemon says that it granted. */
    readonly granted: number;
    readonly perSecond: number;
    readonly before: Read;
    /** After each tenth. */
    readonly parts: readonly Read[];
    /** Grants in the kernel after the last knock, and when they had to be over. */
    readonly standing: number;
    readonly left: number;
  };
  readonly day: {
    /** Seconds of the daemon's clock in a second. */
    readonly pace: number;
    /** Knocks before the first reading; they are among those that were sent. */
    readonly warmUp: number;
    readonly sent: number;
    readonly granted: number;
    readonly before: Read;
    readonly hours: readonly number[];
    readonly reads: readonly Read[];
    readonly standing: number;
    readonly left: number;
  };
}

/** A gate whose knocks come from many addresses, and a socket of the world's that sends them. */
class Course implements AsyncDisposable {
  readonly gate: PosternGate;
  sent = 0;
  readonly #fd: number;
  readonly #stack: AsyncDisposableStack;
  #burst: Burst | undefined;

  private constructor(gate: PosternGate, fd: number, stack: AsyncDisposableStack) {
    this.gate = gate;
    this.#fd = fd;
    this.#stack = stack;
  }

  static async build(options: Omit<PosternGateOptions, 'sources'>): Promise<Course> {
    await using stack = new AsyncDisposableStack();
    const world = stack.use(new Namespace('world'));
    const gate = stack.use(await PosternGate.build(world, { ...options, sources: 0 }));
    // A line for each grant, a million times.
    gate.files.mostLog = 1 << 20;
    gate.namespace.run('ip', ['route', 'add', SOURCES, 'via', hopIn(options.network)]);
    const to = socketAddress(4, addressOf(serverIn(options.network)), 0);
    const fd = await inNamespace(world, () => Promise.resolve(rawSocket(to)));
    stack.defer(() => {
      close(fd);
    });
    return new Course(gate, fd, stack.move());
  }

  /** One knock from an address that never knocked. */
  knock(): void {
    const { gate } = this;
    const [prefix, host] = [this.sent % PREFIXES, 1 + Math.floor(this.sent / PREFIXES)];
    const from = `10.${String(FIRST + (prefix >> 8))}.${String(prefix & 255)}.${String(host)}`;
    const payload = gate.request(1, from);
    const packet = datagram(addressOf(from), addressOf(gate.address), payload);
    this.#burst ??= new Burst(packet.length, 1);
    this.#burst.payload(0).set(packet);
    if (this.#burst.send(this.#fd, 1) !== 1) throw new Error('a knock could not be sent');
    this.sent++;
  }

  /** When nothing happened for a moment. */
  async read(): Promise<Read> {
    await sleep(2_000);
    const { pid } = this.gate.files;
    const all = this.gate.files.memory();
    const monitor = proportionalMemory([pid]);
    return { monitor: round(monitor), sentry: round(all - monitor) };
  }

  /** Elements of the kernel's set of grants. */
  standing(): number {
    const set = this.gate.namespace.run('nft', ['list', 'set', 'inet', 'postern', 'open4']);
    return set.match(/ expires /g)?.length ?? 0;
  }

  async status(): Promise<Status> {
    return (await askGate(this.gate.files, 'status')).value as Status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

function addressOf(text: string): Uint8Array {
  return parseAddress(text) ?? new Uint8Array(16);
}

/** A UDP packet over IPv4, without a checksum, which it may have. The kernel adds that of IP. */
function datagram(from: Uint8Array, to: Uint8Array, payload: Uint8Array): Uint8Array {
  const [ip, udp] = [20, 8];
  const packet = new Uint8Array(ip + udp + payload.length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, packet.length);
  view.setUint8(8, 64);
  view.setUint8(9, 17);
  packet.set(from.subarray(12), 12);
  packet.set(to.subarray(12), 16);
  view.setUint16(ip, 40_000);
  view.setUint16(ip + 2, KNOCK_PORT);
  view.setUint16(ip + 4, udp + payload.length);
  packet.set(payload, ip + udp);
  return packet;
}

/** So many knocks as they are due, at `perSecond` of them; sleeps between them. */
async function steadily(course: Course, knocks: number, perSecond: number): Promise<void> {
  const begun = performance.now();
  for (let made = 0; made < knocks;) {
    const due = Math.min(knocks, Math.floor(((performance.now() - begun) / 1000) * perSecond) + 1);
    while (made < due) {
      course.knock();
      made++;
      // What was late comes in pieces: the socket of the sentry holds a few hundred.
      if (made % 32 === 0) await sleep(2);
    }
    await sleep(5);
  }
}

function toldOf(refusals: Status['refusals']): string {
  const told = Object.entries(refusals).filter(([, times]) => times > 0);
  return told.length === 0
    ? 'none refused'
    : told.map(([why, times]) => `${count(times)} refused as ${why}`).join(', ');
}

function text({ monitor, sentry }: Read): string {
  return `${digits(monitor + sentry)} MB (monitor ${digits(monitor)}, sentry ${digits(sentry)})`;
}

async function many(say: (line: string) => void, knocks: number): Promise<EnduranceResult['many']> {
  await using course = await Course.build({ network: MANY_NETWORK, devices: DEVICES, seconds: SECONDS });
  await sleep(2_000);
  const before = await course.read();
  say(`before: ${text(before)}`);
  const parts: Read[] = [];
  let [milliseconds, granted, rate]: [number, number, number] = [0, 0, PER_SECOND];
  for (let part = 0; part < PARTS; part++) {
    const begun = performance.now();
    // What was lost on the way is knocked again, as a client would.
    const wanted = Math.round(((part + 1) * knocks) / PARTS);
    for (let missing = wanted - granted, more = 0; missing > 0 && more < TRIES; more++) {
      await steadily(course, missing, rate);
      await sleep(200);
      granted = (await course.status()).granted;
      const lost = wanted - granted;
      // A slow disk makes slow records, and a monitor that is busy is told nothing.
      if (lost > missing * MOST_LOST) rate = Math.max(SLOWEST, rate * 0.8);
      missing = lost;
    }
    milliseconds += performance.now() - begun;
    const read = await course.read();
    parts.push(read);
    const { refusals } = await course.status();
    say(`${count(course.sent)} knocks, ${count(granted)} granted, ${toldOf(refusals)}: ${text(read)}`);
  }
  const standing = course.standing();
  await sleep(SECONDS * 1000);
  return {
    sent: course.sent,
    granted,
    perSecond: round((course.sent / milliseconds) * 1000),
    before,
    parts,
    standing,
    left: course.standing(),
  };
}

async function day(say: (line: string) => void, hours: readonly number[]): Promise<EnduranceResult['day']> {
  await using course = await Course.build({
    network: DAY_NETWORK,
    devices: 100,
    seconds: SECONDS,
    clock: fastClock,
    begin: (files) => files.startProgram(RUN_FAST, [files.config]),
  });
  await sleep(2_000);
  await steadily(course, WARM_UP, PER_SECOND / 2);
  // Until all of these grants are over.
  await sleep((SECONDS + 5) * 1000);
  const before = await course.read();
  say(`before: ${text(before)}`);
  const reads: Read[] = [];
  const begun = fastClock();
  for (const hour of hours) {
    const left = begun + hour * 3600e6 - fastClock();
    await steadily(course, Math.max(1, Math.round(left / 1e6 / EACH)), PACE / EACH);
    const read = await course.read();
    reads.push(read);
    say(`${String(hour)} h, ${count(course.sent)} knocks: ${text(read)}`);
  }
  const standing = course.standing();
  await sleep(SECONDS * 1000);
  const { granted } = await course.status();
  return {
    pace: PACE,
    warmUp: WARM_UP,
    sent: course.sent,
    granted,
    before,
    hours,
    reads,
    standing,
    left: course.standing(),
  };
}

/** Long runs. */
export const enduranceMetric: Metric<EnduranceResult> = {
  name: 'endurance',
  title: 'Endurance',
  summary: 'memory of the whole daemon over a million accepted knocks, and over a day by a faster clock; half an hour',
  seconds: 2_200,
  async measure({ say, small }) {
    const [knocks, hours] = small ? [SMALL.knocks, SMALL.hours] : [KNOCKS, HOURS];
    say(`${count(knocks)} accepted knocks: ${String(Math.ceil(knocks / PER_SECOND / 60))} min …`);
    const knocked = await many(say, knocks);
    say(`${String(hours.at(-1) ?? 0)} hours by a faster clock: ${String(((hours.at(-1) ?? 0) * 60) / PACE)} min …`);
    return { unit: 'MB', many: knocked, day: await day(say, hours) };
  },
  tell({ many: { sent, granted, perSecond, before, parts, standing, left }, day: simulated }) {
    const row = (what: string, read: Read): readonly string[] => [
      what,
      digits(read.monitor),
      digits(read.sentry),
      digits(read.monitor + read.sentry),
    ];
    const head = ['', 'monitor, MB', 'sentry, MB', 'together, MB'];
    return [
      `A run of its own (\`script/bench endurance\`): ${count(granted)} accepted knocks of ${count(sent)}, ${count(Math.round(perSecond))} a second, each from its own address, for grants of ${String(SECONDS)} s. After the last one the kernel held ${count(standing)} grants, and ${count(left)} when all of them had to be over. Proportional set sizes, at rest; the first tenth fills what has a bound, and garbage goes up and down by some megabytes:`,
      {
        head,
        align: 'lrrr',
        rows: [
          row('before', before),
          ...parts.map((read, index) =>
            row(`after ${count(Math.round(((index + 1) * granted) / parts.length))}`, read),
          ),
        ],
      },
      `The same two processes over ${String(simulated.hours.at(-1) ?? 0)} hours by a clock that runs ${String(simulated.pace)} times as fast, also for what is remembered and rationed; timers, and the grants in the kernel, run at their own pace. ${count(simulated.warmUp)} knocks came first, so that V8 grew to what it takes, and then ${count(simulated.sent - simulated.warmUp)}, one in ${String(EACH)} s of that clock; ${count(simulated.granted)} of all were granted; the kernel held ${count(simulated.standing)} at the end, and ${count(simulated.left)} when they had to be over:`,
      {
        head,
        align: 'lrrr',
        rows: [
          row('before', simulated.before),
          ...simulated.reads.map((read, index) => row(`after ${String(simulated.hours[index] ?? 0)} h`, read)),
        ],
      },
    ];
  },
  ratios({ many: { granted, parts } }) {
    // Between two collections of garbage it goes up and down.
    const most = (reads: readonly Read[]): number => Math.max(...reads.map(({ monitor, sentry }) => monitor + sentry));
    const half = parts.length / 2;
    const [first, second] = [parts.slice(0, half), parts.slice(half)].map(most);
    return [
      `Over ${count(granted)} accepted knocks a gate took at most ${digits(first ?? NaN)} MB in their first half, and ${digits(second ?? NaN)} MB in the second.`,
    ];
  },
};
