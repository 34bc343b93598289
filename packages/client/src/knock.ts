/** Knocks on the right addresses of a host, and makes one answer of it. */
import { familyOf, type RequestId } from '@postern/protocol';
import type { Memory } from './host.ts';
import { exchange, type ExchangeOptions } from './exchange.ts';
import type { Answer, Outcome, Progress } from './outcome.ts';
import { type Ask, type Keeper, newRequestId, type Party } from './request.ts';
import { graceAfter, LONGEST_ROUND_TRIP_MS, PATIENCE_MS } from './schedule.ts';
import { Stop } from './stop.ts';
import type { Surroundings } from './transport.ts';

/**
 * Which addresses a request is for. `any`: the first one that answers, in their order. `each-family`: the first of IPv4 and the first of
 * IPv6, as whatever connects next may use either.
 */
export type Reach = 'any' | 'each-family';

/** What a knock is made from. */
export interface KnockOptions {
  readonly surroundings: Surroundings;
  readonly party: Party;
  readonly keeper: Keeper;
  readonly memory: Memory;
  readonly ask: Ask;
  /** Addresses of the gate, 16 bytes each, in the order in which to try them; at least one. */
  readonly addresses: readonly Uint8Array[];
  readonly port: number;
  readonly reach: Reach;
  /** Milliseconds without an answer; 12,000 by default. */
  readonly patience?: number | undefined;
  readonly onProgress?: ((address: Uint8Array, progress: Progress) => void) | undefined;
}

/** How it ended with one address. */
export interface Attempt {
  /** The gate's address, 16 bytes. */
  readonly address: Uint8Array;
  readonly outcome: Outcome;
}

/** How a knock ended: one attempt for each family with `each-family`, the best one, else one attempt. Never empty. */
export type KnockResult = readonly Attempt[];

/**
 * Makes a request and waits for what becomes of it.
 *
 * @throws what the keeper throws when the state cannot be kept (nothing was sent then), RangeError without addresses
 */
export async function knock(options: KnockOptions): Promise<KnockResult> {
  const { addresses, reach } = options;
  if (addresses.length === 0) throw new RangeError('an address expected');
  const groups =
    reach === 'any'
      ? [addresses]
      : ([4, 6] as const)
          .map((family) => addresses.filter((address) => familyOf(address) === family))
          .filter((group) => group.length > 0);
  const hearing = { heardAt: Number.NEGATIVE_INFINITY };
  const stop = new Stop();
  const { tick, after } = options.surroundings;
  const start = tick();
  let cancelGrace: () => void = () => undefined;
  try {
    return await Promise.all(
      groups.map(async (group) => {
        const attempt = await firstAnswer(group, options, hearing, stop);
        if (attempt.outcome.kind === 'answered' && groups.length > 1) {
          cancelGrace();
          cancelGrace = after(graceAfter(tick() - start), () => {
            stop.stop();
          });
        }
        return attempt;
      }),
    );
  } finally {
    cancelGrace();
    stop.stop();
  }
}

/** The answers among the attempts. */
export function answersOf(result: KnockResult): readonly (Attempt & { readonly outcome: Answer })[] {
  return result.filter((attempt): attempt is Attempt & { outcome: Answer } => attempt.outcome.kind === 'answered');
}

/**
 * Tries addresses one after the other, each while those before it go on, until one answers. An address joins when the one before
 * it had time for a whole round trip or turned out to be out of reach, and none has answered anything yet.
 */
async function firstAnswer(
  addresses: readonly Uint8Array[],
  options: KnockOptions,
  hearing: ExchangeOptions['hearing'],
  outer: Stop,
): Promise<Attempt> {
  const { surroundings, patience = PATIENCE_MS, onProgress } = options;
  using stop = new Stop(outer);
  const requestIds: Partial<Record<4 | 6, RequestId>> = {};
  const ended: Attempt[] = [];
  const start = async (address: Uint8Array): Promise<Attempt> => {
    const outcome = await exchange({
      ...options,
      patience,
      address,
      hearing,
      stop,
      // One grant for each family, on whichever of its addresses the request is heard: the source differs between families only.
      requestId: (requestIds[familyOf(address)] ??= newRequestId(surroundings.random)),
      onProgress: (progress) => onProgress?.(address, progress),
    });
    const attempt = { address, outcome };
    ended.push(attempt);
    return attempt;
  };
  const running = new Set<Promise<Attempt>>();
  for (let next = 0; ;) {
    const heard = hearing.heardAt > Number.NEGATIVE_INFINITY && running.size > 0;
    const address = heard ? undefined : addresses[next];
    if (address !== undefined) {
      const attempt = start(address);
      running.add(attempt);
      next++;
    }
    const more = next < addresses.length && !heard;
    if (running.size === 0) break;
    const first = await firstOf(running, more ? LONGEST_ROUND_TRIP_MS / 2 : undefined, surroundings);
    if (first === undefined) continue;
    running.delete(first.promise);
    if (first.attempt.outcome.kind === 'answered') return first.attempt;
  }
  const best = ended.find(({ outcome }) => outcome.kind === 'silent') ?? ended[0];
  if (best === undefined) throw new RangeError('an address expected');
  return best;
}

/** The first of the promises that is fulfilled, or undefined when `patience` milliseconds pass before. */
async function firstOf(
  promises: ReadonlySet<Promise<Attempt>>,
  patience: number | undefined,
  { after }: Surroundings,
): Promise<{ readonly promise: Promise<Attempt>; readonly attempt: Attempt } | undefined> {
  let cancel: () => void = () => undefined;
  const candidates: Promise<{ promise: Promise<Attempt>; attempt: Attempt } | undefined>[] = [...promises].map(
    async (promise) => ({ promise, attempt: await promise }),
  );
  if (patience !== undefined) {
    candidates.push(
      new Promise((resolve) => {
        cancel = after(patience, () => {
          resolve(undefined);
        });
      }),
    );
  }
  try {
    return await Promise.race(candidates);
  } finally {
    cancel();
  }
}
