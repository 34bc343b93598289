/** What is told of a knock that nobody answers. */
import { formatAddress } from '@postern/protocol';
import { EXIT, type Io, type Parsed, PersonError } from '@postern/terminal';
import { checkPort, type PortState } from '../ports/check-port.ts';
import type { KnockSender } from '../ports/knock-sender.ts';
import { formatSeconds } from '../words.ts';
import type { Check } from './knock-options.ts';

/** A knock that was sent. */
export interface Knocked {
  /** What was knocked, as the first words of a line. */
  readonly line: string;
  /** Remarks, a line each. */
  readonly notes: readonly string[];
  /** For `--json`. */
  readonly report: Readonly<Record<string, unknown>>;
  /** Where, 16 bytes. */
  readonly address: Uint8Array;
  readonly troubles: KnockSender['troubles'];
  /** Why a port that is checked may stay silent, a line each. */
  readonly reasons: readonly string[];
}

/** Tells it, looks at the port if that was asked for, and returns the exit code. @throws PersonError if the port stays shut */
export async function tellKnocked(
  { line, notes, report, address, troubles, reasons }: Knocked,
  check: Check | undefined,
  { flags }: Parsed,
  io: Io,
): Promise<number> {
  const lost = [...troubles].map(
    ([code, count]) => `${count} ${count === 1 ? 'packet' : 'packets'} could not leave: ${code}`,
  );
  const json = flags.has('json');
  if (!json && !flags.has('quiet')) {
    io.out(line);
    const more = check === undefined ? ['nobody answers a knock: connect, and see'] : [];
    for (const note of [...notes, ...lost, ...more]) io.err(`postern: note: ${note}`);
  }
  const state = check === undefined ? undefined : await checkPort(address, check.port, check.patience);
  const error = check === undefined || state === undefined ? undefined : shut(state, address, check, reasons);
  if (json) {
    const failed = error === undefined ? {} : { error: plain(error) };
    io.out(JSON.stringify({ ...report, notSent: Object.fromEntries(troubles), check: state ?? null, ...failed }));
    return error?.exitCode ?? EXIT.ok;
  }
  if (error !== undefined) throw error;
  if (check !== undefined && !flags.has('quiet')) io.out(`tcp/${check.port} of ${formatAddress(address)} is open`);
  return EXIT.ok;
}

function shut(
  state: PortState,
  address: Uint8Array,
  { port, patience }: Check,
  reasons: readonly string[],
): PersonError | undefined {
  const where = `tcp/${port} of ${formatAddress(address)}`;
  if (state === 'open') return undefined;
  if (state === 'refused') {
    return new PersonError(`${where} says that nobody listens there`, {
      hint: 'the way to it is open, if it ever was shut: is the service running, and is this its port?',
    });
  }
  return new PersonError(`${where} does not answer, ${formatSeconds(patience / 1000)} after the knock`, {
    hint: ['a knock has no receipt; so this can mean:', ...reasons.map((reason) => `  - ${reason}`)].join('\n'),
    exitCode: EXIT.silent,
  });
}

function plain({ message, hint, exitCode }: PersonError): unknown {
  return { message, hint, exitCode };
}
