/** A monitor's request handling for tests: everything real but the kernel. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  MICROS_PER_SECOND,
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  importSigner,
  importStaticPrivate,
  parseAddress,
  sealRequest,
  toHex,
  unsealRequest,
  type RequestId,
  type Seconds,
  type ServiceName,
  type Signer,
  type Statement,
  type Statics,
  type UnixMicros,
} from '@postern/protocol';
import type { GateKeys } from '../config/gate-key.ts';
import type { Device, Service } from '../config/model.ts';
import { memoryFirewall } from '../firewall/memory.ts';
import type { Firewall } from '../firewall/port.ts';
import type { RequestFrame } from '../line/codec.ts';
import { makeDirectory, type Directory } from './directory.ts';
import { GrantBook } from './grants.ts';
import { RequestHandler, type GateEvent, type Verdict } from './requests.ts';
import { openStore, type Store } from './store.ts';

export const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
export const address = (text: string): Uint8Array => parseAddress(text) ?? assert.fail(text);
export const HOME: Uint8Array = address('192.0.2.7');
export const ELSEWHERE: Uint8Array = address('198.51.100.9');

export const ssh: Service = {
  name: 'ssh' as ServiceName,
  endpoints: [{ protocol: 'tcp', port: 22 }],
  seconds: 30 as Seconds,
  maxSeconds: 60 as Seconds,
  singleUse: true,
  observedSource: false,
  prefix4: 32,
  prefix6: 128,
  keyed: false,
  protect: true,
};
export const web: Service = {
  ...ssh,
  name: 'web' as ServiceName,
  endpoints: [{ protocol: 'tcp', port: 443 }],
  singleUse: false,
  observedSource: true,
};

/** A monitor's request handling with everything real but the kernel. */
export class Bench implements Disposable {
  now = 1_800_000_000_000_000 as UnixMicros;
  readonly events: GateEvent[] = [];
  readonly enrolled: Uint8Array[] = [];
  readonly signer: Signer = importSigner(random(32));
  readonly keys: GateKeys = { current: random(32), next: random(32), since: 1 as UnixMicros, again: false };
  readonly statics: Statics = { 1: importStaticPrivate(1, random(32)), 2: importStaticPrivate(2, random(32)) };
  readonly firewall: Firewall = memoryFirewall({ now: () => this.now });
  readonly path: string = mkdtempSync(join(tmpdir(), 'postern-requests-'));
  device: Partial<Device> = {};
  /** What holds of devices that were enrolled. */
  guest: Partial<Device> = {};
  moved = 0;
  /** The book of grants is in trouble. */
  onTrouble: (what: string, error: string) => void = (what) => assert.fail(what);
  store: Store;
  handler: RequestHandler;

  constructor() {
    this.firewall.install({ knockPort: 62201, dropKnocks: true });
    [this.store, this.handler] = this.open();
  }

  /** Opens the state and makes a handler on it, as a start does. */
  open(): [Store, RequestHandler] {
    const store = openStore(this.path, join(this.path, 'last-record'), random);
    const grants = new GrantBook(this.firewall, store, random, (what, error) => {
      this.onTrouble(what, error);
    });
    grants.adopt(this.now);
    const handler = new RequestHandler({
      store,
      grants,
      directory: () => this.directory(),
      gateKeys: () => this.keys,
      statics: { 1: this.statics[1].public, 2: this.statics[2].public },
      clock: () => this.now,
      enrol: (_user, publicKey) => {
        this.enrolled.push(publicKey);
      },
      onMoved: () => this.moved++,
      onEvent: (event) => this.events.push(event),
    });
    return [store, handler];
  }

  restart(): void {
    this.store[Symbol.dispose]();
    [this.store, this.handler] = this.open();
  }

  directory(): Directory {
    const { publicKey } = this.signer;
    const device = {
      id: deviceIdOf(publicKey),
      name: 'laptop',
      publicKey,
      enrolled: undefined,
      expires: undefined,
      revoked: undefined,
    };
    const user = {
      name: 'alice',
      file: 'alice.toml',
      services: [ssh.name, web.name],
      from: undefined,
      maxSeconds: undefined,
      expires: undefined,
      revoked: undefined,
      devices: [
        { ...device, ...this.device },
        ...this.enrolled.map((key, i) => ({
          ...device,
          ...this.guest,
          id: deviceIdOf(key),
          name: `guest-${String(i)}`,
          publicKey: key,
        })),
      ],
    };
    return makeDirectory({ services: [ssh, web], users: [user] });
  }

  /** Seals a request as a device does and unseals it as the sentry does. */
  frame(
    wanted: Partial<Statement> = {},
    from: Uint8Array = HOME,
    signer: Signer = this.signer,
    gateKey: 0 | 1 = 0,
  ): RequestFrame {
    const gate = this.statics[1].public;
    const keys = deriveEpochKeys(this.keys.current, epochOf(this.now));
    const statement: Statement = {
      kind: 'open',
      singleUse: false,
      device: deviceIdOf(signer.publicKey),
      era: 0,
      time: this.now,
      stateId: this.store.stateId,
      requestId: toHex(random(8)) as RequestId,
      audience: gate.audience,
      source: { type: 4, prefix: 32, address: HOME },
      seconds: 0,
      service: ssh.name,
      newDevice: undefined,
      ...wanted,
    };
    const { packet } = sealRequest({ gate, keys, statement, signer, random });
    const unsealed = unsealRequest(packet, keys.mask, this.statics);
    assert.ok(unsealed.ok);
    const { suite, nonce, encHash, plaintext, knockKey } = unsealed.value;
    return {
      type: 'request',
      suite,
      gateKey,
      serial: 0,
      family: 4,
      id: 1,
      address: from,
      port: 5,
      nonce,
      encHash,
      plaintext,
      knockKey,
    };
  }

  verdict(frame: RequestFrame): Verdict {
    const judged = this.handler.handle(frame);
    assert.ok(judged.ok, judged.ok ? '' : judged.reason);
    return judged.value;
  }

  refusal(frame: RequestFrame): string {
    const judged = this.handler.handle(frame);
    return judged.ok ? `verdict ${judged.value.status}` : judged.reason;
  }

  openings(): number {
    return this.firewall.list().openings.length;
  }

  pass(seconds: number): void {
    this.now = (this.now + seconds * MICROS_PER_SECOND) as UnixMicros;
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A bench that ends with its test. */
export function bench(context: TestContext): Bench {
  const made = new Bench();
  context.after(() => {
    made[Symbol.dispose]();
  });
  return made;
}
