import {
  decodeInvite,
  firstState,
  importSigner,
  type Invite,
  type InviteRefusal,
  type Random,
  secret,
  type SecretBytes,
  type UnixMicros,
} from '@postern/protocol';
import { EXIT, PersonError } from '@postern/terminal';
import { askHost, type AskOptions } from './ask-host.ts';
import type { HostBook } from './book.ts';
import type { Answer } from './outcome.ts';
import { type Host, hostName, type Memory } from './host.ts';
import { answersOf, type KnockResult } from './knock.ts';
import { newLock } from './locked-file.ts';

/** An invite that has been out of date for longer cannot be heard: no clock that is heard is off by so much. 68 minutes. */
const HOPELESS_MICROS = 4_096_000_000;

const REFUSALS: Readonly<Record<InviteRefusal, readonly [string, string]>> = {
  'not-an-invite': [
    'that is no invite',
    'an invite is one long line that begins with `postern-invite-`; `posternd user add NAME` on the gate makes one',
  ],
  damaged: ['the invite is damaged: a part of it is missing or changed', 'copy the whole line again'],
  'newer-version': ['the invite was made by a newer version of Postern', 'install the newest version here'],
};

/** The invite that a person pasted. @throws PersonError if it is none */
export function readInvite(text: string): Invite {
  const decoded = decodeInvite(text);
  if (decoded.ok) return decoded.value;
  const [message, hint] = REFUSALS[decoded.reason];
  throw new PersonError(message, { hint, exitCode: EXIT.usage });
}

/**
 * Makes this device's key for a gate and keeps it, before anything is sent; or finds what an earlier try with the same invite left, as the gate
 * takes one device for one invite.
 *
 * @param called - what the owner wants to call the host; the gate's own name by default
 * @param passphrase - asks for the passphrase that the key shall have; without it, it has none
 */
export async function prepareHost(
  book: HostBook,
  invite: Invite,
  called: string | undefined,
  now: UnixMicros,
  random: Random,
  passphrase?: (name: string) => string,
): Promise<Host> {
  const name = hostName(called ?? invite.name);
  if (name === undefined) {
    throw new PersonError(`${JSON.stringify(called ?? invite.name)} cannot be the name of a host`, {
      hint: 'letters, digits, `.`, `_` and `-`, at most 63; `--name HOST` chooses another',
      exitCode: EXIT.usage,
    });
  }
  const known = book.find(name);
  if (known !== undefined) {
    if (known.enrolment !== undefined && Buffer.from(known.enrolment.seed).equals(invite.seed)) return known;
    throw new PersonError(`there is a host ${JSON.stringify(name)} already`, {
      hint: `\`--name OTHER\` joins under another name; \`postern hosts remove ${name}\` forgets the old one`,
      exitCode: EXIT.configuration,
    });
  }
  if (invite.expires + HOPELESS_MICROS <= now) {
    throw new PersonError(`the invite expired at ${new Date(invite.expires / 1000).toISOString()}`, {
      hint: "ask for a new one; or set this device's clock, if it is wrong",
    });
  }
  const { gateKey, stateId, x25519, xwing, addresses, port, pq, services } = invite;
  const memory: Memory = {
    sender: firstState(stateId, secret(gateKey)),
    ...{ formerKey: undefined, seen: new Map(), roundTrip: undefined },
  };
  const host: Host = {
    ...(passphrase === undefined ? {} : { lock: newLock(passphrase(name), random) }),
    ...{ name, seed: secret(random(32)), gate: { x25519, xwing }, addresses, port, pq, services },
    ...{ joined: now, memory, enrolment: { seed: secret(invite.seed), expires: invite.expires, memory } },
  };
  await book.put(host);
  return host;
}

/** How joining ended: the host as it is kept now, and the gate's answers. */
export interface Joined {
  readonly host: Host;
  readonly answer: Answer | undefined;
  readonly result: KnockResult;
}

/** Enrols a prepared host's device key and waits for the gate's receipt. */
export async function enrol(book: HostBook, host: Host, options: AskOptions): Promise<Joined> {
  const { publicKey } = importSigner(host.seed);
  const result = await askHost(book, host, { kind: 'enrol', newDevice: publicKey }, options);
  const answer = answersOf(result).find(({ outcome }) => outcome.status === 'ok')?.outcome;
  if (answer === undefined) return { host, answer, result };
  const enrolled = await book.update(host.name, (now) => finish(now, answer.knockKey));
  return { host: enrolled, answer, result };
}

/** The device starts with what the invite's key has learned, but for eras and times, which are each key's own; and with the key of that very request. */
function finish(host: Host, knockKey: SecretBytes | undefined): Host {
  const { enrolment } = host;
  if (enrolment === undefined) return host;
  const { sender } = enrolment.memory;
  const fresh = { ...firstState(sender.stateId, sender.gateKey), offset: sender.offset };
  const memory = { ...enrolment.memory, sender: fresh };
  return { ...host, ...(knockKey === undefined ? {} : { knockKey }), memory, enrolment: undefined };
}
