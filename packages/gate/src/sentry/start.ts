/**
 * The sentry's start, apart from what it does then: a test runs hostile code after this very start-up. Everything that will ever be
 * imported must be so by now; secrets are read last, behind the sandbox.
 */
import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import process from 'node:process';
import {
  deriveEpochKeys,
  deviceIdOf,
  importSigner,
  importStaticPrivate,
  RECEIPT,
  type RequestId,
  sealReceipt,
  sealRequest,
  type Shortcuts,
  type Statement,
  takeShortcuts,
  type UnixMicros,
} from '@postern/protocol';
import { type FwknopHmac, FwknopKeyring, type FwknopMessage, sealFwknop } from '@postern/protocol/fwknop';
import type { KeysFrame, SetupFrame } from '../line/codec.ts';
import { SENTRY_FD } from '../line/frame.ts';
import { openSslShortcuts } from '../system/openssl.ts';
import { enterSandbox } from '../system/seccomp.ts';
import { LineEnd } from './line-end.ts';
import { Pipeline } from './pipeline.ts';

/** What a sentry starts with. */
export interface Started {
  readonly line: LineEnd;
  readonly setup: SetupFrame;
  readonly keys: KeysFrame;
}

/** Enters the sandbox, takes the setup and the keys from the monitor and says `ready`. @throws Error when anything is amiss */
export function start(): Started {
  const shortcuts = openSslShortcuts();
  if (shortcuts === undefined)
    process.stderr.write('OpenSSL is not found in this Node as it should be; knocks take a little longer\n');
  rehearse(shortcuts);
  // Nobody else should pay for it with memory.
  if (fstatSync(SENTRY_FD.fwknop4).isSocket()) rehearseFwknop();
  // Both streams open what they need when they are first touched.
  process.stdout.write('');
  process.stderr.write('');
  enterSandbox();
  const line = new LineEnd(SENTRY_FD.line);
  const setup = line.receiveOne();
  const keys = line.receiveOne();
  if (setup.type !== 'setup' || keys.type !== 'keys') throw new Error('the monitor did not begin with setup and keys');
  line.send({ type: 'ready' });
  return { line, setup, keys };
}

/** How often the rehearsal opens a knock of each suite: V8 has compiled what it runs often by then. */
const REHEARSALS = 32;

/**
 * Opens knocks of each suite with keys made up on the spot. Node and OpenSSL load parts when they are first used, and behind the sandbox they
 * no longer could; and the first knock should not wait for compilers.
 */
function rehearse(shortcuts: Shortcuts | undefined): void {
  takeShortcuts(shortcuts);
  const now = 0 as UnixMicros;
  const gateKey = randomBytes(32);
  const keys = deriveEpochKeys(gateKey, 0);
  const statics = { 1: importStaticPrivate(1, randomBytes(32)), 2: importStaticPrivate(2, randomBytes(32)) };
  const pipeline = new Pipeline(statics, false);
  pipeline.setKeys([gateKey], now);
  const signer = importSigner(randomBytes(32));
  const address = new Uint8Array(16);
  const stateId = new Uint8Array(8);
  for (let knock = 0; knock < 2 * REHEARSALS; knock++) {
    const gate = statics[knock % 2 === 0 ? 1 : 2].public;
    const statement: Statement = {
      kind: 'whoami',
      singleUse: false,
      device: deviceIdOf(signer.publicKey),
      era: 0,
      time: now,
      stateId,
      requestId: '0000000000000000' as RequestId,
      audience: gate.audience,
      source: { type: 'observed' },
      seconds: 0,
      service: undefined,
      newDevice: undefined,
    };
    // Sealing makes private keys, which the shortcuts keep for good.
    takeShortcuts(undefined);
    const { packet } = sealRequest({ gate, keys, statement, signer, random: randomBytes });
    takeShortcuts(shortcuts);
    const opened = pipeline.receive(Buffer.from(packet), address, 6, now);
    if (!opened.ok) throw new Error(`the rehearsal of suite ${String(gate.suite)} was refused: ${opened.reason}`);
    const { receiptKey, mac } = opened.value.unsealed;
    const receipt = { status: 'ok', address, end: now, now, era: 0, stateId, nextKey: undefined } as const;
    sealReceipt(receiptKey, mac, receipt, randomBytes(RECEIPT.nonceSize));
  }
}

/** The same for packets of fwknop's format, with so many keys that they are tried together: that takes a module of WebAssembly. */
function rehearseFwknop(): void {
  const key = (): Uint8Array => new Uint8Array(randomBytes(32));
  const made = (): { kind: 'symmetric'; mode: 'cbc'; key: Uint8Array; hmac: FwknopHmac } => ({
    kind: 'symmetric',
    mode: 'cbc',
    key: key(),
    hmac: { digest: 'sha256', key: key() },
  });
  const last = made();
  const message: FwknopMessage = {
    kind: 'access',
    random: '0'.repeat(16),
    user: 'rehearsal',
    time: 0,
    version: '3.0.0',
    source: undefined,
    ports: [{ protocol: 'tcp', port: 1 }],
    timeout: 0,
  };
  const keyring = new FwknopKeyring([...Array.from({ length: 7 }, made), last]);
  for (let round = 0; round < REHEARSALS; round++) {
    const salt = new Uint8Array(randomBytes(8));
    const opened = keyring.open(sealFwknop({ ...last, message, digest: 'sha256', salt }));
    if (!opened.ok) throw new Error(`the rehearsal of fwknop's format was refused: ${opened.reason}`);
  }
}
