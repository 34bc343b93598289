/**
 * The sentry's look at packets of fwknop's format: which credential opens one, within a ration of work. Pure: no I/O, no clock. The format names no key, so
 * that a stranger's packet is tried with every one; what keeps that cheap is here, and in the codec.
 */
import {
  accept,
  ADDRESS_SIZE,
  ByteTable,
  lazyMemory,
  NOWHERE,
  refuse,
  type Result,
  type UnixMicros,
  writeBlock,
} from '@postern/protocol';
import { FwknopKeyring, fwknopShape, type FwknopOpened, type FwknopRefusal } from '@postern/protocol/fwknop';
import type { CredentialFrame, CredentialPiece } from '../line/fwknop-codec.ts';
import type { FwknopCounter } from '../line/frame.ts';
import { Budget, type Rate } from './budget.ts';
import { isAmong } from './fwknop-sources.ts';
import { Seen } from './seen.ts';

/** Credentials that are tried on a packet of the usual size for one unit of work: some 30 µs. */
const TRIALS = 128;
/** Bytes of such a packet; a longer one costs more, as if each had so many bytes more than it has. */
const SIZE = { usual: 204, more: 100 } as const;

/** Work for strangers, in units: for everybody together, half a core, for one IPv4 /24 or IPv6 /56, and for one IPv4 address or IPv6 /64 of these. */
const TOTAL: Rate = { burst: 8192, rate: 16_384 };
const PREFIX: Rate = { burst: 4096, rate: 2048 };
const SOURCE: Rate = { burst: 2048, rate: 512 };
/**
 * How much longer than with HMAC-SHA256 of many keys together a trial takes: one by one, with another HMAC, which the codec does not make
 * itself, and without one, where it is a decryption.
 */
const ALONE = 4;
const OTHER_HMAC = 16;
const WITHOUT_HMAC = 128;

/** Trials of the credential that a source used last: all sources, and one. What is above goes the strangers' way. */
const KNOWN_TOTAL: Rate = { burst: 4096, rate: 8192 };
const KNOWN: Rate = { burst: 64, rate: 32 };
/** Sources whose last credential is remembered. */
const MOST_KNOWN = 16_384;
/** Characters at the end of a packet that tell it from all others: of its HMAC, or of its last blocks. */
const END = 22;
/** Ends and contents of packets that are remembered, so that a copy is not told again. */
const MOST_SEEN = 8192;
/** A SHA-256, or the shorter {@link END} of a packet; source and destination. */
const SIZES = { mac: 32, source: 2 * ADDRESS_SIZE } as const;

const PREFIX_BITS = { 4: 24, 6: 56 } as const;
const SOURCE_BITS = { 4: 32, 6: 64 } as const;

/** Where a packet came from and to. */
export interface Way {
  readonly family: 4 | 6;
  /** 16 bytes each, IPv4 as ::ffff:a.b.c.d. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** Credentials as the monitor told them, and what was learnt about sources. */
export class FwknopEar {
  /** Sources whose last credential is remembered, and the index of that, by place. */
  readonly #known = new ByteTable(MOST_KNOWN, ADDRESS_SIZE);
  readonly #last = new Uint32Array(lazyMemory(4 * MOST_KNOWN));
  readonly #budget = new Budget(TOTAL, PREFIX);
  /** One loud neighbour leaves most of the ration of a prefix to the others. */
  readonly #sourceBudget = new Budget(TOTAL, SOURCE);
  readonly #knownBudget = new Budget(KNOWN_TOTAL, KNOWN);
  readonly #seen = new Seen(MOST_SEEN, SIZES);
  /** Of the packet that is looked at: the way that it came, source and destination; the block of its source. */
  readonly #path = new Uint8Array(SIZES.source);
  readonly #block = new Uint8Array(ADDRESS_SIZE);
  readonly #prefix = new Uint8Array(ADDRESS_SIZE);
  #coming: { readonly serial: number; readonly pieces: CredentialPiece[] } = { serial: 0, pieces: [] };
  #pieces: readonly CredentialPiece[] = [];
  /** Of a source that may use everything; undefined where some may not. */
  #everything: readonly boolean[] | undefined;
  #keyring: FwknopKeyring | undefined;
  #serial = 0;

  /** Serial of the credentials that are in use. */
  get serial(): number {
    return this.#serial;
  }

  /** Whether there is a credential at all. */
  get listens(): boolean {
    return this.#keyring !== undefined;
  }

  /** Takes a part of a table; it is in use when it is whole. */
  obey({ serial, index, pieces, piece }: CredentialFrame): void {
    if (index === 0) this.#coming = { serial, pieces: [] };
    const coming = this.#coming;
    // A gap, or a piece of another table: what came so far is the beginning of none.
    if (serial !== coming.serial || (piece !== undefined && index !== coming.pieces.length)) return;
    if (piece !== undefined) coming.pieces.push(piece);
    if (coming.pieces.length !== pieces) return;
    this.#pieces = coming.pieces;
    this.#coming = { serial, pieces: [] };
    this.#serial = serial;
    // What is remembered counts in the table before.
    this.#known.clear();
    this.#everything = this.#pieces.every(({ sources }) => sources === undefined)
      ? this.#pieces.map(() => true)
      : undefined;
    this.#keyring = pieces === 0 ? undefined : new FwknopKeyring(this.#pieces.map(({ credential }) => credential));
  }

  /**
   * Opens a packet. What is given aliases nothing of `payload`.
   * @param after - a credential that was tried in vain, by who could tell only later: those after it are tried
   */
  open(payload: Uint8Array, way: Way, now: UnixMicros, after = -1): Result<FwknopOpened, FwknopCounter> {
    const keyring = this.#keyring;
    if (keyring === undefined || !fwknopShape(payload).ok) return refuse('form');
    // A copy that came to another address is another packet: where the first one came, it may not count.
    const path = this.#path;
    path.set(way.source);
    path.set(way.destination, ADDRESS_SIZE);
    // What was tried in vain is remembered already; a copy is told by its end, before any work.
    const end = payload.subarray(-END);
    if (after < 0 && this.#seen.look(end, path) !== 'new') return refuse('duplicate');
    const opened = this.#try(keyring, payload, way, now, after);
    if (!opened.ok || after >= 0) return opened;
    const { credential, replayId, kind } = opened.value;
    // The same in another writing, which only a packet without an HMAC may have.
    if (this.#seen.look(replayId, path) !== 'new') return refuse('duplicate');
    this.#seen.remember(replayId, path);
    // A copy, or what needs no key, would let strangers say who is known, and what is a copy by its end alone.
    if (kind === 'message' || this.#pieces[credential]?.credential.hmac !== undefined) {
      this.#seen.remember(end, path);
      this.#learn(way.source, credential);
    }
    return opened;
  }

  #try(
    keyring: FwknopKeyring,
    payload: Uint8Array,
    way: Way,
    now: UnixMicros,
    after: number,
  ): Result<FwknopOpened, FwknopCounter> {
    const place = this.#known.find(way.source);
    const last = place === NOWHERE ? undefined : this.#last[place];
    if (last !== undefined && last > after && this.#knownBudget.take(way.source, now)) {
      const opened = keyring.open(payload, { allowed: (index) => index === last });
      if (opened.ok) return opened;
    }
    const allowed = this.#everything ?? this.#pieces.map(({ sources }) => isAmong(way.source, sources));
    if (!allowed.includes(true)) return refuse('source');
    const size = Math.max(1, (payload.length + SIZE.more) / (SIZE.usual + SIZE.more));
    const units = Math.ceil((this.#trialsOf(allowed, keyring.together ? 1 : ALONE) * size) / TRIALS);
    if (units > 0 && !this.#ration(way, now, units)) return refuse('budget');
    const opened = keyring.open(payload, { allowed: (index) => index > after && allowed[index] === true });
    return opened.ok ? accept(opened.value) : refuse(counterOf(opened.reason));
  }

  /** Who has none left, of its own or of its prefix's, takes nothing of anybody's. */
  #ration({ family, source }: Way, now: UnixMicros, units: number): boolean {
    writeBlock(source, PREFIX_BITS[family], this.#prefix);
    if (!this.#budget.has(this.#prefix, now, units)) return false;
    writeBlock(source, SOURCE_BITS[family], this.#block);
    return this.#sourceBudget.take(this.#block, now, units) && this.#budget.take(this.#prefix, now, units);
  }

  /** How many trials are taken of the ration; 0 where nothing is rationed. */
  #trialsOf(allowed: readonly boolean[], sha256: number): number {
    let trials = 0;
    this.#pieces.forEach(({ credential: { hmac }, unrationed }, index) => {
      if (allowed[index] !== true || unrationed) return;
      trials += hmac === undefined ? WITHOUT_HMAC : hmac.digest === 'sha256' ? sha256 : OTHER_HMAC;
    });
    return trials;
  }

  #learn(source: Uint8Array, credential: number): void {
    const known = this.#known.find(source);
    if (known !== NOWHERE) this.#known.touch(known);
    this.#last[known === NOWHERE ? this.#known.add(source) : known] = credential;
  }
}

function counterOf(reason: FwknopRefusal): FwknopCounter {
  switch (reason) {
    case 'no-key':
      return 'no-key';
    case 'length':
    case 'salt-prefix':
    case 'alphabet':
      return 'form';
    default:
      return 'field';
  }
}
