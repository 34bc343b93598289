import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  fromHex,
  importSigner,
  importStaticPrivate,
  openReceipt,
  type RequestId,
  sealRequest,
  type SealedRequest,
  type Suite,
  toHex,
  type UnixMicros,
} from '@postern/protocol';
import { Namespace, namespacesAvailable } from '@postern/testkit';
import { Talker } from './talker.fixture.ts';

const PORT = 62201;
const EPOCH = 8_192_000_000;
const x25519 = randomBytes(32);
const xwing = randomBytes(32);
const statics = { 1: importStaticPrivate(1, x25519), 2: importStaticPrivate(2, xwing) };
const signer = importSigner(randomBytes(32));
const [first, second] = [randomBytes(32), randomBytes(32)];
const needsRoot =
  namespacesAvailable() || process.env['CI'] === 'true' ? false : 'SKIPPED: needs root for network namespaces';

function knock(suite: Suite, gateKey: Uint8Array = first, epochs = 0): SealedRequest {
  const now = (Date.now() * 1000) as UnixMicros;
  const gate = statics[suite].public;
  return sealRequest({
    gate,
    keys: deriveEpochKeys(gateKey, epochOf(now) + epochs),
    statement: {
      kind: 'whoami',
      singleUse: false,
      device: deviceIdOf(signer.publicKey),
      era: 1,
      time: now,
      stateId: new Uint8Array(8),
      requestId: toHex(randomBytes(8)) as RequestId,
      audience: gate.audience,
      source: { type: 'observed' },
      seconds: 0,
      service: undefined,
      newDevice: undefined,
    },
    signer,
    random: randomBytes,
  });
}

interface State {
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly hearing: readonly { readonly family: number; readonly filter: string; readonly why?: string }[];
  readonly counters: Readonly<Partial<Record<string, number>>>;
}

/** A gate with two addresses of each family and somebody who can reach it. */
class Scene implements Disposable {
  readonly gate: Namespace;
  readonly sentry: Talker;
  readonly peer: Talker;
  readonly #stack = new DisposableStack();

  constructor(capture: 'packet' | 'dgram', prepare: (gate: Namespace) => void = () => undefined, extra: object = {}) {
    this.gate = this.#stack.use(new Namespace('gate'));
    const outside = this.#stack.use(new Namespace('peer'));
    this.gate.connect(
      outside,
      ['10.77.0.1/24', '10.77.0.2/24', 'fd77::1/64', 'fd77::2/64'],
      ['10.77.0.9/24', 'fd77::9/64'],
    );
    prepare(this.gate);
    const start = { port: PORT, capture, sentryUser: 'nobody', pq: 'off', x25519: toHex(x25519), xwing: toHex(xwing) };
    const program = join(import.meta.dirname, 'sentry-process.fixture.ts');
    this.sentry = this.#stack.use(new Talker(this.gate, program, { ...start, keys: [toHex(first)], ...extra }));
    this.peer = this.#stack.use(new Talker(outside, join(import.meta.dirname, 'peer.fixture.ts'), {}));
  }

  async ready(): Promise<void> {
    await Promise.all([this.sentry.next('ready'), this.peer.next('ready')]);
  }

  async state(command: unknown = {}): Promise<State> {
    this.sentry.tell(command);
    return (await this.sentry.next('state')) as State;
  }

  async send(to: string, packet: Uint8Array, times = 1): Promise<void> {
    this.peer.tell({ to, port: PORT, hex: toHex(packet), times });
    await this.peer.next('sent');
  }

  /** Knocks, and gives the request as the monitor saw it and the receipt as the peer got it. */
  async knock(
    to: string,
    sealed: SealedRequest,
  ): Promise<{ request: Told; from: string; status: string; address: string }> {
    await this.send(to, sealed.packet);
    const request = (await this.sentry.next('request')) as Told;
    const got = (await this.peer.next('got')) as { address: string; port: number; hex: string };
    const receipt = openReceipt(sealed.receiptKey, sealed.mac, fromHex(got.hex));
    assert.ok(receipt, 'the receipt opens with the key of the request');
    assert.equal(receipt.end, 7);
    assert.equal(toHex(receipt.stateId), '0123456789abcdef');
    return {
      request,
      from: `${got.address} ${String(got.port)}`,
      status: receipt.status,
      address: toHex(receipt.address),
    };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

type Told = Readonly<Record<string, unknown>>;

function switches(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
}

function lives(pid: number): boolean {
  const file = `/proc/${String(pid)}/status`;
  return existsSync(file) && !/^State:\s+Z/m.test(readFileSync(file, 'utf8'));
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; waited < 10_000; waited += 50) {
    if (holds()) return;
    await sleep(50);
  }
  assert.fail(`waited 10 s for: ${what}`);
}

// Each has namespaces of its own, and most of their time is waiting.
describe('the sentry process', { skip: needsRoot, timeout: 180_000, concurrency: 4 }, () => {
  for (const capture of ['packet', 'dgram'] as const) {
    describe(`a sentry with ${capture} capture`, { concurrency: 1 }, () => {
      let scene: Scene;
      before(async () => {
        scene = new Scene(capture);
        await scene.ready();
      });
      after(() => {
        scene[Symbol.dispose]();
      });

      for (const suite of [1, 2] as const) {
        for (const [to, seen] of [
          ['10.77.0.1', '00000000000000000000ffff0a4d0009'],
          ['10.77.0.2', '00000000000000000000ffff0a4d0009'],
          ['fd77::1', 'fd770000000000000000000000000009'],
          ['fd77::2', 'fd770000000000000000000000000009'],
        ] as const) {
          test(`passes a knock of suite ${String(suite)} on ${to} on, and its receipt leaves from there`, async () => {
            const sealed = knock(suite);
            const { request, from, status, address } = await scene.knock(to, sealed);
            assert.equal(request['suite'], suite);
            assert.equal(request['gateKey'], 0);
            assert.equal(request['family'], to.includes(':') ? 6 : 4);
            assert.equal(request['address'], seen);
            assert.equal(request['nonce'], toHex(sealed.packet.subarray(0, 8)));
            assert.equal(from, `${to} ${String(PORT)}`);
            assert.equal(status, 'ok');
            assert.equal(address, seen);
            assert.equal(scene.sentry.count('request') + scene.peer.count('got'), 0, 'and nothing twice');
          });
        }
      }

      test('a copy is counted and passed over', async () => {
        const sealed = knock(1);
        await scene.knock('10.77.0.1', sealed);
        const { counters } = await scene.state();
        await scene.send('10.77.0.1', sealed.packet);
        await sleep(1_500);
        const after = await scene.state();
        assert.equal((after.counters['duplicate'] ?? 0) - (counters['duplicate'] ?? 0), 1);
        assert.equal(scene.sentry.count('request') + scene.peer.count('got'), 0);
      });

      test('junk of the right form never wakes it, and draws not one byte', async () => {
        const { pid, hearing } = await scene.state();
        assert.ok(pid);
        assert.deepEqual(
          hearing.map(({ filter }) => filter),
          ['tag', 'tag'],
        );
        // What was counted before is reported first.
        await sleep(1_200);
        const asleep = switches(pid);
        for (const to of ['10.77.0.1', 'fd77::1']) {
          for (const size of [352, 1372]) await scene.send(to, randomBytes(size), 1_000);
        }
        // Four thousand packets against a report or two.
        assert.ok(switches(pid) - asleep <= 4, `${String(switches(pid) - asleep)} context switches`);
        assert.equal(scene.peer.count('got'), 0);
        await scene.knock('10.77.0.1', knock(1));
        await until('a knock does wake it', () => switches(pid) > asleep);
      });

      test('has no rights on any thread', async () => {
        const { pid } = await scene.state();
        const threads = readdirSync(`/proc/${String(pid)}/task`);
        assert.ok(threads.length >= 2);
        for (const thread of threads) {
          const status = readFileSync(`/proc/${String(pid)}/task/${thread}/status`, 'utf8');
          const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1] ?? '?';
          for (const name of ['Uid', 'Gid']) for (const id of field(name).split('\t')) assert.notEqual(id, '0');
          for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.match(field(name), /^0+$/);
          assert.equal(field('Groups'), '');
          assert.equal(field('NoNewPrivs'), '1');
          assert.equal(field('Seccomp'), '2');
        }
        assert.equal(readFileSync(`/proc/${String(pid)}/environ`, 'latin1'), '');
      });

      test('takes a second gate key into use and drops the first', async () => {
        await scene.state({ keys: [toHex(first), toHex(second)] });
        assert.equal((await scene.knock('10.77.0.1', knock(1, second))).request['gateKey'], 1);
        assert.equal((await scene.knock('10.77.0.1', knock(1, first))).request['gateKey'], 0);
        await scene.state({ keys: [toHex(second)] });
        assert.equal((await scene.knock('fd77::1', knock(2, second))).request['gateKey'], 0);
        await scene.send('10.77.0.1', knock(1, first).packet);
        await scene.state({ keys: [toHex(first)] });
        await scene.knock('10.77.0.1', knock(1, first));
        assert.equal(scene.sentry.count('request'), 0, 'the first key was not heard in between');
      });

      test('kill -9 of the sentry: no ICMP error meanwhile, and a new one hears', async () => {
        const { pid, restarts } = await scene.state();
        assert.ok(pid);
        process.kill(pid, 'SIGKILL');
        assert.equal(await scene.sentry.next('restart'), 'signal SIGKILL');
        for (const probe of ['10.77.0.1', 'fd77::1']) {
          scene.peer.tell({ probe, port: PORT });
          assert.equal(await scene.peer.next('probed'), 'silent');
        }
        // What knocks while nobody listens waits in the sockets.
        await scene.knock('10.77.0.2', knock(1));
        const after = await scene.state();
        assert.notEqual(after.pid, pid);
        assert.equal(after.restarts, restarts + 1);
      });

      // The code that turns filters over is the same for both.
      if (capture === 'packet')
        test('filters follow the clock into another epoch and back', async () => {
          const { pid } = await scene.state({ jump: 3 * EPOCH });
          assert.ok(pid);
          await sleep(2_500);
          const asleep = switches(pid);
          await scene.send('10.77.0.1', knock(1).packet);
          await sleep(300);
          assert.ok(switches(pid) - asleep <= 1, 'a knock of the old epoch does not wake it');
          const { counters } = await scene.state();
          await scene.send('10.77.0.1', knock(1, first, 3).packet);
          await sleep(1_500);
          // Its own clock did not jump: that it refuses the tag shows that the kernel let it through.
          const after = await scene.state({ jump: -3 * EPOCH });
          assert.equal((after.counters['tag'] ?? 0) - (counters['tag'] ?? 0), 1);
          await sleep(2_500);
          await scene.knock('10.77.0.1', knock(1));
        });

      test('kill -9 of the monitor ends the sentry, even one that hangs', async () => {
        const { pid } = await scene.state();
        if (capture === 'dgram') process.kill(Number(pid), 'SIGSTOP');
        scene.sentry.child.kill('SIGKILL');
        await until('the sentry is gone', () => !lives(Number(pid)));
      });
    });
  }

  test('with a small optmem_max two tags are checked in the kernel, four are left to the sentry', async () => {
    using scene = new Scene('packet', (gate) => gate.run('sysctl', ['-qw', 'net.core.optmem_max=20480']));
    await scene.ready();
    const filters = async (keys: readonly Uint8Array[]): Promise<readonly string[]> =>
      (await scene.state({ keys: keys.map(toHex) })).hearing.map(({ filter }) => filter);
    assert.deepEqual(await filters([first]), ['tag', 'tag']);
    assert.deepEqual(await filters([first, second]), ['form', 'form']);
    await scene.send('10.77.0.1', randomBytes(352), 50);
    await scene.knock('10.77.0.1', knock(1, second));
    assert.deepEqual(await filters([second]), ['tag', 'tag']);
    await scene.knock('fd77::1', knock(1, second));
    await sleep(1_500);
    assert.equal((await scene.state()).counters['tag'], 50);
  });

  test('knocks that come at once while the monitor is busy wait for it, all of them', async () => {
    using scene = new Scene('packet');
    await scene.ready();
    await scene.knock('10.77.0.1', knock(1));
    await scene.knock('fd77::1', knock(1));
    // As many as the ration of two prefixes lets through, but for these.
    const waiting = Array.from({ length: 250 }, () => ['10.77.0.1', 'fd77::1']).flat();
    const sealed = waiting.map((to) => ({ to, port: PORT, hex: toHex(knock(1).packet) }));
    scene.sentry.child.kill('SIGSTOP');
    for (const datagram of sealed) scene.peer.tell(datagram);
    await until('all are sent', () => scene.peer.count('sent') === waiting.length);
    await sleep(1_000);
    scene.sentry.child.kill('SIGCONT');
    await until('the monitor has seen them', () => scene.sentry.count('request') === waiting.length);
    await sleep(1_500);
    assert.equal((await scene.state()).counters['monitor-busy'], undefined);
    assert.equal(scene.sentry.count('request'), waiting.length);
  });

  test('a port in use is an error that names it', async () => {
    using scene = new Scene('packet');
    await scene.ready();
    using other = new Talker(scene.gate, join(import.meta.dirname, 'sentry-process.fixture.ts'), {
      ...{ port: PORT, capture: 'packet', sentryUser: 'nobody', pq: 'off' },
      ...{ x25519: toHex(x25519), xwing: toHex(xwing), keys: [toHex(first)] },
    });
    assert.match(String(await other.next('error')), /udp port 62201 \(IPv4\) is in use by another program/);
  });

  test('IPv6 may be off on the host', async () => {
    using scene = new Scene('packet', (gate) => gate.run('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1']));
    await scene.ready();
    await scene.knock('10.77.0.1', knock(1));
  });

  test('a sentry that hangs is ended and started again, a quiet one is not', async () => {
    using scene = new Scene('packet', undefined, { patience: 12_000 });
    await scene.ready();
    await sleep(17_500);
    const { pid, restarts } = await scene.state();
    assert.ok(pid);
    assert.equal(restarts, 0);
    process.kill(pid, 'SIGSTOP');
    assert.equal(await scene.sentry.next('restart', 20_000), 'no sign of life');
    await scene.knock('10.77.0.1', knock(1));
  });

  test('a sentry that cannot start is an error with its last words', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'postern-entry-'));
    try {
      chmodSync(directory, 0o755);
      const entry = join(directory, 'broken.mjs');
      writeFileSync(entry, "process.stderr.write('no such luck\\n'); process.exit(3);");
      using scene = new Scene('packet', undefined, { entry });
      assert.match(String(await scene.sentry.next('error')), /the sentry could not be started: exit code 3/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
