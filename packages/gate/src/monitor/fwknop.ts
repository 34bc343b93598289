import {
  accept,
  familyOf,
  formatAddress,
  MICROS_PER_SECOND,
  refuse,
  toHex,
  type RequestId,
  type Result,
  type UnixMicros,
} from '@postern/protocol';
import { sameEndpoint } from '../config/endpoint.ts';
import type { Configuration, Forward, Service } from '../config/model.ts';
import type { Fwknop, FwknopStanza } from '../config/fwknop/model.ts';
import type { Endpoint } from '../firewall/port.ts';
import type { CredentialFrame, FwknopFrame } from '../line/fwknop-codec.ts';
import {
  concerns,
  decideStanza,
  sourceOf,
  type NatTarget,
  type StanzaDecision,
  type StanzaRefusal,
} from './fwknop-policy.ts';
import type { FwknopReplay, ReplayRefusal } from './fwknop-replay.ts';
import { FwknopTable, type SharedCredential } from './fwknop-table.ts';
import type { GpgCredential } from './gpg-process.ts';
import { leadFor, type Grant } from './grant.ts';
import type { GrantBook } from './grants.ts';
import { isPossibleOpener } from './possible-opener.ts';
import { TokenBucket } from './token-bucket.ts';

/** Why a packet of fwknop's format opened nothing. */
export type FwknopRefused =
  | StanzaRefusal
  | ReplayRefusal
  /** Of a table that is no more: a race with a reload. */
  | 'past'
  /** The sentry said what it cannot have seen. */
  | 'untrue'
  /** Its time differs too much from ours. */
  | 'age'
  | 'rate'
  | 'record-failed'
  /** The name of a NAT target was not found, or names may not be looked up. */
  | 'nat-name'
  /** A service that lives elsewhere has no address of that family. */
  | 'not-permitted'
  | 'failed';

/** What happened, for the log. */
export type FwknopEvent =
  | {
      readonly kind: 'opened';
      readonly stanza: FwknopStanza;
      readonly request: FwknopFrame;
      readonly grants: readonly Grant[];
    }
  | {
      readonly kind: 'command' | 'cycle';
      readonly stanza: FwknopStanza;
      readonly request: FwknopFrame;
    }
  | {
      readonly kind: 'refused';
      readonly reason: FwknopRefused;
      /** The first of the stanzas with its keys; undefined where there is none. */
      readonly stanza: string | undefined;
      readonly request: FwknopFrame;
      /** Seconds that the client's clock is ahead of ours. */
      readonly ahead: number;
    };

/** Runs what stanzas run in place of grants, in a process of its own; returns at once, and never throws. */
export interface StanzaCommands {
  readonly run: (
    stanza: FwknopStanza,
    request: FwknopFrame,
    decision: Exclude<StanzaDecision, { kind: 'grant' }>,
  ) => void;
}

/** What it stands on. */
export interface FwknopContext {
  readonly grants: Pick<GrantBook, 'open'>;
  readonly replay: Pick<FwknopReplay, 'refusal' | 'use'>;
  readonly commands: StanzaCommands;
  /** Looks a name up: an address of that family, 16 bytes, or undefined. */
  readonly lookUp: (name: string, family: 4 | 6) => Promise<Uint8Array | undefined>;
  readonly clock: () => UnixMicros;
  readonly onEvent: (event: FwknopEvent) => void;
}

/** How the sentry that runs is told of credentials. False: it reads too slowly, and nothing was sent. */
export type SendTables = (frames: readonly CredentialFrame[]) => boolean;

/** Packets that one credential may have judged: at once, then a second. It may be that of a hundred people. */
const BURST = 256;
const PER_SECOND = 20;

/** Requests of fwknop's format: what the sentry is told to look for, and what becomes of what it says that it opened. */
export class FwknopRequests {
  readonly #context: FwknopContext;
  readonly #rates = new Map<string, TokenBucket>();
  readonly #refused = new Map<FwknopRefused, number>();
  #configuration: Pick<Configuration, 'fwknop' | 'services'> = { fwknop: undefined, services: [] };
  #table = new FwknopTable(0, undefined);
  #send: SendTables | undefined;
  #opened = 0;
  /** Whether the sentry has the table. */
  #told = true;

  constructor(context: FwknopContext) {
    this.#context = context;
  }

  /** How often something was opened or run, and how often and why not, since the start. */
  get counters(): { opened: number; refused: Readonly<Partial<Record<FwknopRefused, number>>> } {
    return { opened: this.#opened, refused: Object.fromEntries(this.#refused) };
  }

  /** How many different keys are tried. */
  get credentials(): number {
    return this.#table.credentials.length;
  }

  /** Where packets are heard; undefined: nowhere. */
  get hears(): Fwknop['hear'] | undefined {
    const { fwknop } = this.#configuration;
    return fwknop === undefined || fwknop.stanzas.length === 0 ? undefined : fwknop.hear;
  }

  /** The credentials that gpg opens, with the numbers that the sentry has for them. */
  get gpgCredentials(): GpgCredential[] {
    return this.#table.credentials.flatMap(({ stanzas: [first] }, credential) =>
      first?.cipher.kind === 'gpg' ? [{ credential, ...first.cipher }] : [],
    );
  }

  /** The sentry is there. */
  connect(send: SendTables): void {
    this.#send = send;
  }

  /** Takes a configuration into use; the sentry is told with the next tick. False: it is as before. */
  configure(configuration: Pick<Configuration, 'fwknop' | 'services'>): boolean {
    const same = configuration.fwknop === this.#configuration.fwknop;
    this.#configuration = configuration;
    if (same) return false;
    this.#table = new FwknopTable((this.#table.serial + 1) & 0xffff, configuration.fwknop);
    this.#told = false;
    return true;
  }

  /** The table that a sentry begins with. */
  tables(): CredentialFrame[] {
    return this.#table.frames();
  }

  /** Some times a second: the sentry is told what it was not told yet. */
  tick(): void {
    if (!this.#told) this.#told = this.#send?.(this.#table.frames()) ?? true;
  }

  /** Judges one packet. What opens is open when the promise resolves; it waits only where a name has to be looked up. */
  async take(request: FwknopFrame): Promise<void> {
    const now = this.#context.clock();
    const shared = request.serial === this.#table.serial ? this.#table.credentials[request.credential] : undefined;
    const judged = shared === undefined ? refuse('past') : this.#judge(shared, request, now);
    const done = judged.ok ? await this.#carryOut(judged.value.stanza, judged.value.decision, request, now) : judged;
    if (done.ok) {
      this.#opened++;
      this.#context.onEvent(done.value);
      return;
    }
    const { reason } = done;
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
    const ahead = request.time - Math.floor(now / MICROS_PER_SECOND);
    this.#context.onEvent({ kind: 'refused', reason, stanza: shared?.stanzas[0]?.name, request, ahead });
  }

  /** Which stanza lets it have what. On return the packet is recorded, but where none of them is concerned or its time is not now. */
  #judge(
    { id, stanzas }: SharedCredential,
    request: FwknopFrame,
    now: UnixMicros,
  ): Result<{ stanza: FwknopStanza; decision: StanzaDecision }, FwknopRefused> {
    const { replay } = this.#context;
    const asked = sourceOf(request);
    if (!isPossibleOpener(request) || !isPossibleOpener({ family: asked.family, source: asked.address }))
      return refuse('untrue');
    const looked = stanzas.map((stanza) => ({ stanza, concerned: concerns(stanza, request, now) }));
    const concerned = looked.filter((it) => it.concerned.ok);
    if (concerned.length === 0) {
      const [first] = looked.flatMap((it) => (it.concerned.ok ? [] : [it.concerned]));
      return first ?? refuse('past');
    }
    const maxAge = this.#configuration.fwknop?.maxAge;
    if (maxAge !== undefined && Math.abs(request.time - now / MICROS_PER_SECOND) > maxAge) return refuse('age');
    if (!this.#take(id, now)) return refuse('rate');
    const used = replay.refusal(id, request.time, request.replayId);
    if (used !== undefined) return refuse(used);
    try {
      replay.use(id, request.time, request.replayId);
    } catch {
      return refuse('record-failed');
    }
    let refused: FwknopRefused | undefined;
    for (const { stanza } of concerned) {
      const decision = decideStanza(stanza, request);
      if (decision.ok) return accept({ stanza, decision: decision.value });
      refused ??= decision.reason;
    }
    return refuse(refused ?? 'past');
  }

  #take(id: Uint8Array, now: UnixMicros): boolean {
    const name = toHex(id);
    let bucket = this.#rates.get(name);
    if (bucket === undefined) this.#rates.set(name, (bucket = new TokenBucket(PER_SECOND, BURST, now)));
    return bucket.take(now);
  }

  async #carryOut(
    stanza: FwknopStanza,
    decision: StanzaDecision,
    request: FwknopFrame,
    now: UnixMicros,
  ): Promise<Result<FwknopEvent, FwknopRefused>> {
    if (decision.kind !== 'grant') {
      this.#context.commands.run(stanza, request, decision);
      return accept({ kind: decision.kind, stanza, request });
    }
    const { target, source } = decision;
    if (target === undefined) return this.#open(stanza, decision, request, undefined, now);
    const { host } = target;
    // No turn of the event loop but where a name is looked up: that is what a knock would wait for.
    if (typeof host !== 'string') return this.#open(stanza, decision, request, forwardTo(target, host), now);
    if (this.#configuration.fwknop?.natNames !== true) return refuse('nat-name');
    const address = await this.#context.lookUp(host, source.family);
    // The configuration may be another one meanwhile.
    if (request.serial !== this.#table.serial) return refuse('past');
    if (address === undefined) return refuse('nat-name');
    return this.#open(stanza, decision, request, forwardTo(target, address), this.#context.clock());
  }

  #open(
    stanza: FwknopStanza,
    { source, endpoints, seconds }: Extract<StanzaDecision, { kind: 'grant' }>,
    request: FwknopFrame,
    forward: Forward | undefined,
    now: UnixMicros,
  ): Result<FwknopEvent, FwknopRefused> {
    if (forward !== undefined && familyOf(forward.address) !== source.family) return refuse('not-permitted');
    const grants: Grant[] = [];
    let refused: FwknopRefused = 'failed';
    for (const [service, own] of this.#byService(endpoints)) {
      const lead = forward !== undefined || service === undefined ? accept(forward) : leadFor(service, source);
      if (!lead.ok) {
        refused = lead.reason;
        continue;
      }
      const granted = this.#context.grants.open(
        {
          request: toHex(request.replayId.subarray(0, 8)) as RequestId,
          device: `fwknop:${stanza.name}`,
          service: service?.name,
          ...{ source, seconds, endpoints: own, target: lead.value },
          singleUse: stanza.singleUse || service?.singleUse === true,
        },
        now,
      );
      if (granted.ok) grants.push(granted.value);
    }
    return grants.length === 0 ? refuse(refused) : accept({ kind: 'opened', stanza, request, grants });
  }

  /** A grant is of one service, which may live elsewhere; what belongs to none is this host's. */
  #byService(endpoints: readonly Endpoint[]): Map<Service | undefined, Endpoint[]> {
    const groups = new Map<Service | undefined, Endpoint[]>();
    for (const endpoint of endpoints) {
      const service = this.#configuration.services.find((it) =>
        it.endpoints.some((own) => sameEndpoint(own, endpoint)),
      );
      const group = groups.get(service);
      if (group === undefined) groups.set(service, [endpoint]);
      else group.push(endpoint);
    }
    return groups;
  }
}

function forwardTo({ port, masquerade }: NatTarget, address: Uint8Array): Forward {
  return { address, port, masquerade };
}

/** What a request asked for, in a line of the log. */
export function askedFor({ ports, nat, command }: FwknopFrame): string {
  if (command !== undefined) return 'a command';
  const list = ports.map(({ protocol, port }) => `${protocol}/${String(port)}`).join(',');
  return nat === undefined ? list : `${list} to ${nat.host}:${String(nat.port)}`;
}

/** Where a packet came from and for whom it asks. */
export function fromAndFor({ source, asked }: FwknopFrame): { source: string; for: string | undefined } {
  return { source: formatAddress(source), for: asked === undefined ? undefined : formatAddress(asked) };
}
