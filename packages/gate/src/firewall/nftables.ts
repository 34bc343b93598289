import type { Seconds } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { LIBNFTABLES, libnftablesPresent, runNft } from '../system/libnftables.ts';
import { attributes, MessageWriter, NetlinkSocket, NLM_F, SystemError, type Answer } from '../system/netlink.ts';
import {
  endpointAt,
  endpointKey,
  flowKey,
  grantKey,
  grantKeyEnd,
  isSingle,
  NFPROTO_INET,
  NFT_MSG,
  readComment,
  readElements,
  readGrant,
  writeAdd,
  writeDelete,
  writeGet,
  type Element,
  type HeldElement,
} from './elements.ts';
import {
  ONCE_SECONDS,
  ONCE_SLOTS,
  type Applied,
  type Change,
  type Endpoint,
  type Firewall,
  type Flow,
  type Opening,
  type Plan,
  type Protection,
  type Source,
} from './port.ts';
import { choosePlace, type Interval } from './prefix-place.ts';
import { restoreText } from './restore.ts';
import { installText, KNOCKS, LAYOUT, PROTECTED, removeText, SETS, TABLE, type Family } from './table.ts';

const FAMILIES: readonly Family[] = [4, 6];
const ENOENT = -2;
const EPERM = -1;
const EEXIST = -17;
const FULL: readonly number[] = [-23, -28]; // ENFILE, ENOSPC
/** More elements than this overflow the 16 bits of an attribute's size. */
const ELEMENTS_PER_MESSAGE = 1000;
const GUARD_MARGIN_MS = 1000;

const TABLE_ATTRIBUTE = { name: 1, userdata: 6 } as const;
const OBJECT = { table: 1, name: 2, type: 3, data: 4, counter: 1, packets: 2 } as const;

/**
 * One message of a batch. `add` may find the elements there; `claim` must not (else `taken`); `delete` follows an `add` of the same;
 * `release` must find them (else `missing`).
 */
interface Step {
  readonly verb: 'add' | 'claim' | 'delete' | 'release';
  readonly set: string;
  readonly elements: readonly Element[];
}

function milliseconds(seconds: Seconds): number {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 0xffffffff) {
    throw new RangeError(`seconds must be 1 to 4,294,967,295, not ${seconds}`);
  }
  return seconds * 1000;
}

/** Writes elements whatever is there: an element's time cannot be changed otherwise before kernel 6.12. */
function replace(set: string, elements: readonly Element[]): Step[] {
  return [
    { verb: 'add', set, elements },
    { verb: 'delete', set, elements },
    { verb: 'add', set, elements },
  ];
}

/** Deletes elements whether they are there or not: a `destroy` message exists only since kernel 6.3. */
function erase(set: string, elements: readonly Element[]): Step[] {
  return [
    { verb: 'add', set, elements },
    { verb: 'delete', set, elements },
  ];
}

function onceSet(source: Source, slot: number): string {
  if (!isSingle(source)) throw new RangeError('a prefix cannot be armed for a single connection');
  const set = SETS[source.family].once[slot];
  if (set === undefined) throw new RangeError(`slot must be 0 to ${ONCE_SLOTS - 1}, not ${slot}`);
  return set;
}

function distinct(elements: readonly Element[]): Element[] {
  return [...new Map(elements.map((element) => [Buffer.from(element.key).toString('latin1'), element])).values()];
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

function judge(steps: readonly Step[], first: number, answer: Answer): Applied {
  let worst: Applied | undefined;
  for (const { sequence, error } of answer.errors) {
    const step = steps[sequence - first - 1];
    if (error === ENOENT && (step?.verb === 'add' || step?.verb === 'claim')) return { ok: false, reason: 'gone' };
    if (worst !== undefined) continue;
    if (error === EEXIST && step?.verb === 'claim') worst = { ok: false, reason: 'taken' };
    else if (error === ENOENT && step?.verb === 'release') worst = { ok: false, reason: 'missing' };
    else if (FULL.includes(error)) worst = { ok: false, reason: 'full' };
    else worst = { ok: false, reason: 'error', error: new SystemError('nftables', error).code };
  }
  return worst ?? { ok: true };
}

class Nftables implements Firewall {
  readonly #socket: NetlinkSocket;
  readonly #writer = new MessageWriter();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  install(plan: Plan): void {
    const comment = this.#tableComment();
    const text = installText(plan);
    let error = '';
    if (comment === undefined || comment === LAYOUT) {
      error = runNft(text);
      if (error === '') return;
    }
    if (comment !== undefined) {
      const { openings, protections } = this.list();
      error = runNft(removeText() + text + restoreText(openings, protections));
      if (error === '') return;
    }
    throw new PersonError(`the kernel refused the firewall rules: ${error.split('\n', 1)[0] ?? ''}`, {
      hint: 'nftables of kernel 6.1 or later with fib, ct and limit is needed: modules nft_fib_inet, nft_ct, nft_limit',
      cause: error,
    });
  }

  apply(changes: readonly Change[]): Applied {
    try {
      const nets = new Map<string, Interval[]>();
      return this.#commit(changes.flatMap((change) => this.#steps(change, changes, nets)));
    } catch (error) {
      return failed(error);
    }
  }

  protect(endpoints: readonly Endpoint[], seconds: Seconds | undefined): Applied {
    const timeout = seconds === undefined ? {} : { timeout: milliseconds(seconds) };
    const elements = distinct(endpoints.map((endpoint) => ({ key: endpointKey(endpoint), ...timeout })));
    return this.#commit(chunks(elements, ELEMENTS_PER_MESSAGE).flatMap((some) => replace(PROTECTED, some)));
  }

  unprotect(endpoints: readonly Endpoint[]): Applied {
    const elements = distinct(endpoints.map((endpoint) => ({ key: endpointKey(endpoint) })));
    return this.#commit(chunks(elements, ELEMENTS_PER_MESSAGE).flatMap((some) => erase(PROTECTED, some)));
  }

  seed(flows: readonly Flow[], seconds: Seconds): Applied {
    const timeout = milliseconds(seconds);
    for (const family of FAMILIES) {
      const ours = flows.filter((flow) => flow.family === family);
      const elements = distinct(ours.map((flow) => ({ key: flowKey(flow), timeout })));
      for (const some of chunks(elements, ELEMENTS_PER_MESSAGE)) {
        const applied = this.#commit(replace(SETS[family].flows, some));
        if (!applied.ok) return applied;
      }
    }
    return { ok: true };
  }

  list(): { readonly openings: readonly Opening[]; readonly protections: readonly Protection[] } {
    const openings: Opening[] = [];
    const collect = (family: Family, set: string, slot: number | undefined): void => {
      for (const element of this.#dump(set) ?? []) {
        const grant = readGrant(family, element);
        if (grant !== undefined)
          openings.push({ ...grant, id: element.comment, slot, remaining: element.remaining ?? 0 });
      }
    };
    for (const family of FAMILIES) {
      const { open, net, once } = SETS[family];
      for (const set of [open, ...net]) collect(family, set, undefined);
      for (const [slot, set] of once.entries()) collect(family, set, slot);
    }
    const protections = (this.#dump(PROTECTED) ?? []).flatMap((element) => {
      const endpoint = endpointAt(element.key, 0);
      return endpoint === undefined ? [] : [{ endpoint, remaining: element.remaining }];
    });
    return { openings, protections };
  }

  knocks(): number {
    const writer = this.#writer;
    writer.reset();
    const sequence = writer.begin(NFT_MSG.getObject, NLM_F.ack, NFPROTO_INET);
    writer.text(OBJECT.table, TABLE);
    writer.text(OBJECT.name, KNOCKS);
    writer.u32(OBJECT.type, OBJECT.counter);
    writer.end();
    let packets = 0;
    this.#socket.exchange(writer, sequence, sequence, (buffer, start, end) => {
      const data = attributes(buffer, start, end).find(({ type }) => type === OBJECT.data);
      const count = data && attributes(buffer, data.start, data.end).find(({ type }) => type === OBJECT.packets);
      if (count !== undefined) packets = Number(buffer.readBigUInt64BE(count.start));
    });
    return packets;
  }

  remove(): void {
    const error = runNft(removeText());
    if (error !== '') throw new PersonError(`the kernel did not take the firewall rules away: ${error}`);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #steps(change: Change, all: readonly Change[], nets: Map<string, Interval[]>): Step[] {
    const { source, endpoint } = change;
    const key = grantKey(source, endpoint);
    switch (change.kind) {
      case 'set': {
        const element = { key, timeout: milliseconds(change.seconds), comment: change.id };
        if (isSingle(source)) return replace(SETS[source.family].open, [element]);
        const interval = { ...element, keyEnd: grantKeyEnd(source, endpoint) };
        return replace(this.#netFor(source.family, interval, nets).set, [interval]);
      }
      case 'unset': {
        if (isSingle(source)) return erase(SETS[source.family].open, [{ key }]);
        const interval = { key, keyEnd: grantKeyEnd(source, endpoint) };
        const { set, held } = this.#netFor(source.family, interval, nets);
        return held ? erase(set, [interval]) : [];
      }
      case 'arm':
      case 'rearm': {
        const set = onceSet(source, change.slot);
        if (change.seconds > ONCE_SECONDS) throw new RangeError(`a place is armed for ${ONCE_SECONDS} seconds at most`);
        const element = { key, timeout: milliseconds(change.seconds), comment: change.id, once: true };
        const guard = this.#guard(source.family, key, all);
        return change.kind === 'arm'
          ? [...guard, { verb: 'claim', set, elements: [element] }]
          : [...guard, { verb: 'release', set, elements: [element] }, { verb: 'add', set, elements: [element] }];
      }
      case 'disarm':
        // The guard stays until it ends: other places may be armed for the same key, and without any it opens nothing.
        return erase(onceSet(source, change.slot), [{ key, once: true, timeout: 1000 }]);
    }
  }

  /** What makes the guard of a key last at least as long as every place that this batch arms; nothing when it does already. */
  #guard(family: Family, key: Uint8Array, all: readonly Change[]): Step[] {
    let timeout = 0;
    for (const other of all) {
      if (other.kind !== 'arm' && other.kind !== 'rearm') continue;
      if (Buffer.compare(grantKey(other.source, other.endpoint), key) !== 0) continue;
      timeout = Math.max(timeout, milliseconds(other.seconds) + GUARD_MARGIN_MS);
    }
    const { armed } = SETS[family];
    const held = this.#get(armed, { key });
    return (held?.remaining ?? 0) >= timeout ? [] : replace(armed, [{ key, timeout }]);
  }

  /** The set that holds a prefix, or else one in which it overlaps nothing. */
  #netFor(family: Family, interval: Interval, nets: Map<string, Interval[]>): { set: string; held: boolean } {
    const places = SETS[family].net.map((set) => {
      let held = nets.get(set);
      if (held === undefined) {
        const elements = this.#dump(set);
        if (elements === undefined) throw new Unapplied('gone');
        held = elements.flatMap(({ key, keyEnd }) => (keyEnd === undefined ? [] : [{ key, keyEnd }]));
        nets.set(set, held);
      }
      return held;
    });
    const place = choosePlace(places, interval);
    const set = SETS[family].net[place?.index ?? -1];
    if (place === undefined || set === undefined) throw new Unapplied('full');
    if (!place.held) places[place.index]?.push(interval);
    return { set, held: place.held };
  }

  #commit(steps: readonly Step[]): Applied {
    if (steps.length === 0) return { ok: true };
    const writer = this.#writer;
    writer.reset();
    writer.beginBatch();
    const first = writer.sequence;
    for (const { verb, set, elements } of steps) {
      if (verb === 'add' || verb === 'claim') writeAdd(writer, set, elements, verb === 'claim');
      else writeDelete(writer, set, elements);
    }
    const last = writer.sequence;
    writer.acknowledge();
    writer.endBatch();
    try {
      return judge(steps, first, this.#socket.exchange(writer, first, last));
    } catch (error) {
      return failed(error);
    }
  }

  #get(set: string, element: Element): HeldElement | undefined {
    const writer = this.#writer;
    writer.reset();
    const sequence = writeGet(writer, set, element);
    let found: HeldElement | undefined;
    this.#socket.exchange(writer, sequence, sequence, (buffer, start, end) => {
      found = readElements(buffer, start, end)[0];
    });
    return found;
  }

  /** All elements of a set; undefined when there is no such set. Throws SystemError. */
  #dump(set: string): HeldElement[] | undefined {
    for (;;) {
      const writer = this.#writer;
      writer.reset();
      const sequence = writeGet(writer, set);
      const found: HeldElement[] = [];
      const { errors, disturbed } = this.#socket.exchange(writer, sequence, sequence, (buffer, start, end) => {
        for (const element of readElements(buffer, start, end)) found.push(element);
      });
      const error = errors[0]?.error;
      if (error === ENOENT) return undefined;
      if (error !== undefined) throw new SystemError('nftables list', error);
      if (!disturbed) return found;
    }
  }

  /** The table's comment, empty when it has none; undefined when there is no table. */
  #tableComment(): string | undefined {
    const writer = this.#writer;
    writer.reset();
    const sequence = writer.begin(NFT_MSG.getTable, NLM_F.ack, NFPROTO_INET);
    writer.text(TABLE_ATTRIBUTE.name, TABLE);
    writer.end();
    let comment: string | undefined;
    this.#socket.exchange(writer, sequence, sequence, (buffer, start, end) => {
      const userdata = attributes(buffer, start, end).find(({ type }) => type === TABLE_ATTRIBUTE.userdata);
      comment = (userdata && readComment(buffer.subarray(userdata.start, userdata.end))) ?? '';
    });
    return comment;
  }
}

/** What is known before the batch is sent. */
class Unapplied extends Error {
  readonly reason: 'full' | 'gone';

  constructor(reason: 'full' | 'gone') {
    super(reason);
    this.reason = reason;
  }
}

function failed(error: unknown): Applied {
  if (error instanceof Unapplied) return { ok: false, reason: error.reason };
  if (error instanceof SystemError) return { ok: false, reason: 'error', error: error.code };
  throw error;
}

/**
 * Opens the kernel's nftables in the network namespace of the calling thread. Throws PersonError when it cannot work here: a kernel
 * without nftables, no CAP_NET_ADMIN, no libnftables.
 */
export function openNftables(): Firewall {
  let socket: NetlinkSocket;
  try {
    socket = new NetlinkSocket();
  } catch (cause) {
    throw noKernelSupport(cause);
  }
  try {
    const writer = new MessageWriter();
    const sequence = writer.begin(NFT_MSG.getGeneration, NLM_F.ack, 0);
    writer.end();
    const error = socket.exchange(writer, sequence, sequence).errors[0]?.error;
    if (error === EPERM) {
      throw new PersonError('changing the firewall needs the capability CAP_NET_ADMIN', {
        hint: 'run as root, or in a container add the capability NET_ADMIN',
      });
    }
    if (error !== undefined) throw noKernelSupport(new SystemError('nftables', error));
    if (!libnftablesPresent()) {
      throw new PersonError(`cannot load ${LIBNFTABLES}`, { hint: 'install it: apt install libnftables1' });
    }
    return new Nftables(socket);
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
}

function noKernelSupport(cause: unknown): PersonError {
  return new PersonError('this kernel has no nftables', {
    hint: 'load the module nf_tables (modprobe nf_tables), in a container on its host; kernel 6.1 or later is needed',
    cause,
  });
}
