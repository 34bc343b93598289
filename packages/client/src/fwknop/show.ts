/** What is in a packet, for people and as JSON. */
import { formatAddress } from '@postern/protocol';
import { fwknopMessageType, type FwknopMessage } from '@postern/protocol/fwknop';
import { formatTable, printable } from '@postern/terminal';
import type { Cipher, Sealed } from './seal.ts';
import type { FwknopWay } from './way.ts';

const KINDS: Readonly<Record<FwknopMessage['kind'], string>> = {
  command: 'run a command',
  access: 'open ports',
  'nat-access': 'reach a host behind the server',
  'local-nat-access': 'reach a port of the server by another one',
};

function asked(message: FwknopMessage): string {
  return message.kind === 'command'
    ? message.command
    : message.ports.map(({ protocol, port }) => `${protocol}/${port}`).join(',');
}

/** Lines of a table. Neither a key nor anything that a key could be found from. */
export function describePacket({ packet, message }: Sealed, { digest, mode, hmac }: Cipher, way: FwknopWay): string {
  const timeout = 'timeout' in message && message.timeout > 0 ? `${message.timeout} s` : 'as the server has it';
  const rows: (readonly [string, string])[] = [
    ['type', `${fwknopMessageType(message)}, ${KINDS[message.kind]}`],
    ['asks for', printable(asked(message))],
    ...('nat' in message ? [['leads to', `${message.nat.host}, port ${message.nat.port}`] as const] : []),
    ['for', message.source === undefined ? 'where the packet comes from' : formatAddress(message.source)],
    ...(message.kind === 'command' ? [] : [['for how long', timeout] as const]),
    ['user', printable(message.user)],
    ['time', `${message.time} (${new Date(message.time * 1000).toISOString()})`],
    ['random', message.random],
    ['version', message.version],
    ['cipher', `${mode}, digest ${digest}, ${hmac === undefined ? 'no HMAC' : `HMAC ${hmac}`}`],
    ['way', `${way.transport} to ${way.server ?? 'nobody yet'}, port ${way.port}`],
    // Not the packet itself: whoever read it could send it.
    ['size', `${packet.length} characters; -B FILE keeps the packet`],
  ];
  return formatTable(['FIELD', 'VALUE'], rows);
}

/** The same as data. */
export function reportPacket(
  { packet, message }: Sealed,
  { digest, mode, hmac }: Cipher,
  { transport, server, port }: FwknopWay,
): Readonly<Record<string, unknown>> {
  const { source, kind, user, time, random, version } = message;
  return {
    type: fwknopMessageType(message),
    kind,
    ...(message.kind === 'command' ? { command: message.command } : { ports: asked(message).split(',') }),
    ...('nat' in message ? { nat: message.nat } : {}),
    allow: source === undefined ? 'source' : formatAddress(source),
    timeout: 'timeout' in message ? message.timeout : 0,
    ...{ user, time, random, version },
    ...{ mode, digest, hmac: hmac ?? null },
    ...{ transport, server: server ?? null, port },
    size: packet.length,
  };
}
