/** The book of grants against a model that keeps a plain list of who may what until when, over random histories. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MICROS_PER_SECOND, contains, type DeviceId, type RequestId, type ServiceName } from '@postern/protocol';
import fc from 'fast-check';
import { formatEndpoint } from '../config/endpoint.ts';
import type { Grant } from './grant.ts';
import { GrantBench, SERVICES, source, type Name } from './grants.fixture.ts';
import { finish } from './leisure.ts';

const HOSTS = ['192.0.2.7', '192.0.2.200', '2001:db8::7'] as const;
const SOURCES = [...HOSTS, '192.0.2.0/24', '192.0.2.0/25'] as const;
const ENDPOINTS = ['tcp/22', 'tcp/80', 'tcp/443'] as const;
/** How long a retry finds what its request got, in seconds. */
const REMEMBERED = 300;
/** With so many others the kernel may let a grant last longer, in seconds: a quarter more, and up to one where an element that is shared is made anew. */
const [CROWD, LONGER] = [1100, 1.25] as const;

/** One step of a history. */
type Step =
  | { do: 'open'; device: string; service: Name; from: string; seconds: number; once: boolean }
  | { do: 'extend'; device: string; service: Name; from: string; seconds: number }
  | { do: 'close'; device: string; service: Name | undefined }
  | { do: 'end'; index: number }
  | { do: 'connect'; from: string; to: string }
  | { do: 'pass'; seconds: number }
  | { do: 'set-clock'; seconds: number }
  | { do: 'flush' }
  | { do: 'restart' };

/** What the model knows about one grant. Times are the kernel's, in seconds. */
interface Entry {
  readonly id: string;
  readonly request: RequestId;
  readonly device: string;
  readonly service: Name;
  readonly from: string;
  readonly slot: number | undefined;
  /** Endpoints at which it still admits a connection. */
  left: readonly string[];
  ends: number;
  /** When its last connection was used up. */
  used?: number;
}

class World {
  readonly bench = new GrantBench();
  readonly entries: Entry[] = [];
  readonly crowd: number;

  /** @param crowd - grants of others that stand all the time */
  constructor(crowd = 0) {
    this.crowd = crowd;
    for (let made = 0; made < crowd; made++) {
      const from = `10.0.${String(made >> 8)}.${String(made & 255)}`;
      const device = `other ${String(made)}`;
      assert.ok(this.bench.book.open(this.bench.wanted({ device, from, seconds: 1e6 }), this.bench.now).ok);
    }
  }

  take(step: Step): void {
    const { bench } = this;
    switch (step.do) {
      case 'open':
        this.#open(step);
        return;
      case 'extend':
        this.#extend(step);
        return;
      case 'close': {
        bench.book.close(step.device as DeviceId, step.service as ServiceName | undefined, bench.now);
        const closed = (it: Entry): boolean => it.device === step.device && (step.service ?? it.service) === it.service;
        for (const entry of this.#live().filter(closed)) entry.ends = this.#seconds;
        return;
      }
      case 'end': {
        const live = this.#live();
        const entry = live[step.index % Math.max(1, live.length)];
        if (entry === undefined) return;
        assert.equal(bench.book.end(entry.id, bench.now), true);
        assert.equal(bench.book.end(entry.id, bench.now), false);
        entry.ends = this.#seconds;
        return;
      }
      case 'connect':
        this.#connect(step.from, step.to);
        return;
      case 'pass':
        bench.pass(step.seconds);
        return;
      case 'set-clock':
        bench.set(step.seconds);
        // The daemon looks at its grants whenever anything is asked, and brings the records up to them.
        bench.book.live(bench.now);
        finish(bench.book.record());
        return;
      case 'flush':
        bench.firewall.remove();
        bench.install();
        // Whether a single connection came just before, nobody knows any more.
        for (const entry of this.#live()) if (entry.slot !== undefined) entry.ends = this.#seconds;
        assert.equal(finish(bench.book.renew(() => bench.now)), this.#live().length + this.crowd);
        return;
      case 'restart':
        assert.equal(bench.restart().unknown, 0);
    }
  }

  /** Everything that can be seen from outside is what the model says. */
  check(): void {
    const { book, now } = this.bench;
    const live = this.#live();
    for (const host of HOSTS) {
      for (const endpoint of ENDPOINTS) {
        const may = this.#whoMay(host, endpoint);
        const timed = may.some(({ slot }) => slot === undefined);
        const armed = may.filter(({ slot }) => slot !== undefined).length;
        const holds = this.bench.holds(host, endpoint);
        if (this.crowd > 0 && !timed && this.#justEnded(host, endpoint)) continue;
        assert.deepEqual(holds, { timed, armed }, `${host} at ${endpoint}`);
      }
    }
    const told = book.live(now);
    for (const { id } of live)
      assert.ok(
        told.some((grant) => grant.id === id),
        'a grant that is live is in the book',
      );
    for (const entry of this.entries) {
      const grant = told.find(({ id }) => id === entry.id);
      if (grant !== undefined) {
        assert.equal(this.#endOf(grant), entry.ends, 'the book says when a grant ends');
        const endpoints = grant.endpoints.map(formatEndpoint);
        if (entry.slot === undefined) assert.deepEqual(endpoints.sort(), [...SERVICES[entry.service]].sort());
      }
      if (Math.min(entry.ends, entry.used ?? Infinity) + REMEMBERED <= this.#seconds) continue;
      const known = book.ofRequest(entry.device as DeviceId, entry.request);
      assert.equal(known?.id, entry.id, 'a late retry finds what its request got');
    }
    assert.deepEqual(this.bench.errors, []);
  }

  get #seconds(): number {
    return this.bench.uptime / MICROS_PER_SECOND;
  }

  #live(): Entry[] {
    return this.entries.filter(({ ends, left }) => ends > this.#seconds && left.length > 0);
  }

  #whoMay(host: string, endpoint: string): Entry[] {
    const { address } = source(host);
    return this.#live().filter((it) => it.left.includes(endpoint) && contains(source(it.from), address));
  }

  /** Whether some grant ended so short a time ago that the kernel may hold it. */
  #justEnded(host: string, endpoint: string): boolean {
    const { address } = source(host);
    const since = this.#seconds - LONGER;
    return this.entries.some(
      (it) => it.ends > since && it.left.includes(endpoint) && contains(source(it.from), address),
    );
  }

  #endOf(grant: Grant): number {
    return (grant.ends - this.bench.ahead) / MICROS_PER_SECOND;
  }

  #open(asked: Step & { do: 'open' }): void {
    const { device, service, from } = asked;
    const once = asked.once && !from.includes('/');
    const opened = this.bench.book.open(this.bench.wanted({ ...asked, once }), this.bench.now);
    assert.ok(opened.ok);
    const { id, request, slot } = opened.value;
    const ends = this.#seconds + asked.seconds;
    assert.equal(slot !== undefined, once);
    assert.equal(this.#endOf(opened.value), ends);
    const left: readonly string[] = SERVICES[service];
    const taken = this.#live().filter((it) => once && it.slot === slot && it.from === from);
    assert.ok(!taken.some((it) => it.left.some((endpoint) => left.includes(endpoint))), 'a place is armed once');
    this.entries.push({ id, request, device, service, from, slot, left, ends });
  }

  #extend({ device, service, from, seconds }: Step & { do: 'extend' }): void {
    const extended = this.bench.book.extend(this.bench.wanted({ device, service, from, seconds }), this.bench.now);
    const mine = this.#live().filter((it) => it.device === device && it.service === service && it.from === from);
    if (!extended.ok) {
      assert.equal(extended.reason, 'nothing-to-extend');
      assert.deepEqual(mine, []);
      return;
    }
    const entry = mine.find(({ id }) => id === extended.value.id) ?? assert.fail('extended a grant that is over');
    entry.ends = Math.max(entry.ends, this.#seconds + seconds);
    assert.equal(this.#endOf(extended.value), entry.ends);
  }

  #connect(from: string, to: string): void {
    const may = this.#whoMay(from, to);
    assert.equal(this.bench.connects(from, to), may.length > 0);
    if (may.some(({ slot }) => slot === undefined)) return;
    const [used] = may.sort((a, b) => (a.slot ?? 0) - (b.slot ?? 0));
    if (used === undefined) return;
    used.left = used.left.filter((endpoint) => endpoint !== to);
    if (used.left.length === 0) used.used = this.#seconds;
  }
}

const whose = {
  device: fc.constantFrom('laptop', 'phone'),
  service: fc.constantFrom<Name[]>('ssh', 'web', 'both'),
  from: fc.constantFrom<string[]>(...SOURCES),
  seconds: fc.integer({ min: 1, max: 90 }),
};
const { device, service, seconds } = whose;

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('open'), ...whose, once: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('extend'), ...whose }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('close'), device, service: fc.option(service, { nil: undefined }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end'), index: fc.nat() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('connect'),
      from: fc.constantFrom(...HOSTS),
      to: fc.constantFrom(...ENDPOINTS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), seconds }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass'), seconds: fc.constantFrom(301, 4000) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'restart' }) },
  { weight: 1, arbitrary: fc.constant({ do: 'flush' }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('set-clock'), seconds: fc.constantFrom(-3600, 3600, -7, 7, 86_400) }),
  },
);

test('whatever happens, the firewall admits exactly what was granted, and nothing after its end', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (history) => {
      const world = new World();
      for (const next of history) {
        world.take(next);
        world.check();
      }
    }),
    { numRuns: 500 },
  );
});

test('so too where a thousand others stand, but for the moment in which the kernel may hold what ended', () => {
  const brief = fc.record({ do: fc.constant('pass'), seconds: fc.constantFrom(1 / 8, 1 / 4, 1 / 2) });
  const many = fc.oneof({ weight: 3, arbitrary: step }, { weight: 1, arbitrary: brief });
  const timed = fc.array(many, { minLength: 1, maxLength: 40 }).map((history) =>
    history.flatMap((next): Step[] => {
      if (next.do === 'connect') return [];
      return [next.do === 'open' ? { ...next, once: false } : next];
    }),
  );
  fc.assert(
    fc.property(timed, (history) => {
      const world = new World(CROWD);
      for (const next of history) {
        world.take(next);
        world.check();
      }
    }),
    { numRuns: 40 },
  );
});
