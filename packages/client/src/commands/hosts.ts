import { MICROS_PER_SECOND } from '@postern/protocol';
import { EXIT, formatTable, type Io, type Parsed, PersonError } from '@postern/terminal';
import type { HostSummary } from '../host-file.ts';
import { bookOf } from './context.ts';

/** `postern hosts`. */
export function runHosts(parsed: Parsed, io: Io): number {
  const book = bookOf(parsed);
  const hosts: HostSummary[] = [];
  let code: number = EXIT.ok;
  for (const name of book.names()) {
    try {
      hosts.push(book.summary(name));
    } catch (error) {
      // One damaged file hides none of the others.
      if (!(error instanceof PersonError)) throw error;
      io.err(`postern: error: ${error.message}`);
      if (error.hint !== undefined) io.err(`postern: hint: ${error.hint}`);
      code = EXIT.configuration;
    }
  }
  if (parsed.flags.has('json')) io.out(JSON.stringify(hosts.map(describe)));
  else if (hosts.length > 0) {
    const headings = ['HOST', 'SERVICES', 'ADDRESSES', 'PORT', 'DEVICE', 'STATE'];
    io.out(formatTable(headings, hosts.map(row)));
  } else if (code === EXIT.ok) io.err('postern: no hosts yet; `postern join` asks for an invite');
  return code;
}

function row(host: HostSummary): string[] {
  const { name, services, addresses, port, device, state, passphrase } = describe(host);
  return [
    name,
    services.join(', ') || '-',
    addresses.join(', '),
    String(port),
    device,
    passphrase ? `${state}, passphrase` : state,
  ];
}

interface Description {
  readonly name: string;
  readonly services: readonly string[];
  readonly addresses: readonly string[];
  readonly port: number;
  readonly pq: 'required' | 'off';
  /** The device's id on that gate. */
  readonly device: string;
  /** Whether its key has a passphrase. */
  readonly passphrase: boolean;
  readonly state: 'joined' | 'waiting for the gate';
  readonly joined: string;
  /** The gate's clock less this device's, as learned. */
  readonly clockOffsetSeconds: number;
  readonly roundTripMs: number | null;
}

function describe(host: HostSummary): Description {
  const { name, services, addresses, port, pq, device, locked, enrolled, joined, offset, roundTrip } = host;
  return {
    ...{ name, services, addresses, port, pq },
    ...{ device, passphrase: locked },
    state: enrolled ? 'joined' : 'waiting for the gate',
    joined: new Date(joined / 1000).toISOString(),
    clockOffsetSeconds: offset / MICROS_PER_SECOND,
    roundTripMs: roundTrip === undefined ? null : roundTrip / 1000,
  };
}

/** `postern hosts remove HOST`. */
export async function runHostsRemove(parsed: Parsed, io: Io): Promise<number> {
  const host = parsed.arguments['host'] ?? '';
  await bookOf(parsed).remove(host);
  if (parsed.flags.has('json')) io.out(JSON.stringify({ removed: host }));
  else if (!parsed.flags.has('quiet')) {
    io.out(
      `forgot ${host} and this device's key for it; its admin can revoke the device with \`posternd device revoke\``,
    );
  }
  const { forgetInSsh } = await import('./ssh-config.ts');
  await forgetInSsh(host.toLowerCase(), parsed, io);
  return EXIT.ok;
}
