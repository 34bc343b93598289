import type { Seconds } from '@postern/protocol';
import { PersonError } from '@postern/terminal';
import { LIBNFTABLES, libnftablesPresent, runNft } from '../system/libnftables.ts';
import { attributes, MessageWriter, NetlinkSocket, NLM_F, SystemError, type Answer } from '../system/netlink.ts';
import { clearText, DARK, darkText } from './dark.ts';
import {
  endpointAt,
  endpointKey,
  flowKey,
  grantKey,
  grantKeyEnd,
  graceOf,
  isSingle,
  maskedKey,
  NFPROTO_INET,
  NFT_MSG,
  readComment,
  readElements,
  readGrant,
  readTarget,
  targetData,
  writeAdd,
  writeDelete,
  writeGet,
  type Element,
  type HeldElement,
} from './elements.ts';
import { withoutForwardText } from './forward.ts';
import {
  ONCE_SECONDS,
  ONCE_SLOTS,
  type Applied,
  type Armed,
  type Change,
  type Darkness,
  type Endpoint,
  type Exceptions,
  type Firewall,
  type Flow,
  type Opening,
  type Place,
  type Plan,
  type Protection,
  type Source,
  type Target,
} from './port.ts';
import { choosePlace, sameInterval, type Interval } from './prefix-place.ts';
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
 * `release` must find them (else `missing`); `drop` was seen to be there, and may have ended since.
 */
interface Step {
  readonly verb: 'add' | 'claim' | 'delete' | 'release' | 'drop';
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

/** The set of a single-use place, for a grant that may have it. */
function armedSet({ source, slot, seconds }: Extract<Change, { readonly kind: 'arm' | 'rearm' }>): string {
  if (seconds > ONCE_SECONDS) throw new RangeError(`a place is armed for ${ONCE_SECONDS} seconds at most`);
  return onceSet(source, slot);
}

function onceSet(source: Source, slot: number): string {
  if (!isSingle(source)) throw new RangeError('a prefix cannot be armed for a single connection');
  const set = SETS[source.family].once[slot];
  if (set === undefined) throw new RangeError(`slot must be 0 to ${ONCE_SLOTS - 1}, not ${slot}`);
  return set;
}

/** A change that grants. */
type GrantChange = Extract<Change, { readonly id: string }>;

/** What one batch knows of what was there before, and of what its changes so far make of it. */
interface Batch {
  readonly changes: readonly Change[];
  readonly prefixes: Map<Family, Interval[][]>;
  /** By {@link elementName}. */
  readonly present: Map<string, boolean>;
  /** Milliseconds of what this batch masks, by {@link elementName}. */
  readonly masked: Map<string, number>;
}

function elementName(set: string, { key, keyEnd }: Pick<Element, 'key'> & { keyEnd?: Uint8Array | undefined }): string {
  const text = (bytes: Uint8Array): string =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return `${set} ${text(key)}${keyEnd === undefined ? '' : text(keyEnd)}`;
}

function distinct(elements: readonly Element[]): Element[] {
  return [...new Map(elements.map((element) => [Buffer.from(element.key).toString('latin1'), element])).values()];
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** Milliseconds that a timed grant is held. */
function held(change: Extract<Change, { readonly kind: 'set' }>): number {
  return milliseconds(change.seconds) + graceOf(change);
}

/**
 * The steps that make these grants where nothing of them is there yet, and take away what is known to be there; undefined for changes of another
 * kind.
 */
function freshSteps(changes: readonly Change[]): Step[] | undefined {
  const steps: Step[] = [];
  for (const change of changes) {
    if (change.kind === 'unset' && change.held === true && isSingle(change.source)) {
      const { source, endpoint } = change;
      steps.push({ verb: 'drop', set: SETS[source.family].open, elements: [{ key: grantKey(source, endpoint) }] });
      continue;
    }
    if ((change.kind !== 'set' && change.kind !== 'arm') || !isSingle(change.source) || change.target !== undefined)
      return undefined;
    const { source, endpoint, id: comment } = change;
    const { open, armed } = SETS[source.family];
    const key = grantKey(source, endpoint);
    if (change.kind === 'set') {
      steps.push({ verb: 'claim', set: open, elements: [{ key, timeout: held(change), comment }] });
      continue;
    }
    if (change.fresh !== true) return undefined;
    const timeout = milliseconds(change.seconds);
    const guard = { key, timeout: timeout + GUARD_MARGIN_MS };
    steps.push({ verb: 'claim', set: armed, elements: [guard] });
    steps.push({ verb: 'claim', set: armedSet(change), elements: [{ key, timeout, comment }] });
  }
  return steps.length === 0 ? undefined : steps;
}

/** `ended`: an element that was to be dropped ended by itself meanwhile, and with it the batch. */
type Judged = Applied | { readonly ok: false; readonly reason: 'ended' };

function judge(steps: readonly Step[], first: number, answer: Answer): Judged {
  let worst: Judged | undefined;
  for (const { sequence, error } of answer.errors) {
    const step = steps[sequence - first - 1];
    if (error === ENOENT && (step?.verb === 'add' || step?.verb === 'claim')) return { ok: false, reason: 'gone' };
    if (worst !== undefined) continue;
    if (error === EEXIST && step?.verb === 'claim') worst = { ok: false, reason: 'taken' };
    else if (error === ENOENT && step?.verb === 'release') worst = { ok: false, reason: 'missing' };
    else if (error === ENOENT && step?.verb === 'drop') worst = { ok: false, reason: 'ended' };
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
    const forwards = plan.forwards === true || this.#leading();
    const text = installText({ ...plan, forwards });
    let error = '';
    if (comment === undefined || comment === LAYOUT) {
      const needless = !forwards && this.#dump(SETS[4].to) !== undefined;
      error = runNft(needless ? text + withoutForwardText(TABLE, SETS) : text);
      if (error === '') return;
    }
    if (comment !== undefined) {
      const { openings, protections } = this.list();
      error = runNft(removeText() + text + restoreText(openings, protections));
      if (error === '') return;
    }
    throw new PersonError(`the kernel refused the firewall rules: ${error.split('\n', 1)[0] ?? ''}`, {
      hint:
        'nftables of kernel 6.1 or later with fib, ct and limit is needed: modules nft_fib_inet, nft_ct, nft_limit' +
        (forwards ? '; to forward, nft_chain_nat, nft_nat and nft_masq, too' : ''),
      cause: error,
    });
  }

  apply(changes: readonly Change[]): Applied {
    try {
      // The common case, a source that has no such element: one message instead of three. Whoever does not know asks first whether there is
      // one, as the kernel waits for all processors (synchronize_rcu, about 10 ms) to undo a batch that fails. Else the long way says what is so.
      const claims = freshSteps(changes);
      // The guard of a place may outlive all that its caller knows of.
      const known = changes.every(
        (change) => change.kind === 'unset' || (change.kind === 'set' && change.fresh === true),
      );
      if (claims !== undefined && (known || !this.#anyHeld(claims)) && this.#commit(claims).ok) return { ok: true };
      for (;;) {
        const batch: Batch = { changes, prefixes: new Map(), present: new Map(), masked: new Map() };
        const steps = changes.flatMap((change) => this.#steps(change, batch));
        // With nothing to do nothing would tell that the table is gone.
        if (steps.length === 0 && changes.length > 0 && this.#tableComment() === undefined)
          return { ok: false, reason: 'gone' };
        const applied = this.#commit(steps);
        if (applied.ok || applied.reason !== 'ended') return applied;
      }
    } catch (error) {
      return failed(error);
    }
  }

  protect(endpoints: readonly Endpoint[], seconds: Seconds | undefined): Applied {
    const timeout = seconds === undefined ? {} : { timeout: milliseconds(seconds) };
    const elements = distinct(endpoints.map((endpoint) => ({ key: endpointKey(endpoint), ...timeout })));
    return this.#whole(chunks(elements, ELEMENTS_PER_MESSAGE).flatMap((some) => replace(PROTECTED, some)));
  }

  unprotect(endpoints: readonly Endpoint[]): Applied {
    const elements = distinct(endpoints.map((endpoint) => ({ key: endpointKey(endpoint) })));
    // A `destroy` message, which finds nothing without an error, exists only since kernel 6.3.
    return this.#whole(chunks(elements, ELEMENTS_PER_MESSAGE).flatMap((some) => replace(PROTECTED, some).slice(0, 2)));
  }

  darken(exceptions: Exceptions, seconds: Seconds | undefined): Applied {
    return this.#text(darkText(TABLE, exceptions, seconds === undefined ? undefined : milliseconds(seconds)));
  }

  lighten(): Applied {
    return this.#text(clearText(TABLE));
  }

  darkness(): Darkness | undefined {
    const [element] = this.#dump(DARK) ?? [];
    return element === undefined ? undefined : { remaining: element.remaining };
  }

  seed(flows: readonly Flow[], seconds: Seconds): Applied {
    const timeout = milliseconds(seconds);
    for (const family of FAMILIES) {
      const ours = flows.filter((flow) => flow.family === family);
      const elements = distinct(ours.map((flow) => ({ key: flowKey(flow), timeout })));
      for (const some of chunks(elements, ELEMENTS_PER_MESSAGE)) {
        const applied = this.#whole(replace(SETS[family].flows, some));
        if (!applied.ok) return applied;
      }
    }
    return { ok: true };
  }

  list(): { readonly openings: readonly Opening[]; readonly protections: readonly Protection[] } {
    const openings: Opening[] = [];
    for (const family of FAMILIES) {
      const { open, net, once, to, toNet, toOnce } = SETS[family];
      const timed = this.#targets(family, [to, ...toNet]);
      const single = this.#targets(family, [toOnce]);
      const collect = (set: string, slot: number | undefined, targets: ReadonlyMap<string, Target>): void => {
        for (const element of this.#dump(set) ?? []) {
          const grant = readGrant(family, element);
          if (grant === undefined) continue;
          const target = targets.get(elementName('', element));
          const { comment: id, remaining = 0 } = element;
          openings.push({ ...grant, id, slot, remaining, ...(target === undefined ? {} : { target }) });
        }
      };
      for (const set of [open, ...net]) collect(set, undefined, timed);
      for (const [slot, set] of once.entries()) collect(set, slot, single);
    }
    const protections = (this.#dump(PROTECTED) ?? []).flatMap((element) => {
      const endpoint = endpointAt(element.key, 0);
      return endpoint === undefined ? [] : [{ endpoint, remaining: element.remaining }];
    });
    return { openings, protections };
  }

  armed(places: readonly Place[]): readonly (Armed | undefined)[] {
    const writer = this.#writer;
    writer.reset();
    const asked = places.map(({ source, endpoint, slot }) =>
      writeGet(writer, onceSet(source, slot), { key: grantKey(source, endpoint) }),
    );
    const [first, last] = [asked[0], asked.at(-1)];
    if (first === undefined || last === undefined) return [];
    const found = new Map<number, Armed>();
    const { errors } = this.#socket.exchange(writer, first, last, (buffer, start, end, sequence) => {
      const [element] = readElements(buffer, start, end);
      if (element !== undefined) found.set(sequence, { id: element.comment });
    });
    const failed = errors.find(({ error }) => error !== ENOENT);
    if (failed !== undefined) throw new SystemError('nftables get', failed.error);
    return asked.map((sequence) => found.get(sequence));
  }

  present(): boolean {
    return this.#countKnocks() !== undefined;
  }

  knocks(): number {
    return this.#countKnocks() ?? 0;
  }

  #countKnocks(): number | undefined {
    const writer = this.#writer;
    writer.reset();
    const sequence = writer.begin(NFT_MSG.getObject, NLM_F.ack, NFPROTO_INET);
    writer.text(OBJECT.table, TABLE);
    writer.text(OBJECT.name, KNOCKS);
    writer.u32(OBJECT.type, OBJECT.counter);
    writer.end();
    let packets: number | undefined;
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

  #steps(change: Change, batch: Batch): Step[] {
    const { source, endpoint } = change;
    const { family } = source;
    const key = grantKey(source, endpoint);
    switch (change.kind) {
      case 'set': {
        const element = { key, timeout: held(change), comment: change.id };
        if (!isSingle(source))
          return this.#setPrefix(change, { ...element, keyEnd: grantKeyEnd(source, endpoint) }, batch);
        const { open, to } = SETS[family];
        batch.present.set(elementName(open, { key }), true);
        // In this order: what is let in is led, too, until the end of its last millisecond.
        return [...replace(open, [element]), ...this.#lead(to, element, change, batch)];
      }
      case 'unset': {
        if (!isSingle(source)) return this.#dropPrefix(family, { key, keyEnd: grantKeyEnd(source, endpoint) }, batch);
        const { open, to } = SETS[family];
        return [...this.#drop(to, { key }, batch), ...this.#drop(open, { key }, batch)];
      }
      case 'arm':
      case 'rearm': {
        const set = armedSet(change);
        const elements = [{ key, timeout: milliseconds(change.seconds), comment: change.id }];
        batch.present.set(elementName(set, { key }), true);
        const guard = this.#guard(change, key, batch);
        if (change.kind === 'arm') return [...guard, { verb: 'claim', set, elements }];
        return [...guard, { verb: 'release', set, elements }, { verb: 'add', set, elements }];
      }
      case 'disarm':
        // The guard stays until it ends: other places may be armed for the same key, and without any it opens nothing.
        return this.#drop(onceSet(source, change.slot), { key }, batch);
    }
  }

  /** Takes an element away if it is there. Not by adding it first: a revocation must succeed when the set is full, too. */
  #drop(set: string, element: Element, { present }: Batch): Step[] {
    const name = elementName(set, element);
    const there = present.get(name) ?? this.#get(set, element) !== undefined;
    present.set(name, false);
    return there ? [{ verb: 'drop', set, elements: [element] }] : [];
  }

  /** Makes the element of a map what the change says: none without a target. What it leads to cannot be changed by adding it again. */
  #lead(map: string, element: Element, { source, endpoint, target }: GrantChange, batch: Batch): Step[] {
    const { key, keyEnd, timeout } = element;
    const at = keyEnd === undefined ? { key } : { key, keyEnd };
    const before = this.#drop(map, at, batch);
    if (target === undefined || timeout === undefined) return before;
    batch.present.set(elementName(map, at), true);
    const data = targetData(source.family, target);
    const lead: Step = { verb: 'add', set: map, elements: [{ ...at, data, timeout }] };
    return [...before, lead, ...this.#mask(source.family, endpoint, target, timeout, batch)];
  }

  /** Several grants may lead to one target: it is masked for as long as the longest. */
  #mask(family: Family, { protocol }: Endpoint, target: Target, timeout: number, batch: Batch): Step[] {
    const set = SETS[family].masked;
    const key = maskedKey(family, protocol, target);
    const name = elementName(set, { key });
    if (!target.masquerade) {
      batch.masked.set(name, 0);
      return this.#drop(set, { key }, batch);
    }
    const held = batch.masked.get(name) ?? this.#get(set, { key })?.remaining ?? 0;
    if (held >= timeout) return [];
    batch.masked.set(name, timeout);
    batch.present.set(name, true);
    return replace(set, [{ key, timeout }]);
  }

  #setPrefix(change: GrantChange, interval: Element & Interval, batch: Batch): Step[] {
    const { family } = change.source;
    const places = this.#prefixes(family, batch);
    const place = choosePlace(places, interval);
    const set = SETS[family].net[place?.index ?? -1];
    if (place === undefined || set === undefined) throw new Unapplied('full');
    if (!place.held) places[place.index]?.push(interval);
    const lead = this.#lead(SETS[family].toNet[place.index] ?? '', interval, change, batch);
    return [...replace(set, [interval]), ...lead];
  }

  #dropPrefix(family: Family, interval: Interval, batch: Batch): Step[] {
    const places = this.#prefixes(family, batch);
    const place = choosePlace(places, interval);
    const set = SETS[family].net[place?.index ?? -1];
    if (place?.held !== true || set === undefined) return [];
    places[place.index] = (places[place.index] ?? []).filter((other) => !sameInterval(other, interval));
    const lead = this.#drop(SETS[family].toNet[place.index] ?? '', interval, batch);
    return [...lead, { verb: 'drop', set, elements: [interval] }];
  }

  #anyHeld(steps: readonly Step[]): boolean {
    const claims = steps.filter(({ verb }) => verb === 'claim');
    return claims.some(({ set, elements }) => elements.some((element) => this.#get(set, element) !== undefined));
  }

  /** The prefixes that are held, by set, as they will be after the changes so far. */
  #prefixes(family: Family, { prefixes }: Batch): Interval[][] {
    let places = prefixes.get(family);
    if (places !== undefined) return places;
    places = SETS[family].net.map((set) => {
      const elements = this.#dump(set);
      if (elements === undefined) throw new Unapplied('gone');
      return elements.flatMap(({ key, keyEnd }) => (keyEnd === undefined ? [] : [{ key, keyEnd }]));
    });
    prefixes.set(family, places);
    return places;
  }

  /** What makes the guard of a key, and what its places lead to, last at least as long as every place that this batch arms. */
  #guard(change: GrantChange, key: Uint8Array, batch: Batch): Step[] {
    const { family } = change.source;
    let timeout = 0;
    for (const other of batch.changes) {
      if (other.kind !== 'arm' && other.kind !== 'rearm') continue;
      if (Buffer.compare(grantKey(other.source, other.endpoint), key) !== 0) continue;
      timeout = Math.max(timeout, milliseconds(other.seconds) + GUARD_MARGIN_MS);
    }
    const { armed, toOnce } = SETS[family];
    const held = this.#get(armed, { key })?.remaining;
    // What the places of a key lead to never outlives its guard: it is written first, for no longer.
    const lead =
      held === undefined && change.target === undefined ? [] : this.#leadOnce(toOnce, key, timeout, change, batch);
    return (held ?? 0) >= timeout ? lead : [...lead, ...replace(armed, [{ key, timeout }])];
  }

  #leadOnce(map: string, key: Uint8Array, timeout: number, change: GrantChange, batch: Batch): Step[] {
    const { source, target } = change;
    const held = target === undefined ? undefined : this.#get(map, { key });
    const same =
      held?.data !== undefined &&
      target !== undefined &&
      Buffer.compare(held.data, targetData(source.family, target)) === 0;
    // Older places of the same target may be armed for longer.
    const lasting = same ? Math.max(timeout, held.remaining ?? 0) : timeout;
    return this.#lead(map, { key, timeout: lasting }, change, batch);
  }

  /** Whether a grant leads anywhere. */
  #leading(): boolean {
    const maps = FAMILIES.map((family) => SETS[family]).flatMap(({ to, toNet, toOnce }) => [to, ...toNet, toOnce]);
    return maps.some((map) => (this.#dump(map) ?? []).length > 0);
  }

  /** Where the elements of these maps lead, by {@link elementName} without a name. */
  #targets(family: Family, maps: readonly string[]): Map<string, Target> {
    const held = maps.flatMap((map) => this.#dump(map) ?? []);
    const targets = new Map<string, Target>();
    if (held.length === 0) return targets;
    const masked = new Set((this.#dump(SETS[family].masked) ?? []).map((element) => elementName('', element)));
    for (const element of held) {
      const { endpoint } = readGrant(family, element) ?? {};
      const target = element.data === undefined ? undefined : readTarget(family, element.data);
      if (target === undefined || endpoint === undefined) continue;
      const key = maskedKey(family, endpoint.protocol, { ...target, masquerade: false });
      targets.set(elementName('', element), { ...target, masquerade: masked.has(elementName('', { key })) });
    }
    return targets;
  }

  /** A batch without `drop`. */
  #whole(steps: readonly Step[]): Applied {
    try {
      const applied = this.#commit(steps);
      return !applied.ok && applied.reason === 'ended' ? { ok: false, reason: 'missing' } : applied;
    } catch (error) {
      return failed(error);
    }
  }

  /** A batch of rules, which the library writes: rare, and never between a knock and its grant. */
  #text(commands: string): Applied {
    if (runNft(commands) === '') return { ok: true };
    try {
      return this.#tableComment() === undefined
        ? { ok: false, reason: 'gone' }
        : { ok: false, reason: 'error', error: 'the kernel refused the rules' };
    } catch (error) {
      return failed(error);
    }
  }

  #commit(steps: readonly Step[]): Judged {
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
    return judge(steps, first, this.#socket.exchange(writer, first, last));
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
