import { randomBytes } from 'node:crypto';
import {
  deriveEpochKeys,
  deviceIdOf,
  epochOf,
  importSigner,
  importStaticPrivate,
  sealRequest,
  toHex,
  unsealRequest,
  type FreshnessRow,
  type RequestId,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import type { Service, User } from '../config/model.ts';
import { makeDirectory } from './directory.ts';
import { GrantBook } from './grants.ts';
import { RequestHandler } from './requests.ts';

/** How many requests are rehearsed: V8 has compiled what it runs often by then. */
const REHEARSALS = 64;

/**
 * Judges requests of a device that does not exist, at a gate that opens nothing, with keys made up on the spot: the first knock of a real
 * device shall not wait for compilers (decision 0006). Touches no file, no firewall and no network.
 */
export function rehearse(): void {
  const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
  const statics = { 1: importStaticPrivate(1, random(32)), 2: importStaticPrivate(2, random(32)) };
  const gate = statics[1].public;
  const gateKey = random(32);
  const signer = importSigner(random(32));
  const device = deviceIdOf(signer.publicKey);
  const stateId = random(8);
  let now = 1_800_000_000_000_000 as UnixMicros;
  const keys = deriveEpochKeys(gateKey, epochOf(now));
  const service: Service = {
    name: 'rehearsal' as ServiceName,
    endpoints: [{ protocol: 'tcp', port: 1 }],
    seconds: 1 as Seconds,
    maxSeconds: 1 as Seconds,
    singleUse: false,
    observedSource: false,
    prefix4: 32,
    prefix6: 128,
    protect: false,
    keyed: false,
  };
  const unlimited = { expires: undefined, revoked: undefined };
  const user: User = {
    ...unlimited,
    name: 'nobody',
    file: '',
    services: [service.name],
    from: undefined,
    maxSeconds: undefined,
    devices: [{ ...unlimited, id: device, name: 'none', publicKey: signer.publicKey, enrolled: undefined }],
  };
  const directory = makeDirectory({ services: [service], users: [user] });
  let row: FreshnessRow | undefined;
  const handler = new RequestHandler({
    store: {
      stateId,
      freshnessOf: () => (row === undefined ? undefined : { row, gateKey }),
      announce: (_id, recorded) => {
        row = recorded;
        return true;
      },
      record: () => undefined,
      inviteOf: () => undefined,
      useInvite: () => undefined,
    },
    grants: new GrantBook(
      { apply: () => ({ ok: true }), list: () => ({ openings: [], protections: [] }) },
      { putGrant: () => undefined, dropGrant: () => undefined, grants: () => [] },
      random,
      () => undefined,
    ),
    directory: () => directory,
    gateKeys: () => ({ current: gateKey, next: undefined, since: undefined, again: false }),
    statics: { 1: gate, 2: statics[2].public },
    clock: () => now,
    enrol: () => undefined,
    onMoved: () => undefined,
    onEvent: () => undefined,
  });
  const address = new Uint8Array(16);
  address.set([0xff, 0xff, 192, 0, 2, 1], 10);
  for (let i = 0; i < REHEARSALS; i++) {
    now = (now + 1_000_000) as UnixMicros;
    const { packet } = sealRequest({
      gate,
      keys,
      statement: {
        kind: 'open',
        singleUse: false,
        device,
        era: 0,
        time: now,
        stateId,
        requestId: toHex(random(8)) as RequestId,
        audience: gate.audience,
        source: { type: 4, prefix: 32, address },
        seconds: 0,
        service: service.name,
        newDevice: undefined,
      },
      signer,
      random,
    });
    const unsealed = unsealRequest(packet, keys.mask, statics);
    if (!unsealed.ok) throw new Error(`the rehearsal could not unseal: ${unsealed.reason}`);
    const { nonce, encHash, plaintext } = unsealed.value;
    const frame = { type: 'request', suite: 1, gateKey: 0, serial: 0, family: 4, id: i, address, port: 1 } as const;
    const judged = handler.handle({ ...frame, nonce, encHash, plaintext, knockKey: undefined });
    if (!judged.ok || judged.value.status !== 'ok') throw new Error('the rehearsal was refused');
  }
}
