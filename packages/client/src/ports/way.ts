/** Which of a host's addresses to knock at, and from where it sees the knocks. */
import { familyOf, formatAddress, fullPrefix } from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import type { Memory } from '../host.ts';
import type { SourceChoice } from '../request.ts';
import { type Path, PathError, type Transport } from '../transport.ts';

/** Where the source of a way is known from. */
export type SourceOrigin = 'stated' | 'seen' | 'local' | 'none';

/** Where knocks go, and where they come from. */
export interface Way {
  /** 16 bytes. */
  readonly address: Uint8Array;
  /** Where the gate sees them come from, 16 bytes; undefined with `none`. */
  readonly source: Uint8Array | undefined;
  readonly origin: SourceOrigin;
}

/** The first address that there is a way to from here, and that way. Sends nothing. @throws PersonError if there is none */
export async function firstPath(
  name: string,
  addresses: readonly Uint8Array[],
  port: number,
  transport: Transport,
): Promise<{ readonly address: Uint8Array; readonly path: Path }> {
  const codes: string[] = [];
  for (const address of addresses) {
    try {
      const path = await transport.connect(address, port, { received: () => undefined, trouble: () => undefined });
      return { address, path };
    } catch (error) {
      if (!(error instanceof PathError)) throw error;
      codes.push(`${formatAddress(address)} (${error.code})`);
    }
  }
  throw new PersonError(`there is no way to ${name} from here: ${codes.join(', ')}`, {
    hint: 'is this device online? an IPv6 address needs IPv6 here, an IPv4 address IPv4',
    exitCode: EXIT.silent,
  });
}

/**
 * The way of a keyed knock. By `auto`, its source is the address that the gate saw on this network before, else the local one: where no address is
 * translated that is right, and where one is it does no harm.
 *
 * @throws PersonError without a way, and for a prefix of more than one address
 */
export async function wayTo(
  name: string,
  addresses: readonly Uint8Array[],
  port: number,
  choice: SourceChoice,
  { seen }: Pick<Memory, 'seen'>,
  transport: Transport,
): Promise<Way> {
  if (typeof choice !== 'string' && choice.prefix !== fullPrefix(choice.family)) {
    throw new PersonError('--source: one address expected, as a keyed knock is bound to one', { exitCode: EXIT.usage });
  }
  const { address, path } = await firstPath(name, addresses, port, transport);
  using open = path;
  if (choice === 'observed') return { address, source: undefined, origin: 'none' };
  if (choice !== 'auto') return { address, source: choice.address, origin: 'stated' };
  const known = seen.get(open.network)?.address;
  if (known !== undefined && familyOf(known) === familyOf(address)) return { address, source: known, origin: 'seen' };
  return { address, source: open.local, origin: 'local' };
}
