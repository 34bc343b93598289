import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempDisposableSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { FWKNOP_TABLES, fwknopRecords, MOST_PACKETS, type FwknopRecords } from './fwknop-records.ts';
import { FwknopReplay, type ReplayContext } from './fwknop-replay.ts';
import { openStore } from './store.ts';

const NOW = 1_800_000_000;
const [ALICE, BOB] = [1, 2].map((byte) => new Uint8Array(16).fill(byte)) as [Uint8Array, Uint8Array];

/** The replay id of a packet of that name. */
function packet(name: string | number): Uint8Array {
  return new Uint8Array(createHash('sha256').update(String(name)).digest());
}

/** A directory with a state and an anchor, which may be copied and put back. */
class Place implements Disposable {
  readonly #directory = mkdtempDisposableSync(join(tmpdir(), 'postern-replay-'));
  readonly anchor: string = join(this.#directory.path, 'fwknop.last');
  #database: DatabaseSync | undefined;
  #copies = 0;
  /** Whether the disk has no room. */
  full = false;

  get #file(): string {
    return join(this.#directory.path, 'state.db');
  }

  records(): FwknopRecords {
    this.#database?.close();
    const database = new DatabaseSync(this.#file);
    // Nothing here loses power; without that a history takes seconds.
    database.exec(`PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; ${FWKNOP_TABLES}`);
    this.#database = database;
    const records = fwknopRecords(database, () => undefined);
    const room = (): void => {
      if (this.full) throw new Error('database or disk is full');
    };
    return {
      ...records,
      add: (...it) => {
        room();
        records.add(...it);
      },
      setFloor: (...it) => {
        room();
        records.setFloor(...it);
      },
    };
  }

  start(more: Partial<ReplayContext> = {}): FwknopReplay {
    return new FwknopReplay({ records: this.records(), anchor: this.anchor, maxAge: 120, now: NOW, ...more });
  }

  copy(): string {
    this.#database?.close();
    this.#database = undefined;
    const copy = join(this.#directory.path, `copy-${String(this.#copies++)}`);
    if (existsSync(this.#file)) cpSync(this.#file, copy);
    return copy;
  }

  restore(copy: string): void {
    this.#database?.close();
    this.#database = undefined;
    rmSync(this.#file, { force: true });
    if (existsSync(copy)) cpSync(copy, this.#file);
  }

  [Symbol.dispose](): void {
    this.#database?.close();
    this.#directory.remove();
  }
}

test('a packet is used once, also after a restart; and so is no other', () => {
  using place = new Place();
  {
    using replay = place.start();
    assert.deepEqual([replay.lost, replay.floor], [false, 0]);
    assert.equal(replay.refusal(ALICE, NOW, packet(1)), undefined);
    replay.use(ALICE, NOW, packet(1));
    assert.equal(replay.refusal(ALICE, NOW, packet(1)), 'replayed');
  }
  using replay = place.start({ now: NOW + 5 });
  assert.deepEqual([replay.lost, replay.floor], [false, 0]);
  assert.equal(replay.refusal(ALICE, NOW, packet(1)), 'replayed');
  assert.equal(replay.refusal(ALICE, NOW, packet(2)), undefined);
  assert.equal(replay.refusal(BOB, NOW, packet(1)), undefined);
});

test('a state that is older than what was recorded last refuses all that could be among what it lost', () => {
  using place = new Place();
  let before: string;
  {
    using replay = place.start();
    replay.use(ALICE, NOW - 200, packet('old'));
    before = place.copy();
  }
  {
    using replay = place.start();
    replay.use(BOB, NOW + 119, packet('ahead'));
    replay.use(ALICE, NOW - 100, packet('last'));
  }
  place.restore(before);
  {
    using replay = place.start({ now: NOW + 10 });
    assert.deepEqual([replay.lost, replay.floor], [true, NOW + 130]);
    assert.equal(replay.refusal(BOB, NOW + 119, packet('ahead')), 'uncertain');
    assert.equal(replay.refusal(ALICE, NOW - 100, packet('last')), 'uncertain');
    assert.equal(replay.refusal(ALICE, NOW - 200, packet('old')), 'replayed');
    assert.equal(replay.refusal(ALICE, NOW + 130, packet('new')), 'uncertain');
    assert.equal(replay.refusal(ALICE, NOW + 131, packet('new')), undefined);
    replay.use(ALICE, NOW + 131, packet('new'));
  }
  using replay = place.start({ now: NOW + 140 });
  assert.deepEqual([replay.lost, replay.floor], [false, NOW + 130], 'and remembers that');
});

test('clocks that were set back change nothing of that, and an age that is not looked at does not either', () => {
  using place = new Place();
  const empty = place.copy();
  {
    // The clock is an hour ahead.
    using replay = place.start({ now: NOW + 3600 });
    replay.use(ALICE, NOW + 3719, packet('then'));
    replay.use(ALICE, NOW + 3481, packet('last'));
  }
  place.restore(empty);
  {
    using replay = place.start({ now: NOW });
    assert.equal(replay.refusal(ALICE, NOW + 3719, packet('then')), 'uncertain');
    assert.equal(replay.refusal(ALICE, NOW + 3720, packet('other')), undefined);
  }
  using other = new Place();
  const none = other.copy();
  {
    using replay = other.start({ maxAge: undefined });
    replay.use(ALICE, 0xffff_ffff, packet('far'));
    replay.use(ALICE, NOW, packet('last'));
  }
  other.restore(none);
  using replay = other.start({ maxAge: undefined });
  assert.equal(replay.refusal(ALICE, 0xffff_ffff, packet('far')), 'uncertain');
});

test('a gate that follows fwknopd refuses what that may have taken', () => {
  using place = new Place();
  {
    using replay = place.start({ before: NOW - 30 });
    assert.deepEqual([replay.lost, replay.floor], [false, NOW + 90]);
  }
  using replay = place.start({ now: NOW + 1000, before: NOW + 5000 });
  assert.equal(replay.floor, NOW + 1120, 'and does not believe in the future');
});

test('on a full disk nothing is used; and what was lost stays refused when there is room again', () => {
  using place = new Place();
  const empty = place.copy();
  {
    using replay = place.start();
    replay.use(ALICE, NOW, packet(1));
    place.full = true;
    assert.throws(() => {
      replay.use(ALICE, NOW, packet(2));
    }, /full/);
    assert.equal(replay.refusal(ALICE, NOW, packet(2)), undefined);
  }
  place.restore(empty);
  {
    using replay = place.start();
    assert.deepEqual([replay.lost, replay.floor], [true, NOW + 120], 'it starts');
    assert.throws(() => {
      replay.use(ALICE, NOW + 121, packet(3));
    }, /full/);
    place.full = false;
    replay.use(ALICE, NOW + 121, packet(3));
  }
  using replay = place.start();
  assert.deepEqual([replay.lost, replay.floor], [false, NOW + 120]);
  assert.equal(replay.refusal(ALICE, NOW, packet(1)), 'uncertain');
});

test('an anchor that is none is as if there were none', () => {
  using place = new Place();
  for (const size of [0, 1, 55, 63]) {
    writeFileSync(place.anchor, new Uint8Array(size).fill(7));
    using replay = place.start();
    assert.equal(replay.lost, false, String(size));
  }
});

test('what was recorded last is there at the next start, whatever its time is and however many there are', () => {
  using place = new Place();
  {
    using replay = place.start();
    for (let index = 0; index < MOST_PACKETS; index++) replay.use(ALICE, NOW + 1 + (index % 50), packet(index));
    replay.use(ALICE, NOW, packet('late'));
  }
  using replay = place.start();
  assert.equal(replay.lost, false);
  assert.equal(replay.refusal(ALICE, NOW, packet('late')), 'replayed');
});

/** One step of a history. */
type Step =
  | { readonly kind: 'packet'; readonly who: 0 | 1; readonly name: number; readonly offset: number }
  | { readonly kind: 'again'; readonly which: number }
  | { readonly kind: 'crash'; readonly between: boolean }
  | { readonly kind: 'copy' }
  | { readonly kind: 'restore'; readonly which: number }
  | { readonly kind: 'clock'; readonly seconds: number }
  | { readonly kind: 'full'; readonly full: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('packet' as const),
      who: fc.constantFrom(0 as const, 1 as const),
      name: fc.nat(1_000_000),
      offset: fc.constantFrom(0, 0, 0, 119, -119, 60, 100_000),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('again' as const), which: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), between: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat(1000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('clock' as const),
      seconds: fc.constantFrom(1, 30, 200, -50, -3600, 4000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('full' as const), full: fc.boolean() }) },
);

/** Plays a history, and gives how many packets opened; fails when one opens twice. */
function play(steps: readonly Step[], maxAge: number | undefined): { opened: number; refused: number; losses: number } {
  using place = new Place();
  let now = NOW;
  let crashes = 0;
  const copies = [place.copy()];
  const packets: { who: Uint8Array; time: number; id: Uint8Array; opened: boolean }[] = [];
  const start = (): FwknopReplay => place.start({ now, maxAge });
  let replay = start();
  const counts = { opened: 0, refused: 0, losses: 0 };
  const restart = (): void => {
    replay = start();
    if (replay.lost) counts.losses++;
  };
  const hear = (it: (typeof packets)[number]): void => {
    // In the order of the monitor.
    if (maxAge !== undefined && Math.abs(it.time - now) > maxAge) return;
    if (replay.refusal(it.who, it.time, it.id) !== undefined) {
      if (!it.opened) counts.refused++;
      return;
    }
    try {
      replay.use(it.who, it.time, it.id);
    } catch {
      return;
    }
    assert.ok(!it.opened, 'a packet opened twice');
    it.opened = true;
    counts.opened++;
  };
  for (const it of steps) {
    switch (it.kind) {
      case 'packet': {
        const made = {
          who: it.who === 0 ? ALICE : BOB,
          time: Math.max(0, now + it.offset),
          id: packet(it.name),
          opened: false,
        };
        packets.push(made);
        hear(made);
        break;
      }
      case 'again': {
        const old = packets[it.which % packets.length];
        if (old !== undefined) hear(old);
        break;
      }
      case 'crash':
        replay[Symbol.dispose]();
        if (it.between && !place.full) {
          // Killed when the record was durable and the anchor was not written: it opened nothing.
          place.records().add(ALICE, now, packet(`between ${String(crashes++)}`));
        }
        restart();
        break;
      case 'copy':
        replay[Symbol.dispose]();
        copies.push(place.copy());
        restart();
        break;
      case 'restore':
        replay[Symbol.dispose]();
        place.restore(copies[it.which % copies.length] ?? '');
        restart();
        break;
      case 'clock':
        now += it.seconds;
        break;
      case 'full':
        place.full = it.full;
    }
  }
  replay[Symbol.dispose]();
  return counts;
}

test('no packet opens twice, whatever crashes, is put back from older copies, fills up, and however clocks are set', () => {
  const sums = { opened: 0, refused: 0, losses: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), fc.constantFrom(120, undefined), (steps, maxAge) => {
      const counts = play(steps, maxAge);
      for (const name of ['opened', 'refused', 'losses'] as const) sums[name] += counts[name];
    }),
    { numRuns: 300 },
  );
  assert.ok(sums.opened > 500 && sums.losses > 100, JSON.stringify(sums));
});

test('the records are bounded for each credential; whose were forgotten are refused, and nobody else', () => {
  using place = new Place();
  const records = place.records();
  const times = Array.from({ length: MOST_PACKETS + 500 }, (_, index) => NOW + ((index * 7919) % 3000));
  records.add(BOB, NOW - 5000, packet('bob'));
  times.forEach((time, index) => {
    records.add(ALICE, time, packet(index));
  });
  const kept = times.filter((time, index) => records.has(ALICE, time, packet(index))).length;
  assert.equal(kept, MOST_PACKETS);
  const floor = records.floor(ALICE);
  times.forEach((time, index) => {
    assert.ok(records.has(ALICE, time, packet(index)) || time <= floor, 'forgotten, and not refused');
  });
  assert.ok(floor < NOW + 1500, 'the oldest made room');
  assert.deepEqual([records.floor(BOB), records.has(BOB, NOW - 5000, packet('bob'))], [0, true]);
  using replay = new FwknopReplay({ records, anchor: place.anchor, maxAge: 120, now: NOW });
  assert.equal(replay.refusal(ALICE, floor, packet('new')), 'uncertain');
  assert.equal(replay.refusal(ALICE, floor + 1, packet('new')), undefined);
  assert.equal(replay.refusal(BOB, NOW - 5001, packet('new')), undefined);
});

test('floors only rise', () => {
  using place = new Place();
  const records = place.records();
  for (const [time, expected] of [
    [5, 5],
    [3, 5],
    [9, 9],
  ] as const) {
    records.setFloor(ALICE, time);
    assert.equal(records.floor(ALICE), expected);
  }
  assert.equal(place.records().floor(ALICE), 9);
});

function stateOf(context: TestContext): string {
  const directory = mkdtempDisposableSync(join(tmpdir(), 'postern-state-'));
  context.after(() => {
    directory.remove();
  });
  return join(directory.path, 'state');
}

test('in the real database a record is there after the next start, and a database from before has room for it', (context) => {
  const state = stateOf(context);
  const open = (): ReturnType<typeof openStore> =>
    openStore(state, join(state, '../last'), (size) => new Uint8Array(size));
  {
    using store = open();
    store.fwknop.add(ALICE, NOW, packet(1));
    store.fwknop.setFloor(BOB, NOW);
  }
  {
    using store = open();
    assert.deepEqual([store.fwknop.has(ALICE, NOW, packet(1)), store.fwknop.floor(BOB)], [true, NOW]);
  }
  const database = new DatabaseSync(join(state, 'state.db'));
  // As the version before left it.
  database.exec('DROP TABLE fwknop; DROP TABLE fwknop_floor; DROP TABLE knocked;');
  database.close();
  using store = open();
  assert.deepEqual([store.fresh, store.fwknop.has(ALICE, NOW, packet(1)), store.fwknop.floor(BOB)], [false, false, 0]);
  store.fwknop.add(ALICE, NOW, packet(1));
  assert.ok(store.fwknop.has(ALICE, NOW, packet(1)));
});

test('a disk without room: the record throws, nothing of it is there, and with room it is made', () => {
  // Once where nothing has to make room, and once where something has to.
  for (const count of [10, MOST_PACKETS]) {
    const who = new Uint8Array(16).fill(count === 10 ? 98 : 99);
    using place = new Place();
    const records = place.records();
    for (let index = 0; index < count; index++) records.add(who, NOW + index, packet(index));
    const copy = place.copy();
    const database = new DatabaseSync(copy);
    using closing = new DisposableStack();
    closing.defer(() => {
      database.close();
    });
    const small = fwknopRecords(database, () => undefined);
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() ?? {};
    database.exec(`PRAGMA max_page_count = ${String(pages)}`);
    let added = 0;
    const filler = Array.from({ length: 500 }, (_, index) =>
      new Uint8Array(16)
        .fill(index)
        .with(0, index & 255)
        .with(1, index >> 8),
    );
    assert.throws(() => {
      for (const other of filler) small.add(other, NOW, packet(added++));
    }, /full/);
    const lost = filler[added - 1] ?? assert.fail();
    assert.equal(small.has(lost, NOW, packet(added - 1)), false);
    database.exec('PRAGMA max_page_count = 100000');
    small.add(lost, NOW, packet(added - 1));
    assert.ok(small.has(lost, NOW, packet(added - 1)));
    // A record that makes room needs some.
    small.add(who, NOW + count, packet(count));
    assert.ok(small.has(who, NOW + count, packet(count)));
  }
});
