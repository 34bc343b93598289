import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import {
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  fromHex,
  importSigner,
  importStaticPrivate,
  parseAddress,
  sealRequest,
  toHex,
  type RequestId,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { createSocket } from 'node:dgram';
import { GateFiles } from '@postern/testkit/gate-process';
import { inNamespace } from '@postern/testkit/in-namespace';
import { Namespace, namespacesAvailable } from '@postern/testkit/namespace';
import { makeGateSecrets, writeGateKey } from '../config/gate-key.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));

async function until(condition: () => boolean, what: string, seconds: number, log: () => string): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(`${what} did not happen within ${String(seconds)} s\n${log()}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Every thread's rights as /proc tells them. */
function rights(pid: number): Record<string, string>[] {
  return readdirSync(`/proc/${String(pid)}/task`).map((task) => {
    const text = readFileSync(`/proc/${String(pid)}/task/${task}/status`, 'utf8');
    return Object.fromEntries(
      text
        .split('\n')
        .map((line) => line.split(/:\s+/, 2))
        .filter((pair) => pair.length === 2),
    ) as Record<string, string>;
  });
}

test(
  'a sentry that was taken over opens nothing but what a device signed, finds no way out, and does not stop the monitor',
  { skip, timeout: 120_000 },
  async (context) => {
    using gateSide = new Namespace('gate');
    using world = new Namespace('world');
    gateSide.connect(world, ['10.77.0.1/24'], ['10.77.0.2/24', '10.77.0.66/24']);
    await using gate = new GateFiles(gateSide);
    const secrets = makeGateSecrets(random);
    const seed = random(32);
    const signer = importSigner(seed);
    mkdirSync(join(gate.directory, 'users.d'), { mode: 0o700 });
    writeGateKey(join(gate.directory, 'gate.key'), secrets);
    writeFileSync(
      gate.config,
      `[gate]\nname = "hostile"\naddresses = ["10.77.0.1"]\nstate = "${gate.directory}/state"\nsocket = "${gate.directory}/sock"\n` +
        '[services.ssh]\nports = ["tcp/22"]\nsingle_use = false\nprotect = true\n' +
        '[services.web]\nports = ["tcp/80"]\nkeyed = true\nprotect = true\n',
    );
    writeFileSync(
      join(gate.directory, 'users.d/alice.toml'),
      `services = ["ssh", "web"]\n[[devices]]\nname = "laptop"\ned25519 = "${Buffer.from(signer.publicKey).toString('base64')}"\n`,
    );
    const knockKey = `${deviceIdOf(signer.publicKey)} = ["${toHex(random(32))}"]\n`;
    writeFileSync(join(gate.directory, 'knock.keys'), knockKey, { mode: 0o600 });
    const here = resolve(import.meta.dirname, '../testing');
    await gate.startProgram(join(here, 'run-monitor.ts'), [gate.config, join(here, 'hostile-sentry.ts')]);
    const openings = (): string[] =>
      gateSide
        .run('nft', ['list', 'table', 'inet', 'postern'])
        .split('\n')
        .filter((line) => /\d+\.\d+\.\d+\.\d+ \. tcp/.test(line));

    await until(
      () => gate.log.includes('waiting for a knock'),
      'the attempts to get out',
      20,
      () => gate.log,
    );
    const [sentry] = gate.sentryPids();
    assert.ok(sentry !== undefined);
    const monitor = gate.pid;

    await context.test('it is nobody: no root, no capability, no new privileges, a filter on every thread', () => {
      const threads = rights(sentry);
      assert.ok(threads.length > 1);
      for (const thread of threads) {
        assert.ok(!(thread['Uid'] ?? '0').split('\t').includes('0'), `uid ${String(thread['Uid'])}`);
        assert.ok(!(thread['Gid'] ?? '0').split('\t').includes('0'), `gid ${String(thread['Gid'])}`);
        for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
          assert.equal(thread[set], '0000000000000000', set);
        assert.equal(thread['NoNewPrivs'], '1');
        assert.equal(thread['Seccomp'], '2');
      }
    });

    await context.test('it cannot open, make, run, trace, sniff or inject anything', () => {
      const [, count, allowed] = /attempts: (\d+), allowed: (.*)/.exec(gate.log) ?? [];
      assert.ok(Number(count) >= 50, `only ${String(count)} attempts`);
      assert.equal(allowed, 'none');
    });

    await context.test(
      'more than 100,000 frames of its own open nothing; the knock that it saw opens what it says, once',
      async () => {
        const stateId = (gate.json('status') as { stateId: string }).stateId;
        const now = (Date.now() * 1000) as UnixMicros;
        const statics = importStaticPrivate(1, secrets.x25519).public;
        const { packet } = sealRequest({
          gate: statics,
          keys: deriveEpochKeys(secrets.keys.current, epochOf(now)),
          statement: {
            kind: 'open',
            singleUse: false,
            device: deviceIdOf(signer.publicKey),
            era: 0,
            time: now,
            stateId: fromHex(stateId),
            requestId: toHex(random(8)) as RequestId,
            audience: statics.audience,
            source: { type: 4, prefix: 32, address: parseAddress('10.77.0.2') ?? assert.fail() },
            seconds: 0,
            service: 'ssh' as ServiceName,
            newDevice: undefined,
          },
          signer,
          random,
        });
        await inNamespace(world, async () => {
          const socket = createSocket('udp4');
          await new Promise<void>((done) => socket.bind({ address: '10.77.0.2' }, done));
          await new Promise((done) => {
            socket.send(packet, 62201, '10.77.0.1', done);
          });
          socket.close();
        });
        await until(
          () => /flood: \d+ frames/.test(gate.log),
          'the flood',
          60,
          () => gate.log,
        );
        assert.ok(Number(/flood: (\d+) frames/.exec(gate.log)?.[1]) >= 100_000);
        assert.deepEqual(openings(), []);
        await until(
          () => gate.log.includes('forwarded the honest knock twice'),
          'the honest knock',
          20,
          () => gate.log,
        );
        await until(
          () => openings().length > 0,
          'the grant that the device signed',
          5,
          () => gate.log,
        );
        assert.equal(openings().length, 1);
        assert.match(openings()[0] ?? '', /10\.77\.0\.2 \. tcp \. 22/);
        const status = gate.json('status') as {
          pid: number;
          granted: number;
          sentry: { restarts: number };
          knocking: { opened: Record<string, number>; refused: Record<string, number> };
          refusals: Record<string, number>;
        };
        assert.equal(status.pid, monitor);
        assert.equal(status.granted, 1);
        assert.deepEqual(status.knocking.opened, { doors: 0, keyed: 0 });
        assert.ok((status.knocking.refused['past'] ?? 0) > 50, JSON.stringify(status.knocking));
        assert.equal(status.sentry.restarts, 0);
        assert.ok(
          (status.refusals['frame'] ?? 0) > 1000 && (status.refusals['rate-line'] ?? 0) > 1000,
          JSON.stringify(status.refusals),
        );
      },
    );
  },
);
