/**
 * `node --expose-gc day-of-knocks.ts EVERY`: a day of simulated time in which a device knocks each EVERY seconds, through the sentry's checks, the
 * monitor's record and its book of grants over a kernel in memory. Prints one JSON line: the megabytes in use after 1, 6, 12, 18 and 24 hours.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import {
  decodeStatement,
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  freshness,
  importSigner,
  importStaticPrivate,
  record,
  sealRequest,
  toHex,
  windowOf,
  type RequestId,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { endpoint, GrantBench } from '../monitor/grants.fixture.ts';
import { openStore } from '../monitor/store.ts';
import { Pipeline } from '../sentry/pipeline.ts';

const DEVICES = 100;
const HOURS = [1, 6, 12, 18, 24];
const every = Number(process.argv[2] ?? 10);
const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));

function megabytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round(((heapUsed + external) / 2 ** 20) * 100) / 100;
}

const directory = mkdtempSync(join(tmpdir(), 'postern-day-'));
try {
  using store = openStore(directory, join(directory, 'last-record'), random);
  const bench = new GrantBench();
  const statics = { 1: importStaticPrivate(1, random(32)), 2: importStaticPrivate(2, random(32)) };
  const gate = statics[1].public;
  const secret = random(32);
  const pipeline = new Pipeline(statics, false);
  pipeline.setKeys([secret], bench.now);
  const signers = Array.from({ length: DEVICES }, () => importSigner(random(32)));
  const used: number[] = [];
  let knocks = 0;
  for (let second = every; second <= 24 * 3600; second += every) {
    bench.uptime = (bench.uptime + every * 1_000_000) as UnixMicros;
    const { now } = bench;
    const signer = signers[knocks % DEVICES];
    if (signer === undefined) break;
    const address = new Uint8Array(16);
    address.set([0xff, 0xff, ...randomBytes(4)], 10);
    const source = { family: 4, address, prefix: 32 } as const;
    const device = deviceIdOf(signer.publicKey);
    const { packet } = sealRequest({
      gate,
      keys: deriveEpochKeys(secret, epochOf(now)),
      statement: {
        kind: 'open',
        singleUse: false,
        device,
        era: 0,
        time: now,
        stateId: store.stateId,
        requestId: toHex(random(8)) as RequestId,
        audience: gate.audience,
        source: { type: 4, prefix: 32, address },
        seconds: 0,
        service: 'ssh' as ServiceName,
        newDevice: undefined,
      },
      signer,
      random,
    });
    const opened = pipeline.receive(Buffer.from(packet), address, 4, now);
    if (!opened.ok) throw new Error(opened.reason);
    const decoded = decodeStatement(opened.value.unsealed.plaintext);
    if (!decoded.ok) throw new Error(decoded.reason);
    const statement = decoded.value;
    const row = store.freshnessOf(device)?.row;
    const fresh = freshness(row, statement);
    if (!fresh.ok) throw new Error(fresh.reason);
    store.record(device, record(row, statement, now, windowOf(statement.kind, statement.source)), new Uint8Array(8));
    const granted = bench.book.open(
      {
        device,
        request: statement.requestId,
        service: 'ssh' as ServiceName,
        source,
        endpoints: [endpoint('tcp/22')],
        seconds: 30 as Seconds,
        singleUse: false,
        target: undefined,
      },
      now,
    );
    if (!granted.ok) throw new Error(granted.reason);
    knocks++;
    if (second % 3600 === 0 && HOURS.includes(second / 3600)) used.push(megabytes());
  }
  process.stdout.write(`${JSON.stringify({ knocks, hours: HOURS, megabytes: used })}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
