/** A grant is made before the disk has its record (decision 0014). Whatever happens in between, no packet opens twice. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { deviceIdOf, importSigner, type UnixMicros } from '@postern/protocol';
import type { RequestFrame } from '../line/codec.ts';
import { Bench, HOME, random } from './requests.fixture.ts';

/** When the process is killed, or the power fails: before it asks the kernel, after that, or when the record is made. `threw`: it only fails, after it asked. */
type End = 'noted' | 'asked' | 'recorded' | 'threw';

type Step =
  | { readonly do: 'knock'; readonly who: number; readonly ends: End | undefined; readonly power: boolean }
  | { readonly do: 'ask'; readonly who: number }
  | { readonly do: 'again'; readonly which: number }
  | { readonly do: 'end'; readonly power: boolean }
  | { readonly do: 'copy' }
  | { readonly do: 'restore'; readonly which: number }
  | { readonly do: 'disk'; readonly fails: boolean }
  | { readonly do: 'pass'; readonly seconds: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('knock' as const),
      who: fc.nat(1),
      ends: fc.constantFrom<(End | undefined)[]>(
        undefined,
        undefined,
        undefined,
        undefined,
        'noted',
        'asked',
        'recorded',
        'threw',
      ),
      power: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ask' as const), who: fc.nat(1) }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), power: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('copy' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), which: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('disk' as const), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.constantFrom(1, 5, 40) }) },
);

/** The end of the process. */
class Ended extends Error {}

/** A monitor whose process and disk can fail at any moment. What `record` returned from is on the disk: a power loss takes the rest, and the mirror. */
class World implements Disposable {
  readonly bench = new Bench();
  readonly packets: RequestFrame[] = [];
  readonly #signers = [this.bench.signer, importSigner(random(32))] as const;
  /** Those that opened. */
  readonly opened = new Set<RequestFrame>();
  readonly counts = { early: 0, opened: 0, ended: 0, failed: 0, losses: 0 };
  readonly #copies = mkdtempSync(join(tmpdir(), 'postern-copies-'));
  #kept = 0;
  #fails = false;
  #ends: End | undefined;
  #current: RequestFrame | undefined;

  constructor() {
    // A grant whose record cannot be written, as its freshness cannot.
    this.bench.onTrouble = () => undefined;
    this.bench.enrolled.push(this.#signers[1].publicKey);
    const { firewall } = this.bench;
    const apply = firewall.apply.bind(firewall);
    firewall.apply = (changes) => {
      if (this.#ends === 'noted') throw new Ended();
      const applied = apply(changes);
      const opens = applied.ok && changes.some(({ kind }) => kind === 'set' || kind === 'arm');
      if (this.#current !== undefined && opens) {
        assert.ok(!this.opened.has(this.#current), 'a packet opened twice');
        this.opened.add(this.#current);
        this.counts.opened++;
      }
      if (applied.ok && (this.#ends === 'asked' || this.#ends === 'threw')) throw new Ended();
      return applied;
    };
    this.#wire();
  }

  /** A packet that was never sent before, of one of two devices. */
  packet(who: number, wanted: Parameters<Bench['frame']>[0] = {}): RequestFrame {
    const signer = this.#signers[who] ?? this.bench.signer;
    const frame = this.bench.frame({ device: deviceIdOf(signer.publicKey), ...wanted }, HOME, signer);
    this.packets.push(frame);
    return frame;
  }

  /** One that opens nothing, and is recorded before anything else. */
  question(who: number): RequestFrame {
    return this.packet(who, { kind: 'whoami', source: { type: 'observed' }, service: undefined });
  }

  /** Gives a packet to the monitor, whose process may end meanwhile. */
  hear(frame: RequestFrame, ends?: End, power = false): void {
    this.#current = frame;
    this.#ends = ends;
    try {
      const judged = this.bench.handler.handle(frame);
      if (!judged.ok && judged.reason === 'record-failed') this.counts.failed++;
    } catch (error) {
      assert.ok(error instanceof Ended);
      this.counts.ended++;
    }
    this.#current = undefined;
    this.#ends = undefined;
    if (ends !== undefined && ends !== 'threw') this.restart(power);
  }

  /** Ends the process and starts it again, perhaps by a boot. */
  restart(power: boolean): void {
    this.bench.store[Symbol.dispose]();
    if (power) rmSync(join(this.bench.path, 'last-record'), { force: true });
    this.#start();
  }

  /** Keeps the state as a backup does. */
  copy(): void {
    this.bench.store[Symbol.dispose]();
    cpSync(join(this.bench.path, 'state.db'), join(this.#copies, String(this.#kept++)));
    this.#start();
  }

  /** Puts a backup back; the runtime directory is not in it. */
  restore(which: number): void {
    if (this.#kept === 0) return;
    this.bench.store[Symbol.dispose]();
    cpSync(join(this.#copies, String(which % this.#kept)), join(this.bench.path, 'state.db'));
    this.#start();
  }

  /** The disk takes no records, or takes them again. */
  set fails(fails: boolean) {
    this.#fails = fails;
    using database = new DatabaseSync(join(this.bench.path, 'state.db'));
    for (const table of ['meta', 'freshness', 'granted'])
      database.exec(
        fails
          ? `CREATE TRIGGER IF NOT EXISTS fails_${table} BEFORE INSERT ON ${table} BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END`
          : `DROP TRIGGER IF EXISTS fails_${table}`,
      );
  }

  [Symbol.dispose](): void {
    this.bench[Symbol.dispose]();
    rmSync(this.#copies, { recursive: true, force: true });
  }

  #start(): void {
    this.fails = this.#fails;
    [this.bench.store, this.bench.handler] = this.bench.open();
    if (this.bench.store.fresh) this.counts.losses++;
    this.#wire();
  }

  #wire(): void {
    const { store } = this.bench;
    const announce = store.announce.bind(store);
    store.announce = (...args) => {
      const noted = announce(...args);
      if (noted) this.counts.early++;
      return noted;
    };
  }
}

function play(steps: readonly Step[]): World['counts'] {
  using world = new World();
  const { bench, packets } = world;
  for (const it of steps) {
    bench.now = (bench.now + 1000) as UnixMicros;
    switch (it.do) {
      case 'knock':
        world.hear(world.packet(it.who), it.ends, it.power);
        break;
      case 'ask':
        world.hear(world.question(it.who));
        break;
      case 'again': {
        const frame = packets[it.which % packets.length];
        if (frame !== undefined) world.hear(frame);
        break;
      }
      case 'end':
        world.restart(it.power);
        break;
      case 'copy':
        world.copy();
        break;
      case 'restore':
        world.restore(it.which);
        break;
      case 'disk':
        world.fails = it.fails;
        break;
      case 'pass':
        bench.pass(it.seconds);
    }
  }
  for (const frame of packets) world.hear(frame);
  return world.counts;
}

test('no packet opens twice, whenever the process, the power or the disk fails, and whatever copy is put back', () => {
  const sums = { early: 0, opened: 0, ended: 0, failed: 0, losses: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const counts = play(steps);
      for (const name of ['early', 'opened', 'ended', 'failed', 'losses'] as const) sums[name] += counts[name];
    }),
    { numRuns: 100 },
  );
  // What it is about has happened.
  for (const [what, times] of Object.entries(sums)) assert.ok(times >= 50, `${what}: ${String(times)}`);
});

test('a disk that failed is waited for from then on, until it takes a record again', () => {
  using world = new World();
  const { bench } = world;
  const knock = (who = 0): void => {
    bench.now = (bench.now + 1000) as UnixMicros;
    world.hear(world.packet(who));
  };
  world.fails = true;
  for (let i = 0; i < 5; i++) knock();
  assert.deepEqual([world.counts.early, world.counts.opened, world.counts.failed], [1, 1, 5]);
  assert.equal(bench.openings(), 0);
  world.fails = false;
  // Somebody else's record takes with it what the first owes.
  knock(1);
  assert.equal(world.counts.early, 1);
  knock(1);
  assert.deepEqual([world.counts.early, world.counts.opened], [2, 3]);
  // Nothing is missing: the state goes on.
  world.restart(false);
  assert.equal(world.counts.losses, 0);
  for (const packet of world.packets) world.hear(packet);
});

test('what failed in between is judged by the newest that is known of its device', () => {
  using world = new World();
  const knock = (ends?: End): RequestFrame => {
    world.bench.now = (world.bench.now + 1000) as UnixMicros;
    const packet = world.packet(0);
    world.hear(packet, ends);
    return packet;
  };
  knock('threw');
  const second = knock('threw');
  world.hear(second);
  assert.equal(world.counts.opened, 2);
});

test('what is owed is recorded with what comes next, or neither is', () => {
  using world = new World();
  const { bench } = world;
  const at = (packet: () => RequestFrame, ends?: End): void => {
    bench.now = (bench.now + 1000) as UnixMicros;
    world.hear(packet(), ends);
  };
  for (const who of [0, 1, 0]) at(() => world.packet(who), 'threw');
  // The disk takes the first row, and none after it.
  using database = new DatabaseSync(join(bench.path, 'state.db'));
  database.exec(
    "CREATE TRIGGER second BEFORE INSERT ON freshness WHEN (SELECT count(*) FROM freshness) > 0 BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END",
  );
  at(() => world.question(1));
  database.exec('DROP TRIGGER second');
  world.restart(false);
  for (const packet of world.packets) world.hear(packet);
  assert.equal(world.counts.opened, 3);
});

test('a new id that could not be written down does not let the old one come back', () => {
  using world = new World();
  const { bench } = world;
  const knock = (who: number, ends?: End): void => {
    bench.now = (bench.now + 1000) as UnixMicros;
    world.hear(world.packet(who), ends);
  };
  knock(1);
  world.fails = true;
  // Opened, not recorded; the start after it cannot write its new id.
  knock(0, 'asked');
  assert.equal(world.counts.losses, 1);
  world.fails = false;
  knock(1);
  world.restart(false);
  assert.equal(world.counts.losses, 2);
  for (const packet of world.packets) world.hear(packet);
  assert.equal(world.counts.opened, 3);
});
