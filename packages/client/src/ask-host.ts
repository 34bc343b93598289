import { formatAddress } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import type { HostBook } from './book.ts';
import type { Progress } from './outcome.ts';
import type { Host } from './host.ts';
import { knock, type KnockResult, type Reach } from './knock.ts';
import { type Ask, deviceParty, type Keeper, type Party, partyOf, type SourceChoice } from './request.ts';
import { type Lookup, resolveAddresses, systemLookup } from './resolve.ts';
import type { Surroundings } from './transport.ts';

/** How to reach a host. */
export interface AskOptions {
  readonly surroundings: Surroundings;
  readonly reach: Reach;
  /** Only addresses of this family. */
  readonly family?: 4 | 6 | undefined;
  /** Milliseconds without an answer; 12,000 by default. */
  readonly patience?: number | undefined;
  readonly lookup?: Lookup | undefined;
  readonly onProgress?: ((address: Uint8Array, progress: Progress) => void) | undefined;
}

/**
 * Makes a request to a host that was joined (or with `enrol` is being joined), and keeps what is learned in the book.
 *
 * @throws PersonError if the host has no address that could be used, or its file cannot be read or written (nothing was sent then)
 */
export async function askHost(book: HostBook, host: Host, ask: Ask, options: AskOptions): Promise<KnockResult> {
  const family = familyFor(ask, options.family);
  const addresses = await addressesOf(host, family, options.lookup);
  const { surroundings, reach, patience, onProgress } = options;
  const { party, keeper, memory } = standing(book, host, ask);
  return knock({ surroundings, party, keeper, memory, ask, addresses, port: host.port, reach, patience, onProgress });
}

/**
 * The addresses of a host, 16 bytes each, at least one; `family` leaves only those.
 *
 * @throws PersonError if there is none
 */
export async function addressesOf(
  host: Pick<Host, 'name' | 'addresses'>,
  family: 4 | 6 | undefined,
  lookup: Lookup = systemLookup,
): Promise<readonly Uint8Array[]> {
  const { addresses, failed } = await resolveAddresses(host.addresses, family, lookup);
  if (addresses.length === 0) throw noAddress(host, family, failed);
  return addresses;
}

/** A stated source says which family the request has to come by. */
function familyFor(ask: Ask, family: 4 | 6 | undefined): 4 | 6 | undefined {
  return 'source' in ask ? familyOfSource(ask.source, family) : family;
}

/** The family that is left where a source is stated. @throws PersonError if another one was asked for */
export function familyOfSource(source: SourceChoice, family: 4 | 6 | undefined): 4 | 6 | undefined {
  if (typeof source === 'string') return family;
  if (family !== undefined && family !== source.family) {
    const address = formatAddress(source.address);
    throw new PersonError(`the source ${address} is no IPv${family} address`, { exitCode: EXIT.usage });
  }
  return source.family;
}

function standing(book: HostBook, host: Host, ask: Ask): { party: Party; keeper: Keeper; memory: Host['memory'] } {
  const { name, enrolment } = host;
  if (ask.kind !== 'enrol') {
    if (enrolment !== undefined) {
      throw new PersonError(`${name} has not answered the invite yet`, {
        hint: `\`postern join --name ${name}\` asks again`,
      });
    }
    const keeper: Keeper = {
      update: async (change) => {
        const changed = await book.update(name, (now) => {
          const memory = change(now.memory);
          return memory === now.memory ? now : { ...now, memory };
        });
        return changed.memory;
      },
    };
    return { party: deviceParty(host), keeper, memory: host.memory };
  }
  if (enrolment === undefined) throw new TypeError('nothing to enrol');
  const keeper: Keeper = {
    update: async (change) => {
      const changed = await book.update(name, (now) => {
        if (now.enrolment === undefined) throw new PersonError(`${name} was joined by another process just now`);
        const memory = change(now.enrolment.memory);
        return memory === now.enrolment.memory ? now : { ...now, enrolment: { ...now.enrolment, memory } };
      });
      return changed.enrolment?.memory ?? changed.memory;
    },
  };
  return { party: partyOf(host, enrolment.seed), keeper, memory: enrolment.memory };
}

function noAddress(
  host: Pick<Host, 'name' | 'addresses'>,
  family: 4 | 6 | undefined,
  failed: readonly string[],
): PersonError {
  if (failed.length > 0) {
    return new PersonError(`cannot find the address of ${failed.join(' or ')}`, {
      hint: 'does name resolution work here (DNS)?',
      exitCode: EXIT.silent,
    });
  }
  return new PersonError(`${host.name} has no IPv${family ?? 4} address: ${host.addresses.join(', ')}`, {
    hint: `leave out -${family ?? 4}`,
    exitCode: EXIT.silent,
  });
}
