import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UnixMicros } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { makePlace, type Place } from '../config/testing.ts';
import type { Configuration } from '../config/model.ts';
import { EventLog } from './event-log.ts';
import { commandRequest, configured, NOW, request, stanza } from './fwknop.fixture.ts';
import { FwknopSide, type FwknopOptions } from './fwknop-side.ts';
import type { GrantBook } from './grants.ts';
import { openStore, removeStore, type Store } from './store.ts';
import type { TimedCommands } from './timed-commands.ts';

/** The side of a gate whose state and configuration lie in a directory, over grants that are counted. */
class Bench implements Disposable {
  readonly said: string[] = [];
  now = NOW;
  opened = 0;
  readonly ran: string[] = [];
  readonly store: Store;
  readonly side: FwknopSide;
  readonly configuration: Configuration;

  constructor(place: Place, options: FwknopOptions & { now?: number } = {}) {
    this.now = options.now ?? NOW;
    this.store = openStore(place.path('state'), place.path('last'), (size) => new Uint8Array(size).fill(1));
    const clock = (): UnixMicros => (this.now * 1_000_000) as UnixMicros;
    const events = new EventLog((_, what, fields) => void this.said.push(`${what} ${JSON.stringify(fields)}`), clock);
    const grants = {
      open: () => ({ ok: true, value: { id: String(this.opened++), ends: 0 } }),
    } as unknown as GrantBook;
    const once = ({ argv }: { argv: readonly string[] }): void => void this.ran.push(argv.join(' '));
    this.side = new FwknopSide({
      ...options,
      ...{ gate: { store: this.store, grants, events }, clock },
      log: (level, what, fields) => void this.said.push(`${level} ${what} ${JSON.stringify(fields)}`),
      commands: { once } as unknown as TimedCommands,
    });
    const fwknop = configured([stanza('alice', { commandUser: 'nobody' })]);
    this.configuration = {
      file: join(place.directory, 'posternd.toml'),
      services: [],
      fwknop,
    } as unknown as Configuration;
  }

  [Symbol.dispose](): void {
    this.side[Symbol.dispose]();
    this.store[Symbol.dispose]();
  }
}

test('what was used before a restart opens nothing after it', async () => {
  using place = makePlace();
  const packet = request();
  {
    using bench = new Bench(place);
    bench.side.configure(bench.configuration);
    await bench.side.requests.take(packet);
    await bench.side.requests.take(commandRequest('id'));
    assert.deepEqual([bench.opened, bench.ran], [1, ['id']]);
  }
  using bench = new Bench(place);
  bench.side.configure(bench.configuration);
  await bench.side.requests.take(packet);
  assert.deepEqual([bench.opened, bench.side.requests.counters.refused], [0, { replayed: 1 }]);
  assert.ok(!bench.said.some((line) => line.includes('refused for a while')));
});

test('where the state was lost, nothing of the time before opens; the log says until when, and why', async () => {
  using place = makePlace();
  const packet = request({ time: NOW + 100 });
  {
    using bench = new Bench(place);
    bench.side.configure(bench.configuration);
    await bench.side.requests.take(packet);
  }
  removeStore(place.path('state'));
  using bench = new Bench(place, { now: NOW + 5 });
  bench.side.configure(bench.configuration);
  await bench.side.requests.take(packet);
  assert.deepEqual([bench.opened, bench.side.requests.counters.refused], [0, { uncertain: 1 }]);
  const line = bench.said.find((it) => it.includes('refused for a while')) ?? '';
  assert.match(line, /^warning .*"until":"2027-01-15T08:02:05.000Z","reason":"the state was lost"/);
  bench.now += 200;
  await bench.side.requests.take(request({ time: NOW + 205 }));
  assert.equal(bench.opened, 1);
});

test('after fwknopd nothing opens that it may have taken', async () => {
  using place = makePlace();
  using bench = new Bench(place, { before: NOW - 10 });
  bench.side.configure(bench.configuration);
  await bench.side.requests.take(request({ time: NOW }));
  assert.deepEqual(bench.side.requests.counters.refused, { uncertain: 1 });
  assert.match(bench.said[0] ?? '', /fwknopd let somebody in a moment ago/);
});

test('but what both heard, side by side, is known here', async () => {
  using place = makePlace({ 'fwknop.last': '' });
  utimesSync(place.path('fwknop.last'), NOW - 11, NOW - 11);
  using bench = new Bench(place, { before: NOW - 10 });
  bench.side.configure(bench.configuration);
  await bench.side.requests.take(request({ time: NOW }));
  assert.equal(bench.opened, 1);
});

test('without a configuration there is no memory and no file; one that comes with a reload makes both', async () => {
  using place = makePlace();
  using bench = new Bench(place);
  bench.side.configure({ ...bench.configuration, fwknop: undefined });
  await bench.side.requests.take(request());
  assert.throws(() => place.read('fwknop.last'), /ENOENT/);
  bench.side.configure(bench.configuration);
  assert.equal(place.read('fwknop.last'), '');
  await bench.side.requests.take(request({ serial: bench.side.requests.tables()[0]?.serial ?? 0 }));
  assert.equal(bench.opened, 1);
});

test('at the start what cannot be read or run is left out; a reload says so and changes nothing', () => {
  using place = makePlace();
  const bad = configured([stanza('good'), stanza('bad', { commandUser: 'nobody-of-that-name' })]);
  {
    using bench = new Bench(place);
    const configuration = { ...bench.configuration, fwknop: bad };
    const told: string[] = [];
    const completed = bench.side.complete(configuration, ({ message }) => told.push(message));
    assert.deepEqual([completed.fwknop?.stanzas.map(({ name }) => name), told.length], [['good'], 1]);
    assert.throws(() => bench.side.complete(configuration), PersonError);
  }
  const broken = new PersonError('access.conf is not there', { hint: 'x' });
  using bench = new Bench(place, {
    more: () => {
      throw broken;
    },
  });
  const told: PersonError[] = [];
  assert.deepEqual(
    bench.side.complete(bench.configuration, (error) => told.push(error)),
    bench.configuration,
  );
  assert.deepEqual(told, [broken]);
  assert.throws(() => bench.side.complete(bench.configuration), broken);
  using failing = new Bench(makePlaceFor(place), {
    more: () => {
      throw new TypeError('a bug');
    },
  });
  assert.throws(() => failing.side.complete(failing.configuration, () => undefined), /a bug/);
});

/** A second state beside the first. */
function makePlaceFor(place: Place): Place {
  return { ...place, path: (name) => place.path(`second-${name}`) };
}
