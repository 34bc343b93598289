/** For tests: a book of grants over a kernel that is held in memory, with a clock on the wall that somebody may set. */
import {
  MICROS_PER_SECOND,
  contains,
  fromHex,
  parsePrefix,
  type DeviceId,
  type RequestId,
  type Seconds,
  type ServiceName,
  type UnixMicros,
} from '@postern/protocol';
import { parseForward } from '../config/forward.ts';
import type { Forward } from '../config/model.ts';
import { memoryFirewall, type MemoryFirewall } from '../firewall/memory.ts';
import type { Applied, Change, Endpoint, Source } from '../firewall/port.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { GrantBook, type GrantRecords, type Wanted } from './grants.ts';
import type { StoredGrant } from './store.ts';

/** Services by name: their endpoints. */
export const SERVICES = {
  ssh: ['tcp/22'],
  web: ['tcp/80', 'tcp/443'],
  both: ['tcp/22', 'tcp/80'],
  dns: ['udp/53'],
} as const;

/** Name of one of {@link SERVICES}. */
export type Name = keyof typeof SERVICES;

/** An endpoint from its text. */
export function endpoint(text: string): Endpoint {
  return { protocol: text.startsWith('udp') ? 'udp' : 'tcp', port: Number(text.slice(4)) };
}

/** A source from its text: an address or a prefix. */
export function source(text: string): Source {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new TypeError(`not a source: ${text}`);
  return prefix;
}

/** A target from its text. */
function forward(text: string): Forward {
  const parsed = parseForward(text);
  if (parsed === undefined) throw new TypeError(`not a target: ${text}`);
  return { ...parsed, masquerade: false };
}

/** What is asked for, in short. */
export interface Asked {
  readonly device?: string;
  readonly service?: Name;
  readonly from?: string;
  readonly seconds?: number;
  readonly once?: boolean;
  readonly request?: string;
  readonly target?: string;
}

/** The records of a state that no disk holds. */
export function memoryRecords(): GrantRecords & { readonly size: number } {
  const records = new Map<string, StoredGrant>();
  return {
    get size() {
      return records.size;
    },
    putGrant(it) {
      // as the database does: what a grant is does not change
      const { ends, slot } = it;
      records.set(it.id, { ...(records.get(it.id) ?? it), ends, slot });
    },
    dropGrant: (id) => void records.delete(id),
    grants: () => [...records.values()],
  };
}

/** A book, its kernel and its records. */
export class GrantBench {
  /** The kernel's time, which nobody can set. */
  uptime = 1_000_000_000 as UnixMicros;
  /** The clock on the wall is so much ahead of it. */
  ahead = 1_800_000_000_000_000;
  readonly firewall: MemoryFirewall = memoryFirewall({ now: () => this.uptime });
  readonly records: GrantRecords & { readonly size: number } = memoryRecords();
  readonly errors: string[] = [];
  book: GrantBook;
  #ids = 0;
  #port = 1024;

  constructor() {
    this.install();
    this.book = this.#open();
  }

  get now(): UnixMicros {
    return (this.ahead + this.uptime) as UnixMicros;
  }

  /** Installs the ruleset and protects all services. */
  install(): void {
    this.firewall.install({ knockPort: 62201, dropKnocks: true, forwards: true });
    this.firewall.protect(Object.values(SERVICES).flat().map(endpoint), undefined);
  }

  /** As after a start of the daemon; the kernel has forgotten nothing. */
  restart(): { adopted: number; unknown: number } {
    this.book = this.#open();
    return this.book.adopt(this.now);
  }

  pass(seconds: number): void {
    this.uptime = (this.uptime + seconds * MICROS_PER_SECOND) as UnixMicros;
  }

  /** Somebody sets the clock on the wall. */
  set(seconds: number): void {
    this.ahead += seconds * MICROS_PER_SECOND;
  }

  wanted({
    device = 'laptop',
    service = 'ssh',
    from = '192.0.2.7',
    seconds = 30,
    once = false,
    request,
    target,
  }: Asked): Wanted {
    return {
      request: (request ?? `request-${String(this.#ids++)}`) as RequestId,
      device: device as DeviceId,
      service: service as ServiceName,
      source: source(from),
      endpoints: SERVICES[service].map(endpoint),
      seconds: seconds as Seconds,
      singleUse: once,
      target: target === undefined ? undefined : forward(target),
    };
  }

  /** A new connection's first packet arrives. */
  connects(from: string, to: string): boolean {
    const { family, address } = source(from);
    return this.firewall.admits({ family, address, port: this.#port++, endpoint: endpoint(to) });
  }

  /** What the kernel would admit from an address, without using it up: whether any number, and how many single connections. */
  holds(from: string, to: string): { timed: boolean; armed: number } {
    const { family, address } = source(from);
    const found = this.firewall
      .list()
      .openings.filter((it) => it.source.family === family && formatEndpoint(it.endpoint) === to)
      .filter((it) => contains(it.source, address));
    return {
      timed: found.some(({ slot }) => slot === undefined),
      armed: found.filter(({ slot }) => slot !== undefined).length,
    };
  }

  #open(): GrantBook {
    const random = (size: number): Uint8Array => fromHex((0x1000 + this.#ids++).toString(16).padStart(2 * size, '0'));
    const onError = (what: string, error: string): void => void this.errors.push(`${what}: ${error}`);
    return new GrantBook(this.firewall, this.records, random, onError, () => this.ahead);
  }
}

/** Makes the firewall refuse what `when` says. */
export function refusing(bench: GrantBench, when: (changes: readonly Change[]) => Applied | undefined): void {
  const whole = bench.firewall.apply.bind(bench.firewall);
  bench.firewall.apply = (changes) => when(changes) ?? whole(changes);
}
