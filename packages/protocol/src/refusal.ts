/**
 * Every reason for which a native SPA packet is refused: a closed list, one metric label each. The order is the wire order
 * of the sentry's counters and must only be appended to. All are silent except the last five, which are met after the
 * durable record and are told to the device in a receipt.
 */
export const REFUSALS = [
  // sentry, in the order of its checks
  'length', // not 352 or 1,372 bytes
  'tag', // tag of no live gate key and epoch
  'nonce-failed', // a nonce whose packets failed too often
  'duplicate', // this (mac, source) was seen
  'too-many-sources', // this mac came from more than 4 sources
  'mac', // mac does not verify
  'suite-unknown', // suite is neither 1 nor 2
  'suite-length', // suite does not fit the packet's length
  'suite-refused', // suite 1 where pq is required
  'budget', // this prefix, or everybody, used up the public-key work
  'unseal', // HPKE open failed
  'kind', // statement kind unknown
  'flags', // unknown flag bits, or a flag that does not fit the kind
  'source-type', // source type unknown or not allowed for the kind
  'source-form', // prefix or address not canonical for the source type
  'service-name', // service not [a-z0-9-], zero-padded
  'key-type', // not Ed25519
  'signature-length', // not 64
  'padding', // a byte that must be zero is not
  'time-range', // time is 2^53 or more
  'audience', // made for another gate
  'monitor-busy', // the line to the monitor is full
  // monitor, in the order of its checks
  'rate-line', // more requests over the line than the table allows
  'frame', // the sentry sent what no sentry of ours sends
  'device-unknown',
  'device-revoked',
  'device-expired',
  'invite-unknown',
  'invite-expired',
  'invite-used',
  'source', // came from another address than it states
  'source-leave', // observed source without leave by policy
  'era', // era older than the device's, or more than 1,024 ahead
  'stale', // time not fresh within the era
  'signature',
  'rate-device',
  'record-failed', // the durable record could not be written
  // after the record: told to the device
  'clock',
  'resync',
  'not-permitted',
  'nothing-to-extend',
  'failed',
] as const;

/** One of {@link REFUSALS}. */
export type Refusal = (typeof REFUSALS)[number];
