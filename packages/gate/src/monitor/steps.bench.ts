/**
 * Measures each step that a suite 1 request takes, alone, 300 times, and prints medians in microseconds as one JSON object. To be run in a
 * network namespace of its own: it installs our table there.
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
  importVerifier,
  macMatches,
  record,
  sealReceipt,
  sealRequest,
  tagMatches,
  takeShortcuts,
  toHex,
  unsealRequest,
  verifyStatement,
  windowOf,
  type RequestId,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { openNftables } from '../firewall/nftables.ts';
import { openSslShortcuts } from '../system/openssl.ts';
import { openStore } from './store.ts';

const ROUNDS = 300;
const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
const samples = new Map<string, number[]>();

function timed<T>(step: string, work: () => T): T {
  const begun = process.hrtime.bigint();
  const result = work();
  const micros = Number(process.hrtime.bigint() - begun) / 1000;
  const list = samples.get(step);
  if (list === undefined) samples.set(step, [micros]);
  else list.push(micros);
  return result;
}

const directory = mkdtempSync(join(tmpdir(), 'postern-steps-'));
try {
  using store = openStore(directory, join(directory, 'last-record'), random);
  using firewall = openNftables();
  firewall.install({ knockPort: 62201, dropKnocks: true });
  // The sentry takes them, the client and the monitor do not.
  const shortcuts = openSslShortcuts();
  takeShortcuts(shortcuts);
  const statics = { 1: importStaticPrivate(1, random(32)), 2: importStaticPrivate(2, random(32)) };
  const gate = statics[1].public;
  const now = (Date.now() * 1000) as UnixMicros;
  const keys = deriveEpochKeys(random(32), epochOf(now));
  const signer = importSigner(random(32));
  const verifier = importVerifier(signer.publicKey);
  if (verifier === undefined) throw new Error('no verifier');
  const device = deviceIdOf(signer.publicKey);
  const address = new Uint8Array(16);
  address.set([0xff, 0xff, 10, 0, 0, 1], 10);
  for (let i = 0; i < ROUNDS; i++) {
    const time = (now + i) as UnixMicros;
    address.set([i >> 8, i & 255], 14);
    const source = { family: 4, address: address.slice(), prefix: 32 } as const;
    takeShortcuts(undefined);
    const { packet, mac, receiptKey } = timed('client: sign and seal', () =>
      sealRequest({
        gate,
        keys,
        statement: {
          kind: 'open',
          singleUse: false,
          device,
          era: 0,
          time,
          stateId: store.stateId,
          requestId: toHex(random(8)) as RequestId,
          audience: gate.audience,
          source: { type: 4, prefix: 32, address: source.address },
          seconds: 0,
          service: 'ssh' as ServiceName,
          newDevice: undefined,
        },
        signer,
        random,
      }),
    );
    takeShortcuts(shortcuts);
    timed('sentry: tag and mac', () => tagMatches(packet, keys.tag) && macMatches(packet, keys.mac));
    const unsealed = timed('sentry: unseal', () => unsealRequest(packet, keys.mask, statics));
    if (!unsealed.ok) throw new Error(unsealed.reason);
    const { nonce, encHash, plaintext } = unsealed.value;
    takeShortcuts(undefined);
    const decoded = timed('monitor: decode', () => decodeStatement(plaintext));
    if (!decoded.ok) throw new Error(decoded.reason);
    const statement = decoded.value;
    const row = timed('monitor: look up freshness', () => store.freshnessOf(device)?.row);
    if (!freshness(row, statement).ok) throw new Error('not fresh');
    const verified = timed('monitor: verify the signature', () =>
      verifyStatement({ suite: 1, staticHash: gate.hash, encHash, nonce, plaintext, statement, verifier }),
    );
    if (!verified.ok) throw new Error(verified.reason);
    const after = record(row, statement, now, windowOf(statement.kind, statement.source));
    const noted = timed('monitor: note the record', () => store.announce(device, after, new Uint8Array(8)));
    if (!noted) throw new Error('not noted');
    const applied = timed('monitor: firewall', () =>
      firewall.apply([
        {
          ...{ kind: 'set', source, endpoint: { protocol: 'tcp', port: 22 }, seconds: 30 as Seconds },
          ...{ id: toHex(random(8)), fresh: true },
        },
      ]),
    );
    if (!applied.ok) throw new Error(applied.reason);
    timed('after the grant: record (durable)', () => {
      store.record(device, after, new Uint8Array(8));
    });
    timed('after the grant: seal the receipt', () =>
      sealReceipt(
        receiptKey,
        mac,
        { status: 'ok', address, end: now, now, era: 0, stateId: store.stateId, nextKey: undefined },
        random(12),
      ),
    );
  }
  firewall.remove();
} finally {
  takeShortcuts(undefined);
  rmSync(directory, { recursive: true, force: true });
}
const medians = Object.fromEntries(
  [...samples].map(([step, list]) => [step, Math.round(list.sort((a, b) => a - b)[list.length >> 1] ?? 0)] as const),
);
process.stdout.write(`${JSON.stringify(medians)}\n`);
