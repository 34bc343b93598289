/** Why a packet would have been refused, in words: `refused: …`. */
import type { Refusal } from '@postern/protocol';
import type { FwknopCounter } from '../line/frame.ts';
import type { FwknopRefused } from '../monitor/fwknop.ts';
import type { KnockRefusal } from '../monitor/knocks.ts';

const FORM = 'it is sealed rightly, but what is inside has not the form of a request';
const BROKEN = 'its end does not verify: it was changed, or made with another key of this gate';

/** Of native packets. */
export const SPA_REASONS: Readonly<Record<Refusal, string>> = {
  length: 'it has not the length of a knock',
  tag: 'it has the length of a knock, but was made for another gate, with a key that this gate has no more, or by a clock that is off by an hour or more',
  'nonce-failed': 'too many packets with its beginning were wrong',
  duplicate: 'the same packet came from there before',
  'too-many-sources': 'the same packet came from more than four addresses',
  mac: BROKEN,
  'suite-unknown': BROKEN,
  'suite-length': BROKEN,
  'suite-refused': 'it is of suite 1, and `gate.pq` is "required"',
  budget: 'too many packets came from there, or from everybody, at that time',
  unseal: "it is not sealed to this gate's public key",
  kind: FORM,
  flags: FORM,
  'source-type': FORM,
  'source-form': FORM,
  'service-name': FORM,
  'key-type': FORM,
  'signature-length': FORM,
  padding: FORM,
  'time-range': FORM,
  audience: 'it was made for another gate',
  'monitor-busy': 'too many packets came at that time',
  'rate-line': 'too many packets came at that time',
  frame: FORM,
  'device-unknown': 'no user has this device',
  'device-revoked': 'the device, or its user, is revoked',
  'device-expired': 'the device, or its user, had expired',
  'invite-unknown': 'it enrols a device: invites are in the state, which a replay does not read',
  'invite-expired': 'the invite had expired',
  'invite-used': 'the invite was used',
  source: 'it came from another address than it says',
  'source-leave': 'it says no address, and the service wants one (`observed_source`)',
  era: 'the device has used a later era of its clock',
  stale: 'the device has sent this, or a later one, before',
  signature: 'it is not signed by this device',
  'rate-device': 'the device sent too many at that time',
  'record-failed': 'it could not be recorded',
  clock: "the device's clock is off",
  resync: 'the device did not know the state of this gate yet: it is told, and asks again',
  'not-permitted': 'the user may not have that from there',
  'nothing-to-extend': 'nothing was open that could be extended',
  failed: 'the firewall would have refused it',
};

/** Of packets of fwknop's format, by whoever refuses them. */
export const FWKNOP_REASONS: Readonly<Record<FwknopCounter | FwknopRefused, string>> = {
  opened: '',
  form: 'it has not the form of a packet',
  source: 'no stanza with its keys is for that source',
  'no-key': "no stanza's keys open it",
  field: 'its HMAC is right, but what is inside is not: another key or mode, or a field that is none',
  duplicate: 'the same packet came from there before',
  budget: 'too many packets came from there, or from everybody, at that time',
  busy: 'too many packets came at that time',
  gpg: 'its message is for gpg, which a replay does not ask',
  'gpg-busy': 'too many packets for gpg came at that time',
  'gpg-refused': 'gpg could not read its message',
  destination: 'its stanza is not for the address that it came to',
  expired: 'its stanza had expired',
  signer: 'it is not signed by whom its stanza names',
  'address-required': 'it leaves its address to be observed, and its stanza wants one (`require_source_address`)',
  user: 'its stanza is for another user',
  'nat-off': 'it wants to be forwarded, and its stanza does not let it',
  'command-off': 'it is a command, and its stanza runs none',
  'command-form': 'it is a command that is none: empty, or with a quote that does not end',
  ports: 'its stanza does not open all of these ports',
  replayed: 'the same packet was used before, perhaps with a changed ending',
  uncertain: 'it may have been used before',
  past: 'its stanza is no more',
  untrue: "it asks for an address that cannot be anybody's",
  age: 'its time is too far from when it came',
  rate: 'too many packets under its keys came at that time',
  'record-failed': 'it could not be recorded',
  'nat-name': 'it leads to a name, and a replay looks none up',
  'not-permitted': 'where it leads has no address of that family',
  failed: 'the firewall would have refused it',
};

/** Of doors and keyed knocks. */
export const KNOCK_REASONS: Readonly<Record<KnockRefusal, string>> = {
  'slot-used': 'the device used that time slot before',
  'slot-uncertain': 'the time slot may have been used before',
  'slot-over': 'the time slot was over',
  past: 'who knocked may not any more',
  untrue: 'the numbers do not belong to that address',
  'door-rate': 'the door opened too often at that time',
  'one-time': 'the one-time sequence is used up',
  'device-revoked': 'the device, or its user, is revoked',
  'device-expired': 'the device, or its user, had expired',
  'source-leave': 'the numbers are bound to no address, and the service wants that (`observed_source`)',
  'not-permitted': 'the user may not have that from there',
  'record-failed': 'it could not be recorded',
  failed: 'the firewall would have refused it',
};

/** Of a packet that would have been heard elsewhere. */
export function wrongPort(came: string, heard: string): string {
  return `it came to ${came}, where nothing of the kind is heard: that is ${heard}`;
}
