/** The frames of fwknop's format, both ways. Total and canonical, as `codec.ts`. */
import { readU16, readU32, writeU16, writeU32 } from '@postern/protocol';
import { FWKNOP_DIGESTS, FWKNOP_MODES, type FwknopCredential, type FwknopPort } from '@postern/protocol/fwknop';
import { isMapped, put, zero } from './field.ts';
import {
  CREDENTIAL_FLAG,
  CREDENTIAL_FRAME,
  FRAME,
  FROM_MONITOR,
  FROM_SENTRY,
  FWKNOP_COUNTERS,
  FWKNOP_FRAME,
  FWKNOP_MOST,
  MOST_CREDENTIAL_SOURCES,
  TALLY_FRAME,
} from './frame.ts';

/** Who signed a GPG packet. */
export interface FwknopSigner {
  /** Fingerprint, 20 bytes. */
  readonly fingerprint: Uint8Array;
  /** Whether the signature verified. */
  readonly good: boolean;
}

/** A packet of fwknop's format that a credential opened. Every field is what the sentry says. */
export interface FwknopFrame {
  readonly type: 'fwknop';
  /** Family of the packet. */
  readonly family: 4 | 6;
  readonly credential: number;
  /** Serial of the table that `credential` counts in. */
  readonly serial: number;
  /** fwknop's message type, 0 to 6. */
  readonly message: number;
  /** IP protocol that it came by. */
  readonly transport: number;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  /** The address that it came to, of the same family. */
  readonly destination: Uint8Array;
  /** SHA-256 of what was decoded, 32 bytes. */
  readonly replayId: Uint8Array;
  /** Unix seconds, by the client's clock. */
  readonly time: number;
  /** Seconds; 0 when it asks for no time. */
  readonly timeout: number;
  /** The address that it asks for, 16 bytes; undefined: the source. */
  readonly asked: Uint8Array | undefined;
  readonly user: string;
  readonly ports: readonly FwknopPort[];
  readonly nat: { readonly host: string; readonly port: number } | undefined;
  readonly command: string | undefined;
  readonly signers: readonly FwknopSigner[];
}

/** What the sentry counted, by index in FWKNOP_COUNTERS. */
export interface TallyFrame {
  readonly type: 'tally';
  readonly counters: Uint32Array;
}

/** A prefix of sources, counted in the 128 bits of the mapped form. */
export interface MappedPrefix {
  readonly address: Uint8Array;
  readonly bits: number;
}

/** One credential, as the sentry gets it. */
export interface CredentialPiece {
  readonly credential: FwknopCredential;
  /** Undefined: any source. At most 19. */
  readonly sources: readonly MappedPrefix[] | undefined;
  /** Work for it is not rationed. */
  readonly unrationed: boolean;
}

/** One piece of the table of credentials. */
export interface CredentialFrame {
  readonly type: 'credential';
  readonly serial: number;
  readonly index: number;
  readonly pieces: number;
  /** Undefined in a table of none. */
  readonly piece: CredentialPiece | undefined;
}

const KIND = { symmetric: 1, gpg: 2 } as const;
const IP_PROTOCOL = { tcp: 6, udp: 17 } as const;
const TRANSPORTS: readonly number[] = [1, 6, 17, 58];
const HMAC_KEY = 136;
const KEY = 32;

/** @throws RangeError when the frame cannot be encoded */
export function encodeFwknop(frame: FwknopFrame, into: Uint8Array, view: DataView): void {
  const F = FWKNOP_FRAME;
  const { ports, nat, command, signers } = frame;
  if (ports.length > FWKNOP_MOST.ports) throw new RangeError(`at most ${FWKNOP_MOST.ports} ports fit a frame`);
  if (signers.length > FWKNOP_MOST.signers) throw new RangeError(`at most ${FWKNOP_MOST.signers} signers fit a frame`);
  into[F.type] = FROM_SENTRY.fwknop;
  into[F.family] = frame.family;
  view.setUint16(F.credential, frame.credential);
  view.setUint16(F.serial, frame.serial);
  into[F.message] = frame.message;
  into[F.transport] = frame.transport;
  put(into, F.source, frame.source, 16);
  put(into, F.destination, frame.destination, 16);
  put(into, F.replayId, frame.replayId, 32);
  view.setUint32(F.time, frame.time);
  view.setUint32(F.timeout, frame.timeout);
  if (frame.asked !== undefined) put(into, F.asked, frame.asked, 16);
  into[F.userLength] = putText(into, F.user, frame.user, FWKNOP_MOST.user);
  into[F.ports] = ports.length;
  if (command !== undefined) into[F.commandLength] = putText(into, F.rest, command, FWKNOP_MOST.command);
  else
    ports.forEach(({ protocol, port }, index) => {
      into[F.rest + 3 * index] = IP_PROTOCOL[protocol];
      writeU16(into, F.rest + 3 * index + 1, port);
    });
  if (nat !== undefined) {
    view.setUint16(F.natPort, nat.port);
    into[F.hostLength] = putText(into, F.host, nat.host, FWKNOP_MOST.host);
  }
  into[F.signers] = signers.length;
  signers.forEach(({ fingerprint, good }, index) => {
    put(into, F.fingerprints + 20 * index, fingerprint, 20);
    if (good) into[F.good] = (into[F.good] ?? 0) | (1 << index);
  });
}

/** Undefined when no sentry of ours sends that. */
export function decodeFwknop(frame: Uint8Array, view: DataView): FwknopFrame | undefined {
  const F = FWKNOP_FRAME;
  const family = frame[F.family];
  const message = frame[F.message] ?? 255;
  const transport = frame[F.transport] ?? 0;
  if ((family !== 4 && family !== 6) || message > 6 || !TRANSPORTS.includes(transport)) return undefined;
  if (isMapped(frame, F.source) !== (family === 4) || isMapped(frame, F.destination) !== (family === 4))
    return undefined;
  const user = textAt(frame, F.user, frame[F.userLength] ?? 0, FWKNOP_MOST.user);
  const isCommand = message === 0;
  const hostLength = frame[F.hostLength] ?? 0;
  const host = isCommand ? '' : textAt(frame, F.host, hostLength, FWKNOP_MOST.host);
  const commandLength = frame[F.commandLength] ?? 0;
  const portCount = frame[F.ports] ?? 0;
  const signerCount = frame[F.signers] ?? 0;
  const good = frame[F.good] ?? 0;
  if (user === undefined || user === '' || host === undefined || host.length !== hostLength) return undefined;
  if (!zero(frame, F.hostEnd, F.fingerprints)) return undefined;
  if (portCount > FWKNOP_MOST.ports || signerCount > FWKNOP_MOST.signers || good >> signerCount !== 0) return undefined;
  if (!zero(frame, F.fingerprints + 20 * signerCount, FRAME)) return undefined;
  const hasNat = message === 2 || message >= 4;
  if (isCommand !== portCount < 1 || isCommand !== commandLength > 0) return undefined;
  const natPort = view.getUint16(F.natPort);
  if (hasNat !== natPort > 0 || hasNat !== (host !== '')) return undefined;
  const command = isCommand ? textAt(frame, F.rest, commandLength, F.hostEnd - F.rest) : undefined;
  const ports = isCommand ? [] : portsAt(frame, portCount);
  if (ports === undefined || (isCommand && command === undefined)) return undefined;
  const timeout = view.getUint32(F.timeout);
  // Of the types that carry none (0, 1, 2, 5), and of those that must (3, 4, 6).
  if (timeout > 0 !== (message === 3 || message === 4 || message === 6)) return undefined;
  return {
    type: 'fwknop',
    ...{ family, message, transport, user, ports, command, timeout },
    credential: view.getUint16(F.credential),
    serial: view.getUint16(F.serial),
    source: frame.slice(F.source, F.source + 16),
    destination: frame.slice(F.destination, F.destination + 16),
    replayId: frame.slice(F.replayId, F.replayId + 32),
    time: view.getUint32(F.time),
    asked: zero(frame, F.asked, F.asked + 16) ? undefined : frame.slice(F.asked, F.asked + 16),
    nat: hasNat ? { host, port: natPort } : undefined,
    signers: Array.from({ length: signerCount }, (_, index) => ({
      fingerprint: frame.slice(F.fingerprints + 20 * index, F.fingerprints + 20 * (index + 1)),
      good: (good & (1 << index)) !== 0,
    })),
  };
}

function portsAt(frame: Uint8Array, count: number): FwknopPort[] | undefined {
  const { rest } = FWKNOP_FRAME;
  const ports: FwknopPort[] = [];
  for (let index = 0; index < count; index++) {
    const number = frame[rest + 3 * index];
    const protocol = number === IP_PROTOCOL.tcp ? 'tcp' : number === IP_PROTOCOL.udp ? 'udp' : undefined;
    const port = readU16(frame, rest + 3 * index + 1);
    if (protocol === undefined || port === 0) return undefined;
    ports.push({ protocol, port });
  }
  return zero(frame, rest + 3 * count, FWKNOP_FRAME.host) ? ports : undefined;
}

/** Writes the counters. @throws RangeError when there are not as many as there should be */
export function encodeTally({ counters }: TallyFrame, into: Uint8Array): void {
  if (counters.length !== FWKNOP_COUNTERS.length) throw new RangeError('a tally has all counters');
  into[TALLY_FRAME.type] = FROM_SENTRY.tally;
  counters.forEach((counter, index) => {
    writeU32(into, TALLY_FRAME.counters + 4 * index, counter);
  });
}

/** Undefined when no sentry of ours sends that. */
export function decodeTally(frame: Uint8Array): TallyFrame | undefined {
  const end = TALLY_FRAME.counters + 4 * FWKNOP_COUNTERS.length;
  if (!zero(frame, 1, TALLY_FRAME.counters) || !zero(frame, end, FRAME)) return undefined;
  const counters = Uint32Array.from(FWKNOP_COUNTERS, (_, index) => readU32(frame, TALLY_FRAME.counters + 4 * index));
  return { type: 'tally', counters };
}

/** @throws RangeError when the frame cannot be encoded */
export function encodeCredential({ serial, index, pieces, piece }: CredentialFrame, into: Uint8Array): void {
  const C = CREDENTIAL_FRAME;
  into[C.type] = FROM_MONITOR.credential;
  writeU16(into, C.serial, serial);
  writeU16(into, C.piece, index);
  writeU16(into, C.pieces, pieces);
  if (piece === undefined) return;
  const { credential, sources = [], unrationed } = piece;
  if (sources.length > MOST_CREDENTIAL_SOURCES) throw new RangeError('a credential has too many sources');
  into[C.kind] = KIND[credential.kind];
  if (credential.kind === 'symmetric') {
    if (credential.key.length === 0 || credential.key.length > KEY) throw new RangeError('a key has 1 to 32 bytes');
    into[C.mode] = FWKNOP_MODES.indexOf(credential.mode);
    into[C.keyLength] = credential.key.length;
    into.set(credential.key, C.key);
  }
  if (credential.hmac !== undefined) {
    const { digest, key } = credential.hmac;
    if (key.length === 0 || key.length > HMAC_KEY) throw new RangeError('an HMAC key has 1 to 136 bytes');
    into[C.hmac] = FWKNOP_DIGESTS.indexOf(digest) + 1;
    into[C.hmacLength] = key.length;
    into.set(key, C.hmacKey);
  }
  into[C.flags] =
    (piece.sources === undefined ? CREDENTIAL_FLAG.anySource : 0) | (unrationed ? CREDENTIAL_FLAG.unrationed : 0);
  into[C.sourceCount] = sources.length;
  sources.forEach(({ address, bits }, at) => {
    put(into, C.sources + C.sourceSize * at, address, 16);
    into[C.sources + C.sourceSize * at + 16] = bits;
  });
}

/** Undefined when no monitor of ours sends that. */
export function decodeCredential(frame: Uint8Array): CredentialFrame | undefined {
  const C = CREDENTIAL_FRAME;
  const index = readU16(frame, C.piece);
  const pieces = readU16(frame, C.pieces);
  const head = { type: 'credential', serial: readU16(frame, C.serial), index, pieces } as const;
  if (pieces === 0) {
    const empty = index === 0 && frame[C.kind] === 0 && zero(frame, C.mode, FRAME);
    return empty ? { ...head, piece: undefined } : undefined;
  }
  const credential = credentialAt(frame);
  const flags = frame[C.flags] ?? 0;
  const any = (flags & CREDENTIAL_FLAG.anySource) !== 0;
  const count = frame[C.sourceCount] ?? 0;
  if (index >= pieces || credential === undefined || flags > 3 || count > MOST_CREDENTIAL_SOURCES) return undefined;
  if ((any && count > 0) || !zero(frame, C.flags + 1, C.key)) return undefined;
  if (!zero(frame, C.sources + C.sourceSize * count, FRAME)) return undefined;
  const sources = Array.from({ length: count }, (_, at) => {
    const offset = C.sources + C.sourceSize * at;
    return { address: frame.slice(offset, offset + 16), bits: frame[offset + 16] ?? 0 };
  });
  if (sources.some(({ bits }) => bits > 128)) return undefined;
  const unrationed = (flags & CREDENTIAL_FLAG.unrationed) !== 0;
  return { ...head, piece: { credential, sources: any ? undefined : sources, unrationed } };
}

function credentialAt(frame: Uint8Array): FwknopCredential | undefined {
  const C = CREDENTIAL_FRAME;
  const keyLength = frame[C.keyLength] ?? 0;
  const hmacLength = frame[C.hmacLength] ?? 0;
  const number = frame[C.hmac] ?? 0;
  if (keyLength > KEY || hmacLength > HMAC_KEY || number > 0 !== hmacLength > 0) return undefined;
  if (!zero(frame, C.key + keyLength, C.hmacKey) || !zero(frame, C.hmacKey + hmacLength, C.sources)) return undefined;
  const digest = FWKNOP_DIGESTS[number - 1];
  if (number > 0 && digest === undefined) return undefined;
  const hmac = digest === undefined ? undefined : { digest, key: frame.slice(C.hmacKey, C.hmacKey + hmacLength) };
  const mode = FWKNOP_MODES[frame[C.mode] ?? 255];
  switch (frame[C.kind]) {
    case KIND.symmetric:
      if (mode === undefined || keyLength === 0) return undefined;
      return { kind: 'symmetric', key: frame.slice(C.key, C.key + keyLength), mode, hmac };
    case KIND.gpg:
      return keyLength === 0 && frame[C.mode] === 0 ? { kind: 'gpg', hmac } : undefined;
    default:
      return undefined;
  }
}

/** Writes printable ASCII and returns its length. @throws RangeError when it is longer than `most`, or other text */
function putText(into: Uint8Array, offset: number, text: string, most: number): number {
  if (text.length > most || !/^[\x20-\x7e]*$/.test(text)) throw new RangeError('a text does not fit its field');
  for (let index = 0; index < text.length; index++) into[offset + index] = text.charCodeAt(index);
  return text.length;
}

/** Undefined when there is anything but printable ASCII and, behind it, zeros up to `most`. */
function textAt(frame: Uint8Array, offset: number, length: number, most: number): string | undefined {
  if (length > most || !zero(frame, offset + length, offset + most)) return undefined;
  let text = '';
  for (let index = offset; index < offset + length; index++) {
    const byte = frame[index] ?? 0;
    if (byte < 0x20 || byte > 0x7e) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
