/**
 * One conversation with one address of a gate: packet after packet until a receipt says what became of the request, or patience ends.
 * Everything that a receipt teaches on the way is used at once.
 */
import {
  equal,
  openReceipt,
  type Prefix,
  type Receipt,
  type RequestId,
  secret,
  type SecretBytes,
  type StatedSource,
  type UnixMicros,
} from '@postern/protocol';
import type { Memory } from './host.ts';
import { learnFrom } from './lesson.ts';
import type { Outcome, Progress } from './outcome.ts';
import { type Ask, type Keeper, type Party, sealTicket, takeTickets, type Ticket } from './request.ts';
import { silentAfter, timeOfTry, unitOf } from './schedule.ts';
import { fitsSource, oneAddress, prefixOfSource, sourceFor } from './source.ts';
import type { Stop } from './stop.ts';
import { type Path, PathError, type Surroundings } from './transport.ts';

/** What the exchanges of one knock share. */
export interface Hearing {
  /** When any of them last had a receipt, by the clock that only goes forward; −Infinity if never. */
  heardAt: number;
}

/** What an exchange is made from. */
export interface ExchangeOptions {
  readonly surroundings: Surroundings;
  readonly keeper: Keeper;
  readonly party: Party;
  readonly ask: Ask;
  readonly requestId: RequestId;
  /** What the party's key remembers at the start. */
  readonly memory: Memory;
  /** The gate's address, 16 bytes. */
  readonly address: Uint8Array;
  readonly port: number;
  /** Milliseconds to wait without an answer; an answer that is not the last starts them anew. */
  readonly patience: number;
  readonly hearing: Hearing;
  readonly stop: Stop;
  readonly onProgress: (progress: Progress) => void;
}

/** How often the gate may send us round again: clock, state and address each change once, and may be told in an unlucky order. */
const ROUNDS_MAX = 8;

interface Sent {
  readonly what: Ask['kind'];
  readonly mac: Uint8Array;
  readonly receiptKey: Uint8Array;
  readonly knockKey: SecretBytes | undefined;
  readonly ticket: Ticket;
  readonly at: UnixMicros;
  readonly tick: number;
  readonly source: Prefix | undefined;
  readonly round: number;
}

/** Runs one exchange to its end. @throws what the keeper throws before a packet leaves: then it did not leave */
export async function exchange(options: ExchangeOptions): Promise<Outcome> {
  const { surroundings, address, port, stop, onProgress } = options;
  if (stop.stopped) return { kind: 'given-up' };
  const troubles = new Set<string>();
  let running: Exchange | undefined = undefined;
  let path: Path;
  try {
    path = await surroundings.transport.connect(address, port, {
      received: (datagram) => running?.receive(datagram),
      trouble: (code) => {
        troubles.add(code);
        onProgress({ kind: 'trouble', code });
      },
    });
  } catch (error) {
    if (error instanceof PathError) return { kind: 'unreachable', code: error.code };
    throw error;
  }
  using open = path;
  onProgress({ kind: 'path', local: open.local });
  running = new Exchange(options, open, troubles);
  return await running.run();
}

class Exchange {
  readonly #options: ExchangeOptions;
  readonly #path: Path;
  readonly #troubles: ReadonlySet<string>;
  readonly #end = Promise.withResolvers<Outcome>();
  #ended = false;
  #cancelTry: () => void = () => undefined;
  #cancelPatience: () => void = () => undefined;
  /** Packets without a receipt yet. */
  readonly #waiting: Sent[] = [];
  #packets = 0;
  /** When each try left, by the clock that only goes forward. */
  readonly #tries: number[] = [];
  /** Tries begin anew in every round. */
  #round = 0;
  #roundStart = 0;
  #memory: Memory;
  #source: StatedSource | undefined;
  #seen: Uint8Array | undefined;
  #clockCorrected = 0;
  #resynced = false;

  constructor(options: ExchangeOptions, path: Path, troubles: ReadonlySet<string>) {
    this.#options = options;
    this.#path = path;
    this.#troubles = troubles;
    this.#memory = options.memory;
    this.#source = 'source' in options.ask ? sourceFor(options.ask.source, path, options.memory) : { type: 'observed' };
  }

  async run(): Promise<Outcome> {
    const leave = this.#options.stop.whenStopped(() => {
      this.#finish({ kind: 'given-up' });
    });
    this.#begin();
    try {
      return await this.#end.promise;
    } finally {
      this.#ended = true;
      this.#cancelTry();
      this.#cancelPatience();
      leave();
    }
  }

  /** Takes any datagram that came on the path. */
  receive(datagram: Uint8Array): void {
    // The newest first: it is the likeliest. A second copy of a receipt finds nothing that it could open.
    for (let i = this.#waiting.length - 1; i >= 0 && !this.#ended; i--) {
      const sent = this.#waiting[i];
      const receipt = sent === undefined ? undefined : openReceipt(sent.receiptKey, sent.mac, datagram);
      if (sent === undefined || receipt === undefined) continue;
      this.#waiting.splice(i, 1);
      this.#guard(this.#take(sent, receipt));
      return;
    }
  }

  #begin(): void {
    const { surroundings, patience } = this.#options;
    this.#round++;
    this.#roundStart = surroundings.tick();
    this.#cancelTry();
    this.#cancelPatience();
    this.#cancelPatience = surroundings.after(patience, () => {
      this.#finish(this.#silence());
    });
    this.#guard(this.#try(0));
  }

  async #try(index: number): Promise<void> {
    const { surroundings, keeper, hearing } = this.#options;
    const round = this.#round;
    const tick = surroundings.tick();
    const sure = tick - silentAfter(this.#memory.roundTrip);
    const attempt = 1 + this.#tries.filter((at) => at > hearing.heardAt && at <= sure).length;
    const whats = this.#plan(index);
    const { tickets, memory } = await takeTickets(keeper, surroundings.now, attempt, whats.length);
    if (this.#ended || round !== this.#round) return;
    this.#memory = memory;
    this.#tries.push(tick);
    for (const [i, ticket] of tickets.entries()) this.#send(whats[i] ?? 'whoami', ticket, attempt);
    const due = this.#roundStart + timeOfTry(index + 1, unitOf(memory.roundTrip)) - surroundings.tick();
    this.#cancelTry = surroundings.after(Math.max(due, 0), () => {
      this.#guard(this.#try(index + 1));
    });
  }

  /** What try `index` of a round sends. Silence may mean that the gate sees us elsewhere than we say: ask it as well. */
  #plan(index: number): readonly Ask['kind'][] {
    const { ask } = this.#options;
    if (!('source' in ask)) return [ask.kind];
    if (this.#source === undefined) return ['whoami'];
    return this.#seen === undefined && index >= 1 ? [ask.kind, 'whoami'] : [ask.kind];
  }

  #send(what: Ask['kind'], ticket: Ticket, attempt: number): void {
    const { surroundings, party, ask, requestId, onProgress } = this.#options;
    const source = this.#source ?? { type: 'observed' };
    const asked = what === ask.kind ? ask : ({ kind: 'whoami' } as const);
    const { packet, mac, receiptKey, knockKey } = sealTicket(
      party,
      asked,
      source,
      ticket,
      requestId,
      surroundings.random,
    );
    const sent: Sent = {
      ...{ what, mac, receiptKey, ticket, round: this.#round },
      knockKey: knockKey === undefined ? undefined : secret(knockKey),
      ...{ at: surroundings.now(), tick: surroundings.tick() },
      source: 'source' in asked ? prefixOfSource(source) : undefined,
    };
    this.#waiting.push(sent);
    this.#packets++;
    this.#path.send(packet);
    onProgress({ kind: 'sent', what, attempt, source: sent.source });
  }

  async #take(sent: Sent, receipt: Receipt): Promise<void> {
    const { surroundings, keeper, ask, hearing, onProgress } = this.#options;
    const received = surroundings.now();
    hearing.heardAt = surroundings.tick();
    const roundTrip = Math.round((hearing.heardAt - sent.tick) * 1000);
    onProgress({ kind: 'receipt', what: sent.what, status: receipt.status, roundTrip, seen: receipt.address });

    const answered = { ticket: sent.ticket, sent: sent.at, received, roundTrip, network: this.#path.network };
    const final = sent.what === ask.kind && !goesOn(receipt);
    let unsaved: string | undefined;
    try {
      let { sender } = this.#memory;
      // Where nothing is new the file need not even be read.
      if (learnFrom(this.#memory, receipt, answered) !== this.#memory) {
        this.#memory = await keeper.update((memory) => {
          sender = memory.sender;
          return learnFrom(memory, receipt, answered);
        });
      }
      if (receipt.status === 'clock') this.#clockCorrected += this.#memory.sender.offset - sender.offset;
      if (!equal(sender.stateId, receipt.stateId)) this.#resynced = true;
    } catch (error) {
      if (!final) throw error;
      unsaved = error instanceof Error ? error.message : String(error);
    }
    if (this.#ended) return;
    this.#seen = receipt.address;
    const lastRound = this.#round >= ROUNDS_MAX;
    if (final || (goesOn(receipt) && lastRound)) {
      this.#finish({
        ...{ kind: 'answered', status: receipt.status, source: sent.source, receipt, received, roundTrip, unsaved },
        ...{ tries: this.#packets, clockCorrected: this.#clockCorrected, resynced: this.#resynced },
        clockOffset: this.#memory.sender.offset,
        knockKey: sent.knockKey,
      });
      return;
    }
    // What was learned is used at once; but only once, when several packets of one round are told the same.
    const news = this.#restate(receipt.address) || (goesOn(receipt) && sent.round === this.#round);
    if (news && !lastRound) this.#begin();
  }

  /** Uses the address that the gate sees, where it is ours to find out. Returns whether there is something new to say. */
  #restate(address: Uint8Array): boolean {
    const { ask } = this.#options;
    if (!('source' in ask) || (this.#source !== undefined && fitsSource(this.#source, address))) return false;
    if (ask.source !== 'auto') {
      this.#finish(this.#silence());
      return false;
    }
    this.#source = oneAddress(address);
    return true;
  }

  #silence(): Outcome {
    return { kind: 'silent', tries: this.#packets, seen: this.#seen, troubles: [...this.#troubles] };
  }

  #finish(outcome: Outcome): void {
    this.#ended = true;
    this.#end.resolve(outcome);
  }

  #guard(step: Promise<void>): void {
    step.catch((error: unknown) => {
      this.#ended = true;
      this.#end.reject(error);
    });
  }
}

/** The gate has told what was wrong with the packet, and the next one will be right. */
function goesOn(receipt: Receipt): boolean {
  return receipt.status === 'clock' || receipt.status === 'resync';
}
