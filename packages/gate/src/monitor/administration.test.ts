/** Commands over a gate with many grants, which must keep no request waiting. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { deviceIdOf, parsePrefix, type RequestId, type Seconds, type UnixMicros } from '@postern/protocol';
import type { AdminHandlers } from '../admin/protocol.ts';
import { makeGateSecrets, writeGateKey } from '../config/gate-key.ts';
import { encodeKey } from '../config/schema.ts';
import { makePlace, makePublicKey } from '../config/testing.ts';
import { memoryFirewall } from '../firewall/memory.ts';
import { administration } from './administration.ts';
import { Gate } from './gate.ts';
import type { Grant } from './grant.ts';
import type { SentryProcess } from './sentry-process.ts';

/** Grants for a connection each, and what the kernel is asked about them: so many at a time, a millisecond each time. */
const GRANTS = 320;
const QUESTIONS = 10;

/** A gate whose kernel takes its time. */
class Bench implements Disposable {
  readonly gate: Gate;
  readonly handlers: AdminHandlers;
  readonly granted: Grant[] = [];
  questions = 0;
  readonly #place = makePlace();
  readonly #publicKey = makePublicKey();
  #requests = 0;

  constructor() {
    const place = this.#place;
    const paths = `state = "${place.path('state')}"\nsocket = "${place.path('posternd.sock')}"\n`;
    const services = '[services.web]\nports = ["tcp/8443"]\n[services.ssh]\nports = ["tcp/22"]\n';
    const configFile = place.write(
      'posternd.toml',
      `[gate]\nname = "test"\nsentry_user = "nobody"\n${paths}${services}`,
    );
    const device = `[[devices]]\nname = "laptop"\ned25519 = "${encodeKey(this.#publicKey)}"\n`;
    place.write('users.d/ada.toml', `services = ["web", "ssh"]\n${device}`);
    const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
    writeGateKey(place.path('gate.key'), makeGateSecrets(random), true);
    const now = 1_800_000_000_000_000 as UnixMicros;
    const firewall = memoryFirewall({ now: () => now });
    const armed = firewall.armed.bind(firewall);
    firewall.armed = (places) => {
      this.questions++;
      for (const end = performance.now() + 1; performance.now() < end;);
      return armed(places);
    };
    this.gate = new Gate({ configFile, firewall, clock: () => now, log: () => undefined });
    this.gate.start();
    firewall.list = () => assert.fail('a listing of all sets takes as long as many knocks');
    const counters = (): Record<string, number> => ({});
    const sentry = { pid: 1, restarts: 0, counters, knockCounters: counters, fwknopCounters: counters };
    const facts = { version: '1', started: now };
    this.handlers = administration(this.gate, sentry as unknown as SentryProcess, facts);
    for (let index = 0; index < GRANTS; index++) this.open(`10.0.${String(index >> 8)}.${String(index & 255)}`, true);
  }

  open(from: string, singleUse: boolean): Grant {
    const source = parsePrefix(from);
    const service = this.gate.configuration.services.find(({ name }) => name === (singleUse ? 'web' : 'ssh'));
    assert.ok(source && service);
    const { name, endpoints } = service;
    const request = String(this.#requests++) as RequestId;
    const asked = { device: deviceIdOf(this.#publicKey), service: name, source, endpoints, seconds: 600 as Seconds };
    const opened = this.gate.grants.open({ ...asked, request, singleUse }, this.gate.clock());
    assert.ok(opened.ok);
    this.granted.push(opened.value);
    return opened.value;
  }

  /** What a command gives; `between` is done in every turn of the event loop until then. */
  async meanwhile<T>(answer: T | Promise<T>, between: () => void): Promise<{ value: T; turns: number }> {
    let turns = 0;
    let over = false;
    const turn = (): void => {
      if (over) return;
      turns++;
      between();
      setImmediate(turn);
    };
    turn();
    const value = await answer;
    over = true;
    return { value, turns };
  }

  [Symbol.dispose](): void {
    this.gate[Symbol.dispose]();
    this.#place[Symbol.dispose]();
  }
}

for (const command of ['status', 'grant.list'] as const) {
  test(`during \`${command}\` with many grants requests are served, between any two questions to the kernel`, async () => {
    using bench = new Bench();
    let asked = 0;
    let fresh: Grant | undefined;
    const answer = command === 'status' ? bench.handlers.status({}, ignore) : bench.handlers['grant.list']({}, ignore);
    const { value, turns } = await bench.meanwhile<unknown>(answer, () => {
      assert.ok(bench.questions - asked <= 1, 'no turn of the event loop waits for two');
      asked = bench.questions;
      if (asked === 3) fresh ??= bench.open('10.1.0.1', false);
    });
    assert.ok(fresh, 'a request was served meanwhile');
    assert.equal(bench.questions, QUESTIONS);
    assert.ok(turns >= QUESTIONS);
    const told =
      command === 'status' ? (value as { grants: number }).grants : (value as { grants: unknown[] }).grants.length;
    assert.ok(told === GRANTS || told === GRANTS + 1, 'what was made meanwhile may be told or not');
  });
}

test('status counts the grants of each service, and a list tells each of them, in the order of their ids', async () => {
  using bench = new Bench();
  for (const from of ['10.1.0.1', '10.1.0.2']) bench.open(from, false);
  const status = await bench.handlers.status({}, ignore);
  assert.equal(status.grants, GRANTS + 2);
  assert.deepEqual(
    status.services.map(({ name, grants }) => [name, grants]),
    [
      ['web', GRANTS],
      ['ssh', 2],
    ],
  );
  const { grants, next } = await bench.handlers['grant.list']({}, ignore);
  assert.equal(next, undefined);
  const ids = bench.granted.map(({ id }) => id);
  assert.deepEqual(
    grants.map(({ id }) => id),
    ids.sort(),
  );
  const last = grants.at(-3)?.id ?? '';
  const rest = await bench.handlers['grant.list']({ after: last }, ignore);
  assert.deepEqual(
    rest.grants.map(({ id }) => id),
    ids.slice(-2),
  );
});

test('a grant is ended by its id at once, and by the beginning of its id when there is one such', async () => {
  using bench = new Bench();
  const [first, second] = bench.granted;
  assert.ok(first && second);
  assert.deepEqual(await bench.handlers['grant.end']({ id: first.id }, ignore), { id: first.id });
  assert.deepEqual(await bench.handlers['grant.end']({ id: second.id.slice(0, 12) }, ignore), { id: second.id });
  await assert.rejects(async () => bench.handlers['grant.end']({ id: first.id }, ignore), /there is no grant/);
  await assert.rejects(async () => bench.handlers['grant.end']({ id: '' }, ignore), /318 grants begin with/);
  assert.equal(bench.questions, 0);
});

test('the gate ends during a listing: nobody is asked any more', async () => {
  const bench = new Bench();
  void bench.handlers.status({}, ignore);
  await new Promise((resolve) => setImmediate(resolve));
  const { questions } = bench;
  bench[Symbol.dispose]();
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(bench.questions, questions);
});

function ignore(): void {}
