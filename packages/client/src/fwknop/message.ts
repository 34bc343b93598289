/** Makes the message of a packet, within what fwknop's server reads. */
import { familyOf, formatAddress } from '@postern/protocol';
import { FWKNOP_PACKET, type FwknopDigest, type FwknopMessage } from '@postern/protocol/fwknop';
import { EXIT, PersonError } from '@postern/terminal';
import type { FwknopRequest } from './request.ts';

/** Bytes of a user's name that a server decodes: fwknop's client sends more, and its server drops that. */
const USER_MAX = 48;
/** Bytes of what is asked for that a server decodes. */
const REQUEST_MAX = 192;
/** Version of the format. */
const VERSION = '3.0.0';
/** What a user's name must not hold, beyond what is no printable ASCII. */
const USER_FORBIDDEN = /["/\\[\]:;|=,+*?<>]|[^\x20-\x7e]/;

/** Whose name is in the packet. */
export interface FwknopUser {
  readonly name: string;
  /** Where it comes from, for people. */
  readonly from: string;
}

/**
 * The user's name as fwknop finds it: the setting, SPOOF_USER and LOGNAME of the environment, the system's, USER, and `NO_USER`.
 *
 * @param system - asks the system; undefined or an exception if it knows none
 */
export function userOf(
  setting: { readonly value: string; readonly from: string } | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  system: () => string | undefined,
): FwknopUser {
  if (setting !== undefined) return { name: setting.value, from: setting.from };
  const named = (variable: string): FwknopUser | undefined => {
    const name = environment[variable];
    return name === undefined || name === '' ? undefined : { name, from: `$${variable}` };
  };
  const known = (): FwknopUser | undefined => {
    try {
      const name = system();
      return name === undefined || name === '' ? undefined : { name, from: 'the name of this user' };
    } catch {
      return undefined;
    }
  };
  return (
    named('SPOOF_USER') ??
    named('LOGNAME') ??
    known() ??
    named('USER') ?? { name: 'NO_USER', from: 'the name of this user' }
  );
}

/**
 * The message.
 *
 * @param source - 16 bytes; undefined leaves it to where the packet comes from
 * @param time - seconds since 1970
 * @param random - a number from 0 up to, but not including, the one given
 * @throws PersonError for what a server would drop
 */
export function fwknopMessage(
  request: FwknopRequest,
  { source, user, time, timeout }: { source: Uint8Array | undefined; user: FwknopUser; time: number; timeout: number },
  random: (below: number) => number,
): FwknopMessage {
  checkUser(user);
  if (time < 0 || time > 0xffff_ffff)
    throw refused('the time of the packet is out of its range', 'a smaller --time-offset');
  const ip = source === undefined ? '0.0.0.0' : formatAddress(source);
  const asked =
    request.kind === 'command'
      ? request.command
      : request.ports.map(({ protocol, port }) => `${protocol}/${port}`).join(',');
  if (ip.length + 1 + asked.length > REQUEST_MAX) {
    const room = REQUEST_MAX - ip.length - 1;
    throw refused(
      `what is asked for has ${asked.length} characters, and a server reads ${room}`,
      request.kind === 'command'
        ? 'a shorter command: a script at the server'
        : 'several packets with fewer ports in -A',
    );
  }
  const digits = (): string => String(random(100_000_000)).padStart(8, '0');
  const common = { random: digits() + digits(), user: user.name, time, version: VERSION, source };
  switch (request.kind) {
    case 'command':
      return { ...common, kind: 'command', command: request.command };
    case 'access':
      return { ...common, kind: 'access', ports: request.ports, timeout };
    case 'nat-access':
    case 'local-nat-access':
      return { ...common, kind: request.kind, ports: request.ports, nat: request.nat, timeout };
  }
}

function checkUser({ name, from }: FwknopUser): void {
  if (name === '' || USER_FORBIDDEN.test(name)) {
    throw refused(
      `${from} cannot be in a packet: a server takes printable ASCII without " / \\ [ ] : ; | = , + * ? < >`,
      '-U NAME says another name',
    );
  }
  if (name.length > USER_MAX) {
    throw refused(
      `${from} has ${name.length} characters, and a server reads ${USER_MAX}`,
      '-U NAME says a shorter one',
    );
  }
}

/** Characters of an HMAC at the end of a packet. */
export const HMAC_CHARACTERS: Readonly<Record<FwknopDigest, number>> = {
  ...{ md5: 22, sha1: 27, sha256: 43, sha384: 64, sha512: 86, sha3_256: 43, sha3_512: 86 },
};
/** Characters that every packet leaves out. */
const PREFIX = 10;

/**
 * Refuses a packet that fwknop's server would take for one of GPG, or drop.
 *
 * @param size - characters of the packet
 * @param hmacSize - those of the HMAC at its end
 * @throws PersonError
 */
export function checkSize(size: number, kind: FwknopMessage['kind'] | 'gpg', hmacSize: number): void {
  if (size < FWKNOP_PACKET.least) {
    throw refused(
      `the packet has ${size} characters, and a server drops one of less than ${FWKNOP_PACKET.least}`,
      '--use-hmac, or a digest that is longer (-m sha256)',
    );
  }
  if (kind === 'gpg') {
    if (size < FWKNOP_PACKET.gpg) {
      throw refused(
        `the packet has ${size} characters, and a server takes none of less than ${FWKNOP_PACKET.gpg} for one of gpg`,
        '--gpg-signer-key: a signature makes it longer, and servers ask for one by default',
      );
    }
    if (size <= FWKNOP_PACKET.most) return;
    throw refused(
      `the packet has ${size} characters, and a server takes ${FWKNOP_PACKET.most}`,
      'a shorter key (RSA with 2048 or 3072 bits), or no signature',
    );
  }
  // The server looks at the whole packet, and its library at what is encrypted; where commands may run it looks at the latter only.
  const counted = kind === 'command' ? size - hmacSize + PREFIX : Math.max(size, size - hmacSize + PREFIX);
  if (counted < FWKNOP_PACKET.gpg) return;
  throw refused(
    `the packet has ${counted} characters, and fwknopd takes one of ${FWKNOP_PACKET.gpg} and more for GPG and drops it`,
    kind === 'command'
      ? 'a shorter command: a script at the server'
      : 'fewer ports in -A, a shorter -U, or a digest that is shorter (--hmac-digest-type sha256 -m sha256)',
  );
}

/** What a packet with an IPv6 address is told about. */
export const IPV6_REMARK = 'an IPv6 address in a packet is understood by posternd only: fwknopd drops such a packet';

/** Whether a message says something that fwknop's own programs cannot read. */
export function isExtended(message: FwknopMessage): boolean {
  const nat = 'nat' in message && message.nat.host.includes(':');
  return nat || (message.source !== undefined && familyOf(message.source) === 6);
}

function refused(message: string, hint: string): PersonError {
  return new PersonError(message, { hint, exitCode: EXIT.usage });
}
