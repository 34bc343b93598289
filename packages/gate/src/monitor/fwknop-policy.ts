/** What a stanza lets a request have: pure. */
import {
  accept,
  contains,
  fullPrefix,
  parseAddress,
  refuse,
  toHex,
  type Result,
  type Seconds,
  type UnixMicros,
} from '@postern/protocol';
import { listsPort } from '../config/fwknop/may-open.ts';
import type { FwknopStanza } from '../config/fwknop/model.ts';
import type { Endpoint, Source } from '../firewall/port.ts';
import type { FwknopFrame, FwknopSigner } from '../line/fwknop-codec.ts';
import { splitArgv } from './split-argv.ts';
import type { Argv } from './timed-commands.ts';

/** Why a stanza does not let a request have what it asks for, in the order in which it is asked. */
export type StanzaRefusal =
  /** The packet came from, or to, an address that the stanza does not name. */
  | 'source'
  | 'destination'
  | 'expired'
  /** Not signed by anybody whom the stanza names. */
  | 'signer'
  /** It leaves its address to be observed, and the stanza does not let it. */
  | 'address-required'
  | 'user'
  | 'nat-off'
  | 'command-off'
  /** A command that is none: empty, an option, or with a quote that does not end. */
  | 'command-form'
  | 'ports';

/** Where forwarded connections go: an address, or a name that is looked up. */
export interface NatTarget {
  readonly host: Uint8Array | string;
  readonly port: number;
  readonly masquerade: boolean;
}

/** What is to be done. */
export type StanzaDecision =
  | {
      readonly kind: 'grant';
      readonly source: Source;
      readonly endpoints: readonly Endpoint[];
      readonly seconds: Seconds;
      readonly target: NatTarget | undefined;
    }
  | { readonly kind: 'command'; readonly argv: Argv; readonly user: string }
  | {
      readonly kind: 'cycle';
      readonly source: Source;
      readonly seconds: Seconds;
      readonly open: readonly string[];
      readonly close: readonly string[] | undefined;
      readonly closeAfter: number;
      readonly user: string;
      /** The first port of the request, for the placeholders. */
      readonly endpoint: Endpoint;
    };

/** Whether the stanza is about packets that came so at all: what the others of its credential may have to say counts as well. */
export function concerns(
  { sources, destinations, expires }: FwknopStanza,
  { source, destination }: Pick<FwknopFrame, 'source' | 'destination'>,
  now: UnixMicros,
): Result<void, StanzaRefusal> {
  if (!sources.some((it) => contains(it, source))) return refuse('source');
  if (destinations?.some((it) => contains(it, destination)) === false) return refuse('destination');
  return expires !== undefined && expires <= now ? refuse('expired') : accept(undefined);
}

/** What a stanza that is concerned lets the request have. */
export function decideStanza(stanza: FwknopStanza, request: FwknopFrame): Result<StanzaDecision, StanzaRefusal> {
  if (!isSigned(stanza, request.signers)) return refuse('signer');
  if (stanza.requireSourceAddress && request.asked === undefined) return refuse('address-required');
  if (stanza.requireUser !== undefined && stanza.requireUser !== request.user) return refuse('user');
  if (request.command !== undefined) return decideCommand(stanza, request.command);
  const target = targetOf(stanza, request);
  if (!target.ok) return target;
  const source = sourceOf(request);
  const seconds = secondsOf(stanza, request);
  const [first] = request.ports;
  if (first === undefined) return refuse('ports');
  const { cycle } = stanza;
  if (cycle !== undefined)
    return accept({ kind: 'cycle', source, seconds, ...cycle, user: stanza.cycleUser, endpoint: first });
  // As with fwknop, what is forwarded is the first port.
  const endpoints = target.value === undefined ? request.ports : [first];
  if (!endpoints.every((endpoint) => listsPort(stanza, endpoint))) return refuse('ports');
  return accept({ kind: 'grant', source, endpoints: distinct(endpoints), seconds, target: target.value });
}

function secondsOf({ seconds, maxSeconds }: FwknopStanza, { timeout }: FwknopFrame): Seconds {
  return timeout > 0 ? (Math.min(timeout, maxSeconds) as Seconds) : seconds;
}

/** The address that a request opens for. */
export function sourceOf({ asked, source }: Pick<FwknopFrame, 'asked' | 'source'>): Source {
  const address = asked ?? source;
  const family = contains(MAPPED, address) ? 4 : 6;
  return { family, address, prefix: fullPrefix(family) };
}

const MAPPED: Source = {
  family: 4,
  address: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0),
  prefix: 0,
};

function isSigned({ cipher }: FwknopStanza, signers: readonly FwknopSigner[]): boolean {
  if (cipher.kind !== 'gpg' || cipher.signers === undefined) return true;
  const wanted = cipher.signers;
  return signers.some(({ fingerprint, good }) => {
    const whole = toHex(fingerprint).toUpperCase();
    return (good || cipher.ignoreBadSignature) && wanted.some((it) => whole.endsWith(it));
  });
}

function decideCommand(
  { commandUser, commandPrefix }: FwknopStanza,
  command: string,
): Result<StanzaDecision, StanzaRefusal> {
  if (commandUser === undefined) return refuse('command-off');
  const [program = '', ...rest] = splitArgv(command) ?? [];
  // What begins like an option would be one of sudo's.
  if (program === '' || program.startsWith('-')) return refuse('command-form');
  const [first = program, ...words] = [...commandPrefix, program, ...rest];
  return accept({ kind: 'command', argv: [first, ...words], user: commandUser });
}

function targetOf(
  { nat }: FwknopStanza,
  { nat: asked, message, destination }: FwknopFrame,
): Result<NatTarget | undefined, StanzaRefusal> {
  const { masquerade } = nat;
  if (nat.force !== undefined) return accept({ host: nat.force.address, port: nat.force.port, masquerade });
  if (asked === undefined) return accept(undefined);
  if (message >= 5) {
    // What the client calls this host may be an address that only others know; it was reached at this one.
    return nat.local ? accept({ host: destination, port: asked.port, masquerade: false }) : refuse('nat-off');
  }
  return nat.forward
    ? accept({ host: parseAddress(asked.host) ?? asked.host, port: asked.port, masquerade })
    : refuse('nat-off');
}

function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return [...new Map(endpoints.map((it) => [`${it.protocol}/${String(it.port)}`, it])).values()];
}
